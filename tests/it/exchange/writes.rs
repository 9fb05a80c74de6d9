//! What may be written, by whom: what shows in the head and the body alone.

mod fields;

use fhir_guard_harness::tokens::Claims;

use super::*;
use driver::{NOW, slug};

/// What comes of a write whose body, if there is one, comes with its end: the status and the rule of a
/// refusal, `None` where it is forwarded, or waits for the current version.
pub fn outcome(
    world: &mut Deployment,
    scope: &str,
    target: &str,
    fields: &[(&str, &str)],
    body: Option<&Value>,
) -> Option<(u16, String)> {
    let content_type = match target.starts_with("PATCH") {
        true => ("content-type", "application/json-patch+json"),
        false => ("content-type", "application/fhir+json"),
    };
    let claims = Claims::new(NOW).bound_to(&world.certificate).scope(scope);
    let token = world.token(&claims.fhir_user("Practitioner/7"));
    let fields: Vec<_> = fields.iter().copied().chain([content_type]).collect();
    let head = world.head_with(&token, target, &fields);
    let mut exchange = Exchange::default();
    let mut step = world.ask(&mut exchange, head, body.is_none());
    if let (Some(body), Step::HoldHead(_) | Step::Wait) = (body, &step) {
        step = exchange.request_body(&world.guard, body.to_string().as_bytes(), true);
    }
    match step {
        Step::Reply(reply) => {
            let record = world.record(&mut exchange);
            Some((reply.status, slug(&record["rule"]).to_owned()))
        }
        Step::Write(_) | Step::Wait | Step::Forward(_) => None,
        step => panic!("{target}: {step:?}"),
    }
}

/// A deployment that does not look at how bodies are built: these rows are about whose they are.
pub fn unbuilt(edit: impl FnOnce(&mut Value)) -> Deployment {
    Deployment::with(|config| {
        config["fhir"]["body_check"] = json!("none");
        edit(config);
    })
}

/// A row: its name, the target, the body, and the rule that refuses.
type Row<'a> = (&'a str, &'a str, Value, Option<&'a str>);

fn check_all(world: &mut Deployment, scope: &str, rows: &[Row<'_>]) {
    for (name, target, body, expected) in rows {
        let body = Some(body).filter(|body| !body.is_null());
        let found = outcome(world, scope, target, &[], body);
        let rule = found.as_ref().map(|(_, rule)| rule.as_str());
        assert_eq!(rule, *expected, "{name}: {found:?}");
    }
}

pub const FOREIGN: Option<&str> = Some("compartment.body");
const TYPE: Option<&str> = Some("request.not-supported.patient-write-type");
const UNTRUSTED: Option<&str> = Some("request.not-supported.patient-write");
const LABEL: Option<&str> = Some("request.not-supported.label");

/// An Observation about somebody.
pub fn observation(subject: &str) -> Value {
    json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "subject": {"reference": subject}})
}

fn with(mut resource: Value, name: &str, value: Value) -> Value {
    resource[name] = value;
    resource
}

