//! Search parameters: which there are, and whether a resource matches one (FHIR R4, "Search").

use serde_json::Value;

use super::date;
use super::store::split_reference;

/// How the values of a parameter are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Token,
    Reference,
    Date,
    Text,
}

/// Name, kind, paths, and the types that have it (none named: every type).
type Definition = (
    &'static str,
    Kind,
    &'static [&'static str],
    &'static [&'static str],
);

/// Types without any clinical parameter.
const NOT_CLINICAL: [&str; 5] = [
    "Patient",
    "Practitioner",
    "Organization",
    "Location",
    "Binary",
];
/// Stands for every type outside [`NOT_CLINICAL`].
const CLINICAL: &[&str] = &["*"];
const PEOPLE: &[&str] = &["Patient", "Practitioner"];
const NAMED: &[&str] = &["Patient", "Practitioner", "Organization", "Location"];

const DEFINITIONS: &[Definition] = &[
    ("_id", Kind::Token, &["id"], &[]),
    ("_lastUpdated", Kind::Date, &["meta.lastUpdated"], &[]),
    ("_tag", Kind::Token, &["meta.tag"], &[]),
    ("_security", Kind::Token, &["meta.security"], &[]),
    ("identifier", Kind::Token, &["identifier"], &[]),
    (
        "patient",
        Kind::Reference,
        &["subject", "patient", "beneficiary"],
        CLINICAL,
    ),
    ("subject", Kind::Reference, &["subject"], CLINICAL),
    (
        "beneficiary",
        Kind::Reference,
        &["beneficiary"],
        &["Coverage"],
    ),
    (
        "encounter",
        Kind::Reference,
        &["encounter", "context.encounter"],
        CLINICAL,
    ),
    (
        "performer",
        Kind::Reference,
        &["performer", "performer.actor"],
        CLINICAL,
    ),
    ("requester", Kind::Reference, &["requester"], CLINICAL),
    ("author", Kind::Reference, &["author"], CLINICAL),
    (
        "result",
        Kind::Reference,
        &["result"],
        &["DiagnosticReport"],
    ),
    ("goal", Kind::Reference, &["goal"], &["CarePlan"]),
    (
        "location",
        Kind::Reference,
        &["location.location"],
        &["Encounter"],
    ),
    (
        "participant",
        Kind::Reference,
        &["participant.individual"],
        &["Encounter"],
    ),
    (
        "service-provider",
        Kind::Reference,
        &["serviceProvider"],
        &["Encounter"],
    ),
    ("entity", Kind::Reference, &["entity.what"], &["AuditEvent"]),
    ("agent-name", Kind::Text, &["agent.name"], &["AuditEvent"]),
    ("payor", Kind::Reference, &["payor"], &["Coverage"]),
    (
        "general-practitioner",
        Kind::Reference,
        &["generalPractitioner"],
        &["Patient"],
    ),
    (
        "organization",
        Kind::Reference,
        &["managingOrganization"],
        &["Patient", "Location"],
    ),
    ("category", Kind::Token, &["category"], CLINICAL),
    (
        "code",
        Kind::Token,
        &["code", "medicationCodeableConcept"],
        CLINICAL,
    ),
    (
        "vaccine-code",
        Kind::Token,
        &["vaccineCode"],
        &["Immunization"],
    ),
    (
        "type",
        Kind::Token,
        &["type"],
        &["Encounter", "DocumentReference", "Coverage", "Organization"],
    ),
    ("status", Kind::Token, &["status"], &["*", "Location"]),
    (
        "clinical-status",
        Kind::Token,
        &["clinicalStatus"],
        CLINICAL,
    ),
    (
        "lifecycle-status",
        Kind::Token,
        &["lifecycleStatus"],
        &["Goal"],
    ),
    (
        "date",
        Kind::Date,
        &[
            "effectiveDateTime",
            "effectivePeriod",
            "performedDateTime",
            "performedPeriod",
            "occurrenceDateTime",
            "date",
            "period",
            "authoredOn",
        ],
        CLINICAL,
    ),
    (
        "authoredon",
        Kind::Date,
        &["authoredOn"],
        &["MedicationRequest"],
    ),
    (
        "recorded-date",
        Kind::Date,
        &["recordedDate"],
        &["Condition"],
    ),
    ("onset-date", Kind::Date, &["onsetDateTime"], &["Condition"]),
    ("family", Kind::Text, &["name.family"], PEOPLE),
    ("given", Kind::Text, &["name.given"], PEOPLE),
    ("name", Kind::Text, &["name"], NAMED),
    ("birthdate", Kind::Date, &["birthDate"], &["Patient"]),
    ("gender", Kind::Token, &["gender"], PEOPLE),
    ("telecom", Kind::Token, &["telecom"], PEOPLE),
];

