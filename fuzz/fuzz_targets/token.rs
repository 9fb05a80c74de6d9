//! libFuzzer on [`fhir_guard_fuzz::token`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("token"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::token::check(bytes);
    }
);