#[test]
fn a_patient_creates_what_is_his_own_bypass_41() {
    let own = || observation("Patient/p1");
    let create = "POST /r4/Observation";
    let person = |reference: &str| json!({"reference": reference});
    let rows: Vec<Row<'_>> = vec![
        ("his own", create, own(), None),
        (
            "by its URL",
            create,
            observation("https://fhir.example.org/r4/Patient/p1"),
            None,
        ),
        (
            "with a practitioner",
            create,
            with(own(), "performer", json!([person("Practitioner/7")])),
            None,
        ),
        (
            "by himself",
            create,
            with(own(), "performer", json!([person("Patient/p1")])),
            None,
        ),
        ("another's", create, observation("Patient/p2"), FOREIGN),
        (
            "another's whose id begins alike",
            create,
            observation("Patient/p12"),
            FOREIGN,
        ),
        (
            "of a server elsewhere",
            create,
            observation("https://other.example/r4/Patient/p1"),
            FOREIGN,
        ),
        (
            "of a version",
            create,
            observation("Patient/p1/_history/1"),
            FOREIGN,
        ),
        (
            "of an entry",
            create,
            observation("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
            FOREIGN,
        ),
        (
            "nobody's",
            create,
            json!({"resourceType": "Observation"}),
            FOREIGN,
        ),
        (
            "a group's",
            create,
            with(
                observation("Group/1"),
                "performer",
                json!([person("Patient/p1")]),
            ),
            FOREIGN,
        ),
        (
            "row 41: performed by another",
            create,
            with(own(), "performer", json!([person("Patient/p2")])),
            FOREIGN,
        ),
        (
            "row 41: with another among his own",
            create,
            with(
                own(),
                "performer",
                json!([person("Patient/p1"), person("Patient/p2")]),
            ),
            FOREIGN,
        ),
        (
            "about another besides",
            create,
            with(own(), "focus", json!([person("Patient/p2")])),
            FOREIGN,
        ),
        (
            "another in an extension",
            create,
            with(
                own(),
                "extension",
                json!([{"url": "http://x", "valueReference": person("Patient/p2")}]),
            ),
            FOREIGN,
        ),
        (
            "another by identifier",
            create,
            with(
                own(),
                "focus",
                json!([{"type": "Patient", "identifier": {"value": "7"}}]),
            ),
            FOREIGN,
        ),
        (
            "another contained",
            create,
            with(
                own(),
                "contained",
                json!([{"resourceType": "Patient", "id": "x"}]),
            ),
            FOREIGN,
        ),
        (
            "something of another contained",
            create,
            with(
                own(),
                "contained",
                json!([{"resourceType": "Condition", "id": "x", "subject": person("Patient/p2")}]),
            ),
            FOREIGN,
        ),
        (
            "of himself, contained",
            create,
            with(
                observation("#p1"),
                "contained",
                json!([{"resourceType": "Patient", "id": "p1"}]),
            ),
            FOREIGN,
        ),
        (
            "by a search, row 47",
            create,
            observation("Patient?identifier=7"),
            Some("request.not-supported.conditional-reference"),
        ),
        (
            "nothing",
            create,
            Value::Null,
            Some("request.malformed.body"),
        ),
    ];
    let mut world = unbuilt(|_| ());
    check_all(&mut world, "patient/*.c", &rows);
    // Scopes of other levels are not confined.
    let others = [("another's", create, observation("Patient/p2"), None)];
    check_all(&mut world, "user/*.c", &others);
    check_all(&mut world, "system/*.c", &others);
}

