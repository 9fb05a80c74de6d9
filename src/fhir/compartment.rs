//! Compartments: which elements make a resource belong to a patient or a practitioner.

use super::tables::{self, compartments};
use super::{ElementPath, ResourceType, SearchParameter};

/// A compartment of R4 that decisions rest on. A resource of the type that it is about (a Patient, a
/// Practitioner) belongs to its own by its id; another belongs to it when a membership element refers
/// to that type (<https://hl7.org/fhir/R4/compartmentdefinition.html>).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compartment {
    /// <https://hl7.org/fhir/R4/compartmentdefinition-patient.html>
    Patient,
    /// <https://hl7.org/fhir/R4/compartmentdefinition-practitioner.html>
    Practitioner,
}

impl Compartment {
    /// The compartment that is about resources of this type.
    pub fn of(resource_type: ResourceType) -> Option<Compartment> {
        let both = [Compartment::Patient, Compartment::Practitioner];
        both.into_iter()
            .find(|compartment| compartment.name() == resource_type.name())
    }

    /// Whether resources of this type can belong to it.
    pub fn holds(self, resource_type: ResourceType) -> bool {
        resource_type.name() == self.name() || self.parameters(resource_type).next().is_some()
    }

    /// The search parameters by which resources of this type belong to it, by name; none when the
    /// type is not in the compartment at all.
    pub fn parameters(
        self,
        resource_type: ResourceType,
    ) -> impl Iterator<Item = SearchParameter> + Clone {
        let (of_type, parameters): (_, &'static [u16]) = match self {
            Compartment::Patient => (
                &compartments::PATIENT_OF_TYPE,
                &compartments::PATIENT_PARAMETERS,
            ),
            Compartment::Practitioner => (
                &compartments::PRACTITIONER_OF_TYPE,
                &compartments::PRACTITIONER_PARAMETERS,
            ),
        };
        let span = tables::span(of_type, resource_type.index());
        let parameters = tables::rows(parameters, span).iter();
        parameters.map(|number| SearchParameter::new(*number))
    }

    /// The elements where those parameters look, each once.
    pub fn elements(
        self,
        resource_type: ResourceType,
    ) -> impl Iterator<Item = ElementPath> + Clone {
        let (of_type, paths): (_, &'static [u16]) = match self {
            Compartment::Patient => (
                &compartments::PATIENT_PATHS_OF_TYPE,
                &compartments::PATIENT_PATHS,
            ),
            Compartment::Practitioner => (
                &compartments::PRACTITIONER_PATHS_OF_TYPE,
                &compartments::PRACTITIONER_PATHS,
            ),
        };
        let span = tables::span(of_type, resource_type.index());
        let paths = tables::rows(paths, span).iter();
        paths.map(|number| ElementPath::new(*number))
    }

    /// Whether a parameter of this type looks at membership elements, whether or not the definition of
    /// the compartment lists it: `Observation.patient` looks where `Observation.subject` does. Such a
    /// parameter looks nowhere else, so that what it finds with a reference to the one that a
    /// compartment is of belongs to that compartment.
    pub fn is_searched_by(self, resource_type: ResourceType, parameter: SearchParameter) -> bool {
        let elements = self.elements(resource_type);
        let mut searched = parameter.searched().into_iter().flatten();
        searched.any(|searched| {
            let named = searched.only.is_none_or(|only| only.name() == self.name());
            named && elements.clone().any(|path| path == searched.path)
        })
    }