/// One understood criterion.
#[derive(Clone, Debug)]
pub struct Criterion {
    kind: Kind,
    paths: &'static [&'static str],
    modifier: Option<String>,
    values: Vec<String>,
}

impl Criterion {
    /// The criterion of a parameter for a type. None: the type has no such parameter. Err: the modifier
    /// or a value is wrong.
    pub fn parse(resource_type: &str, name: &str, value: &str) -> Option<Result<Self, String>> {
        let (base, modifier) = match name.split_once(':') {
            Some((base, modifier)) => (base, Some(modifier.to_owned())),
            None => (name, None),
        };
        let (_, kind, paths, _) = definition(resource_type, base)?;
        let values: Vec<String> = value.split(',').map(str::to_owned).collect();
        let criterion = Self {
            kind: *kind,
            paths,
            modifier,
            values,
        };
        Some(
            criterion
                .check()
                .map(|()| criterion.clone())
                .map_err(|error| format!("parameter {name}={value}: {error}")),
        )
    }

    /// Whether any of the values matches.
    pub fn matches(&self, resource: &Value) -> bool {
        let found: Vec<&Value> = self
            .paths
            .iter()
            .flat_map(|path| at(resource, path))
            .collect();
        match self.modifier.as_deref() {
            Some("missing") => {
                found.is_empty() == (self.values.first().is_some_and(|value| value == "true"))
            }
            Some("not") => !self.any(&found),
            _ => self.any(&found),
        }
    }

    fn check(&self) -> Result<(), String> {
        let kind = self.kind;
        match self.modifier.as_deref() {
            None | Some("missing") => {}
            Some("not") if kind == Kind::Token => {}
            Some("exact" | "contains") if kind == Kind::Text => {}
            Some(target)
                if kind == Kind::Reference
                    && target.starts_with(|first: char| first.is_ascii_uppercase()) => {}
            Some(modifier) => return Err(format!("modifier :{modifier} is not supported")),
        }
        let is_date = kind == Kind::Date && self.modifier.is_none();
        match self
            .values
            .iter()
            .find(|value| is_date && date::span(prefixed(value).1).is_none())
        {
            Some(value) => Err(format!("{value:?} is not a date with an optional prefix")),
            None => Ok(()),
        }
    }

    fn any(&self, found: &[&Value]) -> bool {
        self.values.iter().any(|wanted| {
            found.iter().any(|value| match self.kind {
                Kind::Token => token(value, wanted),
                Kind::Reference => reference(value, self.modifier.as_deref(), wanted),
                Kind::Date => date_matches(value, wanted),
                Kind::Text => text_matches(value, self.modifier.as_deref(), wanted),
            })
        })
    }
}

/// The references a reference parameter of the type finds in a resource; `*` finds all of them. None if
/// the type has no such reference parameter.
pub fn references(resource: &Value, name: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    if name == "*" {
        collect(resource, &mut found);
        return Some(found);
    }
    let (_, kind, paths, _) = definition(resource["resourceType"].as_str()?, name)?;
    if *kind != Kind::Reference {
        return None;
    }
    for value in paths.iter().flat_map(|path| at(resource, path)) {
        found.extend(value["reference"].as_str().map(str::to_owned));
    }
    Some(found)
}

