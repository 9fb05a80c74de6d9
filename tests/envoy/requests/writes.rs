//! Bodies: what may be written, and what an upstream never gets to see.

use fhir_guard_harness::client::{Request, Version};
use serde_json::{Value, json};

use super::ask;
use crate::table::{
    BEFORE_ID, BY_ENVOY, MALFORMED, MEDIA_TYPE, NOT_SUPPORTED, TOO_LARGE, Table, refusal,
};
use crate::world::{Setting, World};

const ALL: &str = "system/*.cruds";
const FHIR: &str = "application/fhir+json";
const PATCH: &str = "application/json-patch+json";

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_inspected_before_anything_goes_upstream() {
    let world = World::with(Setting {
        policy: Some(Box::new(|policy| {
            policy["fhir"]["body_limit"] = json!("64KiB");
        })),
        ..Setting::default()
    })
    .await;
    let mut table = Table::new(&world);
    for version in [Version::Http1, Version::Http2] {
        bodies(&mut table, version).await;
        media_types(&mut table, version).await;
        sizes(&mut table, version).await;
    }
    patches(&mut table).await;
    framing(&mut table).await;
    conditions(&mut table).await;
    table.finish().await;
    world.close().await;
}

fn put(world: &World, body: impl Into<Vec<u8>>) -> Request {
    ask(world, ALL, "PUT", "/r4/Observation/new").body(FHIR, body)
}

fn observation() -> Value {
    json!({
        "resourceType": "Observation",
        "id": "new",
        "status": "final",
        "code": { "text": "x" },
        "subject": { "reference": "Patient/p1" },
    })
}

