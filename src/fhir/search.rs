//! The short list of search parameters that the filter understands.

use super::ResourceType;

/// What a search parameter's values look like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SearchKind {
    /// A date or instant, with a prefix such as `ge`.
    Date,
    /// A reference to a Patient.
    Patient,
    /// Text.
    String,
    /// A code, or `system|code`.
    Token,
}

/// One search parameter of one type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SearchParameter {
    /// The name in the query, for example `birthdate`.
    pub name: &'static str,
    /// What its values look like.
    pub kind: SearchKind,
    /// What a match tells about: root elements, for example `birthDate`, or the one part of it that
    /// is compared, such as `subject.reference` (not the name that is shown beside it); `[x]` stands
    /// for every type of a choice.
    pub elements: &'static [&'static str],
}

/// The parameter of this name for this type, if it is one of the few that are understood
/// (<https://hl7.org/fhir/R4/searchparameter-registry.html>). Names are exact; modifiers and chains
/// are not part of a name and are understood nowhere yet.
pub fn search_parameter(
    resource_type: ResourceType,
    name: &str,
) -> Option<&'static SearchParameter> {
    of_every_type()
        .iter()
        .chain(of_type(resource_type))
        .find(|parameter| parameter.name == name)
}

fn of_every_type() -> &'static [SearchParameter] {
    const ALL: &[SearchParameter] = &[date("_lastUpdated", &["meta"]), token("_id", &["id"])];
    ALL
}

fn of_type(resource_type: ResourceType) -> &'static [SearchParameter] {
    match resource_type.name() {
        "AllergyIntolerance" => {
            &const {
                [
                    token("clinical-status", &["clinicalStatus"]),
                    token("code", &["code", "reaction"]),
                    date("date", &["recordedDate"]),
                    patient("patient", &["patient.reference"]),
                ]
            }
        }
        "CarePlan" => {
            &const {
                [
                    token("category", &["category"]),
                    date("date", &["period"]),
                    patient("patient", &["subject.reference"]),
                    token("status", &["status"]),
                    patient("subject", &["subject.reference"]),
                ]
            }
        }
        "CareTeam" => {
            &const {
                [
                    patient("patient", &["subject.reference"]),
                    token("status", &["status"]),
                    patient("subject", &["subject.reference"]),
                ]
            }
        }
        "Condition" => {
            &const {
                [
                    token("category", &["category"]),
                    token("clinical-status", &["clinicalStatus"]),
                    token("code", &["code"]),
                    date("onset-date", &["onset[x]"]),
                    patient("patient", &["subject.reference"]),
                    date("recorded-date", &["recordedDate"]),
                    patient("subject", &["subject.reference"]),
                ]
            }
        }
        "Coverage" => {
            &const {
                [
                    patient("patient", &["beneficiary.reference"]),
                    token("status", &["status"]),
                ]
            }
        }
        "DiagnosticReport" => {
            &const {
                [
                    token("category", &["category"]),
                    token("code", &["code"]),
                    date("date", &["effective[x]"]),
                    patient("patient", &["subject.reference"]),
                    token("status", &["status"]),
                    patient("subject", &["subject.reference"]),
                ]
            }
        }
        "DocumentReference" => {
            &const {
                [
                    token("category", &["category"]),
                    date("date", &["date"]),
                    patient("patient", &["subject.reference"]),
                    date("period", &["context"]),
                    token("status", &["status"]),
                    patient("subject", &["subject.reference"]),
                    token("type", &["type"]),
                ]
            }
        }
        "Encounter" => {
            &const {
                [
                    token("class", &["class"]),
                    date("date", &["period"]),
                    patient("patient", &["subject.reference"]),
                    token("status", &["status"]),
                    patient("subject", &["subject.reference"]),
                    token("type", &["type"]),
                ]
            }
        }
        "Goal" => {
            &const {
                [
                    token("lifecycle-status", &["lifecycleStatus"]),
                    patient("patient", &["subject.reference"]),
                    date("start-date", &["start[x]"]),
                    patient("subject", &["subject.reference"]),
                ]
            }
        }
        "Immunization" => {
            &const {
                [
                    date("date", &["occurrence[x]"]),
                    patient("patient", &["patient.reference"]),
                    token("status", &["status"]),
                    token("vaccine-code", &["vaccineCode"]),
                ]
            }
        }
        "Location" => {
            &const {
                [
                    token("identifier", &["identifier"]),
                    string("name", &["name", "alias"]),
                    token("status", &["status"]),
                ]
            }
        }
        "MedicationRequest" => {
            &const {
                [
                    date("authoredon", &["authoredOn"]),
                    token("code", &["medication[x]"]),
                    token("intent", &["intent"]),
                    patient("patient", &["subject.reference"]),
                    token("status", &["status"]),
                    patient("subject", &["subject.reference"]),
                ]
            }
        }
        "Observation" => {
            &const {
                [
                    token("category", &["category"]),
                    token("code", &["code"]),
                    date("date", &["effective[x]"]),
                    patient("patient", &["subject.reference"]),
                    token("status", &["status"]),
                    patient("subject", &["subject.reference"]),
                ]
            }
        }
        "Organization" => {
            &const {
                [
                    token("identifier", &["identifier"]),
                    string("name", &["name", "alias"]),
                ]
            }
        }
        "Patient" => {
            &const {
                [
                    date("birthdate", &["birthDate"]),
                    string("family", &["name"]),
                    token("gender", &["gender"]),
                    string("given", &["name"]),
                    token("identifier", &["identifier"]),
                    string("name", &["name"]),
                ]
            }
        }
        "Practitioner" => {
            &const {
                [
                    string("family", &["name"]),
                    string("given", &["name"]),
                    token("identifier", &["identifier"]),
                    string("name", &["name"]),
                ]
            }
        }
        "Procedure" => {
            &const {
                [
                    token("code", &["code"]),
                    date("date", &["performed[x]"]),
                    patient("patient", &["subject.reference"]),
                    token("status", &["status"]),
                    patient("subject", &["subject.reference"]),
                ]
            }
        }
        "ServiceRequest" => {
            &const {
                [
                    date("authored", &["authoredOn"]),
                    token("category", &["category"]),
                    token("code", &["code"]),
                    patient("patient", &["subject.reference"]),
                    token("status", &["status"]),
                    patient("subject", &["subject.reference"]),
                ]
            }
        }
        _ => &[],
    }
}

