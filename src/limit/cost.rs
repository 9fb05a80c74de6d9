//! What a request costs under one limit, and what its answer costs afterwards.

use std::num::NonZeroU32;

/// What is charged for one request. What it asks for is charged at once; what its answer held, when that
/// has ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cost {
    /// Each request.
    pub request: u32,
    /// In place of that, by the code of the interaction.
    pub interactions: Vec<(&'static str, u32)>,
    /// So many resources asked for (`_count`) cost one more, rounded up.
    pub resources_asked: Option<NonZeroU32>,
    /// Each `_include` and `_revinclude`.
    pub inclusion: u32,
    /// So many resources that left cost one afterwards, rounded up.
    pub resources_returned: Option<NonZeroU32>,
    /// So many bytes of bodies that left cost one afterwards, rounded up.
    pub bytes_returned: Option<NonZeroU32>,
}

impl Default for Cost {
    /// A request costs 1, whatever it asks for and gets.
    fn default() -> Self {
        Cost {
            request: 1,
            interactions: Vec::new(),
            resources_asked: None,
            inclusion: 0,
            resources_returned: None,
            bytes_returned: None,
        }
    }
}

/// What a request asks for, as far as it may cost.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// The code of the interaction.
    pub interaction: &'static str,
    /// The most resources that a page may hold.
    pub resources: u32,
    /// How many `_include` and `_revinclude` there are.
    pub inclusions: u32,
}

/// What has left of an answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Returned {
    /// Resources.
    pub resources: u64,
    /// Bytes of the body.
    pub bytes: u64,
}

impl Cost {
    /// What a request costs before it is let through.
    pub fn of_request(&self, asking: Asking) -> u32 {
        let mut named = self.interactions.iter();
        let named = named.find(|(code, _)| *code == asking.interaction);
        let own = named.map_or(self.request, |(_, cost)| *cost);
        let resources = u64::from(asking.resources);
        own.saturating_add(parts(resources, self.resources_asked))
            .saturating_add(self.inclusion.saturating_mul(asking.inclusions))
    }

    /// What its answer costs; absent where nothing is charged afterwards.
    pub(super) fn afterwards(&self) -> Option<Afterwards> {
        self.charges_answers().then_some(Afterwards {
            resources: self.resources_returned,
            bytes: self.bytes_returned,
        })
    }

    /// Whether anything is charged afterwards.
    pub fn charges_answers(&self) -> bool {
        self.resources_returned.is_some() || self.bytes_returned.is_some()
    }
}

/// What an answer costs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Afterwards {
    resources: Option<NonZeroU32>,
    bytes: Option<NonZeroU32>,
}

impl Afterwards {
    /// What this costs that has left.
    pub fn of(self, returned: Returned) -> u32 {
        parts(returned.resources, self.resources).saturating_add(parts(returned.bytes, self.bytes))
    }
}

/// How many parts of this size there are, a last one that is not whole included; none where there is no
/// size.
fn parts(all: u64, size: Option<NonZeroU32>) -> u32 {
    size.map_or(0, |size| {
        u32::try_from(all.div_ceil(u64::from(size.get()))).unwrap_or(u32::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_cost_what_the_limit_says() {
        let some = NonZeroU32::new;
        let all = Cost {
            request: 2,
            interactions: vec![("search-type", 5), ("read", 0)],
            resources_asked: some(50),
            inclusion: 3,
            resources_returned: some(10),
            bytes_returned: some(1000),
        };
        let most = Cost {
            request: u32::MAX,
            inclusion: u32::MAX,
            ..all.clone()
        };
        let plain = Cost::default();
        for (cost, interaction, resources, inclusions, expected) in [
            (&plain, "search-type", 1000, 20, 1),
            (&all, "vread", 0, 0, 2),
            (&all, "read", 0, 0, 0),
            (&all, "search-type", 0, 0, 5),
            (&all, "search-type", 1, 0, 6),
            (&all, "search-type", 50, 0, 6),
            (&all, "search-type", 51, 2, 13),
            (&all, "history-type", 1000, 0, 22),
            (&most, "create", 1, 1, u32::MAX),
            (&most, "search-type", 1, 2, u32::MAX),
        ] {
            let asking = Asking {
                interaction,
                resources,
                inclusions,
            };
            assert_eq!(cost.of_request(asking), expected, "{asking:?}");
        }
        for (cost, resources, bytes, expected) in [
            (&plain, 1000, 1_000_000, 0),
            (&all, 0, 0, 0),
            (&all, 1, 1, 2),
            (&all, 10, 1000, 2),
            (&all, 11, 1001, 4),
            (&all, u64::MAX, u64::MAX, u32::MAX),
        ] {
            let returned = Returned { resources, bytes };
            let found = cost.afterwards().map_or(0, |cost| cost.of(returned));
            assert_eq!(found, expected, "{returned:?}");
        }
        assert!(all.charges_answers() && !plain.charges_answers());
    }
}
