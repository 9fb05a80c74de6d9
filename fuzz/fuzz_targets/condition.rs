//! libFuzzer on [`fhir_guard_fuzz::condition`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("condition"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::condition::check(bytes);
    }
);
