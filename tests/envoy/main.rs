//! The release module in a real Envoy with two workers, real TLS, real tokens and the shipped
//! manifest: one scenario for each thing that only the whole can show.

mod credentials;
mod exchange;
mod limits;
mod listeners;
mod requests;
mod table;
mod world;
