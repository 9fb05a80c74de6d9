//! Writes of patients that rest on the current version: it is read, decided on, and pinned.

mod answers;
mod granular;
mod labelled;
mod patched;
mod places;

use fhir_guard::remote::Call;
use fhir_guard::wire::Pair;

use super::writes::{FOREIGN, observation, unbuilt};
use super::*;
use driver::{NOW, pairs, slug};

const SECOND: u64 = 1_000_000_000;
const T: u64 = NOW * SECOND;
const ALL: &str = "patient/*.cruds";

/// A deployment whose server is trusted to honour `If-Match`.
fn trusting() -> Deployment {
    trusting_with(|_| ())
}

fn trusting_with(edit: impl FnOnce(&mut Value)) -> Deployment {
    unbuilt(|config| {
        config["fhir"]["upstream"]["trust"] = json!(["if_match"]);
        config["fhir"]["body_limit"] = json!("64KiB");
        config["response"]["resource_limit"] = json!("2MiB");
        edit(config);
    })
}

/// An Observation of this id about somebody.
fn stored(subject: &str) -> Value {
    let mut stored = observation(subject);
    stored["id"] = json!("o1");
    stored
}

/// A write of the Observation `o1`, up to where it waits; its body comes whole.
fn waits(
    world: &mut Deployment,
    method: &str,
    body: Option<&Value>,
    fields: &[(&str, &str)],
) -> Exchange {
    let target = format!("{method} /r4/Observation/o1");
    waits_for(world, &target, body, fields)
}

fn waits_for(
    world: &mut Deployment,
    target: &str,
    body: Option<&Value>,
    fields: &[(&str, &str)],
) -> Exchange {
    waits_as(world, ALL, target, body, fields)
}

fn waits_as(
    world: &mut Deployment,
    scope: &str,
    target: &str,
    body: Option<&Value>,
    fields: &[(&str, &str)],
) -> Exchange {
    let content_type = match target.starts_with("PATCH") {
        true => ("content-type", "application/json-patch+json"),
        false => ("content-type", "application/fhir+json"),
    };
    let fields: Vec<_> = fields.iter().copied().chain([content_type]).collect();
    let head = world.head(scope, target, &fields);
    let mut exchange = Exchange::default();
    assert_eq!(
        world.ask(&mut exchange, head, body.is_none()),
        Step::Wait,
        "{target}"
    );
    if let Some(body) = body {
        assert!(
            !exchange.is_waiting(),
            "nobody is asked before the body is there"
        );
        assert_eq!(exchange.call(&world.guard), None);
        let step = exchange.request_body(&world.guard, body.to_string().as_bytes(), true);
        assert_eq!(step, Step::Wait, "{target}");
    }
    assert!(exchange.is_waiting());
    exchange
}

/// The call that is made, once.
fn call(world: &Deployment, exchange: &mut Exchange) -> Call {
    let call = exchange.call(&world.guard).expect("a call");
    assert_eq!(exchange.call(&world.guard), None, "it is made once");
    call
}

fn head_of(status: &str, etag: Option<&str>) -> Vec<Pair> {
    let mut fields = vec![
        (":status", status),
        ("content-type", "application/fhir+json"),
    ];
    fields.extend(etag.map(|etag| ("etag", etag)));
    pairs(fields.iter())
}

/// What comes of a write when the upstream answers so.
fn answered(
    world: &mut Deployment,
    method: &str,
    body: Option<&Value>,
    fields: &[(&str, &str)],
    head: &[Pair],
    current: &[u8],
) -> (Step, Value) {
    let mut exchange = waits(world, method, body, fields);
    call(world, &mut exchange);
    let step = exchange.answered(&world.guard, Some((head, current)));
    let record = world.record(&mut exchange);
    (step, record)
}

/// The tag of what went upstream, or the status and the rule of a refusal.
fn outcome((step, record): (Step, Value)) -> Result<String, (u16, String)> {
    match step {
        Step::Forward(sent) => {
            let mut tags = sent.iter().filter(|(name, _)| name == b"if-match");
            let tag = tags.next().expect("it is pinned").1.clone();
            assert_eq!(tags.next(), None, "once");
            let tag = String::from_utf8(tag).expect("text");
            assert_eq!(record["current"], json!(tag), "{record}");
            Ok(tag)
        }
        Step::Reply(reply) => Err((reply.status, slug(&record["rule"]).to_owned())),
        step => panic!("{step:?}"),
    }
}

