//! Bodies: what may be written, and what an upstream never gets to see.

use fhir_guard_harness::client::{Request, Version};
use serde_json::{Value, json};

use super::{ask, framing};
use crate::table::{MALFORMED, MEDIA_TYPE, TOO_LARGE, Table};
use crate::world::{Setting, World};

pub(super) const ALL: &str = "system/*.cruds";
pub(super) const FHIR: &str = "application/fhir+json";
pub(super) const PATCH: &str = "application/json-patch+json";

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_inspected_before_anything_goes_upstream() {
    let world = World::shared(Setting {
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
    framing::patches(&mut table).await;
    framing::frames(&mut table).await;
    framing::conditions(&mut table).await;
    table.finish().await;
    world.close().await;
}

pub(super) fn put(world: &World, body: impl Into<Vec<u8>>) -> Request {
    ask(world, ALL, "PUT", "/r4/Condition/new").body(FHIR, body)
}

pub(super) fn condition() -> Value {
    json!({
        "resourceType": "Condition",
        "id": "new",
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
    let good = condition().to_string();
    let with = |name: &str, value: Value| {
        let mut condition = condition();
        condition[name] = value;
        condition.to_string()
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
            with("resourceType", json!(["Condition"])),
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
        ("not JSON", "resourceType=Condition".to_owned(), "body"),
        ("XML", "<Condition/>".to_owned(), "body"),
        ("a list", format!("[{good}]"), "body"),
        ("null", "null".to_owned(), "body"),
        ("a string", "\"x\"".to_owned(), "body"),
        ("two", format!("{good}{good}"), "body"),
        ("something behind", format!("{good}]"), "body"),
        ("cut", good.split_at(good.len() - 1).0.to_owned(), "body"),
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
            "an element of no type",
            with("birthDate", json!("2000-01-01")),
            "body-structure",
        ),
        (
            "one where a list stands",
            with("note", json!({ "text": "x" })),
            "body-structure",
        ),
        (
            "a number where a text stands",
            with("code", json!({ "text": 1 })),
            "body-structure",
        ),
        (
            "two types of a choice",
            with("onsetString", json!("x")).replacen('{', r#"{"onsetDateTime":"2000","#, 1),
            "body-structure",
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
        br#"{"resourceType":"Condition","id":"new","x":""#.as_slice(),
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
            ask(world, ALL, "PUT", "/r4/Condition/new").header("content-type", FHIR),
        ),
        (
            "POST",
            ask(world, ALL, "POST", "/r4/Condition").header("content-type", FHIR),
        ),
        (
            "PATCH",
            ask(world, ALL, "PATCH", "/r4/Condition/c-p5-1").header("content-type", PATCH),
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
        ("DELETE", "/r4/Condition/c-p9-1"),
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
    let body = condition().to_string();
    let bare = |body: &str| {
        let mut request = ask(world, ALL, "PUT", "/r4/Condition/new");
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
        let mut condition = condition();
        condition["note"] = json!([{ "text": "" }]);
        let empty = condition.to_string().len();
        condition["note"][0]["text"] = json!("x".repeat(size - empty));
        let body = condition.to_string();
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
