//! Documents as values of serde_json, for what is not passed on as it came: tokens, keys, lists.

use serde_json::{Map, Value};

use super::{Document, Kind, Limits, Node};

/// A document that is one object, as values. `None` where it is none within the usual [`Limits`], or holds
/// a number beyond the range of an `f64`. serde_json by itself would take the last of keys that stand
/// twice.
pub fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let document = Document::parse(bytes, &Limits::default()).ok()?;
    match value(document.root())? {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// A value as serde_json has it; `None` where a number is beyond the range of an `f64`. As deep as the
/// document's limit.
pub fn value(node: Node<'_>) -> Option<Value> {
    Some(match node.kind() {
        Kind::Null => Value::Null,
        Kind::Boolean => Value::Bool(node.bool()?),
        Kind::Number => Value::Number(serde_json::from_str(node.raw()).ok()?),
        Kind::String => Value::String(node.str()?.into_owned()),
        Kind::Array => {
            let mut items = Vec::new();
            for item in node.items() {
                items.push(value(item)?);
            }
            Value::Array(items)
        }
        Kind::Object => {
            let mut members = Map::new();
            for member in node.members() {
                members.insert(member.name().into_owned(), value(member.value)?);
            }
            Value::Object(members)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_what_serde_json_makes_of_it() {
        for text in [
            "{}",
            r#" { "a" : [ 1 , -1, 0, -0, 1.5, 1e3, -2E-2, 18446744073709551615, -9223372036854775808 ] } "#,
            r#"{"a":18446744073709551616,"b":-9223372036854775809,"c":0.1,"d":123456789.123456789}"#,
            r#"{"a":{"b":{"c":[[],{},null,true,false,""]}}}"#,
            r#"{"\u0061\n":"\u00e9\ud83d\ude00\"\\\/"}"#,
        ] {
            let expected: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(
                object(text.as_bytes()).map(Value::Object),
                Some(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_else_is_an_object() {
        let deep = |depth: usize| format!("{}{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        let deepest = deep(63).replacen(r#""a":}"#, r#""a":{}}"#, 1);
        assert!(object(deepest.as_bytes()).is_some(), "64 levels");
        let deeper = deep(64).replacen(r#""a":}"#, r#""a":{}}"#, 1);
        for text in [
            "",
            "[]",
            "1",
            r#""a""#,
            "null",
            "{} {}",
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":1e999}"#,
            r#"{"a":"\ud800"}"#,
            "\u{feff}{}",
            &deeper,
        ] {
            assert_eq!(object(text.as_bytes()), None, "{text}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), None);
    }
}
