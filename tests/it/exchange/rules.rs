//! Rules with conditions, through whole exchanges.

use super::driver::NOW;
use super::*;

/// What came of one request: what the record says decided, what it says would have been refused,
/// and the status of a refusal.
fn asked(world: &mut Deployment, scope: &str, target: &str, claims: &[(&str, Value)]) -> Outcome {
    asked_at(world, scope, target, claims, NOW)
}

type Outcome = (String, Value, Option<u16>);

fn asked_at(
    world: &mut Deployment,
    scope: &str,
    target: &str,
    claims: &[(&str, Value)],
    now: u64,
) -> Outcome {
    let mut token = world.claims().scope(scope);
    for (name, value) in claims {
        token = token.claim(name, value.clone());
    }
    let token = world.token(&token);
    let mut exchange = Exchange::default();
    let head = world.head_with(&token, target, &[]);
    let step = world.ask_at(&mut exchange, head, true, now * 1_000_000_000);
    let record = world.record(&mut exchange);
    let rule = record["rule"].as_str().unwrap_or_default().to_owned();
    let status = match step {
        Step::Reply(reply) => {
            let text = String::from_utf8(reply.body).expect("text");
            for word in ["research", "office", "night", "deny"] {
                assert!(!text.contains(word), "the answer tells of the rule: {text}");
            }
            Some(reply.status)
        }
        _ => None,
    };
    (rule, record["reported"].clone(), status)
}

fn with(rules: Value) -> Deployment {
    Deployment::with(|config| {
        config["rules"] = rules;
        config["time_zones"] = json!({"Europe/Berlin": "CET-1CEST,M3.5.0,M10.5.0/3"});
        config["issuers"][0]["claims"] = json!({"roles": ["/roles"], "purpose": ["/purpose"]});
        config["issuers"][0]["tenant"] = json!("north");
        config["redaction"][0]["when"] = json!("!('physician' in principal.roles)");
    })
}

const READ: &str = "GET /r4/Patient/p1";
const SCOPE: &str = "scope:system/*.rs";

