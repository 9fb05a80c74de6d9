//! libFuzzer on [`fhir_guard_fuzz::introspection`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("introspection"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::introspection::check(bytes);
    }
);
