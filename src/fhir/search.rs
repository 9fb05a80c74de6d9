//! The search parameters of R4.

use std::fmt;

use super::tables::{self, search};
use super::{ElementPath, ResourceType};

/// What a search parameter's values look like (<https://hl7.org/fhir/R4/search.html#ptypes>).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SearchKind {
    /// A number, with a prefix such as `ge`.
    Number,
    /// A date or instant, with a prefix such as `ge`.
    Date,
    /// Text.
    String,
    /// A code, or `system|code`.
    Token,
    /// A reference to a resource, or a canonical URL.
    Reference,
    /// Values of several parameters that must hold of the same element, joined by `$`.
    Composite,
    /// A number with a prefix and a unit: `5.4|http://unitsofmeasure.org|mg`.
    Quantity,
    /// A URI, compared exactly.
    Uri,
    /// Something of its own.
    Special,
}

/// The order of the tables.
const KINDS: [SearchKind; 9] = [
    SearchKind::Number,
    SearchKind::Date,
    SearchKind::String,
    SearchKind::Token,
    SearchKind::Reference,
    SearchKind::Composite,
    SearchKind::Quantity,
    SearchKind::Uri,
    SearchKind::Special,
];

/// One search parameter of one type (or of every type): a place in the tables.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct SearchParameter(u16);

/// Where a search parameter looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Searched {
    /// The element whose values are compared.
    pub path: ElementPath,
    /// The one type of resource that a reference there must lead to, for it to count.
    pub only: Option<ResourceType>,
    /// Only some of the values count, by a condition that is not told here, such as
    /// `where(system='phone')`.
    pub some: bool,
    /// It is a Reference: what is compared is its `reference`, not the name shown beside it.
    pub is_reference: bool,
}

/// The parameter of this name for this type (<https://hl7.org/fhir/R4/searchparameter-registry.html>).
/// Names are exact; modifiers and chains are not part of a name.
pub fn search_parameter(resource_type: ResourceType, name: &str) -> Option<SearchParameter> {
    // Common ones begin with `_`, and no other does.
    let common = name.starts_with('_');
    tables_of(resource_type)
        .filter(|(is_common, _)| *is_common == common)
        .find_map(|(_, first)| {
            let span = tables::span(&search::OF_TYPE, first);
            let start = span.start;
            let rows = tables::rows(&search::PARAMETERS, span);
            let found = tables::find(rows, |(name, _)| *name, name)?;
            u16::try_from(start.checked_add(found)?).ok()
        })
        .map(SearchParameter)
}

/// Every parameter of this type, the common ones last.
pub fn search_parameters(resource_type: ResourceType) -> impl Iterator<Item = SearchParameter> {
    tables_of(resource_type)
        .flat_map(|(_, first)| tables::span(&search::OF_TYPE, first))
        .filter_map(|row| u16::try_from(row).ok())
        .map(SearchParameter)
}

impl SearchParameter {
    pub(super) fn new(number: u16) -> SearchParameter {
        SearchParameter(number)
    }

    /// The name in the query, for example `birthdate`.
    pub fn name(self) -> &'static str {
        self.row().map_or("", |(name, _)| tables::name(name))
    }

    /// What its values look like.
    pub fn kind(self) -> SearchKind {
        let kind = self
            .row()
            .and_then(|(_, bits)| KINDS.get(usize::from(bits & 0xF)));
        kind.copied().unwrap_or(SearchKind::Special)
    }

    /// The types that a reference may lead to, by name; none where it is no reference to a resource.
    pub fn targets(self) -> impl Iterator<Item = ResourceType> + Clone {
        let set = self.row().map_or(0, |(_, bits)| usize::from(bits >> 4));
        let span = tables::span(&search::TARGET_SETS, set);
        let targets = tables::rows(&search::TARGETS, span).iter();
        targets.map(|number| ResourceType::from_index(*number))
    }

    /// Whether a reference may lead to this type.
    pub fn can_target(self, resource_type: ResourceType) -> bool {
        self.targets().any(|target| target == resource_type)
    }

    /// Where it looks: what a match, or the order of matches, tells about. `None` where that is not
    /// known (`_content`, `_text`, `_query` and the like may look at everything), so that nobody from
    /// whom something is hidden may use it.
    pub fn searched(self) -> Option<impl Iterator<Item = Searched> + Clone> {
        let span = tables::span(&search::PLACES_OF, usize::from(self.0));
        let places = tables::rows(&search::PLACES, span);
        (!places.is_empty()).then(|| places.iter().map(|place| Searched::read(*place)))
    }

    /// The parameters that a composite one is made of, in the order of its values.
    pub fn components(self) -> impl Iterator<Item = SearchParameter> {
        let rows = search::COMPONENTS.iter();
        rows.filter(move |(composite, _)| *composite == self.0)
            .map(|(_, component)| SearchParameter(*component))
    }

    fn row(self) -> Option<(u16, u16)> {
        search::PARAMETERS.get(usize::from(self.0)).copied()
    }
}

impl fmt::Debug for SearchParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Searched {
    fn read((path, bits): (u16, u16)) -> Searched {
        let only = u8::try_from(bits & 0xFF).ok();
        Searched {
            path: ElementPath::new(path),
            only: only
                .and_then(|only| only.checked_sub(1))
                .map(ResourceType::from_index),
            some: bits & 1 << 8 != 0,
            is_reference: bits & 1 << 9 != 0,
        }
    }
}

