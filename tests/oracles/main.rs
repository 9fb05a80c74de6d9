//! Oracles: what the filter decides on third-party material, compared row by row with what others
//! expect of it. Every suite prints its account; `docs/oracles.md` holds the newest of each.
//!
//! The material is read where it lies (`FHIR_GUARD_VECTORS`, else `../shared/vectors`).

use std::process::ExitCode;

#[cfg(test)]
mod account;
#[cfg(test)]
mod authz;
#[cfg(test)]
mod balp;
#[cfg(test)]
mod fhir;
#[cfg(test)]
mod json;
#[cfg(test)]
mod jwt_verify_lib;
#[cfg(test)]
mod rfc;
#[cfg(test)]
mod scopes;
#[cfg(test)]
mod signatures;
#[cfg(test)]
mod suites;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod wycheproof;
#[cfg(test)]
mod xfcc;

#[cfg(test)]
fn main() -> ExitCode {
    suites::run()
}

#[cfg(not(test))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
