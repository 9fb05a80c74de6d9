//! libFuzzer on [`fhir_guard_fuzz::screen`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("screen"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::screen::check(bytes);
    }
);
