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

use fhir_guard::audit::Format;
use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::line;
use fhir_guard_companion::verify::{Extent, Judging, Place, Verifier};
use sha2::{Digest as _, Sha256};
use simulated::{Random, Strict, jwks, log, logs};

/// What is wanted of the verifier, in MB a second.
const WANTED: u128 = 200;

/// The best counts, for a busy machine only adds.
const ROUNDS: usize = 40;

fn main() {
    let lines = log(20_000, 1000, true, &mut Random(1));
    let text: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    let text = text.join("\n");
    let mut keys = Keys::default();
    keys.add(&jwks(), None).expect("a key");
    println!("{} lines, {} bytes", lines.len(), text.len());
    let (events, count) = events();
    println!(
        "{count} lines, most of them audit events, {} bytes",
        events.len()
    );
    let (mut hashed, mut read, mut verified) = (Duration::MAX, Duration::MAX, Duration::MAX);
    let mut paired = Duration::MAX;
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
        paired = paired.min(took(|| verify(&events, &keys)));
    }
    for (name, time, bytes) in [
        ("SHA-256 alone", hashed, text.len()),
        ("every line read", read, text.len()),
        ("verified", verified, text.len()),
        ("verified, with audit events", paired, events.len()),
    ] {
        let bytes = u128::try_from(bytes).expect("small");
        let speed = bytes * 1000 / time.as_nanos().max(1);
        let said = match (name.starts_with("verified"), speed >= WANTED) {
            (false, _) => "",
            (true, true) => ": what is wanted is reached",
            (true, false) => ": what is wanted is missed",
        };
        println!("{name}: {speed} MB/s{said}");
    }
}

/// A log beside what a repository of audit events has, and its lines; what other repositories have is not here.
fn events() -> (String, usize) {
    let strict = |number| match number {
        1 => Strict::Elsewhere,
        _ => Strict::Here(Format::Events),
    };
    let (lines, repository) = logs(4000, 1000, true, &strict, &mut Random(1));
    let repository = repository.into_iter().map(|(text, ..)| text);
    let lines = lines.into_iter().map(|line| line.text);
    let all: Vec<String> = repository.chain(lines).collect();
    (all.join("\n"), all.len())
}

fn took(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn verify(text: &str, keys: &Keys) {
    let judging = Judging {
        signed: true,
        extent: Extent::Log,
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