/// The names of the parameters a type has.
pub fn names(resource_type: &str) -> impl Iterator<Item = &'static str> {
    DEFINITIONS
        .iter()
        .filter(move |row| applies(row, resource_type))
        .map(|row| row.0)
}

fn definition(resource_type: &str, name: &str) -> Option<&'static Definition> {
    DEFINITIONS
        .iter()
        .find(|row| row.0 == name && applies(row, resource_type))
}

fn applies(row: &Definition, resource_type: &str) -> bool {
    let clinical = !NOT_CLINICAL.contains(&resource_type);
    row.3.is_empty() || row.3.contains(&resource_type) || (clinical && row.3.contains(&"*"))
}

/// Everything at a dotted path, arrays flattened.
fn at<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![value];
    for name in path.split('.') {
        found = found
            .into_iter()
            .filter_map(|value| value.get(name))
            .flat_map(flat)
            .collect();
    }
    found
}

fn flat(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        other => vec![other],
    }
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) => {
            found.extend(
                members
                    .get("reference")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            );
            members.values().for_each(|member| collect(member, found));
        }
        _ => {}
    }
}

fn token(value: &Value, wanted: &str) -> bool {
    if let Some(codings) = value["coding"].as_array() {
        return codings.iter().any(|coding| token(coding, wanted));
    }
    let system = value["system"].as_str();
    let Some(code) = value
        .as_str()
        .or(value["code"].as_str())
        .or(value["value"].as_str())
    else {
        return false;
    };
    match wanted.split_once('|') {
        None => code == wanted,
        Some(("", wanted)) => system.is_none() && code == wanted,
        Some((wanted_system, "")) => system == Some(wanted_system),
        Some((wanted_system, wanted)) => system == Some(wanted_system) && code == wanted,
    }
}

fn reference(value: &Value, target: Option<&str>, wanted: &str) -> bool {
    let Some((kind, id)) = value["reference"].as_str().and_then(split_reference) else {
        return false;
    };
    match split_reference(wanted) {
        Some((wanted_kind, wanted_id)) => kind == wanted_kind && id == wanted_id,
        None => id == wanted && target.is_none_or(|target| target == kind),
    }
}

fn date_matches(value: &Value, wanted: &str) -> bool {
    let (prefix, wanted) = prefixed(wanted);
    let Some((from, to)) = date::span(wanted) else {
        return false;
    };
    let span = match value.as_str() {
        Some(text) => date::span(text),
        None => {
            let start = value["start"]
                .as_str()
                .map_or(Some(i64::MIN), |text| Some(date::span(text)?.0));
            let end = value["end"]
                .as_str()
                .map_or(Some(i64::MAX), |text| Some(date::span(text)?.1));
            start.zip(end)
        }
    };
    let Some((start, end)) = span else {
        return false;
    };
    match prefix {
        "ne" => !(from <= start && end <= to),
        "gt" => end > to,
        "lt" => start < from,
        "ge" => end > to || from <= start,
        "le" => start < from || end <= to,
        _ => from <= start && end <= to,
    }
}

fn prefixed(value: &str) -> (&str, &str) {
    match value.get(..2) {
        Some(prefix @ ("eq" | "ne" | "gt" | "lt" | "ge" | "le")) => {
            (prefix, value.get(2..).unwrap_or(""))
        }
        _ => ("eq", value),
    }
}

fn text_matches(value: &Value, modifier: Option<&str>, wanted: &str) -> bool {
    if let Value::Object(members) = value {
        let parts = ["family", "given", "text", "prefix"]
            .iter()
            .filter_map(|name| members.get(*name));
        return parts
            .flat_map(flat)
            .any(|part| text_matches(part, modifier, wanted));
    }
    let Some(text) = value.as_str() else {
        return false;
    };
    match modifier {
        Some("exact") => text == wanted,
        Some("contains") => text.to_lowercase().contains(&wanted.to_lowercase()),
        _ => text.to_lowercase().starts_with(&wanted.to_lowercase()),
    }
}
