//! A record as one line of JSON, in which nothing can break out.

use std::fmt::Write as _;

use super::{AuditPolicy, EntryRecord, Subject, Telling, Told};
use crate::cel::civil;
use crate::risk::{self, Action, Detector};

/// One JSON object on one line, written as it grows: it is made twice for every exchange. Beyond
/// ASCII is escaped, so that no reader takes U+2028 or U+0085 for the end of the line.
pub(super) struct Line(pub String);

impl Line {
    pub fn new() -> Line {
        // As long as most records are.
        Line::of(1024)
    }

    /// One with room for this many bytes.
    pub fn of(bytes: usize) -> Line {
        let mut text = String::with_capacity(bytes);
        text.push('{');
        Line(text)
    }

    /// One of our own names, all of which are plain.
    pub fn key(&mut self, key: &'static str) {
        self.comma();
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\":");
    }

    pub fn number(&mut self, key: &'static str, number: u64) {
        self.key(key);
        digits(&mut self.0, number, 1);
    }

    pub fn text(&mut self, key: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.key(key);
            self.quoted(text);
        }
    }

    pub fn list(&mut self, key: &'static str, texts: &[impl AsRef<str>]) {
        if texts.is_empty() {
            return;
        }
        self.key(key);
        self.open('[');
        for text in texts {
            self.item(text.as_ref());
        }
        self.close(']');
    }

    /// An object, unless nothing is in it.
    pub fn object(&mut self, key: &'static str, members: &dyn Fn(&mut Line)) {
        let before = self.0.len();
        self.key(key);
        self.open('{');
        members(self);
        match self.0.ends_with('{') {
            true => self.0.truncate(before),
            false => self.close('}'),
        }
    }

    /// `jti` or `jti_hash`.
    pub fn token_id(&mut self, told: Option<&Told<'_>>) {
        match told {
            Some(Told::Plain(id)) => self.text("jti", Some(id)),
            Some(Told::Hash(hash)) => self.text("jti_hash", Some(hash)),
            None => {}
        }
    }

    /// Each parameter by its name, with its value or the hash of that.
    pub fn query(&mut self, query: &[(String, String)], telling: &Telling) {
        if query.is_empty() {
            return;
        }
        self.key("query");
        self.open('[');
        for (name, value) in query {
            self.comma();
            self.open('{');
            self.text("name", Some(name));
            match telling {
                Telling::Plain => self.text("value", Some(value)),
                Telling::Hashed(key) => {
                    let hash = Subject::Parameter.hash(key, &format!("{name}={value}"));
                    self.text("hash", Some(&hash));
                }
                Telling::Nothing => {}
            }
            self.close('}');
        }
        self.close(']');
    }

    pub fn entries(&mut self, entries: &[EntryRecord], told: &AuditPolicy) {
        if entries.is_empty() {
            return;
        }
        self.key("entries");
        self.open('[');
        for entry in entries {
            if !self.0.ends_with('[') {
                self.0.push(',');
            }
            self.open('{');
            self.text("interaction", entry.interaction);
            let reference = entry.reference.as_deref();
            let reference = reference.and_then(|own| told.references.reference(own));
            self.text("ref", reference.as_deref());
            self.query(&entry.query, &told.query);
            if entry.status != 0 {
                self.number("status", entry.status.into());
            }
            self.text("rule", Some(&entry.rule));
            self.close('}');
        }
        self.close(']');
    }

    pub fn risk(&mut self, told: Option<&risk::Told>) {
        let Some(told) = told else { return };
        self.key("risk");
        self.open('{');
        self.number("score", told.score.into());
        self.key("reasons");
        self.open('[');
        for name in told.reasons.iter().copied().map(Detector::name) {
            self.item(name);
        }
        self.close(']');
        self.text("action", Some(told.action.name()));
        self.text("would", told.would.map(Action::name));
        self.close('}');
    }

    /// The members of another line, which is open.
    pub fn members(&mut self, open: &str) {
        let members = open.strip_prefix('{').unwrap_or_default();
        if !members.is_empty() {
            self.comma();
            self.0.push_str(members);
        }
    }

    /// JSON of our own, as it stands.
    pub fn constant(&mut self, json: &'static str) {
        self.0.push_str(json);
    }

    pub fn open(&mut self, bracket: char) {
        self.0.push(bracket);
    }

    pub fn close(&mut self, bracket: char) {
        self.0.push(bracket);
    }

    /// A string after what stands before it.
    pub fn item(&mut self, text: &str) {
        self.comma();
        self.quoted(text);
    }

    pub fn comma(&mut self) {
        if !matches!(self.0.as_bytes().last(), Some(b'{' | b'[')) {
            self.0.push(',');
        }
    }

    pub fn quoted(&mut self, text: &str) {
        self.0.push('"');
        // All bytes at once: nearly every text is plain, and a record is long.
        let plain = |byte: &u8| (b' '..=b'~').contains(byte) & (*byte != b'"') & (*byte != b'\\');
        if text.bytes().fold(true, |all, byte| all & plain(&byte)) {
            self.0.push_str(text);
        } else {
            text.chars().for_each(|character| self.escaped(character));
        }
        self.0.push('"');
    }

    pub fn escaped(&mut self, character: char) {
        match character {
            '"' => self.0.push_str("\\\""),
            '\\' => self.0.push_str("\\\\"),
            ' '..='~' => self.0.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    // Writing to a string cannot fail.
                    let _ = write!(self.0, "\\u{unit:04x}");
                }
            }
        }
    }
}

/// `2026-01-31T23:59:59.123Z`, from nanoseconds since 1970.
pub(super) fn rfc3339(nanoseconds: u64) -> String {
    let milliseconds = nanoseconds / 1_000_000;
    let (seconds, millisecond) = (milliseconds / 1000, milliseconds % 1000);
    let date = civil(i64::try_from(seconds).unwrap_or_default());
    let second = date.second;
    let mut out = String::with_capacity(24);
    for (number, least, after) in [
        (date.year, 4, '-'),
        (date.month, 2, '-'),
        (date.day, 2, 'T'),
        (second / 3600, 2, ':'),
        (second / 60 % 60, 2, ':'),
        (second % 60, 2, '.'),
        (i64::try_from(millisecond).unwrap_or_default(), 3, 'Z'),
    ] {
        digits(&mut out, u64::try_from(number).unwrap_or_default(), least);
        out.push(after);
    }
    out
}

/// A number, with zeros in front where it has fewer digits.
pub(super) fn digits(out: &mut String, number: u64, least: u32) {
    if number >= 10 || least > 1 {
        digits(out, number / 10, least.saturating_sub(1));
    }
    let digit = u8::try_from(number % 10).unwrap_or_default();
    out.push(char::from(b'0' + digit));
}
