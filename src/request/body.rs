//! Bodies of create, update and patch, and the shape every resource has.

use std::borrow::Cow;

use crate::fhir::{ResourceType, is_id};
use crate::json::{Document, Kind, Limits, Member, Node};

mod parameters;
mod provenance;
mod structure;

pub use parameters::{check_parameters, resources_of};
pub use provenance::{check_provenance, names_agent};
pub use structure::{BodyCheck, check as check_structure};

/// The most operations a patch may have.
pub const PATCH_OPERATIONS: usize = 1000;

/// Why a request body is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BodyFault {
    /// It is not what the interaction takes; the text says what was found, without data.
    Malformed(&'static str),
    /// It is no resource by the structure of R4; the text says where, and what was expected.
    Structure(Cow<'static, str>),
    /// It is another resource than the one the request names.
    Mismatch(&'static str),
    /// It is a patch with an operation that reads, of a writer who may not read all of the
    /// resource: `test` tells a value by its success, `copy` and `move` carry it to where it shows.
    Reads,
    /// It refers to a resource by a search (`Patient?identifier=...`): the server would carry out
    /// that search, and its outcome would tell what it found
    /// (<https://hl7.org/fhir/R4/http.html#trules>).
    Conditional,
    /// It is marked as a part of a resource (SUBSETTED, REDACTED, MASKED): writing it back would
    /// destroy what was hidden.
    Redacted,
}

/// Checks the body of a create (`id` is `None`; an id in the body is ignored by FHIR and allowed)
/// or of an update (the body must carry this id), and gives what was read.
///
/// # Errors
/// See [`BodyFault`].
pub fn check_body<'a>(
    bytes: &'a [u8],
    resource_type: ResourceType,
    id: Option<&str>,
    check: BodyCheck,
) -> Result<Document<'a>, BodyFault> {
    let document = parse(bytes)?;
    let root = document.root();
    let shape = Shape::of(root).map_err(BodyFault::Malformed)?;
    if shape.resource_type != resource_type {
        return Err(BodyFault::Mismatch(
            "resourceType is not the type in the request's path",
        ));
    }
    match (root.get("id"), id) {
        (None, None) => {}
        (None, Some(_)) => {
            return Err(BodyFault::Mismatch(
                "id is missing, expected the id in the request's path",
            ));
        }
        (Some(own), expected) => {
            let own = own
                .str()
                .filter(|own| is_id(own))
                .ok_or(BodyFault::Malformed("id is not an id of fhir"))?;
            if expected.is_some_and(|expected| own != expected) {
                return Err(BodyFault::Mismatch(
                    "id is not the id in the request's path",
                ));
            }
        }
    }
    check_content(root, check, None)?;
    Ok(document)
}

/// Checks what holds of every resource that is written; the server fills in this element of it.
///
/// # Errors
/// See [`BodyFault`].
pub fn check_content(
    root: Node<'_>,
    check: BodyCheck,
    filled_in: Option<&'static str>,
) -> Result<(), BodyFault> {
    if is_partial(root) {
        return Err(BodyFault::Redacted);
    }
    if refers_by_search(root) {
        return Err(BodyFault::Conditional);
    }
    structure::check_but(root, check, filled_in).map_err(BodyFault::Structure)
}

/// Checks the body of a patch: a JSON Patch (RFC 6902) of 1 to 1000 operations, each below the
/// root and not on what makes the resource this one. `may_read` says that the writer may read the
/// type, and `contained` that nothing can be hidden in contained resources. Without either, operations
/// that read are refused (what is contained hides the narrative around it too); without `contained`
/// also those on contained resources, for one that changes their type would bring to light what a
/// rule hides. Gives what was read.
///
/// # Errors
/// See [`BodyFault`].
pub fn check_patch(
    bytes: &[u8],
    may_read: bool,
    contained: bool,
) -> Result<Document<'_>, BodyFault> {
    let document = parse(bytes)?;
    let root = document.root();
    if root.kind() != Kind::Array {
        return Err(BodyFault::Malformed(
            "the patch is no array, expected a json patch",
        ));
    }
    for (count, operation) in root.items().enumerate() {
        if count >= PATCH_OPERATIONS {
            return Err(BodyFault::Malformed(
                "the patch has more than 1000 operations",
            ));
        }
        check_operation(operation).map_err(BodyFault::Malformed)?;
        check_rights(operation, may_read, contained)?;
    }
    if root.items().next().is_none() {
        return Err(BodyFault::Malformed(
            "the patch is empty, expected at least one operation",
        ));
    }
    Ok(document)
}

/// What every resource has, once it is known that no other resource hides in it.
pub(crate) struct Shape<'d> {
    /// The type of the resource itself.
    pub resource_type: ResourceType,
    /// Its contained resources, which contain no further ones.
    pub contained: Vec<(ResourceType, Node<'d>)>,
}

impl<'d> Shape<'d> {
    /// Reads the shape: an object with a known `resourceType`, and no `resourceType` anywhere else
    /// but in direct elements of `contained`. The error says what was found, without data.
    pub fn of(root: Node<'d>) -> Result<Shape<'d>, &'static str> {
        Shape::of_type(root, type_of(root)?)
    }

