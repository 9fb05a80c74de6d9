//! Envoy's foreign function `verify_signature`, by other libraries.

use fhir_guard_harness::verify::verifies;

use crate::memory::{Bytes, status};

/// What Envoy answers: its status, and a VerifySignatureResult.
pub fn verify(argument: &[u8]) -> (u32, Bytes) {
    match fields(argument) {
        Some([hash, key, signature, text]) => {
            let hash = String::from_utf8(hash).expect("a hash function");
            (status::OK, answer(verifies(&hash, &key, &signature, &text)))
        }
        None => (status::BAD_ARGUMENT, Bytes::new()),
    }
}

/// A VerifySignatureResult as Envoy writes it.
pub fn answer(holds: bool) -> Bytes {
    let error = b"Failed to verify digital signature. Error code: 0";
    match holds {
        true => vec![8, 1],
        false => [&[0x12, error.len() as u8], error.as_slice()].concat(),
    }
}

/// The fields of VerifySignatureArguments, if they are there once each and in order.
fn fields(mut argument: &[u8]) -> Option<[Bytes; 4]> {
    let mut found = Vec::new();
    for number in 1..=4 {
        let (tag, rest) = argument.split_first()?;
        assert_eq!(*tag, number << 3 | 2, "a field of the arguments");
        let mut length = 0;
        let mut rest = rest;
        for shift in (0..21).step_by(7) {
            let (byte, behind) = rest.split_first()?;
            rest = behind;
            length |= usize::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                break;
            }
        }
        let (field, behind) = rest.split_at_checked(length)?;
        found.push(field.to_vec());
        argument = behind;
    }
    assert!(argument.is_empty(), "more than four fields");
    found.try_into().ok()
}
