//! libFuzzer on [`fhir_guard_fuzz::configuration`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fhir_guard_fuzz::configuration::check(bytes);
});
