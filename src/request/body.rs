//! Bodies of create, update and patch, and the shape every resource has.

use crate::fhir::{ResourceType, is_id};
use crate::json::{Document, Kind, Limits, Node};

/// The most operations a patch may have.
pub const PATCH_OPERATIONS: usize = 1000;

/// Why a request body is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyFault {
    /// It is not what the interaction takes; the text says what was found, without data.
    Malformed(&'static str),
    /// It is another resource than the one the request names.
    Mismatch(&'static str),
    /// It is a patch with an operation that reads, of a writer who may not read all of the
    /// resource: `test` tells a value by its success, `copy` and `move` carry it to where it shows.
    Reads,
    /// It is marked as a part of a resource (SUBSETTED, REDACTED, MASKED): writing it back would
    /// destroy what was hidden.
    Redacted,
}

/// Checks the body of a create (`id` is `None`; an id in the body is ignored by FHIR and allowed)
/// or of an update (the body must carry this id).
///
/// # Errors
/// See [`BodyFault`].
pub fn check_body(
    bytes: &[u8],
    resource_type: ResourceType,
    id: Option<&str>,
) -> Result<(), BodyFault> {
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
    if is_partial(root) {
        return Err(BodyFault::Redacted);
    }
    Ok(())
}

/// Checks the body of a patch: a JSON Patch (RFC 6902) of 1 to 1000 operations, each below the
/// root. `may_read` says that the writer may see everything in the resource; otherwise operations
/// that read are refused.
///
/// # Errors
/// See [`BodyFault`].
pub fn check_patch(bytes: &[u8], may_read: bool) -> Result<(), BodyFault> {
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
        let op = operation.get("op").and_then(|op| op.str());
        if !may_read && !matches!(op.as_deref(), Some("add" | "remove" | "replace")) {
            return Err(BodyFault::Reads);
        }
    }
    if root.items().next().is_none() {
        return Err(BodyFault::Malformed(
            "the patch is empty, expected at least one operation",
        ));
    }
    Ok(())
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
        let resource_type = type_of(root)?;
        let mut contained = Vec::new();
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

/// Whether an object here or below says that it is a resource. As deep as the document's limit.
fn hides_resource(node: Node<'_>) -> bool {
    node.members()
        .any(|member| member.key.is_str("resourceType") || hides_resource(member.value))
        || node.items().any(hides_resource)
}

/// Whether a tag or label says that parts are missing; by the code alone, whatever the system.
fn is_partial(root: Node<'_>) -> bool {
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
    let pointer = |name| {
        operation
            .get(name)
            .and_then(|path| path.str())
            .is_some_and(|path| path.starts_with('/'))
    };
    if !pointer("path") {
        return Err("path is no json pointer below the root");
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
mod tests {
    use super::*;

    const MALFORMED: Result<(), &str> = Err("malformed");
    const MISMATCH: Result<(), &str> = Err("mismatch");
    const REDACTED: Result<(), &str> = Err("redacted");

    fn outcome(result: Result<(), BodyFault>) -> Result<(), &'static str> {
        result.map_err(|fault| match fault {
            BodyFault::Malformed(_) => "malformed",
            BodyFault::Mismatch(_) => "mismatch",
            BodyFault::Reads => "reads",
            BodyFault::Redacted => "redacted",
        })
    }

    fn check(name: &str, id: Option<&str>, body: &str, expected: Result<(), &str>) {
        let patient = ResourceType::parse("Patient").unwrap();
        let found = check_body(body.as_bytes(), patient, id);
        assert_eq!(outcome(found), expected, "{name}: {found:?}");
    }

    #[test]
    fn a_body_is_the_resource_of_the_request() {
        let (id, create) = (Some("1"), None);
        check(
            "update",
            id,
            r#"{"resourceType":"Patient","id":"1"}"#,
            Ok(()),
        );
        check("create", create, r#"{"resourceType":"Patient"}"#, Ok(()));
        check(
            "create with id",
            create,
            r#"{"resourceType":"Patient","id":"x"}"#,
            Ok(()),
        );
        check(
            "escaped",
            id,
            r#"{"resourc\u0065Type":"Pati\u0065nt","\u0069d":"1"}"#,
            Ok(()),
        );
        check(
            "contained",
            id,
            r#"{"resourceType":"Patient","id":"1","contained":[{"resourceType":"Organization","id":"o"}]}"#,
            Ok(()),
        );
        check(
            "type",
            id,
            r#"{"resourceType":"Person","id":"1"}"#,
            MISMATCH,
        );
        check(
            "type escaped",
            id,
            r#"{"resourceType":"P\u0065rson","id":"1"}"#,
            MISMATCH,
        );
        check(
            "unknown type",
            id,
            r#"{"resourceType":"patient","id":"1"}"#,
            MALFORMED,
        );
        check("no type", id, r#"{"id":"1"}"#, MALFORMED);
        check(
            "type no string",
            id,
            r#"{"resourceType":["Patient"],"id":"1"}"#,
            MALFORMED,
        );
        check(
            "other id",
            id,
            r#"{"resourceType":"Patient","id":"12"}"#,
            MISMATCH,
        );
        check("no id", id, r#"{"resourceType":"Patient"}"#, MISMATCH);
        check(
            "id no string",
            id,
            r#"{"resourceType":"Patient","id":1}"#,
            MALFORMED,
        );
        check(
            "id no id",
            create,
            r#"{"resourceType":"Patient","id":"a/b"}"#,
            MALFORMED,
        );
        check(
            "id twice",
            id,
            r#"{"resourceType":"Patient","id":"1","\u0069d":"2"}"#,
            MALFORMED,
        );
        check(
            "twice deep",
            id,
            r#"{"resourceType":"Patient","id":"1","name":[{"use":"a","use":"b"}]}"#,
            MALFORMED,
        );
        check(
            "nested",
            id,
            r#"{"resourceType":"Patient","id":"1","link":[{"other":{"resourceType":"Patient"}}]}"#,
            MALFORMED,
        );
        check(
            "contained in contained",
            id,
            r#"{"resourceType":"Patient","id":"1","contained":[{"resourceType":"List","contained":[]}]}"#,
            MALFORMED,
        );
        check(
            "contained no array",
            id,
            r#"{"resourceType":"Patient","id":"1","contained":{"resourceType":"List"}}"#,
            MALFORMED,
        );
        check(
            "contained no object",
            id,
            r#"{"resourceType":"Patient","id":"1","contained":[1]}"#,
            MALFORMED,
        );
        check(
            "contained no type",
            id,
            r#"{"resourceType":"Patient","id":"1","contained":[{}]}"#,
            MALFORMED,
        );
        check(
            "array",
            id,
            r#"[{"resourceType":"Patient","id":"1"}]"#,
            MALFORMED,
        );
        check("empty", id, "", MALFORMED);
        check(
            "bom",
            id,
            "\u{feff}{\"resourceType\":\"Patient\",\"id\":\"1\"}",
            MALFORMED,
        );
        check(
            "two",
            id,
            r#"{"resourceType":"Patient","id":"1"}{}"#,
            MALFORMED,
        );
        for code in ["SUBSETTED", "REDACTED", "MASKED", "SUBSETT\\u0045D"] {
            for list in ["tag", "security"] {
                let body = format!(
                    r#"{{"resourceType":"Patient","id":"1","meta":{{"{list}":[{{"code":"other"}},{{"code":"{code}"}}]}}}}"#
                );
                check("partial", id, &body, REDACTED);
            }
        }
        check(
            "other tag",
            id,
            r#"{"resourceType":"Patient","id":"1","meta":{"tag":[{"code":"R"}]}}"#,
            Ok(()),
        );
    }

    #[test]
    fn a_patch_is_a_bounded_json_patch() {
        let one = r#"{"op":"remove","path":"/a"}"#;
        let many = |count: usize| format!("[{}]", vec![one; count].join(","));
        for (name, body, expected) in [
            ("one", many(1), Ok(())),
            ("most", many(PATCH_OPERATIONS), Ok(())),
            ("too many", many(PATCH_OPERATIONS + 1), MALFORMED),
            ("none", "[]".into(), MALFORMED),
            ("object", one.into(), MALFORMED),
            (
                "add",
                r#"[{"op":"add","path":"/a","value":null}]"#.into(),
                Ok(()),
            ),
            (
                "add nothing",
                r#"[{"op":"add","path":"/a"}]"#.into(),
                MALFORMED,
            ),
            (
                "move",
                r#"[{"op":"move","path":"/a","from":"/b"}]"#.into(),
                Ok(()),
            ),
            (
                "move from nowhere",
                r#"[{"op":"move","path":"/a"}]"#.into(),
                MALFORMED,
            ),
            (
                "unknown op",
                r#"[{"op":"merge","path":"/a"}]"#.into(),
                MALFORMED,
            ),
            (
                "whole",
                r#"[{"op":"replace","path":"","value":{}}]"#.into(),
                MALFORMED,
            ),
            (
                "no slash",
                r#"[{"op":"remove","path":"a"}]"#.into(),
                MALFORMED,
            ),
            (
                "no string",
                r#"[{"op":"remove","path":1}]"#.into(),
                MALFORMED,
            ),
            (
                "path twice",
                r#"[{"op":"remove","path":"/a","path":"/b"}]"#.into(),
                MALFORMED,
            ),
            ("no object", "[[]]".into(), MALFORMED),
        ] {
            let found = check_patch(body.as_bytes(), true);
            assert_eq!(outcome(found), expected, "{name}");
        }
    }

    #[test]
    fn who_may_not_read_everything_patches_without_reading() {
        for (operation, expected) in [
            (r#"{"op":"add","path":"/a","value":1}"#, Ok(())),
            (r#"{"op":"replace","path":"/a","value":1}"#, Ok(())),
            (r#"{"op":"remove","path":"/a"}"#, Ok(())),
            (r#"{"op":"test","path":"/a","value":1}"#, Err("reads")),
            (r#"{"op":"copy","path":"/a","from":"/b"}"#, Err("reads")),
            (r#"{"op":"move","path":"/a","from":"/b"}"#, Err("reads")),
            (r#"{"op":"t\u0065st","path":"/a","value":1}"#, Err("reads")),
        ] {
            let body = format!(r#"[{{"op":"remove","path":"/x"}},{operation}]"#);
            let found = check_patch(body.as_bytes(), false);
            assert_eq!(outcome(found), expected, "{operation}");
            assert_eq!(
                outcome(check_patch(body.as_bytes(), true)),
                Ok(()),
                "{operation}"
            );
        }
    }
}
