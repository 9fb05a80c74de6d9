//! What each search begins with: the texts of the product's own tables, put into the form that the
//! property reads.

use serde_json::{Value, json};

use crate::exchange::{ANSWERS, DETAILS, SCOPES, STATUSES, TARGETS};
use crate::input::chunk;
use crate::sources::literals;
use crate::{configuration, token};
pub use keys::{jwks, remote};

mod current;
mod exports;
mod keys;

mod proof;
mod request;
mod screen;

pub use proof::proof;
pub use request::request;
pub use screen::screen;

/// The largest seed, in bytes: a larger one slows the search more than it helps.
const LARGEST: usize = 4096;

/// JSON texts, good and bad.
pub fn lexer() -> Vec<Vec<u8>> {
    let texts = literals(&[
        "src/json/tests.rs",
        "src/response/tests",
        "src/config/tests.rs",
    ]);
    small(texts.into_iter().map(String::into_bytes).collect())
}

/// Tokens with one claim or header changed to every odd value, signed; and tokens as text.
pub fn token() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let odd: Vec<Value> = [
        "null",
        "true",
        "0",
        "-1",
        "1.5",
        "1e300",
        "\"\"",
        "\"none\"",
        "[]",
        "{}",
        "[null]",
        "1799999999",
        "1800000600",
        "\"https://as.example.org\"",
        "[\"https://fhir.example.org\"]",
        "\"application/at+jwt\"",
        "\"Patient/p1\"",
        "\"p1\"",
        "\"system/*.cruds\"",
        "[\"patient/Observation.rs\",\"openid\"]",
        "\"user/Patient.read launch/patient\"",
    ]
    .map(|text| serde_json::from_str(text).expect("JSON"))
    .into();
    for signer in [1, 2, 0x81, 0x82] {
        let elliptic = signer & 3 == 1;
        let good = (token::header(elliptic), token::claims("patient/*.rs"));
        let mut rows = vec![good.clone()];
        for (number, value) in odd.iter().enumerate() {
            let names = ["alg", "typ", "kid", "crit"];
            let mut header = good.0.clone();
            header[names[number % names.len()]] = value.clone();
            rows.push((header, good.1.clone()));
            for name in [
                "iss", "aud", "sub", "exp", "iat", "nbf", "scope", "patient", "cnf",
            ] {
                let mut claims = good.1.clone();
                claims[name] = value.clone();
                rows.push((good.0.clone(), claims));
            }
        }
        for (header, claims) in rows {
            let (header, claims) = (header.to_string(), claims.to_string());
            let bytes = [&[signer][..], header.as_bytes(), &[0], claims.as_bytes()];
            seeds.push(bytes.concat());
        }
        let text = |value: &Value| value.to_string().into_bytes();
        let text = token::token(&text(&good.0), &text(&good.1), elliptic);
        seeds.push([&[0][..], text.as_bytes()].concat());
    }
    for scope in literals(&["src/access/tests.rs", "src/identity/scope"]) {
        let claims = token::claims(&scope).to_string();
        let header = token::header(false).to_string();
        seeds.push([&[2][..], header.as_bytes(), &[0], claims.as_bytes()].concat());
    }
    small(seeds)
}

/// A configuration with every key, with each value changed to every odd one, in both forms.
pub fn configuration() -> Vec<Vec<u8>> {
    let complete = json!({
        "fhir": {
            "base": "https://fhir.example.org/r4",
            "public": ["metadata"],
            "upstream": {"cluster": "fhir", "base": "http://fhir/r4", "authorization": "strip"},
            "body_limit": "1MiB",
        },
        "client_certificate": {"required": true, "source": "connection", "validated_by": "listener"},
        "issuers": [{
            "issuer": token::ISSUER,
            "tenant": "clinic",
            "audiences": ["https://fhir.example.org"],
            "algorithms": ["ES256", "EdDSA"],
            "keys": {"inline": token::keys()},
            "types": ["at+jwt"],
            "proof": ["certificate"],
            "clock_skew": "60s",
            "claims": {"patient": ["/patient"], "scope": ["/scope"]},
        }],
        "limits": [{"name": "per-client", "key": ["client"], "rate": "50/s", "burst": 100}],
        "redaction": [{
            "name": "demographics",
            "unless": {"scope": "user/Patient.rs"},
            "resource": "Patient",
            "elements": ["address.line", "deceased[x]", "extension(http://a.example)"],
            "action": "remove",
        }],
        "response": {"hold_limit": "512KiB", "resource_limit": "8MiB", "absent": "forbidden"},
        "audit": {"observer": "fhir.example.org", "sinks": ["access_log"]},
    });
    let mut documents = vec![complete.clone()];
    let mut places = Vec::new();
    pointers(&complete, String::new(), &mut places);
    let odd = [
        json!(null),
        json!(1.5),
        json!("x"),
        json!([]),
        json!({}),
        json!("0s"),
    ];
    for (number, place) in places.iter().enumerate() {
        for value in [&odd[number % odd.len()], &odd[(number + 2) % odd.len()]] {
            let mut document = complete.clone();
            *document.pointer_mut(place).expect("a place") = value.clone();
            documents.push(document);
        }
    }
    for text in literals(&["src/config/units.rs", "src/config/reader/tests.rs"]) {
        for place in [
            "/response/hold_limit",
            "/limits/0/rate",
            "/issuers/0/clock_skew",
        ] {
            let mut document = complete.clone();
            *document.pointer_mut(place).expect("a place") = json!(text);
            documents.push(document);
        }
    }
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        match number % 2 {
            _ if number == 0 => {
                seeds.push(document.to_string().into_bytes());
                seeds.push(configuration::structure(document));
            }
            0 => seeds.push(document.to_string().into_bytes()),
            _ => seeds.push(configuration::structure(document)),
        }
    }
    // The same policy in other words, so that more than one of the seeds is taken.
    for burst in 1..16 {
        let mut document = complete.clone();
        document["limits"][0]["burst"] = json!(burst);
        seeds.push(document.to_string().into_bytes());
        seeds.push(configuration::structure(&document));
    }
    small(seeds)
}

