//! libFuzzer on [`fhir_guard_fuzz::host`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("host"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::host::check(bytes);
    }
);
