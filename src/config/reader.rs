//! Reading a JSON value field by field, collecting every mistake on the way.
//!
//! Every method that reads gives `None` (or a shorter list) when there was a mistake, which is
//! then already in `mistakes`: a reader goes on to the next field, and asks at the end whether
//! there were any.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use super::mistakes::{Mistakes, push_index, push_key, quote, suggestion};
use super::units::{self, Window};

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    value: &'a Value,
    pointer: String,
}

/// An object whose keys are taken one by one; [`Object::finish`] reports those that nobody knew.
#[derive(Debug)]
pub struct Object<'a> {
    map: &'a Map<String, Value>,
    pointer: String,
    known: Vec<&'static str>,
}

impl<'a> Node<'a> {
    /// The document itself.
    pub fn root(value: &'a Value) -> Self {
        Node {
            value,
            pointer: String::new(),
        }
    }

    /// Its JSON pointer.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The value as it is, for a room with a reader of its own.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// Whether it is an object: where a keyword or an object may stand.
    pub fn is_object(&self) -> bool {
        self.value.is_object()
    }

    /// A mistake at this place in words of the caller, who repeats nothing of the value.
    pub fn mistake(&self, message: impl Into<String>, mistakes: &mut Mistakes) {
        mistakes.add(&self.pointer, message);
    }

