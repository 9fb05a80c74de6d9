//! Every call into the host, and the allocator: the only room with `unsafe`, and the only one that sees proxy-wasm.
//!
//! The functions are declared here again, with a plain number for a status: the SDK's own wrappers
//! panic on statuses and bytes that they do not expect (proxy-wasm-rust-sdk issues 25, 155, 263),
//! and a panic takes down the worker. Nothing here panics, whatever the host returns: a failed call
//! is an absent value or `false`.
#![expect(
    unsafe_code,
    reason = "calls into the host; each block states why it is sound"
)]

mod allocator;
mod kinds;
mod shelf;
mod statistics;

use std::alloc::{GlobalAlloc, Layout};

use crate::config::EnvoyVersion;
use crate::denial::Reply;
use crate::identity::HostCheck;
use crate::remote::Call;
use crate::shared::{Answer, Step, Work};
use crate::wire::{self, Pair};
use allocator::Allocator;
pub use kinds::{Buffer, Map};
use shelf::Piece;
pub use statistics::{define_metric, increment_metric, record_metric};

/// The single segment under which Envoy keeps the record: `%FILTER_STATE(wasm.fhir_guard.audit:PLAIN)%`.
const AUDIT: &str = "fhir_guard.audit";

/// The same for the alert, where there is one: `%FILTER_STATE(wasm.fhir_guard.alert:PLAIN)%`.
const ALERT: &str = "fhir_guard.alert";

/// The time, in nanoseconds since 1970; 0 when the host has none.
pub fn now() -> u64 {
    let mut time = 0;
    // SAFETY: the host writes one u64 where the pointer leads.
    let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut time) };
    if status == OK { time } else { 0 }
}

/// Sixteen random bytes; absent when the host has none.
pub fn random() -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    // SAFETY: the host writes as many bytes as it is told where the pointer leads.
    let errno = unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) };
    (errno == 0 && bytes != [0; 16]).then_some(bytes)
}

/// A property, by its path, whose segments are joined by NUL; absent when the host has none or
/// refuses. An empty one is there: some say something by being empty.
pub fn property(path: &str) -> Option<Vec<u8>> {
    // SAFETY: path is a live buffer of the length given; `returned` checks what comes back.
    returned(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
        .map(Option::unwrap_or_default)
}

/// What Envoy tells of its own version; absent when it tells none.
pub fn envoy_version() -> Option<EnvoyVersion> {
    let major = property("xds\0node\0user_agent_build_version\0version\0major_number");
    let minor = property("xds\0node\0user_agent_build_version\0version\0minor_number");
    EnvoyVersion::read(major.as_deref(), minor.as_deref())
}

/// A header map as the host wrote it, for [`wire`] to read; absent when the host has none in this phase.
pub fn header_map(map: Map) -> Option<Vec<u8>> {
    // SAFETY: `returned` checks what comes back.
    returned(|data, size| unsafe { proxy_get_header_map_pairs(map as u32, data, size) })?
}

/// Replaces a header map; `false` when the host did not take it.
pub fn set_header_map(map: Map, pairs: &[Pair]) -> bool {
    let Some(bytes) = wire::encode(pairs) else {
        return false;
    };
    // SAFETY: bytes is a live buffer of the length given.
    unsafe { proxy_set_header_map_pairs(map as u32, bytes.as_ptr(), bytes.len()) == OK }
}

/// The first `size` bytes of a buffer; absent when the host has fewer.
pub fn buffer(buffer: Buffer, size: usize) -> Option<Vec<u8>> {
    if size == 0 {
        return Some(Vec::new());
    }
    // SAFETY: `returned` checks what comes back.
    let bytes = returned(|data, length| unsafe {
        proxy_get_buffer_bytes(buffer as u32, 0, size, data, length)
    })??;
    (bytes.len() == size).then_some(bytes)
}

/// Puts `bytes` in the place of the first `size` bytes of a buffer.
pub fn set_buffer(buffer: Buffer, size: usize, bytes: &[u8]) -> bool {
    if size == 0 && bytes.is_empty() {
        return true;
    }
    // SAFETY: bytes is a live buffer of the length given.
    unsafe { proxy_set_buffer_bytes(buffer as u32, 0, size, bytes.as_ptr(), bytes.len()) == OK }
}

/// Answers instead of the upstream. At most once an exchange: two local replies on one stream
/// corrupt it (envoy issue 28826).
pub fn reply(reply: &Reply) -> bool {
    let pairs: Vec<Pair> = reply
        .headers
        .iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect();
    let Some(headers) = wire::encode(&pairs) else {
        return false;
    };
    let details = "fhir_guard";
    // SAFETY: all four are live buffers of the lengths given; u32::MAX stands for "no gRPC status".
    let status = unsafe {
        proxy_send_local_response(
            u32::from(reply.status),
            details.as_ptr(),
            details.len(),
            reply.body.as_ptr(),
            reply.body.len(),
            headers.as_ptr(),
            headers.len(),
            u32::MAX,
        )
    };
    status == OK
}

/// Resets the stream towards the client.
pub fn reset_response() -> bool {
    const HTTP_RESPONSE: u32 = 1;
    // SAFETY: no pointers.
    unsafe { proxy_close_stream(HTTP_RESPONSE) == OK }
}

/// Lets a request that was kept back go on.
pub fn continue_request() -> bool {
    const HTTP_REQUEST: u32 = 0;
    // SAFETY: no pointers.
    unsafe { proxy_continue_stream(HTTP_REQUEST) == OK }
}

/// Which stream the following calls are about; for the rest of this callback.
pub fn set_context(id: u32) -> bool {
    // SAFETY: no pointers.
    unsafe { proxy_set_effective_context(id) == OK }
}

/// Asks for a tick every so many milliseconds.
pub fn set_tick_period(milliseconds: u32) -> bool {
    // SAFETY: no pointers.
    unsafe { proxy_set_tick_period_milliseconds(milliseconds) == OK }
}

/// Sends a request to another server; the number by which its answer will be known. The one call that
/// goes through the SDK, which must know the number as well: it panics at an answer that it does not
/// know. It panics too where the host refuses in a way of its own, as a host does that was told to
/// withhold the function.
pub fn call(call: &Call) -> Option<u32> {
    let headers: Vec<(&str, &str)> = call
        .headers
        .iter()
        .map(|(name, value)| (name.as_ref(), value.as_str()))
        .collect();
    let body = Some(call.body.as_slice()).filter(|body| !body.is_empty());
    let (cluster, timeout) = (&call.cluster, call.timeout);
    proxy_wasm::hostcalls::dispatch_http_call(cluster, headers, body, Vec::new(), timeout).ok()
}

/// Keeps the record where the access log finds it.
pub fn set_audit(line: &str) -> bool {
    set_property(AUDIT, line)
}

/// Keeps the alert where an access log finds it.
pub fn set_alert(line: &str) -> bool {
    set_property(ALERT, line)
}

fn set_property(path: &str, value: &str) -> bool {
    // SAFETY: both are live buffers of the lengths given.
    unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) == OK }
}

