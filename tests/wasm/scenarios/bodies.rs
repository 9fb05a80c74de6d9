//! Bodies, cut anywhere.

use crate::deployment::{Deployment, End, Script, bundle, patient, redacted, rubbish};
use crate::memory::Bytes;
use crate::stream::lines;

/// Drives the exchange with these pieces of the answer; gives what the client got.
fn answered(
    deployment: &Deployment,
    script: &Script,
    vm: &crate::vm::Vm,
    pieces: Vec<Bytes>,
) -> End {
    let end = Script {
        response_body: pieces,
        ..script.clone()
    }
    .drive(vm);
    deployment.rest();
    end
}

fn check_answers(script: impl Fn(&Deployment) -> Script) {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    let script = script(&deployment);
    let body = script.response_body.concat();
    let whole = answered(&deployment, &script, &vm, vec![body.clone()]);
    assert_eq!(whole.status(), 200);
    whole.check_closed("whole", &whole);
    let check = |name: &str, pieces: Vec<Bytes>| {
        assert_eq!(pieces.concat(), body);
        let end = answered(&deployment, &script, &vm, pieces);
        assert_eq!(end.downstream, whole.downstream, "{name}");
        assert_eq!(end.reset, None, "{name}");
        assert_eq!(end.record()["outcome"], "allowed", "{name}");
    };
    for at in 0..=body.len() {
        let (first, second) = body.split_at(at);
        check(&format!("cut at {at}"), vec![first.into(), second.into()]);
    }
    for seed in 0..200_u64 {
        let random = rubbish(seed, 4);
        let place = |at: usize| {
            usize::from(u16::from_le_bytes([random[at], random[at + 1]])) % (body.len() + 1)
        };
        let (first, second) = (place(0).min(place(2)), place(0).max(place(2)));
        let pieces = vec![
            body[..first].into(),
            body[first..second].into(),
            body[second..].into(),
        ];
        check(&format!("cut at {first} and {second}"), pieces);
    }
    let bytes = body.iter().map(|byte| vec![*byte]).collect();
    check("byte by byte", bytes);
    check("an empty last piece", vec![body.clone(), vec![]]);
    check(
        "empty pieces throughout",
        vec![vec![], body.clone(), vec![], vec![]],
    );
}

#[test]
fn a_resource_is_the_same_however_it_is_cut() {
    check_answers(Deployment::read);
}

#[test]
fn a_bundle_is_the_same_however_it_is_cut() {
    check_answers(Deployment::search);
}

#[test]
fn a_streamed_bundle_is_the_same_however_it_is_cut() {
    check_answers(|deployment| {
        let mut script = deployment.search();
        // Said to be large, so that the head leaves at once; what is said is not passed on.
        script
            .response
            .extend(lines(&[("content-length", "9999999")]));
        script
    });
}

#[test]
fn a_request_body_is_the_same_however_it_is_cut() {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    let script = deployment.update();
    let body = script.request_body.concat();
    let check = |name: &str, pieces: Vec<Bytes>| {
        let end = Script {
            request_body: pieces,
            ..script.clone()
        }
        .drive(&vm);
        deployment.rest();
        assert_eq!(end.status(), 200, "{name}");
        assert_eq!(end.upstream.body, body, "{name}");
        assert!(end.upstream.ended, "{name}");
    };
    for at in 0..=body.len() {
        let (first, second) = body.split_at(at);
        check(&format!("cut at {at}"), vec![first.into(), second.into()]);
    }
    check(
        "byte by byte",
        body.iter().map(|byte| vec![*byte]).collect(),
    );
    check("an empty last piece", vec![body.clone(), vec![]]);
    check("an empty first piece", vec![vec![], body.clone()]);
}

#[test]
fn a_request_body_that_is_not_whole_is_not_forwarded() {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    let script = deployment.update();
    let body = script.request_body.concat();
    for at in 0..body.len() {
        let end = Script {
            request_body: vec![body[..at].into()],
            ..script.clone()
        }
        .drive(&vm);
        deployment.rest();
        assert_eq!(
            (end.status(), end.upstream.headers),
            (400, None),
            "cut at {at}"
        );
    }
}

#[test]
fn an_answer_that_is_not_whole_does_not_leave() {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    for script in [deployment.read(), deployment.search()] {
        let body = script.response_body.concat();
        let whole = answered(&deployment, &script, &vm, vec![body.clone()]);
        for at in 0..body.len() {
            let end = answered(&deployment, &script, &vm, vec![body[..at].into()]);
            assert_eq!(end.status(), 502, "cut at {at}");
            end.check_closed(&format!("cut at {at}"), &whole);
            assert_eq!(end.record()["outcome"], "withheld", "cut at {at}");
        }
    }
}