/// Quotas, clocks and slots.
pub fn slots() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let entry = |fingerprint: u8, time: [u8; 5]| [&[fingerprint][..], &time].concat();
    let zero: &[u8] = &[1, 0];
    let rows: Vec<Vec<u8>> = vec![
        vec![],
        zero.to_vec(),
        [zero, &entry(0xff, [2, 0, 0, 0, 9])].concat(),
        [zero, &entry(0xff, [3, 0, 1, 0, 0])].concat(),
        [
            zero,
            &entry(0, [2, 9, 9, 9, 9]),
            &entry(0xff, [1, 0, 0, 1, 0]),
        ]
        .concat(),
        [&[1][..], &[2, 0, 0, 9, 9], &entry(3, [3, 0, 0, 0, 1])].concat(),
        [
            zero,
            &(1..33)
                .flat_map(|n| entry(n, [2, 9, 0, 0, n]))
                .collect::<Vec<_>>(),
        ]
        .concat(),
        [
            zero,
            &(0..34)
                .flat_map(|n| entry(n, [2, 9, 0, 0, n]))
                .collect::<Vec<_>>(),
        ]
        .concat(),
        b"\0rubbish".to_vec(),
        b"\0FGL\x02\0\0\0\0\0\0\0\0".to_vec(),
    ];
    for count in 0..3 {
        for (number, row) in rows.iter().enumerate() {
            for quota in [[0, 0, 3], [49, 0, 15], [9, 1, 7], [0, 3, 0]] {
                let mut seed = vec![count];
                for _ in 0..=count {
                    seed.extend(quota);
                }
                let steps = [0, 0, 0, 0x41, 0x90, 0xc1];
                seed.extend(steps.iter().cycle().skip(number).take(24));
                seed.push([0, 0xaa, 0xff][number % 3]);
                let answers = [[0, 3, 7, 1], [7, 7, 7, 7], [3, 0, 3, 0]][number % 3];
                seed.extend(chunk(&answers.repeat(4)));
                seed.extend(chunk(row).repeat(2 * (usize::from(count) + 1)));
                seeds.push(seed);
            }
        }
    }
    // Callers who are gone before they come: a quota of one, used up in the slot.
    for tat in 0..16 {
        let mut seed = vec![0, 0, 3, 0];
        seed.extend([0; 24]);
        seed.push(0);
        seed.extend(chunk(&[]));
        let used = [zero, &entry(0xff, [3, tat + 1, 0, 0, 0])].concat();
        seed.extend(chunk(&used).repeat(2));
        seeds.push(seed);
    }
    // What comes afterwards, under a cap, with debts or a budget, over a slot that is fresh or not.
    for kind in 0..8_u8 {
        for (number, done) in [[1, 2, 3, 0], [1, 1, 3, 0], [1, 0, 2, 0], [1, 0xc3, 1, 3]]
            .iter()
            .enumerate()
        {
            let mut seed = vec![0, 0, 3, 0];
            seed.extend([0; 24]);
            seed.push(0);
            seed.extend(chunk(&[]).repeat(3));
            seed.extend([kind, 0, 0, 9]);
            if kind & 2 != 0 {
                let slot = [&[1, 0][..], &[9], &[2, 0, 0, 0, 9], &[0, 1, 0, 2]].concat();
                let patients = [&[1, 0, 0][..], &[2, 0, 0, 0, 9], &[0, 0, 0, 7, 3, 0, 5]].concat();
                let slot = if kind & 4 == 0 { slot } else { patients };
                seed.extend(chunk(&slot));
            }
            seed.extend(chunk(&[0, 4, 1, 3, 4]));
            for step in 0..20_u8 {
                let what = done[usize::from(step) % 4];
                seed.extend([what, [0xc3, 0xc9, 0xd0][number % 3]]);
            }
            seeds.push(seed);
        }
    }
    small(seeds)
}