const ETAG: Option<&str> = Some("W/\"7\"");

/// What comes of a write when this is the current version.
fn on(
    world: &mut Deployment,
    method: &str,
    body: Option<&Value>,
    current: &Value,
) -> Result<String, (u16, String)> {
    let current = current.to_string();
    outcome(answered(
        world,
        method,
        body,
        &[],
        &head_of("200", ETAG),
        current.as_bytes(),
    ))
}

fn pinned() -> Result<String, (u16, String)> {
    Ok("W/\"7\"".to_owned())
}

fn refused(status: u16, rule: &str) -> Result<String, (u16, String)> {
    Err((status, rule.to_owned()))
}

#[test]
fn the_current_version_is_asked_for_as_the_same_caller() {
    let mut world = trusting_with(|config| {
        config["fhir"]["upstream"]["identity"] =
            json!({"patient": "x-patient", "client": "x-client"});
        config["fhir"]["upstream"]["authorization"] = json!("keep");
    });
    let body = stored("Patient/p1");
    let fields = [
        ("prefer", "return=representation"),
        ("user-agent", "app/1"),
        ("if-match", "W/\"7\""),
    ];
    let mut exchange = waits(&mut world, "PUT", Some(&body), &fields);
    let call = call(&world, &mut exchange);
    assert_eq!((call.cluster.as_str(), call.timeout.as_secs()), ("fhir", 5));
    assert!(call.body.is_empty());
    let field = |wanted: &str| {
        let found = call.headers.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str())
    };
    for (name, expected) in [
        (":method", Some("GET")),
        (":path", Some("/base/Observation/o1")),
        (":authority", Some("fhir")),
        ("accept", Some("application/fhir+json")),
        ("accept-encoding", Some("identity")),
        ("x-patient", Some("p1")),
        ("x-client", Some("clinic-a")),
        ("x-request-id", Some("r-1")),
        ("user-agent", Some("app/1")),
        ("prefer", None),
        ("if-match", None),
        ("content-type", None),
        ("content-length", None),
        (":scheme", None),
    ] {
        assert_eq!(field(name), expected, "{name}");
    }
    assert!(field("authorization").is_some_and(|token| token.starts_with("Bearer ")));
    let names: Vec<&str> = call.headers.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names[..3], [":method", ":path", ":authority"]);
}

#[test]
fn both_versions_are_the_own_patients_bypass_43_45() {
    let mut world = trusting();
    let (own, other) = (stored("Patient/p1"), stored("Patient/p2"));
    let absent = || refused(404, "compartment");
    assert_eq!(
        on(&mut world, "PUT", Some(&own), &own),
        pinned(),
        "own to own"
    );
    assert_eq!(
        on(&mut world, "DELETE", None, &own),
        pinned(),
        "own to nothing"
    );
    assert_eq!(
        on(&mut world, "PUT", Some(&own), &other),
        absent(),
        "row 43: into the compartment"
    );
    assert_eq!(
        on(&mut world, "DELETE", None, &other),
        absent(),
        "row 45: another's to nothing"
    );
    let mut shared = own.clone();
    shared["performer"] = json!([{"reference": "Patient/p2"}]);
    assert_eq!(
        on(&mut world, "PUT", Some(&own), &shared),
        absent(),
        "of two patients"
    );
    // To take part in what is a group's is not to own it.
    let mut group = stored("Group/1");
    group["performer"] = json!([{"reference": "Patient/p1"}]);
    let foreign = || refused(403, "compartment.body");
    assert_eq!(
        on(&mut world, "PUT", Some(&own), &group),
        foreign(),
        "of a group"
    );
    assert_eq!(
        on(&mut world, "DELETE", None, &group),
        foreign(),
        "of a group"
    );
    // Whose it would become is decided before the server is asked.
    for body in [&other, &shared] {
        let found = writes::outcome(&mut world, ALL, "PUT /r4/Observation/o1", &[], Some(body));
        let rule = found.map(|(status, rule)| (status, Some(rule)));
        assert_eq!(
            rule,
            Some((403, FOREIGN.map(str::to_owned))),
            "row 43: out of the compartment"
        );
    }
}

