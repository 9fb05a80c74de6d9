//! Takes hidden elements out of a resource, so that what stays is valid and keeps its bytes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::edit::Edits;
use super::marks::{Marks, Sorted, is_sibling};
use super::redaction::Action;
use super::rewrite::rewritten;
use crate::fhir::{Content, Element, ResourceType, Structure};
use crate::json::{Kind, Member, Node};

const ABSENT: &str = r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#;
const ABSENT_TAIL: &str = r#""extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#;

/// How deep in each other elements stand without which a masked one would be none of its type; R4 has
/// fewer.
const REQUIRED: usize = 8;

/// Writes down the changes that the marks ask for.
pub(super) fn prune(resource: Node<'_>, marks: Marks, edits: &mut Edits) {
    if marks.is_empty() {
        return;
    }
    let mut pruner = Pruner {
        marks: &marks.sorted(),
        edits,
        lost: BTreeSet::new(),
    };
    pruner.object(resource, Place::Resource, structure_of(resource));
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
    /// `structure` is that of the object's type, where it is known.
    fn object(&mut self, object: Node<'_>, place: Place, structure: Option<Structure>) -> Fate {
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
            if !self.marks.touch(member.value) {
                fates.push(Fate::Same);
                continue;
            }
            let element = structure.and_then(|structure| structure.element(&member.name()));
            let mut fate = self.member(*member, element, &places);
            if fate == Fate::Gone && element.is_some_and(|element| element.is_required) {
                // Without it the object would be none of its type.
                fate = self.mask_member(*member, element, &places);
            }
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

    fn member(
        &mut self,
        member: Member<'_>,
        element: Option<Element>,
        siblings: &Places<'_>,
    ) -> Fate {
        match self.marks.of(member.value) {
            Some(Action::Remove) => Fate::Gone,
            Some(Action::Mask) => self.mask_member(member, element, siblings),
            Some(action) => self.rewrite_member(member, action, element, siblings),
            None if !self.marks.touch(member.value) => Fate::Same,
            None => self.value(member.value, &member.name(), object_of(element)),
        }
    }

    fn value(&mut self, value: Node<'_>, name: &str, structure: Option<Structure>) -> Fate {
        if !self.marks.touch(value) {
            return Fate::Same;
        }
        let place = match name {
            "extension" | "modifierExtension" => Place::Extension,
            _ => Place::Element,
        };
        match value.kind() {
            Kind::Object if self.marks.of(value).is_some() => {
                self.mask_item(value, place, structure);
                Fate::Changed
            }
            Kind::Object if value.get("resourceType").is_some() => {
                self.object(value, Place::Resource, structure_of(value))
            }
            Kind::Object => self.object(value, place, structure),
            Kind::Array => self.array(value, name, structure),
            _ => Fate::Same,
        }
    }

    fn array(&mut self, array: Node<'_>, name: &str, structure: Option<Structure>) -> Fate {
        // The items of `_given` stand opposite those of `given`: one of which nothing is left
        // becomes null, and `align` takes it out where its partner is null too.
        let aligned = name.starts_with('_');
        let items: Vec<Node<'_>> = array.items().collect();
        let mut gone = Vec::with_capacity(items.len());
        let mut changed = false;
        for item in &items {
            let fate = match self.marks.of(*item) {
                Some(Action::Remove) => Fate::Gone,
                _ => self.value(*item, name, structure),
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

    /// What stands in its place has no sibling. What cannot be rewritten is masked, and so is what has a part
    /// that is hidden by itself: less of the whole may be more of the part than it leaves.
    fn rewrite_member(
        &mut self,
        member: Member<'_>,
        action: &Action,
        element: Option<Element>,
        siblings: &Places<'_>,
    ) -> Fate {
        // A sibling goes with what is rewritten, and is masked where it stands alone.
        let rewritten = match is_sibling(&member) || self.marks.touch_below(member.value) {
            true => None,
            false => rewritten(member.value, action),
        };
        match rewritten {
            Some(text) => {
                self.edits.replace(member.value.span(), text);
                Fate::Changed
            }
            None => self.mask_member(member, element, siblings),
        }
    }

    /// A primitive's mask is its `_element`; it takes the place of both.
    fn mask_member(
        &mut self,
        member: Member<'_>,
        element: Option<Element>,
        siblings: &Places<'_>,
    ) -> Fate {
        let name = member.name();
        let several = member.value.kind() == Kind::Array;
        let absent = absent(object_of(element), several, REQUIRED);
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

    /// An extension keeps its url, so that a reader knows what is masked. The url of anything else is data.
    fn mask_item(&mut self, item: Node<'_>, place: Place, structure: Option<Structure>) {
        let url = item.get("url").filter(|url| url.kind() == Kind::String);
        let masked = match url.filter(|_| place == Place::Extension) {
            Some(url) => format!("{{\"url\":{},{ABSENT_TAIL}", url.raw()),
            None => absent(structure, false, REQUIRED),
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

/// What stands in the place of a value of this type, with what it cannot be without, masked too.
fn absent(structure: Option<Structure>, several: bool, deep: usize) -> String {
    let mut out = ABSENT.to_owned();
    if let (Some(structure), Some(deeper)) = (structure, deep.checked_sub(1)) {
        for name in structure.required() {
            let element = structure.element(name);
            let several = element.is_some_and(|element| element.is_list);
            let masked = absent(object_of(element), several, deeper);
            out.pop();
            out.push_str(&format!(",{}:{masked}}}", crate::json::quote(name)));
        }
    }
    match several {
        true => format!("[{out}]"),
        false => out,
    }
}

/// The structure of an element that is an object.
fn object_of(element: Option<Element>) -> Option<Structure> {
    match element?.content {
        Content::Object(structure) => Some(structure),
        Content::Primitive(_) | Content::Resource => None,
    }
}

/// The structure of a resource's own type.
fn structure_of(resource: Node<'_>) -> Option<Structure> {
    let name = resource.get("resourceType")?.str()?;
    ResourceType::parse(&name).map(Structure::of)
}

fn span(member: &Member<'_>) -> Range<usize> {
    member.key.span().start..member.value.span().end
}
