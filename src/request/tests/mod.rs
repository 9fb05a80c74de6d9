//! Requests as clients, and attackers, write them.

mod across;
mod bundles;
mod canonical;
mod chains;
mod conditional;
mod exports;
mod forms;
mod hygiene;
mod inclusions;
mod pages;
mod queries;
mod targets;
mod upstream;
mod urls;
mod written;

use super::*;
use crate::denial::Denial;

fn policy() -> FhirPolicy {
    let base = |text| BaseUrl::parse(text).expect("a base");
    FhirPolicy {
        base: base("https://fhir.example.org/r4"),
        public: vec![
            "metadata".to_owned(),
            ".well-known/smart-configuration".to_owned(),
        ],
        upstream: Upstream {
            cluster: "fhir".to_owned(),
            base: base("http://fhir/base"),
            authorization: Authorization::Strip,
            trace: Trace::Continue,
        },
        body_limit: 1 << 20,
        body_check: body::BodyCheck::Structure,
        writes: WritePolicy::default(),
        compartment: Default::default(),
        user_access: Default::default(),
        search: SearchPolicy::default(),
        operations: Vec::new(),
        export: None,
        bundles: BundlePolicy::default(),
    }
}

fn head(method: &str, path: &str, fields: &[(&str, &str)]) -> Result<RequestHead, Denial> {
    let own = [
        (":method", method),
        (":scheme", "https"),
        (":authority", "fhir.example.org"),
        (":path", path),
    ];
    let pairs: Vec<_> = own.iter().chain(fields).copied().collect();
    RequestHead::parse(&pairs).1
}

fn parse(method: &str, path: &str, fields: &[(&str, &str)]) -> Result<Request, Denial> {
    head(method, path, fields).and_then(|head| Request::parse(&head, &policy()))
}

const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];

/// A search by `POST` below the base, with this form.
fn form(path: &str, body: &str) -> Result<Request, Denial> {
    let head = head("POST", &format!("/r4{path}"), FORM)?;
    let form = Form::parse(&head, &policy())?.expect(path);
    form.complete(body.as_bytes(), &policy())
}

/// One row of requests that are refused, by the rule that the audit record names.
fn refused(class: &str, method: &str, path: &str, fields: &[(&str, &str)], rule: &str) {
    let found = parse(method, path, fields);
    let found = found.err().map(|denial| denial.rule());
    assert_eq!(found.as_deref(), Some(rule), "{class}: {method} {path}");
}

/// One row of requests that are understood: code and canonical target.
fn understood(method: &str, path: &str, fields: &[(&str, &str)], code: &str, target: &str) {
    let request = parse(method, path, fields).unwrap_or_else(|denial| panic!("{path}: {denial:?}"));
    let found = (request.interaction.code(), request.interaction.target());
    assert_eq!(found, (code, target.to_owned()), "{method} {path}");
    assert_eq!(request.head_only, method == "HEAD", "{method} {path}");
}