#[test]
fn a_rule_refuses_what_scopes_permit_and_opens_nothing() {
    let rule = |effect: &str, when: &str| json!({"name": "office", "effect": effect, "when": when});
    let research = json!(["HRESCH"]);
    for (name, rules, claims, expected) in [
        ("no rules", json!([]), &[][..], SCOPE),
        (
            "deny, and it holds",
            json!([rule("deny", "'HRESCH' in principal.purposes")]),
            &[("purpose", research.clone())],
            "deny.office",
        ),
        (
            "deny, and it does not",
            json!([rule("deny", "'HRESCH' in principal.purposes")]),
            &[("purpose", json!("TREAT"))],
            SCOPE,
        ),
        (
            "allow, and it holds",
            json!([rule(
                "allow",
                "cidr('192.0.2.0/24').containsIP(source.address)"
            )]),
            &[],
            SCOPE,
        ),
        (
            "allow, and it does not",
            json!([rule(
                "allow",
                "cidr('10.0.0.0/8').containsIP(source.address)"
            )]),
            &[],
            "allow.office",
        ),
        (
            "one of two that allow",
            json!([
            rule("allow", "cidr('10.0.0.0/8').containsIP(source.address)"),
            {"name": "role", "effect": "allow", "when": "'nurse' in principal.roles"}]),
            &[("roles", json!(["nurse"]))],
            SCOPE,
        ),
        (
            "deny wins",
            json!([rule("allow", "true"), {"name": "all", "effect": "deny"}]),
            &[],
            "deny.all",
        ),
        (
            "an error denies",
            json!([rule("deny", "token.claims.unit == 'x'")]),
            &[],
            "error.rule.office.absent",
        ),
        (
            "an error of one that allows denies beside another",
            json!([{"name": "all", "effect": "allow"}, rule("allow", "token.claims.unit == 'x'")]),
            &[],
            "error.rule.office.absent",
        ),
        (
            "another type than expected",
            json!([rule("deny", "token.claims.unit > 3")]),
            &[("unit", json!("x"))],
            "error.rule.office.type",
        ),
        (
            "a claim",
            json!([rule("deny", "token.claims.unit.code == 'x'")]),
            &[("unit", json!({"code": "x"}))],
            "deny.office",
        ),
        (
            "not for this interaction",
            json!([{"name": "all", "effect": "deny", "interactions": ["delete"]}]),
            &[],
            SCOPE,
        ),
        (
            "not for this type",
            json!([{"name": "all", "effect": "deny", "types": ["Observation"]}]),
            &[],
            SCOPE,
        ),
        (
            "allow for other types only",
            json!([{"name": "never", "effect": "allow", "types": ["Observation"],
            "when": "false"}]),
            &[],
            SCOPE,
        ),
        (
            "tenant and certificate",
            json!([rule(
                "deny",
                "principal.tenant == 'north' && size(certificate.thumbprint) == 64 && token.bindings == ['certificate']"
            )]),
            &[],
            "deny.office",
        ),
        (
            "instance and interaction",
            json!([rule(
                "deny",
                "fhir.type == 'Patient' && fhir.id == 'p1' && fhir.interaction in ['read', 'vread']"
            )]),
            &[],
            "deny.office",
        ),
    ] {
        let found = asked(&mut with(rules), "system/*.rs", READ, claims);
        let status = (expected != SCOPE).then_some(403);
        assert_eq!(found, (expected.to_owned(), Value::Null, status), "{name}");
    }
    // What scopes do not permit, no rule does; and rules are asked last, of what is permitted.
    let mut world = with(json!([{"name": "all", "effect": "allow"}]));
    let found = asked(&mut world, "system/Observation.rs", READ, &[]);
    assert_eq!(found, ("scope".to_owned(), Value::Null, Some(403)));
    let mut world = with(json!([{"name": "all", "effect": "deny"}]));
    for (scope, target, expected) in [
        ("system/Observation.rs", READ, "scope"),
        ("patient/*.rs", "GET /r4/Patient/p2", "compartment"),
        ("patient/*.rs", READ, "deny.all"),
    ] {
        let (rule, ..) = asked(&mut world, scope, target, &[]);
        assert_eq!(rule, expected, "{scope}: {target}");
    }
    let mut exchange = Exchange::default();
    let head = world.head("system/*.rs", "GET /r4/metadata", &[]);
    let step = world.ask(&mut exchange, head, true);
    assert!(matches!(step, Step::Forward(_)), "public: {step:?}");
}

#[test]
fn hours_are_those_of_the_zone() {
    let when = r#"request.time.getDayOfWeek("Europe/Berlin") in [0, 6]
        || request.time.getHours("Europe/Berlin") < 8 || request.time.getHours("Europe/Berlin") >= 18"#;
    let mut world = with(json!([{"name": "night", "effect": "deny", "when": when}]));
    // 2027-01-15 is a Friday; NOW is its 08:00 UTC, 09:00 in Berlin.
    for (at, expected) in [
        (NOW, SCOPE),
        (NOW - 3600, SCOPE),
        (NOW - 3601, "deny.night"),
        (NOW + 9 * 3600 - 1, SCOPE),
        (NOW + 9 * 3600, "deny.night"),
        (NOW + 24 * 3600, "deny.night"),
        (NOW + 3 * 24 * 3600, SCOPE),
    ] {
        let claims = [
            ("iat", json!(at)),
            ("nbf", json!(at)),
            ("exp", json!(at + 300)),
        ];
        let (rule, ..) = asked_at(&mut world, "system/*.rs", READ, &claims, at);
        assert_eq!(rule, expected, "{}", at.cast_signed() - NOW.cast_signed());
    }
}

