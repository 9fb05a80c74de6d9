//! The test FHIR server as a program.
//!
//! `fhir-server [--address=IP] [--port=N] [--data=FOLDER] [--hostile[=NAME]]`: prints its base URL and
//! the address of its hand-written port, and serves until Ctrl-C or SIGTERM.

use std::process::ExitCode;

use fhir_guard_harness::fhir::{DataSource, FhirServer, Hostile, Options};
use tokio::signal::unix::{SignalKind, signal};

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
    // The first process of a container gets no signal that it does not ask for.
    let listen = |kind| signal(kind).map_err(|error| format!("waiting for a signal: {error}"));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => (),
        _ = terminate.recv() => (),
    }
    server.stop().await;
    Ok(())
}

fn options(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    for argument in arguments {
        match argument.split_once('=') {
            Some(("--address", address)) => {
                options.address = address
                    .parse()
                    .map_err(|_| format!("--address: found {address:?}, expected an IP address"))?;
            }
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
                    "found {argument:?}, expected --address=IP, --port=N, --data=FOLDER, --hostile or --hostile=NAME"
                ));
            }
        }
    }
    Ok(options)
}