#[test]
fn trailers_do_not_leave_and_end_what_is_whole() {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    let trailers = Some(lines(&[("x-patient", "7291-secret")]));
    let script = Script {
        response_trailers: trailers,
        ..deployment.read()
    };
    let body = patient("p1").into_bytes();
    for at in 0..=body.len() {
        let (first, second) = body.split_at(at);
        let end = answered(&deployment, &script, &vm, vec![first.into(), second.into()]);
        assert_eq!(end.status(), 200, "cut at {at}");
        assert_eq!(
            end.downstream.body,
            redacted("p1").as_bytes(),
            "cut at {at}"
        );
        assert_eq!(
            end.downstream.trailers.unwrap_or_default(),
            [],
            "cut at {at}"
        );
        assert!(end.downstream.ended);
        if at < body.len() {
            let end = answered(&deployment, &script, &vm, vec![first.into()]);
            assert_eq!((end.status(), end.reset), (502, None), "whole at {at}");
        }
    }
    let script = Script {
        response_trailers: Some(lines(&[("x-patient", "7291-secret")])),
        ..deployment.update()
    };
    let end = script.drive(&vm);
    assert_eq!((end.status(), end.downstream.trailers), (200, Some(vec![])));
}

#[test]
fn trailers_of_a_request_are_refused() {
    let deployment = Deployment::new();
    let script = deployment.update();
    let stream = deployment.vm().stream();
    stream.on_request_headers(script.request.clone(), false);
    stream.on_request_body(&script.request_body.concat(), false);
    stream.on_request_trailers(lines(&[("x-late", "1")]));
    stream.finish();
    let end = End::of(&stream);
    assert_eq!((end.status(), end.upstream.headers), (400, None));
}

#[test]
fn a_large_search_is_streamed_in_bounded_memory() {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    let script = deployment.search();
    let check = |name: &str, entries: usize, piece: usize, length: bool| -> usize {
        let body = bundle(entries, 2500).into_bytes();
        let mut script = script.clone();
        if length {
            let text = body.len().to_string();
            script.response.extend(lines(&[("content-length", &text)]));
        }
        script.response_body = body.chunks(piece).map(<[u8]>::to_vec).collect();
        let stream = vm.stream();
        script.ask(&stream);
        stream.on_response_headers(script.response.clone(), false);
        let last = script.response_body.len() - 1;
        let (mut came, mut left) = (0, 0);
        for (index, piece) in script.response_body.iter().enumerate() {
            came += piece.len();
            left += stream.on_response_body(piece, index == last).left.len();
            // A third of it is another patient's; of the rest one resource, or what is held while
            // the head can still be withheld, may be late.
            let late = (came / 5 * 3).saturating_sub(left);
            assert!(
                late < (512 << 10) + piece.len(),
                "{name}: {late} bytes late after {came}"
            );
        }
        stream.finish();
        let end = End::of(&stream);
        assert_eq!((end.status(), end.reset.as_deref()), (200, None), "{name}");
        end.check_closed(name, &end);
        let parsed: serde_json::Value =
            serde_json::from_slice(&end.downstream.body).expect("a Bundle");
        let kept = parsed["entry"].as_array().expect("entries").len();
        assert_eq!(kept, entries - (entries + 1) / 3, "{name}");
        deployment.rest();
        vm.memory_bytes()
    };
    let small = check("warm-up", 3, 1 << 16, false);
    let once = check("3 MB in pieces of 64 KiB", 1200, 1 << 16, false);
    let known = check("3 MB of known length", 1200, 1 << 16, true);
    let again = check("12 MB in pieces of 64 KiB", 4800, 1 << 16, false);
    let fine = check("3 MB in pieces of 1000 bytes", 1200, 1000, false);
    println!("guest memory: {small}, {once}, {known}, {again}, {fine}");
    assert!(once - small <= 4 << 20, "{small} bytes grew to {once}");
    assert_eq!(
        (known, again, fine),
        (once, once, once),
        "memory grows with the answer"
    );
    // Pieces as large as Envoy's buffer.
    let coarse = check("3 MB in pieces of 1 MiB", 1200, 1 << 20, false);
    println!("guest memory with pieces of 1 MiB: {coarse}");
    assert!(coarse - small <= 16 << 20, "{small} bytes grew to {coarse}");
}

#[test]
fn exchanges_give_back_what_they_held() {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    let refused = {
        let mut script = deployment.read();
        script.request.retain(|(name, _)| name != b"authorization");
        script
    };
    let mut cut = deployment.search();
    cut.response_body.truncate(1);
    if let Some(piece) = cut.response_body.first_mut() {
        let half = piece.len() / 2;
        piece.truncate(half);
    }
    let scripts = [
        deployment.read(),
        deployment.search(),
        deployment.update(),
        refused,
        cut,
    ];
    let run = |rounds: usize| {
        for _ in 0..rounds {
            deployment.rest();
            for script in &scripts {
                script.drive(&vm);
            }
        }
        vm.memory_bytes()
    };
    // Tables and buffers take their size first, and statistics are told when there are enough.
    let settled = run(60);
    assert_eq!(run(400), settled, "after two thousand exchanges");
}