    /// Text of `length` bytes; `expected` names it.
    pub fn text(
        &self,
        expected: &str,
        length: RangeInclusive<usize>,
        mistakes: &mut Mistakes,
    ) -> Option<&'a str> {
        let text = self.string(expected, mistakes)?;
        if length.contains(&text.len()) {
            return Some(text);
        }
        let (from, to) = (length.start(), length.end());
        let found = text.len();
        self.mistake(
            format!("expected {expected} of {from} to {to} bytes, found {found} bytes"),
            mistakes,
        );
        None
    }

    /// `true` or `false`.
    pub fn bool(&self, mistakes: &mut Mistakes) -> Option<bool> {
        let found = self.value.as_bool();
        if found.is_none() {
            let hint = if self.value.is_string() {
                " (write it without quotes)"
            } else {
                ""
            };
            self.mistake(
                format!("expected true or false, found {}{hint}", kind(self.value)),
                mistakes,
            );
        }
        found
    }

    /// A whole number within `range`. A Struct knows only doubles, so that 3.0 is 3.
    pub fn integer(&self, range: RangeInclusive<u32>, mistakes: &mut Mistakes) -> Option<u32> {
        let found = match whole(self.value) {
            Ok(number) if range.contains(&number) => return Some(number),
            Ok(_) | Err(Whole::OutOfRange) => "another number",
            Err(Whole::Fraction) => "a fraction",
            Err(Whole::Other) if self.value.is_string() => {
                "a string (write the number without quotes)"
            }
            Err(Whole::Other) => kind(self.value),
        };
        let (from, to) = (range.start(), range.end());
        self.mistake(
            format!("expected a whole number from {from} to {to}, found {found}"),
            mistakes,
        );
        None
    }

    /// The meaning of one of a few words.
    pub fn keyword<T: Clone>(&self, words: &[(&str, T)], mistakes: &mut Mistakes) -> Option<T> {
        let expected = one_of(words.iter().map(|(word, _)| *word));
        let text = self.string(&expected, mistakes)?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Some(meaning.clone());
        }
        let near = suggestion(text, words.iter().map(|(word, _)| *word));
        self.mistake(
            format!("expected {expected}, found {}{near}", word(text)),
            mistakes,
        );
        None
    }

    /// A word that exists in a later version, or not at all here: a mistake that says so. `true`
    /// when it was one of `words`.
    pub fn unavailable_word(
        &self,
        words: &[&str],
        expected: &str,
        mistakes: &mut Mistakes,
    ) -> bool {
        let Some(word) = self.value.as_str().filter(|text| words.contains(text)) else {
            return false;
        };
        self.mistake(unavailable(&format!("{word:?}"), expected), mistakes);
        true
    }

    /// A duration within `range`; see [`units::duration`].
    pub fn duration(
        &self,
        range: RangeInclusive<Duration>,
        mistakes: &mut Mistakes,
    ) -> Option<Duration> {
        let (from, to) = (show_duration(*range.start()), show_duration(*range.end()));
        let expected = format!("a duration from {from} to {to}, a whole number with ms, s, m or h");
        self.unit(
            &expected,
            units::duration,
            |found| range.contains(found),
            mistakes,
        )
    }

    /// A size in bytes within `range`; see [`units::size`].
    pub fn size(&self, range: RangeInclusive<usize>, mistakes: &mut Mistakes) -> Option<usize> {
        let (from, to) = (show_size(*range.start()), show_size(*range.end()));
        let expected =
            format!("a size from {from} to {to}, a whole number with B, KB, KiB, MB or MiB");
        self.unit(
            &expected,
            units::size,
            |found| range.contains(found),
            mistakes,
        )
    }

    /// A rate; see [`units::rate`].
    pub fn rate(&self, mistakes: &mut Mistakes) -> Option<(u32, Window)> {
        let expected = "a rate such as 50/s, a whole number from 1 on with /s, /m, /h or /d";
        self.unit(expected, units::rate, |_| true, mistakes)
    }

    /// The items of a list with `length` items; `expected` names them, in the plural. A list that
    /// is too long is not read at all: its mistakes would be as many.
    pub fn list(
        &self,
        expected: &str,
        length: RangeInclusive<usize>,
        mistakes: &mut Mistakes,
    ) -> Option<Vec<Node<'a>>> {
        let Some(items) = self.value.as_array() else {
            let found = kind(self.value);
            self.mistake(
                format!("expected a list of {expected}, found {found}"),
                mistakes,
            );
            return None;
        };
        if !length.contains(&items.len()) {
            let (from, to, found) = (length.start(), length.end(), items.len());
            self.mistake(
                format!("expected a list of {from} to {to} {expected}, found {found}"),
                mistakes,
            );
            return None;
        }
        let item = |(index, value)| {
            let mut pointer = self.pointer.clone();
            push_index(&mut pointer, index);
            Node { value, pointer }
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// The object that it is; `expected` names it.
    pub fn object(&self, expected: &str, mistakes: &mut Mistakes) -> Option<Object<'a>> {
        match self.value.as_object() {
            Some(map) => Some(Object {
                map,
                pointer: self.pointer.clone(),
                known: Vec::new(),
            }),
            None => {
                self.mistake(
                    format!("expected {expected}, found {}", kind(self.value)),
                    mistakes,
                );
                None
            }
        }
    }

    fn string(&self, expected: &str, mistakes: &mut Mistakes) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            let found = kind(self.value);
            let scalar = self.value.is_number() || self.value.is_boolean();
            let hint = if scalar { " (write it in quotes)" } else { "" };
            self.mistake(
                format!("expected {expected}, found {found}{hint}"),
                mistakes,
            );
        }
        text
    }

    fn unit<T>(
        &self,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
        within: impl Fn(&T) -> bool,
        mistakes: &mut Mistakes,
    ) -> Option<T> {
        let found = match self.value.as_str() {
            None if self.value.is_number() => {
                "a number (write it in quotes, with its unit)".to_owned()
            }
            None => kind(self.value).to_owned(),
            Some(text) => match read(text) {
                Some(value) if within(&value) => return Some(value),
                _ => word(text),
            },
        };
        self.mistake(format!("expected {expected}, found {found}"), mistakes);
        None
    }
}

impl<'a> Object<'a> {
    /// The field `key`, if it is there. `null` is there: an empty field in YAML is more likely an
    /// unfinished one than a wish for the default.
    pub fn optional(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.known.push(key);
        let value = self.map.get(key)?;
        Some(Node {
            value,
            pointer: self.pointer_of(key),
        })
    }

