//! The elements of every type: what a resource may consist of.

use super::ResourceType;
use super::tables::{self, structure};

/// The elements of one type: of a resource, of a data type, or of an element that has elements of its
/// own. From the published JSON Schema (<https://hl7.org/fhir/R4/downloads.html>).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Structure(pub(super) u16);

/// One element.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Element {
    /// The name in the standard; of a choice without `[x]` and without the type. Of a choice only one
    /// type may stand in an object.
    pub name: &'static str,
    /// What its values are.
    pub content: Content,
    /// It may repeat, and so stands as an array in JSON, be it of one.
    pub is_list: bool,
    /// It must be there. Not known of primitive elements and of choices, of which the schema does not
    /// tell it.
    pub is_required: bool,
    /// It is a choice.
    pub is_choice: bool,
}

/// What the values of an element are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Content {
    /// A value without elements but `id` and `extension`, which stand beside it under a name that
    /// begins with `_` (<https://hl7.org/fhir/R4/json.html#primitive>).
    Primitive(Primitive),
    /// An object with these elements.
    Object(Structure),
    /// A resource of any type.
    Resource,
}

/// A primitive type (<https://hl7.org/fhir/R4/datatypes.html#primitive>).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub enum Primitive {
    Base64Binary,
    Boolean,
    Canonical,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Markdown,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Url,
    Uuid,
    Xhtml,
}

/// The order of the tables.
const PRIMITIVES: [Primitive; 20] = [
    Primitive::Base64Binary,
    Primitive::Boolean,
    Primitive::Canonical,
    Primitive::Code,
    Primitive::Date,
    Primitive::DateTime,
    Primitive::Decimal,
    Primitive::Id,
    Primitive::Instant,
    Primitive::Integer,
    Primitive::Markdown,
    Primitive::Oid,
    Primitive::PositiveInt,
    Primitive::String,
    Primitive::Time,
    Primitive::UnsignedInt,
    Primitive::Uri,
    Primitive::Url,
    Primitive::Uuid,
    Primitive::Xhtml,
];

/// Bits of a row: the number of its type (of a choice: of a set of types), and what it may be.
const TYPE: u16 = 0x3FF;
const LIST: u16 = 1 << 10;
const REQUIRED: u16 = 1 << 11;
const CHOICE: u16 = 1 << 12;

impl Structure {
    /// That of resources of this type. `resourceType` is no element.
    pub fn of(resource_type: ResourceType) -> Structure {
        // There are 146 types.
        Structure(u16::try_from(resource_type.index()).unwrap_or(u16::MAX))
    }

    /// That of what stands beside a primitive value under a name that begins with `_`: `id` and
    /// `extension`.
    pub fn of_primitive() -> Structure {
        Structure(structure::GROUPS)
    }

    /// The element under this name in JSON, where a choice has its type: `valueQuantity`.
    #[inline]
    pub fn element(self, name: &str) -> Option<Element> {
        self.own(name)
            .or_else(|| self.common().and_then(|common| common.own(name)))
    }

