//! The campaign of `make loss`.
//!
//! `loss [--exchanges=N] [--seconds=N] [--seed=N] [--mode=strict|relaxed] [--format=records|audit-events] [--deaths=no]`: see [`fhir_guard_loss`].

use std::process::ExitCode;

use fhir_guard_loss::{Options, run};

#[tokio::main]
async fn main() -> ExitCode {
    let all = async { run(Options::parse(std::env::args().skip(1))?).await };
    match all.await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("loss: {error}");
            ExitCode::FAILURE
        }
    }
}
