//! libFuzzer on [`fhir_guard_fuzz::consent`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("consent"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::consent::check(bytes);
    }
);
