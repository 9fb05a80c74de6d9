//! What a rule hides comes out nowhere, and nothing else is lost.

use std::collections::BTreeSet;

use fhir_guard::response::Action;
use serde_json::Value;

use super::examples::{Example, published, synthetic};
use super::identity::nests;
use super::planted::{planted, sings};
use super::redacted::{learn, redacted};
use super::structure::found;
use super::{cuts, read, rule, screened, searchset};
use crate::account::{Account, Decision, Suite};
use crate::vectors::Vectors;

const NESTED: &str = "no read answers it: it is a Bundle, or holds a resource outside `contained`";
const LONG: &str = "it is longer than 40 kB: planted under the typical rules only";
const BOTH: &str =
    "a path whose name is a choice in one type and an element in another: it hides both";

const RACE: &str = "extension(http://hl7.org/fhir/us/core/StructureDefinition/us-core-race)";
const BIRTH_TIME: &str =
    "birthDate.extension(http://hl7.org/fhir/StructureDefinition/patient-birthTime)";

/// What operators hide.
const TYPICAL: [(&str, &[&str]); 20] = [
    (
        "Patient",
        &[
            "name",
            "name.given",
            "telecom",
            "telecom.value",
            "address",
            "address.line",
            "birthDate",
            BIRTH_TIME,
            "identifier",
            "identifier.value",
            "contact",
            "contact.name",
            "photo",
            "maritalStatus",
            "multipleBirth[x]",
            "deceased[x]",
            "communication.language",
            "generalPractitioner",
            "managingOrganization.display",
            "link",
            "gender",
            RACE,
        ],
    ),
    (
        "Practitioner",
        &[
            "name",
            "name.family",
            "telecom",
            "address",
            "identifier",
            "qualification",
            "birthDate",
        ],
    ),
    (
        "RelatedPerson",
        &["name", "telecom", "address", "relationship"],
    ),
    ("Person", &["name", "telecom", "birthDate", "link"]),
    (
        "Observation",
        &[
            "value[x]",
            "component.value[x]",
            "component",
            "note",
            "interpretation",
            "performer",
            "subject.display",
            "referenceRange",
            "effective[x]",
            "code.text",
            "subject",
            "valueQuantity.value",
            "dataAbsentReason",
            "issued",
            "encounter",
        ],
    ),
    (
        "Condition",
        &["code", "note", "onset[x]", "subject", "stage", "evidence"],
    ),
    (
        "Encounter",
        &[
            "reasonCode",
            "participant",
            "location",
            "type",
            "period",
            "serviceProvider",
        ],
    ),
    (
        "Procedure",
        &["code", "performed[x]", "reasonCode", "performer", "note"],
    ),
    (
        "MedicationRequest",
        &["medication[x]", "dosageInstruction", "note", "requester"],
    ),
    (
        "Immunization",
        &["vaccineCode", "occurrence[x]", "lotNumber", "primarySource"],
    ),
    (
        "DiagnosticReport",
        &["conclusion", "presentedForm", "result", "code", "issued"],
    ),
    (
        "DocumentReference",
        &[
            "content.attachment",
            "description",
            "author",
            "context.period",
        ],
    ),
    (
        "AllergyIntolerance",
        &["code", "reaction", "reaction.manifestation", "note"],
    ),
    ("CarePlan", &["activity", "description", "category"]),
    ("Goal", &["description", "target.due[x]", "start[x]"]),
    (
        "Claim",
        &["item", "total", "patient", "diagnosis", "provider.display"],
    ),
    (
        "ExplanationOfBenefit",
        &["item", "total", "patient", "contained", "payment"],
    ),
    ("Organization", &["telecom", "address", "name", "contact"]),
    ("Location", &["telecom", "address", "position", "name"]),
    (
        "QuestionnaireResponse",
        &["item.answer.value[x]", "item.text", "author"],
    ),
];

/// Every element of every published example, up to three names deep, is hidden once.
pub fn everywhere(vectors: &Vectors) {
    learn(vectors);
    let mut account = Account::new(Suite {
        title: "FHIR, canaries in every element",
        rules: &[(NESTED, 20), (LONG, 7), (BOTH, 81)],
        corrections: &[],
        accepted: 23204,
        refused: 23204,
    });
    for example in &published(vectors) {
        if !readable(example) {
            account.leave(NESTED);
            continue;
        }
        if example.text.len() > 40_000 {
            account.leave(LONG);
            continue;
        }
        for path in paths(&example.value) {
            // Where some type has a choice of this name, a rule hides the choice too.
            let both = ["instantiates", "payment", "reason", "source"];
            if path.split('.').any(|name| both.contains(&name)) {
                account.leave(BOTH);
            } else {
                resource(&mut account, example, example.resource_type(), &path);
            }
        }
    }
    account.close();
}