    /// The field `key`; `expected` says what has to stand there when it is missing.
    pub fn required(
        &mut self,
        key: &'static str,
        expected: &str,
        mistakes: &mut Mistakes,
    ) -> Option<Node<'a>> {
        let field = self.optional(key);
        if field.is_none() {
            mistakes.add(
                &self.pointer_of(key),
                format!("expected {expected}, found nothing"),
            );
        }
        field
    }

    /// A key of a feature that this version does not have: a mistake when it is there, and never a
    /// suggestion.
    pub fn unavailable(&self, key: &str, expected: &str, mistakes: &mut Mistakes) -> bool {
        let found = self.map.contains_key(key);
        if found {
            mistakes.add(
                &self.pointer_of(key),
                unavailable(&format!("{key:?}"), expected),
            );
        }
        found
    }

    /// Reports every key that was neither taken nor in `unavailable`, the keys that
    /// [`Object::unavailable`] was asked for.
    pub fn finish(self, unavailable: &[&str], mistakes: &mut Mistakes) {
        for key in self.map.keys().map(String::as_str) {
            if self.known.contains(&key) || unavailable.contains(&key) {
                continue;
            }
            // A key that is there cannot be the one that was meant.
            let absent = self
                .known
                .iter()
                .copied()
                .filter(|known| !self.map.contains_key(*known));
            let near = suggestion(key, absent);
            let expected = one_of_keys(&self.known);
            mistakes.add(
                &self.pointer_of(key),
                format!(
                    "expected {expected}, found the unknown key {}{near}",
                    quote(key)
                ),
            );
        }
    }

    /// The place of the object.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The place of a field of it, there or not.
    pub fn pointer_of(&self, key: &str) -> String {
        let mut pointer = self.pointer.clone();
        push_key(&mut pointer, key);
        pointer
    }
}

/// `"a", "b" or "c"`.
pub fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("{word:?}")).collect();
    match words.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

fn one_of_keys(keys: &[&str]) -> String {
    match keys {
        [key] => format!("the key {key:?} alone"),
        keys => format!("one of the keys {}", keys.join(", ")),
    }
}

/// What a value is, without the value.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(true) => "true",
        Value::Bool(false) => "false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A word in the place of a keyword. Only what has the form and the length of one is repeated:
/// somebody may have put a password on the wrong line.
fn word(text: &str) -> String {
    let letters = |letter: u8| letter.is_ascii_alphanumeric() || b" _-./+".contains(&letter);
    match text {
        "" => "empty text".to_owned(),
        _ if text.len() <= 24 && text.bytes().all(letters) => quote(text),
        _ => "other text".to_owned(),
    }
}

fn unavailable(what: &str, expected: &str) -> String {
    format!("{what} is not available in this version; expected {expected}")
}

enum Whole {
    Fraction,
    OutOfRange,
    Other,
}

/// A whole number, however it is written: `3`, `3.0` and `3e0` are the same number in JSON too.
fn whole(value: &Value) -> Result<u32, Whole> {
    let Value::Number(number) = value else {
        return Err(Whole::Other);
    };
    if let Some(number) = number.as_u64() {
        return u32::try_from(number).map_err(|_| Whole::OutOfRange);
    }
    match number.as_f64() {
        Some(number) if number.fract() != 0.0 => Err(Whole::Fraction),
        // Exact: every u32 is a double.
        Some(number) if (0.0..=f64::from(u32::MAX)).contains(&number) => Ok(number as u32),
        _ => Err(Whole::OutOfRange),
    }
}

fn show_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    for (unit, of) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if milliseconds >= of && milliseconds.is_multiple_of(of) {
            return format!("{}{unit}", milliseconds / of);
        }
    }
    if milliseconds == 0 {
        "0s".to_owned()
    } else {
        format!("{milliseconds}ms")
    }
}

