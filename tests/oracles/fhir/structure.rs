//! The structure of published resources, as bodies of requests.

use std::borrow::Cow;

use fhir_guard::json::{Document, Limits};
use fhir_guard::request::body::{BodyCheck, check_structure};
use serde_json::{Map, Value, json};

use super::examples::{Example, published, synthetic};
use crate::account::{Account, Decision, Suite};
use crate::vectors::Vectors;

/// Rows of each resource: as it is (all of them are valid by the published JSON Schema); and, of its root
/// and of its deepest object, with a name that no element has, and with each member in turn made a list of
/// what it is, the first of its items, a value of another kind, and null.
pub fn bodies(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "FHIR, structure of bodies",
        rules: &[],
        corrections: &[],
        accepted: 819,
        refused: 35989,
    });
    let published = published(vectors);
    let synthetic = synthetic(vectors);
    for example in published.iter().chain(synthetic.iter().flatten()) {
        account.judge(&example.name, Decision::Accept, found(&example.value));
        alterations(&mut account, example);
    }
    account.close();
}

fn alterations(account: &mut Account, example: &Example) {
    let mut refuse = |what: String, value: &Value| {
        let id = format!("{}, {what}", example.name);
        account.judge(&id, Decision::Refuse, found(value));
    };
    for pointer in objects(&example.value) {
        let within = |change: &dyn Fn(&mut Map<String, Value>)| {
            let mut value = example.value.clone();
            let object = value.pointer_mut(&pointer).and_then(Value::as_object_mut);
            change(object.expect("an object"));
            value
        };
        let value = within(&|object| {
            object.insert("noSuchElement".into(), json!("x"));
        });
        refuse(format!("{pointer} with a name of no element"), &value);
        let names = example.value.pointer(&pointer).and_then(Value::as_object);
        for (name, member) in names.into_iter().flatten() {
            if name == "resourceType" {
                continue;
            }
            let value = within(&|object| {
                let list = json!([object.get(name)]);
                object.insert(name.clone(), list);
            });
            refuse(format!("{pointer}/{name} in a list"), &value);
            if let Some(first) = member.as_array().and_then(|items| items.first()) {
                let value = within(&|object| {
                    object.insert(name.clone(), first.clone());
                });
                refuse(format!("{pointer}/{name} without its list"), &value);
            }
            let other = match member {
                Value::String(_) => json!(true),
                _ => json!("x"),
            };
            let value = within(&|object| {
                object.insert(name.clone(), other.clone());
            });
            refuse(format!("{pointer}/{name} of another kind"), &value);
            let value = within(&|object| {
                object.insert(name.clone(), json!(null));
            });
            refuse(format!("{pointer}/{name} null"), &value);
        }
    }
}

/// The root, and the object that most others stand around.
fn objects(value: &Value) -> Vec<String> {
    fn walk(value: &Value, at: String, deepest: &mut String) {
        let depth = |text: &str| text.matches('/').count();
        match value {
            Value::Object(members) => {
                if depth(&at) > depth(deepest) {
                    deepest.clone_from(&at);
                }
                for (name, member) in members {
                    walk(member, format!("{at}/{name}"), deepest);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    walk(item, format!("{at}/{index}"), deepest);
                }
            }
            _ => {}
        }
    }
    let mut deepest = String::new();
    walk(value, String::new(), &mut deepest);
    match deepest.is_empty() {
        true => vec![deepest],
        false => vec![String::new(), deepest],
    }
}

pub fn found(value: &Value) -> Decision {
    let text = value.to_string();
    let document = Document::parse(text.as_bytes(), &Limits::default()).expect("JSON");
    let checked = check_structure(document.root(), BodyCheck::Structure);
    Decision::accept_if(checked.map_err(Cow::into_owned).is_ok())
}
