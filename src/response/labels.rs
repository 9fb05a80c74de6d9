//! Elements that carry security labels of their own.

use super::marks::Marks;
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
    let mut search = Search {
        cleared,
        marks,
        masked: false,
    };
    let mut whole = resource.members().all(|member| match is_fixed(&member) {
        true => search.has_none(member.value),
        false => {
            search.member(resource, member);
            true
        }
    });
    // The resource itself carries one that was not enough: it was withheld before.
    whole &= cleared.covers_element(resource);
    match (whole, search.masked) {
        (false, _) => Labelled::Withheld,
        (true, true) => Labelled::Masked,
        (true, false) => Labelled::Seen,
    }
}

struct Search<'s> {
    cleared: &'s Cleared,
    marks: &'s mut Marks,
    masked: bool,
}

impl Search<'_> {
    fn member(&mut self, parent: Node<'_>, member: Member<'_>) {
        let name = member.name();
        let Some(base) = name.strip_prefix('_') else {
            return self.value(member.value);
        };
        // The sibling of a primitive: with its label both go, of a list the whole list, for how many there
        // are must not show.
        if !self.has_none(member.value) {
            self.mask(member.value);
            if let Some(primitive) = parent.get(base) {
                self.mask(primitive);
            }
        }
    }

    fn value(&mut self, value: Node<'_>) {
        match value.kind() {
            Kind::Object if !self.cleared.covers_element(value) => self.mask(value),
            Kind::Object => {
                for member in value.members() {
                    self.member(value, member);
                }
            }
            Kind::Array => {
                for item in value.items() {
                    self.value(item);
                }
            }
            Kind::Boolean | Kind::Null | Kind::Number | Kind::String => {}
        }
    }

    fn mask(&mut self, value: Node<'_>) {
        self.marks.mask(value);
        self.masked = true;
    }

    /// Whether nothing here and below carries a label that the caller is not cleared for.
    fn has_none(&self, value: Node<'_>) -> bool {
        self.cleared.covers_element(value)
            && value.members().all(|member| self.has_none(member.value))
            && value.items().all(|item| self.has_none(item))
    }
}

/// Whether a root element is one that the screen cannot mask.
fn is_fixed(member: &Member<'_>) -> bool {
    let name = member.name();
    matches!(
        name.trim_start_matches('_'),
        "id" | "meta" | "resourceType" | "implicitRules" | "language"
    )
}
