//! The body of an operation: a Parameters resource (<https://hl7.org/fhir/R4/parameters.html>).

use super::{BodyCheck, BodyFault, Shape, hides_resource, parse, refers_by_search, structure};
use crate::json::{Document, Kind, Node};
use crate::request::Operation;

/// The most parameters of one body.
pub const MAX_PARAMETERS: usize = 64;

/// Checks the body of a call, and gives what was read: parameters of declared names, each with one value,
/// or with a resource of the declared type where one is declared. Parts are not taken.
///
/// # Errors
/// See [`BodyFault`].
pub fn check_parameters<'a>(
    bytes: &'a [u8],
    operation: &Operation,
    check: BodyCheck,
) -> Result<Document<'a>, BodyFault> {
    let document = parse(bytes)?;
    let root = document.root();
    let is_parameters = root
        .get("resourceType")
        .is_some_and(|own| own.is_str("Parameters"));
    if root.kind() != Kind::Object || !is_parameters {
        return Err(BodyFault::Mismatch("the body is no parameters resource"));
    }
    let known = ["resourceType", "id", "parameter"];
    let mut members = root.members();
    if !members.all(|member| known.iter().any(|name| member.key.is_str(name))) {
        return Err(BodyFault::Malformed(
            "the body has another member than resourceType, id and parameter",
        ));
    }
    let list = root.get("parameter");
    if list.is_some_and(|list| list.kind() != Kind::Array) {
        return Err(BodyFault::Malformed("parameter is no array"));
    }
    for (count, parameter) in list.into_iter().flat_map(Node::items).enumerate() {
        if count >= MAX_PARAMETERS {
            return Err(BodyFault::Malformed("there are more than 64 parameters"));
        }
        check_parameter(parameter, operation)?;
    }
    if refers_by_search(root) {
        return Err(BodyFault::Conditional);
    }
    structure::check(root, check).map_err(BodyFault::Structure)?;
    Ok(document)
}

/// The resources in the body of a call that was checked.
pub fn resources_of<'d>(root: Node<'d>) -> impl Iterator<Item = Node<'d>> {
    let parameters = root.get("parameter").into_iter().flat_map(Node::items);
    parameters.filter_map(|parameter| parameter.get("resource"))
}

fn check_parameter(parameter: Node<'_>, operation: &Operation) -> Result<(), BodyFault> {
    let name = parameter.get("name").and_then(Node::str);
    let name = name.ok_or(BodyFault::Malformed("a parameter has no name"))?;
    if let Some(resource) = parameter.get("resource") {
        let mut declared = operation.resources.iter();
        let declared = declared.find(|(known, _)| *known == name);
        let Some((_, expected)) = declared else {
            return Err(BodyFault::Malformed(
                "a parameter holds a resource where none is declared",
            ));
        };
        let shape = Shape::of(resource).map_err(BodyFault::Malformed)?;
        if shape.resource_type != *expected {
            return Err(BodyFault::Mismatch(
                "a resource is not of the type that is declared for its parameter",
            ));
        }
    } else {
        if !operation.parameters.iter().any(|known| *known == name) {
            return Err(BodyFault::Malformed(
                "a parameter has a name that is not declared",
            ));
        }
        if hides_resource(parameter) {
            return Err(BodyFault::Malformed(
                "a resource stands in the value of a parameter",
            ));
        }
    }
    // A value has a name that begins so, whatever its type.
    let values = parameter
        .members()
        .filter(|member| !member.key.is_str("name"));
    let mut others = 0_usize;
    for member in values {
        others = others.saturating_add(1);
        let own = member.name();
        if !(own == "resource" || own.starts_with("value")) {
            return Err(BodyFault::Malformed(
                "a parameter has another member than name, and a value or a resource",
            ));
        }
    }
    match others {
        1 => Ok(()),
        _ => Err(BodyFault::Malformed(
            "a parameter has not one value, or one resource",
        )),
    }
}
