//! How fast a log is verified on one core, beside SHA-256 of the same bytes.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "criterion's macros make the functions, and the rest belongs to tests"
)]

#[path = "../tests/it/simulated.rs"]
mod simulated;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::line;
use fhir_guard_companion::verify::{Judging, Place, Verifier};
use sha2::{Digest as _, Sha256};
use simulated::{Random, jwks, log};

fn verify(c: &mut Criterion) {
    let lines = log(20_000, 1000, true, &mut Random(1));
    let text: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    let text = text.join("\n");
    let mut keys = Keys::default();
    keys.add(&jwks(), None).expect("a key");
    let mut group = c.benchmark_group("log");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.sample_size(10);
    group.bench_function("sha-256 alone", |b| {
        b.iter(|| Sha256::digest(black_box(&text)))
    });
    group.bench_function("verified", |b| {
        b.iter(|| {
            let judging = Judging {
                signed: true,
                part: false,
            };
            let mut verifier = Verifier::new(judging, vec![String::new()]);
            for (number, text) in (1..).zip(text.as_bytes().split(|byte| *byte == b'\n')) {
                let place = Place {
                    file: 0,
                    line: number,
                };
                verifier.take(place, line::read(text, &keys));
            }
            assert_eq!(verifier.finish().findings.count, 0);
        });
    });
    group.finish();
}

criterion_group!(benches, verify);
criterion_main!(benches);