#[test]
fn a_patient_writes_the_configured_types_bypass_42() {
    let own = |name: &str| json!({"resourceType": name, "subject": {"reference": "Patient/p1"}});
    let of_patient =
        |name: &str| json!({"resourceType": name, "patient": {"reference": "Patient/p1"}});
    let rows: Vec<Row<'_>> = vec![
        ("Condition", "POST /r4/Condition", own("Condition"), None),
        (
            "AllergyIntolerance",
            "POST /r4/AllergyIntolerance",
            of_patient("AllergyIntolerance"),
            None,
        ),
        (
            "row 42: Patient",
            "POST /r4/Patient",
            patient("p1", 0),
            TYPE,
        ),
        (
            "row 42: Group",
            "POST /r4/Group",
            json!({"resourceType": "Group", "member": [{"entity": {"reference": "Patient/p1"}}]}),
            TYPE,
        ),
        (
            "row 42: Consent",
            "POST /r4/Consent",
            of_patient("Consent"),
            TYPE,
        ),
        (
            "row 42: RelatedPerson",
            "POST /r4/RelatedPerson",
            of_patient("RelatedPerson"),
            TYPE,
        ),
        (
            "row 42: Person",
            "POST /r4/Person",
            json!({"resourceType": "Person", "link": [{"target": {"reference": "Patient/p1"}}]}),
            TYPE,
        ),
        (
            "row 42: Organization",
            "POST /r4/Organization",
            json!({"resourceType": "Organization"}),
            TYPE,
        ),
        (
            "row 42: Practitioner",
            "POST /r4/Practitioner",
            json!({"resourceType": "Practitioner"}),
            TYPE,
        ),
        (
            "ServiceRequest",
            "POST /r4/ServiceRequest",
            own("ServiceRequest"),
            TYPE,
        ),
        (
            "Task",
            "POST /r4/Task",
            json!({"resourceType": "Task", "for": {"reference": "Patient/p1"}}),
            TYPE,
        ),
        (
            "row 51: a Bundle",
            "POST /r4/Bundle",
            json!({"resourceType": "Bundle"}),
            Some("request.not-supported.type"),
        ),
        (
            "Subscription",
            "POST /r4/Subscription",
            json!({"resourceType": "Subscription"}),
            Some("request.not-supported.type"),
        ),
    ];
    check_all(&mut unbuilt(|_| ()), "patient/*.c", &rows);
    let mut chosen = unbuilt(|config| {
        config["fhir"]["patient_writes"] = json!(["ServiceRequest", "Patient"]);
        config["fhir"]["upstream"]["trust"] = json!(["if_match"]);
        config["redaction"] = json!([]);
    });
    let rows: Vec<Row<'_>> = vec![
        (
            "chosen",
            "POST /r4/ServiceRequest",
            own("ServiceRequest"),
            None,
        ),
        ("not chosen", "POST /r4/Condition", own("Condition"), TYPE),
        (
            "a second Patient",
            "POST /r4/Patient",
            patient("p1", 0),
            TYPE,
        ),
        (
            "no Patient any more",
            "DELETE /r4/Patient/p1",
            Value::Null,
            TYPE,
        ),
        (
            "the own Patient",
            "PUT /r4/Patient/p1",
            patient("p1", 0),
            None,
        ),
        (
            "another Patient",
            "PUT /r4/Patient/p2",
            patient("p2", 0),
            Some("compartment"),
        ),
        (
            "the own Patient, linked to another",
            "PUT /r4/Patient/p1",
            with(
                patient("p1", 0),
                "link",
                json!([{"other": {"reference": "Patient/p2"}, "type": "seealso"}]),
            ),
            FOREIGN,
        ),
    ];
    check_all(&mut chosen, "patient/*.cud", &rows);
    let mut none = unbuilt(|config| config["fhir"]["patient_writes"] = json!([]));
    check_all(
        &mut none,
        "patient/*.c",
        &[("none", "POST /r4/Condition", own("Condition"), TYPE)],
    );
    let scope = [(
        "the scope",
        "POST /r4/Condition",
        own("Condition"),
        Some("scope"),
    )];
    check_all(&mut unbuilt(|_| ()), "patient/Condition.rs", &scope);
    check_all(
        &mut unbuilt(|_| ()),
        "patient/Condition.u patient/Observation.c",
        &scope,
    );
}

#[test]
fn without_trust_in_if_match_a_patient_only_creates() {
    let own = with(observation("Patient/p1"), "id", json!("o1"));
    let patch = json!([{"op": "add", "path": "/status", "value": "final"}]);
    let rows: Vec<Row<'_>> = vec![
        ("update", "PUT /r4/Observation/o1", own, UNTRUSTED),
        ("patch", "PATCH /r4/Observation/o1", patch, UNTRUSTED),
        (
            "delete",
            "DELETE /r4/Observation/o1",
            Value::Null,
            UNTRUSTED,
        ),
        (
            "create",
            "POST /r4/Observation",
            observation("Patient/p1"),
            None,
        ),
    ];
    check_all(&mut unbuilt(|_| ()), "patient/*.cruds", &rows);
}
