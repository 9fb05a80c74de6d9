//! What the search for proofs begins with.

use serde_json::Value;

use super::small;
use crate::sources::literals;
use crate::{proof, token};

/// Proofs with one claim or member of the header changed to every odd value, signed; proofs as text; and
/// slots of shared data.
pub fn proof() -> Vec<Vec<u8>> {
    let mut odd: Vec<Value> = [
        "null",
        "0",
        "\"\"",
        "[]",
        "{}",
        "\"x\"",
        "1799999940",
        "1e300",
    ]
    .map(|text| serde_json::from_str(text).expect("JSON"))
    .into();
    let uris = literals(&["src/identity/uri.rs", "src/identity/tests/dpop"]);
    odd.extend(uris.into_iter().map(Value::from));
    let mut seeds = Vec::new();
    for choice in [1, 0x42, 0x81, 0xc2] {
        let elliptic = choice & 3 == 1;
        let (header, claims) = (proof::header(elliptic), proof::claims());
        let mut rows = vec![(header.clone(), claims.clone())];
        for value in &odd {
            for name in ["htu", "jti", "iat", "ath", "htm", "nonce", "exp"] {
                let mut claims = claims.clone();
                claims[name] = value.clone();
                rows.push((header.clone(), claims));
            }
            for name in ["typ", "alg", "jwk", "kid", "crit"] {
                let mut header = header.clone();
                header[name] = value.clone();
                rows.push((header, claims.clone()));
            }
        }
        for (header, claims) in rows {
            let (header, claims) = (header.to_string(), claims.to_string());
            let bytes = [&[choice][..], header.as_bytes(), &[0], claims.as_bytes()];
            seeds.push(bytes.concat());
        }
        let text = |value: &Value| value.to_string().into_bytes();
        let text = token::token(&text(&header), &text(&claims), elliptic);
        seeds.push([&[choice & 0x40][..], text.as_bytes()].concat());
    }
    // Slots: none, damaged ones, and those of floors around the time of the proof.
    for steps in [
        [64; 4],
        [64, 65, 129, 130],
        [64, 255, 0, 64],
        [200, 64, 64, 10],
    ] {
        seeds.push([&[3][..], &steps, &[0]].concat());
        for floor in [
            0,
            token::NOW - 100,
            token::NOW - 1,
            token::NOW,
            token::NOW + 30,
        ] {
            for entries in [0, 1, 63, 64, 65] {
                let mut slot = b"FGP\x01".to_vec();
                slot.extend(u32::try_from(floor).expect("a time").to_be_bytes());
                for number in 0..entries {
                    slot.extend([&[number; 12][..], &(token::NOW as u32).to_be_bytes()].concat());
                }
                seeds.push([&[3][..], &steps, &[1], &slot].concat());
            }
        }
        seeds.push([&[3][..], &steps, b"\x01rubbish"].concat());
    }
    small(seeds)
}
