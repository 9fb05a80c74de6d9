//! libFuzzer on [`fhir_guard_fuzz::jwks`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("jwks"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::jwks::check(bytes);
    }
);
