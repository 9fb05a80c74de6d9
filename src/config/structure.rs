//! A serialised `google.protobuf.Struct` to a JSON value.
//!
//! Envoy hands an operator's YAML to the filter in this form. The four messages involved are read
//! here (`google/protobuf/struct.proto`, `map` as in
//! <https://protobuf.dev/programming-guides/encoding/>):
//!
//! ```text
//! Struct      { map<string, Value> fields = 1; }
//! Value       { oneof { NullValue null = 1; double number = 2; string string = 3; bool bool = 4;
//!                       Struct struct = 5; ListValue list = 6; } }
//! ListValue   { repeated Value values = 1; }
//! ```
//!
//! Stricter than protobuf demands: what no writer of a Struct produces (unknown fields, a key
//! twice, a value without a kind or with two) is a fault, because here it can only mean that two
//! readers of these bytes would disagree about the policy.

use serde_json::{Map, Number, Value};

/// Why bytes are no Struct, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Bytes from the start at which reading stopped.
    pub at: usize,
    /// JSON pointer (RFC 6901) of the value that was being read; empty for the document itself.
    pub pointer: String,
    /// What was found, without its content.
    pub found: &'static str,
}

/// Reads a Struct that fills `bytes` exactly, nested at most `depth` objects and lists deep (the
/// outermost object is the first).
///
/// An empty slice is a Struct without fields. Numbers must be finite.
///
/// # Errors
/// The first [`Fault`].
pub fn decode(bytes: &[u8], depth: usize) -> Result<Value, Fault> {
    let mut decoder = Decoder {
        pointer: String::new(),
        depth,
    };
    let mut wire = Wire {
        rest: bytes,
        end: bytes.len(),
    };
    decoder
        .object(&mut wire)
        .map(Value::Object)
        .map_err(|found| Fault {
            at: found.at,
            pointer: decoder.pointer,
            found: found.what,
        })
}

/// Follows the nesting. `pointer` is left where a fault was met.
struct Decoder {
    pointer: String,
    depth: usize,
}

impl Decoder {
    fn object(&mut self, wire: &mut Wire<'_>) -> Result<Map<String, Value>, Found> {
        self.descend(wire)?;
        let mut object = Map::new();
        while let Some((field, mut entry)) = wire.next_field()? {
            if field != 1 {
                return wire.fault("an unknown field in a Struct");
            }
            let Content::Bytes(entry) = &mut entry else {
                return wire.fault("a Struct field of the wrong wire type");
            };
            let outside = self.pointer.len();
            let (key, value) = self.entry(entry)?;
            if object.contains_key(&key) {
                return wire.fault("the same key twice");
            }
            self.pointer.truncate(outside);
            object.insert(key, value);
        }
        self.depth += 1;
        Ok(object)
    }

    /// One map entry. Its key is read first wherever it stands, so that a fault in the value has
    /// its place.
    fn entry(&mut self, wire: &mut Wire<'_>) -> Result<(String, Value), Found> {
        let (mut key, mut value) = (None, None);
        while let Some((field, content)) = wire.next_field()? {
            match (field, content) {
                (1, Content::Bytes(content)) if key.is_none() => key = Some(content.text()?),
                (2, Content::Bytes(content)) if value.is_none() => value = Some(content),
                (1 | 2, Content::Bytes(_)) => return wire.fault("a map entry with a part twice"),
                (1 | 2, _) => return wire.fault("a map entry part of the wrong wire type"),
                _ => return wire.fault("an unknown field in a map entry"),
            }
        }
        // Protobuf leaves out what has its default value, and the default of a key is "".
        let key = key.unwrap_or_default().to_owned();
        super::mistakes::push_key(&mut self.pointer, &key);
        match value {
            Some(mut value) => Ok((key, self.value(&mut value)?)),
            None => wire.fault("a key without a value"),
        }
    }

    fn value(&mut self, wire: &mut Wire<'_>) -> Result<Value, Found> {
        let Some((field, content)) = wire.next_field()? else {
            return wire.fault("a value without a kind");
        };
        let value = match (field, content) {
            (1, Content::Varint(0)) => Value::Null,
            (1, Content::Varint(_)) => return wire.fault("a null other than NULL_VALUE"),
            (2, Content::Fixed64(bits)) => match Number::from_f64(f64::from_bits(bits)) {
                Some(number) => Value::Number(number),
                None => return wire.fault("a number that is not finite"),
            },
            (3, Content::Bytes(text)) => Value::String(text.text()?.to_owned()),
            (4, Content::Varint(0)) => Value::Bool(false),
            (4, Content::Varint(1)) => Value::Bool(true),
            (4, Content::Varint(_)) => return wire.fault("a boolean other than 0 and 1"),
            (5, Content::Bytes(mut fields)) => Value::Object(self.object(&mut fields)?),
            (6, Content::Bytes(mut items)) => Value::Array(self.list(&mut items)?),
            (1..=6, _) => return wire.fault("a value of the wrong wire type"),
            _ => return wire.fault("an unknown field in a value"),
        };
        match wire.next_field()? {
            None => Ok(value),
            Some(_) => wire.fault("a value of two kinds"),
        }
    }

