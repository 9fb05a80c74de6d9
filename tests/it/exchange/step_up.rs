//! Logins that are not enough, and those that no longer are.

use super::driver::NOW;
use super::*;

fn world() -> Deployment {
    Deployment::with(|config| {
        config["step_up"] = json!([
            {"name": "fresh", "types": ["Patient"], "max_age": "2m"},
            {"name": "strong", "interactions": ["create"], "acr": ["loa3", "loa2"], "amr": ["otp"]},
        ]);
        config["limits"] = json!([{"name": "few", "key": ["client"], "rate": "1/s", "burst": 100}]);
    })
}

#[test]
fn a_remembered_token_grows_too_old_while_it_is_used() {
    let mut world = world();
    let claims = world.claims().claim("auth_time", json!(NOW - 60));
    let token = world.token(&claims.scope("system/*.rs"));
    // 30 s of skew, 120 s of age, 60 s of them gone.
    for (at, target, expected) in [
        (NOW, "GET /r4/Patient/p1", "scope:system/*.rs"),
        (NOW + 90, "HEAD /r4/Patient/p1", "scope:system/*.rs"),
        (NOW + 91, "GET /r4/Patient/p1", "step-up.fresh"),
        (NOW + 91, "HEAD /r4/Patient/p1", "step-up.fresh"),
        (NOW + 91, "GET /r4/Patient?_id=p1", "step-up.fresh"),
        (NOW + 91, "GET /r4/Observation/o1", "scope:system/*.rs"),
        (NOW + 91, "GET /r4/metadata", "public"),
    ] {
        let mut exchange = Exchange::default();
        let head = world.head_with(&token, target, &[]);
        let step = world.ask_at(&mut exchange, head, true, at * 1_000_000_000);
        let record = world.record(&mut exchange);
        assert_eq!(record["rule"], expected, "{target} at {}", at - NOW);
        let Step::Reply(reply) = step else { continue };
        assert_eq!(reply.status, 401, "{target}");
        let challenge = reply
            .headers
            .iter()
            .find(|(name, _)| *name == "www-authenticate");
        let challenge = challenge
            .map(|(_, value)| value.as_str())
            .unwrap_or_default();
        let error = r#"error="insufficient_user_authentication", max_age="120""#;
        assert!(challenge.contains(error), "{challenge}");
        assert_eq!(record["client"], "clinic-a", "it is known who asked");
        assert_eq!(record.get("limits"), None, "nothing was charged");
    }
}

#[test]
fn a_write_needs_a_strong_login_before_its_body_is_read() {
    let mut world = world();
    let strong = world
        .claims()
        .claim("acr", json!("loa2"))
        .claim("amr", json!(["pwd", "otp"]));
    for (name, claims, expected) in [
        ("strong", strong.clone(), "scope:system/*.cruds"),
        (
            "weak",
            strong.clone().claim("acr", json!("loa1")),
            "step-up.strong",
        ),
        (
            "by one factor",
            strong.claim("amr", json!(["pwd"])),
            "step-up.strong",
        ),
        ("unknown", world.claims(), "step-up.strong"),
    ] {
        let mut exchange = Exchange::default();
        let token = world.token(&claims.scope("system/*.cruds"));
        let fields = [("content-type", "application/fhir+json")];
        let head = world.head_with(&token, "POST /r4/Observation", &fields);
        let step = world.ask(&mut exchange, head, false);
        let held = matches!(step, Step::HoldHead(_));
        assert_eq!(held, expected.starts_with("scope"), "{name}: {step:?}");
        let record = world.record(&mut exchange);
        assert_eq!(record["rule"], expected, "{name}");
    }
}
