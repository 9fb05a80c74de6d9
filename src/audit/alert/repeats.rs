//! What was told of late, so that it is not told with every request.

/// What of which kind about whom: a part of a SHA-256, so that nobody can be hidden behind somebody else.
pub(super) type Edge = [u8; 16];

/// What one worker has told of late.
#[derive(Debug, Default)]
pub struct Repeats {
    told: Vec<Told>,
}

#[derive(Debug)]
struct Told {
    edge: Edge,
    /// In nanoseconds since 1970.
    at: u64,
    left_out: u32,
}

impl Repeats {
    /// As many are remembered. Where there are more the oldest is forgotten, and told anew: rather too many
    /// alerts than too few.
    pub const MOST: usize = 256;

    /// After so long the same is told again, in nanoseconds.
    pub const REST: u64 = 60_000_000_000;

    /// Tells it now, where it was not told within [`Repeats::REST`]: how many were left out since then.
    pub(super) fn tell(&mut self, edge: Edge, now: u64) -> Option<u32> {
        if let Some(told) = self.told.iter_mut().find(|told| told.edge == edge) {
            // A clock that steps back must not silence it for longer.
            if (told.at..told.at.saturating_add(Repeats::REST)).contains(&now) {
                told.left_out = told.left_out.saturating_add(1);
                return None;
            }
            told.at = now;
            return Some(std::mem::take(&mut told.left_out));
        }
        let new = Told {
            edge,
            at: now,
            left_out: 0,
        };
        if self.told.len() < Repeats::MOST {
            self.told.push(new);
        } else if let Some(oldest) = self.told.iter_mut().min_by_key(|told| told.at) {
            *oldest = new;
        }
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_800_000_000_000_000_000;

    fn edge(number: u16) -> Edge {
        let mut edge = Edge::default();
        edge[..2].copy_from_slice(&number.to_le_bytes());
        edge
    }

    #[test]
    fn the_same_is_told_once_a_minute_with_what_was_left_out() {
        let mut repeats = Repeats::default();
        for (name, now, expected) in [
            ("first", START, Some(0)),
            ("at once again", START, None),
            ("just before", START + Repeats::REST - 1, None),
            ("just then", START + Repeats::REST, Some(2)),
            ("counted anew", START + Repeats::REST + 1, None),
            ("the clock stepped back", START - 1, Some(1)),
            ("and goes on", START, None),
        ] {
            assert_eq!(repeats.tell(edge(1), now), expected, "{name}");
        }
        assert_eq!(repeats.tell(edge(2), START), Some(0), "another");
    }

    #[test]
    fn as_many_are_remembered_as_there_is_room_for_and_the_oldest_goes() {
        let mut repeats = Repeats::default();
        let most = u16::try_from(Repeats::MOST).expect("a few");
        for number in 0..most {
            let now = START + u64::from(number);
            assert_eq!(repeats.tell(edge(number), now), Some(0), "{number}");
        }
        let now = START + u64::from(most);
        for number in 0..most {
            assert_eq!(repeats.tell(edge(number), now), None, "{number}: room");
        }
        assert_eq!(repeats.tell(edge(most), now), Some(0), "one more");
        assert_eq!(repeats.told.len(), Repeats::MOST);
        assert_eq!(repeats.tell(edge(1), now), None, "younger than the oldest");
        assert_eq!(
            repeats.tell(edge(0), now),
            Some(0),
            "the oldest was forgotten"
        );
    }
}
