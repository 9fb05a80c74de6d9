//! Which resources belong to a patient, as one deployment has it.

use super::{
    Compartment, ElementPath, ResourceType, SearchKind, SearchParameter, search_parameters,
};

/// The Patient compartment of R4, what the operator added to it, and the types that are about nobody.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PatientCompartment {
    /// Search parameters beyond those of R4 whose elements say whose a resource of their type is:
    /// `Task.patient`, for example. Each is one that [`PatientCompartment::may_be_added`].
    pub added: Vec<(ResourceType, SearchParameter)>,
    /// Types whose resources belong to no patient, such as Organization: whoever has a scope for them
    /// sees all of them. Each is one that [`PatientCompartment::may_be_universal`].
    pub universal: Vec<ResourceType>,
}

impl PatientCompartment {
    /// Whether the operator may say that this parameter tells whose a resource is: it looks at references
    /// that may lead to a Patient, and every parameter that looks at one of them looks nowhere else, so
    /// that what it finds for a patient is that patient's.
    pub fn may_be_added(resource_type: ResourceType, parameter: SearchParameter) -> bool {
        let reaches = parameter.kind() == SearchKind::Reference
            && parameter.targets().any(ResourceType::is_patient);
        let Some(places) = parameter.searched() else {
            return false;
        };
        let places: Vec<_> = places.collect();
        let counts = |path: ElementPath| {
            places.iter().any(|place| place.path == path)
                || Compartment::Patient
                    .elements(resource_type)
                    .any(|element| element == path)
        };
        let alone = |other: SearchParameter| {
            let mut looks = other.searched().into_iter().flatten();
            !looks.clone().any(|place| counts(place.path))
                || looks.all(|place| place.is_reference && counts(place.path))
        };
        reaches
            && !places.is_empty()
            && !resource_type.is_container()
            && !resource_type.is_patient()
            && search_parameters(resource_type).all(alone)
    }

    /// Whether the operator may say that resources of this type belong to nobody: no search parameter
    /// leads to a Patient, as those of health data outside the compartment do (Task, Device), they carry
    /// no other resources, and do not tell the server what to do.
    pub fn may_be_universal(resource_type: ResourceType) -> bool {
        let leads = |parameter: SearchParameter| parameter.targets().any(ResourceType::is_patient);
        !search_parameters(resource_type).any(leads)
            && !resource_type.is_patient()
            && !resource_type.is_container()
            && !resource_type.steers_server()
    }

    /// The search parameters that were added for this type.
    pub fn added(
        &self,
        resource_type: ResourceType,
    ) -> impl Iterator<Item = SearchParameter> + Clone + '_ {
        let own = move |(of, _): &&(ResourceType, SearchParameter)| *of == resource_type;
        self.added.iter().filter(own).map(|(_, own)| *own)
    }

    /// The elements that say whose a resource of this type is.
    pub fn elements(
        &self,
        resource_type: ResourceType,
    ) -> impl Iterator<Item = ElementPath> + Clone + '_ {
        let added = self.added(resource_type);
        let added = added.filter_map(SearchParameter::searched).flatten();
        Compartment::Patient
            .elements(resource_type)
            .chain(added.map(|place| place.path))
    }

    /// Whether a parameter of this type looks at those elements, and so nowhere else.
    pub fn is_searched_by(&self, resource_type: ResourceType, parameter: SearchParameter) -> bool {
        let elements = self.elements(resource_type);
        let mut searched = parameter.searched().into_iter().flatten();
        searched.any(|place| {
            place.only.is_none_or(ResourceType::is_patient)
                && elements.clone().any(|path| path == place.path)
        })
    }

    /// Whether resources of this type belong to nobody.
    pub fn is_universal(&self, resource_type: ResourceType) -> bool {
        self.universal.contains(&resource_type)
    }

    /// Whether it can be told of a resource of this type that a patient may see it.
    pub fn decides(&self, resource_type: ResourceType) -> bool {
        self.is_universal(resource_type) || self.elements(resource_type).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::search_parameter;

    fn named(type_name: &str) -> ResourceType {
        ResourceType::parse(type_name).expect("a type of R4")
    }

    fn parameter(type_name: &str, name: &str) -> (ResourceType, SearchParameter) {
        let resource_type = named(type_name);
        let found = search_parameter(resource_type, name);
        (resource_type, found.expect("a parameter of R4"))
    }

    #[test]
    fn what_says_whose_it_is_may_be_added() {
        for (type_name, name, expected) in [
            ("Task", "patient", true),
            ("Task", "subject", true),
            ("Device", "patient", true),
            ("GuidanceResponse", "patient", true),
            ("Contract", "patient", true),
            // No reference, or none to a Patient.
            ("Task", "code", false),
            ("Task", "encounter", false),
            ("Device", "organization", false),
            // Whose link it is.
            ("Patient", "link", false),
            // What is inside says whose it is.
            ("Bundle", "composition", false),
        ] {
            let (resource_type, parameter) = parameter(type_name, name);
            let found = PatientCompartment::may_be_added(resource_type, parameter);
            assert_eq!(found, expected, "{type_name}.{name}");
        }
    }

    #[test]
    fn what_belongs_to_a_patient_or_carries_others_is_not_universal() {
        for (type_name, expected) in [
            ("Organization", true),
            ("Location", true),
            ("Practitioner", true),
            ("PractitionerRole", true),
            ("Medication", true),
            ("Questionnaire", true),
            ("Substance", true),
            ("Task", false),
            ("Device", false),
            ("Linkage", false),
            ("Subscription", false),
            ("Observation", false),
            ("RelatedPerson", false),
            ("Group", false),
            ("Patient", false),
            ("Bundle", false),
            ("Binary", false),
            ("Parameters", false),
        ] {
            let found = PatientCompartment::may_be_universal(named(type_name));
            assert_eq!(found, expected, "{type_name}");
        }
    }

    #[test]
    fn what_was_added_counts_for_its_type_only() {
        let compartment = PatientCompartment {
            added: vec![parameter("Task", "patient")],
            universal: vec![named("Organization")],
        };
        for (type_name, name, searched, decides) in [
            ("Task", "patient", true, true),
            ("Task", "subject", true, true),
            ("Task", "requester", false, true),
            ("Device", "patient", false, false),
            ("Observation", "subject", true, true),
            ("Observation", "focus", false, true),
            ("Organization", "partof", false, true),
            ("Location", "organization", false, false),
        ] {
            let (resource_type, parameter) = parameter(type_name, name);
            let found = compartment.is_searched_by(resource_type, parameter);
            assert_eq!(found, searched, "{type_name}.{name}");
            assert_eq!(compartment.decides(resource_type), decides, "{type_name}");
        }
    }
}
