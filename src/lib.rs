//! fhir-guard.
