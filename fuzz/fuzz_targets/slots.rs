//! libFuzzer on [`fhir_guard_fuzz::slots`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("slots"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::slots::check(bytes);
    }
);