    /// The names of the elements that must be there.
    pub fn required(self) -> impl Iterator<Item = &'static str> {
        // No common element is required.
        let rows = self.rows().iter();
        rows.filter(|(_, bits)| bits & REQUIRED != 0)
            .map(|(name, _)| tables::name(*name))
    }

    /// The names of all elements; of a choice without the type.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let common = self.common().map(Structure::rows).unwrap_or_default();
        let rows = self.rows().iter().chain(common);
        rows.map(|(name, _)| tables::name(*name))
    }

    fn own(self, name: &str) -> Option<Element> {
        let rows = self.rows();
        let exact = tables::find(rows, |(name, _)| *name, name).and_then(|at| rows.get(at));
        match exact {
            Some((_, bits)) if bits & CHOICE == 0 => {
                let name = exact.map_or("", |(name, _)| tables::name(*name));
                Some(Element::new(name, *bits, content(bits & TYPE)))
            }
            // A choice without its type is no member.
            Some(_) => None,
            None => rows.iter().find_map(|row| choice(row, name)),
        }
    }

    /// The structures of its elements that are objects, of a choice of each type.
    pub(super) fn parts(self) -> impl Iterator<Item = Structure> {
        let common = self.common().map(Structure::rows).unwrap_or_default();
        let rows = self.rows().iter().chain(common);
        let types = rows.flat_map(|(_, bits)| {
            let number = bits & TYPE;
            let choices = match bits & CHOICE {
                0 => &[],
                _ => tables::rows(
                    &structure::CHOICE_TYPES_OF,
                    tables::span(&structure::CHOICES, usize::from(number)),
                ),
            };
            let own = (bits & CHOICE == 0).then_some(number);
            own.into_iter().chain(choices.iter().copied())
        });
        types.filter_map(|number| match content(number) {
            Content::Object(structure) => Some(structure),
            Content::Primitive(_) | Content::Resource => None,
        })
    }

    fn common(self) -> Option<Structure> {
        let group = structure::COMMON.get(usize::from(self.0))?;
        let group = u16::from(*group).checked_sub(1)?;
        Some(Structure(structure::GROUPS.checked_add(group)?))
    }

    fn rows(self) -> &'static [(u16, u16)] {
        let span = tables::span(&structure::TYPES, usize::from(self.0));
        tables::rows(&structure::ELEMENTS, span)
    }
}

/// Whether an element of any type of R4 has this name in JSON: one of a closed list, whoever wrote it.
pub fn is_element_name(name: &str) -> bool {
    structure::ELEMENTS.iter().any(|row| match row {
        (own, bits) if bits & CHOICE == 0 => tables::name(*own) == name,
        row => choice(row, name).is_some(),
    })
}

impl Element {
    fn new(name: &'static str, bits: u16, content: Content) -> Element {
        Element {
            name,
            content,
            is_list: bits & LIST != 0,
            is_required: bits & REQUIRED != 0,
            is_choice: bits & CHOICE != 0,
        }
    }
}

/// The element of this row, where it is a choice and this is its name with one of the types.
fn choice((base, bits): &(u16, u16), name: &str) -> Option<Element> {
    if bits & CHOICE == 0 {
        return None;
    }
    let base = tables::name(*base);
    let ending = name.strip_prefix(base)?;
    let span = tables::span(&structure::CHOICES, usize::from(bits & TYPE));
    let types = tables::rows(&structure::CHOICE_TYPES_OF, span);
    let number = types.iter().find(|number| is_ending(**number, ending))?;
    Some(Element::new(base, *bits, content(*number)))
}

/// Whether the name of a choice of this type ends so: the type's name, with a capital.
fn is_ending(number: u16, ending: &str) -> bool {
    let rows = &structure::TYPE_NAMES;
    let at = rows
        .binary_search_by_key(&number, |(number, _)| *number)
        .ok();
    let Some((_, name)) = at.and_then(|at| rows.get(at)) else {
        return false;
    };
    let (own, other) = (tables::name(*name).as_bytes(), ending.as_bytes());
    match (own.split_first(), other.split_first()) {
        (Some((own, own_rest)), Some((first, rest))) => {
            own.to_ascii_uppercase() == *first && own_rest == rest
        }
        _ => false,
    }
}

