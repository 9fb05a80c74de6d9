//! The command-line companion of fhir-guard.
//!
//! | module | its one duty |
//! | --- | --- |
//! | [`keys`] | public keys, and whether a signature is theirs |
//! | [`mod@line`] | a line of a log, to what it says of a chain |
//! | [`verify`] | what lines say, to what is wrong with the log |
//! | [`read`] | files, line by line, on several threads |
//! | [`audit`] | `audit verify`: all of that together, and its report |
//! | [`disclosures`] | `audit who-saw`: the exchanges that disclosed a resource |
//! | [`check`] | `check`: a configuration, to its mistakes |

pub mod audit;
pub mod check;
pub mod disclosures;
pub mod keys;
pub mod line;
pub mod read;
pub mod verify;