/// What operators hide, in all resources that it concerns, also where they are contained; and in
/// searchsets of all of them.
pub fn typical(vectors: &Vectors) {
    learn(vectors);
    let mut account = Account::new(Suite {
        title: "FHIR, canaries under typical rules",
        rules: &[(NESTED, 20)],
        corrections: &[],
        accepted: 13118,
        refused: 13118,
    });
    let mut all = published(vectors);
    all.extend(synthetic(vectors).into_iter().flatten());
    let count = all.len();
    all.retain(readable);
    (all.len()..count).for_each(|_| account.leave(NESTED));
    for (resource_type, elements) in TYPICAL {
        for path in elements {
            for example in all.iter().filter(|it| concerns(&it.value, resource_type)) {
                resource(&mut account, example, resource_type, path);
            }
            let own = all.iter().filter(|it| it.resource_type() == resource_type);
            let own: Vec<&Value> = own.map(|it| &it.value).collect();
            bundle(&mut account, &own, resource_type, path);
        }
    }
    account.close();
}

/// Whether a read can answer it.
fn readable(example: &Example) -> bool {
    example.resource_type() != "Bundle" && !nests(&example.value, true)
}

/// Hidden by removal and by a mask, arriving in pieces. Each is judged twice: the rest of the
/// resource is to be accepted, the canaries are to be refused.
fn resource(account: &mut Account, example: &Example, resource_type: &str, path: &str) {
    let planted = planted(&example.value, resource_type, path);
    let body = serde_json::to_string_pretty(&planted).expect("memory");
    for (seed, action) in [Action::Remove, Action::Mask].into_iter().enumerate() {
        let cover = read(
            example.resource_type(),
            example.id(),
            &[rule(resource_type, &[path], action.clone())],
        );
        let pieces = cuts((body.len() * 2 + seed) as u64, body.len());
        let out = screened(&cover, &body, &pieces).unwrap_or_default();
        let expected = redacted(&planted, resource_type, path, &action);
        let left: Option<Value> = serde_json::from_str(&out).ok();
        // What was a resource of R4 is one still.
        let valid = left.as_ref().is_some_and(|left| {
            found(&planted) == Decision::Refuse || found(left) == Decision::Accept
        });
        let whole = valid && left == Some(expected);
        let id = format!("{}: {action:?} {resource_type}.{path}", example.name);
        verdict(account, &id, whole, sings(&out));
    }
}

/// The same in a searchset with every example of the type.
fn bundle(account: &mut Account, resources: &[&Value], resource_type: &str, path: &str) {
    let resources: Vec<Value> = resources
        .iter()
        .map(|resource| planted(resource, resource_type, path))
        .collect();
    let entries: Vec<String> = resources
        .iter()
        .map(|resource| format!("{{\"resource\": {resource:#}}}"))
        .collect();
    let body = format!(
        "{{\"resourceType\": \"Bundle\", \"type\": \"searchset\", \"entry\": [{}]}}",
        entries.join(",\n")
    );
    for action in [Action::Remove, Action::Mask] {
        let cover = searchset(
            resource_type,
            &[rule(resource_type, &[path], action.clone())],
        );
        let pieces = cuts(path.len() as u64, body.len());
        let out = screened(&cover, &body, &pieces).unwrap_or_default();
        let found: Value = serde_json::from_str(&out).unwrap_or_default();
        let found = found["entry"].as_array().cloned().unwrap_or_default();
        let same = |(entry, sent): (&Value, &Value)| {
            entry["resource"] == redacted(sent, resource_type, path, &action)
        };
        let whole = found.len() == resources.len() && found.iter().zip(&resources).all(same);
        let id = format!("searchset: {action:?} {resource_type}.{path}");
        verdict(account, &id, whole, sings(&out));
    }
}

fn verdict(account: &mut Account, id: &str, whole: bool, sings: bool) {
    account.judge(
        &format!("{id}, the rest"),
        Decision::Accept,
        Decision::accept_if(whole),
    );
    account.judge(
        &format!("{id}, the canaries"),
        Decision::Refuse,
        Decision::accept_if(sings),
    );
}

/// Whether a rule for this type has something to do here.
fn concerns(resource: &Value, resource_type: &str) -> bool {
    let contained = resource["contained"].as_array();
    let contained = contained.map(Vec::as_slice).unwrap_or_default();
    let mut all = contained.iter().chain([resource]);
    all.any(|it| it["resourceType"] == resource_type)
}

/// Dotted paths of up to three names, without what no rule can name.
fn paths(resource: &Value) -> BTreeSet<String> {
    fn walk(value: &Value, prefix: &str, depth: usize, out: &mut BTreeSet<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| walk(item, prefix, depth, out)),
            Value::Object(members) => {
                for (name, value) in members {
                    let fixed = ["resourceType", "id", "meta", "contained", "text"];
                    if name.starts_with('_') || (depth == 0 && fixed.contains(&name.as_str())) {
                        continue;
                    }
                    let path = format!("{prefix}{name}");
                    if depth < 2 {
                        walk(value, &format!("{path}."), depth + 1, out);
                    }
                    out.insert(path);
                }
            }
            _ => {}
        }
    }
    let mut out = BTreeSet::new();
    walk(resource, "", 0, &mut out);
    out
}
