//! The release module in an emulated proxy-wasm host.
//!
//! | file | its one duty |
//! | --- | --- |
//! | `host` | the process: what all workers share, and the faults a test plants |
//! | `vm` | one worker: an instance of the module, and the calls into it |
//! | `phases` | what the proxy does around each callback |
//! | `stream` | one exchange, as a test drives it |
//! | `exchange` | one exchange, as the proxy's filter manager keeps it |
//! | `imports` | the host calls of ABI 0.2.1 and of WASI |
//! | `memory` | the guest's memory and the wire form of header maps |
//! | `emulator` | what the emulated host itself promises |
//! | `structure` | a configuration as Envoy serialises it; the writer of the core's own tests |
//! | `deployment` | the shipped configuration, a client, and exchanges from end to end |
//! | `signatures` | the host's foreign function `verify_signature` |
//! | `scenarios` | what the module must do |

#![allow(
    dead_code,
    reason = "the driver offers what an exchange can meet; a scenario uses the part it needs"
)]

#[cfg(test)]
mod deployment;
#[cfg(test)]
mod emulator;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod host;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod phases;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod signatures;
#[cfg(test)]
mod stream;
#[cfg(test)]
#[path = "../../src/config/structure/encode.rs"]
mod structure;
#[cfg(test)]
mod vm;
