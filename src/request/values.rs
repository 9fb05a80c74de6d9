//! Values of search parameters: the shape of each kind, and the canonical form of references.

use super::BaseUrl;
use crate::denial::Denial;
use crate::fhir::{ResourceType, SearchKind, SearchParameter, is_id};

/// Whether values of this parameter are understood. Composite and special ones are not, nor is one of
/// which it is not known what a match tells about.
pub(super) fn are_understood(definition: SearchParameter) -> bool {
    let kind = match definition.kind() {
        SearchKind::Composite | SearchKind::Special => false,
        SearchKind::Date
        | SearchKind::Number
        | SearchKind::Quantity
        | SearchKind::Reference
        | SearchKind::String
        | SearchKind::Token
        | SearchKind::Uri => true,
    };
    kind && definition.searched().is_some()
}

/// The alternatives of a value, each in its canonical form.
pub(super) fn read(
    definition: SearchParameter,
    value: &str,
    base: &BaseUrl,
) -> Result<Vec<String>, Denial> {
    let mut values = alternatives(value)?;
    for text in &mut values {
        let (shaped, name) = match definition.kind() {
            SearchKind::Date => (is_date(without_prefix(text)), "date"),
            SearchKind::Number => (is_number(without_prefix(text)), "number"),
            SearchKind::Quantity => (is_quantity(text), "quantity"),
            SearchKind::Uri => (is_uri(text), "uri"),
            SearchKind::Reference => {
                let canonical = reference(definition, text, base);
                *text = canonical.ok_or(Denial::Request("reference"))?;
                continue;
            }
            SearchKind::Token if definition.name() == "_id" => (is_id(text), "id"),
            SearchKind::Token | SearchKind::String => continue,
            SearchKind::Composite | SearchKind::Special => {
                return Err(Denial::NotSupported("parameter"));
            }
        };
        if !shaped {
            return Err(Denial::Request(name));
        }
    }
    Ok(values)
}

/// The alternatives of a reference whose type is said beside it; each may say the same again.
pub(super) fn read_typed(
    definition: SearchParameter,
    target: ResourceType,
    value: &str,
    base: &BaseUrl,
) -> Result<Vec<String>, Denial> {
    let wrong = || Denial::Request("reference");
    let mut searched = definition.searched().into_iter().flatten();
    if !searched.any(|searched| searched.is_reference) {
        return Err(wrong());
    }
    let mut found = Vec::new();
    for text in alternatives(value)? {
        let typed = match is_id(&text) {
            true => format!("{target}/{text}"),
            false => text,
        };
        let canonical = reference(definition, &typed, base).ok_or_else(wrong)?;
        let (own, id) = canonical.split_once('/').ok_or_else(wrong)?;
        if own != target.name() || !is_id(id) {
            return Err(wrong());
        }
        found.push(canonical);
    }
    Ok(found)
}

/// The shape of a date or instant: enough to be sure that it is nothing else.
pub(super) fn is_date(text: &str) -> bool {
    text.len() >= 4
        && text.len() <= 35
        && text.bytes().take(4).all(|byte| byte.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"-:.TZ+".contains(&byte))
}

/// Splits alternatives at commas that are not escaped (<https://hl7.org/fhir/R4/search.html#escaping>).
fn alternatives(value: &str) -> Result<Vec<String>, Denial> {
    let parts = split(value, ',').ok_or(Denial::Request("query"))?;
    if parts.iter().any(String::is_empty) {
        Err(Denial::Request("query"))
    } else {
        Ok(parts)
    }
}

/// The parts between separators that are not escaped; escapes stay as they are. `None` where something
/// else is escaped than what has a meaning.
fn split(text: &str, separator: char) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped @ (',' | '|' | '$' | '\\')) => part.extend(['\\', escaped]),
                _ => return None,
            },
            found if found == separator => parts.push(std::mem::take(&mut part)),
            other => part.push(other),
        }
    }
    parts.push(part);
    Some(parts)
}

fn without_prefix(text: &str) -> &str {
    const PREFIXES: [&str; 9] = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];
    PREFIXES
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text)
}