const fn date(name: &'static str, elements: &'static [&'static str]) -> SearchParameter {
    SearchParameter {
        name,
        kind: SearchKind::Date,
        elements,
    }
}

const fn patient(name: &'static str, elements: &'static [&'static str]) -> SearchParameter {
    SearchParameter {
        name,
        kind: SearchKind::Patient,
        elements,
    }
}

const fn string(name: &'static str, elements: &'static [&'static str]) -> SearchParameter {
    SearchParameter {
        name,
        kind: SearchKind::String,
        elements,
    }
}

const fn token(name: &'static str, elements: &'static [&'static str]) -> SearchParameter {
    SearchParameter {
        name,
        kind: SearchKind::Token,
        elements,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(type_name: &str, name: &str) -> Option<&'static [&'static str]> {
        let resource_type = ResourceType::parse(type_name).expect("a type of R4");
        search_parameter(resource_type, name).map(|parameter| parameter.elements)
    }

    #[test]
    fn parameters_are_known_by_type_and_exact_name() {
        assert_eq!(elements("Patient", "birthdate"), Some(&["birthDate"][..]));
        assert_eq!(elements("Observation", "_id"), Some(&["id"][..]));
        // A name shown beside a reference may be hidden, and the reference searched for.
        assert_eq!(
            elements("Observation", "patient"),
            Some(&["subject.reference"][..])
        );
        assert_eq!(elements("Observation", "birthdate"), None);
        assert_eq!(elements("Observation", "Patient"), None);
        assert_eq!(elements("Observation", "subject:Patient"), None);
        assert_eq!(elements("Task", "patient"), None);
    }
}