    fn list(&mut self, wire: &mut Wire<'_>) -> Result<Vec<Value>, Found> {
        self.descend(wire)?;
        let mut list = Vec::new();
        while let Some((field, content)) = wire.next_field()? {
            let mut item = match (field, content) {
                (1, Content::Bytes(item)) => item,
                (1, _) => return wire.fault("a list item of the wrong wire type"),
                _ => return wire.fault("an unknown field in a list"),
            };
            let outside = self.pointer.len();
            super::mistakes::push_index(&mut self.pointer, list.len());
            list.push(self.value(&mut item)?);
            self.pointer.truncate(outside);
        }
        self.depth += 1;
        Ok(list)
    }

    fn descend(&mut self, wire: &Wire<'_>) -> Result<(), Found> {
        match self.depth.checked_sub(1) {
            Some(depth) => self.depth = depth,
            None => return wire.fault("objects and lists nested too deep"),
        }
        Ok(())
    }
}

/// What was found, and where.
struct Found {
    at: usize,
    what: &'static str,
}

/// One message on the wire.
struct Wire<'a> {
    /// What is still to be read.
    rest: &'a [u8],
    /// Where this message ends, in bytes from the start of the document.
    end: usize,
}

/// What a field holds, by wire type. Types 3 to 5 (groups, 32 bits) occur in no Struct.
enum Content<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(Wire<'a>),
}

impl<'a> Wire<'a> {
    fn next_field(&mut self) -> Result<Option<(u64, Content<'a>)>, Found> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        // Field numbers have 29 bits and tags 32 (protobuf encoding, "Message Structure").
        if tag >> 3 == 0 || tag > u64::from(u32::MAX) {
            return self.fault("a field number out of range");
        }
        let content = match tag & 7 {
            0 => Content::Varint(self.varint()?),
            1 => match self.rest.split_first_chunk() {
                Some((bits, rest)) => {
                    self.rest = rest;
                    Content::Fixed64(u64::from_le_bytes(*bits))
                }
                None => return self.fault("a number cut short"),
            },
            2 => {
                let length = self.varint()?;
                let split = usize::try_from(length)
                    .ok()
                    .and_then(|at| self.rest.split_at_checked(at));
                let Some((content, rest)) = split else {
                    return self.fault("a length beyond the end");
                };
                self.rest = rest;
                Content::Bytes(Wire {
                    rest: content,
                    end: self.at(),
                })
            }
            _ => return self.fault("an unknown wire type"),
        };
        Ok(Some((tag >> 3, content)))
    }

    fn varint(&mut self) -> Result<u64, Found> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let Some((&byte, rest)) = self.rest.split_first() else {
                return self.fault("an integer cut short");
            };
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                // Every writer of a Struct takes the fewest bytes, and `document` tells the two
                // forms apart by a tag.
                return match bits {
                    0 if shift > 0 => self.fault("an integer in more bytes than it needs"),
                    _ => Ok(value),
                };
            }
        }
        self.fault("an integer of more than 64 bits")
    }

    fn text(&self) -> Result<&'a str, Found> {
        std::str::from_utf8(self.rest).or_else(|_| self.fault("text that is not UTF-8"))
    }

    fn at(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    fn fault<T>(&self, what: &'static str) -> Result<T, Found> {
        Err(Found {
            at: self.at(),
            what,
        })
    }
}

#[cfg(test)]
pub(super) mod encode {
    //! The writer's side, for tests: what Envoy does with an operator's YAML.

    use serde_json::Value;

    /// The Struct of an object, its entries in the map's order.
    pub fn object(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        for (key, value) in value.as_object().unwrap() {
            let mut entry = field(1, key.as_bytes());
            entry.extend(field(2, &self::value(value)));
            out.extend(field(1, &entry));
        }
        out
    }

