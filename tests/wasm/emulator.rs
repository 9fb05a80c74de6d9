//! What the emulated host itself promises, shown on guests of a few lines: where the real proxy
//! would answer, hold, or die, this one must too, or a scenario proves nothing.

use std::rc::Rc;

use crate::exchange::{Action, LocalReply, Way};
use crate::host::{Fault, Host, Shared};
use crate::memory::{Headers, decode_pairs, encode_pairs, status, values};
use crate::stream::{Stream, lines};

/// A guest made of these functions, with the host calls the tests use. Its allocator never frees;
/// `probe` tells the test a number, as the tick period.
fn guest(functions: &str) -> Host {
    let text = format!(
        r#"(module
        (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_get_header_map_value"
            (func $header (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_set_buffer_bytes"
            (func $write (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_get_shared_data" (func $get (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_set_shared_data" (func $set (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_send_local_response"
            (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
        (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
        (import "env" "proxy_set_tick_period_milliseconds" (func $probe (param i32) (result i32)))
        (import "env" "proxy_not_invented_yet" (func $unknown (param i32) (result i32)))
        (memory (export "memory") 64)
        (global $free (mut i32) (i32.const 4096))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32)
            (global.get $free)
            (global.set $free (i32.add (global.get $free) (local.get 0))))
        (data (i32.const 0) "key")
        (data (i32.const 16) "plugin_name")
        (data (i32.const 32) "denied")
        {functions})"#
    );
    Host::new(text.as_bytes())
}

fn get() -> Headers {
    lines(&[(":method", "GET"), (":path", "/"), (":authority", "a")])
}

fn ok() -> Headers {
    lines(&[(":status", "200")])
}

/// An exchange whose request has gone upstream.
fn asked(host: &Host) -> Stream {
    let stream = host.vm().stream();
    stream.on_request_headers(get(), true);
    stream
}

const PAUSED_HEADERS: &str = r#"
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 1))"#;

const CAS_ONCE: &str = r#"
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $get (i32.const 0) (i32.const 3)
            (i32.const 100) (i32.const 104) (i32.const 108)))
        (drop (call $probe (call $set (i32.const 0) (i32.const 3)
            (i32.const 32) (i32.const 6) (i32.load (i32.const 108)))))
        (i32.const 0))"#;

const READ_PROPERTY: &str = r#"
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (local i32)
        (local.set 3 (call $property (i32.const 16) (i32.const 11)
            (i32.const 100) (i32.const 104)))
        (drop (call $probe (i32.add (i32.mul (local.get 3) (i32.const 1000))
            (i32.load (i32.const 104)))))
        (i32.const 0))"#;

#[test]
fn shared_data_is_compared_and_swapped_as_in_the_proxy() {
    let mut shared = Shared::default();
    let mut check = |name: &str, key: &[u8], version: u32, expected: u32| {
        assert_eq!(shared.set(key, b"v", version), expected, "{name}");
    };
    check(
        "an absent key takes any version",
        b"a",
        u32::MAX,
        status::OK,
    );
    check(
        "an existing key refuses another",
        b"a",
        u32::MAX,
        status::CAS_MISMATCH,
    );
    check("its own version is taken", b"a", 1, status::OK);
    check("a spent version is refused", b"a", 1, status::CAS_MISMATCH);
    check("0 overwrites", b"a", 0, status::OK);
    check("another key, the same counter", b"b", 0, status::OK);
    assert_eq!(shared.get(b"b"), Some((b"v".to_vec(), 4)));
}

#[test]
fn another_worker_can_come_between_read_and_write() {
    let host = guest(CAS_ONCE);
    let (first, second) = (host.vm(), host.vm());
    first.stream().on_request_headers(get(), true);
    second.stream().on_request_headers(get(), true);
    assert_eq!(first.tick_period(), Some(status::OK));
    assert_eq!(second.tick_period(), Some(status::OK));
    let race = |shared: &mut Shared| assert_eq!(shared.set(b"key", b"other", 0), status::OK);
    host.fault_at("proxy_set_shared_data", 1, Fault::Race(Rc::new(race)));
    first.stream().on_request_headers(get(), true);
    assert_eq!(first.tick_period(), Some(status::CAS_MISMATCH));
    assert_eq!(host.heal(), 1);
    let (value, _) = host.world().shared.get(b"key").expect("it was written");
    assert_eq!(value, b"other");
}

#[test]
fn header_maps_have_their_wire_form() {
    let map = lines(&[(":path", "/"), ("x", ""), ("x", "2")]);
    let wire = encode_pairs(&map);
    assert_eq!(decode_pairs(&wire), Some(map));
    assert_eq!(encode_pairs(&Headers::new()), b"");
    let check = |name: &str, bytes: &[u8], expected: Option<usize>| {
        assert_eq!(decode_pairs(bytes).map(|map| map.len()), expected, "{name}");
    };
    check("nothing", b"", Some(0));
    check("cut", &wire[..wire.len() - 1], None);
    check("count without pairs", &[2, 0, 0, 0], None);
    check(
        "length past the end",
        &[1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 97, 0, 0],
        None,
    );
    check("bytes behind the end", &[0, 0, 0, 0, 0], None);
    check(
        "more pairs than the proxy takes",
        &1025_u32.to_le_bytes(),
        Some(0),
    );
}

