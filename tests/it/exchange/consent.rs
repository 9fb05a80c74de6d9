//! Requests that a patient must have consented to.

mod beyond;
mod bundles;
mod waits;

use fhir_guard::remote::Call;
use fhir_guard::wire::Pair;

use super::*;
use driver::{NOW, pairs, slug};

const SECOND: u64 = 1_000_000_000;
const T: u64 = NOW * SECOND;
const USER: &str = "user/*.cruds";
const SEARCH: &str = "GET /r4/Observation?patient=p1";

/// A deployment in which everything takes consent.
fn requiring(edit: impl FnOnce(&mut Value)) -> Deployment {
    Deployment::with(|config| {
        config["rules"] = json!([{"name": "c", "effect": "require", "require": {"consent": true}}]);
        config["redaction"] = json!([]);
        edit(config);
    })
}

fn deployment() -> Deployment {
    requiring(|_| ())
}

/// A Consent of `p1` with this rule.
fn consent(provision: Value) -> Value {
    json!({
        "resourceType": "Consent", "id": "c1", "status": "active",
        "scope": {"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy",
        }]},
        "patient": {"reference": "Patient/p1"},
        "provision": provision,
    })
}

fn bundle(resources: &[Value]) -> Value {
    let entries: Vec<Value> = resources
        .iter()
        .map(|resource| json!({"resource": resource}))
        .collect();
    json!({"resourceType": "Bundle", "type": "searchset", "entry": entries})
}

fn permit() -> Value {
    bundle(&[consent(json!({"type": "permit"}))])
}

fn deny() -> Value {
    bundle(&[consent(json!({"type": "deny"}))])
}

/// A request of the Practitioner 7, and what comes of it at first.
fn ask(world: &mut Deployment, scope: &str, target: &str, now: u64) -> (Exchange, Step) {
    let claims = world.claims().scope(scope).fhir_user("Practitioner/7");
    let token = world.token(&claims);
    let mut exchange = Exchange::default();
    let head = world.head_with(&token, target, &[]);
    let step = world.ask_at(&mut exchange, head, true, now);
    (exchange, step)
}

/// A request that waits for Consents.
fn waits(world: &mut Deployment, scope: &str, target: &str) -> Exchange {
    let (exchange, step) = ask(world, scope, target, T);
    assert_eq!(step, Step::Wait, "{target}");
    assert!(exchange.is_waiting() && exchange.leaves_body());
    exchange
}

fn call(world: &Deployment, exchange: &mut Exchange) -> Call {
    let call = exchange.call(&world.guard).expect("a call");
    assert_eq!(exchange.call(&world.guard), None, "it is made once");
    call
}

fn ok() -> Vec<Pair> {
    head("200", "application/fhir+json")
}

fn head(status: &str, content_type: &str) -> Vec<Pair> {
    pairs([(":status", status), ("content-type", content_type)].iter())
}

/// The server's answer, to the one that asked.
fn answered(world: &Deployment, exchange: &mut Exchange, answer: &Value) -> Step {
    let text = answer.to_string();
    exchange.answered(&world.guard, Some((&ok(), text.as_bytes())))
}

/// A request for which the server has these Consents: forwarded, or the status and the rule of a refusal.
fn outcome(
    world: &mut Deployment,
    scope: &str,
    target: &str,
    answer: &Value,
) -> Result<Exchange, (u16, String)> {
    let mut exchange = waits(world, scope, target);
    call(world, &mut exchange);
    let step = answered(world, &mut exchange, answer);
    passed(world, exchange, step)
}

/// The same where it is forwarded.
fn permitted(world: &mut Deployment, scope: &str, target: &str, answer: &Value) -> Exchange {
    outcome(world, scope, target, answer).unwrap_or_else(|refused| panic!("{target}: {refused:?}"))
}

fn passed(
    world: &Deployment,
    mut exchange: Exchange,
    step: Step,
) -> Result<Exchange, (u16, String)> {
    match step {
        Step::Forward(_) => Ok(exchange),
        Step::Reply(reply) => {
            let record = world.record(&mut exchange);
            Err((reply.status, slug(&record["rule"]).to_owned()))
        }
        step => panic!("{step:?}"),
    }
}

