//! A search that is understood, and the one form in which it is written.

use crate::fhir::{ResourceType, SearchParameter, Searched, search_parameter};

/// The largest page that is asked for; a larger `_count` is brought down to it.
pub const MAX_COUNT: u32 = 1000;

/// The longest value, in bytes after decoding.
pub(super) const MAX_VALUE: usize = 1024;

/// A search whose every part is understood.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Search {
    /// The parameters that select, in the order of the request.
    pub parameters: Vec<Parameter>,
    /// The parameters that sort, each with its direction.
    pub sort: Vec<(SearchParameter, Direction)>,
    /// `_count`: 1 to [`MAX_COUNT`].
    pub count: Option<u32>,
    /// `_offset`: where the page begins.
    pub offset: Option<u32>,
    /// `_since` of a history.
    pub since: Option<String>,
}

/// Which way a search sorts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Direction {
    Ascending,
    Descending,
}

/// One parameter that selects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parameter {
    /// What it is.
    pub definition: SearchParameter,
    /// Its alternatives (a comma means *or*), canonical; a reference to a resource is `Type/id`.
    pub values: Vec<String>,
}

impl Search {
    /// The canonical query: empty, or beginning with `?`.
    pub fn query(&self) -> String {
        let mut out = String::new();
        let mut add = |name: &str, value: &str| append(name, value, &mut out);
        for parameter in &self.parameters {
            add(parameter.definition.name(), &parameter.written());
        }
        if !self.sort.is_empty() {
            let keys: Vec<String> = self
                .sort
                .iter()
                .map(|(key, direction)| sort_key(*key, *direction))
                .collect();
            add("_sort", &keys.join(","));
        }
        if let Some(since) = &self.since {
            add("_since", since);
        }
        if let Some(count) = self.count {
            add("_count", &count.to_string());
        }
        if let Some(offset) = self.offset {
            add("_offset", &offset.to_string());
        }
        out
    }

    /// Whether every value in its canonical form is one that would be read again.
    pub(super) fn values_fit(&self) -> bool {
        self.parameters
            .iter()
            .all(|parameter| parameter.written().len() <= MAX_VALUE)
    }

    /// This search from another place on: the same selection, compared exactly.
    pub fn is_page_of(&self, other: &Search) -> bool {
        self.parameters == other.parameters && self.sort == other.sort && self.since == other.since
    }

    /// The same search as one of another type, for which it has been understood as well.
    pub fn of(&self, resource_type: ResourceType) -> Option<Search> {
        let definition = |of: SearchParameter| search_parameter(resource_type, of.name());
        let mut search = self.clone();
        for parameter in &mut search.parameters {
            parameter.definition = definition(parameter.definition)?;
        }
        for (key, _) in &mut search.sort {
            *key = definition(*key)?;
        }
        Some(search)
    }

    /// The elements that a match, or the order of matches, tells about.
    pub fn searched(&self) -> impl Iterator<Item = Searched> + '_ {
        let selecting = self.parameters.iter().map(|parameter| parameter.definition);
        let sorting = self.sort.iter().map(|(key, _)| *key);
        selecting
            .chain(sorting)
            // Where that is not known, the parameter is not understood.
            .filter_map(SearchParameter::searched)
            .flatten()
    }
}

impl Parameter {
    /// The value in its canonical form, before escaping.
    fn written(&self) -> String {
        self.values.join(",")
    }
}

/// Appends a parameter to a canonical query, which is empty or begins with `?`.
pub(super) fn append(name: &str, value: &str, out: &mut String) {
    out.push(if out.is_empty() { '?' } else { '&' });
    out.push_str(name);
    out.push('=');
    encode(value, out);
}

fn encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/,$@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

fn sort_key(key: SearchParameter, direction: Direction) -> String {
    match direction {
        Direction::Ascending => key.name().to_owned(),
        Direction::Descending => format!("-{}", key.name()),
    }
}
