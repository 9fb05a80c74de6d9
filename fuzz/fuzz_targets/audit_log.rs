//! libFuzzer on [`fhir_guard_fuzz::audit_log`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("audit_log"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::audit_log::check(bytes);
    }
);
