//! Writes the seeds of every target into `<folder>/<target>/`, the only argument.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use fhir_guard_fuzz::TARGETS;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("expected a folder for the seeds");
        return ExitCode::FAILURE;
    };
    for target in TARGETS {
        let folder = Path::new(&folder).join(target.name);
        let seeds = (target.seeds)();
        if let Err(fault) = write(&folder, &seeds) {
            eprintln!("{}: {fault}", folder.display());
            return ExitCode::FAILURE;
        }
        println!("{}: {} seeds", target.name, seeds.len());
    }
    ExitCode::SUCCESS
}

fn write(folder: &Path, seeds: &[Vec<u8>]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:05}")), seed)?;
    }
    Ok(())
}
