//! The exactness of limits, for `make limits-measure`.
//!
//! `limits [--keys=N] [--seconds=N]`: see [`fhir_guard_harness::exactness`].

use std::process::ExitCode;

use fhir_guard_harness::exactness::{self, Options};

#[tokio::main]
async fn main() -> ExitCode {
    let run = async { exactness::run(Options::parse(std::env::args().skip(1))?).await };
    match run.await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("limits: {error}");
            ExitCode::FAILURE
        }
    }
}
