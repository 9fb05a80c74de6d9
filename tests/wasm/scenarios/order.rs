//! Callbacks that come in another order than that of an ordinary exchange.

use crate::deployment::{Deployment, End, SECRET, Script, answer, bundle, patient};
use crate::exchange::LocalReply;
use crate::memory::Headers;
use crate::stream::{Stream, lines};
use crate::vm::Vm;

/// What can be called on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    RequestHeaders,
    RequestBody,
    RequestTrailers,
    ResponseHeaders,
    ResponseBody,
    ResponseTrailers,
    Log,
}

use Event::{
    Log, RequestBody, RequestHeaders, RequestTrailers, ResponseBody, ResponseHeaders,
    ResponseTrailers,
};

const EVENTS: [Event; 7] = [
    RequestHeaders,
    RequestBody,
    RequestTrailers,
    ResponseHeaders,
    ResponseBody,
    ResponseTrailers,
    Log,
];

/// Calls the guest whatever has come before, with maps and buffers in place as if it belonged
/// there; gives the action.
fn force(vm: &Vm, stream: &Stream, script: &Script, event: Event) -> Option<u32> {
    let id = stream.context();
    let mut worker = vm.worker();
    worker.create(id);
    let body = script.response_body[0].clone();
    let exchange = worker.exchange(id);
    let (name, arguments): (_, Vec<u32>) = match event {
        RequestHeaders => {
            exchange
                .request
                .begin_headers(script.request.clone(), false);
            ("proxy_on_request_headers", vec![id, 12, 0])
        }
        RequestBody => {
            let size = exchange.request.begin_body(b"{".to_vec(), false);
            ("proxy_on_request_body", vec![id, size as u32, 0])
        }
        RequestTrailers => {
            exchange.request.begin_trailers(Headers::new());
            ("proxy_on_request_trailers", vec![id, 0])
        }
        ResponseHeaders => {
            exchange
                .response
                .begin_headers(script.response.clone(), false);
            let details = (b"response\0code_details".to_vec(), b"via_upstream".to_vec());
            exchange.facts.extend([details]);
            ("proxy_on_response_headers", vec![id, 7, 0])
        }
        ResponseBody => {
            let size = exchange.response.begin_body(body, false);
            ("proxy_on_response_body", vec![id, size as u32, 0])
        }
        ResponseTrailers => {
            exchange
                .response
                .begin_trailers(lines(&[("x-late", SECRET)]));
            ("proxy_on_response_trailers", vec![id, 1])
        }
        Log => ("proxy_on_log", vec![id]),
    };
    let action = worker.enter(name, &arguments);
    worker.settle();
    action
}

/// Whether what would leave after a Continue holds what must not.
fn leaks(vm: &Vm, stream: &Stream, event: Event) -> bool {
    let mut worker = vm.worker();
    let response = &worker.exchange(stream.context()).response;
    let text = match event {
        ResponseBody => response.body().to_vec(),
        ResponseTrailers => response
            .trailers
            .iter()
            .flat_map(|(_, value)| value.clone())
            .collect(),
        _ => return false,
    };
    String::from_utf8_lossy(&text).contains(SECRET)
}

fn check_sequence(deployment: &Deployment, vm: &Vm, script: &Script, sequence: &[Event]) {
    let stream = vm.stream();
    for event in sequence {
        let action = force(vm, &stream, script, *event);
        // Answered or cut: the proxy lets nothing of the upstream's through any more.
        let over = stream.reply().is_some() || stream.reset().is_some();
        let went = action == Some(0) && leaks(vm, &stream, *event);
        assert!(
            over || !went,
            "{event:?} lets what is hidden go on, in {sequence:?}"
        );
    }
    drop(stream);
    deployment.rest();
}

#[test]
fn any_sequence_of_callbacks_is_survived_and_lets_nothing_out() {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    let script = deployment.read();
    script.drive(&vm);
    let count = EVENTS.len().pow(4);
    for number in 0..count {
        let mut rest = number;
        let sequence: Vec<Event> = std::iter::repeat_with(|| {
            let event = EVENTS[rest % EVENTS.len()];
            rest /= EVENTS.len();
            event
        })
        .take(4)
        .collect();
        check_sequence(&deployment, &vm, &script, &sequence);
    }
    assert_eq!(script.drive(&vm).status(), 200);
}

#[test]
fn orders_that_no_proxy_has_are_cut_or_answered() {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    let script = deployment.read();
    let check = |name: &str, sequence: &[Event]| {
        let stream = vm.stream();
        for event in sequence {
            force(&vm, &stream, &script, *event);
        }
        let over = stream.reply().is_some() || stream.reset().is_some();
        assert!(over, "{name}: the exchange goes on");
        deployment.rest();
    };
    check("body before headers", &[RequestBody]);
    check("trailers first", &[RequestTrailers]);
    check("response without request", &[ResponseHeaders]);
    check("response body without request", &[ResponseBody]);
    check("response trailers without request", &[ResponseTrailers]);
    check(
        "response headers twice",
        &[
            RequestHeaders,
            RequestBody,
            ResponseHeaders,
            ResponseHeaders,
        ],
    );
    check(
        "response while the request is read",
        &[RequestHeaders, ResponseHeaders],
    );
    let stream = vm.stream();
    script.ask(&stream);
    assert!(
        stream
            .on_response_headers(answer("200"), false)
            .reset
            .is_none()
    );
    force(&vm, &stream, &script, ResponseHeaders);
    let over = stream.reply().is_some() || stream.reset().is_some();
    assert!(over, "a second head while the first is held");
}

#[test]
fn the_end_of_an_exchange_that_never_began_leaves_a_record() {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    let stream = vm.stream();
    stream.finish();
    let record = End::of(&stream).record();
    assert_eq!(record["outcome"], "undecided", "{record}");
}

