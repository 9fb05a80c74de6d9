//! JSON Patch (RFC 6902), the operations `add`, `replace` and `remove`.

use serde_json::Value;

/// The document after the patch; the error says which operation failed and why.
pub fn apply(document: &Value, patch: &Value) -> Result<Value, String> {
    let operations = patch
        .as_array()
        .ok_or("a json patch must be an array of operations")?;
    let mut document = document.clone();
    for (index, operation) in operations.iter().enumerate() {
        one(&mut document, operation).map_err(|error| format!("operation {index}: {error}"))?;
    }
    Ok(document)
}

fn one(document: &mut Value, operation: &Value) -> Result<(), String> {
    let op = operation["op"].as_str().ok_or("op is missing")?;
    let path = operation["path"].as_str().ok_or("path is missing")?;
    let (parent, last) = path
        .rsplit_once('/')
        .ok_or_else(|| format!("path {path:?} does not begin with a slash"))?;
    let last = last.replace("~1", "/").replace("~0", "~");
    let parent = document
        .pointer_mut(parent)
        .ok_or_else(|| format!("nothing at the parent of {path:?}"))?;
    let value = || {
        operation
            .get("value")
            .cloned()
            .ok_or_else(|| "value is missing".to_owned())
    };
    match (op, parent) {
        ("add", Value::Object(members)) => {
            members.insert(last, value()?);
        }
        ("add", Value::Array(items)) => {
            let at = if last == "-" {
                items.len()
            } else {
                position(&last, items.len() + 1)?
            };
            items.insert(at, value()?);
        }
        ("replace", Value::Object(members)) => {
            *members
                .get_mut(&last)
                .ok_or_else(|| format!("nothing at {path:?}"))? = value()?;
        }
        ("replace", Value::Array(items)) => {
            let at = position(&last, items.len())?;
            items[at] = value()?;
        }
        ("remove", Value::Object(members)) => {
            members
                .remove(&last)
                .ok_or_else(|| format!("nothing at {path:?}"))?;
        }
        ("remove", Value::Array(items)) => {
            let at = position(&last, items.len())?;
            items.remove(at);
        }
        ("add" | "replace" | "remove", _) => {
            return Err(format!(
                "the parent of {path:?} is neither object nor array"
            ));
        }
        _ => return Err(format!("op {op:?} is none of add, replace, remove")),
    }
    Ok(())
}

fn position(text: &str, end: usize) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|at| *at < end)
        .ok_or_else(|| format!("index {text:?} is not below {end}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::apply;

    #[test]
    fn patches() {
        let rows = [
            (
                "add a member",
                json!([{"op": "add", "path": "/b", "value": 2}]),
                Some(json!({"a": [1, 2], "c/d": 1, "b": 2})),
            ),
            (
                "add at the end",
                json!([{"op": "add", "path": "/a/-", "value": 3}]),
                Some(json!({"a": [1, 2, 3], "c/d": 1})),
            ),
            (
                "add in between",
                json!([{"op": "add", "path": "/a/1", "value": 3}]),
                Some(json!({"a": [1, 3, 2], "c/d": 1})),
            ),
            (
                "replace, escaped",
                json!([{"op": "replace", "path": "/c~1d", "value": 9}]),
                Some(json!({"a": [1, 2], "c/d": 9})),
            ),
            (
                "remove",
                json!([{"op": "remove", "path": "/a/0"}]),
                Some(json!({"a": [2], "c/d": 1})),
            ),
            (
                "replace nothing",
                json!([{"op": "replace", "path": "/x", "value": 9}]),
                None,
            ),
            (
                "beyond the end",
                json!([{"op": "remove", "path": "/a/2"}]),
                None,
            ),
            (
                "move",
                json!([{"op": "move", "path": "/x", "from": "/a"}]),
                None,
            ),
            ("no array", json!({}), None),
        ];
        for (name, patch, expected) in rows {
            let result: Result<Value, String> = apply(&json!({"a": [1, 2], "c/d": 1}), &patch);
            assert_eq!(result.ok(), expected, "{name}");
        }
    }
}
