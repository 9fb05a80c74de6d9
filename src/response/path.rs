//! Element paths of a redaction, as an operator writes them.

use crate::fhir::{Content, Structure, is_choice, is_choice_type};
use crate::json::Node;

/// The most segments a path may have.
pub(super) const DEEPEST: usize = 8;
/// The longest path, in bytes.
const LONGEST: usize = 2048;

/// A path below a resource; arrays are implied.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Path(pub Vec<Segment>);

/// One step of a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Segment {
    /// An element; where some type has a choice of this name, also every type of the choice, so that
    /// `value` hides no less than `value[x]`.
    Element(String),
    /// A choice, every type of it: `value[x]`.
    Choice(String),
    /// Those of an element that say this of themselves: `identifier(system=URL)`.
    Slice {
        /// The element.
        element: String,
        /// The member that tells them apart.
        member: String,
        /// What it says.
        value: String,
    },
    /// The extensions of one URL.
    Extension {
        /// `extension` or `modifierExtension`.
        element: &'static str,
        /// The whole of `Extension.url`.
        url: String,
    },
}

impl Path {
    /// Reads a path; the error says what was found and what was expected.
    pub fn parse(text: &str) -> Result<Path, String> {
        if text.is_empty() {
            return Err("found nothing, expected an element such as birthDate".into());
        }
        if text.len() > LONGEST {
            return Err(format!(
                "found more than {LONGEST} bytes, expected a shorter path"
            ));
        }
        let mut segments = Vec::new();
        let mut rest = Some(text);
        while let Some(from) = rest {
            let (segment, after) = split(from);
            segments.push(Segment::parse(segment)?);
            rest = after;
            if segments.len() > DEEPEST {
                return Err(format!(
                    "found more than {DEEPEST} elements in a row, expected at most {DEEPEST}"
                ));
            }
        }
        match segments.first() {
            Some(Segment::Element(name) | Segment::Choice(name))
                if matches!(name.as_str(), "resourceType" | "id" | "meta") =>
            {
                Err(format!(
                    "found {name}, which a resource cannot do without, expected another element"
                ))
            }
            Some(Segment::Element(name) | Segment::Choice(name))
                if name == "contained" && segments.len() > 1 => Err(
                "found a path below contained, expected a rule for the type of the contained resource"
                    .into(),
            ),
            _ => Ok(Path(segments)),
        }
    }

    /// What it leads to in objects of this type; `None` for a choice of several types, and for what is no
    /// element.
    pub fn content(&self, of: Structure) -> Option<Content> {
        let (last, before) = self.0.split_last()?;
        let mut structure = of;
        for segment in before {
            match segment.content(structure)? {
                Content::Object(inner) => structure = inner,
                Content::Primitive(_) | Content::Resource => return None,
            }
        }
        last.content(structure)
    }

    /// The first byte of every name that it matches; it has at least one segment, and no segment
    /// is empty.
    pub fn initial(&self) -> Option<u8> {
        self.0.first()?.base().bytes().next()
    }

    /// Whether one of the two hides something of the other: the shorter begins the longer.
    pub fn overlaps(&self, element: &Path) -> bool {
        self.0
            .iter()
            .zip(&element.0)
            .all(|(own, other)| own.overlaps(other))
    }
}

impl Segment {
    /// Whether this step leads to a member of this name (without the `_` of a sibling).
    pub fn matches(&self, name: &str) -> bool {
        // Most names differ in their first byte.
        if self.base().as_bytes().first() != name.as_bytes().first() {
            return false;
        }
        match self {
            Segment::Element(own) => name
                .strip_prefix(own.as_str())
                .is_some_and(|rest| rest.is_empty() || (is_choice(own) && is_choice_type(rest))),
            Segment::Choice(own) => name.strip_prefix(own.as_str()).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with(|first: char| first.is_ascii_uppercase())
            }),
            Segment::Slice { element, .. } => name == element,
            Segment::Extension { element, .. } => name == *element,
        }
    }

    /// Whether one of several values of this name is one that it leads to.
    pub fn selects(&self, value: Node<'_>) -> bool {
        let says = |name: &str, wanted: &str| value.get(name).is_some_and(|own| own.is_str(wanted));
        match self {
            Segment::Element(_) | Segment::Choice(_) => true,
            Segment::Slice { member, value, .. } => says(member, value),
            Segment::Extension { url, .. } => says("url", url),
        }
    }

    fn content(&self, of: Structure) -> Option<Content> {
        match self {
            Segment::Element(name) => of.element(name).map(|element| element.content),
            Segment::Choice(_) => None,
            Segment::Slice { element, .. } => of.element(element).map(|found| found.content),
            Segment::Extension { element, .. } => of.element(element).map(|found| found.content),
        }
    }

    fn parse(text: &str) -> Result<Segment, String> {
        if let Some((element, inner)) = text.split_once('(') {
            let inner = inner
                .strip_suffix(')')
                .ok_or_else(|| format!("found {text}, expected ')' at the end"))?;
            return Segment::selecting(text, element, inner);
        }
        if let Some(base) = text.strip_suffix("[x]") {
            return name(base).map(Segment::Choice);
        }
        name(text).map(Segment::Element)
    }

    /// `element(inner)`.
    fn selecting(text: &str, element: &str, inner: &str) -> Result<Segment, String> {
        let plain = |text: &str| {
            let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '(' | ')' | '"' | '\\');
            !text.is_empty() && text.chars().all(fits)
        };
        let own = match element {
            "extension" => Some("extension"),
            "modifierExtension" => Some("modifierExtension"),
            _ => None,
        };
        match (own, inner.split_once('=')) {
            (Some(element), _) if plain(inner) => {
                let url = inner.to_owned();
                Ok(Segment::Extension { element, url })
            }
            (Some(_), _) => Err(format!(
                "found {text}, expected the url of the extension in ( )"
            )),
            (None, Some((member, value))) if plain(value) => Ok(Segment::Slice {
                element: name(element)?,
                member: name(member)?,
                value: value.to_owned(),
            }),
            (None, _) => Err(format!(
                "found {text}, expected extension(URL), or what tells one from the others, such as identifier(system=URL)"
            )),
        }
    }

    fn overlaps(&self, other: &Segment) -> bool {
        match (self, other) {
            (Segment::Extension { element, url }, Segment::Extension { element: e, url: u }) => {
                element == e && url == u
            }
            (Segment::Extension { element, .. }, name)
            | (name, Segment::Extension { element, .. }) => name.matches(element),
            (own, other) => own.matches(other.base()) || other.matches(own.base()),
        }
    }

    fn base(&self) -> &str {
        match self {
            Segment::Element(name) | Segment::Choice(name) => name,
            Segment::Slice { element, .. } => element,
            Segment::Extension { element, .. } => element,
        }
    }
}

