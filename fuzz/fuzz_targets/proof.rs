//! libFuzzer on [`fhir_guard_fuzz::proof`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("proof"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::proof::check(bytes);
    }
);
