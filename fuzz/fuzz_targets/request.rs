//! libFuzzer on [`fhir_guard_fuzz::request`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("request"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::request::check(bytes);
    }
);
