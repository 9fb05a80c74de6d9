//! create, update, patch, delete, batch, transaction.

use serde_json::{Value, json};

use super::{JSON, PATCH, check, is_outcome, start, total};
use crate::fhir::Options;

#[tokio::test]
async fn writes() {
    let server = start(Options::default()).await;
    let goal = r#"{"resourceType":"Goal","lifecycleStatus":"active","description":{"text":"x"},"subject":{"reference":"Patient/p1"}}"#;
    let of = |id: &str| goal.replacen('{', &format!("{{\"id\":\"{id}\","), 1);
    let (put, put_new) = (of("g-p1-1"), of("g-new"));
    check(
        &server,
        &[
            ("POST", "/fhir/Goal", &[JSON], goal, 201, |got| {
                got.header("location") == Some("http://fhir.example.org/fhir/Goal/n1/_history/1")
                    && got.header("etag") == Some("W/\"1\"")
                    && got.json()["meta"]["versionId"] == "1"
            }),
            (
                "POST",
                "/fhir/Goal",
                &[JSON, "prefer: return=minimal"],
                goal,
                201,
                |got| got.body.is_empty(),
            ),
            ("POST", "/fhir/Goal", &[JSON], "{", 400, is_outcome),
            ("POST", "/fhir/Condition", &[JSON], goal, 400, is_outcome),
            (
                "POST",
                "/fhir/Goal",
                &["content-type: text/plain"],
                goal,
                415,
                is_outcome,
            ),
            (
                "PUT",
                "/fhir/Goal/g-p1-1",
                &[JSON, "if-match: W/\"7\""],
                &put,
                412,
                |got| got.text().contains("Ada Lindqvist"),
            ),
            (
                "PUT",
                "/fhir/Goal/g-p1-1",
                &[JSON, "if-match: W/\"1\""],
                &put,
                200,
                |got| got.header("etag") == Some("W/\"2\""),
            ),
            (
                "PUT",
                "/fhir/Goal/g-p1-1",
                &[JSON],
                &put_new,
                400,
                is_outcome,
            ),
            ("PUT", "/fhir/Goal/g-new", &[JSON], &put_new, 201, |got| {
                got.header("location").is_some()
            }),
            (
                "PATCH",
                "/fhir/Goal/g-new",
                &[PATCH],
                r#"[{"op":"replace","path":"/lifecycleStatus","value":"completed"}]"#,
                200,
                |got| got.json()["lifecycleStatus"] == "completed",
            ),
            (
                "PATCH",
                "/fhir/Goal/g-new",
                &[PATCH],
                r#"[{"op":"replace","path":"/id","value":"p2"}]"#,
                422,
                is_outcome,
            ),
            ("PATCH", "/fhir/Goal/g-new", &[JSON], "{}", 415, is_outcome),
            ("DELETE", "/fhir/Goal/g-new", &[], "", 204, |got| {
                got.body.is_empty()
            }),
            ("GET", "/fhir/Goal/g-new", &[], "", 410, is_outcome),
            ("GET", "/fhir/Goal/g-new/_history", &[], "", 200, |got| {
                total(got) == 3 && got.json()["entry"][0]["request"]["method"] == "DELETE"
            }),
            ("DELETE", "/fhir/Goal/g-new", &[], "", 204, |_| true),
            ("DELETE", "/fhir/Goal/never", &[], "", 404, is_outcome),
        ],
    )
    .await;
}

#[tokio::test]
async fn bundles() {
    let server = start(Options::default()).await;
    let condition = json!({"resourceType": "Condition", "subject": {"reference": "urn:uuid:1"}});
    let entries = json!([
        {"request": {"method": "GET", "url": "Patient/n1"}},
        {"resource": condition, "fullUrl": "urn:uuid:2", "request": {"method": "POST", "url": "Condition"}},
        {"resource": {"resourceType": "Patient"}, "fullUrl": "urn:uuid:1", "request": {"method": "POST", "url": "Patient"}},
        {"request": {"method": "DELETE", "url": "Goal/g-p2-1"}}
    ]);
    let failing = json!([
        {"request": {"method": "DELETE", "url": "Goal/g-p1-1"}},
        {"request": {"method": "GET", "url": "Goal/never"}}
    ]);
    let bundle = |kind: &str, entries: &Value| {
        json!({"resourceType": "Bundle", "type": kind, "entry": entries}).to_string()
    };
    let whole = bundle("transaction", &entries).replace("Patient/n1", "Patient/n2");
    check(
        &server,
        &[
            (
                "POST",
                "/fhir",
                &[JSON],
                &bundle("transaction", &failing),
                404,
                is_outcome,
            ),
            ("GET", "/fhir/Goal/g-p1-1", &[], "", 200, |_| true),
            (
                "POST",
                "/fhir",
                &[JSON],
                &bundle("batch", &failing),
                200,
                |got| {
                    let answer = got.json();
                    answer["type"] == "batch-response"
                        && answer["entry"][0]["response"]["status"] == "204"
                        && answer["entry"][1]["response"]["outcome"]["resourceType"]
                            == "OperationOutcome"
                },
            ),
            ("GET", "/fhir/Goal/g-p1-1", &[], "", 410, |_| true),
            ("POST", "/fhir/", &[JSON], &whole, 200, |got| {
                let answer = got.json();
                answer["type"] == "transaction-response"
                    && answer["entry"][0]["resource"]["id"] == "n2"
                    && answer["entry"][1]["resource"]["subject"]["reference"] == "Patient/n2"
                    && answer["entry"][3]["response"]["status"] == "204"
            }),
            (
                "POST",
                "/fhir",
                &[JSON],
                &bundle("message", &failing),
                400,
                is_outcome,
            ),
            ("POST", "/fhir", &[JSON], "nonsense", 400, is_outcome),
        ],
    )
    .await;
}
