//! Patches, the frames of a body, and conditions: writes that are more than a resource.

use serde_json::{Value, json};

use super::ask;
use super::writes::{ALL, FHIR, PATCH, condition, put};
use crate::table::{
    BEFORE_ID, BY_ENVOY, MALFORMED, MEDIA_TYPE, METHOD, NOT_SUPPORTED, Table, refusal,
};

/// A patch that reads tells, or carries to where it shows, what is hidden from its writer.
pub(super) async fn patches(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    let on = |path: &str, scope: &str, operations: Value| {
        ask(world, scope, "PATCH", path).body(PATCH, operations.to_string())
    };
    let patch = |scope: &str, operations: Value| on("/r4/Condition/c-p5-1", scope, operations);
    // Whoever sees only a part of a type does not change it at all; whoever may not read does not
    // ask by way of a patch.
    for (path, scope, rule) in [
        ("/r4/Patient/p5", ALL, "update-of-redacted"),
        ("/r4/Patient/p5", "user/Patient.u", "update-of-redacted"),
        ("/r4/Patient/p5", "system/Patient.ru", "update-of-redacted"),
        (
            "/r4/Condition/c-p5-1",
            "user/Condition.u",
            "patch-operation",
        ),
        (
            "/r4/Condition/c-p5-1",
            "system/Condition.cus",
            "patch-operation",
        ),
    ] {
        for (name, operation) in [
            (
                "test",
                json!({ "op": "test", "path": "/birthDate", "value": "1980-01-01" }),
            ),
            (
                "copy",
                json!({ "op": "copy", "from": "/birthDate", "path": "/maritalStatus" }),
            ),
            (
                "move",
                json!({ "op": "move", "from": "/address/0/city", "path": "/name/0/text" }),
            ),
        ] {
            let operations =
                json!([{ "op": "replace", "path": "/active", "value": true }, operation]);
            let name = format!("{name} of {path} with {scope}");
            let rule = format!("request.not-supported.{rule}");
            let request = on(path, scope, operations);
            table
                .refused(&name, &client, request, NOT_SUPPORTED, &rule)
                .await;
        }
    }
    // Where something is hidden of another type, it could be contained here, and come to light as
    // another type or elsewhere.
    for (name, operation) in [
        (
            "test",
            json!({ "op": "test", "path": "/contained/0/birthDate", "value": "1980-01-01" }),
        ),
        (
            "copy",
            json!({ "op": "copy", "from": "/contained/0/birthDate", "path": "/recordedDate" }),
        ),
        (
            "move",
            json!({ "op": "move", "from": "/contained", "path": "/extension" }),
        ),
        (
            "replace",
            json!({ "op": "replace", "path": "/contained/0/resourceType", "value": "Basic" }),
        ),
    ] {
        let request = patch(ALL, json!([operation]));
        let rule = "request.not-supported.patch-operation";
        table
            .refused(name, &client, request, NOT_SUPPORTED, rule)
            .await;
    }
    let malformed = "request.malformed.body";
    for (name, operations) in [
        ("empty", json!([])),
        ("no list", json!({ "op": "remove", "path": "/active" })),
        (
            "the whole",
            json!([{ "op": "replace", "path": "", "value": {} }]),
        ),
        ("an unknown one", json!([{ "op": "merge", "path": "/a" }])),
        (
            "too many",
            json!(vec![json!({ "op": "remove", "path": "/active" }); 1001]),
        ),
        ("a resource", condition()),
    ] {
        table
            .refused(name, &client, patch(ALL, operations), MALFORMED, malformed)
            .await;
    }
    for media_type in [
        FHIR,
        "application/json",
        "application/merge-patch+json",
        "application/xml-patch+xml",
    ] {
        let request = ask(world, ALL, "PATCH", "/r4/Condition/c-p5-1").body(media_type, "[]");
        table
            .refused(
                media_type,
                &client,
                request,
                MEDIA_TYPE,
                "request.media-type",
            )
            .await;
    }
    let plain = json!([{ "op": "replace", "path": "/recordedDate", "value": "2025-01-01" }]);
    table
        .answered("a plain patch", &client, patch(ALL, plain), 200)
        .await;
    // Who sees everything may; the test server knows no such operation, and says so.
    let tested = json!([{ "op": "test", "path": "/active", "value": true }]);
    table
        .answered(
            "a test",
            &client,
            on("/r4/Patient/p5", "user/Patient.cruds", tested),
            422,
        )
        .await;
}

