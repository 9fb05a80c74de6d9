//! Operations: who may call which, with what, and what of the answer leaves.

mod answers;
mod bodies;

use fhir_guard_harness::tokens::Claims;

use super::*;
use driver::{NOW, slug};

/// A deployment with a few operations.
fn listing() -> Deployment {
    listing_with(|_| ())
}

fn listing_with(edit: impl FnOnce(&mut Value)) -> Deployment {
    let everything = ["_type", "start", "end", "_since", "_count"];
    let of = |name: &str, level: &str, types: &[&str], answer: &str| {
        let methods = ["GET", "POST"];
        json!({"name": name, "level": level, "types": types, "methods": methods, "answer": answer})
    };
    let mut all = vec![
        of("everything", "instance", &["Patient"], "bundle"),
        of("everything", "type", &["Patient"], "bundle"),
        of("lastn", "type", &["Observation"], "bundle"),
        of("match", "type", &["Patient"], "bundle"),
        of("validate", "type", &["Observation"], "outcome"),
        of("lookup", "type", &["CodeSystem"], "parameters"),
        of("document", "instance", &["Composition"], "bundle"),
        of("summary", "instance", &["Patient"], "Composition"),
        json!({"name": "stats", "level": "system", "answer": "bundle", "scopes": ["user/Group.r"]}),
    ];
    all[0]["parameters"] = json!(everything);
    all[1]["parameters"] = json!(everything);
    all[2]["parameters"] = json!(["patient", "max", "birthdate"]);
    all[2]["methods"] = json!(["GET"]);
    all[3]["parameters"] = json!(["onlyCertainMatches"]);
    all[3]["resources"] = json!([{"name": "resource", "type": "Patient"}]);
    all[4]["parameters"] = json!(["mode"]);
    all[4]["resources"] = json!([{"name": "resource", "type": "Observation"}]);
    all[5]["parameters"] = json!(["system", "code"]);
    all[7]["resources"] = json!([{"name": "note", "type": "Observation"}]);
    Deployment::with(|config| {
        config["fhir"]["operations"] = json!(all);
        config["redaction"] = json!([]);
        edit(config);
    })
}

/// What comes of a call: the path upstream, or the status and the rule of a refusal.
fn outcome(
    world: &mut Deployment,
    scope: &str,
    target: &str,
    body: Option<&Value>,
) -> Result<String, (u16, String)> {
    let (exchange, step) = call(world, scope, target, body);
    let path = |fields: &[fhir_guard::wire::Pair]| {
        let path = fields.iter().find(|(name, _)| name == b":path");
        String::from_utf8(path.expect("a path").1.clone()).expect("text")
    };
    match step {
        Step::Forward(fields) => Ok(path(&fields)),
        Step::Write(written) => {
            assert_eq!(written, body.expect("a body").to_string().as_bytes());
            Ok(String::new())
        }
        Step::Reply(reply) => {
            let mut exchange = exchange;
            let record = world.record(&mut exchange);
            assert_eq!(record["outcome"], "refused", "{target}");
            Err((reply.status, slug(&record["rule"]).to_owned()))
        }
        step => panic!("{target}: {step:?}"),
    }
}

/// A call up to its last step on the way in.
fn call(
    world: &mut Deployment,
    scope: &str,
    target: &str,
    body: Option<&Value>,
) -> (Exchange, Step) {
    let claims = Claims::new(NOW).bound_to(&world.certificate).scope(scope);
    let token = world.token(&claims.patient("p1").fhir_user("Practitioner/7"));
    let fields: &[_] = match body {
        Some(_) => &[("content-type", "application/fhir+json")],
        None => &[],
    };
    let head = world.head_with(&token, target, fields);
    let mut exchange = Exchange::default();
    let mut step = world.ask(&mut exchange, head, body.is_none());
    if let (Some(body), Step::HoldHead(_)) = (body, &step) {
        step = exchange.request_body(&world.guard, body.to_string().as_bytes(), true);
    }
    (exchange, step)
}

/// A row: who, what, and the path upstream or the rule that refuses.
type Row<'a> = (&'a str, &'a str, Result<&'a str, &'a str>);