async fn bodies(table: &mut Table<'_>, version: Version) {
    let world = table.world;
    let certificate = world.pki.client("clinic-a");
    let client = world
        .client_of(Some(&certificate), version, "secure")
        .reuse(true);
    let good = observation().to_string();
    let with = |name: &str, value: Value| {
        let mut observation = observation();
        observation[name] = value;
        observation.to_string()
    };
    let tagged = |system: &str, code: &str| {
        with(
            "meta",
            json!({ "tag": [{ "system": system, "code": code }] }),
        )
    };
    let subsetted = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
    for (name, body, rule) in [
        (
            "another type",
            with("resourceType", json!("Patient")),
            "body-mismatch",
        ),
        (
            "a Bundle",
            json!({ "resourceType": "Bundle", "type": "batch" }).to_string(),
            "body-mismatch",
        ),
        (
            "an unknown type",
            with("resourceType", json!("Thing")),
            "body",
        ),
        (
            "a type that is no string",
            with("resourceType", json!(["Observation"])),
            "body",
        ),
        ("another id", with("id", json!("other")), "body-mismatch"),
        ("no id", good.replace(r#""id":"new","#, ""), "body-mismatch"),
        ("an id that is a number", with("id", json!(1)), "body"),
        ("an id that is none", with("id", json!("a/b")), "body"),
        ("no type", json!({ "id": "new" }).to_string(), "body"),
        (
            "type twice",
            good.replacen('{', r#"{"resourceType":"Patient","#, 1),
            "body",
        ),
        (
            "id twice",
            good.replacen('{', r#"{"id":"other","#, 1),
            "body",
        ),
        (
            "an escaped name twice",
            good.replacen('{', r#"{"\u0069d":"other","#, 1),
            "body",
        ),
        (
            "a nested name twice",
            with("code", json!(null))
                .replace(r#""code":null"#, r#""code":{"text":"x","text":"y"}"#),
            "body",
        ),
        ("not JSON", "resourceType=Observation".to_owned(), "body"),
        ("XML", "<Observation/>".to_owned(), "body"),
        ("a list", format!("[{good}]"), "body"),
        ("null", "null".to_owned(), "body"),
        ("a string", "\"x\"".to_owned(), "body"),
        ("two", format!("{good}{good}"), "body"),
        ("something behind", format!("{good}]"), "body"),
        ("cut", good[..good.len() - 1].to_owned(), "body"),
        ("white space", " \n".to_owned(), "body"),
        ("a byte order mark", format!("\u{feff}{good}"), "body"),
        (
            "deep",
            good.replacen(
                '{',
                &format!("{{\"x\":{}{},", "[".repeat(90), "]".repeat(90)),
                1,
            ),
            "body",
        ),
        ("very deep", "[".repeat(30_000), "body"),
        (
            "a lone surrogate",
            good.replacen('{', r#"{"x":"\ud800","#, 1),
            "body",
        ),
        (
            "a control character",
            good.replacen('{', "{\"x\":\"\u{1}\",", 1),
            "body",
        ),
        (
            "marked as a part",
            tagged(subsetted, "SUBSETTED"),
            "body-redacted",
        ),
        (
            "marked as redacted",
            tagged(subsetted, "REDACTED"),
            "body-redacted",
        ),
        (
            "marked as masked",
            tagged(subsetted, "MASKED"),
            "body-redacted",
        ),
    ] {
        let rule = format!("request.malformed.{rule}");
        let name = format!("{name}, {version:?}");
        table
            .refused(&name, &client, put(world, body), MALFORMED, &rule)
            .await;
    }
    let not_utf8 = [
        br#"{"resourceType":"Observation","id":"new","x":""#.as_slice(),
        b"\xff\xfe\"}",
    ]
    .concat();
    table
        .refused(
            "not UTF-8",
            &client,
            put(world, not_utf8),
            MALFORMED,
            "request.malformed.body",
        )
        .await;
    for (name, request) in [
        (
            "PUT",
            ask(world, ALL, "PUT", "/r4/Observation/new").header("content-type", FHIR),
        ),
        (
            "POST",
            ask(world, ALL, "POST", "/r4/Observation").header("content-type", FHIR),
        ),
        (
            "PATCH",
            ask(world, ALL, "PATCH", "/r4/Patient/p1").header("content-type", PATCH),
        ),
    ] {
        let name = format!("{name} without a body, {version:?}");
        table
            .refused(&name, &client, request, MALFORMED, "request.malformed.body")
            .await;
    }
    for (method, path) in [
        ("GET", "/r4/Patient/p1"),
        ("GET", "/r4/Patient?gender=male"),
        ("HEAD", "/r4/Patient/p1"),
        ("DELETE", "/r4/Observation/o-p9-1"),
    ] {
        let name = format!("{method} with a body, {version:?}");
        let request = ask(world, ALL, method, path).body(FHIR, good.clone());
        if method == "HEAD" {
            let before = world.fhir.requests().len();
            let answer = world.send(&client, request).await;
            if (
                answer.status,
                answer.body.len(),
                world.fhir.requests().len(),
            ) != (400, 0, before)
            {
                table.fault(&name, &format!("{answer:?}"));
            }
            continue;
        }
        table
            .refused(&name, &client, request, MALFORMED, "request.malformed.body")
            .await;
    }
    world.fhir.forget_requests();
    let name = format!("a good one, {version:?}");
    let status = if version == Version::Http1 { 201 } else { 200 };
    table
        .answered(&name, &client, put(world, good.clone()), status)
        .await;
    let bodies: Vec<_> = world
        .fhir
        .requests()
        .into_iter()
        .map(|request| request.body)
        .collect();
    if bodies != [good.as_bytes()] {
        table.fault(&name, &format!("{bodies:?} went upstream"));
    }
}

async fn media_types(table: &mut Table<'_>, version: Version) {
    let world = table.world;
    let certificate = world.pki.client("clinic-a");
    let client = world
        .client_of(Some(&certificate), version, "secure")
        .reuse(true);
    let body = observation().to_string();
    let bare = |body: &str| {
        let mut request = ask(world, ALL, "PUT", "/r4/Observation/new");
        request.body = body.as_bytes().to_vec();
        request
    };
    for media_type in [
        "application/fhir+xml",
        "application/xml",
        "text/json",
        "text/plain",
        "application/json-patch+json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/fhir+json; charset=utf-16",
        "application/fhir+json; charset=utf-7",
        "application/fhir+json; fhirVersion=3.0",
        "application/fhir+json; x=y",
        "application/fhir+json, application/fhir+xml",
        "application/fhir+ndjson",
        "",
        "\u{e9}",
    ] {
        let name = format!("content-type {media_type:?}, {version:?}");
        let request = bare(&body).header("content-type", media_type);
        table
            .refused(&name, &client, request, MEDIA_TYPE, "request.media-type")
            .await;
    }
    table
        .refused(
            "no content-type",
            &client,
            bare(&body),
            MEDIA_TYPE,
            "request.media-type",
        )
        .await;
    let twice = put(world, body.clone()).header("content-type", "application/fhir+xml");
    table
        .refused(
            "two content-types",
            &client,
            twice,
            MEDIA_TYPE,
            "request.media-type",
        )
        .await;
    for encoding in ["gzip", "deflate", "br", "identity, gzip", "x"] {
        let name = format!("content-encoding {encoding}, {version:?}");
        let request = put(world, body.clone()).header("content-encoding", encoding);
        table
            .refused(&name, &client, request, MEDIA_TYPE, "request.media-type")
            .await;
    }
    for media_type in [
        "application/json",
        "Application/FHIR+JSON; charset=UTF-8",
        "application/fhir+json;fhirVersion=4.0",
    ] {
        let request = bare(&body).header("content-type", media_type);
        let answer = world.send(&client, request).await;
        if !matches!(answer.status, 200 | 201) {
            table.fault(media_type, &answer.text());
        }
    }
}

/// `body_limit` is 64 KiB here.
async fn sizes(table: &mut Table<'_>, version: Version) {
    let world = table.world;
    let certificate = world.pki.client("clinic-a");
    let client = world.client_of(Some(&certificate), version, "secure");
    let of_size = |size: usize| {
        let mut observation = observation();
        observation["note"] = json!([{ "text": "" }]);
        let empty = observation.to_string().len();
        observation["note"][0]["text"] = json!("x".repeat(size - empty));
        let body = observation.to_string();
        assert_eq!(body.len(), size);
        body
    };
    let limit = 64 << 10;
    world.fhir.forget_requests();
    let body = of_size(limit);
    let answer = world.send(&client, put(world, body.clone())).await;
    let sent = world
        .fhir
        .requests()
        .last()
        .map(|request| request.body.clone());
    if answer.status != 200 || sent.as_deref() != Some(body.as_bytes()) {
        table.fault("at the limit", &answer.text());
    }
    // Just above our limit, above Envoy's buffer, and far above.
    for size in [limit + 1, limit * 2, (1 << 20) + 1, 4 << 20] {
        let name = format!("{size} bytes, {version:?}");
        let request = put(world, of_size(size));
        table
            .refused(&name, &client, request, TOO_LARGE, "request.too-large")
            .await;
    }
}

/// A patch that reads tells, or carries to where it shows, what is hidden from its writer.
async fn patches(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    let patch = |scope: &str, operations: Value| {
        ask(world, scope, "PATCH", "/r4/Patient/p5").body(PATCH, operations.to_string())
    };
    let rule = "request.not-supported.patch-operation";
    for scope in [
        ALL,
        "user/Patient.u",
        "user/Patient.cu",
        "system/Patient.ru",
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
            let name = format!("{name} with {scope}");
            table
                .refused(
                    &name,
                    &client,
                    patch(scope, operations),
                    NOT_SUPPORTED,
                    rule,
                )
                .await;
        }
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
        ("a resource", observation()),
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
        let request = ask(world, ALL, "PATCH", "/r4/Patient/p5").body(media_type, "[]");
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
    let plain = json!([{ "op": "replace", "path": "/active", "value": true }]);
    table
        .answered("a plain patch", &client, patch(ALL, plain), 200)
        .await;
    // Who sees everything may; the test server knows no such operation, and says so.
    let tested = json!([{ "op": "test", "path": "/active", "value": true }]);
    table
        .answered("a test", &client, patch("user/Patient.cruds", tested), 422)
        .await;
}

/// The frames of a body: chunks, trailers, lengths that disagree.
async fn framing(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().quiet(std::time::Duration::from_millis(300));
    let body = observation().to_string();
    let token = world.token(ALL);
    let head = |more: &str| {
        format!(
            "PUT /r4/Observation/new HTTP/1.1\r\nhost: fhir.example.org\r\nauthorization: Bearer {token}\r\ncontent-type: {FHIR}\r\n{more}\r\n\r\n"
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
async fn conditions(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    let body = observation().to_string();
    let rule = "request.not-supported.condition";
    for (name, request) in [
        (
            "create",
            ask(world, ALL, "POST", "/r4/Observation")
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
            ask(world, ALL, "DELETE", "/r4/Observation/x").header("if-modified-since", "x"),
        ),
    ] {
        table
            .refused(name, &client, request, NOT_SUPPORTED, rule)
            .await;
    }
    for (name, request) in [
        (
            "update by search",
            ask(world, ALL, "PUT", "/r4/Observation?patient=p1").body(FHIR, body.clone()),
        ),
        (
            "patch by search",
            ask(world, ALL, "PATCH", "/r4/Observation?patient=p1").body(PATCH, "[]"),
        ),
        (
            "delete by search",
            ask(world, ALL, "DELETE", "/r4/Observation?patient=p1"),
        ),
    ] {
        table
            .refused(
                name,
                &client,
                request,
                crate::table::METHOD,
                "request.method",
            )
            .await;
    }
    for (name, path) in [
        ("create", "/r4/Observation?x=y"),
        ("create by search", "/r4/Observation?patient=p1"),
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
