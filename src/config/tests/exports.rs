//! `fhir.export`.

use super::*;
use crate::request::{ExportAt, ExportPolicy};

const KEY: &str = "0101010101010101010101010101010101010101010101010101010101010101";

/// What is said of this with a key of links, and without.
fn check(export: Value, expected: &str) {
    let changes = [
        ("/secrets", json!({"page_key": {"inline": KEY}})),
        ("/fhir/export", export.clone()),
    ];
    assert_eq!(said(&changes), expected, "{export}");
}

#[test]
fn an_export_is_read_or_explained() {
    let levels = json!(["system"]);
    let path = "a path at the server that begins and ends with a slash, such as /files/";
    let files = |place: &str, found: &str| {
        format!("/fhir/export/files/{place}: expected {path}, found {found}")
    };
    check(json!({"levels": ["system", "patient", "group"]}), "");
    check(
        json!({"levels": levels, "files": ["/files/", "/a/b-c.d_e~f/"], "lifetime": "1m"}),
        "",
    );
    check(json!({"levels": levels, "lifetime": "720h"}), "");
    for (value, expected) in [
        (
            json!({}),
            "/fhir/export/levels: expected a list of system, patient and group, found nothing".into(),
        ),
        (
            json!({"levels": ["Group"]}),
            "/fhir/export/levels/0: expected \"system\", \"patient\" or \"group\", found \"Group\" (did you mean \"group\"?)".into(),
        ),
        (
            json!({"levels": []}),
            "/fhir/export/levels: expected a list of 1 to 3 words, found 0".into(),
        ),
        (
            json!({"levels": levels, "lifetime": "59s"}),
            "/fhir/export/lifetime: expected a duration from 1m to 720h, a whole number with ms, s, m or h, found \"59s\"".into(),
        ),
        (
            json!({"levels": levels, "lifetime": "721h"}),
            "/fhir/export/lifetime: expected a duration from 1m to 720h, a whole number with ms, s, m or h, found \"721h\"".into(),
        ),
        (json!({"levels": levels, "files": ["files/"]}), files("0", "other text")),
        (json!({"levels": levels, "files": ["/files"]}), files("0", "other text")),
        (json!({"levels": levels, "files": ["/a/../b/"]}), files("0", "other text")),
        (json!({"levels": levels, "files": ["/a%2f/"]}), files("0", "other text")),
        (json!({"levels": levels, "files": ["//"]}), files("0", "other text")),
    ] {
        check(value, &expected);
    }
    let found = said(&[("/fhir/export", json!({"levels": ["system"]}))]);
    let expected = "/fhir/export: expected secrets.page_key, by which links to jobs and files are made, found none";
    assert_eq!(found, expected);
}

#[test]
fn what_may_be_exported_is_read() {
    let mut document = complete();
    document["secrets"] = json!({"page_key": {"inline": KEY}});
    for (export, expected) in [
        (Value::Null, None),
        (
            json!({"levels": ["group"], "files": ["/files/"], "lifetime": "90m"}),
            Some(ExportPolicy {
                levels: vec![ExportAt::Group],
                files: vec!["/files/".to_owned()],
                lifetime: 5400,
            }),
        ),
        (
            json!({"levels": ["system"]}),
            Some(ExportPolicy {
                levels: vec![ExportAt::System],
                files: Vec::new(),
                lifetime: 86_400,
            }),
        ),
    ] {
        if export != Value::Null {
            document["fhir"]["export"] = export;
        }
        let policy = read(document.to_string().as_bytes()).expect("a policy");
        assert_eq!(policy.fhir.export, expected);
    }
}
