//! The part of `wasi_snapshot_preview1` that a proxy provides: standard streams, environment,
//! clock, random numbers. No files, no arguments, no exit.

use super::Call;
use super::process::write_log;
use crate::memory::{Bytes, Guest, Stop};

/// Errno: bad file descriptor.
const EBADF: u32 = 8;
/// Errno: invalid argument.
const EINVAL: u32 = 28;
/// Errno: function not supported.
pub const ENOSYS: u32 = 52;
/// Errno: not supported.
const ENOTSUP: u32 = 58;

/// The most random bytes of one call (proxy-wasm-cpp-host).
const MOST_RANDOM: u64 = 64 * 1024;

/// The function of this name.
pub fn find(name: &str) -> Option<Call> {
    let call: Call = match name {
        "fd_write" => fd_write,
        "fd_fdstat_get" => fd_fdstat_get,
        "environ_get" => environ_get,
        "environ_sizes_get" => environ_sizes_get,
        "args_get" => args_get,
        "args_sizes_get" => args_sizes_get,
        "clock_time_get" => clock_time_get,
        "random_get" => random_get,
        "sched_yield" => sched_yield,
        "proc_exit" => proc_exit,
        _ => return None,
    };
    Some(call)
}

fn fd_write(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let level = match arguments[0] {
        1 => 2,
        2 => 4,
        _ => return Err(Stop::Status(EBADF)),
    };
    let mut text = Bytes::new();
    for index in 0..arguments[2] {
        let vector = guest.read(arguments[1] + 8 * index, 8)?;
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| vector[at + byte]));
        text.extend(guest.read(u64::from(word(0)), u64::from(word(4)))?);
    }
    let written = text.len() as u32;
    if text.last() == Some(&b'\n') {
        text.pop();
    }
    if written > 0 {
        write_log(guest, level, &text);
    }
    guest.write_u32(arguments[3], written)
}

fn fd_fdstat_get(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    if !(1..=2).contains(&arguments[0]) {
        return Err(Stop::Status(EBADF));
    }
    let mut stat = [0; 24];
    // The right to write, and no other.
    stat[8] = 64;
    guest.write(arguments[1], &stat)
}

fn environ_get(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let (mut pointer, mut text) = (arguments[0], arguments[1]);
    for entry in environment(guest) {
        guest.write_u32(pointer, text as u32)?;
        guest.write(text, &entry)?;
        pointer += 4;
        text += entry.len() as u64;
    }
    Ok(())
}

fn environ_sizes_get(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let entries = environment(guest);
    guest.write_u32(arguments[0], entries.len() as u32)?;
    let bytes: usize = entries.iter().map(Vec::len).sum();
    guest.write_u32(arguments[1], bytes as u32)
}

fn environment(guest: &mut Guest<'_, '_>) -> Vec<Bytes> {
    let world = guest.state().world.borrow();
    let entries = world.environment.iter();
    entries
        .map(|(name, value)| format!("{name}={value}\0").into_bytes())
        .collect()
}

fn args_get(_: &mut Guest<'_, '_>, _: &[u64]) -> Result<(), Stop> {
    Ok(())
}

fn args_sizes_get(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    guest.write_u32(arguments[0], 0)?;
    guest.write_u32(arguments[1], 0)
}

fn clock_time_get(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    if arguments[0] > 1 {
        return Err(Stop::Status(ENOTSUP));
    }
    let clock = guest.state().world.borrow().clock;
    guest.write(arguments[2], &clock.to_le_bytes())
}

/// Bytes that repeat from run to run and differ between virtual machines (splitmix64).
fn random_get(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    if arguments[1] > MOST_RANDOM {
        return Err(Stop::Status(EINVAL));
    }
    let mut bytes = Bytes::new();
    while (bytes.len() as u64) < arguments[1] {
        let state = &mut guest.state().random;
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = *state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend((word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(arguments[1] as usize);
    guest.write(arguments[0], &bytes)
}

fn sched_yield(_: &mut Guest<'_, '_>, _: &[u64]) -> Result<(), Stop> {
    Ok(())
}

fn proc_exit(_: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    Err(Stop::fatal(format!("proc_exit({})", arguments[0] as i32)))
}
