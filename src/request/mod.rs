//! See the map in the crate root.

pub mod body;