#[test]
fn a_patch_is_applied_before_it_is_decided_bypass_44() {
    let mut world = trusting_with(|config| config["redaction"] = json!([]));
    let mut current = stored("Patient/p1");
    current["performer"] = json!([{"reference": "Practitioner/7"}]);
    current["note"] = json!([{"text": "Patient/p2"}]);
    current["meta"] = json!({"versionId": "7", "security": [{"code": "R"}]});
    let other = stored("Patient/p2");
    let value =
        |op: &str, path: &str, value: Value| json!([{"op": op, "path": path, "value": value}]);
    let from = |op: &str, from: &str, path: &str| json!([{"op": op, "from": from, "path": path}]);
    let foreign = || refused(403, "compartment.body");
    let reference = |id: &str| json!({"reference": id});
    for (name, patch, expected) in [
        (
            "nothing of whose it is",
            value("replace", "/status", json!("amended")),
            pinned(),
        ),
        (
            "the own patient again",
            value("replace", "/subject", reference("Patient/p1")),
            pinned(),
        ),
        (
            "a practitioner",
            value("add", "/performer/-", reference("Practitioner/8")),
            pinned(),
        ),
        (
            "row 44: the subject",
            value("replace", "/subject/reference", json!("Patient/p2")),
            foreign(),
        ),
        (
            "row 44: all of the subject",
            value("add", "/subject", reference("Patient/p2")),
            foreign(),
        ),
        (
            "no subject",
            json!([{"op": "remove", "path": "/subject"}]),
            foreign(),
        ),
        (
            "half a subject",
            json!([{"op": "remove", "path": "/subject/reference"}]),
            foreign(),
        ),
        (
            "another performer",
            value("add", "/performer/-", reference("Patient/p2")),
            foreign(),
        ),
        (
            "another in place of one",
            value("replace", "/performer/0/reference", json!("Patient/p2")),
            foreign(),
        ),
        (
            "another elsewhere",
            value("add", "/focus", json!([reference("Patient/p2")])),
            foreign(),
        ),
        (
            "a contained patient",
            value(
                "add",
                "/contained",
                json!([{"resourceType": "Patient", "id": "x"}]),
            ),
            foreign(),
        ),
        (
            "a text of the resource to where it says whose it is",
            from("copy", "/note/0/text", "/subject/reference"),
            refused(400, "request.not-supported.conditional-reference"),
        ),
        (
            "a whole reference from an extension",
            json!([
                {"op": "add", "path": "/x", "value": {"a": "Patient/p2"}},
                {"op": "move", "from": "/x", "path": "/subject"},
            ]),
            foreign(),
        ),
        (
            "there and back",
            json!([
                {"op": "replace", "path": "/subject", "value": reference("Patient/p2")},
                {"op": "replace", "path": "/subject", "value": reference("Patient/p1")},
            ]),
            pinned(),
        ),
        (
            "what is not there",
            value("replace", "/bodySite", json!({})),
            refused(422, "request.patch"),
        ),
        (
            "a test that fails",
            value("test", "/status", json!("x")),
            refused(422, "request.patch"),
        ),
        (
            "a test that holds",
            value("test", "/status", json!("final")),
            pinned(),
        ),
        (
            "row 52: a label",
            value("replace", "/meta/security/0/code", json!("N")),
            refused(400, "request.not-supported.label"),
        ),
    ] {
        let refused_early = writes::outcome(
            &mut world,
            ALL,
            "PATCH /r4/Observation/o1",
            &[],
            Some(&patch),
        );
        let early = refused_early.is_some();
        let found = match refused_early {
            Some(refused) => Err(refused),
            None => on(&mut world, "PATCH", Some(&patch), &current),
        };
        assert_eq!(found, expected, "{name}");
        if !early {
            let absent = on(&mut world, "PATCH", Some(&patch), &other);
            assert_eq!(absent, refused(404, "compartment"), "{name}, of another's");
        }
    }
    let costly: Vec<Value> = (0..40)
        .map(|_| json!({"op": "copy", "from": "/note", "path": "/note/-"}))
        .collect();
    assert_eq!(
        on(&mut world, "PATCH", Some(&json!(costly)), &current),
        refused(422, "request.patch")
    );
}
