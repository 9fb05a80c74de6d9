//! Security labels and tags that a client sets.
//!
//! Who sets a label decides who sees the resource. `meta.profile` and `meta.source` are what real clients
//! send and decide nothing here; `meta.versionId` and `meta.lastUpdated` are the server's to set, whatever
//! a client says (<https://hl7.org/fhir/R4/resource.html#Meta>).

use crate::json::Node;

/// Members of `meta` that are labels.
pub const LABELS: [&str; 2] = ["security", "tag"];

/// Whether this value, or one within it, has a `meta` with labels, empty ones too.
pub fn has_labels(node: Node<'_>) -> bool {
    node.all_named("meta").any(is_labelled)
}

/// Whether this is a `meta` with labels.
pub(super) fn is_labelled(meta: Node<'_>) -> bool {
    LABELS.iter().any(|name| meta.get(name).is_some())
        // Servers take a list of one for the one.
        || meta.items().any(is_labelled)
}

/// Whether a resource here or within has a tag of this system.
pub fn has_tag_of(node: Node<'_>, system: &str) -> bool {
    let tags = node
        .all_named("meta")
        .flat_map(|meta| meta.all_named("tag"));
    let mut systems = tags.flat_map(|tag| tag.all_named("system"));
    systems.any(|own| own.is_str(system))
}

/// Whether an operation of this well-formed JSON Patch brings this system in, as that of a tag or of anything else.
pub fn patch_has_system(patch: Node<'_>, system: &str) -> bool {
    let mut values = patch.items().filter_map(|operation| operation.get("value"));
    values.any(|value| {
        let mut systems = value.all_named("system").chain([value]);
        systems.any(|own| own.is_str(system))
    })
}

/// Whether an operation of this well-formed JSON Patch sets labels or takes some away.
pub fn patch_has_labels(patch: Node<'_>) -> bool {
    patch.items().any(|operation| {
        let text = |name| operation.get(name).and_then(Node::str).unwrap_or_default();
        let value = operation.get("value");
        match text("op").as_ref() {
            "test" => false,
            "copy" => is_label(&text("path")),
            "move" => is_label(&text("path")) || is_label(&text("from")),
            _ => is_label(&text("path")) || value.is_some_and(has_labels),
        }
    })
}

/// Whether a pointer leads to a whole `meta`, or to its labels or into them; at any depth, for a contained
/// resource has one too.
fn is_label(pointer: &str) -> bool {
    let mut tokens = pointer.split('/');
    while let Some(token) = tokens.next() {
        if token == "meta" {
            match tokens.clone().next() {
                None => return true,
                Some(next) if LABELS.contains(&next) => return true,
                Some(_) => {}
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Limits};

    fn check(name: &str, text: &str, of: fn(Node<'_>) -> bool, expected: bool) {
        let document = Document::parse(text.as_bytes(), &Limits::default()).expect(name);
        assert_eq!(of(document.root()), expected, "{name}");
    }

    #[test]
    fn labels_are_found_wherever_a_resource_has_them() {
        for (text, expected) in [
            (r#"{"id":"1"}"#, false),
            (
                r#"{"meta":{"profile":["x"],"source":"x","versionId":"1","lastUpdated":"x"}}"#,
                false,
            ),
            (r#"{"security":[],"tag":[],"code":{"tag":1}}"#, false),
            (r#"{"meta":{"security":[{"code":"R"}]}}"#, true),
            (r#"{"meta":{"tag":[{"code":"x"}]}}"#, true),
            (r#"{"meta":{"tag":[]}}"#, true),
            (r#"{"meta":{"security":null}}"#, true),
            (r#"{"m\u0065ta":{"t\u0061g":[]}}"#, true),
            (r#"{"meta":[{"tag":[]}]}"#, true),
            (
                r#"{"contained":[{"resourceType":"Device","meta":{"security":[]}}]}"#,
                true,
            ),
        ] {
            check(text, text, has_labels, expected);
        }
    }

    #[test]
    fn patches_that_touch_labels_are_found() {
        for (operation, expected) in [
            (r#""op":"add","path":"/status","value":"final""#, false),
            (r#""op":"add","path":"/meta/profile/-","value":"x""#, false),
            (r#""op":"replace","path":"/meta/source","value":"x""#, false),
            (r#""op":"replace","path":"/tag","value":"x""#, false),
            (r#""op":"replace","path":"/security/0","value":"x""#, false),
            (r#""op":"test","path":"/meta/tag","value":[]"#, false),
            (
                r#""op":"copy","from":"/meta/tag","path":"/code/coding""#,
                false,
            ),
            (r#""op":"add","path":"/meta/security","value":[]"#, true),
            (
                r#""op":"add","path":"/meta/security/-","value":{"code":"N"}"#,
                true,
            ),
            (
                r#""op":"replace","path":"/meta/security/0/code","value":"N""#,
                true,
            ),
            (r#""op":"remove","path":"/meta/tag/0""#, true),
            (r#""op":"remove","path":"/meta""#, true),
            (r#""op":"add","path":"/meta","value":{}"#, true),
            (
                r#""op":"move","from":"/meta/tag/0","path":"/code/coding/0""#,
                true,
            ),
            (
                r#""op":"move","from":"/code","path":"/meta/security""#,
                true,
            ),
            (
                r#""op":"copy","from":"/code/coding","path":"/meta/security""#,
                true,
            ),
            (r#""op":"move","from":"/x","path":"/meta""#, true),
            (
                r#""op":"add","path":"/contained/0/meta/tag","value":[]"#,
                true,
            ),
            (
                r#""op":"add","path":"/contained/-","value":{"meta":{"tag":[]}}"#,
                true,
            ),
            (
                r#""op":"add","path":"/x","value":{"meta":{"security":[]}}"#,
                true,
            ),
        ] {
            let patch = format!("[{{\"op\":\"remove\",\"path\":\"/x\"}},{{{operation}}}]");
            check(operation, &patch, patch_has_labels, expected);
        }
    }
}
