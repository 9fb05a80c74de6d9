//! `make tables`: writes `src/fhir/tables/` anew.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::args_os().nth(1).map(PathBuf::from).or_else(|| {
        let vectors = std::env::var_os("FHIR_GUARD_VECTORS").map(PathBuf::from);
        let vectors = vectors.unwrap_or_else(|| root.join("../shared/vectors"));
        Some(vectors.join("fhir-r4/definitions"))
    });
    let made = fhir_guard_tables::generate(&folder.unwrap_or_default()).and_then(|tables| {
        for (name, contents) in &tables.files {
            let path = root.join("src/fhir/tables").join(name);
            std::fs::write(&path, contents)
                .map_err(|fault| format!("{}: {fault}", path.display()))?;
        }
        Ok(tables.account)
    });
    match made {
        Ok(account) => {
            println!("{}", account.join("\n"));
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!(
                "{fault}: name the folder of the published definitions, or set FHIR_GUARD_VECTORS"
            );
            ExitCode::FAILURE
        }
    }
}