/// Header maps and attributes.
pub fn host() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let digest = [&[2][..], &chunk(token::THUMBPRINT.as_bytes())].concat();
    let source = [&[2][..], &chunk(b"192.0.2.1:4711")].concat();
    let connections: Vec<Vec<u8>> = vec![
        [&[1][..], &digest, &[1], &source].concat(),
        [&[1][..], &digest, &[0], &[0]].concat(),
        vec![0; 4],
        [&[2, 0, 1, 0][..], &digest, &[2, 0, 1, 1], &source].concat(),
    ];
    let names = [
        "accept",
        "authorization",
        "content-encoding",
        "content-length",
        "content-type",
        "etag",
        "if-match",
        "last-modified",
        "location",
        "prefer",
        "strict-transport-security",
        "traceparent",
        "x-forwarded-for",
        "x-request-id",
    ];
    let values = literals(&[
        "src/request/head/tests.rs",
        "src/request/tests/upstream.rs",
        "src/response/headers.rs",
        "tests/it/exchange/answers.rs",
        "tests/it/exchange/requests.rs",
    ]);
    let head = |own: &[(&str, &str)], name: &str, value: &str| {
        let mut fields = own.to_vec();
        fields.push((name, value));
        let pair =
            |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let pairs: Vec<_> = fields.iter().map(pair).collect();
        fhir_guard::wire::encode(&pairs).expect("a map that the host takes")
    };
    for (number, value) in values.iter().enumerate() {
        let name = names[number % names.len()];
        let connection = &connections[number % connections.len()];
        let asked = [
            (":method", "GET"),
            (":path", "/r4/Patient/1"),
            (":scheme", "https"),
        ];
        let answered = [
            (":status", "201"),
            ("content-type", "application/fhir+json"),
        ];
        for map in [
            head(&asked, name, value),
            head(&answered, name, value),
            head(&[], value, name),
        ] {
            seeds.push([connection, &map[..]].concat());
        }
    }
    small(seeds)
}

/// Exchanges from end to end, and in the wrong order.
pub fn exchange() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for scope in 0..SCOPES.len() as u8 {
        for target in 0..TARGETS.len() as u8 {
            let writes = !TARGETS[usize::from(target)].starts_with(['G', 'H']);
            let asks = [0, scope, target, u8::from(!writes), 1];
            let body = br#"{"resourceType":"Observation","id":"o1"}"#;
            let sends = [&[3, 1][..], &chunk(if writes { body } else { b"" })].concat();
            let sends = if writes { sends } else { Vec::new() };
            for answer in 0..ANSWERS.len() as u8 {
                let status = (scope + target + answer) % 4 % STATUSES.len() as u8;
                let answers = [
                    5,
                    status,
                    answer % 7 % DETAILS.len() as u8 / 4,
                    0,
                    9,
                    answer,
                    20,
                ];
                seeds.push([&asks[..], &sends, &answers].concat());
            }
        }
    }
    for order in [
        &[0, 0, 0, 1, 0, 0, 0, 1, 1][..],
        &[1, 7, 4, 8],
        &[0, 0, 0, 1, 1, 5, 0, 0, 0, 7],
        &[0, 0, 0, 1, 1, 5, 0, 0, 0, 9, 0, 1, 8],
        &[0, 0, 0, 1, 1, 5, 0, 3, 1, 6, 1, 0, 2, b'{', b'}', 7],
        &[0, 0, 0, 1, 2, 0, 4, 0, 1, 2, 3, 5, 0, 0, 0],
    ] {
        seeds.push(order.to_vec());
    }
    seeds.extend(keys::waiting());
    seeds.extend(current::reading());
    small(seeds)
}

/// Those of a size that a search can use.
pub fn small(mut seeds: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    seeds.retain(|seed| seed.len() <= LARGEST);
    seeds.sort();
    seeds.dedup();
    seeds
}

/// The pointers of everything below a value.
fn pointers(value: &Value, place: String, found: &mut Vec<String>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (format!("{place}/{name}"), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, value)| (format!("{place}/{index}"), value))
            .collect(),
        _ => Vec::new(),
    };
    for (place, value) in below {
        found.push(place.clone());
        pointers(value, place, found);
    }
}