#[test]
fn what_only_reports_does_nothing_and_is_recorded() {
    let report = |name: &str, effect: &str, when: &str| json!({"name": name, "effect": effect, "when": when, "report": true});
    let require =
        json!({"name": "strong", "effect": "require", "require": {"amr": ["otp"]}, "report": true});
    for (name, rules, expected, rule) in [
        (
            "deny",
            json!([report("a", "deny", "true"), report("b", "deny", "false")]),
            json!(["deny.a"]),
            SCOPE,
        ),
        (
            "an error",
            json!([report("a", "deny", "token.claims.x")]),
            json!(["error.rule.a.absent"]),
            SCOPE,
        ),
        (
            "none allows",
            json!([report("a", "allow", "false"), report("b", "allow", "false")]),
            json!(["allow.a"]),
            SCOPE,
        ),
        (
            "one allows",
            json!([report("a", "allow", "false"), report("b", "allow", "true")]),
            Value::Null,
            SCOPE,
        ),
        (
            "one that counts allows",
            json!([report("a", "allow", "false"), {"name": "b", "effect": "allow"}]),
            Value::Null,
            SCOPE,
        ),
        (
            "one that only reports opens nothing",
            json!([report("a", "allow", "true"), {"name": "b", "effect": "allow", "when": "false"}]),
            Value::Null,
            "allow.b",
        ),
        (
            "require",
            json!([require]),
            json!(["step-up.strong"]),
            SCOPE,
        ),
    ] {
        let (found, reported, _) = asked(&mut with(rules), "system/*.rs", READ, &[]);
        assert_eq!((found.as_str(), reported), (rule, expected), "{name}");
    }
}

#[test]
fn more_can_be_required_of_some() {
    let strong = json!({"name": "strong", "effect": "require", "require": {"amr": ["otp"]},
        "when": "!cidr('10.0.0.0/8').containsIP(source.address)"});
    let bound =
        |ways: Value| json!({"name": "held", "effect": "require", "require": {"bound": ways}});
    for (name, rules, claims, expected) in [
        (
            "a login that is not enough",
            json!([strong]),
            &[][..],
            ("step-up.strong", Some(401)),
        ),
        (
            "one that is",
            json!([strong]),
            &[("amr", json!(["otp"]))],
            (SCOPE, None),
        ),
        (
            "bound as required",
            json!([bound(json!(["certificate", "dpop"]))]),
            &[],
            (SCOPE, None),
        ),
        (
            "bound otherwise",
            json!([bound(json!(["dpop"]))]),
            &[],
            ("require.held", Some(403)),
        ),
        (
            "an error",
            json!([{"name": "held", "effect": "require", "require": {"bound": ["certificate"]},
            "when": "token.claims.x"}]),
            &[],
            ("error.rule.held.absent", Some(403)),
        ),
    ] {
        let (rule, _, status) = asked(&mut with(rules), "system/*.rs", READ, claims);
        assert_eq!((rule.as_str(), status), expected, "{name}");
    }
}

#[test]
fn a_condition_chooses_redactions_and_limits() {
    let mut world = with(json!([]));
    // The redaction is not for physicians: they may search by what it hides from others.
    for (roles, expected) in [
        (json!(["physician"]), SCOPE),
        (json!(["nurse"]), "request.not-supported.parameter"),
    ] {
        let (rule, ..) = asked(
            &mut world,
            "system/*.rs",
            "GET /r4/Patient?birthdate=2000",
            &[("roles", roles)],
        );
        assert_eq!(rule, expected);
    }
    let mut world = Deployment::with(|config| {
        config["issuers"][0]["claims"] = json!({"roles": ["/roles"]});
        config["limits"] = json!([
            {"name": "guests", "key": ["client"], "rate": "1/d", "burst": 1, "when": "!('nurse' in principal.roles)"},
            {"name": "all", "key": ["client"], "rate": "1/d", "burst": 3},
        ]);
    });
    for (roles, expected) in [
        (json!(["nurse"]), SCOPE),
        (json!(["guest"]), SCOPE),
        (json!(["guest"]), "limit.guests"),
        (json!(["nurse"]), SCOPE),
        (json!(["nurse"]), "limit.all"),
    ] {
        let (rule, ..) = asked(&mut world, "system/*.rs", READ, &[("roles", roles.clone())]);
        assert_eq!(rule, expected, "{roles}");
    }
    for (key, expected) in [
        ("limits", "error.limit.few.absent"),
        ("redaction", "error.redaction.few.absent"),
    ] {
        let mut world = Deployment::with(|config| {
            let mut item = match key {
                "limits" => json!({"name": "few", "key": ["client"], "rate": "1/d", "burst": 1}),
                _ => config["redaction"][0].clone(),
            };
            item["name"] = json!("few");
            item["when"] = json!("principal.tenant == 'north'");
            config[key] = json!([item]);
        });
        let (rule, _, status) = asked(&mut world, "system/*.rs", READ, &[]);
        assert_eq!((rule.as_str(), status), (expected, Some(403)));
    }
}
