//! The bytes of a configuration to a JSON value, whichever of its two forms they have.
//!
//! # Which form
//! A Struct's first byte is 0x0a, which in JSON text is a line break, and its second is a length,
//! which may be that of `{`: the first bytes decide nothing. The whole does: every field of a
//! Struct has a value, whose tag is the byte 0x12, and JSON text contains no such byte (RFC 8259
//! section 7: control characters are escaped). No bytes are both; so each reading is tried, and a
//! fault is reported for the form that the bytes were meant to have.

use serde_json::Value;

use crate::json::{Document, Limits};

use super::mistakes::Mistakes;
use super::structure;

/// Bytes that a configuration may have.
pub const SIZE: usize = 1 << 20;

/// Objects and lists that may be nested in each other.
pub const DEPTH: usize = 32;

/// Values, keys included, that JSON text may hold; a Struct is bounded by its size.
const VALUES: usize = 100_000;

const EXPECTED: &str = "expected a JSON object, or YAML as a google.protobuf.Struct";

/// Reads a configuration of at most [`SIZE`] bytes, nested at most [`DEPTH`] deep, without a key
/// twice.
///
/// # Errors
/// One mistake: bytes that cannot be read are not read in part.
pub fn read(bytes: &[u8]) -> Result<Value, Mistakes> {
    if bytes.len() > SIZE {
        let found = bytes.len();
        return Err(Mistakes::one(
            "",
            format!("expected at most {SIZE} bytes, found {found}"),
        ));
    }
    let text = bytes.trim_ascii_start();
    if text.is_empty() {
        // Istio sends nothing for a plugin without pluginConfig; running open would be the answer
        // of a filter that has nothing to guard.
        return Err(Mistakes::one(
            "",
            format!("{EXPECTED}, found nothing; an empty configuration would guard nothing"),
        ));
    }
    match (bytes.first() == Some(&STRUCT), text.first() == Some(&b'{')) {
        (true, false) => read_struct(bytes),
        (true, true) if bytes.contains(&ENTRY_VALUE) => read_struct(bytes),
        (_, true) => read_text(bytes),
        (false, false) => Err(Mistakes::one(
            "",
            format!("{EXPECTED}, found {}", other(text)),
        )),
    }
}

/// Tag of a Struct's only field, a map entry.
const STRUCT: u8 = 0x0a;

/// Tag of a map entry's value.
const ENTRY_VALUE: u8 = 0x12;

fn read_struct(bytes: &[u8]) -> Result<Value, Mistakes> {
    structure::decode(bytes, DEPTH).map_err(|fault| {
        let structure::Fault { at, pointer, found } = fault;
        Mistakes::one(
            &pointer,
            format!("expected a serialised google.protobuf.Struct, found {found} at byte {at}"),
        )
    })
}

fn read_text(bytes: &[u8]) -> Result<Value, Mistakes> {
    let limits = Limits {
        depth: DEPTH,
        values: VALUES,
    };
    // The strict reader decides; the lenient one after it only makes the value, and may still
    // refuse (a number beyond a double).
    let fault = match Document::parse(bytes, &limits) {
        Ok(_) => match serde_json::from_slice(bytes) {
            Ok(value) => return Ok(value),
            Err(error) => (
                error.line(),
                error.column(),
                "found a value that cannot be represented",
            ),
        },
        Err(fault) => {
            let before = bytes.get(..fault.at).unwrap_or(bytes);
            let line = before.iter().filter(|byte| **byte == b'\n').count();
            let column = before
                .iter()
                .rev()
                .take_while(|byte| **byte != b'\n')
                .count();
            (line + 1, column + 1, fault.kind.text())
        }
    };
    let (line, column, text) = fault;
    Err(Mistakes::one(
        "",
        format!("expected a JSON object; line {line}, byte {column}: {text}"),
    ))
}

/// What text is that is neither form, as far as its first characters tell.
fn other(text: &[u8]) -> &'static str {
    if text.starts_with(b"\xef\xbb\xbf") {
        return "a byte order mark: save the text as UTF-8 without it";
    }
    match text.first() {
        Some(b'[') => "a JSON list",
        Some(b'"') => "a JSON string: perhaps the text was quoted twice",
        Some(first) if first.is_ascii_graphic() => {
            "other text (YAML goes in as a Struct, not as a string)"
        }
        _ => "other bytes",
    }
}

#[cfg(test)]
mod tests {
    use super::super::structure::encode::{field, object};
    use super::*;
    use serde_json::json;

    #[test]
    fn both_forms_are_told_apart() {
        let document = json!({"a": {"b": [1.5, "x", true, null]}});
        let text = document.to_string();
        // An entry as long as the number of "{", and one whose key is as long as that of a space:
        // "\n{\n " is how both this Struct and indented JSON text begin.
        let brace = |key: usize| object(&json!({"k".repeat(key): "v".repeat(0x7b - key - 6)}));
        assert!(brace(32).starts_with(b"\n{\n "));
        let rows: Vec<(&str, Vec<u8>, Value)> = vec![
            ("JSON text", text.clone().into_bytes(), document.clone()),
            (
                "indented",
                serde_json::to_vec_pretty(&document).unwrap(),
                document.clone(),
            ),
            (
                "a line break first",
                format!("\n{text}\n").into_bytes(),
                document.clone(),
            ),
            (
                "white space first",
                format!(" \t\r\n {text} \n").into_bytes(),
                document.clone(),
            ),
            ("no keys", b"{}".to_vec(), json!({})),
            ("line break, no keys", b"\n{}".to_vec(), json!({})),
            (
                "line break, brace, line break",
                b"\n{\n \n}".to_vec(),
                json!({}),
            ),
            ("a Struct", object(&document), document.clone()),
            (
                "a Struct with a brace",
                brace(1),
                json!({"k": "v".repeat(0x7b - 7)}),
            ),
            (
                "a Struct with a brace and a space",
                brace(32),
                json!({"k".repeat(32): "v".repeat(0x7b - 38)}),
            ),
            (
                "a Struct that holds JSON text",
                object(&json!({"k": text.clone()})),
                json!({"k": text}),
            ),
        ];
        for (name, bytes, expected) in rows {
            assert_eq!(read(&bytes), Ok(expected), "{name}");
        }
    }