/// The frames of a body: chunks, trailers, lengths that disagree.
pub(super) async fn frames(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().quiet(std::time::Duration::from_millis(300));
    let body = condition().to_string();
    let token = world.token(ALL);
    let head = |more: &str| {
        format!(
            "PUT /r4/Condition/new HTTP/1.1\r\nhost: fhir.example.org\r\nauthorization: Bearer {token}\r\ncontent-type: {FHIR}\r\n{more}\r\n\r\n"
        )
    };
    let bytes =
        |more: &str, body: &str| [head(more).into_bytes(), body.as_bytes().to_vec()].concat();
    let (first, second) = body.split_at(20);
    let chunked = format!(
        "{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    world.fhir.forget_requests();
    table
        .raw_answered(
            "chunks",
            &client,
            &bytes("transfer-encoding: chunked", &chunked),
            200,
        )
        .await;
    let sent: Vec<_> = world
        .fhir
        .requests()
        .into_iter()
        .map(|request| request.body)
        .collect();
    if sent != [body.as_bytes()] {
        table.fault("chunks", &format!("{sent:?} went upstream"));
    }
    let single: String = body
        .chars()
        .map(|character| format!("1\r\n{character}\r\n"))
        .collect();
    table
        .raw_answered(
            "a byte a chunk",
            &client,
            &bytes("transfer-encoding: chunked", &format!("{single}0\r\n\r\n")),
            200,
        )
        .await;
    // Trailers of HTTP/1.1 are not enabled in the manifest: Envoy leaves them out.
    let trailed = chunked.replace("0\r\n\r\n", "0\r\nx-more: 1\r\nauthorization: x\r\n\r\n");
    let bytes_of_trailed = bytes("transfer-encoding: chunked", &trailed);
    table
        .raw_answered("trailers", &client, &bytes_of_trailed, 200)
        .await;
    let empty = "0\r\n\r\n";
    table
        .raw_refused(
            "no chunk",
            &client,
            &bytes("transfer-encoding: chunked", empty),
            MALFORMED,
            "request.malformed.body",
        )
        .await;
    let length = format!("content-length: {}", body.len());
    table
        .raw_answered("a length", &client, &bytes(&length, &body), 200)
        .await;
    // Where the two disagree a second reader would begin elsewhere; Envoy refuses, and closes.
    for (name, more) in [
        (
            "length and chunks",
            format!("{length}\r\ntransfer-encoding: chunked"),
        ),
        ("two lengths", format!("{length}\r\ncontent-length: 1")),
        ("a negative length", "content-length: -1".to_owned()),
        ("a length in hexadecimal", "content-length: 0x10".to_owned()),
    ] {
        let bytes = bytes(&more, &chunked);
        table
            .raw_refused(name, &client, &bytes, MALFORMED, BEFORE_ID)
            .await;
    }
    for encoding in ["gzip, chunked", "chunked, chunked", "identity"] {
        let bytes = bytes(&format!("transfer-encoding: {encoding}"), &chunked);
        let refusal = refusal(501, "not-supported", None);
        table
            .raw_refused(encoding, &client, &bytes, refusal, BEFORE_ID)
            .await;
    }
    for (name, chunks) in [
        ("a chunk without a size", "\r\nx\r\n0\r\n\r\n"),
        ("a chunk of size x", "x\r\nx\r\n0\r\n\r\n"),
        (
            "a chunk of a huge size",
            "ffffffffffffffffff\r\nx\r\n0\r\n\r\n",
        ),
    ] {
        let bytes = bytes("transfer-encoding: chunked", chunks);
        table
            .raw_refused(name, &client, &bytes, MALFORMED, BY_ENVOY)
            .await;
    }
}

/// Conditional interactions are searches in disguise.
pub(super) async fn conditions(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    let body = condition().to_string();
    let rule = "request.not-supported.condition";
    for (name, request) in [
        (
            "create",
            ask(world, ALL, "POST", "/r4/Condition")
                .body(FHIR, body.clone())
                .header("if-none-exist", "patient=p2"),
        ),
        (
            "update",
            put(world, body.clone()).header("if-none-match", "*"),
        ),
        (
            "update since",
            put(world, body.clone()).header("if-unmodified-since", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ),
        (
            "delete",
            ask(world, ALL, "DELETE", "/r4/Condition/x").header("if-modified-since", "x"),
        ),
    ] {
        table
            .refused(name, &client, request, NOT_SUPPORTED, rule)
            .await;
    }
    for (name, request) in [
        (
            "update by search",
            ask(world, ALL, "PUT", "/r4/Condition?patient=p1").body(FHIR, body.clone()),
        ),
        (
            "patch by search",
            ask(world, ALL, "PATCH", "/r4/Condition?patient=p1").body(PATCH, "[]"),
        ),
        (
            "delete by search",
            ask(world, ALL, "DELETE", "/r4/Condition?patient=p1"),
        ),
    ] {
        table
            .refused(name, &client, request, METHOD, "request.method")
            .await;
    }
    for (name, path) in [
        ("create", "/r4/Condition?x=y"),
        ("create by search", "/r4/Condition?patient=p1"),
    ] {
        let request = ask(world, ALL, "POST", path).body(FHIR, body.clone());
        table
            .refused(
                name,
                &client,
                request,
                NOT_SUPPORTED,
                "request.not-supported.parameter",
            )
            .await;
    }
    for tag in [
        "3",
        "\"3\"",
        "W/3",
        "*",
        "W/\"1\", W/\"2\"",
        "W/\"\"",
        "W/\"a b\"",
        "\u{e9}",
    ] {
        let request = put(world, body.clone()).header("if-match", tag);
        table
            .refused(
                &format!("if-match {tag}"),
                &client,
                request,
                MALFORMED,
                "request.malformed.if-match",
            )
            .await;
    }
    let twice = put(world, body.clone())
        .header("if-match", "W/\"1\"")
        .header("if-match", "W/\"1\"");
    table
        .refused(
            "if-match twice",
            &client,
            twice,
            MALFORMED,
            "request.malformed.if-match",
        )
        .await;
    let asynchronous = ask(world, ALL, "GET", "/r4/Patient").header("prefer", "respond-async");
    table
        .refused(
            "respond-async",
            &client,
            asynchronous,
            NOT_SUPPORTED,
            "request.not-supported.prefer",
        )
        .await;
}
