//! libFuzzer on [`fhir_guard_fuzz::remote`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("remote"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::remote::check(bytes);
    }
);
