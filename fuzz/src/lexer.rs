//! The JSON reader against a second reader, and against itself.

use std::collections::BTreeSet;

use fhir_guard::json::{Document, FaultKind, Kind, Limits, Node, quote};
use serde_json::Value;

/// Reads the bytes as one document; says whether they are one.
///
/// # Panics
/// Where the two readers disagree, or the document is not what it was read from.
pub fn check(bytes: &[u8]) -> bool {
    let limits = Limits::default();
    let other = serde_json::from_slice::<Value>(bytes);
    let document = match Document::parse_syntax(bytes, &limits) {
        Ok(document) => document,
        Err(fault) => {
            assert!(fault.at <= bytes.len(), "{fault:?} is beyond the end");
            let bounded = matches!(fault.kind, FaultKind::TooDeep | FaultKind::TooLarge);
            assert!(bounded || other.is_err(), "only we refuse: {fault:?}");
            return false;
        }
    };
    match &other {
        Ok(value) => same(document.root(), value),
        // The grammar knows no largest number; a double does.
        Err(error) => assert!(
            error.to_string().contains("number out of range"),
            "only we accept: {error}"
        ),
    }
    spans(&document);
    let twice = has_twice(document.root());
    let parsed = Document::parse(bytes, &limits);
    match parsed {
        Ok(_) => assert!(!twice, "a key twice was accepted"),
        Err(fault) => assert!(
            twice && fault.kind == FaultKind::DuplicateKey,
            "{fault:?} after the syntax was right"
        ),
    }
    bounds(bytes, document.root());
    !twice
}

fn same(node: Node<'_>, value: &Value) {
    match (node.kind(), value) {
        (Kind::Null, Value::Null) | (Kind::Number, Value::Number(_)) => {}
        (Kind::Boolean, Value::Bool(other)) => assert_eq!(node.bool(), Some(*other)),
        (Kind::String, Value::String(other)) => {
            assert_eq!(node.str().as_deref(), Some(other.as_str()));
            let quoted = quote(other);
            let again = Document::parse(quoted.as_bytes(), &Limits::default());
            assert!(again.expect("quoted text").root().is_str(other));
        }
        (Kind::Array, Value::Array(others)) => {
            let items: Vec<Node<'_>> = node.items().collect();
            assert_eq!(items.len(), others.len());
            for (item, other) in items.iter().zip(others) {
                same(*item, other);
            }
        }
        (Kind::Object, Value::Object(others)) => {
            let names: BTreeSet<_> = node.members().map(|member| member.name()).collect();
            assert_eq!(names.len(), others.len());
            // Of a name that stands twice, each reader has another value.
            if node.members().count() == names.len() {
                for member in node.members() {
                    same(member.value, &others[member.name().as_ref()]);
                }
            }
        }
        (kind, value) => panic!("{kind:?} was read as {value:?}"),
    }
}

/// The root is the text without the white space around it; what is within stands in order and
/// within it.
fn spans(document: &Document<'_>) {
    let space: &[char] = &[' ', '\t', '\r', '\n'];
    assert_eq!(document.root().raw(), document.text().trim_matches(space));
    within(document.root());
}

fn within(node: Node<'_>) {
    let outside = node.span();
    let mut at = outside.start;
    let members = node.members().flat_map(|member| [member.key, member.value]);
    for child in members.chain(node.items()) {
        let span = child.span();
        assert!(
            at < span.start && span.start < span.end && span.end < outside.end,
            "{span:?} after {at} in {outside:?}"
        );
        at = span.end;
        within(child);
    }
}

fn has_twice(node: Node<'_>) -> bool {
    let mut names = BTreeSet::new();
    node.members()
        .any(|member| !names.insert(member.name()) || has_twice(member.value))
        || node.items().any(has_twice)
}

/// Both bounds are inclusive, and one less is refused as what it is.
fn bounds(bytes: &[u8], root: Node<'_>) {
    let (depth, values) = (depth(root), values(root));
    let limited = |depth, values| {
        let read = Document::parse_syntax(bytes, &Limits { depth, values });
        read.err().map(|fault| fault.kind)
    };
    assert_eq!(limited(depth, values), None);
    assert_eq!(limited(depth, values - 1), Some(FaultKind::TooLarge));
    if depth > 0 {
        assert_eq!(limited(depth - 1, values), Some(FaultKind::TooDeep));
    }
}

fn depth(node: Node<'_>) -> usize {
    let members = node.members().map(|member| member.value);
    let below = members.chain(node.items()).map(depth).max();
    match node.kind() {
        Kind::Array | Kind::Object => 1 + below.unwrap_or(0),
        _ => 0,
    }
}

fn values(node: Node<'_>) -> usize {
    let members = node.members().flat_map(|member| [member.key, member.value]);
    1 + members.chain(node.items()).map(values).sum::<usize>()
}
