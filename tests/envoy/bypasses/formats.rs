//! The same content in another form: formats, parts, what is unchanged, and Binary by every way to it.

use fhir_guard_harness::client::Version;
use fhir_guard_harness::fhir::Misbehaviour;
use serde_json::json;

use super::{ALL, FHIR, PATIENT, ask, reference};
use crate::table::{MEDIA_TYPE, NOT_ACCEPTABLE, NOT_SUPPORTED, Table};
use crate::wire::{check, check_refusal};
use crate::world::{Setting, World};

const FORM: &str = "application/x-www-form-urlencoded";
const ACCEPT: &str = "request.accept";

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_has_one_form_bypass_64_65_66_67() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["fhir"]["bundles"] = json!({"types": ["batch", "transaction"]});
        })),
        ..Setting::default()
    })
    .await;
    let mut table = Table::new(&world);
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world
            .client_of(Some(&certificate), version, "secure")
            .reuse(true);
        for format in [
            "xml",
            "ttl",
            "html",
            "text/plain",
            "application/fhir%2Bxml",
            "ndjson",
            "application/fhir%2Bndjson",
            "*/*",
            "JSON%20",
            "json,xml",
        ] {
            for path in [
                "Patient/p1",
                "Patient/p1/_history",
                "Observation?patient=p1",
                "Patient/p1/Observation",
            ] {
                let mark = if path.contains('?') { '&' } else { '?' };
                let path = format!("/r4/{path}{mark}_format={format}");
                let request = ask(&world, PATIENT, "GET", &path);
                table
                    .refused(
                        &format!("{path} {version:?}"),
                        &client,
                        request,
                        NOT_ACCEPTABLE,
                        ACCEPT,
                    )
                    .await;
            }
            let form = format!("patient=p1&_format={format}");
            let request = ask(&world, PATIENT, "POST", "/r4/Observation/_search").body(FORM, form);
            table
                .refused(
                    &format!("form {format} {version:?}"),
                    &client,
                    request,
                    NOT_ACCEPTABLE,
                    ACCEPT,
                )
                .await;
        }
        // Bodies that are not what they are read as.
        for coding in ["gzip", "br", "zstd", "gzip, gzip", "identity, deflate"] {
            let request = ask(&world, ALL, "POST", "/r4/Observation");
            let request = request.body(FHIR, "{}").header("content-encoding", coding);
            table
                .refused(
                    &format!("{coding} {version:?}"),
                    &client,
                    request,
                    MEDIA_TYPE,
                    "request.media-type",
                )
                .await;
        }
        // Whatever else is asked of the form stays behind, and the answer is the whole one.
        for (field, value) in [
            ("accept", "application/fhir+xml;q=0.9, */*;q=0.1"),
            ("accept-encoding", "gzip, br, zstd"),
            ("range", "bytes=0-9"),
            ("if-range", "\"1\""),
            ("if-none-match", "W/\"1\""),
            ("if-none-match", "*"),
            ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"),
            ("te", "trailers"),
        ] {
            world.fhir.forget_requests();
            let name = format!("{field}: {value} {version:?}");
            let request = ask(
                &world,
                PATIENT,
                "GET",
                "/r4/Patient/p1?_format=json&_pretty=true",
            )
            .header(field, value);
            let Some(answer) = table.answered(&name, &client, request, 200).await else {
                continue;
            };
            check(&name, &answer);
            assert_eq!(answer.json().expect(&name)["id"], "p1", "{name}");
            assert_eq!(
                answer.header("vary").as_deref(),
                Some("Authorization"),
                "{name}"
            );
            let sent = world.fhir.requests().pop().expect("it went on");
            assert!(!sent.path_and_query.contains("_format"), "{name}");
            for (own, expected) in [
                ("accept", Some(FHIR)),
                ("accept-encoding", Some("identity")),
                ("range", None),
                ("if-range", None),
                ("if-none-match", None),
                ("if-modified-since", None),
            ] {
                assert_eq!(sent.header(own).as_deref(), expected, "{name}: {own}");
            }
        }
    }
    table.finish().await;
    // And where nobody asked for them, they do not leave.
    let client = world.client();
    for lie in [
        Misbehaviour::Status304,
        Misbehaviour::Status206,
        Misbehaviour::Xml,
        Misbehaviour::Ndjson,
        Misbehaviour::GzipUnasked,
    ] {
        world.fhir.misbehave(Some(lie.name()));
        let request = ask(&world, PATIENT, "GET", "/r4/Patient/p1")
            .header("if-none-match", "W/\"1\"")
            .header("range", "bytes=0-9");
        let answer = world.send(&client, request).await;
        check_refusal(lie.name(), &answer, 502, "exception");
    }
    world.fhir.misbehave(None);
    // In a Bundle each entry is answered in the form of all.
    let entry = |url: &str| {
        json!({"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": url}}]}).to_string()
    };
    for url in [
        "Patient/p1?_format=xml",
        "Observation?patient=p1&_format=ttl",
    ] {
        let request = ask(&world, PATIENT, "POST", "/r4").body(FHIR, entry(url));
        let answer = world.send(&client, request).await;
        let status = answer.json().expect(url)["entry"][0]["response"]["status"].clone();
        assert!(
            status
                .as_str()
                .is_some_and(|status| status.starts_with("406")),
            "{url}: {}",
            answer.text()
        );
        assert!(
            !answer.text().contains("\"resource\":{\"resourceType\":\"P"),
            "{url}"
        );
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_way_leads_to_a_binary_bypass_63() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["fhir"]["bundles"] = json!({"types": ["batch", "transaction"]});
            policy["fhir"]["search"]["include"] = json!(["DocumentReference:subject"]);
            policy["fhir"]["operations"] = json!([{"name": "everything", "level": "instance", "types": ["Patient"], "answer": "bundle"}]);
        })),
        ..Setting::default()
    })
    .await;
    for (id, context) in [
        ("own", Some("Patient/p1")),
        ("other", Some("Patient/p2")),
        ("none", None),
    ] {
        let mut binary = json!({"resourceType": "Binary", "id": id, "contentType": "text/plain", "data": "Q0FOQVJZ"});
        if let Some(context) = context {
            binary["securityContext"] = reference(context);
        }
        world.put(&binary).await;
    }
    world.put(&json!({"resourceType": "DocumentReference", "id": "bin", "status": "current", "subject": reference("Patient/p1"),
        "content": [{"attachment": {"url": "Binary/own"}}]})).await;
    let client = world.client().reuse(true);
    let fields = [FHIR, "*/*", "text/plain", "application/octet-stream"];
    for scope in [
        PATIENT,
        "system/*.cruds",
        "system/Binary.cruds",
        "patient/Binary.rs",
    ] {
        for path in [
            "Binary/own",
            "Binary/other",
            "Binary/none",
            "Binary/own/_history",
            "Binary/own/_history/1",
            "Binary/_history",
            "Binary",
            "Binary?_id=own",
            "Patient/p1/Binary",
        ] {
            for accept in fields {
                world.fhir.forget_requests();
                let request =
                    ask(&world, scope, "GET", &format!("/r4/{path}")).header("accept", accept);
                let answer = world.send(&client, request).await;
                let text = answer.text();
                assert!(answer.status >= 400, "{scope} {path} {accept}: {text}");
                assert!(
                    !text.contains("Q0FOQVJZ") && !text.contains("CANARY"),
                    "{scope} {path} {accept}: {text}"
                );
                assert!(
                    world.fhir.requests().is_empty(),
                    "{scope} {path} {accept} went on"
                );
            }
        }
        let entry = json!({"resourceType": "Bundle", "type": "transaction", "entry": [{"request": {"method": "GET", "url": "Binary/own"}}]});
        for path in [
            "/r4/DocumentReference?subject=Patient/p1&_include=*",
            "/r4/DocumentReference?subject=Patient/p1&_include=DocumentReference:content",
            "/r4/Patient?_id=p1&_revinclude=Binary:securityContext",
            "/r4?_type=Binary",
            "/r4/Patient/p1/$everything?_type=Binary",
        ] {
            let answer = world.send(&client, ask(&world, scope, "GET", path)).await;
            assert!(
                answer.status >= 400 && !answer.text().contains("Q0FOQVJZ"),
                "{scope} {path}: {}",
                answer.text()
            );
        }
        let request = ask(&world, scope, "POST", "/r4").body(FHIR, entry.to_string());
        let answer = world.send(&client, request).await;
        assert!(
            answer.status >= 400 && !answer.text().contains("Q0FOQVJZ"),
            "{scope}: {}",
            answer.text()
        );
        let request = ask(&world, scope, "POST", "/r4/Binary").body("text/plain", "x");
        let answer = world.send(&client, request).await;
        assert!(answer.status >= 400, "{scope}: {}", answer.text());
    }
    // What a server sends along all the same is taken out.
    let answer = world
        .send(
            &client,
            ask(&world, PATIENT, "GET", "/r4/Patient/p1/$everything"),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains("Q0FOQVJZ"), "{}", answer.text());
    let mut table = Table::new(&world);
    let request = ask(&world, PATIENT, "GET", "/r4/Binary/own");
    table
        .refused(
            "a read",
            &client,
            request,
            NOT_SUPPORTED,
            "request.not-supported.type",
        )
        .await;
    table.finish().await;
    world.close().await;
}
