//! read, vread, history, `$everything`, metadata.

use super::{check, ids, is_outcome, link, start, total};
use crate::fhir::Options;

#[tokio::test]
async fn reads() {
    let server = start(Options::default()).await;
    check(
        &server,
        &[
            ("GET", "/fhir/Patient/p1", &[], "", 200, |got| {
                got.json()["name"][0]["family"] == "Lindqvist"
                    && got
                        .body
                        .starts_with(b"{\"resourceType\":\"Patient\",\"id\":\"p1\"")
                    && got.header("etag") == Some("W/\"1\"")
                    && got
                        .header("last-modified")
                        .is_some_and(|date| date.ends_with(" GMT"))
                    && got.header("content-type") == Some("application/fhir+json;charset=utf-8")
                    && ["server", "x-powered-by", "set-cookie"]
                        .iter()
                        .all(|name| got.header(name).is_some())
            }),
            ("HEAD", "/fhir/Patient/p1", &[], "", 200, |got| {
                got.body.is_empty()
                    && got
                        .header("content-length")
                        .is_some_and(|length| length != "0")
            }),
            (
                "GET",
                "/fhir/Patient/p1",
                &["if-none-match: W/\"1\""],
                "",
                304,
                |got| got.body.is_empty(),
            ),
            (
                "GET",
                "/fhir/Patient/p1",
                &["accept: application/fhir+xml"],
                "",
                406,
                is_outcome,
            ),
            (
                "GET",
                "/fhir/Patient/p1?_elements=name",
                &[],
                "",
                200,
                |got| got.json().get("birthDate").is_none() && got.json()["name"].is_array(),
            ),
            ("GET", "/fhir/Patient/nobody", &[], "", 404, is_outcome),
            ("GET", "/fhir/Nonsense/p1", &[], "", 404, is_outcome),
            ("GET", "/elsewhere", &[], "", 404, is_outcome),
            ("GET", "/fhir/Observation/o-p1-1", &[], "", 200, |got| {
                got.json()["status"] == "corrected" && got.header("etag") == Some("W/\"2\"")
            }),
            (
                "GET",
                "/fhir/Observation/o-p1-1/_history/1",
                &[],
                "",
                200,
                |got| got.json()["status"] == "final",
            ),
            (
                "GET",
                "/fhir/Observation/o-p1-1/_history/9",
                &[],
                "",
                404,
                is_outcome,
            ),
            (
                "GET",
                "/fhir/Observation/o-p1-1/_history",
                &[],
                "",
                200,
                |got| {
                    got.json()["type"] == "history"
                        && total(got) == 2
                        && got.json()["entry"][0]["request"]["method"] == "PUT"
                },
            ),
            (
                "GET",
                "/fhir/Observation/_history?_count=5",
                &[],
                "",
                200,
                |got| total(got) > 100 && link(got, "next").is_some(),
            ),
            (
                "GET",
                "/fhir/Binary/b-p1-1",
                &["accept: text/plain"],
                "",
                200,
                |got| {
                    got.header("content-type") == Some("text/plain")
                        && got.text().contains("Ada Lindqvist")
                },
            ),
            (
                "GET",
                "/fhir/Binary/b-p1-1",
                &["accept: application/fhir+json"],
                "",
                200,
                |got| got.json()["contentType"] == "text/plain",
            ),
            ("GET", "/fhir/metadata", &[], "", 200, |got| {
                got.json()["resourceType"] == "CapabilityStatement"
                    && got.json()["fhirVersion"] == "4.0.1"
            }),
            (
                "GET",
                "/fhir/.well-known/smart-configuration",
                &[],
                "",
                200,
                |got| got.json()["token_endpoint"].is_string(),
            ),
            ("GET", "/fhir/Patient/p1/$everything", &[], "", 200, |got| {
                total(got) > 30
                    && got.text().contains("Practitioner/")
                    && !ids(got, "match").contains(&"p2".into())
            }),
            (
                "GET",
                "/fhir/Patient/p1/%24everything?_count=3",
                &[],
                "",
                200,
                |got| ids(got, "match").len() == 3 && link(got, "next").is_some(),
            ),
            ("TRACE", "/fhir/Patient/p1", &[], "", 405, is_outcome),
        ],
    )
    .await;
}
