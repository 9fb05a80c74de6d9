//! A rule that hides elements of one resource type.

use std::rc::Rc;

use super::ElementMistake;
use super::marks::Marks;
use super::path::Path;
use super::references::Told;
use super::rewrite::Precision;
use crate::fhir::{self, Content, Primitive, ResourceType, Structure, is_choice, is_choice_type};
use crate::json::Node;
use crate::label::Carried;
use crate::request::body::is_partial;

/// What happens to an element that is hidden.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// It goes, with everything below it and its `_element` sibling.
    Remove,
    /// Its value goes; a data-absent-reason `masked` extension stands in its place
    /// (<http://hl7.org/fhir/StructureDefinition/data-absent-reason>). Of several values in an
    /// array one masked one stands: how many there were is hidden too.
    Mask,
    /// This text stands in its place, once in the place of several. What is no text is masked.
    Replace(Rc<str>),
    /// What is left of it is less exact. What cannot be made so is masked.
    Generalize(Precision),
}

impl Action {
    /// Where two rules meet, the one that leaves less holds: it has the smaller number.
    pub(super) fn leaves(&self) -> u8 {
        match self {
            Action::Remove => 0,
            Action::Mask => 1,
            Action::Replace(_) => 2,
            Action::Generalize(Precision::Year) => 3,
            Action::Generalize(Precision::Month) => 4,
            Action::Generalize(Precision::Area) => 5,
            Action::Generalize(Precision::Age) => 6,
        }
    }

    /// What an element must be for it, where it is something else: what comes of it would be no valid
    /// resource.
    fn refuses(&self, content: impl Fn() -> Option<Content>) -> Option<&'static str> {
        let primitive = |wanted: &[Primitive]| match content() {
            Some(Content::Primitive(own)) => wanted.contains(&own),
            Some(Content::Object(_) | Content::Resource) | None => false,
        };
        let object_with = |names: [&str; 2]| match content() {
            Some(Content::Object(own)) => names.iter().all(|name| own.element(name).is_some()),
            Some(Content::Primitive(_) | Content::Resource) | None => false,
        };
        let (holds, expected) = match self {
            Action::Remove | Action::Mask => return None,
            Action::Replace(_) => (
                primitive(&[Primitive::String, Primitive::Markdown]),
                "a text, of one type",
            ),
            Action::Generalize(Precision::Year | Precision::Month) => (
                primitive(&[Primitive::Date, Primitive::DateTime]) || object_with(["start", "end"]),
                "a date or a period, of one type",
            ),
            Action::Generalize(Precision::Area) => {
                (primitive(&[Primitive::String]), "a text such as postalCode")
            }
            Action::Generalize(Precision::Age) => (
                object_with(["value", "comparator"]),
                "an age, such as onsetAge",
            ),
        };
        (!holds).then_some(expected)
    }
}

/// A rule that hides elements of one resource type, also where such a resource is contained.
///
/// While it is active, the narrative of every resource of the type goes too (and of those that
/// contain one, and that are contained in one): it would repeat what is hidden.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Redaction {
    /// The rule's name, by which the operator knows it.
    pub name: String,
    /// The type whose elements are hidden.
    pub resource_type: ResourceType,
    /// What happens to them.
    pub action: Action,
    /// For which resources it is, by their labels; `None` is all.
    pub labelled: Option<Carried>,
    paths: Vec<Path>,
    /// Where it is a list of what stays: these root elements.
    kept: Option<Vec<&'static str>>,
    told: Told,
}

