//! JSON Patch: what a document becomes, by all operations at once and one after the other.

use fhir_guard::json::{Document, Limits, patch};
use serde_json::{Value, json};

use crate::input::{Input, chunk};

/// A document behind its length, and a patch; says whether it applies.
///
/// # Panics
/// Where the result is deeper or larger than allowed, or the operations mean something else together.
pub fn check(bytes: &[u8]) -> bool {
    let mut input = Input(bytes);
    let (document, operations) = (input.chunk(), input.0);
    let (Some(document), Some(operations)) = (read(document), read(operations)) else {
        return false;
    };
    let before = document.clone();
    let found = patch::apply(&document, &operations);
    assert_eq!(document, before, "the document itself");
    let steps = operations.as_array().map(|operations| {
        let one = |document: Value, operation: &Value| patch::apply(&document, &json!([operation]));
        operations.iter().try_fold(document, one)
    });
    let Ok(after) = found else {
        return false;
    };
    assert_eq!(steps, Some(Ok(after.clone())), "one after the other");
    let text = after.to_string();
    let limits = Limits {
        values: usize::MAX,
        ..Limits::default()
    };
    assert!(Document::parse(text.as_bytes(), &limits).is_ok(), "{text}");
    // Every value costs one, every key costs one, and so do four bytes of a text. A number that is
    // written anew has up to 24 bytes, a byte of a text up to 6.
    let paid = patch::MAX_WORK.saturating_mul(64);
    assert!(text.len() <= bytes.len().saturating_mul(32) + paid);
    true
}

/// As the product reads what it patches.
fn read(bytes: &[u8]) -> Option<Value> {
    Document::parse(bytes, &Limits::default()).ok()?;
    serde_json::from_slice(bytes).ok()
}

/// Each operation on places that are there and places that are not.
pub fn seeds() -> Vec<Vec<u8>> {
    let document = r#"{"resourceType":"Observation","id":"o1","a":[1,2,{"b":null}],"c/d":{"e~f":"x","":1.5},"subject":{"reference":"Patient/1"}}"#;
    let paths = [
        "/a",
        "/a/0",
        "/a/2/b",
        "/a/3",
        "/a/-",
        "/a/01",
        "/c~1d",
        "/c~1d/e~0f",
        "/c~1d/",
        "/subject/reference",
        "/x",
        "/x/y",
        "",
        "a",
        "/c~2d",
    ];
    let mut patches = vec![json!([]), json!({}), json!([1])];
    for path in paths {
        for op in ["add", "replace", "test", "remove", "move", "copy", "Add"] {
            patches.push(json!([{"op": op, "path": path, "from": "/a", "value": [1, {"b": "x"}]}]));
            let then = json!({"op": "test", "path": path, "value": null});
            patches.push(json!([{"op": op, "path": "/a/0", "from": path, "value": null}, then]));
        }
    }
    let seed =
        |patch: &Value| [chunk(document.as_bytes()), patch.to_string().into_bytes()].concat();
    patches.iter().map(seed).collect()
}