/// Carries out work on the host's shared data, until it is done.
pub fn share<W: Work>(work: &mut W) -> W::Outcome {
    loop {
        let answer = match work.step() {
            Step::Read { key } => shared_data(key),
            Step::Write {
                key,
                value,
                version,
            } => set_shared_data(key, value, version),
            Step::Done(outcome) => return outcome,
        };
        work.answer(answer);
    }
}

/// Whether a signature holds, by Envoy's own library. Absent when the host does not have the function,
/// the call failed, or the answer cannot be read.
pub fn verify_signature(check: &HostCheck) -> Option<bool> {
    let HostCheck {
        hash,
        key,
        signature,
        text,
    } = check;
    let name = wire::signature::FUNCTION;
    let argument = wire::signature::arguments(hash, key, signature, text);
    // SAFETY: both are live buffers of the lengths given; `returned` checks what comes back.
    let answer = returned(|data, size| unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            argument.as_ptr(),
            argument.len(),
            data,
            size,
        )
    })??;
    wire::signature::answer(&answer)
}

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const CAS_MISMATCH: u32 = 8;

/// Writes a line to the proxy's log, of a level from 0 (trace) to 4 (error); one that the host refuses is
/// lost, and nothing else happens.
pub fn write_log(level: u32, message: &str) {
    // SAFETY: message is a live buffer of the length given.
    unsafe { proxy_log(level, message.as_ptr(), message.len()) };
}

fn shared_data(key: &str) -> Answer {
    let (mut data, mut size, mut version) = (std::ptr::null_mut(), 0, 0);
    // SAFETY: key is a live buffer; the host writes to the three places.
    let status = unsafe {
        proxy_get_shared_data(
            key.as_ptr(),
            key.len(),
            &raw mut data,
            &raw mut size,
            &raw mut version,
        )
    };
    match status {
        OK => Answer::Value {
            bytes: owned(data, size),
            version: Some(version),
        },
        NOT_FOUND => Answer::Value {
            bytes: None,
            version: None,
        },
        _ => Answer::Failed,
    }
}

