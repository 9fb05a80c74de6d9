//! The map of fhir-guard.
//!
//! One WebAssembly filter that Envoy loads in front of a FHIR R4 API. An HTTP
//! request with its response is an *exchange*; it walks through the rooms below in one direction
//! and leaves exactly one audit record.
//!
//! | room | its one duty |
//! | --- | --- |
//! | [`wire`] | header maps and signatures in the host's own forms |
//! | [`shared`] | work on the proxy's shared data, as values |
//! | [`remote`] | documents of other servers, fetched by one worker for all |
//! | [`json`] | strict JSON documents that keep their bytes, and what a JSON Patch makes of them |
//! | [`cel`] | conditions in the Common Expression Language |
//! | [`fhir`] | facts of the standard: types and their structure, compartments, search parameters, security labels |
//! | [`denial`] | every reason to refuse, and its form on the wire |
//! | [`request`] | head and body of a request, to an interaction that cannot be misread |
//! | [`identity`] | certificate and token, to a principal and its scopes |
//! | [`consent`] | a patient's Consents, to what they permit |
//! | [`label`] | security labels, to who may see what carries them |
//! | [`dlp`] | patterns in texts, to what is masked or withheld for them |
//! | [`access`] | scopes, compartments and rules, to a permit |
//! | [`limit`] | token buckets, leases and counts of patients in shared data |
//! | [`risk`] | what looks wrong about a caller, as decaying scores in shared data |
//! | [`response`] | what may leave: screening, redaction, headers, signatures |
//! | [`audit`] | the record of an exchange, its place in the chain and in the queue, and alerts beside it |
//! | [`metrics`] | what is counted, for the proxy's statistics |
//! | [`config`] | the operator's configuration, to a policy |
//! | [`exchange`] | the phases; each callback of the proxy is one method |
//! | `host` | wasm only: every host call, none of which can panic, and the allocator |
//! | `filter` | wasm only: contexts, a few lines a callback |

pub mod access;
pub mod audit;
pub mod cel;
pub mod config;
pub mod consent;
pub mod denial;
pub mod dlp;
pub mod exchange;
pub mod fhir;
pub mod identity;
pub mod json;
pub mod label;
pub mod limit;
pub mod metrics;
pub mod remote;
pub mod request;
pub mod response;
pub mod risk;
pub mod shared;
pub mod wire;

#[cfg(target_arch = "wasm32")]
mod filter;
#[cfg(target_arch = "wasm32")]
mod host;
