//! Takes hidden elements out of a resource, so that what stays is valid and keeps its bytes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::edit::Edits;
use super::path::{Path, Segment};
use super::redaction::Action;
use crate::json::{Kind, Member, Node};

const ABSENT: &str = r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#;
const ABSENT_TAIL: &str = r#""extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#;

/// What is to happen to which values, by their position on the tape; in no order, and some of them
/// twice for a while.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<(usize, Action)>);

impl Marks {
    /// Marks what a rule's paths lead to in a resource.
    pub fn hide(&mut self, resource: Node<'_>, paths: &[Path], action: Action) {
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

    /// Marks a root element of a resource, with its sibling.
    pub fn remove_element(&mut self, resource: Node<'_>, element: &str) {
        if let Some(value) = resource.get(element) {
            self.mark(value, Action::Remove);
        }
        for member in resource.members().filter(is_sibling) {
            if member.name().trim_start_matches('_') == element {
                self.mark(member.value, Action::Remove);
            }
        }
    }

    /// Marks every narrative in a resource: the `text` of a resource, and any other `text` that is
    /// an object, such as that of a section (where `text` is data, it is a string).
    pub fn remove_narratives(&mut self, resource: Node<'_>) {
        self.remove_element(resource, "text");
        for text in resource.all_named("text") {
            if text.kind() == Kind::Object {
                self.mark(text, Action::Remove);
            }
        }
    }

    /// Marks a value, of a primitive with its sibling by itself.
    pub fn mask(&mut self, value: Node<'_>) {
        self.mark(value, Action::Mask);
    }

    /// Goes on below a member that the first segment matches.
    fn enter(&mut self, member: Member<'_>, first: &Segment, rest: &[Segment], action: Action) {
        match first {
            Segment::Extension { url, .. } => {
                let one = (member.value.kind() == Kind::Object).then_some(member.value);
                let matching = member.value.items().chain(one);
                for item in matching.filter(|item| has_url(*item, url)) {
                    self.go_on(item, rest, action);
                }
            }
            Segment::Element(_) | Segment::Choice(_) => self.go_on(member.value, rest, action),
        }
    }

    fn go_on(&mut self, value: Node<'_>, rest: &[Segment], action: Action) {
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

    fn mark(&mut self, value: Node<'_>, action: Action) {
        // Several paths may lead to one value: each value takes its place once.
        if self.0.len() == self.0.capacity() {
            self.sort();
        }
        self.0.push((value.tape_range().start, action));
    }

    fn sort(&mut self) {
        // Where two rules meet, the one that leaves less wins: it stands first.
        self.0
            .sort_unstable_by_key(|(at, action)| (*at, *action != Action::Remove));
        self.0.dedup_by_key(|(at, _)| *at);
        // Half of it free, so that sorting costs no more than growing does.
        self.0.reserve(self.0.len());
    }

    fn sorted(mut self) -> Sorted {
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
struct Sorted(Vec<(usize, Action)>);

impl Sorted {
    fn of(&self, value: Node<'_>) -> Option<Action> {
        let at = value.tape_range().start;
        let index = self.0.binary_search_by_key(&at, |(at, _)| *at).ok()?;
        self.0.get(index).map(|(_, action)| *action)
    }

    fn touch(&self, value: Node<'_>) -> bool {
        let Range { start, end } = value.tape_range();
        let index = self.0.partition_point(|(at, _)| *at < start);
        self.0.get(index).is_some_and(|(at, _)| *at < end)
    }
}

/// Whether a member is the sibling of a primitive, `_name`
/// (<https://hl7.org/fhir/R4/json.html#primitive>).
fn is_sibling(member: &Member<'_>) -> bool {
    member.initial() == Some(b'_')
}

fn has_url(extension: Node<'_>, url: &str) -> bool {
    extension.get("url").is_some_and(|own| own.is_str(url))
}

/// Writes down the changes that the marks ask for.
pub(super) fn prune(resource: Node<'_>, marks: Marks, edits: &mut Edits) {
    if marks.0.is_empty() {
        return;
    }
    let mut pruner = Pruner {
        marks: &marks.sorted(),
        edits,
        lost: BTreeSet::new(),
    };
    pruner.object(resource, Place::Resource);
}

/// What became of a value.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Fate {
    Same,
    Changed,
    /// Nothing is left of it; FHIR forbids empty objects and arrays.
    Gone,
}

/// Where an object stands.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Place {
    Resource,
    Extension,
    Element,
}

/// Where the members of an object stand, by name.
type Places<'d> = BTreeMap<Cow<'d, str>, usize>;

struct Pruner<'p> {
    marks: &'p Sorted,
    edits: &'p mut Edits,
    /// Items of aligned arrays that null took the place of, by their position on the tape.
    lost: BTreeSet<usize>,
}

impl Pruner<'_> {
    fn object(&mut self, object: Node<'_>, place: Place) -> Fate {
        if !self.marks.touch(object) {
            return Fate::Same;
        }
        let members: Vec<Member<'_>> = object.members().collect();
        // By name, so that a wide object costs no more than reading it; looked at for siblings only.
        let siblings = members.iter().any(is_sibling);
        let places: Places<'_> = match siblings {
            true => members.iter().map(Member::name).zip(0..).collect(),
            false => Places::new(),
        };
        let mut fates: Vec<Fate> = Vec::with_capacity(members.len());
        for member in &members {
            let fate = self.member(*member, &places);
            fates.push(fate);
        }
        if siblings {
            self.align(&members, &places, &mut fates);
        }
        if fates.iter().all(|fate| *fate == Fate::Same) {
            return Fate::Same;
        }
        // An id, or the url of an extension, is nothing without a value.
        let bare = |member: &Member<'_>| {
            member.key.is_str("id") || (place == Place::Extension && member.key.is_str("url"))
        };
        let mut left = members
            .iter()
            .zip(&fates)
            .filter(|(_, fate)| **fate != Fate::Gone);
        if place != Place::Resource && left.all(|(member, _)| bare(member)) {
            return Fate::Gone;
        }
        let gone = fates.iter().map(|fate| *fate == Fate::Gone);
        self.edits.delete_parts(members.iter().map(span).zip(gone));
        Fate::Changed
    }

    fn member(&mut self, member: Member<'_>, siblings: &Places<'_>) -> Fate {
        match self.marks.of(member.value) {
            Some(Action::Remove) => Fate::Gone,
            Some(Action::Mask) => self.mask_member(member, siblings),
            None if !self.marks.touch(member.value) => Fate::Same,
            None => self.value(member.value, &member.name()),
        }
    }

    fn value(&mut self, value: Node<'_>, name: &str) -> Fate {
        if !self.marks.touch(value) {
            return Fate::Same;
        }
        let place = match name {
            "extension" | "modifierExtension" => Place::Extension,
            _ => Place::Element,
        };
        match value.kind() {
            Kind::Object if self.marks.of(value) == Some(Action::Mask) => {
                self.mask_item(value);
                Fate::Changed
            }
            Kind::Object if value.get("resourceType").is_some() => {
                self.object(value, Place::Resource)
            }
            Kind::Object => self.object(value, place),
            Kind::Array => self.array(value, name),
            _ => Fate::Same,
        }
    }

    fn array(&mut self, array: Node<'_>, name: &str) -> Fate {
        // The items of `_given` stand opposite those of `given`: one of which nothing is left
        // becomes null, and `align` takes it out where its partner is null too.
        let aligned = name.starts_with('_');
        let items: Vec<Node<'_>> = array.items().collect();
        let mut gone = Vec::with_capacity(items.len());
        let mut changed = false;
        for item in &items {
            let fate = match self.marks.of(*item) {
                Some(Action::Remove) => Fate::Gone,
                _ => self.value(*item, name),
            };
            changed |= fate != Fate::Same;
            gone.push(fate == Fate::Gone);
        }
        if !changed {
            return Fate::Same;
        }
        let empty =
            |(item, gone): (&Node<'_>, &bool)| *gone || (aligned && item.kind() == Kind::Null);
        if items.iter().zip(&gone).all(empty) {
            return Fate::Gone;
        }
        if aligned {
            for (item, _) in items.iter().zip(&gone).filter(|(_, gone)| **gone) {
                self.lost.insert(item.tape_range().start);
                self.edits.replace(item.span(), "null");
            }
        } else {
            let parts = items.iter().map(|item| item.span());
            self.edits.delete_parts(parts.zip(gone));
        }
        Fate::Changed
    }

    /// A primitive's mask is its `_element`; it takes the place of both.
    fn mask_member(&mut self, member: Member<'_>, siblings: &Places<'_>) -> Fate {
        let name = member.name();
        let several = member.value.kind() == Kind::Array;
        let absent = if several {
            format!("[{ABSENT}]")
        } else {
            ABSENT.to_owned()
        };
        if let Some(base) = name.strip_prefix('_') {
            if siblings.contains_key(base) {
                return Fate::Gone;
            }
            self.edits.replace(member.value.span(), absent);
            return Fate::Changed;
        }
        let object = |value: Node<'_>| value.kind() == Kind::Object;
        if object(member.value) || member.value.items().any(object) {
            let named = matches!(
                name.as_ref(),
                "extension" | "modifierExtension" | "contained"
            );
            if named {
                // An extension is none without its url, a resource none without its type.
                return Fate::Gone;
            }
            self.edits.replace(member.value.span(), absent);
        } else {
            let masked = format!("{}:{absent}", crate::json::quote(&format!("_{name}")));
            self.edits.replace(span(&member), masked);
        }
        Fate::Changed
    }

    /// An extension keeps its url, so that a reader knows what is masked.
    fn mask_item(&mut self, item: Node<'_>) {
        let masked = match item.get("url") {
            Some(url) => format!("{{\"url\":{},{ABSENT_TAIL}", url.raw()),
            None => ABSENT.to_owned(),
        };
        self.edits.replace(item.span(), masked);
    }

    /// Takes positions out of `given` and `_given` where nothing is left in either.
    fn align(&mut self, members: &[Member<'_>], places: &Places<'_>, fates: &mut [Fate]) {
        for (index, member) in members.iter().enumerate() {
            let name = member.name();
            let (Some(base), Some(fate)) = (name.strip_prefix('_'), fates.get(index).copied())
            else {
                continue;
            };
            let partner = places.get(base).copied();
            let Some((other, values)) = partner.and_then(|at| Some((at, members.get(at)?.value)))
            else {
                continue;
            };
            if fate == Fate::Same || fates.get(other) != Some(&Fate::Same) {
                continue;
            }
            let extensions: Vec<Node<'_>> = member.value.items().collect();
            let items: Vec<Node<'_>> = values.items().collect();
            let null = |node: Option<&Node<'_>>| node.is_none_or(|node| node.kind() == Kind::Null);
            let lost = |node: &Node<'_>| {
                fate == Fate::Gone
                    || node.kind() == Kind::Null
                    || self.lost.contains(&node.tape_range().start)
            };
            let count = items.len().max(extensions.len());
            let gone: Vec<bool> = (0..count)
                .map(|at| null(items.get(at)) && extensions.get(at).is_none_or(lost))
                .collect();
            if values.kind() != Kind::Array || !gone.contains(&true) {
                continue;
            }
            for (at, nodes) in [(other, &items), (index, &extensions)] {
                let own = gone.get(..nodes.len()).unwrap_or_default();
                let all = own.iter().all(|gone| *gone);
                if let Some(entry) = fates.get_mut(at).filter(|entry| **entry != Fate::Gone) {
                    *entry = if all { Fate::Gone } else { Fate::Changed };
                    if !all {
                        let parts = nodes.iter().map(|node| node.span());
                        self.edits.delete_parts(parts.zip(own.iter().copied()));
                    }
                }
            }
        }
    }
}

fn span(member: &Member<'_>) -> Range<usize> {
    member.key.span().start..member.value.span().end
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
        marks.hide(document.root(), &paths, Action::Remove);
        assert!(marks.0.len() < 4000, "{}", marks.0.len());
        assert_eq!(marks.sorted().0.len(), 1000);
    }
}