fn set_shared_data(key: &str, value: &[u8], version: Option<u32>) -> Answer {
    // To create only what is absent, a version that is never current: for an absent key the host
    // asks for none, for a present one it does not match (proxy-wasm-cpp-host, shared_data.cc; 0
    // would overwrite). The host's counter meets this number once in 2^32 writes, and then one
    // write of another worker is lost.
    let version = version.filter(|version| *version != 0).unwrap_or(u32::MAX);
    // SAFETY: both are live buffers of the lengths given.
    let status = unsafe {
        proxy_set_shared_data(
            key.as_ptr(),
            key.len(),
            value.as_ptr(),
            value.len(),
            version,
        )
    };
    match status {
        OK => Answer::Written,
        CAS_MISMATCH => Answer::Conflict,
        _ => Answer::Failed,
    }
}

/// Carries out a call that returns bytes in a buffer allocated through `proxy_on_memory_allocate`.
/// Absent when the call failed; inside, absent when the host handed nothing over, and meant it.
fn returned(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Option<Vec<u8>>> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    let status = call(&raw mut data, &raw mut size);
    let bytes = owned(data, size);
    (status == OK && (bytes.is_some() || size == 0)).then_some(bytes)
}

/// Takes over a buffer that the host filled. The SDK's allocator made it as a `Vec` of exactly this
/// capacity. An empty value comes as a null pointer; a null pointer with a size is rubbish.
fn owned(data: *mut u8, size: usize) -> Option<Vec<u8>> {
    if data.is_null() {
        return None;
    }
    // SAFETY: see above; the host hands the buffer over and keeps no pointer to it.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}

// SAFETY: this target has no threads; the compiler refuses any other.
unsafe impl Sync for Allocator {}

// SAFETY: a piece is on a shelf, or handed out, or with the allocator behind, never in two of these places;
// every piece of a shelf was made with the layout of that shelf, which holds what was asked for.
unsafe impl GlobalAlloc for Allocator {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((shelf, of_shelf)) = self.shelf(layout) else {
            // SAFETY: the caller's layout, which is not empty.
            return unsafe { self.behind.alloc(layout) };
        };
        let piece = shelf.first();
        if piece.is_null() {
            // SAFETY: no layout of a shelf is empty.
            return unsafe { self.behind.alloc(of_shelf) };
        }
        // SAFETY: what is on a shelf is nobody else's, and is a `Piece`.
        shelf.take(unsafe { (*piece).next }, of_shelf.size());
        piece.cast()
    }

    #[inline(never)]
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        match self.shelf(layout) {
            // SAFETY: it was made with this layout.
            None => unsafe { self.behind.dealloc(place, layout) },
            Some((shelf, of_shelf)) => {
                let piece = place.cast::<Piece>();
                let next = shelf.first();
                if shelf.put(piece, of_shelf.size()) {
                    // SAFETY: the caller has given it back; it is aligned and large enough.
                    unsafe { piece.write(Piece { next }) };
                } else {
                    // SAFETY: it was made with the layout of its shelf.
                    unsafe { self.behind.dealloc(place, of_shelf) };
                }
            }
        }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the size within the bounds of a layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (self.shelf(layout), self.shelf(wanted)) {
            (Some((old, _)), Some((new, _))) if std::ptr::eq(old, new) => place,
            // SAFETY: it was made with this layout.
            (None, None) => unsafe { self.behind.realloc(place, layout, size) },
            // SAFETY: both are as large as what is copied, and apart; the old one is the caller's.
            _ => unsafe {
                let moved = self.alloc(wanted);
                if !moved.is_null() {
                    std::ptr::copy_nonoverlapping(place, moved, layout.size().min(size));
                    self.dealloc(place, layout);
                }
                moved
            },
        }
    }
}

unsafe extern "C" {
    fn __wasm_call_ctors();
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        argument: *const u8,
        argument_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        version: *mut u32,
    ) -> u32;
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: u32,
    ) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        size: usize,
        data: *const u8,
        length: usize,
    ) -> u32;
    fn proxy_set_effective_context(id: u32) -> u32;
    fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, size: usize) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        size: usize,
        version: u32,
    ) -> u32;
    fn proxy_set_tick_period_milliseconds(milliseconds: u32) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn random_get(bytes: *mut u8, size: usize) -> u16;
}

/// The entry of the module, in the place of the SDK's macro, which brings its own `unsafe`.
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    // SAFETY: the linker's function; it runs the constructors of the C runtime, once, here.
    unsafe { __wasm_call_ctors() };
    crate::filter::register();
}
