//! Tests of the core from outside: the public rooms, natively, without a proxy.

#[cfg(test)]
mod bypasses;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod shelves;
#[cfg(test)]
mod shipped;
#[cfg(test)]
mod tidy;
