//! Answers around every limit there is, over every pair of protocols: no byte lost, none doubled.
//!
//! The limits: half of `hold_limit` (above it the head leaves before the end), `hold_limit`, the
//! size of the pieces in which Envoy hands a body over, Envoy's buffer limit, and `resource_limit`.

use std::sync::Arc;

use fhir_guard_harness::client::{End, Request, Version};
use serde_json::{Value, json};

use crate::wire::{check_head, check_refusal, resources};
use crate::world::{Setting, World, http2_upstream, is_cut};

const KIB: usize = 1024;
const HOLD: usize = 512 * KIB;
const RESOURCE: usize = 8192 * KIB;
/// The largest pieces that were ever measured with the shipped manifest: the cluster's buffer limit
/// and one read of a socket.
const PIECE: usize = (128 + 128) * KIB;

/// How the upstream frames its answer.
const FRAMINGS: [Option<&str>; 3] = [None, Some("no-content-length"), Some("trailers")];

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_every_size_pass_whole() {
    every_size(Setting::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_every_size_pass_whole_with_trailers() {
    every_size(Setting {
        raw_upstream: true,
        ..Setting::default()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_every_size_pass_whole_over_http2() {
    every_size(Setting {
        envoy: Some(Box::new(http2_upstream)),
        ..Setting::default()
    })
    .await;
}

/// An operator may give the cluster Envoy's default of 1 MiB: then answers close in one large piece.
/// Only the combination of such a piece with trailers leaves no place to write it.
#[tokio::test(flavor = "multi_thread")]
async fn answers_in_large_pieces_pass_whole() {
    let world = World::shared(Setting {
        envoy: Some(Box::new(|config: &mut Value| {
            config["static_resources"]["clusters"][0]["per_connection_buffer_limit_bytes"] =
                json!(1024 * KIB);
        })),
        ..Setting::default()
    })
    .await;
    for size in [HOLD + 1, HOLD + 100 * KIB, 900 * KIB, 1000 * KIB] {
        put(&world, size).await;
        for version in [Version::Http1, Version::Http2] {
            for framing in [None, Some("no-content-length")] {
                whole(&world, size, version, framing).await;
            }
        }
    }
    world.close().await;
}

/// Many held answers at once on one connection, whose buffer is shared.
#[tokio::test(flavor = "multi_thread")]
async fn many_large_answers_share_a_connection() {
    let world = World::shared(Setting::default()).await;
    put(&world, HOLD - 1).await;
    let told = world.direct("/Condition/size").await;
    let certificate = world.pki.client("clinic-a");
    let token = world.token("system/Condition.rs");
    for framing in FRAMINGS {
        world.fhir.misbehave(framing);
        let client = world.client_of(Some(&certificate), Version::Http2, "secure");
        let client = Arc::new(client.reuse(true));
        let mut exchanges = Vec::new();
        for _ in 0..40 {
            world.expect_records(1);
            let (client, token) = (Arc::clone(&client), token.clone());
            exchanges.push(tokio::spawn(async move {
                let request = Request::get("/r4/Condition/size").bearer(&token);
                client.send(request).await
            }));
        }
        for exchange in exchanges {
            let answer = exchange.await.expect("no panic").expect("an answer");
            assert_eq!((answer.status, &answer.end), (200, &End::Complete));
            assert!(answer.body == told, "{framing:?}: another body");
        }
        world.fhir.misbehave(None);
    }
    world.close().await;
}

/// A body on the way in is held whole, too: up to `fhir.body_limit`, and refused beyond it.
#[tokio::test(flavor = "multi_thread")]
async fn requests_of_every_size_pass_whole() {
    let world = World::shared(Setting::default()).await;
    for version in [Version::Http1, Version::Http2] {
        let client = world.client_of(Some(&world.pki.client("clinic-a")), version, "secure");
        for size in [
            60 * KIB,
            70 * KIB,
            HOLD - 1,
            HOLD,
            HOLD + 1,
            2 * HOLD,
            20 * HOLD,
        ] {
            let name = format!("a body of {size} bytes, {version:?}");
            let bare = |text: String| {
                json!({
                    "resourceType": "Condition", "id": "sent",
                    "subject": {"reference": "Patient/p1"}, "code": {"text": "x"}, "note": [{"text": text}]
                })
                .to_string()
            };
            let body = bare("n".repeat(size - bare(String::new()).len()));
            world.fhir.forget_requests();
            let request = Request::new("PUT", "/r4/Condition/sent")
                .body("application/fhir+json", body.clone())
                .bearer(&world.token("system/Condition.cud"));
            let answer = world.send(&client, request).await;
            let received = world.fhir.requests();
            if size > HOLD {
                check_refusal(&name, &answer, 413, "too-long");
                assert!(received.is_empty(), "{name}: forwarded");
            } else {
                check_head(&name, &answer);
                assert!([200, 201].contains(&answer.status), "{name}");
                assert!(received[0].body == body.as_bytes(), "{name}: another body");
            }
        }
    }
    world.close().await;
}

async fn every_size(setting: Setting) {
    const { assert!(PIECE <= HOLD / 2) };
    let world = World::shared(setting).await;
    let around = |limit: usize| [limit - 1, limit, limit + 1];
    let sizes = [
        vec![20 * KIB],
        around(64 * KIB).to_vec(),
        around(PIECE).to_vec(),
        around(HOLD).to_vec(),
        vec![HOLD + PIECE],
        around(1024 * KIB).to_vec(),
        vec![3000 * KIB, RESOURCE - KIB],
        around(RESOURCE).to_vec(),
    ]
    .concat();
    for size in sizes {
        put(&world, size).await;
        for version in [Version::Http1, Version::Http2] {
            for framing in FRAMINGS {
                whole(&world, size, version, framing).await;
            }
        }
    }
    let records = world.records().await;
    for record in records {
        let outcome = &record["outcome"];
        assert!(outcome == "allowed" || outcome == "cut", "{record}");
    }
    world.close().await;
}

/// Puts a Condition, of which nothing is redacted, of exactly this size into the server, as its own JSON text.
async fn put(world: &World, size: usize) {
    let condition = |padding: usize| {
        // Not one byte like the next, so that a doubled or lost piece cannot hide.
        let padding: String = (0..padding)
            .map(|at| char::from(b'a' + u8::try_from((at / 7 + at % 7 + at / 4096) % 26).unwrap()))
            .collect();
        json!({
            "resourceType": "Condition", "id": "size",
            "code": {"text": "size"}, "subject": {"reference": "Patient/p1"},
            "note": [{"text": padding}]
        })
    };
    // The number of the version is part of the text: of one length up to 9, and again from 10.
    for _ in 0..10 {
        let bare = condition(10);
        world.put(&bare).await;
        let length = world.direct("/Condition/size").await.len();
        world.put(&condition(10 + size - length)).await;
        if world.direct("/Condition/size").await.len() == size {
            return;
        }
    }
    panic!("no resource of {size} bytes");
}

/// A read and a search of the resource.
async fn whole(world: &World, size: usize, version: Version, framing: Option<&str>) {
    let told = world.direct("/Condition/size").await;
    let told: Value = serde_json::from_slice(&told).expect("the server's own JSON");
    let client = world.client_of(Some(&world.pki.client("clinic-a")), version, "secure");
    let token = world.token("system/Condition.rs");
    for path in ["/r4/Condition/size", "/r4/Condition?_id=size"] {
        let name = format!("{path} of {size} bytes, {version:?}, {framing:?}");
        world.fhir.misbehave(framing);
        let answer = world.send(&client, Request::get(path).bearer(&token)).await;
        world.fhir.misbehave(None);
        check_head(&name, &answer);
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert!(answer.trailers.is_empty(), "{name}");
        // The limit holds for an entry of a Bundle, which is some hundred bytes more.
        let envelope = if path.contains('?') { 70 } else { 0 };
        if size + envelope > RESOURCE {
            // Found to be too large behind the head.
            assert!(is_cut(&answer, version, false), "{name}");
            assert!(answer.body.len() < KIB, "{name}");
            continue;
        }
        assert_eq!(answer.end, End::Complete, "{name}");
        let came = answer.json().expect(&name);
        if path.contains('?') {
            assert!(resources(&came) == [told.clone()], "{name}: another body");
        } else {
            assert_eq!(answer.body.len(), size, "{name}");
            assert!(came == told, "{name}: another body");
        }
    }
}
