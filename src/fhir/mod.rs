//! Facts of FHIR R4 (4.0.1) that decisions rest on.
//!
//! Tables only: no policy. Names are compared exactly, as FHIR demands (case-sensitive).

mod choice;
mod compartment;
mod elements;
mod search;
mod types;

pub use choice::{is_choice, is_choice_type};
pub use compartment::patient_membership;
pub use elements::{elements, is_element};
pub use search::{SearchKind, SearchParameter, search_parameter};
pub use types::{ResourceType, is_id};
