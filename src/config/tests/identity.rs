//! Who is taken for whom: claims, clients, logins, and what the upstream is told.

use serde_json::json;

use super::*;
use crate::access::{Requirement, StepUp};
use crate::identity::{Fact, MalformedScopes, Pointer, ScopePrefix, ScopeSeparator, Told};
use crate::request::BaseUrl;

/// The claims of the complete example.
pub(super) fn claims_of_complete() -> ClaimPointers {
    let pointers = |texts: &[&str]| {
        let pointer = |text: &&str| Pointer::parse(text).unwrap();
        texts.iter().map(pointer).collect()
    };
    ClaimPointers {
        token_id: pointers(&["/jti", "/uti"]),
        roles: pointers(&["/realm_access/roles"]),
        purpose: pointers(&["/purpose"]),
        scope_separator: ScopeSeparator::Dot,
        scope_prefixes: ScopePrefix::parse("http://smarthealthit.org/fhir/scopes/")
            .into_iter()
            .collect(),
        malformed_scopes: MalformedScopes::Refuse,
        bases: vec![BaseUrl::parse("https://store.example.org/fhir").unwrap()],
        // For `consent.claim`.
        kept: true,
        ..ClaimPointers::default()
    }
}

/// The rule of the complete example.
pub(super) fn step_up_of_complete() -> StepUp {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    StepUp {
        name: "writes".to_owned(),
        interactions: Some(vec!["create", "update"]),
        types: Some(ResourceType::parse("Observation").into_iter().collect()),
        requirement: Requirement {
            classes: texts(&["loa3", "loa2"]),
            methods: texts(&["otp"]),
            max_age: Some(300),
        },
    }
}

/// What the upstream is told in the complete example.
pub(super) fn told_of_complete() -> Told {
    let field = |fact, name: &str| (fact, name.to_owned());
    Told {
        fields: vec![
            field(Fact::Scope, "x-auth-scope"),
            field(Fact::Subject, "x-auth-subject"),
        ],
    }
}

/// What clients are told in the complete example.
pub(super) fn discovery_of_complete() -> Discovery {
    let document = r#"{"authorization_servers":["https://as.example.org"],"bearer_methods_supported":["header"],"resource":"https://fhir.example.org/r4","scopes_supported":["patient/*.rs","launch/patient"],"tls_client_certificate_bound_access_tokens":true}"#;
    let paths = [
        "/.well-known/oauth-protected-resource/r4",
        "/r4/.well-known/oauth-protected-resource",
    ];
    Discovery {
        url: "https://fhir.example.org/.well-known/oauth-protected-resource/r4".into(),
        paths: paths.map(str::to_owned).to_vec(),
        document: document.as_bytes().into(),
    }
}

/// What is said about the complete configuration with this value at this place.
pub(super) fn check(row: &str, pointer: &str, value: Value, expected: &str) {
    assert_eq!(said(&[(pointer, value)]), expected, "{row}");
}

#[test]
fn claims_are_pointers_a_separator_and_bases() {
    for key in ["encounter", "roles", "purpose"] {
        let place = format!("/issuers/0/claims/{key}");
        let expected =
            format!("{place}/0: expected a JSON pointer such as /client_id, found other text");
        check("no slash", &place, json!([key]), &expected);
        let expected = format!("{place}: expected a list of JSON pointers, found a string");
        check("one alone", &place, json!("/a"), &expected);
        check(
            "a URL as a name",
            &place,
            json!(["/https:~1~1a.example~1b", "/urn:a:b/c"]),
            "",
        );
    }
    let place = "/issuers/0/claims/scope_separator";
    for separator in ["/", ".", "$", "%2f"] {
        check("a separator", place, json!(separator), "");
    }
    for other in [":", "", "%2F", "slash"] {
        let said = said(&[(place, json!(other))]);
        let expected = format!("{place}: expected \"/\", \".\", \"$\" or \"%2f\", found ");
        assert!(said.starts_with(&expected), "{other}: {said}");
    }
    check(
        "a base with a query",
        "/issuers/0/claims/bases/0",
        json!("https://a.example/r4?x"),
        "/issuers/0/claims/bases/0: expected a URL whose path has plain segments only: no query, fragment, `%` or empty segment, found other text",
    );
}

#[test]
fn clients_are_named_or_all_are_taken() {
    let place = "/issuers/0/clients";
    check("one", place, json!(["Meine App (1)"]), "");
    check(
        "nobody",
        place,
        json!([]),
        "/issuers/0/clients: expected a list of 1 to 1024 client ids, found 0",
    );
    check(
        "a number",
        place,
        json!([123]),
        "/issuers/0/clients/0: expected a client id, found a number (write it in quotes)",
    );
    check(
        "a line break, which no token has",
        place,
        json!(["a\nb"]),
        "/issuers/0/clients/0: expected a client id without control characters, found other text",
    );
}