    /// The name of the type that it is about.
    pub fn name(self) -> &'static str {
        match self {
            Compartment::Patient => "Patient",
            Compartment::Practitioner => "Practitioner",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::{SearchKind, search_parameter, search_parameters};

    fn check(compartment: Compartment, name: &str, expected: &str) {
        let resource_type = ResourceType::parse(name).expect("a type of R4");
        let found: Vec<String> = compartment
            .elements(resource_type)
            .map(|path| path.to_string())
            .collect();
        assert_eq!(found.join(" "), expected, "{compartment:?} {name}");
    }

    fn counts(compartment: Compartment) -> (usize, usize) {
        let of = |found| compartment.parameters(found).count();
        let all: Vec<usize> = ResourceType::all().map(of).collect();
        (
            all.iter().filter(|count| **count > 0).count(),
            all.iter().sum(),
        )
    }

    #[test]
    fn membership_is_that_of_the_published_definition() {
        // The numbers of the definitions; a Practitioner's own membership, by its id, is no parameter.
        assert_eq!(counts(Compartment::Patient), (66, 100));
        assert_eq!(counts(Compartment::Practitioner), (58, 87));
        for (name, expected) in [
            ("Observation", "performer subject"),
            ("Appointment", "participant.actor"),
            ("AuditEvent", "agent.who entity.what"),
            ("CarePlan", "activity.detail.performer subject"),
            ("Claim", "patient payee.party"),
            ("Composition", "attester.party author subject"),
            ("Coverage", "beneficiary payor policyHolder subscriber"),
            ("EnrollmentRequest", "candidate"),
            ("Group", "member.entity"),
            ("Invoice", "recipient subject"),
            ("MedicationStatement", "subject"),
            ("Patient", "link.other"),
            ("Person", "link.target"),
            ("SupplyRequest", "deliverTo"),
            // Health data, and yet not in the compartment of R4: a patient scope opens none of them.
            ("Task", ""),
            ("Device", ""),
            ("Binary", ""),
            ("Bundle", ""),
            ("Organization", ""),
            ("Medication", ""),
        ] {
            check(Compartment::Patient, name, expected);
        }
        for (name, expected) in [
            ("Claim", "careTeam.provider enterer payee.party provider"),
            ("Encounter", "participant.individual"),
            ("MedicationStatement", "informationSource"),
            (
                "MessageHeader",
                "author destination.receiver enterer responsible",
            ),
            ("NutritionOrder", "orderer"),
            ("Patient", "generalPractitioner"),
            ("Practitioner", ""),
            ("ResearchStudy", "principalInvestigator"),
        ] {
            check(Compartment::Practitioner, name, expected);
        }
    }

    #[test]
    fn every_membership_parameter_can_name_who_the_compartment_is_of() {
        for compartment in [Compartment::Patient, Compartment::Practitioner] {
            let of = ResourceType::parse(compartment.name()).expect("a type of R4");
            for resource_type in ResourceType::all() {
                for parameter in compartment.parameters(resource_type) {
                    let place = format!("{resource_type}.{}", parameter.name());
                    assert!(parameter.can_target(of), "{place}");
                    let searched = compartment.is_searched_by(resource_type, parameter);
                    assert!(searched, "{place}");
                    for searched in parameter.searched().expect(&place) {
                        assert!(searched.is_reference, "{place}");
                        assert!(searched.only.is_none_or(|only| only == of), "{place}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_looks_at_membership_is_a_reference_and_looks_nowhere_else() {
        for compartment in [Compartment::Patient, Compartment::Practitioner] {
            let mut found = 0;
            for resource_type in ResourceType::all() {
                let elements = compartment.elements(resource_type);
                for parameter in search_parameters(resource_type)
                    .filter(|parameter| compartment.is_searched_by(resource_type, *parameter))
                {
                    let place = format!("{resource_type}.{}", parameter.name());
                    assert_eq!(parameter.kind(), SearchKind::Reference, "{place}");
                    for searched in parameter.searched().expect(&place) {
                        let mut elements = elements.clone();
                        assert!(elements.any(|path| path == searched.path), "{place}");
                    }
                    found += 1;
                }
            }
            assert!(found > 80, "only {found}");
        }
    }

    #[test]
    fn a_parameter_looks_at_membership_by_its_elements() {
        for (type_name, name, expected) in [
            ("Observation", "patient", true),
            ("Observation", "subject", true),
            ("Observation", "performer", true),
            ("Observation", "focus", false),
            ("Observation", "code", false),
            ("AuditEvent", "agent", true),
            ("Patient", "_id", false),
            ("Patient", "link", true),
            ("Task", "patient", false),
            ("Observation", "_content", false),
        ] {
            let resource_type = ResourceType::parse(type_name).expect("a type of R4");
            let parameter = search_parameter(resource_type, name).expect(name);
            let found = Compartment::Patient.is_searched_by(resource_type, parameter);
            assert_eq!(found, expected, "{type_name}.{name}");
        }
    }
}
