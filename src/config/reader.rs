//! Reading a JSON value field by field, collecting every mistake on the way.
//!
//! Every method that reads gives `None` (or a shorter list) when there was a mistake, which is
//! then already in `mistakes`: a reader goes on to the next field, and asks at the end whether
//! there were any.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use super::mistakes::{Mistakes, push_index, push_key, quote, suggestion};
use super::units;
use crate::limit::Period;

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
    refused: Vec<&'static str>,
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

    /// A mistake at this place; neither text repeats anything of the value.
    pub fn refuse<T>(&self, expected: &str, found: &str, mistakes: &mut Mistakes) -> Option<T> {
        mistakes.add(&self.pointer, format!("expected {expected}, found {found}"));
        None
    }

    /// A mistake at this place, a word that is unknown; `near` is a [`suggestion`].
    pub fn refuse_word<T>(
        &self,
        expected: &str,
        text: &str,
        near: &str,
        mistakes: &mut Mistakes,
    ) -> Option<T> {
        self.refuse(expected, &format!("{}{near}", word(text)), mistakes)
    }

    /// A mistake at this place: a word of a feature that this version does not have.
    pub fn unavailable<T>(&self, text: &str, expected: &str, mistakes: &mut Mistakes) -> Option<T> {
        let text = if is_word(text) { text } else { "this" };
        mistakes.add(&self.pointer, unavailable(text, expected));
        None
    }

    /// A mistake at this place unless `holds`.
    pub fn check(&self, holds: bool, expected: &str, mistakes: &mut Mistakes) -> Option<()> {
        if holds {
            Some(())
        } else {
            self.refuse(expected, "other text", mistakes)
        }
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
        mistakes.add(
            &self.pointer,
            format!("expected {expected} of {from} to {to} bytes, found {found} bytes"),
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
            mistakes.add(
                &self.pointer,
                format!("expected true or false, found {}{hint}", kind(self.value)),
            );
        }
        found
    }

    /// A whole number within `range`. A Struct knows only doubles, so that 3.0 is 3.
    pub fn integer(&self, range: RangeInclusive<u32>, mistakes: &mut Mistakes) -> Option<u32> {
        let found = match units::whole(self.value) {
            Ok(number) if range.contains(&number) => return Some(number),
            Ok(_) | Err(units::Whole::OutOfRange) => "another number",
            Err(units::Whole::Fraction) => "a fraction",
            Err(units::Whole::Other) if self.value.is_string() => {
                "a string (write the number without quotes)"
            }
            Err(units::Whole::Other) => kind(self.value),
        };
        let (from, to) = (range.start(), range.end());
        mistakes.add(
            &self.pointer,
            format!("expected a whole number from {from} to {to}, found {found}"),
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
        mistakes.add(
            &self.pointer,
            format!("expected {expected}, found {}{near}", word(text)),
        );
        None
    }

    /// A duration within `range`; see [`units::duration`].
    pub fn duration(
        &self,
        range: RangeInclusive<Duration>,
        mistakes: &mut Mistakes,
    ) -> Option<Duration> {
        let (from, to) = (
            units::show_duration(*range.start()),
            units::show_duration(*range.end()),
        );
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
        let (from, to) = (
            units::show_size(*range.start()),
            units::show_size(*range.end()),
        );
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
    pub fn rate(&self, mistakes: &mut Mistakes) -> Option<(u32, Period)> {
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
            mistakes.add(
                &self.pointer,
                format!("expected a list of {expected}, found {found}"),
            );
            return None;
        };
        if !length.contains(&items.len()) {
            let (from, to, found) = (length.start(), length.end(), items.len());
            mistakes.add(
                &self.pointer,
                format!("expected a list of {from} to {to} {expected}, found {found}"),
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
                refused: Vec::new(),
            }),
            None => {
                mistakes.add(
                    &self.pointer,
                    format!("expected {expected}, found {}", kind(self.value)),
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
            mistakes.add(
                &self.pointer,
                format!("expected {expected}, found {found}{hint}"),
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
        mistakes.add(&self.pointer, format!("expected {expected}, found {found}"));
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
    /// suggestion. Whether it is there.
    pub fn unavailable(
        &mut self,
        key: &'static str,
        expected: &str,
        mistakes: &mut Mistakes,
    ) -> bool {
        self.refused.push(key);
        let found = self.map.contains_key(key);
        if found {
            mistakes.add(&self.pointer_of(key), unavailable(key, expected));
        }
        found
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self, mistakes: &mut Mistakes) {
        for key in self.map.keys().map(String::as_str) {
            if self.known.contains(&key) || self.refused.contains(&key) {
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

    /// Every member, for an object whose keys are the operator's.
    pub fn members(&self) -> impl Iterator<Item = (&'a str, Node<'a>)> {
        self.map.iter().map(|(key, value)| {
            let pointer = self.pointer_of(key);
            (key.as_str(), Node { value, pointer })
        })
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

/// What `read` gives for a field, or `default` where there is none.
pub fn or<'a, T>(
    field: Option<Node<'a>>,
    default: T,
    read: impl FnOnce(&Node<'a>) -> Option<T>,
) -> Option<T> {
    match field {
        Some(field) => read(&field),
        None => Some(default),
    }
}

/// What `read` gives for each item: all of them are read, whatever the first ones give.
pub fn each<'a, T>(items: &[Node<'a>], read: impl FnMut(&Node<'a>) -> Option<T>) -> Option<Vec<T>> {
    let read: Vec<Option<T>> = items.iter().map(read).collect();
    read.into_iter().collect()
}

/// `"a", "b" or "c"`.
fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
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
    match text {
        "" => "empty text".to_owned(),
        _ if is_word(text) => quote(text),
        _ => "other text".to_owned(),
    }
}

fn is_word(text: &str) -> bool {
    let letter = |letter: u8| letter.is_ascii_alphanumeric() || b" _-./+".contains(&letter);
    text.len() <= 24 && text.bytes().all(letter)
}

fn unavailable(what: &str, expected: &str) -> String {
    format!(
        "{} is not available in this version; expected {expected}",
        quote(what)
    )
}

#[cfg(test)]
mod tests;
