//! The release module in a real Envoy with two workers, real TLS, real tokens and the shipped
//! manifest: one scenario for each thing that only the whole can show.

#[cfg(test)]
mod actions;
#[cfg(test)]
mod alerts;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod bundles;
#[cfg(test)]
mod bypasses;
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod conditional;
#[cfg(test)]
mod consent;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod detectors;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod egress;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod exports;
#[cfg(test)]
mod global;
#[cfg(test)]
mod handover;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod introspection;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod labels;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod listeners;
#[cfg(test)]
mod loss;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod minimum;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod origin;
#[cfg(test)]
mod patient_writes;
#[cfg(test)]
mod patients;
#[cfg(test)]
mod platform;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod priority;
#[cfg(test)]
mod provenance;
#[cfg(test)]
mod recipes;
#[cfg(test)]
mod redaction;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod repository;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod signing;
#[cfg(test)]
mod sizes;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod step_up;
#[cfg(test)]
mod strict;
#[cfg(test)]
mod subscriptions;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod tenants;
#[cfg(test)]
mod texts;
#[cfg(test)]
mod tracing;
#[cfg(test)]
mod upstream;
#[cfg(test)]
mod watermark;
#[cfg(test)]
mod wire;
#[cfg(test)]
mod world;
#[cfg(test)]
mod writes;
