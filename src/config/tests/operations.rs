//! `fhir.operations`.

use std::rc::Rc;

use super::*;
use crate::request::{Operation, OperationAnswer, OperationLevel};

/// The operations of the complete configuration.
pub(super) fn complete() -> Value {
    json!([
        {"name": "everything", "level": "instance", "types": ["Patient"],
            "parameters": ["_type", "start", "end", "_since", "_count"], "answer": "bundle"},
        {"name": "validate", "level": "type", "types": ["Observation"], "methods": ["POST"],
            "parameters": ["mode"], "resources": [{"name": "resource", "type": "Observation"}],
            "scopes": ["user/Observation.c"], "answer": "outcome"},
    ])
}

/// What `complete` says of operations.
pub(super) fn of_complete() -> Vec<Rc<Operation>> {
    let kind = |name| ResourceType::parse(name).unwrap();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let everything = Operation {
        name: "everything".to_owned(),
        level: OperationLevel::Instance(vec![kind("Patient")]),
        get: true,
        post: false,
        parameters: names(&["_type", "start", "end", "_since", "_count"]),
        resources: Vec::new(),
        scopes: Vec::new(),
        answer: OperationAnswer::Bundle,
    };
    let validate = Operation {
        name: "validate".to_owned(),
        level: OperationLevel::Type(vec![kind("Observation")]),
        get: false,
        post: true,
        parameters: names(&["mode"]),
        resources: vec![("resource".to_owned(), kind("Observation"))],
        scopes: names(&["user/Observation.c"]),
        answer: OperationAnswer::Outcome,
    };
    vec![Rc::new(everything), Rc::new(validate)]
}

fn operation() -> Value {
    json!({"name": "lastn", "level": "type", "types": ["Observation"], "answer": "bundle"})
}

#[test]
fn an_operation_is_read_or_explained_bypass_34_to_37() {
    let at = |key: &str| format!("/fhir/operations/0/{key}");
    let never =
        "/fhir/operations/0/name: expected an operation whose answer can be looked at, found";
    let labels = "$meta and its like: they show and change security labels";
    for (key, value, expected) in [
        ("name", json!("x"), String::new()),
        (
            "name",
            json!("graphql"),
            format!("{never} $graphql: its answer has no resources that could be looked at"),
        ),
        (
            "name",
            json!("export"),
            format!("{never} $export: fhir.export opens it, and screens its files"),
        ),
        ("name", json!("meta"), format!("{never} {labels}")),
        ("name", json!("meta-add"), format!("{never} {labels}")),
        ("name", json!("meta-delete"), format!("{never} {labels}")),
        (
            "name",
            json!("$lastn"),
            at("name")
                + ": expected the name of an operation without $, of the characters A-Z a-z 0-9 -, found other text",
        ),
        (
            "name",
            json!(""),
            at("name")
                + ": expected the name of an operation without $, of the characters A-Z a-z 0-9 - of 1 to 64 bytes, found 0 bytes",
        ),
        ("level", json!("instance"), String::new()),
        (
            "level",
            json!("system"),
            at("types") + ": expected nothing where level is system, found types",
        ),
        (
            "level",
            json!("base"),
            at("level") + ": expected \"system\", \"type\" or \"instance\", found \"base\"",
        ),
        (
            "types",
            json!([]),
            at("types") + ": expected a list of 1 to 64 resource types, found 0",
        ),
        (
            "types",
            json!(["Bundle"]),
            at("types/0")
                + ": expected the type of the resources inside, such as Patient, found \"Bundle\", which only carries others",
        ),
        ("methods", json!(["GET", "POST"]), String::new()),
        (
            "methods",
            json!(["PUT"]),
            at("methods/0") + ": expected \"GET\" or \"POST\", found \"PUT\"",
        ),
        (
            "methods",
            json!([]),
            at("methods") + ": expected a list of 1 to 2 methods, found 0",
        ),
        ("parameters", json!(["_type", "max", "a-b"]), String::new()),
        (
            "parameters",
            json!(["code:in"]),
            at("parameters/0")
                + ": expected the name of a parameter, of the characters A-Z a-z 0-9 - _, found other text",
        ),
        (
            "resources",
            json!([{"name": "x", "type": "Patient"}]),
            at("resources") + ": expected nothing where methods has no POST, found parameters",
        ),
        ("scopes", json!(["user/Patient.u"]), String::new()),
        (
            "scopes",
            json!(["user/Patient.x"]),
            at("scopes/0")
                + ": expected a SMART scope without parameters, such as user/Patient.rs, found other text",
        ),
        (
            "scopes",
            json!(["user/Observation.rs?category=a"]),
            at("scopes/0")
                + ": expected a SMART scope without parameters, such as user/Patient.rs, found other text",
        ),
        ("answer", json!("Observation"), String::new()),
        ("answer", json!("outcome"), String::new()),
        ("answer", json!("parameters"), String::new()),
        (
            "answer",
            json!("Parameters"),
            at("answer")
                + ": expected \"bundle\", \"parameters\", \"outcome\" or a resource type, found another word",
        ),
        (
            "answer",
            json!("Bundle"),
            at("answer")
                + ": expected \"bundle\", \"parameters\", \"outcome\" or a resource type, found another word",
        ),
    ] {
        let mut listed = operation();
        listed[key] = value.clone();
        let found = said(&[("/fhir/operations", json!([listed]))]);
        assert_eq!(found, expected, "{key} {value}");
    }
    for key in ["name", "level", "types", "answer"] {
        let mut listed = operation();
        listed.as_object_mut().unwrap().remove(key);
        let found = said(&[("/fhir/operations", json!([listed]))]);
        assert!(
            found.starts_with(&at(key)) && found.ends_with("found nothing"),
            "{found}"
        );
    }
    for name in ["everything", "match"] {
        let mut listed = operation();
        (listed["name"], listed["answer"]) = (json!(name), json!("parameters"));
        let expected = format!(
            "/fhir/operations/0/answer: expected \"bundle\", which is what ${name} answers, found another word"
        );
        assert_eq!(said(&[("/fhir/operations", json!([listed]))]), expected);
    }
}

