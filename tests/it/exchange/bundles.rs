//! Batch and transaction: what goes on, and what is answered in its place.

mod answers;
mod costs;
mod whole;

use fhir_guard_harness::tokens::Claims;

use super::writes::observation;
use super::*;
use driver::{NOW, slug};

/// A deployment that takes both, up to five entries.
pub fn taking(edit: impl FnOnce(&mut Value)) -> Deployment {
    Deployment::with(|config| {
        config["fhir"]["body_limit"] = json!("8KiB");
        config["fhir"]["bundles"] = json!({"types": ["batch", "transaction"], "entries": 5});
        edit(config);
    })
}

/// A POST to the base by a practitioner, or with `patient/` scopes by patient p1.
pub fn post(world: &mut Deployment, scope: &str, bundle: &Value) -> (Exchange, Step) {
    let claims = Claims::new(NOW).bound_to(&world.certificate).scope(scope);
    let token = world.token(&claims.fhir_user("Practitioner/7"));
    let fields = [
        ("content-type", "application/fhir+json"),
        ("content-length", "1"),
    ];
    let head = world.head_with(&token, "POST /r4", &fields);
    let mut exchange = Exchange::default();
    let step = world.ask(&mut exchange, head, false);
    assert_eq!(step, Step::Wait, "the body comes first");
    assert!(exchange.leaves_body() && !exchange.is_waiting());
    let step = world.body(&mut exchange, bundle.to_string().as_bytes(), true);
    (exchange, step)
}

pub fn bundle(kind: &str, entries: &[Value]) -> Value {
    json!({"resourceType": "Bundle", "type": kind, "entry": entries})
}

pub fn get(url: &str) -> Value {
    json!({"request": {"method": "GET", "url": url}})
}

pub fn delete(url: &str) -> Value {
    json!({"request": {"method": "DELETE", "url": url}})
}

pub fn put(url: &str, resource: &Value) -> Value {
    json!({"request": {"method": "PUT", "url": url}, "resource": resource})
}

pub fn create(resource: &Value) -> Value {
    let url = &resource["resourceType"];
    json!({"request": {"method": "POST", "url": url}, "resource": resource})
}

fn named(mut entry: Value, name: &str) -> Value {
    entry["fullUrl"] = json!(name);
    entry
}

pub fn with_id(mut resource: Value, id: &str) -> Value {
    resource["id"] = json!(id);
    resource
}

/// What goes on: its entries.
pub fn rewritten(step: &Step, held: usize) -> Vec<Value> {
    let Step::Rewrite {
        headers,
        came: found,
        body,
    } = step
    else {
        panic!("{step:?}")
    };
    assert_eq!(*found, held, "all of the body is replaced");
    let field = |wanted: &str| {
        let mut found = headers.iter().filter(|(name, _)| name == wanted.as_bytes());
        let value = found
            .next()
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        assert!(found.next().is_none(), "{wanted} twice");
        value.unwrap_or_default()
    };
    assert_eq!(field("content-length"), body.len().to_string());
    assert_eq!(
        (field(":method"), field(":path")),
        ("POST".into(), "/base".into())
    );
    let mut sent: Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!(sent["resourceType"], "Bundle");
    match sent["entry"].take() {
        Value::Array(entries) => entries,
        other => panic!("{other}"),
    }
}

