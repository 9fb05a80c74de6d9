//! Elements that carry security labels of their own.

use std::collections::BTreeMap;

use super::marks::{Marks, is_sibling};
use crate::json::{Kind, Member, Node};
use crate::label::{Cleared, INLINE};

/// What becomes of a resource for the labels of its elements.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Labelled {
    /// Every element may be seen.
    Seen,
    /// Some are masked.
    Masked,
    /// It may not leave: what carries the label cannot be masked.
    Withheld,
}

impl Labelled {
    /// What becomes of this resource, which the caller may see by its own labels.
    pub fn of(resource: Node<'_>, cleared: &Cleared) -> Labelled {
        mask(resource, cleared, &mut Marks::default())
    }
}

/// Marks the elements of a resource that the caller may not see by the labels they carry.
pub(super) fn mask(resource: Node<'_>, cleared: &Cleared, marks: &mut Marks) -> Labelled {
    // Nearly no resource has any.
    let mut urls = resource.all_named("url");
    if !urls.any(|url| url.is_str(INLINE)) {
        return Labelled::Seen;
    }
    // Whoever sees an element sees what it is in: one clearance must be enough for both.
    let around = cleared.of_resource(resource);
    let mut search = Search {
        marks,
        masked: false,
    };
    let (fixed, members): (Vec<_>, Vec<_>) = resource.members().partition(is_fixed);
    search.members(&members, &around);
    let mut fixed = fixed.iter();
    // The resource itself carries one that was not enough: it was withheld before.
    let whole = !around.sees_nothing() && fixed.all(|member| is_seen(member.value, &around));
    match (whole, search.masked) {
        (false, _) => Labelled::Withheld,
        (true, true) => Labelled::Masked,
        (true, false) => Labelled::Seen,
    }
}

struct Search<'s> {
    marks: &'s mut Marks,
    masked: bool,
}

impl Search<'_> {
    fn members(&mut self, members: &[Member<'_>], around: &Cleared) {
        // By name, so that a wide object costs no more than reading it; looked at for siblings only.
        let places: BTreeMap<_, _> = match members.iter().any(is_sibling) {
            true => members
                .iter()
                .map(|member| (member.name(), member.value))
                .collect(),
            false => BTreeMap::new(),
        };
        for member in members {
            let name = member.name();
            let Some(base) = name.strip_prefix('_') else {
                self.value(member.value, around);
                continue;
            };
            // The sibling of a primitive: with its label both go, of a list the whole list, for how many there
            // are must not show.
            if !is_seen(member.value, around) {
                self.mask(member.value);
                if let Some(primitive) = places.get(base) {
                    self.mask(*primitive);
                }
            }
        }
    }

    fn value(&mut self, value: Node<'_>, around: &Cleared) {
        match value.kind() {
            Kind::Object => {
                let within = around.within(value);
                match within.as_ref().unwrap_or(around) {
                    cleared if cleared.sees_nothing() => self.mask(value),
                    cleared => {
                        let members: Vec<Member<'_>> = value.members().collect();
                        self.members(&members, cleared);
                    }
                }
            }
            Kind::Array => {
                for item in value.items() {
                    self.value(item, around);
                }
            }
            Kind::Boolean | Kind::Null | Kind::Number | Kind::String => {}
        }
    }

    fn mask(&mut self, value: Node<'_>) {
        self.marks.mask(value);
        self.masked = true;
    }
}

/// Whether nothing here and below carries a label that the caller is not cleared for.
fn is_seen(value: Node<'_>, around: &Cleared) -> bool {
    let within = around.within(value);
    let cleared = within.as_ref().unwrap_or(around);
    !cleared.sees_nothing()
        && value.members().all(|member| is_seen(member.value, cleared))
        && value.items().all(|item| is_seen(item, cleared))
}

/// Whether a root element is one that the screen cannot mask.
fn is_fixed(member: &Member<'_>) -> bool {
    let name = member.name();
    matches!(
        name.trim_start_matches('_'),
        "id" | "meta" | "resourceType" | "implicitRules" | "language"
    )
}
