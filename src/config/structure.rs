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
pub(super) mod encode;

#[cfg(test)]
mod tests;