fn show_size(bytes: usize) -> String {
    for (unit, of) in [("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= of && bytes.is_multiple_of(of) {
            return format!("{}{unit}", bytes / of);
        }
    }
    format!("{bytes}B")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Reads one field, gives what was read and what was said.
    fn check<T: std::fmt::Debug>(
        name: &str,
        document: Value,
        read: impl Fn(&Node<'_>, &mut Mistakes) -> Option<T>,
        expected: Result<&str, &str>,
    ) {
        let mut mistakes = Mistakes::default();
        let mut object = Node::root(&document)
            .object("an object", &mut mistakes)
            .unwrap();
        let field = object.required("k", "it", &mut mistakes);
        let read = field.and_then(|field| read(&field, &mut mistakes));
        object.finish(&[], &mut mistakes);
        match expected {
            Ok(value) => assert_eq!(
                (
                    read.map(|read| format!("{read:?}")).as_deref(),
                    mistakes.to_string().as_str()
                ),
                (Some(value), ""),
                "{name}"
            ),
            Err(text) => {
                assert!(read.is_none(), "{name}: {read:?}");
                assert_eq!(mistakes.to_string(), text, "{name}");
            }
        }
    }

    #[test]
    fn strings() {
        for (name, value, expected) in [
            ("text", json!("ab"), Ok("\"ab\"")),
            ("at the upper bound", json!("abcd"), Ok("\"abcd\"")),
            (
                "too long",
                json!("abcde"),
                Err("/k: expected a name of 1 to 4 bytes, found 5 bytes"),
            ),
            (
                "empty",
                json!(""),
                Err("/k: expected a name of 1 to 4 bytes, found 0 bytes"),
            ),
            (
                "number",
                json!(123.0),
                Err("/k: expected a name, found a number (write it in quotes)"),
            ),
            (
                "no",
                json!(false),
                Err("/k: expected a name, found false (write it in quotes)"),
            ),
            ("null", json!(null), Err("/k: expected a name, found null")),
            ("list", json!([]), Err("/k: expected a name, found a list")),
            (
                "object",
                json!({}),
                Err("/k: expected a name, found an object"),
            ),
        ] {
            check(
                name,
                json!({"k": value}),
                |node, m| node.text("a name", 1..=4, m).map(str::to_owned),
                expected,
            );
        }
        check(
            "missing",
            json!({}),
            |node, m| node.bool(m),
            Err("/k: expected it, found nothing"),
        );
    }

    #[test]
    fn booleans_and_integers() {
        for (name, value, expected) in [
            ("true", json!(true), Ok("true")),
            (
                "quoted",
                json!("true"),
                Err("/k: expected true or false, found a string (write it without quotes)"),
            ),
            (
                "number",
                json!(1),
                Err("/k: expected true or false, found a number"),
            ),
        ] {
            check(name, json!({"k": value}), |node, m| node.bool(m), expected);
        }
        let expected =
            |found: &str| format!("/k: expected a whole number from 1 to 100, found {found}");
        for (name, value, found) in [
            ("integer", json!(3), Ok("3")),
            ("a Struct's integer", json!(3.0), Ok("3")),
            ("lower bound", json!(1.0), Ok("1")),
            ("upper bound", json!(100), Ok("100")),
            ("below", json!(0), Err("another number")),
            ("above", json!(101.0), Err("another number")),
            ("negative", json!(-1), Err("another number")),
            ("huge", json!(1e300), Err("another number")),
            ("of 64 bits", json!(u64::MAX), Err("another number")),
            ("fraction", json!(3.5), Err("a fraction")),
            (
                "quoted",
                json!("3"),
                Err("a string (write the number without quotes)"),
            ),
            ("boolean", json!(true), Err("true")),
        ] {
            let found = found.map_err(expected);
            let found = found.as_ref().map(|value| *value).map_err(String::as_str);
            check(
                name,
                json!({"k": value}),
                |node, m| node.integer(1..=100, m),
                found,
            );
        }
    }

    #[test]
    fn keywords() {
        let words = [("remove", 1), ("mask", 2)];
        for (name, value, expected) in [
            ("known", json!("mask"), Ok("2")),
            (
                "near",
                json!("Masc"),
                Err("/k: expected \"remove\" or \"mask\", found \"Masc\" (did you mean \"mask\"?)"),
            ),
            (
                "far",
                json!("hide"),
                Err("/k: expected \"remove\" or \"mask\", found \"hide\""),
            ),
            (
                "empty",
                json!(""),
                Err("/k: expected \"remove\" or \"mask\", found empty text"),
            ),
            (
                "perhaps a secret",
                json!("s3cr3t!"),
                Err("/k: expected \"remove\" or \"mask\", found other text"),
            ),
            (
                "no word",
                json!("x".repeat(25)),
                Err("/k: expected \"remove\" or \"mask\", found other text"),
            ),
            (
                "yes",
                json!(true),
                Err("/k: expected \"remove\" or \"mask\", found true (write it in quotes)"),
            ),
        ] {
            check(
                name,
                json!({"k": value}),
                |node, m| node.keyword(&words, m),
                expected,
            );
        }
    }

    #[test]
    fn units_with_bounds() {
        let minute = Duration::from_secs(60);
        let expected = |found| {
            format!(
                "/k: expected a duration from 0s to 1m, a whole number with ms, s, m or h, found {found}"
            )
        };
        for (name, value, found) in [
            ("seconds", json!("30s"), Ok("30s")),
            ("upper bound", json!("1m"), Ok("60s")),
            ("above", json!("61s"), Err("\"61s\"")),
            ("no unit", json!("30"), Err("\"30\"")),
            (
                "number",
                json!(30.0),
                Err("a number (write it in quotes, with its unit)"),
            ),
        ] {
            let found = found.map_err(expected);
            let found = found.as_ref().map(|value| *value).map_err(String::as_str);
            check(
                name,
                json!({"k": value}),
                |node, m| node.duration(Duration::ZERO..=minute, m),
                found,
            );
        }
        let expected = |found| {
            format!(
                "/k: expected a size from 1KiB to 1MiB, a whole number with B, KB, KiB, MB or MiB, found {found}"
            )
        };
        for (name, value, found) in [
            ("lower bound", json!("1KiB"), Ok("1024")),
            ("upper bound", json!("1MiB"), Ok("1048576")),
            ("below", json!("1KB"), Err("\"1KB\"")),
            ("above", json!("1048577B"), Err("\"1048577B\"")),
            (
                "number",
                json!(1024),
                Err("a number (write it in quotes, with its unit)"),
            ),
        ] {
            let found = found.map_err(expected);
            let found = found.as_ref().map(|value| *value).map_err(String::as_str);
            check(
                name,
                json!({"k": value}),
                |node, m| node.size(1024..=1 << 20, m),
                found,
            );
        }
        let refused = "/k: expected a rate such as 50/s, a whole number from 1 on with /s, /m, /h or /d, found \"0/s\"";
        check(
            "rate",
            json!({"k": "50/s"}),
            |node, m| node.rate(m),
            Ok("(50, Second)"),
        );
        check(
            "rate of none",
            json!({"k": "0/s"}),
            |node, m| node.rate(m),
            Err(refused),
        );
    }

    #[test]
    fn lists_objects_and_unknown_keys() {
        let read = |node: &Node<'_>, m: &mut Mistakes| {
            let items = node.list("names", 1..=2, m)?;
            Some(
                items
                    .iter()
                    .map(|item| item.pointer().to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        for (name, document, expected) in [
            ("two", json!({"k": [1, 2]}), Ok("[\"/k/0\", \"/k/1\"]")),
            (
                "three",
                json!({"k": [1, 2, 3]}),
                Err("/k: expected a list of 1 to 2 names, found 3"),
            ),
            (
                "none",
                json!({"k": []}),
                Err("/k: expected a list of 1 to 2 names, found 0"),
            ),
            (
                "one alone",
                json!({"k": "a"}),
                Err("/k: expected a list of names, found a string"),
            ),
            (
                "unknown keys, one near",
                json!({"K": 1, "other\n": 2}),
                Err(
                    "/K: expected the key \"k\" alone, found the unknown key \"K\" (did you mean \"k\"?)\n\
                     /k: expected it, found nothing\n\
                     /other\u{fffd}: expected the key \"k\" alone, found the unknown key \"other\u{fffd}\"",
                ),
            ),
        ] {
            check(name, document, read, expected);
        }
    }

    #[test]
    fn bounds_are_shown_in_their_own_units() {
        for (milliseconds, text) in [
            (0, "0s"),
            (1, "1ms"),
            (1500, "1500ms"),
            (60_000, "1m"),
            (90_000, "90s"),
            (3_600_000, "1h"),
        ] {
            assert_eq!(show_duration(Duration::from_millis(milliseconds)), text);
            assert_eq!(
                units::duration(text),
                Some(Duration::from_millis(milliseconds))
            );
        }
        for (bytes, text) in [
            (0, "0B"),
            (1000, "1000B"),
            (1024, "1KiB"),
            (3 << 20, "3MiB"),
        ] {
            assert_eq!(show_size(bytes), text);
            assert_eq!(units::size(text), Some(bytes));
        }
    }
}