fn check_all(world: &mut Deployment, rows: &[Row<'_>]) {
    for (scope, target, expected) in rows {
        let found = outcome(world, scope, target, None);
        let found = found.as_deref().map_err(|(_, rule)| rule.as_str());
        assert_eq!(found, *expected, "{scope}: {target}");
    }
}

const EVERYTHING: &str = "GET /r4/Patient/p1/$everything";
const PATH: Result<&str, &str> = Err("request.path");
const SCOPE: Result<&str, &str> = Err("scope");
const OPERATION: Result<&str, &str> = Err("request.not-supported.operation");
const PARAMETER: Result<&str, &str> = Err("request.not-supported.parameter");

#[test]
fn everything_about_the_own_patient_can_be_asked_for_bypass_33() {
    let own = "/base/Patient/p1/$everything";
    check_all(
        &mut listing(),
        &[
            ("patient/*.rs", EVERYTHING, Ok(own)),
            ("patient/Patient.rs", EVERYTHING, Ok(own)),
            (
                "patient/*.rs",
                "GET /r4/Patient/p1/$everything?_type=Observation,Patient&start=2020&end=2021-02&_since=2020-01-01T00:00:00Z&_count=5000&_format=json",
                Ok(
                    "/base/Patient/p1/$everything?_type=Observation,Patient&start=2020&end=2021-02&_since=2020-01-01T00:00:00Z&_count=1000",
                ),
            ),
            (
                "patient/*.rs",
                "GET /r4/Patient/p2/$everything",
                Err("compartment"),
            ),
            ("patient/*.r", EVERYTHING, SCOPE),
            ("patient/*.s", EVERYTHING, SCOPE),
            ("patient/*.cud", EVERYTHING, SCOPE),
            ("patient/Observation.rs", EVERYTHING, SCOPE),
            ("openid", EVERYTHING, SCOPE),
            (
                "patient/Patient.rs",
                "GET /r4/Patient/p1/$everything?_type=Observation",
                SCOPE,
            ),
            // Nothing tells whose a Device is.
            (
                "patient/*.rs",
                "GET /r4/Patient/p1/$everything?_type=Device",
                SCOPE,
            ),
            (
                "patient/*.rs",
                "GET /r4/Patient/p1/$everything?_type=Bundle",
                SCOPE,
            ),
            (
                "patient/*.rs",
                "GET /r4/Patient/p1/$everything?_type=Observation,Observation",
                Err("request.malformed.type"),
            ),
            (
                "patient/*.rs",
                "GET /r4/Patient/p1/$everything?_count=0",
                Err("request.malformed.page"),
            ),
            (
                "patient/*.rs",
                "GET /r4/Patient/p1/$everything?_since=then",
                Err("request.malformed.date"),
            ),
            (
                "patient/*.rs",
                "GET /r4/Patient/p1/$everything?start=2020&start=2021",
                Err("request.malformed.repeated-parameter"),
            ),
            (
                "patient/*.rs",
                "GET /r4/Patient/p1/$everything?_include=*",
                PARAMETER,
            ),
            ("patient/*.rs", "GET /r4/Patient/$everything", OPERATION),
            ("user/*.rs", "GET /r4/Patient/$everything", OPERATION),
            (
                "system/*.rs",
                "GET /r4/Patient/$everything",
                Ok("/base/Patient/$everything"),
            ),
            (
                "user/*.rs",
                "GET /r4/Patient/p2/$everything",
                Ok("/base/Patient/p2/$everything"),
            ),
            (
                "user/Observation.rs",
                "GET /r4/Patient/p2/$everything",
                SCOPE,
            ),
        ],
    );
}

#[test]
fn what_is_not_listed_does_not_exist_bypass_34_35_37_38() {
    check_all(
        &mut listing(),
        &[
            ("system/*.cruds", "GET /r4/$export", PATH),
            ("system/*.cruds", "GET /r4/Patient/$export", PATH),
            ("system/*.cruds", "GET /r4/$graphql", PATH),
            ("system/*.cruds", "GET /r4/Patient/p1/$graphql", PATH),
            ("system/*.cruds", "GET /r4/Patient/p1/$meta", PATH),
            (
                "system/*.cruds",
                "GET /r4/Patient/p1/_history/1/$everything",
                PATH,
            ),
            ("system/*.cruds", "GET /r4/$everything", PATH),
            ("system/*.cruds", "GET /r4/Encounter/e1/$everything", PATH),
            ("system/*.cruds", "GET /r4/Observation/o1/$lastn", PATH),
            ("system/*.cruds", "GET /r4/Patient/$lastn", PATH),
            ("system/*.cruds", "GET /r4/Patient/p1/$Everything", PATH),
            ("system/*.cruds", "GET /r4/Patient/p1/$$everything", PATH),
            ("system/*.cruds", "GET /r4/Patient/p1/everything", PATH),
            ("system/*.cruds", "GET /r4/Patient/p1/$", PATH),
            (
                "system/*.cruds",
                "DELETE /r4/Patient/p1/$everything",
                Err("request.method"),
            ),
            (
                "system/*.cruds",
                "HEAD /r4/Patient/p1/$everything",
                Err("request.method"),
            ),
            (
                "system/*.cruds",
                "POST /r4/Observation/$lastn",
                Err("request.method"),
            ),
            (
                "system/*.cruds",
                "GET /r4/Observation/$lastn?max=3",
                Ok("/base/Observation/$lastn?max=3"),
            ),
        ],
    );
}

#[test]
fn what_is_not_looked_into_is_for_who_may_see_all_of_the_type() {
    let granular = "user/CodeSystem.rs?status=active";
    check_all(
        &mut listing(),
        &[
            (
                "user/CodeSystem.rs",
                "GET /r4/CodeSystem/$lookup?code=a",
                Ok("/base/CodeSystem/$lookup?code=a"),
            ),
            (
                granular,
                "GET /r4/CodeSystem/$lookup?code=a",
                Err("request.not-supported.granular-write"),
            ),
        ],
    );
}

#[test]
fn what_is_hidden_is_not_asked_for_by_what_looks_anywhere_bypass_9() {
    let rule =
        json!({"name": "r", "resource": "Observation", "elements": ["note"], "action": "remove"});
    let hiding = |name: &str| {
        listing_with(|config| {
            config["fhir"]["operations"][2]["parameters"] = json!([name, "max"]);
            config["redaction"] = json!([rule]);
        })
    };
    let refused = Err("request.not-supported.operation");
    for (name, expected) in [
        ("_content", refused),
        ("_filter", refused),
        ("_sort", refused),
        ("_typeFilter", refused),
        ("patient", Ok("/base/Observation/$lastn?patient=a")),
    ] {
        let target = format!("GET /r4/Observation/$lastn?{name}=a");
        check_all(&mut hiding(name), &[("user/*.rs", &target, expected)]);
    }
}

#[test]
fn what_is_not_looked_into_may_tell_of_what_is_hidden_in_any_type() {
    for (hidden, asked) in [("Patient", "Patient"), ("Patient", "CodeSystem")] {
        let mut world = listing_with(|config| {
            config["redaction"] = json!([{"name": "r", "resource": hidden, "elements": ["name"],
                "action": "remove", "when": format!("fhir.type == '{asked}'")}]);
        });
        let target = "GET /r4/CodeSystem/$lookup?code=x";
        let refused = Err("request.not-supported.operation");
        check_all(&mut world, &[("user/*.rs", target, refused)]);
    }
}

#[test]
fn a_call_on_the_own_patient_names_no_other() {
    let mut world = listing_with(|config| {
        config["fhir"]["operations"][0]["parameters"] = json!(["patient"]);
    });
    check_all(
        &mut world,
        &[
            (
                "patient/*.rs",
                "GET /r4/Patient/p1/$everything?patient=Patient/p2",
                Err("compartment"),
            ),
            (
                "patient/*.rs",
                "GET /r4/Patient/p1/$everything?patient=p1",
                Ok("/base/Patient/p1/$everything?patient=p1"),
            ),
        ],
    );
}

#[test]
fn rules_for_what_is_called_on_hold_whatever_is_answered() {
    let summary = "GET /r4/Patient/p1/$summary";
    let denies = |types: &[&str]| {
        let rule = json!({"name": "closed", "effect": "deny", "types": types});
        listing_with(|config| config["rules"] = json!([rule]))
    };
    for (types, expected) in [
        (&["Patient"], Err("deny.closed")),
        (&["Composition"], Err("deny.closed")),
        (&["Observation"], Ok("/base/Patient/p1/$summary")),
    ] {
        check_all(&mut denies(types), &[("user/*.rs", summary, expected)]);
    }
}

#[test]
fn a_patient_calls_what_can_be_looked_at_piece_by_piece_bypass_36_38() {
    check_all(
        &mut listing(),
        &[
            (
                "patient/*.rs",
                "GET /r4/Observation/$lastn?patient=p1",
                Ok("/base/Observation/$lastn?patient=p1"),
            ),
            (
                "patient/*.rs",
                "GET /r4/Observation/$lastn?patient=https://fhir.example.org/r4/Patient/p1",
                Ok("/base/Observation/$lastn?patient=https://fhir.example.org/r4/Patient/p1"),
            ),
            (
                "patient/*.rs",
                "GET /r4/Observation/$lastn?patient=p2",
                Err("compartment"),
            ),
            (
                "patient/*.rs",
                "GET /r4/Observation/$lastn?patient=Patient/p2",
                Err("compartment"),
            ),
            (
                "patient/*.rs",
                "GET /r4/Observation/$lastn?max=http://other/Patient/p1",
                Err("compartment"),
            ),
            (
                "user/*.rs",
                "GET /r4/Observation/$lastn?patient=p2",
                Ok("/base/Observation/$lastn?patient=p2"),
            ),
            ("patient/*.rs", "GET /r4/Patient/$match", OPERATION),
            ("patient/*.rs", "GET /r4/Observation/$validate", OPERATION),
            ("patient/*.rs", "GET /r4/CodeSystem/$lookup", OPERATION),
            (
                "patient/*.rs",
                "GET /r4/Composition/c1/$document",
                Err("compartment"),
            ),
            (
                "patient/*.rs",
                "GET /r4/Patient/p1/$summary",
                Ok("/base/Patient/p1/$summary"),
            ),
            ("patient/Patient.rs", "GET /r4/Patient/p1/$summary", SCOPE),
            ("patient/*.rs user/Group.r", "GET /r4/$stats", SCOPE),
            ("user/Patient.rs", "GET /r4/$stats", SCOPE),
            ("user/Group.r", "GET /r4/$stats", SCOPE),
            ("user/Group.rs", "GET /r4/$stats", Ok("/base/$stats")),
            (
                "user/CodeSystem.rs",
                "GET /r4/CodeSystem/$lookup",
                Ok("/base/CodeSystem/$lookup"),
            ),
        ],
    );
}