#[test]
fn what_is_not_looked_into_needs_a_scope_on_the_system() {
    let expected = "/fhir/operations/0/scopes: expected the scopes that open an operation on the system whose answer is not looked into, found none";
    for (answer, scopes, expected) in [
        ("outcome", json!(null), expected),
        ("parameters", json!(null), expected),
        ("outcome", json!(["system/Observation.r"]), ""),
        ("bundle", json!(null), ""),
    ] {
        let mut listed = json!({"name": "reindex", "level": "system", "answer": answer});
        if !scopes.is_null() {
            listed["scopes"] = scopes;
        }
        assert_eq!(
            said(&[("/fhir/operations", json!([listed]))]),
            expected,
            "{answer}"
        );
    }
}

#[test]
fn an_operation_is_listed_once_for_a_level_and_a_type() {
    let twice = "/fhir/operations/1: expected each operation once for a level and a type, found one for the second time";
    let with = |key: &str, value: Value| {
        let mut other = operation();
        other[key] = value;
        other
    };
    for (other, expected) in [
        (operation(), twice),
        (with("types", json!(["Patient", "Observation"])), twice),
        (with("types", json!(["Patient"])), ""),
        (with("level", json!("instance")), ""),
        (with("name", json!("stats")), ""),
    ] {
        let list = json!([operation(), other]);
        assert_eq!(said(&[("/fhir/operations", list)]), expected, "{other}");
    }
}

#[test]
fn as_many_operations_are_listed_as_are_taken() {
    let list = |count: usize| {
        let named = |place: usize| {
            let mut listed = operation();
            listed["name"] = json!(format!("x{place}"));
            listed
        };
        Value::from_iter((0..count).map(named))
    };
    assert_eq!(said(&[("/fhir/operations", list(64))]), "");
    let found = "/fhir/operations: expected a list of 0 to 64 operations, found 65";
    assert_eq!(said(&[("/fhir/operations", list(65))]), found);
    for (key, item, most, what) in [
        ("parameters", json!("a"), 32, "names of parameters"),
        ("scopes", json!("user/*.r"), 8, "scopes"),
        ("types", json!("Observation"), 64, "resource types"),
    ] {
        let mut listed = operation();
        listed[key] = json!(vec![item.clone(); most]);
        assert_eq!(
            said(&[("/fhir/operations", json!([listed.clone()]))]),
            "",
            "{key}"
        );
        listed[key] = json!(vec![item; most + 1]);
        let found = said(&[("/fhir/operations", json!([listed]))]);
        assert!(
            found.contains(what) && found.ends_with(&format!("found {}", most + 1)),
            "{found}"
        );
    }
}