fn refused(status: u16, rule: &str) -> Option<(u16, String)> {
    Some((status, rule.to_owned()))
}

#[test]
fn the_patients_consents_are_asked_for() {
    let mut world = requiring(|config| {
        config["fhir"]["upstream"]["identity"] =
            json!({"user": "x-user", "request_id": "x-own-id"});
        config["fhir"]["upstream"]["authorization"] = json!("keep");
        config["consent"] = json!({"count": 5});
    });
    let mut exchange = waits(&mut world, USER, SEARCH);
    let asked = call(&world, &mut exchange);
    assert_eq!(
        (asked.cluster.as_str(), asked.timeout.as_secs()),
        ("fhir", 5)
    );
    assert!(asked.body.is_empty());
    let field = |call: &Call, wanted: &str| {
        let found = call.headers.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone())
    };
    let path = "/base/Consent?patient=Patient/p1&status=active&_count=6";
    for (name, expected) in [
        (":method", Some("GET")),
        (":path", Some(path)),
        (":authority", Some("fhir")),
        ("accept", Some("application/fhir+json")),
        ("prefer", Some("handling=strict")),
        ("x-user", Some("Practitioner/7")),
        ("x-request-id", Some("r-1")),
        ("x-own-id", None),
    ] {
        assert_eq!(field(&asked, name).as_deref(), expected, "{name}");
    }
    let token = field(&asked, "authorization").expect("the server gets the token");
    assert!(token.starts_with("Bearer "));
    // Another server does not.
    let mut other = world.changed(|config| {
        config["consent"] = json!({"cluster": "consents", "base": "http://consents/r4"});
    });
    let mut exchange = waits(&mut other, USER, SEARCH);
    let asked = call(&other, &mut exchange);
    assert_eq!(asked.cluster, "consents");
    assert_eq!(field(&asked, ":authority").as_deref(), Some("consents"));
    let path = "/r4/Consent?patient=Patient/p1&status=active&_count=21";
    assert_eq!(field(&asked, ":path").as_deref(), Some(path));
    assert_eq!(field(&asked, "authorization"), None);
}

#[test]
fn consent_permits_or_denies() {
    let class =
        |name: &str| json!([{"system": "http://hl7.org/fhir/resource-types", "code": name}]);
    let but = |name: &str| {
        let denial = json!({"type": "deny", "class": class(name)});
        bundle(&[consent(json!({"type": "permit", "provision": [denial]}))])
    };
    let only = |reference: &str| {
        let role = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
        let actor = json!({"role": {"coding": [{"system": role, "code": "IRCP"}]},
            "reference": {"reference": reference}});
        bundle(&[consent(json!({"type": "permit", "actor": [actor]}))])
    };
    let mut next = permit();
    next["link"] = json!([{"relation": "next", "url": "http://fhir/base/Consent?page=2"}]);
    let denied = || refused(403, "consent.c");
    for (name, target, answer, expected) in [
        ("permitted", SEARCH, permit(), None),
        ("denied", SEARCH, deny(), denied()),
        ("none", SEARCH, bundle(&[]), denied()),
        (
            "contradiction",
            SEARCH,
            bundle(&[
                consent(json!({"type": "permit"})),
                consent(json!({"type": "deny"})),
            ]),
            denied(),
        ),
        ("more", SEARCH, next, denied()),
        ("another type denied", SEARCH, but("Condition"), None),
        ("the type denied", SEARCH, but("Observation"), denied()),
        (
            "one of two types denied",
            "GET /r4?_type=Observation,Condition&patient=p1",
            but("Condition"),
            denied(),
        ),
        ("of an own doctor", SEARCH, only("Practitioner/7"), None),
        (
            "of another doctor",
            SEARCH,
            only("Practitioner/8"),
            denied(),
        ),
        (
            "by the base",
            SEARCH,
            only("https://fhir.example.org/r4/Practitioner/7"),
            None,
        ),
        ("a read", "GET /r4/Patient/p1", permit(), None),
        ("a delete", "DELETE /r4/Patient/p1", permit(), None),
    ] {
        let mut world = deployment();
        let found = outcome(&mut world, USER, target, &answer).err();
        assert_eq!(found, expected, "{name}");
    }
    // The patient in context, who is asked like everybody else.
    let mut world = deployment();
    let found = outcome(
        &mut world,
        "patient/*.rs",
        "GET /r4/Observation/o1",
        &deny(),
    );
    assert_eq!(found.err(), denied());
}

