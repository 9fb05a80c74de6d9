//! The release module in a real Envoy with two workers, real TLS, real tokens and the shipped
//! manifest: one scenario for each thing that only the whole can show.

mod answers;
mod credentials;
mod exchange;
mod hostile;
mod limits;
mod listeners;
mod requests;
mod sizes;
mod table;
mod upstream;
mod wire;
mod world;
mod writes;