/// A decimal with an optional sign and exponent (<https://hl7.org/fhir/R4/search.html#number>).
fn is_number(text: &str) -> bool {
    let signless = |text: &str| text.strip_prefix(['-', '+']).unwrap_or(text).to_owned();
    let digits = |text: &str| {
        (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(signless(exponent))),
        None => (text, None),
    };
    let mantissa = signless(mantissa);
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa.as_str(), None),
    };
    digits(whole) && fraction.is_none_or(digits) && exponent.is_none_or(|text| digits(&text))
}

/// `number`, `number|system|code` or `number||code`
/// (<https://hl7.org/fhir/R4/search.html#quantity>).
fn is_quantity(text: &str) -> bool {
    let parts = split(text, '|').unwrap_or_default();
    let number = |text: &str| is_number(without_prefix(text));
    match parts.as_slice() {
        [only] => number(only),
        [first, system, code] => {
            number(first) && (system.is_empty() || is_uri(system)) && !code.is_empty()
        }
        _ => false,
    }
}

/// Text without white space: what a URI may be is for those who compare it.
fn is_uri(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_whitespace)
}

/// The canonical form of a reference: `Type/id`, of a type that the parameter may lead to. A canonical
/// URL (<https://hl7.org/fhir/R4/references.html#canonical>) stays as it is, where the parameter looks
/// at no other references.
fn reference(definition: SearchParameter, text: &str, base: &BaseUrl) -> Option<String> {
    let mut searched = definition.searched().into_iter().flatten();
    if searched.all(|searched| !searched.is_reference) {
        return is_uri(text).then(|| text.to_owned());
    }
    let relative = base.relative(text);
    let (resource_type, id) = match relative.split_once('/') {
        Some((name, id)) => (ResourceType::parse(name)?, id),
        None => (implied(definition)?, relative),
    };
    let fits = definition.can_target(resource_type) && is_id(id);
    fits.then(|| format!("{resource_type}/{id}"))
}

