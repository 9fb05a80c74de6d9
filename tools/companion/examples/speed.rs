//! How fast a log is verified on one core, beside SHA-256 of the same bytes: `cargo run --release --package
//! fhir-guard-companion --example speed`. An example and no bench: benches unwind where they panic and the released
//! program does not, and the filter cannot be there in both ways at once.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "it measures, and the logs that it measures with are those of the tests"
)]

#[path = "../tests/it/simulated.rs"]
mod simulated;

use std::hint::black_box;
use std::time::{Duration, Instant};

use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::line;
use fhir_guard_companion::verify::{Judging, Place, Verifier};
use sha2::{Digest as _, Sha256};
use simulated::{Random, jwks, log};

/// The best counts, for a busy machine only adds.
const ROUNDS: usize = 40;

fn main() {
    let lines = log(20_000, 1000, true, &mut Random(1));
    let text: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    let text = text.join("\n");
    let mut keys = Keys::default();
    keys.add(&jwks(), None).expect("a key");
    println!("{} lines, {} bytes", lines.len(), text.len());
    let (mut hashed, mut read, mut verified) = (Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        hashed = hashed.min(took(|| {
            black_box(Sha256::digest(black_box(&text)));
        }));
        read = read.min(took(|| {
            for text in text.as_bytes().split(|byte| *byte == b'\n') {
                black_box(line::read(text, &keys));
            }
        }));
        verified = verified.min(took(|| verify(&text, &keys)));
    }
    for (name, time) in [
        ("SHA-256 alone", hashed),
        ("every line read", read),
        ("verified", verified),
    ] {
        let bytes = u128::try_from(text.len()).expect("small");
        println!("{name}: {} MB/s", bytes * 1000 / time.as_nanos().max(1));
    }
}

fn took(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn verify(text: &str, keys: &Keys) {
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
        verifier.take(place, line::read(text, keys));
    }
    assert_eq!(verifier.finish().findings.count, 0);
}
