//! The soak of `make soak`.
//!
//! `soak [--seconds=N] [--seed=N]`: see [`fhir_guard_harness::soak`].

use std::process::ExitCode;

use fhir_guard_harness::soak::{self, Options};

#[tokio::main]
async fn main() -> ExitCode {
    let run = async { soak::run(Options::parse(std::env::args().skip(1))?).await };
    match run.await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}