/// The type that a bare id is of: the only one that is possible. In `patient` and `subject` it is a
/// Patient, where that is possible.
fn implied(definition: SearchParameter) -> Option<ResourceType> {
    let mut targets = definition.targets();
    if matches!(definition.name(), "patient" | "subject") {
        let patient = targets.clone().find(|target| target.is_patient());
        if patient.is_some() {
            return patient;
        }
    }
    let only = targets.next()?;
    targets.next().is_none().then_some(only)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::search_parameter;

    fn check(parameter: &str, value: &str, expected: Result<&str, &'static str>) {
        let (type_name, name) = parameter.split_once('.').expect("a type and a name");
        let resource_type = ResourceType::parse(type_name).expect("a type of R4");
        let definition = search_parameter(resource_type, name).expect(parameter);
        assert!(are_understood(definition), "{parameter}");
        let base = BaseUrl::parse("https://fhir.example.org/r4").expect("a base");
        let found = read(definition, value, &base).map(|values| values.join(" or "));
        let expected = expected.map(str::to_owned).map_err(Denial::Request);
        assert_eq!(found, expected, "{parameter}={value}");
    }

    #[test]
    fn references_have_one_form() {
        const WRONG: Result<&str, &str> = Err("reference");
        for (parameter, value, expected) in [
            ("Observation.patient", "p1", Ok("Patient/p1")),
            ("Observation.patient", "Patient/p1", Ok("Patient/p1")),
            ("Observation.patient", "Group/g1", WRONG),
            ("Observation.subject", "p1", Ok("Patient/p1")),
            ("Observation.subject", "Group/g1", Ok("Group/g1")),
            ("Observation.subject", "Organization/o1", WRONG),
            (
                "Observation.subject",
                "https://fhir.example.org/r4/Device/d1",
                Ok("Device/d1"),
            ),
            (
                "Observation.subject",
                "https://fhir.example.org/r4/p1",
                Ok("Patient/p1"),
            ),
            ("Observation.subject", "https://b.example/Patient/p1", WRONG),
            ("Observation.subject", "Patient/p1/_history/2", WRONG),
            ("Observation.subject", "urn:uuid:1", WRONG),
            ("Observation.subject", "#p1", WRONG),
            ("Observation.subject", "Patient/", WRONG),
            ("Observation.subject", "/p1", WRONG),
            // A bare id could be of many types.
            ("Observation.performer", "p1", WRONG),
            ("Observation.performer", "Patient/p1", Ok("Patient/p1")),
            (
                "Observation.performer",
                "Practitioner/a,Patient/b",
                Ok("Practitioner/a or Patient/b"),
            ),
            ("Observation.device", "Device/d1", Ok("Device/d1")),
            ("Encounter.service-provider", "o1", Ok("Organization/o1")),
            // A subject that is no Patient.
            (
                "MedicinalProductPackaged.subject",
                "m1",
                Ok("MedicinalProduct/m1"),
            ),
            ("MedicinalProductIndication.subject", "m1", WRONG),
            // A canonical URL is no reference to an instance.
            (
                "PlanDefinition.depends-on",
                "http://a.example/Library/l|1.0",
                Ok("http://a.example/Library/l|1.0"),
            ),
            ("PlanDefinition.depends-on", "a b", WRONG),
        ] {
            check(parameter, value, expected);
        }
    }

    #[test]
    fn other_kinds_have_a_shape() {
        let quantity = "Observation.value-quantity";
        for (parameter, value, expected) in [
            ("RiskAssessment.probability", "0.8", Ok("0.8")),
            ("RiskAssessment.probability", "gt0.8,-1", Ok("gt0.8 or -1")),
            ("RiskAssessment.probability", "1e-3", Ok("1e-3")),
            ("RiskAssessment.probability", "1E+3", Ok("1E+3")),
            ("RiskAssessment.probability", "gt", Err("number")),
            ("RiskAssessment.probability", "x", Err("number")),
            ("RiskAssessment.probability", "1.", Err("number")),
            ("RiskAssessment.probability", ".5", Err("number")),
            ("RiskAssessment.probability", "1e", Err("number")),
            ("RiskAssessment.probability", "--1", Err("number")),
            ("RiskAssessment.probability", "1|a|b", Err("number")),
            (quantity, "5.4", Ok("5.4")),
            (quantity, "ap5.4||mg", Ok("ap5.4||mg")),
            (
                quantity,
                "5.4|http://a.example|mg",
                Ok("5.4|http://a.example|mg"),
            ),
            (
                quantity,
                "5.4|http://a.example|a\\|b",
                Ok("5.4|http://a.example|a\\|b"),
            ),
            (quantity, "5.4|mg", Err("quantity")),
            (quantity, "5.4|a|b|c", Err("quantity")),
            (quantity, "5.4|a b|mg", Err("quantity")),
            (quantity, "5.4||", Err("quantity")),
            (quantity, "|a|mg", Err("quantity")),
            ("ValueSet.url", "urn:oid:1.2.3", Ok("urn:oid:1.2.3")),
            ("ValueSet.url", "http://a b", Err("uri")),
            (
                "Patient._profile",
                "http://a.example/p",
                Ok("http://a.example/p"),
            ),
            ("Patient._id", "a,b-c", Ok("a or b-c")),
            ("Patient._id", "a_b", Err("id")),
            ("Patient.birthdate", "ge2000", Ok("ge2000")),
            ("Patient.birthdate", "20", Err("date")),
            ("Patient.family", "a\\,b,c d", Ok("a\\,b or c d")),
            ("Patient.family", "a\\b", Err("query")),
        ] {
            check(parameter, value, expected);
        }
    }

    #[test]
    fn what_is_composite_or_may_look_anywhere_is_not_understood() {
        for name in [
            "code-value-quantity",
            "_content",
            "_text",
            "_query",
            "_filter",
            "_has",
            "_list",
            "_type",
        ] {
            let resource_type = ResourceType::parse("Observation").expect("a type of R4");
            let definition = search_parameter(resource_type, name).expect(name);
            assert!(!are_understood(definition), "{name}");
        }
    }
}
