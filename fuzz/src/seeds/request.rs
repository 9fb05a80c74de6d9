//! Requests: the rows of the product's own tables, by every method.

use serde_json::{Value, json};

use super::{exports, small};
use crate::sources::literals;

/// Paths with every method, bodies and paging links.
pub fn request() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let texts = literals(&[
        "src/request/tests",
        "src/request/body/tests.rs",
        "src/access/tests",
        "tests/it/exchange/operations.rs",
        "tests/it/exchange/bundles.rs",
        "tests/it/exchange/bundles",
    ]);
    let bodies: Vec<&String> = texts
        .iter()
        .filter(|text| text.starts_with(['{', '[']) || text.starts_with("http"))
        .collect();
    let mut number = 0;
    for path in texts.iter().filter(|text| text.starts_with('/')) {
        let below = path.starts_with("/r4");
        for method in 0..8 {
            number += 1;
            let body = bodies[number % bodies.len()];
            let path = if below {
                path.clone()
            } else {
                format!("/r4{path}")
            };
            seeds.push([&[method][..], path.as_bytes(), b"\n", body.as_bytes()].concat());
        }
    }
    for body in bodies {
        for (method, path) in [
            (2, "/r4/Patient"),
            (3, "/r4/Patient/1"),
            (4, "/r4/Patient/1"),
        ] {
            seeds.push([&[method][..], path.as_bytes(), b"\n", body.as_bytes()].concat());
        }
    }
    for query in texts.iter().filter(|text| text.contains('=')) {
        let query = query.trim_start_matches('?');
        let (_, alone) = query.rsplit_once('?').unwrap_or(("", query));
        seeds.push([b"\0/r4/Observation?", query.as_bytes(), b"\n"].concat());
        seeds.push([b"\x06/r4/Observation/_search\n", alone.as_bytes()].concat());
        seeds.push([b"\x06/r4/Patient/p1/_search?", alone.as_bytes(), b"\n"].concat());
        seeds.push([b"\x07/r4/Observation?", alone.as_bytes(), b"\n"].concat());
    }
    // Rows that are a method and a path.
    for row in &texts {
        let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].into_iter();
        let found = methods.zip(0..).find_map(|(method, number)| {
            let path = row.strip_prefix(method)?.strip_prefix(" /")?;
            Some((number, path.strip_prefix("r4/").unwrap_or(path)))
        });
        if let Some((method, path)) = found {
            seeds.push([&[method], &b"/r4/"[..], path.as_bytes(), b"\n"].concat());
        }
    }
    for kind in ["batch", "transaction"] {
        let entry = |method: &str, url: &str, resource: Value| {
            let mut entry = json!({"request": {"method": method, "url": url}});
            if !resource.is_null() {
                entry["resource"] = resource;
            }
            entry
        };
        let own = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
            "subject": {"reference": "Patient/p1"}});
        let entries = [
            entry("GET", "Observation?patient=p1&_elements=code", Value::Null),
            entry(
                "GET",
                "Observation?category=laboratory,vital-signs&patient=p1",
                Value::Null,
            ),
            entry("GET", "Patient/p1", Value::Null),
            entry("DELETE", "Observation/o1", Value::Null),
            entry("POST", "Observation", own.clone()),
            entry("PUT", "Observation?identifier=a%7C1", own),
        ];
        for most in 1..=entries.len() {
            let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": entries[..most]});
            seeds.push([b"\x02/r4\n", bundle.to_string().as_bytes()].concat());
        }
    }
    seeds.extend(exports::requests());
    small(seeds)
}
