//! libFuzzer on [`fhir_guard_fuzz::exchange`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("exchange"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::exchange::check(bytes);
    }
);