fn content(number: u16) -> Content {
    let place = number.checked_sub(structure::PRIMITIVES);
    let primitive = place.and_then(|place| PRIMITIVES.get(usize::from(place)));
    match primitive {
        Some(primitive) => Content::Primitive(*primitive),
        None if number == structure::ANY_RESOURCE => Content::Resource,
        None => Content::Object(Structure(number)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The structure at this path from the type of a resource, as `Patient.contact`.
    pub fn structure(path: &str) -> Structure {
        let mut names = path.split('.');
        let resource_type = names.next().and_then(ResourceType::parse).expect(path);
        names.fold(Structure::of(resource_type), |of, name| {
            match of.element(name).expect(path).content {
                Content::Object(inner) => inner,
                other => panic!("{path}: {other:?}"),
            }
        })
    }

    /// What an element is, in a line; empty where there is none.
    fn check(within: &str, name: &str, expected: &str) {
        let found = structure(within).element(name).map(|element| {
            let content = match element.content {
                Content::Primitive(primitive) => format!("{primitive:?}"),
                Content::Object(_) => "object".to_owned(),
                Content::Resource => "resource".to_owned(),
            };
            let list = if element.is_list { " list" } else { "" };
            let required = if element.is_required { " required" } else { "" };
            let choice = match element.is_choice {
                true => format!(" of {}", element.name),
                false => String::new(),
            };
            format!("{content}{list}{required}{choice}")
        });
        assert_eq!(found.unwrap_or_default(), expected, "{within} {name}");
    }

    #[test]
    fn elements_are_those_of_the_published_schema() {
        for (within, name, expected) in [
            ("Patient", "id", "Id"),
            ("Patient", "birthDate", "Date"),
            ("Patient", "gender", "Code"),
            ("Patient", "active", "Boolean"),
            ("Patient", "name", "object list"),
            ("Patient", "name.given", ""),
            ("Patient.name", "given", "String list"),
            ("Patient", "deceasedBoolean", "Boolean of deceased"),
            (
                "Patient",
                "multipleBirthInteger",
                "Integer of multipleBirth",
            ),
            ("Patient", "deceased", ""),
            ("Patient", "deceasedboolean", ""),
            ("Patient", "deceasedString", ""),
            ("Patient", "contained", "resource list"),
            ("Patient", "extension", "object list"),
            ("Patient.extension", "url", "Uri"),
            ("Patient.extension", "valueMeta", "object of value"),
            ("Patient.extension", "valueDosage", "object of value"),
            ("Patient.extension", "valuePatient", ""),
            ("Patient", "modifierExtension", "object list"),
            ("Patient.name", "modifierExtension", ""),
            ("Patient.contact", "modifierExtension", "object list"),
            ("Patient", "resourceType", ""),
            ("Patient", "_birthDate", ""),
            ("Patient", "", ""),
            ("Patient.text", "div", "Xhtml required"),
            ("Observation", "code", "object required"),
            ("Observation", "valueQuantity", "object of value"),
            (
                "Observation.component",
                "valueSampledData",
                "object of value",
            ),
            ("Observation.component.valueQuantity", "value", "Decimal"),
            ("Bundle", "text", ""),
            ("Bundle", "meta", "object"),
            ("Bundle.entry", "resource", "resource"),
            ("Questionnaire.item.item.item", "linkId", "String"),
            // A list of each type is no choice.
            ("Encounter", "reasonCode", "object list"),
            ("Encounter", "reason", ""),
            ("ExampleScenario.instance", "resourceType", "Code"),
        ] {
            check(within, name, expected);
        }
    }

    #[test]
    fn names_of_elements_are_a_closed_list() {
        for (name, expected) in [
            ("birthDate", true),
            ("valueQuantity", true),
            ("id", true),
            ("linkId", true),
            // A choice without its type, or with one that it does not have.
            ("value", true),
            ("multipleBirth", false),
            ("valuePatient", false),
            // A type, a search parameter, a word.
            ("Patient", false),
            ("birthdate", false),
            ("_birthDate", false),
            ("diabetes", false),
            ("", false),
        ] {
            assert_eq!(is_element_name(name), expected, "{name}");
        }
    }

    #[test]
    fn what_must_be_there_is_told() {
        let of = |path| structure(path).required().collect::<Vec<_>>().join(" ");
        assert_eq!(of("Observation"), "code");
        assert_eq!(of("Claim"), "insurance patient priority provider type");
        assert_eq!(of("Patient"), "");
        assert_eq!(of("Patient.link"), "other");
    }

    #[test]
    fn every_type_leads_to_known_types() {
        let mut seen = 0;
        for (name, bits) in structure::ELEMENTS {
            let types = match bits & CHOICE {
                0 => vec![bits & TYPE],
                _ => {
                    let span = tables::span(&structure::CHOICES, usize::from(bits & TYPE));
                    tables::rows(&structure::CHOICE_TYPES_OF, span).to_vec()
                }
            };
            assert!(!types.is_empty(), "{}", tables::name(name));
            for number in types {
                if let Content::Object(inner) = content(number) {
                    let some = inner.names().next().is_some();
                    assert!(some, "{}", tables::name(name));
                    seen += 1;
                }
            }
        }
        assert!(seen > 2000, "only {seen}");
    }
}
