//! libFuzzer on [`fhir_guard_fuzz::lexer`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fhir_guard_fuzz::write_seeds("lexer"),
    |bytes: &[u8]| {
        fhir_guard_fuzz::lexer::check(bytes);
    }
);
