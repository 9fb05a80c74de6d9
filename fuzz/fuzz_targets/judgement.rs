//! libFuzzer on [`fhir_guard_fuzz::judgement`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("judgement"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::judgement::check(bytes);
    }
);