#[test]
fn a_buffer_is_written_at_its_ends_only() {
    let check = |name: &str, start: usize, length: usize, expected: Option<&[u8]>| {
        let mut way = Way::default();
        way.begin_headers(ok(), false);
        way.begin_body(b"abcd".to_vec(), false);
        let written = way.write(start, length, b"XY");
        assert_eq!(written.map(|()| way.body()), expected, "{name}");
    };
    check("prepend", 0, 0, Some(b"XYabcd"));
    check("replace the start", 0, 3, Some(b"XYd"));
    check("replace everything", 0, usize::MAX, Some(b"XY"));
    check("append", 4, 0, Some(b"abcdXY"));
    check("append beyond the end", 9, 0, Some(b"abcdXY"));
    check("the middle", 2, 1, None);
}

#[test]
fn a_pause_keeps_the_body_and_shows_all_of_it_next_time() {
    let mut way = Way::default();
    way.begin_headers(ok(), false);
    way.after_headers(Action::Continue);
    assert_eq!(way.begin_body(b"ab".to_vec(), false), 2);
    way.after_body(Action::Pause);
    assert_eq!(way.begin_body(b"cd".to_vec(), false), 4);
    assert_eq!(way.body(), b"abcd");
    assert_eq!(way.sent.body, b"");
    way.after_body(Action::Continue);
    way.release();
    assert_eq!(way.begin_body(b"ef".to_vec(), true), 2);
    way.after_body(Action::Continue);
    way.release();
    assert_eq!(way.sent.body, b"abcdef");
    assert!(way.sent.ended);
}

#[test]
fn a_property_is_read_or_fails_as_planted() {
    let check = |name: &str, fault: Option<Fault>, expected: u32| {
        let host = guest(READ_PROPERTY);
        host.attribute(&["plugin_name"], b"guard");
        if let Some(fault) = fault {
            host.fault("proxy_get_property", fault);
        }
        let vm = host.vm();
        vm.stream().on_request_headers(get(), true);
        assert_eq!(vm.tick_period(), Some(expected), "{name}");
    };
    // Status times 1000, plus the size handed over.
    check("no fault", None, 5);
    check("a status nobody defined", Some(Fault::Status(20)), 20_000);
    check("Ok without a value", Some(Fault::Status(status::OK)), 0);
    check("other bytes", Some(Fault::Bytes(vec![0; 17])), 17);
    check("null with a size", Some(Fault::Null(9)), 9);
}

#[test]
#[should_panic(expected = "the module does not import proxy_get_propertie")]
fn a_fault_for_a_call_nobody_makes_is_refused() {
    guest("").fault("proxy_get_propertie", Fault::Trap);
}

#[test]
fn a_planted_trap_loses_the_machine_and_keeps_the_shared_data() {
    let host = guest(CAS_ONCE);
    let lost = host.vm();
    lost.stream().on_request_headers(get(), true);
    host.fault_at("proxy_get_shared_data", 1, Fault::Trap);
    for _ in 0..2 {
        let stream = lost.stream();
        let outcome = stream.on_request_headers(get(), true);
        assert_eq!(outcome.action, None);
        let headers = stream.downstream().headers.expect("an answer");
        assert_eq!(values(&headers, ":status"), [b"503"]);
        stream.finish();
    }
    assert_eq!(lost.failed(), Some("proxy_on_request_headers"));
    assert!(host.world().shared.get(b"key").is_some());
    host.vm().stream().on_request_headers(get(), true);
}

#[test]
#[should_panic(expected = "proxy_on_response_headers[2, 1, 1] of machine 1 did not return")]
fn a_trap_of_the_guest_fails_the_test_by_name() {
    let trap = r#"(func (export "proxy_on_response_headers")
        (param i32 i32 i32) (result i32) (unreachable))"#;
    asked(&guest(trap)).on_response_headers(ok(), true);
}

#[test]
fn calls_outside_of_their_phase_are_refused() {
    // The map asked for, as 1000 times the status.
    let check = |name: &str, callback: &str, map: u32, expected: u32| {
        let function = format!(
            r#"(func (export "{callback}") (param i32 i32 i32) (result i32)
                (drop (call $probe (call $header (i32.const {map}) (i32.const 0) (i32.const 3)
                    (i32.const 100) (i32.const 104))))
                (i32.const 0))"#
        );
        let host = guest(&function);
        let vm = host.vm();
        let stream = vm.stream();
        stream.on_request_headers(get(), true);
        stream.on_response_headers(ok(), true);
        assert_eq!(vm.tick_period(), Some(expected), "{name}");
    };
    let (request, response) = ("proxy_on_request_headers", "proxy_on_response_headers");
    check(
        "request headers in their callback",
        request,
        0,
        status::NOT_FOUND,
    );
    check(
        "request headers in the response",
        response,
        0,
        status::BAD_ARGUMENT,
    );
    check(
        "response headers in the request",
        request,
        2,
        status::BAD_ARGUMENT,
    );
    check(
        "response headers in their callback",
        response,
        2,
        status::NOT_FOUND,
    );
    check("no such map", request, 8, status::BAD_ARGUMENT);
}

