//! The test FHIR server as a program.
//!
//! `fhir-server [--port=N] [--data=FOLDER] [--hostile[=NAME]]`: prints its base URL and the address of
//! its hand-written port, and serves until Ctrl-C.

use std::process::ExitCode;

use fhir_guard_harness::fhir::{DataSource, FhirServer, Hostile, Options};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fhir-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), String> {
    let server = FhirServer::try_start(options(std::env::args().skip(1))?).await?;
    println!("{}", server.base());
    println!("raw http://{}/fhir", server.raw_address());
    tokio::signal::ctrl_c()
        .await
        .map_err(|error| format!("waiting for ctrl-c: {error}"))?;
    server.stop().await;
    Ok(())
}

fn options(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    for argument in arguments {
        match argument.split_once('=') {
            Some(("--port", port)) => {
                options.port = port
                    .parse()
                    .map_err(|_| format!("--port: found {port:?}, expected 0 to 65535"))?;
            }
            Some(("--data", folder)) => options.data = DataSource::Folder(folder.into()),
            Some(("--hostile", name)) => options.hostile = Some(Hostile::Always(name.parse()?)),
            None if argument == "--hostile" => options.hostile = Some(Hostile::OnRequest),
            _ => {
                return Err(format!(
                    "found {argument:?}, expected --port=N, --data=FOLDER, --hostile or --hostile=NAME"
                ));
            }
        }
    }
    Ok(options)
}
