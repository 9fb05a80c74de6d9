//! What an exchange says about its caller, and who is isolated for it.

use fhir_guard::identity::ConnectionAttributes;
use fhir_guard_harness::pki::Pki;
use fhir_guard_harness::tokens::{Algorithm, DpopClient};

use super::driver::slug;
use super::waiting::{SECOND, T};
use super::*;

const PATH: &str = "GET /r4/Patient/p1";

fn world(detectors: Value) -> Deployment {
    Deployment::with(|config| {
        config["issuers"][0]["proof"] = json!(["certificate", "dpop"]);
        config["client_certificate"] = json!({ "required": false });
        config["fhir"]["bundles"] = json!({ "types": ["batch"] });
        config["limits"] = json!([{"name": "l", "key": ["client"], "rate": "1/s", "burst": 1000}]);
        config["detectors"] = detectors;
    })
}

/// The connection of somebody without a certificate.
fn nobody() -> ConnectionAttributes {
    ConnectionAttributes {
        source: Some(b"192.0.2.1:4711".to_vec()),
        ..ConnectionAttributes::default()
    }
}

/// A request that is answered with this status and body where it goes on; the rule, and what looks wrong then.
fn seen(
    world: &mut Deployment,
    attributes: &ConnectionAttributes,
    credentials: &str,
    target: &str,
    (status, body): (&str, &str),
    now: u64,
) -> (String, Value) {
    let mut exchange = Exchange::default();
    let head = world.head_as(credentials, target, &[]);
    let step = exchange.request_headers(&mut world.guard, &head, attributes, now, true);
    if let Step::Forward(_) = world.decided(&mut exchange, step) {
        let head = [
            (":status", status),
            ("content-type", "application/fhir+json"),
        ];
        world.answer(&mut exchange, &head, &[body.as_bytes()], false);
    }
    exchange.end();
    if let Some(observed) = exchange.observing() {
        let finding = world.carry_out(&mut observed.at(now));
        for mut add in exchange.found(&world.guard, finding, now) {
            let found = world.carry_out(&mut add);
            world.guard.quarantined(found, now);
        }
    }
    assert!(exchange.observing().is_none(), "once");
    let record = world.record(&mut exchange);
    (slug(&record["rule"]).to_owned(), record["risk"].clone())
}