    /// As [`of`](Self::of), where it is known already that this is an object of this type.
    pub fn of_type(root: Node<'d>, resource_type: ResourceType) -> Result<Shape<'d>, &'static str> {
        let mut contained = Vec::new();
        // Its own is the only one that most resources have.
        if root.all_named("resourceType").nth(1).is_none() && root.get("contained").is_none() {
            return Ok(Shape {
                resource_type,
                contained,
            });
        }
        for member in root.members() {
            if !member.key.is_str("contained") {
                if hides_resource(member.value) {
                    return Err("a resource stands within another, outside contained");
                }
                continue;
            }
            if member.value.kind() != Kind::Array {
                return Err("contained is no array");
            }
            for item in member.value.items() {
                contained.push((type_of(item)?, item));
                let nested = item
                    .members()
                    .any(|inner| inner.key.is_str("contained") || hides_resource(inner.value));
                if nested {
                    return Err("a resource stands within a contained resource");
                }
            }
        }
        Ok(Shape {
            resource_type,
            contained,
        })
    }
}

fn type_of(node: Node<'_>) -> Result<ResourceType, &'static str> {
    if node.kind() != Kind::Object {
        return Err("a resource is no object");
    }
    node.get("resourceType")
        .and_then(|name| name.str())
        .and_then(|name| ResourceType::parse(&name))
        .ok_or("resourceType is missing or unknown")
}

/// Whether an object here or below says that it is a resource.
fn hides_resource(node: Node<'_>) -> bool {
    node.all_named("resourceType").next().is_some()
}

/// Whether a tag or label of a resource says that parts are missing; by the code alone, whatever the system.
pub fn is_partial(root: Node<'_>) -> bool {
    let Some(meta) = root.get("meta") else {
        return false;
    };
    let labels = ["tag", "security"]
        .into_iter()
        .filter_map(|name| meta.get(name));
    labels.flat_map(Node::items).any(|coding| {
        coding
            .get("code")
            .and_then(|code| code.str())
            .is_some_and(|code| matches!(code.as_ref(), "SUBSETTED" | "REDACTED" | "MASKED"))
    })
}

/// What a well-formed operation may do.
fn check_rights(operation: Node<'_>, may_read: bool, contained: bool) -> Result<(), BodyFault> {
    let text = |name| operation.get(name).and_then(Node::str);
    let (op, path) = (
        text("op").unwrap_or_default(),
        text("path").unwrap_or_default(),
    );
    let from = text("from").unwrap_or_default();
    let reads = !matches!(op.as_ref(), "add" | "remove" | "replace");
    if reads && !(may_read && contained) {
        return Err(BodyFault::Reads);
    }
    let touches = |element| {
        [&path, &from]
            .iter()
            .any(|pointer| root_of(pointer) == element)
    };
    if !contained && touches("contained") {
        return Err(BodyFault::Reads);
    }
    if touches("resourceType") || touches("id") {
        return Err(BodyFault::Mismatch(
            "the patch changes the type or the id of the resource",
        ));
    }
    // A reference may come as a value, within one, or from somewhere else in the resource.
    let to_reference = path.split('/').any(|token| token == "reference");
    let searches = operation
        .get("value")
        .is_some_and(|value| refers_by_search(value) || (to_reference && is_search(value)));
    let moved = matches!(op.as_ref(), "copy" | "move") && to_reference;
    if searches || (moved && !from.ends_with("/reference")) {
        return Err(BodyFault::Conditional);
    }
    Ok(())
}

/// The root element that a pointer leads to or into.
fn root_of(pointer: &str) -> &str {
    pointer.split('/').nth(1).unwrap_or_default()
}

/// Whether a reference here or below is a search. As deep as the document's limit.
fn refers_by_search(node: Node<'_>) -> bool {
    node.members().any(|member| {
        (member.key.is_str("reference") && is_search(member.value))
            || refers_by_search(member.value)
    }) || node.items().any(refers_by_search)
}

/// Whether this is the text of a search, or a list with one: servers take the one for the other.
fn is_search(value: Node<'_>) -> bool {
    value.str().is_some_and(|text| text.contains('?')) || value.items().any(is_search)
}

fn check_operation(operation: Node<'_>) -> Result<(), &'static str> {
    if operation.kind() != Kind::Object {
        return Err("an operation of the patch is no object");
    }
    let op = operation.get("op").and_then(|op| op.str());
    let needs = match op.as_deref() {
        Some("add" | "replace" | "test") => Some("value"),
        Some("move" | "copy") => Some("from"),
        Some("remove") => None,
        _ => return Err("op is none of add, remove, replace, move, copy, test"),
    };
    // A second reader may take `Path` for `path`, or skip what is empty between two slashes.
    let known =
        |member: &Member<'_>| matches!(member.name().as_ref(), "op" | "path" | "from" | "value");
    if !operation.members().all(|member| known(&member)) {
        return Err("an operation has another member than op, path, from and value");
    }
    let token = |token: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        !token.is_empty() && token.bytes().all(plain)
    };
    let pointer = |name| {
        let pointer = operation.get(name).and_then(Node::str);
        pointer.is_some_and(|pointer| {
            pointer
                .strip_prefix('/')
                .is_some_and(|rest| rest.split('/').all(token))
        })
    };
    if !pointer("path") {
        return Err("path is no json pointer to an element below the root");
    }
    match needs {
        Some("from") if !pointer("from") => Err("from is no json pointer below the root"),
        Some("value") if operation.get("value").is_none() => Err("value is missing"),
        _ => Ok(()),
    }
}

fn parse(bytes: &[u8]) -> Result<Document<'_>, BodyFault> {
    Document::parse(bytes, &Limits::default())
        .map_err(|fault| BodyFault::Malformed(fault.kind.text()))
}

#[cfg(test)]
mod tests;
