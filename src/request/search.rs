//! A search that is understood, and the one form in which it is written.

use super::Inclusion;
use crate::fhir::{ResourceType, SearchParameter, Searched, search_parameter};

/// The largest page that is asked for; a larger `_count` is brought down to it.
pub const MAX_COUNT: u32 = 1000;

/// The longest value, in bytes after decoding.
pub(super) const MAX_VALUE: usize = 1024;

/// The most elements in `_elements`: those that a client names, and those that the decision on an answer
/// rests on, of all types of a compartment.
pub(super) const MAX_ELEMENTS: usize = 64;

/// A search whose every part is understood.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Search {
    /// The parameters that select, in the order of the request.
    pub parameters: Vec<Parameter>,
    /// What is sent along with the matches.
    pub include: Vec<Inclusion>,
    /// The root elements that are asked for; none where all are.
    pub elements: Vec<String>,
    /// `_summary`; `false` is none.
    pub summary: Option<Summary>,
    /// `_total`: `accurate` or `estimate`; `none` is none.
    pub total: Option<&'static str>,
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

/// What of each resource is asked for (<https://hl7.org/fhir/R4/search.html#summary>).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Summary {
    /// No resources, only how many there are.
    Count,
    /// All but the narrative.
    Data,
    /// The narrative and what is mandatory.
    Text,
    /// What the standard marks as summary.
    True,
}

/// How the values of a parameter are meant (<https://hl7.org/fhir/R4/search.html#modifiers>). The type of a
/// reference is no modifier any more: it stands in the values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Modifier {
    /// `:contains`
    Contains,
    /// `:exact`
    Exact,
    /// `:missing`
    Missing,
    /// `:not`
    Not,
}

/// One parameter that selects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parameter {
    /// The resources that lead from what is searched for to what is compared; none where that is the same.
    pub path: Vec<Inclusion>,
    /// What it is, of the type that the path leads to.
    pub definition: SearchParameter,
    /// How its values are meant; `None`: as they stand.
    pub modifier: Option<Modifier>,
    /// Its alternatives (a comma means *or*), canonical; a reference to a resource is `Type/id`.
    pub values: Vec<String>,
}

impl Search {
    /// The canonical query: empty, or beginning with `?`.
    pub fn query(&self) -> String {
        let mut out = String::new();
        let mut add = |name: &str, value: &str| append(name, value, &mut out);
        for parameter in &self.parameters {
            add(&parameter.name(), &parameter.written());
        }
        for inclusion in &self.include {
            add(inclusion.name(), &inclusion.value());
        }
        if !self.elements.is_empty() {
            add("_elements", &self.elements.join(","));
        }
        if let Some(summary) = self.summary {
            add("_summary", summary.name());
        }
        if let Some(total) = self.total {
            add("_total", total);
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
        if self.elements.len() > MAX_ELEMENTS {
            return false;
        }
        let elements = self
            .elements
            .iter()
            .map(|name| name.len() + 1)
            .sum::<usize>();
        let mut parameters = self.parameters.iter();
        elements <= MAX_VALUE && parameters.all(|own| own.written().len() <= MAX_VALUE)
    }

    /// This search from another place on: the same selection, compared exactly.
    pub fn is_page_of(&self, other: &Search) -> bool {
        let selection = |search: &Search| Search {
            count: None,
            offset: None,
            ..search.clone()
        };
        selection(self) == selection(other)
    }

    /// Whether it asks how many matches there are.
    pub fn asks_for_total(&self) -> bool {
        self.total.is_some() || self.summary == Some(Summary::Count)
    }

    /// Whether a search of another type was read as the same: its canonical query is this one's.
    pub(super) fn is_read_as(&self, other: &Search) -> bool {
        let parameter = |(own, other): (&Parameter, &Parameter)| {
            own.path == other.path
                && own.definition.name() == other.definition.name()
                && own.modifier == other.modifier
                && own.values == other.values
        };
        let key = |(own, other): (&(SearchParameter, _), &(SearchParameter, _))| {
            own.0.name() == other.0.name() && own.1 == other.1
        };
        let same_length =
            self.parameters.len() == other.parameters.len() && self.sort.len() == other.sort.len();
        let rest = |search: &Search| Search {
            parameters: Vec::new(),
            sort: Vec::new(),
            ..search.clone()
        };
        same_length
            && self.parameters.iter().zip(&other.parameters).all(parameter)
            && self.sort.iter().zip(&other.sort).all(key)
            && rest(self) == rest(other)
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

    /// The elements of other resources that a match tells about, by chains and `_has`.
    pub fn searched_elsewhere(&self) -> impl Iterator<Item = (ResourceType, Searched)> + '_ {
        self.parameters.iter().flat_map(|parameter| {
            let hops = parameter.path.iter();
            let hops = hops.flat_map(|hop| hop.searched().map(|searched| (hop.source, searched)));
            let last = parameter.leads_to().into_iter().flat_map(|of| {
                let searched = parameter.definition.searched().into_iter().flatten();
                searched.map(move |searched| (of, searched))
            });
            hops.chain(last)
        })
    }

    /// The types that chains and `_has` lead through, each once.
    pub fn looks_through(&self) -> Vec<ResourceType> {
        let hops = self.parameters.iter().flat_map(|parameter| &parameter.path);
        let mut types = Vec::new();
        for found in hops.flat_map(|hop| std::iter::once(hop.source).chain(hop.target)) {
            if !types.contains(&found) {
                types.push(found);
            }
        }
        types
    }

    /// The elements of the type itself that a match, or the order of matches, tells about.
    pub fn searched(&self) -> impl Iterator<Item = Searched> + '_ {
        let own = self.parameters.iter().filter(|own| own.path.is_empty());
        let selecting = own.map(|parameter| parameter.definition);
        let sorting = self.sort.iter().map(|(key, _)| *key);
        selecting
            .chain(sorting)
            // Where that is not known, the parameter is not understood.
            .filter_map(SearchParameter::searched)
            .flatten()
    }
}

impl Summary {
    /// Its word.
    fn name(self) -> &'static str {
        match self {
            Summary::Count => "count",
            Summary::Data => "data",
            Summary::Text => "text",
            Summary::True => "true",
        }
    }
}

impl Parameter {
    /// The name in the query, with the modifier.
    pub(crate) fn name(&self) -> String {
        let modifier = match self.modifier {
            None => "",
            Some(Modifier::Contains) => ":contains",
            Some(Modifier::Exact) => ":exact",
            Some(Modifier::Missing) => ":missing",
            Some(Modifier::Not) => ":not",
        };
        format!("{}{}{modifier}", self.prefix(), self.definition.name())
    }

    /// The value in its canonical form, before escaping.
    pub(super) fn written(&self) -> String {
        self.values.join(",")
    }
}

/// Appends a parameter to a canonical query, which is empty or begins with `?`.
pub(super) fn append(name: &str, value: &str, out: &mut String) {
    out.push(if out.is_empty() { '?' } else { '&' });
    out.push_str(name);
    out.push('=');
    escape(value, out);
}

/// Appends a name or a value as a query holds it (RFC 3986 section 3.4): what has a meaning there is escaped, and all
/// that is no such character.
pub fn escape(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/,$@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
            out.push('%');
            out.push(digit(byte >> 4).to_ascii_uppercase());
            out.push(digit(byte & 0xf).to_ascii_uppercase());
        }
    }
}

fn sort_key(key: SearchParameter, direction: Direction) -> String {
    match direction {
        Direction::Ascending => key.name().to_owned(),
        Direction::Descending => format!("-{}", key.name()),
    }
}
