//! The release module in a real Envoy with two workers, real TLS, real tokens and the shipped
//! manifest: one scenario for each thing that only the whole can show.

mod credentials;
mod exchange;
mod hostile;
mod sizes;
mod table;
mod wire;
mod world;
mod writes;