/// One row: the entries, and for each of them the rule that refuses it, if one does. In a batch the others
/// go on; a transaction is refused whole.
fn check(world: &mut Deployment, scope: &str, rows: &[(Value, Option<&str>)]) {
    let entries: Vec<Value> = rows.iter().map(|(entry, _)| entry.clone()).collect();
    let first = rows.iter().find_map(|(_, rule)| *rule);
    let name = format!("{scope} {rows:?}");

    let batch = bundle("batch", &entries);
    let (mut exchange, step) = post(world, scope, &batch);
    let expected: Vec<&Value> = rows
        .iter()
        .filter(|(_, rule)| rule.is_none())
        .map(|(entry, _)| entry)
        .collect();
    match expected.as_slice() {
        [] => assert!(
            matches!(&step, Step::Reply(reply) if reply.status == 200),
            "{name}"
        ),
        _ => {
            let sent = rewritten(&step, batch.to_string().len());
            assert_eq!(sent.iter().collect::<Vec<_>>(), expected, "{name}");
        }
    }
    let record = world.record(&mut exchange);
    let rules: Vec<Option<&str>> = record["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| Some(slug(&entry["rule"])).filter(|rule| !rule.starts_with("scope:")))
        .collect();
    let wanted: Vec<Option<&str>> = rows.iter().map(|(_, rule)| *rule).collect();
    assert_eq!(rules, wanted, "{name}: {record}");
    assert_eq!(record["interaction"], "batch", "{name}");
    assert_eq!(record["rule"], "entries", "{name}");

    let (mut exchange, step) = post(world, scope, &bundle("transaction", &entries));
    let record = world.record(&mut exchange);
    assert_eq!(record["interaction"], "transaction", "{name}");
    match first {
        Some(rule) => {
            assert!(matches!(step, Step::Reply(_)), "{name}: {step:?}");
            assert_eq!(slug(&record["rule"]), rule, "{name}: {record}");
            assert_eq!(record["outcome"], "refused", "{name}: {record}");
        }
        None => {
            let length = bundle("transaction", &entries).to_string().len();
            let sent = rewritten(&step, length);
            assert_eq!(sent, entries, "{name}");
        }
    }
}

#[test]
fn each_entry_is_decided_on_by_itself_bypass_50() {
    let mut world = taking(|_| ());
    let other = || observation("Patient/p2");
    let all = "patient/*.cruds";
    let compartment = Some("compartment");
    let foreign = Some("compartment.body");
    let pinned = Some("request.not-supported.patient-write");
    check(
        &mut world,
        all,
        &[
            (get("Patient/p1"), None),
            (get("Patient/p2"), compartment),
            (create(&observation("Patient/p1")), None),
            (create(&other()), foreign),
            (get("Observation?patient=Patient/p1"), None),
        ],
    );
    check(
        &mut world,
        all,
        &[
            (get("Observation?patient=Patient/p2"), compartment),
            // Whose it is shows in the answer.
            (get("Observation/o1"), None),
            (
                put("Observation/o1", &with_id(observation("Patient/p1"), "o1")),
                pinned,
            ),
            (delete("Observation/o1"), pinned),
        ],
    );
    check(&mut world, all, &[(get("Patient/p1"), None)]);
    // Read before they are written: not while others wait.
    let mut trusting = taking(|config| config["fhir"]["upstream"]["trust"] = json!(["if_match"]));
    let never = Some("request.not-supported.patient-bundle");
    check(
        &mut trusting,
        all,
        &[
            (create(&observation("Patient/p1")), None),
            (
                put("Observation/o1", &with_id(observation("Patient/p1"), "o1")),
                never,
            ),
            (delete("Observation/o1"), never),
        ],
    );
    let never = Some("request.not-supported.granular-write");
    let coded = with_id(observation("Patient/p2"), "o1");
    check(
        &mut trusting,
        "user/Observation.cud?status=final",
        &[
            (create(&observation("Patient/p2")), None),
            (put("Observation/o1", &coded), never),
            (delete("Observation/o1"), never),
        ],
    );
    // The letters are those of each entry.
    let written = with_id(other(), "o1");
    check(
        &mut world,
        "user/Observation.cr user/Condition.s",
        &[
            (create(&other()), None),
            (get("Observation/o1"), None),
            (get("Observation?code=x"), Some("scope")),
            (put("Observation/o1", &written), Some("scope")),
            (get("Patient/p1/Condition?code=x"), None),
        ],
    );
    check(
        &mut world,
        "user/Observation.ud",
        &[
            (put("Observation/o1", &written), None),
            (delete("Observation/o1"), None),
            (get("metadata"), Some("request.path")),
        ],
    );
}

#[test]
fn bodies_are_checked_as_those_of_single_writes_bypass_44_to_54() {
    let mut world = taking(|_| ());
    let all = "user/*.cruds";
    let of = |name: &str| json!({"resourceType": name});
    let asked = |method: &str, url: &str, resource: Value| json!({"request": {"method": method, "url": url}, "resource": resource});
    let container = Some("request.not-supported.type");
    let fine = || create(&observation("Patient/p2"));
    check(
        &mut world,
        all,
        &[
            (create(&of("Bundle")), container),
            (create(&of("Parameters")), container),
            (create(&of("Binary")), container),
            (create(&of("Subscription")), container),
            (fine(), None),
        ],
    );
    let mismatch = Some("request.malformed.body-mismatch");
    let none = Some("request.malformed.body");
    check(
        &mut world,
        all,
        &[
            (asked("POST", "Observation", of("Bundle")), mismatch),
            (
                asked(
                    "PUT",
                    "Observation/o1",
                    with_id(observation("Patient/p2"), "o2"),
                ),
                mismatch,
            ),
            (
                asked("PATCH", "Observation/o1", of("Binary")),
                Some("request.media-type"),
            ),
            (asked("GET", "Observation/o1", of("Observation")), none),
            (asked("DELETE", "Observation/o1", of("Parameters")), none),
        ],
    );
    let mut labelled = observation("Patient/p2");
    labelled["meta"] = json!({"security": [{"code": "N"}]});
    let mut part = observation("Patient/p2");
    part["meta"] = json!({"tag": [{"code": "SUBSETTED"}]});
    check(
        &mut world,
        all,
        &[
            (create(&labelled), Some("request.not-supported.label")),
            (create(&part), Some("request.malformed.body-redacted")),
            (
                create(&observation("Patient?name=x")),
                Some("request.not-supported.conditional-reference"),
            ),
            (
                create(&json!({"resourceType": "Observation", "x": 1})),
                Some("request.malformed.body-structure"),
            ),
            (
                json!({"request": {"method": "POST", "url": "Observation"}}),
                none,
            ),
        ],
    );
    let named = with_id(of("Patient"), "p1");
    check(
        &mut world,
        all,
        &[
            (
                put("Patient/p1", &named),
                Some("request.not-supported.update-of-redacted"),
            ),
            (
                get("Patient?birthdate=1970-01-01"),
                Some("request.not-supported.parameter"),
            ),
        ],
    );
}

#[test]
fn a_patient_made_in_the_same_transaction_is_another_bypass_41() {
    let mut world = taking(|config| {
        config["fhir"]["patient_writes"] = json!(["Observation", "DocumentReference", "Patient"]);
    });
    let uuid = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520";
    let about = |subject: &str, other: &str| {
        let mut about = observation(subject);
        about["derivedFrom"] = json!([{"reference": other}]);
        create(&about)
    };
    let made = named(create(&observation("Patient/p1")), uuid);
    let of = |entries: &[Value]| bundle("transaction", entries);
    let mut rule = |scope: &str, bundle: Value| {
        let (mut exchange, step) = post(&mut world, scope, &bundle);
        let record = world.record(&mut exchange);
        match step {
            Step::Rewrite { .. } => None,
            _ => Some(slug(&record["rule"]).to_owned()),
        }
    };
    let own = "patient/*.cruds";
    assert_eq!(
        rule(own, of(&[made.clone(), about("Patient/p1", uuid)])),
        None
    );
    let foreign = Some("compartment.body".to_owned());
    assert_eq!(
        rule(own, of(&[made.clone(), about(uuid, uuid)])),
        foreign,
        "nobody's"
    );
    // Whatever the order in which they are decided on.
    let patient = named(create(&json!({"resourceType": "Patient"})), uuid);
    assert_eq!(
        rule(own, of(&[about(uuid, uuid), patient.clone()])),
        foreign
    );
    let beside = of(&[about("Patient/p1", uuid), patient.clone()]);
    assert_eq!(rule(own, beside), foreign, "row 41: beside the own one");
    let wide = of(&[patient, about(uuid, uuid)]);
    assert_eq!(rule("user/*.cruds", wide), None, "not confined");
    let lost = Some("request.malformed.bundle-entry".to_owned());
    assert_eq!(
        rule("user/*.cruds", of(&[about(uuid, "Observation/o1")])),
        lost
    );
}
