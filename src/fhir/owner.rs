//! Whose data a caller is confined to.

use super::{Compartment, ElementPath, PatientCompartment, ResourceType, SearchParameter};

/// The patient, or the practitioner, to whose compartment a caller is confined, as one deployment has it.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// What belongs to them.
    pub compartment: Compartment,
    /// Their logical id.
    pub id: &'a str,
    /// What the operator added to the compartment of patients, and what belongs to nobody.
    pub terms: &'a PatientCompartment,
}

impl<'a> Owner<'a> {
    /// This patient.
    pub fn patient(id: &'a str, terms: &'a PatientCompartment) -> Self {
        Owner {
            compartment: Compartment::Patient,
            id,
            terms,
        }
    }

    /// This practitioner.
    pub fn practitioner(id: &'a str, terms: &'a PatientCompartment) -> Self {
        Owner {
            compartment: Compartment::Practitioner,
            id,
            terms,
        }
    }

    /// Whether it is a patient: then what names another patient is not theirs.
    pub fn is_patient(&self) -> bool {
        self.compartment == Compartment::Patient
    }

    /// Whether the owner is a resource of this type.
    pub fn is_of(&self, resource_type: ResourceType) -> bool {
        self.compartment.name() == resource_type.name()
    }

    /// The id in a canonical reference to a resource of the owner's type.
    pub fn named<'v>(&self, reference: &'v str) -> Option<&'v str> {
        let rest = reference.strip_prefix(self.compartment.name())?;
        rest.strip_prefix('/')
    }

    /// The elements that say whose a resource of this type is.
    pub fn elements(
        &self,
        resource_type: ResourceType,
    ) -> impl Iterator<Item = ElementPath> + Clone + 'a {
        let added = self.is_patient().then(|| self.terms.added(resource_type));
        let added = added.into_iter().flatten();
        let added = added.filter_map(SearchParameter::searched).flatten();
        let own = self.compartment.elements(resource_type);
        own.chain(added.map(|place| place.path))
    }

    /// The search parameters of the definition and those that were added to it, in this order.
    pub fn parameters(
        &self,
        resource_type: ResourceType,
    ) -> impl Iterator<Item = SearchParameter> + 'a {
        let added = self.is_patient().then(|| self.terms.added(resource_type));
        let own = self.compartment.parameters(resource_type);
        own.chain(added.into_iter().flatten())
    }

    /// Whether a parameter of this type looks at those elements, and so nowhere else.
    pub fn is_searched_by(&self, resource_type: ResourceType, parameter: SearchParameter) -> bool {
        match self.compartment {
            Compartment::Patient => self.terms.is_searched_by(resource_type, parameter),
            Compartment::Practitioner => self.compartment.is_searched_by(resource_type, parameter),
        }
    }

    /// Whether it can be told of a resource of this type that the caller may see it.
    pub fn decides(&self, resource_type: ResourceType) -> bool {
        self.terms.is_universal(resource_type) || self.elements(resource_type).next().is_some()
    }
}
