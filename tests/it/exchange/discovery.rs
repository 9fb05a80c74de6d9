//! The metadata of the protected resource.

use fhir_guard::denial::Reply;

use super::driver::{NOW, pairs};
use super::*;

const OURS: &str = "/.well-known/oauth-protected-resource/r4";
const BELOW: &str = "/r4/.well-known/oauth-protected-resource";

/// What a request without credentials comes to, and its record.
fn asked(world: &mut Deployment, target: &str, fields: &[(&str, &str)]) -> (Step, Value) {
    let (method, path) = target.split_once(' ').expect("a method and a path");
    let own = [
        (":method", method),
        (":path", path),
        ("x-request-id", "r-1"),
    ];
    let head = pairs(own.iter().chain(fields));
    let mut exchange = Exchange::default();
    let step = world.ask_at(&mut exchange, head, true, NOW * 1_000_000_000);
    (step, world.record(&mut exchange))
}

fn replied(step: Step) -> Reply {
    match step {
        Step::Reply(reply) => reply,
        other => panic!("{other:?} is no reply"),
    }
}

#[test]
fn the_metadata_is_answered_to_everybody() {
    let mut world = Deployment::with(|config| {
        config["discovery"] = json!({"scopes": ["patient/*.rs"]});
        // Nobody who asks for it has a certificate either.
        config["client_certificate"] = json!({"required": true});
    });
    for target in ["GET", "HEAD"]
        .map(|method| [OURS, BELOW].map(|path| format!("{method} {path}")))
        .concat()
    {
        let (step, record) = asked(&mut world, &target, &[]);
        let reply = replied(step);
        assert_eq!(reply.status, 200, "{target}");
        let kind = reply
            .headers
            .iter()
            .find(|(name, _)| *name == "content-type");
        assert_eq!(kind.expect("a type").1, "application/json", "{target}");
        let document: Value = serde_json::from_slice(&reply.body).expect("JSON");
        let expected = json!({
            "resource": "https://fhir.example.org/r4",
            "authorization_servers": ["https://as.example.org"],
            "scopes_supported": ["patient/*.rs"],
            "bearer_methods_supported": ["header"],
            "tls_client_certificate_bound_access_tokens": true,
        });
        assert_eq!(document, expected, "{target}");
        assert_eq!(record["outcome"], "allowed", "{target}");
        assert_eq!(record["rule"], "public", "{target}");
        assert_eq!(record["status"], 200, "{target}");
        assert_eq!(record["request_id"], "r-1", "{target}");
    }
}

#[test]
fn nothing_else_is_answered_in_its_place() {
    let mut world = Deployment::new();
    for (target, status, rule) in [
        (format!("POST {OURS}"), 405, "request.method"),
        (format!("DELETE {BELOW}"), 405, "request.method"),
        (format!("OPTIONS {OURS}"), 405, "request.method"),
        (format!("GET {OURS}/"), 400, "request.malformed.path"),
        (format!("GET {OURS}?x=y"), 404, "request.path"),
        (format!("GET {OURS}/Patient"), 404, "request.path"),
        (
            "GET /.well-known/oauth-protected-resource".to_owned(),
            404,
            "request.path",
        ),
        (
            "GET /.well-known/oauth-protected-resource/r5".to_owned(),
            404,
            "request.path",
        ),
        (
            "GET /r4/.well-known/oauth-protected-resource/r4".to_owned(),
            404,
            "request.path",
        ),
        (
            "GET /.well-known/oauth-authorization-server/r4".to_owned(),
            404,
            "request.path",
        ),
        (
            "GET /.Well-Known/oauth-protected-resource/r4".to_owned(),
            404,
            "request.path",
        ),
        (
            "GET //.well-known/oauth-protected-resource/r4".to_owned(),
            400,
            "request.malformed.path",
        ),
    ] {
        let (step, record) = asked(&mut world, &target, &[]);
        assert_eq!(replied(step).status, status, "{target}");
        assert_eq!(record["rule"], rule, "{target}");
        assert_eq!(record["outcome"], "refused", "{target}");
    }
    let twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
    let (step, record) = asked(&mut world, &format!("GET {OURS}"), &twice);
    assert_eq!(replied(step).status, 400);
    assert_eq!(record["rule"], "credentials.malformed");
}

#[test]
fn an_operator_may_close_it_or_leave_it_to_the_server() {
    let mut closed = Deployment::with(|config| config["discovery"] = json!({"enabled": false}));
    for target in [OURS, BELOW] {
        let (step, record) = asked(&mut closed, &format!("GET {target}"), &[]);
        assert_eq!(replied(step).status, 404, "{target}");
        assert_eq!(record["rule"], "request.path", "{target}");
    }
    let mut left = Deployment::with(|config| {
        config["fhir"]["public"] = json!([".well-known/oauth-protected-resource"]);
    });
    let (step, record) = asked(&mut left, &format!("GET {BELOW}"), &[]);
    assert!(matches!(step, Step::Forward(_)), "{step:?}");
    assert_eq!(record["rule"], "public");
    let (step, _) = asked(&mut left, &format!("GET {OURS}"), &[]);
    assert_eq!(replied(step).status, 200);
}