    /// A `Value` message.
    pub fn value(value: &Value) -> Vec<u8> {
        match value {
            Value::Null => vec![0x08, 0],
            Value::Number(number) => {
                let mut out = vec![0x11];
                out.extend(number.as_f64().unwrap().to_le_bytes());
                out
            }
            Value::String(text) => field(3, text.as_bytes()),
            Value::Bool(bool) => vec![0x20, u8::from(*bool)],
            Value::Object(_) => field(5, &object(value)),
            Value::Array(items) => {
                let items: Vec<u8> = items
                    .iter()
                    .flat_map(|item| field(1, &self::value(item)))
                    .collect();
                field(6, &items)
            }
        }
    }

    /// A length-delimited field.
    pub fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        let mut length = content.len();
        while length >= 0x80 {
            out.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend(content);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::encode::{field, object, value};
    use super::*;
    use serde_json::json;

    #[test]
    fn a_struct_gives_back_what_was_written() {
        for (name, document) in [
            ("no fields", json!({})),
            (
                "every kind",
                json!({"n": null, "d": 1.5, "s": "text", "t": true, "f": false, "o": {}, "l": []}),
            ),
            (
                "nested",
                json!({"a": [{"b": [[], [1.0, "x", null]]}], "c": {"d": {"e": {"": ""}}}}),
            ),
            ("not ASCII", json!({"Größe": "日本"})),
            (
                "long enough for two-byte lengths",
                json!({"k": "x".repeat(300), "l": vec!["y"; 200]}),
            ),
            (
                "extremes",
                json!({"a": f64::MAX, "b": f64::MIN_POSITIVE, "c": -0.0}),
            ),
        ] {
            let bytes = object(&document);
            assert_eq!(decode(&bytes, 32), Ok(document), "{name}");
            // No proper part of a Struct that ends inside a field is one.
            for cut in 1..bytes.len() {
                if let Ok(part) = decode(&bytes[..cut], 32) {
                    assert_eq!(object(&part), bytes[..cut], "{name} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_struct_is_refused_with_its_place() {
        let entry = |content: &[u8]| field(1, &[field(1, b"k"), field(2, content)].concat());
        let number = |number: f64| [&[0x11], &number.to_le_bytes()[..]].concat();
        let twice = [entry(&[0x08, 0]), entry(&[0x20, 1])].concat();
        let inside = object(&json!({"a": {"b/c": [0.0, {"x": 1.0}]}}));
        let broken_inside = replace(&inside, &number(1.0), &number(f64::NAN));
        let rows: Vec<(&str, Vec<u8>, &str, &str)> = vec![
            (
                "unknown field of a Struct",
                field(2, b""),
                "",
                "an unknown field in a Struct",
            ),
            (
                "field number 0",
                field(0, b""),
                "",
                "a field number out of range",
            ),
            (
                "field number of 30 bits",
                vec![0x82, 0x80, 0x80, 0x80, 0x10, 0],
                "",
                "a field number out of range",
            ),
            (
                "a varint where an entry belongs",
                vec![0x08, 1],
                "",
                "a Struct field of the wrong wire type",
            ),
            ("a group", vec![0x0b], "", "an unknown wire type"),
            (
                "32 bits",
                vec![0x0d, 0, 0, 0, 0],
                "",
                "an unknown wire type",
            ),
            (
                "length beyond the end",
                vec![0x0a, 5, 0],
                "",
                "a length beyond the end",
            ),
            (
                "length of 2^64 - 1",
                [&[0x0a][..], &[0xff; 9], &[1]].concat(),
                "",
                "a length beyond the end",
            ),
            (
                "length of 65 bits",
                [&[0x0a][..], &[0xff; 9], &[2]].concat(),
                "",
                "an integer of more than 64 bits",
            ),
            (
                "length of eleven bytes",
                [&[0x0a][..], &[0x80; 10], &[1]].concat(),
                "",
                "an integer of more than 64 bits",
            ),
            (
                "length of two bytes for one",
                vec![0x0a, 0x80, 0],
                "",
                "an integer in more bytes than it needs",
            ),
            (
                "tag of two bytes for one",
                vec![0x8a, 0, 0],
                "",
                "an integer in more bytes than it needs",
            ),
            ("tag cut short", vec![0x8a], "", "an integer cut short"),
            ("length cut short", vec![0x0a], "", "an integer cut short"),
            (
                "entry without a value",
                field(1, &field(1, b"k")),
                "/k",
                "a key without a value",
            ),
            (
                "entry with nothing",
                field(1, b""),
                "/",
                "a key without a value",
            ),
            (
                "entry with two keys",
                field(1, &[field(1, b"k"), field(1, b"k")].concat()),
                "",
                "a map entry with a part twice",
            ),
            (
                "entry with a third part",
                field(1, &field(3, b"k")),
                "",
                "an unknown field in a map entry",
            ),
            (
                "key as a number",
                field(1, &[0x08, 1]),
                "",
                "a map entry part of the wrong wire type",
            ),
            (
                "key not UTF-8",
                field(1, &field(1, &[0xff])),
                "",
                "text that is not UTF-8",
            ),
            ("a key twice", twice, "/k", "the same key twice"),
            ("no kind", entry(b""), "/k", "a value without a kind"),
            (
                "two kinds",
                entry(&[0x08, 0, 0x20, 1]),
                "/k",
                "a value of two kinds",
            ),
            (
                "the same kind twice",
                entry(&[0x20, 1, 0x20, 1]),
                "/k",
                "a value of two kinds",
            ),
            (
                "unknown kind",
                entry(&field(7, b"")),
                "/k",
                "an unknown field in a value",
            ),
            (
                "null 1",
                entry(&[0x08, 1]),
                "/k",
                "a null other than NULL_VALUE",
            ),
            (
                "boolean 2",
                entry(&[0x20, 2]),
                "/k",
                "a boolean other than 0 and 1",
            ),
            (
                "number as a varint",
                entry(&[0x10, 2]),
                "/k",
                "a value of the wrong wire type",
            ),
            (
                "string as a varint",
                entry(&[0x18, 2]),
                "/k",
                "a value of the wrong wire type",
            ),
            (
                "number cut short",
                entry(&number(1.0)[..8]),
                "/k",
                "a number cut short",
            ),
            (
                "not a number",
                entry(&number(f64::NAN)),
                "/k",
                "a number that is not finite",
            ),
            (
                "infinity",
                entry(&number(f64::INFINITY)),
                "/k",
                "a number that is not finite",
            ),
            (
                "minus infinity",
                entry(&number(f64::NEG_INFINITY)),
                "/k",
                "a number that is not finite",
            ),
            (
                "text not UTF-8",
                entry(&field(3, &[0xc3])),
                "/k",
                "text that is not UTF-8",
            ),
            (
                "surrogate in text",
                entry(&field(3, &[0xed, 0xa0, 0x80])),
                "/k",
                "text that is not UTF-8",
            ),
            (
                "unknown field of a list",
                entry(&field(6, &field(2, b""))),
                "/k",
                "an unknown field in a list",
            ),
            (
                "list item as a varint",
                entry(&field(6, &[0x08, 1])),
                "/k",
                "a list item of the wrong wire type",
            ),
            (
                "list item without a kind",
                entry(&field(6, &field(1, b""))),
                "/k/0",
                "a value without a kind",
            ),
            (
                "deep inside",
                broken_inside,
                "/a/b~1c/1/x",
                "a number that is not finite",
            ),
        ];
        for (name, bytes, pointer, found) in rows {
            let fault = decode(&bytes, 32).expect_err(name);
            assert_eq!(
                (fault.pointer.as_str(), fault.found),
                (pointer, found),
                "{name}"
            );
            assert!(
                fault.at <= bytes.len(),
                "{name}: {} of {}",
                fault.at,
                bytes.len()
            );
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |levels: usize, wrap: fn(Value) -> Value| {
            object(&json!({"k": (1..levels).fold(Value::Null, |inner, _| wrap(inner))}))
        };
        for wrap in [|inner| json!({"k": inner}), |inner| json!([inner])] as [fn(Value) -> Value; 2]
        {
            assert!(decode(&nested(32, wrap), 32).is_ok());
            let fault = decode(&nested(33, wrap), 32).unwrap_err();
            assert_eq!(fault.found, "objects and lists nested too deep");
            assert!(decode(&nested(300, wrap), 32).is_err());
        }
        // Siblings do not add up.
        let wide = json!({"k": vec![json!({"a": [1.0]}); 100]});
        assert!(decode(&object(&wide), 4).is_ok());
        assert!(decode(&object(&wide), 3).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let seed = object(&json!({"a": [{"b": "text", "c": 2.5}, true], "d": {"e": null}}));
        for at in 0..seed.len() {
            for byte in 0..=u8::MAX {
                let mut bytes = seed.clone();
                bytes[at] = byte;
                let _ = decode(&bytes, 32);
            }
        }
        assert_eq!(value(&Value::Null), [0x08, 0]);
    }

    fn replace(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
        let at = bytes
            .windows(old.len())
            .position(|window| window == old)
            .unwrap();
        [&bytes[..at], new, &bytes[at + old.len()..]].concat()
    }
}
