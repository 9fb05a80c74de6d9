//! libFuzzer on [`fhir_guard_fuzz::patch`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("patch"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::patch::check(bytes);
    }
);
