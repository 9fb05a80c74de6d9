//! `fhir.operations`: the operations that may be called.

use std::rc::Rc;

use super::issuers::distinct;
use super::mistakes::Mistakes;
use super::reader::{Node, Object, each, or};
use super::rules::{plain_scope, resource_type};
use crate::fhir::ResourceType;
use crate::request::{Operation, OperationAnswer, OperationLevel};

/// Operations of one configuration.
const OPERATIONS: usize = 64;

/// Types of one operation.
const TYPES: usize = 64;

/// Parameters of one operation.
const PARAMETERS: usize = 32;

/// Scopes of one operation.
const SCOPES: usize = 8;

/// Bytes of a name, of an operation or a parameter.
const NAME: usize = 64;

/// Operations that no list can make safe, by how their names begin, and what an operator is told.
const NEVER: [(&str, &str); 3] = [
    (
        "export",
        "$export: fhir.export opens it, and screens its files",
    ),
    (
        "graphql",
        "$graphql: its answer has no resources that could be looked at",
    ),
    (
        "meta",
        "$meta and its like: they show and change security labels",
    ),
];

/// Operations that answer Bundles, by the standard.
const BUNDLES: [&str; 2] = ["everything", "match"];

pub(super) fn read(node: &Node<'_>, m: &mut Mistakes) -> Option<Vec<Rc<Operation>>> {
    let items = node.list("operations", 0..=OPERATIONS, m)?;
    let mut known: Vec<Rc<Operation>> = Vec::new();
    each(&items, |item| {
        let operation = Rc::new(operation(item, m)?);
        if known.iter().any(|other| overlap(other, &operation)) {
            return item.refuse(
                "each operation once for a level and a type",
                "one for the second time",
                m,
            );
        }
        known.push(Rc::clone(&operation));
        Some(operation)
    })
}

/// Whether one call could be of both.
fn overlap(one: &Operation, other: &Operation) -> bool {
    let common = |own: &[ResourceType], others: &[ResourceType]| {
        own.iter()
            .any(|resource_type| others.contains(resource_type))
    };
    one.name == other.name
        && match (&one.level, &other.level) {
            (OperationLevel::System, OperationLevel::System) => true,
            (OperationLevel::Type(own), OperationLevel::Type(others))
            | (OperationLevel::Instance(own), OperationLevel::Instance(others)) => {
                common(own, others)
            }
            _ => false,
        }
}

fn operation(node: &Node<'_>, m: &mut Mistakes) -> Option<Operation> {
    let mut object = node.object("an operation, an object with name, level and answer", m)?;
    let own = object.required("name", "the name of an operation, without $", m);
    let own = own.and_then(|node| operation_name(&node, m));
    let level = level(&mut object, m);
    let methods = [("GET", false), ("POST", true)];
    let methods = or(object.optional("methods"), vec![false], |node| {
        distinct(node, "methods", &methods, m)
    });
    let parameters = or(object.optional("parameters"), Vec::new(), |node| {
        let items = node.list("names of parameters", 0..=PARAMETERS, m)?;
        each(&items, |item| parameter_name(item, m))
    });
    let resources = object.optional("resources");
    let place = object.pointer_of("resources");
    let resources = or(resources, Vec::new(), |node| {
        let items = node.list("parameters that hold a resource", 0..=PARAMETERS, m)?;
        each(&items, |item| resource(item, m))
    });
    let scopes_place = object.pointer_of("scopes");
    let scopes = or(object.optional("scopes"), Vec::new(), |node| {
        let items = node.list("scopes", 0..=SCOPES, m)?;
        each(&items, |item| scope(item, m))
    });
    let answer_place = object.pointer_of("answer");
    let answer = object.required("answer", ANSWER, m);
    let answer = answer.and_then(|node| answer_of(&node, m));
    object.finish(m);
    let (name, methods, resources, answer) = (own?, methods?, resources?, answer?);
    let (level, scopes) = (level?, scopes?);
    let plain = matches!(
        answer,
        OperationAnswer::Parameters | OperationAnswer::Outcome
    );
    if plain && level == OperationLevel::System && scopes.is_empty() {
        m.add(
            &scopes_place,
            "expected the scopes that open an operation on the system whose answer is not looked into, found none",
        );
        return None;
    }
    let post = methods.contains(&true);
    if !post && !resources.is_empty() {
        m.add(
            &place,
            "expected nothing where methods has no POST, found parameters",
        );
        return None;
    }
    if BUNDLES.contains(&name.as_str()) && answer != OperationAnswer::Bundle {
        m.add(
            &answer_place,
            format!("expected \"bundle\", which is what ${name} answers, found another word"),
        );
        return None;
    }
    Some(Operation {
        name,
        level,
        get: methods.contains(&false),
        post,
        parameters: parameters?,
        resources,
        scopes,
        answer,
    })
}