    #[test]
    fn what_is_neither_is_refused_in_the_words_of_what_it_was_meant_to_be() {
        let empty = "configuration: expected a JSON object, or YAML as a google.protobuf.Struct, found nothing; \
                     an empty configuration would guard nothing";
        let cut = object(&json!({"k": "v".repeat(0x7b - 7)}));
        let neither = |found: &str| {
            format!(
                "configuration: expected a JSON object, or YAML as a google.protobuf.Struct, found {found}"
            )
        };
        let json = |at: &str| format!("configuration: expected a JSON object; {at}");
        let wire = |place: &str, found: &str| {
            format!("{place}: expected a serialised google.protobuf.Struct, found {found}")
        };
        let twice = [object(&json!({"limits": 1})), object(&json!({"limits": 1}))].concat();
        let rows: Vec<(&str, Vec<u8>, String)> = vec![
            ("nothing", b"".to_vec(), empty.into()),
            ("white space", b" \r\n\t".to_vec(), empty.into()),
            ("one line break", b"\n".to_vec(), empty.into()),
            ("list", b"[{}]".to_vec(), neither("a JSON list")),
            (
                "string",
                b"\"{}\"".to_vec(),
                neither("a JSON string: perhaps the text was quoted twice"),
            ),
            (
                "YAML",
                b"fhir:\n  base: x".to_vec(),
                neither("other text (YAML goes in as a Struct, not as a string)"),
            ),
            (
                "byte order mark",
                b"\xef\xbb\xbf{}".to_vec(),
                neither("a byte order mark: save the text as UTF-8 without it"),
            ),
            ("rubbish", vec![0xff, 0], neither("other bytes")),
            (
                "not closed",
                b"{\n \"a\": 1".to_vec(),
                json("line 2, byte 8: the json ends early, expected the rest of the value"),
            ),
            (
                "a key twice",
                b"{\"a\":1,\n\"a\":2}".to_vec(),
                String::new(),
            ),
            (
                "a key twice, one escaped",
                b"{\"a\":1,\"\\u0061\":2}".to_vec(),
                String::new(),
            ),
            (
                "two documents",
                b"{}{}".to_vec(),
                json("line 1, byte 3: found more after the json value, expected its end"),
            ),
            (
                "comment",
                b"{} // no".to_vec(),
                json("line 1, byte 4: found more after the json value, expected its end"),
            ),
            (
                "beyond a double",
                b"{\"a\":1e999}".to_vec(),
                json("line 1, byte 10: found a value that cannot be represented"),
            ),
            (
                "bad text after a line break",
                b"\n{".to_vec(),
                json("line 2, byte 2: the json ends early, expected the rest of the value"),
            ),
            (
                "a Struct with a brace, cut",
                cut[..20].to_vec(),
                wire("configuration", "a length beyond the end at byte 2"),
            ),
            (
                "a Struct with a key twice",
                twice,
                wire("/limits", "the same key twice at byte 42"),
            ),
            (
                "a Struct with an unknown field",
                field(1, &field(3, b"x")),
                wire("configuration", "an unknown field in a map entry at byte 5"),
            ),
        ];
        for (name, bytes, text) in rows {
            let mistakes = read(&bytes).expect_err(name);
            if text.is_empty() {
                assert!(
                    mistakes
                        .to_string()
                        .ends_with(": found a key twice in one object"),
                    "{name}: {mistakes}"
                );
            } else {
                assert_eq!(mistakes.to_string(), text, "{name}");
            }
        }
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let sized = |size: usize| format!("{{\"k\":\"{}\"}}", "x".repeat(size - 8)).into_bytes();
        let wire = |size: usize| {
            let fill = object(&json!({"k": "x".repeat(size)}));
            assert!(fill.len() > size);
            object(&json!({"k": "x".repeat(size - (fill.len() - size))}))
        };
        for make in [&sized as &dyn Fn(usize) -> Vec<u8>, &wire] {
            assert_eq!(make(SIZE).len(), SIZE);
            assert!(read(&make(SIZE)).is_ok());
            let text = read(&make(SIZE + 1)).unwrap_err().to_string();
            assert_eq!(
                text,
                "configuration: expected at most 1048576 bytes, found 1048577"
            );
        }
        let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"k": inner}));
        for form in [
            |value: &Value| value.to_string().into_bytes(),
            object as fn(&Value) -> Vec<u8>,
        ] {
            assert!(read(&form(&nested(DEPTH))).is_ok());
            let text = read(&form(&nested(DEPTH + 1))).unwrap_err().to_string();
            assert!(text.contains("nested"), "{text}");
        }
        let deep = "{\"k\":".repeat(100_000);
        assert!(read(deep.as_bytes()).is_err());
        let wide = format!("{{\"k\":[{}0]}}", "0,".repeat(VALUES));
        assert!(read(wide.as_bytes()).is_err());
    }
}
