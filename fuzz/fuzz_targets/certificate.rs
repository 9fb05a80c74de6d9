//! libFuzzer on [`fhir_guard_fuzz::certificate`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("certificate"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::certificate::check(bytes);
    }
);