#[test]
fn nobody_is_asked_where_nobody_knows_whom() {
    let mut world = deployment();
    for target in [
        "GET /r4/Observation/o1",
        "GET /r4/Observation?code=x",
        "GET /r4/Patient/_history",
    ] {
        let (mut exchange, step) = ask(&mut world, USER, target, T);
        assert!(matches!(step, Step::Reply(_)), "{target}: {step:?}");
        assert_eq!(slug(&world.record(&mut exchange)["rule"]), "consent.c");
    }
    // Whoever has used up the limits asks nothing.
    let mut world = requiring(|config| {
        config["limits"] = json!([{"name": "l", "key": ["client"], "rate": "1/h", "burst": 1}]);
    });
    waits(&mut world, USER, SEARCH);
    let (exchange, step) = ask(&mut world, USER, SEARCH, T);
    let found = passed(&world, exchange, step).err();
    assert_eq!(found, refused(429, "limit.l"));
}

/// A name, status, content type and body of an answer, and the refusal that it brings about.
type Row<'a> = (&'a str, &'a str, &'a str, &'a [u8], Option<(u16, String)>);

#[test]
fn what_is_no_answer_refuses() {
    let text = permit().to_string();
    let json = "application/fhir+json";
    let away = || refused(503, "unavailable.consent");
    let long = format!("{}{}", " ".repeat(64 << 10), text);
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let twice = text.replacen(
        "\"type\":\"searchset\"",
        "\"type\":\"searchset\",\"type\":\"searchset\"",
        1,
    );
    let rows: Vec<Row<'_>> = vec![
        ("as it is", "200", json, text.as_bytes(), None),
        ("created", "201", json, text.as_bytes(), away()),
        ("not found", "404", json, text.as_bytes(), away()),
        ("forbidden", "403", json, text.as_bytes(), away()),
        ("too many requests", "429", json, text.as_bytes(), away()),
        ("failing", "500", json, text.as_bytes(), away()),
        ("no status", "", json, text.as_bytes(), away()),
        ("html", "200", "text/html", text.as_bytes(), away()),
        ("xml", "200", "application/fhir+xml", b"<Bundle/>", away()),
        ("nothing", "200", json, b"", away()),
        (
            "no json",
            "200",
            json,
            b"{\"resourceType\":\"Bundle\"",
            away(),
        ),
        (
            "not utf-8",
            "200",
            json,
            b"{\"resourceType\":\"\xff\"}",
            away(),
        ),
        ("deep", "200", json, deep.as_bytes(), away()),
        ("a key twice", "200", json, twice.as_bytes(), away()),
        (
            "another type",
            "200",
            json,
            b"{\"resourceType\":\"OperationOutcome\"}",
            away(),
        ),
        (
            "long",
            "200",
            json,
            long.as_bytes(),
            refused(403, "consent.c"),
        ),
    ];
    for (name, status, content_type, body, expected) in rows {
        let mut world = deployment();
        let mut exchange = waits(&mut world, USER, SEARCH);
        call(&world, &mut exchange);
        let head = head(status, content_type);
        let step = exchange.answered(&world.guard, Some((&head, body)));
        assert_eq!(passed(&world, exchange, step).err(), expected, "{name}");
    }
    let mut world = deployment();
    let mut exchange = waits(&mut world, USER, SEARCH);
    call(&world, &mut exchange);
    let step = exchange.answered(&world.guard, None);
    assert_eq!(passed(&world, exchange, step).err(), away(), "no answer");
}

#[test]
fn a_rule_that_reports_withholds_nothing() {
    let mut world = requiring(|config| config["rules"][0]["report"] = json!(true));
    let mut denied = permitted(&mut world, USER, SEARCH, &deny());
    let expected = json!(["consent.c: a consent denies it"]);
    assert_eq!(world.record(&mut denied)["reported"], expected);
    let mut world = world.changed(|_| ());
    let mut away = waits(&mut world, USER, SEARCH);
    call(&world, &mut away);
    let step = away.answered(&world.guard, None);
    assert!(matches!(step, Step::Forward(_)), "{step:?}");
    let reported = &world.record(&mut away)["reported"][0];
    assert_eq!(slug(reported), "unavailable.consent");
}