/// How far an exchange has come when something else happens.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Start,
    ReadingBody,
    Forwarded,
    Holding,
    Streaming,
    Done,
    Refused,
}

const PHASES: [Phase; 7] = [
    Phase::Start,
    Phase::ReadingBody,
    Phase::Forwarded,
    Phase::Holding,
    Phase::Streaming,
    Phase::Done,
    Phase::Refused,
];

/// An exchange that has come that far.
fn arrived(deployment: &Deployment, vm: &Vm, phase: Phase) -> Stream {
    let stream = vm.stream();
    let read = deployment.read();
    let half = || patient("p1").into_bytes()[..60].to_vec();
    match phase {
        Phase::Start => {}
        Phase::ReadingBody => {
            let update = deployment.update();
            stream.on_request_headers(update.request, false);
            stream.on_request_body(&update.request_body[0], false);
        }
        Phase::Forwarded => read.ask(&stream),
        Phase::Holding => {
            read.ask(&stream);
            stream.on_response_headers(read.response, false);
            stream.on_response_body(&half(), false);
        }
        Phase::Streaming => {
            let search = deployment.search();
            search.ask(&stream);
            stream.on_response_headers(search.response, false);
            let body = bundle(500, 1000).into_bytes();
            for piece in body[..550_000].chunks(1 << 16) {
                stream.on_response_body(piece, false);
            }
            assert!(!stream.downstream().body.is_empty());
        }
        Phase::Done => {
            read.ask(&stream);
            stream.on_response_headers(read.response, false);
            stream.on_response_body(&read.response_body[0], false);
        }
        Phase::Refused => {
            let head = deployment.head("GET", "/r4/Patient/p2", &deployment.token("patient/*.rs"));
            stream.on_request_headers(head, true);
        }
    }
    stream
}

#[test]
fn an_answer_of_the_proxy_itself_passes_and_is_recorded() {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    let check = |phase: Phase, outcome: &str, status: Option<u16>, client: u16| {
        let stream = arrived(&deployment, &vm, phase);
        let reply = LocalReply {
            status: 504,
            headers: Headers::new(),
            body: b"upstream request timeout".to_vec(),
            details: b"response_timeout".to_vec(),
        };
        stream.on_foreign_reply(reply);
        stream.finish();
        let end = End::of(&stream);
        let record = end.record();
        assert_eq!(record["outcome"], outcome, "{phase:?}: {record}");
        let recorded = record.get("status").map(|status| status.as_u64());
        assert_eq!(
            recorded,
            status.map(|status| Some(u64::from(status))),
            "{phase:?}: {record}"
        );
        assert_eq!(end.status(), client, "{phase:?}");
        let text = String::from_utf8_lossy(&end.downstream.body).into_owned();
        assert!(!text.contains(SECRET), "{phase:?}: {text}");
        deployment.rest();
    };
    check(Phase::Start, "undecided", Some(504), 504);
    check(Phase::ReadingBody, "proxy", Some(504), 504);
    check(Phase::Forwarded, "proxy", Some(504), 504);
    // Past the filters: the log callback is the first to know.
    check(Phase::Holding, "cut", Some(504), 504);
    // The head has left: all that the proxy can do is a reset.
    check(Phase::Streaming, "cut", Some(200), 200);
    check(Phase::Done, "allowed", Some(200), 200);
    check(Phase::Refused, "refused", Some(404), 404);
}

#[test]
fn an_answer_of_another_filter_is_recognised_by_its_details() {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    let check = |details: &[u8], expected: u16| {
        let stream = arrived(&deployment, &vm, Phase::Forwarded);
        let reply = LocalReply {
            status: 403,
            headers: Headers::new(),
            body: b"denied".to_vec(),
            details: details.to_vec(),
        };
        stream.on_foreign_reply(reply);
        stream.finish();
        assert_eq!(End::of(&stream).status(), expected, "{details:?}");
        deployment.rest();
    };
    check(b"ext_authz_denied", 403);
    check(
        b"upstream_reset_before_response_started{connection_failure|TLS_error:|268435581:_x}",
        403,
    );
    check(b"\x00\xff", 502);
    // Not told apart from an answer of the upstream: it is withheld.
    check(b"", 502);
}

#[test]
fn a_peer_that_goes_away_leaves_a_record_in_every_phase() {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    for phase in PHASES {
        let stream = arrived(&deployment, &vm, phase);
        stream.on_reset();
        stream.finish();
        let record = End::of(&stream).record();
        let expected = match phase {
            Phase::Start => "undecided",
            Phase::Done => "allowed",
            Phase::Refused => "refused",
            _ => "cut",
        };
        assert_eq!(record["outcome"], expected, "{phase:?}: {record}");
        deployment.rest();
    }
    assert_eq!(deployment.read().drive(&vm).status(), 200);
}

#[test]
fn what_comes_after_a_refusal_is_not_forwarded() {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    let script = deployment.update();
    let stream = vm.stream();
    let mut head = script.request.clone();
    head.retain(|(name, _)| name != b"authorization");
    let refused = stream.on_request_headers(head, false);
    assert_eq!(refused.reply.map(|reply| reply.status), Some(401));
    for event in [RequestBody, RequestBody, RequestTrailers] {
        // The proxy calls nothing any more; should it, nothing goes on.
        assert_eq!(force(&vm, &stream, &script, event), Some(1), "{event:?}");
    }
    stream.finish();
    let end = End::of(&stream);
    assert_eq!((end.status(), end.upstream.headers), (401, None));
    deployment.rest();
    assert_eq!(script.drive(&vm).status(), 200);
}