const FOUND: (&str, &str) = ("200", r#"{"resourceType":"Patient","id":"p1"}"#);

#[test]
fn what_a_caller_does_is_what_counts() {
    let mut world = world(json!({ "report_at": 1 }));
    let own = world.claims().scope("system/*.rs");
    let bearer = |world: &Deployment, claims| format!("Bearer {}", world.token(&claims));
    let good = bearer(&world, own.clone());
    let stranger = Pki::new().client("clinic-b");
    let stolen = bearer(&world, own.clone().bound_to(&stranger));
    let forged = format!("{good}x");
    let impostor = world.issuer.impostor().token(&own);
    let impostor = format!("Bearer {impostor}");
    let expired = bearer(&world, own.clone().expires_at(T / SECOND - 3600));
    let elsewhere = bearer(&world, own.clone().audience("https://elsewhere"));
    let patients = bearer(&world, world.claims().scope("system/Patient.rs"));
    let key = DpopClient::new("key", Algorithm::Es256).confirmation();
    let keyed = world.token(&own.clone().claim("cnf", key));
    let bare = format!("DPoP {keyed}");
    let none = r#"{"resourceType":"Bundle","type":"searchset","entry":[]}"#;
    let mut check = |credentials: &str, target: &str, answer, rule: &str, expected: &[&str]| {
        world.forget_limits();
        let attributes = world.attributes();
        let (found, risk) = seen(&mut world, &attributes, credentials, target, answer, T);
        assert!(
            found.starts_with(rule),
            "{target}: {found} instead of {rule}"
        );
        let reasons = match expected {
            [] => Value::Null,
            expected => json!(expected),
        };
        assert_eq!(risk["reasons"], reasons, "{target}: {found}: {risk}");
    };
    let gone = ("404", "");
    check(&good, PATH, FOUND, "scope:", &[]);
    check(&good, PATH, gone, "scope:", &["absent"]);
    check(&good, PATH, ("410", ""), "scope:", &["absent"]);
    check(&good, PATH, ("500", ""), "upstream.500", &[]);
    let by_name = "GET /r4/Patient?identifier=urn:x|1";
    check(&good, by_name, ("200", none), "scope:", &["absent"]);
    let other = "GET /r4/Observation?patient=p1";
    check(&good, other, ("200", none), "scope:", &[]);
    let refused = "GET /r4/Observation?patient=p1";
    check(&patients, refused, FOUND, "scope", &["refused"]);
    check(&stolen, PATH, FOUND, "token.binding", &["theft"]);
    let tried = &["tokens", "credentials"];
    check(&forged, PATH, FOUND, "token.", tried);
    check(&impostor, PATH, FOUND, "token.signature", tried);
    check("Bearer a.b.c", PATH, FOUND, "token.malformed", tried);
    check(&bare, PATH, FOUND, "dpop.missing", &["proofs"]);
    // What others bring about, or anybody may do.
    check(&expired, PATH, FOUND, "token.expired", &[]);
    check(&elsewhere, PATH, FOUND, "token.audience", &[]);
    check("Bearer a b", PATH, FOUND, "credentials.malformed", &[]);
    check("Basic eDp5", PATH, FOUND, "credentials.missing", &[]);
    check(&good, "GET /r4/Patient?no=1", FOUND, "request.", &[]);
    check(&good, "GET /r4/metadata", FOUND, "public", &[]);
}

#[test]
fn a_score_acts_before_a_request_goes_on() {
    let detectors = |more: Value| {
        let mut all = json!({ "report_at": 20, "half_life": "10m" });
        for (key, value) in more.as_object().expect("an object") {
            all[key] = value.clone();
        }
        all
    };
    let check = |name: &str, more: Value, rule: &str, risk: Value| {
        let mut world = world(detectors(more));
        let attributes = world.attributes();
        let own = world.claims().scope("system/*.rs");
        let good = format!("Bearer {}", world.token(&own));
        for id in 0..6 {
            let target = format!("GET /r4/Patient/{}", 7 * id);
            seen(&mut world, &attributes, &good, &target, ("404", ""), T);
        }
        let (found, told) = seen(&mut world, &attributes, &good, PATH, FOUND, T);
        assert_eq!(found, rule, "{name}");
        for key in ["action", "would", "reasons"] {
            assert_eq!(told[key], risk[key], "{name}: {told}");
        }
    };
    let scope = "scope:system/*.rs";
    let told = |action: &str| json!({ "action": action, "reasons": ["absent"] });
    let would = |what: &str| json!({ "action": "report", "would": what, "reasons": ["absent"] });
    let step_up = json!({ "step_up_at": 20, "step_up": { "max_age": "5m" } });
    check("nothing", json!({}), scope, told("report"));
    check("clamp", json!({ "clamp_at": 20 }), scope, told("clamp"));
    check("not yet", json!({ "clamp_at": 25 }), scope, told("report"));
    check(
        "another login",
        step_up.clone(),
        "step-up.risk",
        told("step-up"),
    );
    let mut only = step_up.clone();
    only["report_only"] = json!(true);
    check("only told", only, scope, would("step-up"));
    let mut clamp = json!({ "clamp_at": 20, "report_only": true });
    check("a clamp, only told", clamp.clone(), scope, would("clamp"));
    clamp["report_only"] = json!(false);
    clamp["watch_only"] = json!(["absent"]);
    check("not for this", clamp, scope, told("report"));
}

#[test]
fn nobody_is_watched_unless_configured() {
    let mut world = Deployment::with(|config| config["audit"]["address"] = json!("none"));
    assert!(world.guard.tick_period().is_none() && !world.guard.needs_address());
    let head = world.head("patient/*.rs", PATH, &[]);
    let mut exchange = Exchange::default();
    world.ask(&mut exchange, head, true);
    exchange.end();
    assert!(exchange.observing().is_none());
    let reports = self::world(json!({}));
    assert!(reports.guard.tick_period().is_none() && reports.guard.needs_address());
    // Alerts tell callers apart by it, also where they do not name it.
    let alerts = Deployment::with(|config| {
        config["audit"]["address"] = json!("none");
        config["audit"]["alerts"] = json!("ecs");
    });
    assert!(alerts.guard.tick_period().is_none() && alerts.guard.needs_address());
    let isolates = self::world(json!({ "isolate": ["client"] }));
    assert_eq!(isolates.guard.tick_period(), Some(1000));
}

#[test]
fn who_is_isolated_is_told_the_same_whatever_is_asked() {
    let mut world = world(json!({ "isolate": ["certificate"], "isolate_for": "60s" }));
    let mut other = world.worker();
    let own = world.claims().scope("system/*.rs");
    let good = format!("Bearer {}", world.token(&own));
    let attributes = world.attributes();
    for guess in 0..10 {
        let (rule, _) = seen(
            &mut world,
            &attributes,
            &format!("Bearer {guess}.b.c"),
            PATH,
            FOUND,
            T,
        );
        assert_eq!(rule, "token.malformed", "{guess}");
    }
    let mut look = other.guard.look_at_quarantine(T).expect("ticks");
    let found = other.carry_out(&mut look);
    other.guard.quarantined(found, T);
    let later = T + 59 * SECOND;
    for world in [&mut world, &mut other] {
        for (credentials, target) in [
            (good.as_str(), PATH),
            (good.as_str(), "GET /r4/metadata"),
            (good.as_str(), "DELETE /elsewhere"),
            ("Bearer a.b.c", "GET /r4/Patient?no=1"),
            ("Basic eDp5", PATH),
        ] {
            let (rule, risk) = seen(world, &attributes, credentials, target, FOUND, later);
            assert_eq!(
                (rule.as_str(), risk),
                ("risk.isolated", Value::Null),
                "{target}"
            );
        }
        // The same token, from whoever has it and not the certificate.
        let (rule, _) = seen(world, &nobody(), &good, PATH, FOUND, later);
        assert_eq!(rule, "token.binding");
        let (rule, _) = seen(world, &attributes, &good, PATH, FOUND, T + 60 * SECOND);
        assert_eq!(rule, "scope:system/*.rs");
    }
}

#[test]
fn nobody_is_isolated_for_what_others_send() {
    let mut world = world(json!({ "isolate": ["certificate", "client"] }));
    let own = world.claims().scope("system/*.rs");
    let good = format!("Bearer {}", world.token(&own));
    let attributes = world.attributes();
    // Whoever has stolen the token, and whoever makes some up, without the certificate.
    for guess in 0..100 {
        let stolen = format!(
            "Bearer {}",
            world.token(&own.clone().jti(&guess.to_string()))
        );
        for credentials in [stolen, format!("{good}{guess}")] {
            let (_, risk) = seen(&mut world, &nobody(), &credentials, PATH, FOUND, T);
            assert!(risk.is_null() || risk["action"] == "report", "{risk}");
        }
    }
    let (rule, risk) = seen(&mut world, &attributes, &good, PATH, FOUND, T);
    assert_eq!((rule.as_str(), risk), ("scope:system/*.rs", Value::Null));
}