#[test]
fn an_unknown_call_is_unimplemented() {
    let host = guest(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
            (drop (call $probe (call $unknown (i32.const 0)))) (i32.const 1))"#,
    );
    assert_eq!(host.vm().tick_period(), Some(status::UNIMPLEMENTED));
}

#[test]
fn a_local_reply_passes_through_our_own_response_callbacks() {
    let host = guest(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $reply (i32.const 403) (i32.const 0) (i32.const 3) (i32.const 32) (i32.const 6)
                (i32.const 0) (i32.const 0) (i32.const -1)))
        (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
            (drop (call $probe (local.get 1))) (i32.const 0))"#,
    );
    let vm = host.vm();
    let stream = vm.stream();
    let outcome = stream.on_request_headers(get(), false);
    assert_eq!(outcome.action, Some(Action::Pause));
    let reply = outcome.reply.expect("a local reply");
    assert_eq!((reply.status, reply.details), (403, b"key".to_vec()));
    assert_eq!(vm.tick_period(), Some(6));
    assert_eq!(stream.on_request_body(b"late", true).action, None);
    let downstream = stream.downstream();
    assert_eq!(downstream.body, b"denied");
    assert!(downstream.ended && stream.upstream().headers.is_none());
}

#[test]
fn headers_are_held_until_something_lets_them_go() {
    let host = guest(PAUSED_HEADERS);
    let stream = asked(&host);
    assert_eq!(stream.on_response_headers(ok(), false).forwarded, None);
    let outcome = stream.on_response_body(b"body", true);
    assert_eq!(outcome.forwarded, Some(ok()));
    assert_eq!(outcome.left, b"body");

    host.world().allow_on_headers_stop_iteration = false;
    let stream = asked(&host);
    stream.on_response_headers(ok(), false);
    let outcome = stream.on_response_body(b"body", true);
    assert_eq!((outcome.action, outcome.forwarded), (None, None));
}

#[test]
#[should_panic(expected = "envoy would have died")]
fn a_paused_response_over_the_buffer_limit_is_the_end() {
    let write = r#"
        (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 600000)))
            (i32.const 1))"#;
    let stream = asked(&guest(&format!("{PAUSED_HEADERS}{write}")));
    stream.on_response_headers(ok(), false);
    stream.on_response_body(b"", false);
    stream.on_response_body(b"", false);
}

#[test]
fn a_paused_request_over_the_buffer_limit_is_answered() {
    let host = guest(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (i32.const 1))
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 1))"#,
    );
    host.world().buffer_limit = 10;
    let stream = host.vm().stream();
    stream.on_request_headers(get(), false);
    stream.on_request_body(b"0123456789", false);
    assert_eq!(stream.downstream().headers, None);
    stream.on_request_body(b"0", true);
    let headers = stream.downstream().headers.expect("an answer");
    assert_eq!(values(&headers, ":status"), [b"413"]);
}

#[test]
fn a_stream_that_is_closed_stays_cut() {
    let host = guest(
        r#"(func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
            (drop (call $close (i32.const 1))) (i32.const 1))"#,
    );
    let stream = asked(&host);
    stream.on_response_headers(ok(), false);
    let outcome = stream.on_response_body(b"body", false);
    assert_eq!(outcome.reset.as_deref(), Some("wasm_close_stream"));
    assert_eq!(outcome.left, b"");
    assert_eq!(stream.on_response_body(b"more", true).action, None);
    assert!(!stream.downstream().ended);
}

#[test]
fn a_resumed_request_goes_on() {
    let host = guest(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (i32.const 1))
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
            (drop (call $continue (i32.const 0))) (i32.const 1))"#,
    );
    let stream = host.vm().stream();
    stream.on_request_headers(get(), false);
    assert_eq!(stream.on_request_body(b"body", true).forwarded, Some(get()));
}

#[test]
fn the_reply_of_another_filter_comes_without_a_request() {
    let host = guest("");
    let stream = host.vm().stream();
    let reply = LocalReply {
        status: 400,
        headers: Headers::new(),
        body: b"bad".to_vec(),
        details: b"codec_error".to_vec(),
    };
    assert_eq!(stream.on_foreign_reply(reply).left, b"bad");
    stream.finish();
}

#[test]
#[should_panic(expected = "the response said content-length")]
fn a_wrong_content_length_is_noticed() {
    let stream = asked(&guest(""));
    stream.on_response_headers(lines(&[(":status", "200"), ("content-length", "5")]), false);
    stream.on_response_body(b"four", true);
}