const ANSWER: &str = "\"bundle\", \"parameters\", \"outcome\" or a resource type";

fn level(object: &mut Object<'_>, m: &mut Mistakes) -> Option<OperationLevel> {
    let words = [("system", 0_u8), ("type", 1), ("instance", 2)];
    let level = object.required("level", "\"system\", \"type\" or \"instance\"", m);
    let level = level.and_then(|node| node.keyword(&words, m));
    let place = object.pointer_of("types");
    let types = object.optional("types");
    let given = types.is_some();
    let types = or(types, Vec::new(), |node| {
        let items = node.list("resource types", 1..=TYPES, m)?;
        each(&items, |item| resource_type(item, m))
    });
    let (level, types) = (level?, types?);
    match (level, given) {
        (0, false) => Some(OperationLevel::System),
        (1, true) => Some(OperationLevel::Type(types)),
        (2, true) => Some(OperationLevel::Instance(types)),
        (0, true) => {
            m.add(
                &place,
                "expected nothing where level is system, found types",
            );
            None
        }
        _ => {
            m.add(&place, "expected a list of resource types, found nothing");
            None
        }
    }
}

/// The name of an operation that can be listed.
fn operation_name(node: &Node<'_>, m: &mut Mistakes) -> Option<String> {
    let expected = "the name of an operation without $, of the characters A-Z a-z 0-9 -";
    let name = node.text(expected, 1..=NAME, m)?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    node.check(name.bytes().all(letter), expected, m)?;
    let never = NEVER.iter().find(|(begin, _)| name.starts_with(begin));
    match never {
        Some((_, why)) => node.refuse("an operation whose answer can be looked at", why, m),
        None => Some(name.to_owned()),
    }
}

fn parameter_name(node: &Node<'_>, m: &mut Mistakes) -> Option<String> {
    let expected = "the name of a parameter, of the characters A-Z a-z 0-9 - _";
    let name = node.text(expected, 1..=NAME, m)?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    node.check(name.bytes().all(letter), expected, m)?;
    Some(name.to_owned())
}

fn resource(node: &Node<'_>, m: &mut Mistakes) -> Option<(String, ResourceType)> {
    let mut object = node.object("an object with name and type", m)?;
    let name = object.required("name", "the name of a parameter", m);
    let name = name.and_then(|node| parameter_name(&node, m));
    let of = object.required("type", "a FHIR resource type such as Patient", m);
    let of = of.and_then(|node| resource_type(&node, m));
    object.finish(m);
    name.zip(of)
}

fn scope(node: &Node<'_>, m: &mut Mistakes) -> Option<String> {
    plain_scope(node, m)?;
    node.value().as_str().map(str::to_owned)
}

fn answer_of(node: &Node<'_>, m: &mut Mistakes) -> Option<OperationAnswer> {
    match node.text(ANSWER, 1..=NAME, m)? {
        "bundle" => Some(OperationAnswer::Bundle),
        "parameters" => Some(OperationAnswer::Parameters),
        "outcome" => Some(OperationAnswer::Outcome),
        name => match ResourceType::parse(name) {
            Some(found) if !found.is_container() => Some(OperationAnswer::Resource(found)),
            _ => node.refuse(ANSWER, "another word", m),
        },
    }
}