#[test]
fn a_rule_for_logins_asks_for_something_that_is_known() {
    let values = "visible ASCII without spaces, quotes and backslashes, found other text";
    let codes = "\"read\", \"vread\", \"history-instance\", \"history-type\", \"history-system\", \"search-type\", \"search-system\", \"search-compartment\", \"create\", \"update\", \"patch\", \"delete\", \"operation\" or \"export\"";
    let rows = [
        (
            "",
            json!({"name": "a"}),
            "/step_up/0: expected acr, amr or max_age, what is asked of the login, found none of them".to_owned(),
        ),
        ("", json!({"name": "a", "max_age": "1m"}), String::new()),
        (
            "/operations",
            json!(["$everything"]),
            "/step_up/0/operations: \"operations\" is not available in this version; expected interactions and types".to_owned(),
        ),
        (
            "/labels",
            json!([]),
            "/step_up/0/labels: \"labels\" is not available in this version; expected interactions and types".to_owned(),
        ),
        (
            "/interactions/0",
            json!("transaction"),
            "/step_up/0/interactions/0: expected an interaction such as \"read\": each entry of a Bundle is one by itself, found a Bundle of requests".to_owned(),
        ),
        (
            "/interactions/0",
            json!("search"),
            format!("/step_up/0/interactions/0: expected {codes}, found \"search\""),
        ),
        (
            "/interactions/0",
            json!("update"),
            "/step_up/0/interactions/1: expected each word once, found one for the second time".to_owned(),
        ),
        (
            "/interactions",
            json!([]),
            "/step_up/0/interactions: expected a list of 1 to 14 interactions, found 0".to_owned(),
        ),
        (
            "/types/0",
            json!("Observations"),
            "/step_up/0/types/0: expected a FHIR R4 resource type such as Patient, found \"Observations\" (did you mean \"Observation\"?)".to_owned(),
        ),
        ("/acr/0", json!("urn:loa:3"), String::new()),
        ("/acr/0", json!("a b"), format!("/step_up/0/acr/0: expected {values}")),
        ("/acr/0", json!("a\"b"), format!("/step_up/0/acr/0: expected {values}")),
        ("/amr/0", json!("a\\b"), format!("/step_up/0/amr/0: expected {values}")),
        (
            "/acr/0",
            json!(3),
            "/step_up/0/acr/0: expected a value of acr, found a number (write it in quotes)".to_owned(),
        ),
        (
            "/max_age",
            json!("1500ms"),
            "/step_up/0/max_age: expected a duration of whole seconds, found other text".to_owned(),
        ),
    ];
    for (place, value, expected) in rows {
        let row = value.to_string();
        check(&row, &format!("/step_up/0{place}"), value, &expected);
    }
    let twice = json!([{"name": "a", "acr": ["x"]}, {"name": "a", "acr": ["x"]}]);
    check(
        "twice",
        "/step_up",
        twice,
        "/step_up/1/name: expected a name of its own, found that of /step_up/0",
    );
}

#[test]
fn the_check_of_bodies_has_three_words() {
    let place = "/fhir/body_check";
    for word in ["structure", "names", "none"] {
        check(word, place, json!(word), "");
    }
    let expected = "/fhir/body_check: expected \"structure\", \"names\" or \"none\", found ";
    check(
        "another",
        place,
        json!("full"),
        &format!("{expected}\"full\""),
    );
    check(
        "a flag",
        place,
        json!(false),
        &format!("{expected}false (write it in quotes)"),
    );
}

#[test]
fn the_upstream_is_told_in_fields_that_nobody_else_writes() {
    let place = "/fhir/upstream/identity";
    let subject = |row: &str, name: &str, expected: &str| {
        let place = format!("{place}/subject");
        let expected = match expected {
            "" => String::new(),
            expected => format!("{place}: {expected}"),
        };
        check(row, &place, json!(name), &expected);
    };
    for name in ["x-auth-subject", "remote-user", "a", "x-1", &"a".repeat(64)] {
        subject(name, name, "");
    }
    let form = "expected a name of the characters a-z 0-9 -, in lower case and a letter first, found other text";
    for name in [
        "X-Subject",
        ":path",
        ":authority",
        "x_subject",
        "x subject",
        "1x",
        "-x",
        "x:",
        "x\r\nhost",
        "\u{e9}",
    ] {
        subject(name, name, form);
    }
    let taken = "expected a name such as x-auth-subject, which nobody else writes, found one that has a meaning already";
    for name in [
        "host",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "authorization",
        "proxy-authorization",
        "dpop",
        "cookie",
        "accept",
        "accept-encoding",
        "content-length",
        "content-type",
        "content-encoding",
        "prefer",
        "if-match",
        "if-none-exist",
        "x-request-id",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-client-cert",
        "x-envoy-original-path",
        "x-envoy-retry-on",
        "x-http-method-override",
        "x-original-url",
        "x-rewrite-url",
        "traceparent",
        "tracestate",
        "user-agent",
        "range",
        "expect",
        "forwarded",
        "via",
        "grpc-timeout",
        "x-b3-traceid",
    ] {
        subject(name, name, taken);
    }
    subject(
        "that of the scope",
        "x-auth-scope",
        "expected a name of its own, found that of another field",
    );
    let every = Fact::ALL.iter().enumerate();
    let every: serde_json::Map<String, Value> = every
        .map(|(index, fact)| (fact.name().to_owned(), json!(format!("x-field-{index}"))))
        .collect();
    check("every fact", place, Value::Object(every), "");
    check("nothing", place, json!({}), "");
    check(
        "no fact",
        place,
        json!({"password": "x-p"}),
        "/fhir/upstream/identity/password: expected one of the keys client, encounter, issuer, patient, purpose, request_id, roles, scope, subject, tenant, user, found the unknown key \"password\"",
    );
    check(
        "too long",
        "/fhir/upstream/identity/subject",
        json!("a".repeat(65)),
        "/fhir/upstream/identity/subject: expected the name of a header field of 1 to 64 bytes, found 65 bytes",
    );
}