/// What leaves of this answer, under these Consents.
fn left(scope: &str, target: &str, consents: &Value, body: &Value) -> Result<Value, u16> {
    let mut world = deployment();
    let mut exchange = permitted(&mut world, scope, target, consents);
    let head = [
        (":status", "200"),
        ("content-type", "application/fhir+json"),
    ];
    // The type of a Bundle has to stand before its entries.
    let text = match body.get("entry") {
        Some(entries) => format!(
            r#"{{"resourceType":"Bundle","type":{},"entry":{entries}}}"#,
            body["type"]
        ),
        None => body.to_string(),
    };
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(100).chain([&b""[..]]).collect();
    let answer = world.answer(&mut exchange, &head, &pieces, false);
    match answer.end {
        End::Complete => Ok(serde_json::from_slice(&answer.body).expect("JSON")),
        End::Reply(reply) => Err(reply.status),
        End::Reset => panic!("cut"),
    }
}

fn ids(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let id = |entry: &Value| entry["resource"]["id"].as_str().expect("an id").to_owned();
    entries.iter().map(id).collect()
}

#[test]
fn what_is_not_consented_to_does_not_leave() {
    let acts = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    let label = json!([{"system": acts, "code": "PSY"}]);
    let but = |rule: Value| bundle(&[consent(json!({"type": "permit", "provision": [rule]}))]);
    let psy = but(json!({"type": "deny", "securityLabel": label}));
    let types = "http://hl7.org/fhir/resource-types";
    let no_conditions =
        but(json!({"type": "deny", "class": [{"system": types, "code": "Condition"}]}));
    let observation = |id: &str, patient: &str| json!({"resourceType": "Observation", "id": id, "subject": {"reference": format!("Patient/{patient}")}});
    let mut labelled = observation("o2", "p1");
    labelled["meta"] = json!({"security": label});
    let mut containing = observation("o3", "p1");
    containing["contained"] =
        json!([{"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p1"}}]);
    let mut contained = observation("o4", "p1");
    contained["contained"] = json!([{"resourceType": "Condition", "id": "c",
        "meta": {"security": label}, "subject": {"reference": "Patient/p1"}}]);
    let all = bundle(&[
        observation("o1", "p1"),
        labelled.clone(),
        containing,
        contained,
        observation("o5", "p2"),
    ]);
    for (name, consents, expected) in [
        ("all but another's", permit(), vec!["o1", "o2", "o3", "o4"]),
        ("no such label", psy.clone(), vec!["o1", "o3"]),
        ("no conditions inside", no_conditions, vec!["o1", "o2"]),
    ] {
        let found = left(USER, SEARCH, &consents, &all).expect(name);
        assert_eq!(ids(&found), expected, "{name}");
    }
    // One instance answers as if it were absent; so does what is gone.
    let read = "GET /r4/Observation/o2";
    assert_eq!(left("patient/*.rs", read, &psy, &labelled), Err(404));
    assert!(left("patient/*.rs", read, &permit(), &labelled).is_ok());
    let mut patient = json!({"resourceType": "Patient", "id": "p1", "meta": {"security": label}});
    assert_eq!(left(USER, "GET /r4/Patient/p1", &psy, &patient), Err(404));
    patient["meta"] = json!({});
    assert!(left(USER, "GET /r4/Patient/p1", &psy, &patient).is_ok());
    let history = json!({"resourceType": "Bundle", "type": "history", "entry": [{
        "resource": {"resourceType": "Patient", "id": "p1", "meta": {"security": label}},
        "request": {"method": "PUT", "url": "Patient/p1"}, "response": {"status": "200"},
    }]});
    assert_eq!(
        left(USER, "GET /r4/Patient/p1/_history", &psy, &history),
        Err(404)
    );
    let mut world = deployment();
    let mut exchange = permitted(&mut world, USER, "GET /r4/Patient/p1", &permit());
    let gone = [(":status", "410"), ("content-type", "text/plain")];
    assert_eq!(
        world.answer(&mut exchange, &gone, &[b""], false).status(),
        404
    );
}