impl Redaction {
    /// Reads the operator's list of elements: `birthDate`, `address.line`, `value[x]`,
    /// `contact.extension(URL)`, `identifier(system=URL)`; arrays are implied, at most 8 elements in a row. A path names each
    /// step: `item.answer` does not reach the answers of items within items.
    ///
    /// # Errors
    /// Every element that cannot be used, in the order of the list; an empty list is one mistake
    /// at index 0.
    pub fn new(
        name: String,
        resource_type: ResourceType,
        elements: &[String],
        action: Action,
    ) -> Result<Redaction, Vec<ElementMistake>> {
        let mut paths = Vec::with_capacity(elements.len());
        let mut mistakes = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            let path = Path::parse(element).and_then(|path| {
                let leaf = || path.content(Structure::of(resource_type));
                match action.refuses(leaf) {
                    Some(expected) => Err(format!("found another element, expected {expected}")),
                    None => Ok(path),
                }
            });
            match path {
                Ok(path) => paths.push(path),
                Err(message) => mistakes.push(ElementMistake { index, message }),
            }
        }
        if elements.is_empty() {
            mistakes.push(ElementMistake {
                index: 0,
                message: "found no elements, expected at least one".into(),
            });
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Redaction {
            name,
            resource_type,
            action,
            labelled: None,
            paths,
            kept: None,
            told: Told::default(),
        }
        .telling())
    }

    /// A rule that takes every root element out of resources of this type but these, and but
    /// [`Redaction::ALWAYS`]. Each is the name of an element of the type, of a choice without the type.
    pub fn minimum(
        name: String,
        resource_type: ResourceType,
        kept: Vec<&'static str>,
    ) -> Redaction {
        Redaction {
            name,
            resource_type,
            action: Action::Remove,
            labelled: None,
            paths: Vec::new(),
            kept: Some(kept),
            told: Told::default(),
        }
        .telling()
    }

    fn telling(mut self) -> Redaction {
        self.told = Told::of(self.resource_type, |element| self.reveals(element));
        self
    }

    /// What it hides that references to resources of its type repeat.
    pub(super) fn told(&self) -> Told {
        self.told
    }

    /// Without these a resource is none, or is misread.
    pub const ALWAYS: [&str; 5] = ["resourceType", "id", "meta", "implicitRules", "language"];

    /// The root elements that stay, where it is a list of those.
    pub fn kept(&self) -> Option<&[&'static str]> {
        self.kept.as_deref()
    }

    /// The same rule where its condition on labels is known to hold, by something else than the resource.
    /// `None` where it has none, or that is not known.
    pub(crate) fn decided(&self, holds: impl Fn(&Carried) -> bool) -> Option<Redaction> {
        let decided = self.labelled.as_ref().is_some_and(holds);
        decided.then(|| Redaction {
            labelled: None,
            ..self.clone()
        })
    }

    /// Whether it is for a resource, or for what that contains, by its labels. Of a part of a resource it
    /// always is: what carried the label may be missing.
    pub(super) fn is_for(&self, resource: Node<'_>) -> bool {
        let labelled = self.labelled.as_ref();
        labelled.is_none_or(|labels| is_partial(resource) || labels.by_resource(resource))
    }

    /// Marks what it hides in a resource of its type.
    pub(super) fn mark(&self, resource: Node<'_>, marks: &mut Marks) {
        match &self.kept {
            Some(kept) => marks.remove_but(resource, |name| self.keeps(kept, name)),
            None => marks.hide(resource, &self.paths, &self.action),
        }
    }

    fn keeps(&self, kept: &[&'static str], name: &str) -> bool {
        if Redaction::ALWAYS.contains(&name) || kept.contains(&name) {
            return true;
        }
        let of_choice = |own: &&str| {
            let rest = name.strip_prefix(own);
            is_choice(own) && rest.is_some_and(is_choice_type)
        };
        // What looks like one type of a choice may be an element by itself, or none of this type.
        kept.iter().any(of_choice)
            && fhir::is_element(self.resource_type, name)
            && !fhir::elements(self.resource_type).any(|own| own == name)
    }

    /// Whether a search on this element (a root element such as `birthDate` or `onset[x]`, or a
    /// path below one) would reveal what is hidden. What is no path reveals.
    pub fn reveals(&self, element: &str) -> bool {
        match element.split('.').next() {
            // Always visible: no rule can name them.
            Some("id" | "meta" | "resourceType") => return false,
            // The narrative repeats what is hidden.
            Some("text") => return true,
            _ => {}
        }
        if let Some(kept) = &self.kept {
            let root = element.split(['.', '(']).next().unwrap_or_default();
            return !self.keeps(kept, root.strip_suffix("[x]").unwrap_or(root));
        }
        match Path::parse(element) {
            Ok(element) => self.paths.iter().any(|path| path.overlaps(&element)),
            Err(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(elements: &[&str]) -> Result<Redaction, Vec<ElementMistake>> {
        let elements: Vec<String> = elements.iter().map(|&element| element.into()).collect();
        let patient = ResourceType::parse("Patient").unwrap();
        Redaction::new("demographics".into(), patient, &elements, Action::Remove)
    }

    #[test]
    fn every_mistake_is_reported_with_its_index() {
        let mistakes = rule(&["birthDate", "id", "address", ""]).unwrap_err();
        let indices: Vec<usize> = mistakes.iter().map(|mistake| mistake.index).collect();
        assert_eq!(indices, [1, 3]);
        assert_eq!(rule(&[]).unwrap_err().len(), 1);
    }

    #[test]
    fn a_search_reveals_what_it_matches_on() {
        for (hidden, searched, expected) in [
            ("birthDate", "birthDate", true),
            ("birthDate", "gender", false),
            ("address.line", "address", true),
            ("address", "address.city", true),
            ("address.line", "address.city", false),
            ("onset[x]", "onset[x]", true),
            ("onsetDateTime", "onset[x]", true),
            ("onset[x]", "onsetDateTime", true),
            ("onset", "onset[x]", true),
            ("deceased[x]", "birthDate", false),
            ("identifier(system=http://a)", "identifier", true),
            ("identifier(system=http://a)", "identifier.value", true),
            ("identifier(system=http://a)", "name", false),
            ("extension(http://a.example)", "extension", true),
            (
                "extension(http://a.example)",
                "extension(http://b.example)",
                false,
            ),
            ("birthDate", "text", true),
            ("birthDate", "id", false),
            ("birthDate", "meta", false),
            ("birthDate", "no path", true),
        ] {
            assert_eq!(
                rule(&[hidden]).unwrap().reveals(searched),
                expected,
                "{hidden} {searched}"
            );
        }
    }
}