#[test]
fn what_clients_are_told_is_true() {
    let place = "/discovery/authorization_servers";
    check("one of ours", place, json!(["https://as.example.org"]), "");
    check(
        "an issuer that is not ours",
        place,
        json!(["https://other.example.org"]),
        "/discovery/authorization_servers/0: expected the URL of one of the issuers, found other text",
    );
    check(
        "no issuer",
        place,
        json!([]),
        "/discovery/authorization_servers: expected a list of 1 to 64 issuers, found 0",
    );
    for scope in ["a b", "a\"b", "a\\b", "\u{e9}"] {
        check(
            scope,
            "/discovery/scopes",
            json!([scope]),
            "/discovery/scopes/0: expected a scope such as patient/*.rs, found other text",
        );
    }
    check(
        "a text",
        "/discovery/enabled",
        json!("false"),
        "/discovery/enabled: expected true or false, found a string (write it without quotes)",
    );
}

#[test]
fn the_place_of_the_metadata_is_made_of_the_base() {
    let well_known = "/.well-known/oauth-protected-resource";
    for (base, url, paths) in [
        (
            "https://h",
            format!("https://h{well_known}"),
            vec![well_known.to_owned()],
        ),
        (
            "https://h:8443/a/b/",
            format!("https://h:8443{well_known}/a/b"),
            vec![format!("{well_known}/a/b"), format!("/a/b{well_known}")],
        ),
    ] {
        let mut document = complete();
        set(&mut document, "/fhir/base", json!(base));
        set(&mut document, "/issuers/0/proof", json!(["none"]));
        let policy = read(document.to_string().as_bytes()).unwrap();
        let discovery = policy.discovery.expect(base);
        assert_eq!((&*discovery.url, discovery.paths), (url.as_str(), paths));
        let told: Value = serde_json::from_slice(&discovery.document).unwrap();
        assert_eq!(told["resource"], base.trim_end_matches('/'));
        let bound = "tls_client_certificate_bound_access_tokens";
        assert_eq!(told[bound], false, "nothing is bound here");
        set(&mut document, "/discovery/enabled", json!(false));
        let policy = read(document.to_string().as_bytes()).unwrap();
        assert_eq!(policy.discovery, None);
    }
}

#[test]
fn what_ties_a_token_to_its_caller_is_told() {
    for (proofs, certificates, dpop) in [
        (vec![json!(["certificate"])], true, None),
        (vec![json!(["none"])], false, None),
        (vec![json!(["dpop"])], false, Some(true)),
        (vec![json!(["certificate", "dpop"])], true, Some(false)),
        (
            vec![json!(["dpop"]), json!(["certificate"])],
            true,
            Some(false),
        ),
        (vec![json!(["dpop"]), json!(["none"])], false, Some(false)),
        (vec![json!(["dpop"]), json!(["dpop"])], false, Some(true)),
    ] {
        let mut document = complete();
        let issuers = proofs.iter().enumerate().map(|(index, proof)| {
            let mut issuer = complete()["issuers"][0].clone();
            issuer["issuer"] = json!(format!("https://as{index}.example.org"));
            issuer["proof"] = proof.clone();
            issuer
        });
        set(&mut document, "/issuers", issuers.collect());
        set(
            &mut document,
            "/dpop",
            json!({"algorithms": ["ES256", "EdDSA"]}),
        );
        set(&mut document, "/client_certificate/required", json!(false));
        let policy = read(document.to_string().as_bytes())
            .unwrap_or_else(|mistakes| panic!("{proofs:?}: {mistakes}"));
        let discovery = policy.discovery.expect("a document");
        let told: Value = serde_json::from_slice(&discovery.document).unwrap();
        let member = |name: &str| told.get(name).cloned();
        assert_eq!(
            member("tls_client_certificate_bound_access_tokens"),
            Some(json!(certificates)),
            "{proofs:?}"
        );
        assert_eq!(
            member("dpop_signing_alg_values_supported"),
            dpop.map(|_| json!(["ES256", "EdDSA"])),
            "{proofs:?}"
        );
        let required = member("dpop_bound_access_tokens_required");
        assert_eq!(required, dpop.map(Value::from), "{proofs:?}");
    }
}
