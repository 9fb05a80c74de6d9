//! libFuzzer on [`fhir_guard_fuzz::configuration`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("configuration"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::configuration::check(bytes);
    }
);
