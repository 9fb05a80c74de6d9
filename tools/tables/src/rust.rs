//! Rust source of constant tables.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The longest line, in columns.
const WIDTH: usize = 118;

/// One file of tables.
pub struct Source {
    text: String,
    bytes: usize,
}

impl Source {
    /// A file that says this of itself.
    pub fn new(about: &str) -> Source {
        let text = format!(
            "//! {about}\n//!\n//! Made by `make tables` from the published definitions of FHIR R4 (4.0.1): never edit it.\n"
        );
        Source { text, bytes: 0 }
    }

    /// A table of numbers: `kind` is their type.
    pub fn numbers(&mut self, about: &str, name: &str, kind: &str, numbers: &[usize]) {
        let (most, size) = match kind {
            "u8" => (usize::from(u8::MAX), 1),
            _ => (usize::from(u16::MAX), 2),
        };
        assert!(numbers.iter().all(|number| *number <= most), "{name}");
        self.bytes += numbers.len() * size;
        let items = numbers.iter().map(usize::to_string);
        self.list(about, name, &format!("[{kind}; {}]", numbers.len()), items);
    }

    /// A table of pairs of numbers.
    pub fn pairs(&mut self, about: &str, name: &str, pairs: &[(usize, usize)]) {
        let fits = |number: usize| number <= usize::from(u16::MAX);
        assert!(
            pairs.iter().all(|(one, other)| fits(*one) && fits(*other)),
            "{name}"
        );
        self.bytes += pairs.len() * 4;
        let items = pairs.iter().map(|(one, other)| format!("({one}, {other})"));
        self.list(
            about,
            name,
            &format!("[(u16, u16); {}]", pairs.len()),
            items,
        );
    }

    /// A table of texts.
    pub fn texts(&mut self, about: &str, name: &str, texts: &[&str]) {
        self.bytes += texts.iter().map(|text| text.len() + 8).sum::<usize>();
        let items = texts.iter().map(|text| format!("{text:?}"));
        self.list(about, name, &format!("[&str; {}]", texts.len()), items);
    }

    /// One long text of names.
    pub fn long_text(&mut self, about: &str, name: &str, parts: &[String]) {
        self.bytes += parts.iter().map(String::len).sum::<usize>();
        write!(
            self.text,
            "\n/// {about}\npub(in crate::fhir) static {name}: &str = \"\\\n"
        )
        .expect("memory");
        let mut line = String::new();
        for part in parts {
            assert!(
                part.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
                "{part}"
            );
            if line.len() + part.len() > WIDTH - 2 {
                writeln!(self.text, "{line}\\").expect("memory");
                line.clear();
            }
            line.push_str(part);
        }
        writeln!(self.text, "{line}\";").expect("memory");
    }

    /// A number by itself.
    pub fn number(&mut self, about: &str, name: &str, number: usize) {
        write!(
            self.text,
            "\n/// {about}\npub(in crate::fhir) const {name}: u16 = {number};\n"
        )
        .expect("memory");
    }

    /// How many bytes of data these tables are.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The source.
    pub fn text(self) -> String {
        self.text
    }

    fn list(&mut self, about: &str, name: &str, kind: &str, items: impl Iterator<Item = String>) {
        write!(
            self.text,
            "\n/// {about}\n#[rustfmt::skip]\npub(in crate::fhir) static {name}: {kind} = [\n"
        )
        .expect("memory");
        let mut line = String::new();
        for item in items {
            if !line.is_empty() && line.len() + item.len() + 6 > WIDTH {
                writeln!(self.text, "   {line}").expect("memory");
                line.clear();
            }
            write!(line, " {item},").expect("memory");
        }
        if !line.is_empty() {
            writeln!(self.text, "   {line}").expect("memory");
        }
        self.text.push_str("];\n");
    }
}

/// Every name that some table has, once, numbered in their order.
#[derive(Default)]
pub struct Names {
    all: BTreeSet<String>,
    sorted: Vec<String>,
}

impl Names {
    /// Takes a name in; after [`close`](Self::close) it is too late.
    pub fn add(&mut self, name: &str) {
        self.all.insert(name.to_owned());
    }

    /// From here on names have numbers.
    pub fn close(&mut self) {
        self.sorted = self.all.iter().cloned().collect();
    }

    /// The number of a name that was taken in.
    pub fn of(&self, name: &str) -> usize {
        let found = self
            .sorted
            .binary_search_by(|other| other.as_str().cmp(name));
        found.unwrap_or_else(|_| panic!("{name} was not taken in"))
    }

    /// The table of them.
    pub fn write(&self) -> Source {
        let mut source = Source::new("Names of elements, data types and search parameters.");
        let mut end = 0;
        let ends: Vec<usize> = self
            .sorted
            .iter()
            .map(|name| {
                end += name.len();
                end
            })
            .collect();
        source.long_text(
            "Every name, one behind the other, sorted by their bytes.",
            "TEXT",
            &self.sorted,
        );
        source.numbers("Where each name ends in `TEXT`.", "ENDS", "u16", &ends);
        source
    }
}
