//! The guest's linear memory, and the wire form of header maps.
//!
//! Whatever the host hands over lies in memory the guest allocated itself: the host asks for it
//! through the guest's export `proxy_on_memory_allocate` (older SDKs: `malloc`).

use wasmi::{AsContext, AsContextMut, Caller, Extern, Memory, Val};

use crate::vm::{Interruption, State};

/// A byte string of the wire; header names and values need not be UTF-8.
pub type Bytes = Vec<u8>;

/// A header or trailer map in wire order; a repeated name has one line for each value.
pub type Headers = Vec<(Bytes, Bytes)>;

/// A status of ABI 0.2.1, as the guest reads it.
pub mod status {
    /// Done.
    pub const OK: u32 = 0;
    /// No such key, property, function or metric.
    pub const NOT_FOUND: u32 = 1;
    /// An argument, or a call, that does not fit the phase.
    pub const BAD_ARGUMENT: u32 = 2;
    /// A pointer outside of the guest's memory.
    pub const INVALID_MEMORY_ACCESS: u32 = 6;
    /// Compare-and-swap lost against another writer.
    pub const CAS_MISMATCH: u32 = 8;
    /// The host does not have this call, or its capability was taken away.
    pub const UNIMPLEMENTED: u32 = 12;
}

/// Why a host call ends without a plain Ok.
pub enum Stop {
    /// The guest reads this status and goes on.
    Status(u32),
    /// The guest does not go on: the whole call into the module is over.
    Trap(wasmi::Error),
}

impl Stop {
    /// The end of the test: the module did what would have brought the proxy down, or what no
    /// correct module does.
    pub fn fatal(what: impl Into<String>) -> Self {
        Self::Trap(wasmi::Error::host(Interruption::Fatal(what.into())))
    }
}

/// One host call's view of the guest that made it.
pub struct Guest<'call, 'store> {
    caller: &'call mut Caller<'store, State>,
    memory: Memory,
}

impl<'call, 'store> Guest<'call, 'store> {
    /// The guest behind `caller`; fails for a module that does not export its memory.
    pub fn new(caller: &'call mut Caller<'store, State>) -> Result<Self, wasmi::Error> {
        match caller.get_export("memory") {
            Some(Extern::Memory(memory)) => Ok(Self { caller, memory }),
            _ => Err(wasmi::Error::host(Interruption::Fatal(
                "the module exports no memory".into(),
            ))),
        }
    }

    /// What the host knows about the virtual machine of this guest.
    pub fn state(&mut self) -> &mut State {
        self.caller.data_mut()
    }

    /// A copy of `length` bytes at `address`.
    pub fn read(&self, address: u64, length: u64) -> Result<Bytes, Stop> {
        let (start, end) = (address as usize, (address + length) as usize);
        let memory = self.memory.data(self.caller.as_context());
        memory
            .get(start..end)
            .map(<[u8]>::to_vec)
            .ok_or(Stop::Status(status::INVALID_MEMORY_ACCESS))
    }

    /// Puts `bytes` at `address`.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Stop> {
        self.memory
            .write(self.caller.as_context_mut(), address as usize, bytes)
            .map_err(|_| Stop::Status(status::INVALID_MEMORY_ACCESS))
    }

    /// Puts a little-endian word at `address`.
    pub fn write_u32(&mut self, address: u64, value: u32) -> Result<(), Stop> {
        self.write(address, &value.to_le_bytes())
    }

    /// Hands `bytes` over: copied to fresh memory of the guest, pointer and size stored where it
    /// asked for them. Nothing is allocated for no bytes; the pointer is then null.
    pub fn hand_over(&mut self, bytes: &[u8], pointer: u64, size: u64) -> Result<(), Stop> {
        let address = if bytes.is_empty() {
            0
        } else {
            self.allocate(bytes.len())?
        };
        self.write(u64::from(address), bytes)?;
        self.write_u32(pointer, address)?;
        self.write_u32(size, bytes.len() as u32)
    }

    fn allocate(&mut self, length: usize) -> Result<u32, Stop> {
        let export = ["proxy_on_memory_allocate", "malloc"]
            .iter()
            .find_map(|name| self.caller.get_export(name))
            .and_then(Extern::into_func)
            .ok_or_else(|| {
                Stop::fatal("the module exports neither proxy_on_memory_allocate nor malloc")
            })?;
        let mut address = [Val::I32(0)];
        export
            .call(
                self.caller.as_context_mut(),
                &[Val::I32(length as i32)],
                &mut address,
            )
            .map_err(Stop::Trap)?;
        match address {
            [Val::I32(0)] => Err(Stop::fatal(format!(
                "the guest's allocator returned null for {length} bytes"
            ))),
            [Val::I32(address)] => Ok(address as u32),
            _ => Err(Stop::fatal(
                "the guest's allocator returned something other than an address",
            )),
        }
    }
}

/// The most pairs a map given by the guest may have; one more, and the proxy takes the map for
/// empty (proxy-wasm-cpp-host, `limits.h`).
const MOST_PAIRS: usize = 1024;

/// The most bytes a serialised map given by the guest may have, with the same consequence.
const MOST_PAIR_BYTES: usize = 1 << 20;

/// The wire form of a map: `u32` count; name and value length for each pair, `u32` each; then name
/// and value of each pair, a NUL after each. Everything little-endian. An empty map has no bytes.
pub fn encode_pairs(pairs: &Headers) -> Bytes {
    if pairs.is_empty() {
        return Bytes::new();
    }
    let mut out = (pairs.len() as u32).to_le_bytes().to_vec();
    for (name, value) in pairs {
        out.extend((name.len() as u32).to_le_bytes());
        out.extend((value.len() as u32).to_le_bytes());
    }
    for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
        out.extend(part);
        out.push(0);
    }
    out
}

/// The map a guest serialised. `None` for bytes that are not the wire form: the real host answers
/// that with a silently empty map, here it is the guest's error. Over the host's limits the map is
/// empty, as there.
pub fn decode_pairs(bytes: &[u8]) -> Option<Headers> {
    if bytes.is_empty() {
        return Some(Headers::new());
    }
    let word = |at: usize| -> Option<usize> {
        let word = bytes.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(word.try_into().ok()?) as usize)
    };
    let count = word(0)?;
    if count > MOST_PAIRS || bytes.len() > MOST_PAIR_BYTES {
        return Some(Headers::new());
    }
    let mut at = 4 + 8 * count;
    let mut part = |length: usize| -> Option<Bytes> {
        let end = at.checked_add(length)?;
        let text = bytes.get(at..end)?.to_vec();
        (*bytes.get(end)? == 0).then_some(())?;
        at = end + 1;
        Some(text)
    };
    let mut pairs = Headers::new();
    for index in 0..count {
        let name = part(word(4 + 8 * index)?)?;
        let value = part(word(8 + 8 * index)?)?;
        pairs.push((name, value));
    }
    (at == bytes.len()).then_some(pairs)
}

/// The values of every line called `name`, in order.
pub fn values<'map>(map: &'map Headers, name: &str) -> Vec<&'map [u8]> {
    map.iter()
        .filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value.as_slice())
        .collect()
}
