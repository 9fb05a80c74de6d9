//! Key sets, and the shared values of fetched documents.

use serde_json::{Value, json};

use super::small;
use crate::exchange::{COLD, TARGETS};
use crate::input::chunk;
use crate::token;

/// Sets of good and bad keys, alone and together.
pub fn jwks() -> Vec<Vec<u8>> {
    let good = token::keys();
    let keys = good["keys"].as_array().expect("keys").clone();
    let mut rows = vec![
        good.clone(),
        json!({"keys": []}),
        json!({}),
        json!([]),
        json!(null),
    ];
    let odd = [
        "null",
        "1",
        "\"\"",
        "\"enc\"",
        "\"sig\"",
        "[\"verify\"]",
        "\"AQAB\"",
        "{}",
    ];
    let odd = odd.map(|text| serde_json::from_str::<Value>(text).expect("JSON"));
    for (index, key) in keys.iter().enumerate() {
        for name in [
            "kid", "alg", "use", "key_ops", "kty", "crv", "x", "d", "k", "x5c",
        ] {
            for value in &odd {
                let mut other = key.clone();
                other[name] = value.clone();
                rows.push(json!({ "keys": [other] }));
                let mut both = keys.clone();
                both[index] = other;
                rows.push(json!({ "keys": both }));
            }
        }
        let mut twice = keys.clone();
        twice.push(key.clone());
        rows.push(json!({ "keys": twice }));
    }
    let mut seeds = Vec::new();
    for row in rows {
        let text = row.to_string().into_bytes();
        for choice in [0, 0x08, 0x80] {
            seeds.push([&[choice][..], &text].concat());
        }
    }
    seeds.push(b"\0{\"keys\":[],\"keys\":[]}".to_vec());
    seeds.push(b"\0rubbish".to_vec());
    small(seeds)
}

/// States and documents of the past, of now and of the future, and rubbish.
pub fn remote() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let times: [&[u8]; 5] = [
        &[0],
        &[1, 0, 0, 0, 9],
        &[2, 0, 0],
        &[2, 0x27, 0x10],
        &[3, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
    ];
    let mut states = vec![
        b"\0".to_vec(),
        b"\0rubbish".to_vec(),
        b"\0FGR\x01\0\0".to_vec(),
    ];
    for attempted in times {
        states.extend(times.map(|fetched| [&[1][..], attempted, fetched].concat()));
    }
    for asked in 0..4 {
        for state in &states {
            for time in times {
                for text in [&b""[..], b"{}", &[b'x'; 65]] {
                    let document = [&[1][..], time, text].concat();
                    let lies = [asked, 3, 1, 2, 4, 0];
                    let parts = [&[asked][..], &chunk(state), &chunk(&document), &lies];
                    seeds.push(parts.concat());
                }
            }
        }
    }
    small(seeds)
}

/// Exchanges without keys: asked, waiting, with what comes meanwhile, and what becomes of it.
pub fn waiting() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let body = chunk(br#"{"resourceType":"Observation","id":"o1"}"#);
    for target in 0..TARGETS.len() as u8 {
        let writes = !TARGETS[usize::from(target)].starts_with(['G', 'H']);
        for fetched in 0..4 {
            for (before, after) in [(true, false), (false, true), (false, false)] {
                let mut seed = vec![COLD, 0, 2, target, u8::from(!writes)];
                if writes && before {
                    seed.extend([&[3, 1][..], &body].concat());
                }
                seed.extend([10, fetched, 11, 1, 1]);
                if writes && after {
                    seed.extend([&[3, 1][..], &body].concat());
                }
                seed.extend([5, 0, 0, 0, 9, target % 9, 20]);
                seeds.push(seed);
            }
        }
        seeds.push(vec![COLD, 0, 2, target, 0, 4, 11, 1, 8, 11, 255]);
        seeds.push(vec![COLD, 0, 2, target, 1, 11, 200, 10, 0, 11, 0, 1]);
    }
    seeds
}
