//! Properties of fhir-guard that hold for any bytes, one module for each boundary. The libFuzzer
//! programs in `fuzz_targets/` look for bytes where one does not hold; the tests here try the seeds,
//! which are made from the tables of the product's own tests, with the stable compiler.
//!
//! Each module has a function `check(bytes) -> bool`, which panics where its property fails. It says
//! whether the bytes were accepted, so that a search (and the test of the seeds) can tell whether it
//! ever gets behind the door.

pub mod audit_log;
pub mod certificate;
pub mod condition;
pub mod configuration;
pub mod consent;
pub mod exchange;
pub mod host;
mod input;
pub mod introspection;
pub mod judgement;
pub mod jwks;
pub mod lexer;
pub mod patch;
pub mod proof;
pub mod remote;
pub mod request;
pub mod screen;
pub mod slots;
mod sources;
pub mod token;

mod seeds;

/// One property with its seeds.
pub struct Target {
    /// The name of the program and of the folder of its corpus.
    pub name: &'static str,
    /// Panics where the property fails; says whether the bytes were accepted.
    pub check: fn(&[u8]) -> bool,
    /// Bytes to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every property.
pub const TARGETS: [Target; 18] = [
    Target {
        name: "audit_log",
        check: audit_log::check,
        seeds: audit_log::seeds,
    },
    Target {
        name: "lexer",
        check: lexer::check,
        seeds: seeds::lexer,
    },
    Target {
        name: "screen",
        check: screen::check,
        seeds: seeds::screen,
    },
    Target {
        name: "token",
        check: token::check,
        seeds: seeds::token,
    },
    Target {
        name: "proof",
        check: proof::check,
        seeds: seeds::proof,
    },
    Target {
        name: "request",
        check: request::check,
        seeds: seeds::request,
    },
    Target {
        name: "configuration",
        check: configuration::check,
        seeds: seeds::configuration,
    },
    Target {
        name: "slots",
        check: slots::check,
        seeds: seeds::slots,
    },
    Target {
        name: "host",
        check: host::check,
        seeds: seeds::host,
    },
    Target {
        name: "exchange",
        check: exchange::check,
        seeds: seeds::exchange,
    },
    Target {
        name: "jwks",
        check: jwks::check,
        seeds: seeds::jwks,
    },
    Target {
        name: "judgement",
        check: judgement::check,
        seeds: judgement::seeds,
    },
    Target {
        name: "remote",
        check: remote::check,
        seeds: seeds::remote,
    },
    Target {
        name: "certificate",
        check: certificate::check,
        seeds: certificate::seeds,
    },
    Target {
        name: "introspection",
        check: introspection::check,
        seeds: introspection::seeds,
    },
    Target {
        name: "condition",
        check: condition::check,
        seeds: condition::seeds,
    },
    Target {
        name: "patch",
        check: patch::check,
        seeds: patch::seeds,
    },
    Target {
        name: "consent",
        check: consent::check,
        seeds: consent::seeds,
    },
];

/// Writes the seeds of a target into the folder that `FHIR_GUARD_SEEDS` names, if it is set: the
/// search looks there a moment later.
///
/// # Panics
/// Where the folder cannot be written.
pub fn write_seeds(name: &str) {
    let Some(folder) = std::env::var_os("FHIR_GUARD_SEEDS") else {
        return;
    };
    let folder = std::path::Path::new(&folder);
    let own = TARGETS.iter().find(|target| target.name == name);
    let seeds = own.map(|target| (target.seeds)()).unwrap_or_default();
    for (number, seed) in seeds.iter().enumerate() {
        let path = folder.join(format!("seed-{number:05}"));
        std::fs::write(&path, seed).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    }
}

#[cfg(test)]
mod tests;
