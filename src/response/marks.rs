//! What is to happen to which values of a resource.

use std::ops::Range;

use super::path::{Path, Segment};
use super::redaction::Action;
use crate::json::{Kind, Member, Node};

/// What is to happen to which values, by their position on the tape; in no order, and some of them
/// twice for a while.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<(usize, Action)>);

impl Marks {
    /// Whether nothing is marked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Marks what a rule's paths lead to in a resource.
    pub fn hide(&mut self, resource: Node<'_>, paths: &[Path], action: &Action) {
        let begins = Initials::of(paths);
        for member in resource.members() {
            if !begins.may_be_those_of(&member) {
                continue;
            }
            let name = member.name();
            // The screen itself decides on these; no rule can take them away.
            if matches!(name.as_ref(), "resourceType" | "id" | "meta") {
                continue;
            }
            let name = name.strip_prefix('_').unwrap_or(&name);
            for path in paths {
                if let Some((first, rest)) = path.0.split_first()
                    && first.matches(name)
                {
                    self.enter(member, first, rest, action);
                }
            }
        }
    }

    /// Marks every root element of a resource but those that are kept, with their siblings.
    pub fn remove_but(&mut self, resource: Node<'_>, keeps: impl Fn(&str) -> bool) {
        for member in resource.members() {
            let name = member.name();
            if !keeps(name.strip_prefix('_').unwrap_or(&name)) {
                self.mark(member.value, &Action::Remove);
            }
        }
    }

    /// Marks a root element of a resource, with its sibling.
    pub fn remove_element(&mut self, resource: Node<'_>, element: &str) {
        if let Some(value) = resource.get(element) {
            self.mark(value, &Action::Remove);
        }
        for member in resource.members().filter(is_sibling) {
            if member.name().trim_start_matches('_') == element {
                self.mark(member.value, &Action::Remove);
            }
        }
    }

    /// Marks every narrative in a resource: the `text` of a resource, and any other `text` that is
    /// an object, such as that of a section (where `text` is data, it is a string).
    pub fn remove_narratives(&mut self, resource: Node<'_>) {
        self.remove_element(resource, "text");
        for text in resource.all_named("text") {
            if text.kind() == Kind::Object {
                self.mark(text, &Action::Remove);
            }
        }
    }

    /// Marks a value, of a primitive with its sibling by itself.
    pub fn mask(&mut self, value: Node<'_>) {
        self.mark(value, &Action::Mask);
    }

    /// Marks a value that goes, with everything below it.
    pub fn remove(&mut self, value: Node<'_>) {
        self.mark(value, &Action::Remove);
    }

    /// Masks what would only be generalised.
    pub fn coarsen(&mut self) {
        for (_, action) in &mut self.0 {
            if matches!(action, Action::Generalize(_)) {
                *action = Action::Mask;
            }
        }
    }

    /// Goes on below a member that the first segment matches.
    fn enter(&mut self, member: Member<'_>, first: &Segment, rest: &[Segment], action: &Action) {
        match first {
            Segment::Extension { .. } | Segment::Slice { .. } => {
                // One where a list belongs is one all the same.
                let one = (member.value.kind() == Kind::Object).then_some(member.value);
                let items = member.value.items().chain(one);
                for item in items.filter(|item| first.selects(*item)) {
                    self.go_on(item, rest, action);
                }
            }
            Segment::Element(_) | Segment::Choice(_) => self.go_on(member.value, rest, action),
        }
    }

    fn go_on(&mut self, value: Node<'_>, rest: &[Segment], action: &Action) {
        let Some((first, rest_of_rest)) = rest.split_first() else {
            self.mark(value, action);
            return;
        };
        for member in value.members() {
            let name = member.name();
            if first.matches(name.strip_prefix('_').unwrap_or(&name)) {
                self.enter(member, first, rest_of_rest, action);
            }
        }
        for item in value.items() {
            self.go_on(item, rest, action);
        }
    }

    fn mark(&mut self, value: Node<'_>, action: &Action) {
        // Several paths may lead to one value: each value takes its place once.
        if self.0.len() == self.0.capacity() {
            self.sort();
        }
        self.0.push((value.tape_range().start, action.clone()));
    }

    fn sort(&mut self) {
        // Where two rules meet, the one that leaves less wins: it stands first.
        self.0
            .sort_unstable_by_key(|(at, action)| (*at, action.leaves()));
        self.0.dedup_by_key(|(at, _)| *at);
        // Half of it free, so that sorting costs no more than growing does.
        self.0.reserve(self.0.len());
    }

    /// Each value once.
    pub fn sorted(mut self) -> Sorted {
        self.sort();
        Sorted(self.0)
    }
}

/// With which letters some paths begin, so that nearly all members are passed over at a glance.
struct Initials(u32);

impl Initials {
    fn of(paths: &[Path]) -> Initials {
        let initials = paths.iter().filter_map(Path::initial);
        Initials(initials.fold(0, |letters, initial| letters | bit(initial)))
    }

    fn may_be_those_of(&self, member: &Member<'_>) -> bool {
        // Every sibling, `_name`, is compared in full.
        let initial = member.initial();
        initial.is_some_and(|initial| initial == b'_' || self.0 & bit(initial) != 0)
    }
}

/// The same bit for the same byte. Others may share it, which costs a comparison.
fn bit(byte: u8) -> u32 {
    1 << (byte & 31)
}

/// One mark for a value, in the order of the document.
pub(super) struct Sorted(Vec<(usize, Action)>);

impl Sorted {
    /// What is to happen to a value.
    pub fn of(&self, value: Node<'_>) -> Option<&Action> {
        let at = value.tape_range().start;
        let index = self.0.binary_search_by_key(&at, |(at, _)| *at).ok()?;
        self.0.get(index).map(|(_, action)| action)
    }

    /// Whether anything is to happen here or below.
    pub fn touch(&self, value: Node<'_>) -> bool {
        self.any_in(value.tape_range())
    }

    /// Whether anything is to happen below.
    pub fn touch_below(&self, value: Node<'_>) -> bool {
        let Range { start, end } = value.tape_range();
        self.any_in(start + 1..end)
    }

    fn any_in(&self, Range { start, end }: Range<usize>) -> bool {
        let index = self.0.partition_point(|(at, _)| *at < start);
        self.0.get(index).is_some_and(|(at, _)| *at < end)
    }
}

/// Whether a member is the sibling of a primitive, `_name`
/// (<https://hl7.org/fhir/R4/json.html#primitive>).
pub(super) fn is_sibling(member: &Member<'_>) -> bool {
    member.initial() == Some(b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Limits};

    #[test]
    fn a_value_that_several_paths_lead_to_takes_its_place_once() {
        let items = vec![r#"{"valueString":0}"#; 1000].join(",");
        let text = format!(r#"{{"resourceType":"Basic","a":[{items}]}}"#);
        let document = Document::parse(text.as_bytes(), &Limits::default()).expect("json");
        let paths = ["a.value", "a.value[x]", "a.valueString"].repeat(40);
        let paths: Vec<Path> = paths
            .iter()
            .map(|path| Path::parse(path).expect(path))
            .collect();
        let mut marks = Marks::default();
        marks.hide(document.root(), &paths, &Action::Remove);
        assert!(marks.0.len() < 4000, "{}", marks.0.len());
        assert_eq!(marks.sorted().0.len(), 1000);
    }
}