/// The first segment and what stands behind its dot; dots within ( ) belong to a URL.
fn split(text: &str) -> (&str, Option<&str>) {
    let mut within = false;
    let dot = text.find(|c| {
        match c {
            '(' => within = true,
            ')' => within = false,
            _ => {}
        }
        c == '.' && !within
    });
    match dot.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?))) {
        Some((first, rest)) => (first, Some(rest)),
        None => (text, None),
    }
}

fn name(text: &str) -> Result<String, String> {
    let shown: String = text.chars().take(64).filter(|c| !c.is_control()).collect();
    let hint = match text.chars().next() {
        None => return Err("found an empty element, expected a name such as birthDate".into()),
        Some('_') => "the name without '_': a primitive's sibling goes with it",
        Some('A'..='Z') => "the path without the resource type, such as birthDate",
        _ if text.contains('[') => "the name without an index: arrays are implied",
        _ => "a name such as birthDate or value[x]",
    };
    let good = text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!("found {shown}, expected {hint}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_or_explained() {
        let deepest = "a.b.c.d.e.f.g.h";
        let url = "extension(http://hl7.org/fhir/StructureDefinition/a.b)";
        for good in [
            "birthDate",
            "address.line",
            "value[x]",
            url,
            deepest,
            "contained",
            "text",
            "identifier(system=http://a.example/b?c=d)",
            "telecom(system=phone).value",
        ] {
            assert!(Path::parse(good).is_ok(), "{good}");
        }
        assert_eq!(
            Path::parse(&format!("contact.{url}.value[x]")).map(|path| path.0.len()),
            Ok(3)
        );
        let long = "a".repeat(65);
        let longest = "a.".repeat(2000);
        for (bad, expected) in [
            ("", "an element such as"),
            ("a.b.c.d.e.f.g.h.i", "at most 8"),
            ("resourceType", "another element"),
            ("id", "another element"),
            ("meta.tag", "another element"),
            ("id[x]", "another element"),
            ("contained.birthDate", "the type of the contained"),
            ("contained[x].birthDate", "the type of the contained"),
            ("Patient.birthDate", "without the resource type"),
            ("_birthDate", "without '_'"),
            ("name[0]", "without an index"),
            ("name[*].given", "without an index"),
            ("a..b", "an empty element"),
            ("a.", "an empty element"),
            (".a", "an empty element"),
            ("birth date", "a name such as"),
            ("birthDaté", "a name such as"),
            ("extension()", "the url"),
            ("identifier()", "what tells one from the others"),
            ("identifier(system)", "what tells one from the others"),
            ("identifier(system=)", "what tells one from the others"),
            ("identifier(=x)", "an empty element"),
            ("identifier(System=x)", "without the resource type"),
            ("identifier(system=a b)", "what tells one from the others"),
            ("Identifier(system=x)", "without the resource type"),
            ("extension(a b)", "the url"),
            ("extension(http://a", "')'"),
            ("extension(a)b", "')'"),
            ("value(a)", "extension(URL)"),
            ("identifier(system=x", "')'"),
            (long.as_str(), "a name such as"),
            (longest.as_str(), "a shorter path"),
        ] {
            let message = Path::parse(bad).unwrap_err();
            assert!(message.contains(expected), "{bad}: {message}");
        }
    }

    #[test]
    fn a_segment_matches_every_type_of_a_choice() {
        for (segment, name, expected) in [
            ("birthDate", "birthDate", true),
            ("birthDate", "birthDateX", false),
            ("birth", "birthDate", false),
            ("status", "statusDate", false),
            ("onset", "onsetDateTime", true),
            ("value[x]", "valueQuantity", true),
            ("value[x]", "value", true),
            ("value[x]", "values", false),
            ("value", "valueQuantity", true),
            ("value", "valueSet", false),
            ("value", "values", false),
            ("extension(u)", "extension", true),
            ("extension(u)", "modifierExtension", false),
        ] {
            let path = Path::parse(segment).unwrap();
            assert_eq!(path.0[0].matches(name), expected, "{segment} {name}");
        }
    }
}
