//! The tour of `make run`, `make smoke` and `make compose`.
//!
//! `demo [--check] [--compose] [--upstream=http://host:port/base --patient=ID]`: see [`fhir_guard_harness::demo`].

use std::process::ExitCode;

use fhir_guard_harness::demo::{self, Options};

#[tokio::main]
async fn main() -> ExitCode {
    let run = async { demo::run(Options::parse(std::env::args().skip(1))?).await };
    match run.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}