impl fmt::Display for Searched {
    /// The path of what is compared: `subject.reference`, for the name beside it is not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reference = if self.is_reference { ".reference" } else { "" };
        write!(f, "{}{reference}", self.path)
    }
}

/// Where the parameters of a type stand in the tables, and whether these are common to many types.
fn tables_of(resource_type: ResourceType) -> impl Iterator<Item = (bool, usize)> {
    // What carries other resources has no narrative, and everything else has.
    let narrative = !resource_type.is_container();
    let domain = narrative.then_some((true, usize::from(search::DOMAIN)));
    [
        (false, resource_type.index()),
        (true, usize::from(search::EVERY)),
    ]
    .into_iter()
    .chain(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The elements of a parameter, as text; a type that a reference must lead to behind `>`, `?`
    /// where not every value counts.
    fn shown(type_name: &str, name: &str) -> String {
        let resource_type = ResourceType::parse(type_name).expect("a type of R4");
        let Some(parameter) = search_parameter(resource_type, name) else {
            return "none".into();
        };
        let Some(searched) = parameter.searched() else {
            return "unknown".into();
        };
        let shown = searched.map(|searched| {
            let only = searched.only.map(|only| format!(">{only}"));
            let some = if searched.some { "?" } else { "" };
            format!("{}{}{some}", searched.path, only.unwrap_or_default())
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn parameters_are_known_by_type_and_exact_name() {
        for (type_name, name, expected) in [
            ("Patient", "birthdate", "birthDate"),
            ("Patient", "family", "name.family"),
            ("Patient", "phone", "telecom?"),
            ("Patient", "deceased", "deceasedBoolean? deceasedDateTime?"),
            ("Patient", "death-date", "deceasedDateTime"),
            ("Observation", "_id", "id"),
            ("Observation", "_lastUpdated", "meta.lastUpdated"),
            ("Observation", "_security", "meta.security"),
            ("Observation", "patient", "subject>Patient"),
            ("Observation", "subject", "subject"),
            (
                "Observation",
                "value-quantity",
                "valueQuantity valueSampledData",
            ),
            (
                "Observation",
                "value-string",
                "valueCodeableConcept.text valueString",
            ),
            (
                "Observation",
                "combo-code-value-concept",
                "code component.code component.valueCodeableConcept valueCodeableConcept",
            ),
            ("AllergyIntolerance", "code", "code reaction.substance"),
            (
                "Immunization",
                "date",
                "occurrenceDateTime occurrenceString",
            ),
            ("InsurancePlan", "name", "alias name"),
            (
                "AuditEvent",
                "patient",
                "agent.who>Patient entity.what>Patient",
            ),
            ("Task", "patient", "for>Patient"),
            ("Bundle", "composition", "entry.resource?"),
            ("Location", "near", "position"),
            ("Observation", "_text", "unknown"),
            ("Observation", "_content", "unknown"),
            ("Observation", "_query", "unknown"),
            ("Observation", "_filter", "unknown"),
            ("Observation", "_has", "unknown"),
            ("Bundle", "_text", "none"),
            ("Observation", "birthdate", "none"),
            ("Observation", "Patient", "none"),
            ("Observation", "subject:Patient", "none"),
            ("Observation", "", "none"),
            ("Observation", "_", "none"),
        ] {
            assert_eq!(shown(type_name, name), expected, "{type_name}.{name}");
        }
    }

    #[test]
    fn kinds_targets_and_components_are_those_of_the_definition() {
        let of = |type_name: &str, name: &str| {
            let resource_type = ResourceType::parse(type_name).expect("a type of R4");
            search_parameter(resource_type, name).expect(name)
        };
        for (type_name, name, kind, targets) in [
            ("Observation", "date", SearchKind::Date, ""),
            ("Observation", "value-quantity", SearchKind::Quantity, ""),
            ("RiskAssessment", "probability", SearchKind::Number, ""),
            ("Location", "near", SearchKind::Special, ""),
            ("ValueSet", "url", SearchKind::Uri, ""),
            ("Observation", "patient", SearchKind::Reference, "Patient"),
            (
                "Observation",
                "subject",
                SearchKind::Reference,
                "Device Group Location Patient",
            ),
            (
                "Observation",
                "encounter",
                SearchKind::Reference,
                "Encounter EpisodeOfCare",
            ),
        ] {
            let parameter = of(type_name, name);
            assert_eq!(parameter.kind(), kind, "{type_name}.{name}");
            let found: Vec<_> = parameter.targets().map(ResourceType::name).collect();
            assert_eq!(found.join(" "), targets, "{type_name}.{name}");
        }
        let composite = of("MolecularSequence", "chromosome-variant-coordinate");
        let found: Vec<_> = composite.components().map(SearchParameter::name).collect();
        assert_eq!(found, ["chromosome", "variant-start", "variant-end"]);
    }

    #[test]
    fn every_published_parameter_is_there() {
        let mut own = 0;
        for resource_type in ResourceType::all() {
            for parameter in search_parameters(resource_type) {
                let name = parameter.name();
                let found = search_parameter(resource_type, name);
                assert_eq!(found, Some(parameter), "{resource_type}.{name}");
                own += usize::from(!name.starts_with('_'));
                let composite = parameter.kind() == SearchKind::Composite;
                let components = parameter.components().count();
                assert_eq!(composite, components > 1, "{resource_type}.{name}");
                let known = parameter.searched().is_some() || name.starts_with('_');
                assert!(known, "{resource_type}.{name}");
            }
        }
        // 1706 of the published Bundle, of which 8 are of every type, and `_text` of nearly all.
        assert_eq!(own, 1706 - 9);
    }
}
