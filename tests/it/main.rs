//! Tests of the core from outside: the public rooms, natively, without a proxy.

mod exchange;
mod shipped;
mod tidy;
mod vectors;
