//! What looks wrong about a caller: detectors over decaying scores, in bounded shared data.
//!
//! An exchange that has ended is one [`Observation`] of its caller: who it was, as far as that was shown, and
//! what came of it. [`Observing`] adds it to what is known of that caller, and says what looks wrong now. All of
//! it is a function of what is stored, the observation and the time.
//!
//! # Who is scored
//!
//! Whoever showed it: the holder of the client certificate of the connection; else the client whose token and
//! proof hold; else the network address. Nothing counts against a name that stands only in a token that did
//! not hold: otherwise anybody could have an honest client shut out.
//!
//! From where a token comes belongs to a session: the tokens of one user of one client, or one token of a client
//! that is its own subject. [`Weighing`] notes that before a request goes on, and says what is known of its caller.
//!
//! # Bounds
//!
//! Certificates, clients and tenants are kept in 1024 keys `fhir-guard.risk.v2.c<000 to 3ff>` and addresses in
//! 1024 keys `fhir-guard.risk.v2.a<000 to 3ff>` of shared data, each of at most 4 + 4 * 344 = 1380 bytes: together
//! 2 826 240 bytes of values and 49 152 bytes of keys. Sessions are kept in 4096 keys
//! `fhir-guard.session.v1.<000 to fff>` of at most 4 + 4 * 132 = 532 bytes: together 2 179 072 bytes of values and
//! 102 400 bytes of keys; one half of them is for users, the other for tokens of services, which push out no user. Each
//! work costs at most 8 reads and 8 writes, and without races one of each. Where a key
//! has four entries, the one that has been quiet for longest gives way, and is begun anew. Addresses can be had
//! in any number, so they never push out a certificate.
//!
//! # What is promised
//!
//! Bytes that nobody here wrote are at most a wrong score, never a fault; scores are held below a bound, and a
//! clock that steps back lets nothing grow. Where shared data fails or stays contended for 8 tries the
//! observation is not kept.

mod detector;
mod entries;
mod entry;
mod habit;
mod judging;
mod policy;
mod session;
mod sketch;
mod table;
#[cfg(test)]
mod tests;
mod weighing;

pub use detector::Detector;
pub use judging::Known;
pub use policy::{RiskPolicy, Volume, Weights};
pub use session::{Following, Moment, Session, Suspicion};
pub use table::{
    Asked, Fact, Finding, Observation, Observing, Scored, Sight, Suspected, hash, network,
};
pub use weighing::{Action, Told, Watched, Watching, Weighed, Weighing};
