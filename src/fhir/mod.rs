//! Facts of FHIR R4 (4.0.1) that decisions rest on.
//!
//! Tables only: no policy. Names are compared exactly, as FHIR demands (case-sensitive).

mod choice;
mod compartment;
mod date;
mod elements;
mod label;
mod owner;
mod path;
mod patient;
mod reference;
mod search;
mod structure;
mod tables;
mod types;

pub use choice::{is_choice, is_choice_type};
pub use compartment::Compartment;
pub use date::{DAY, date_span};
pub use elements::{elements, is_element};
pub use label::{Confidentiality, PolicyCode};
pub use owner::Owner;
pub use path::ElementPath;
pub use patient::PatientCompartment;
pub use search::{SearchKind, SearchParameter, Searched, search_parameter, search_parameters};
pub use structure::{Content, Element, Primitive, Structure, is_element_name};
pub use types::{ResourceType, is_id};
