//! The query of a request: decoded once, understood wholly, written again in one form.

use super::{BaseUrl, values};
use crate::denial::Denial;
use crate::fhir::{ResourceType, SearchKind, SearchParameter, Searched, search_parameter};

/// The largest page that is asked for; a larger `_count` is brought down to it.
pub const MAX_COUNT: u32 = 1000;

/// The largest `_offset`.
const MAX_OFFSET: u32 = 1_000_000;

/// The most parameters in one query.
const MAX_PARAMETERS: usize = 64;

/// The longest value, in bytes after decoding.
const MAX_VALUE: usize = 1024;

/// A name and a value, decoded.
pub(super) type Pair = (String, String);

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
        let mut add = |name: &str, value: &str| {
            out.push(if out.is_empty() { '?' } else { '&' });
            out.push_str(name);
            out.push('=');
            encode(value, &mut out);
        };
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

/// Decodes a query string. Each name and value is decoded once; a `%` that is left after that, a
/// control character, or a name that needed decoding is how a second reader would be misled.
pub(super) fn decode(query: &str) -> Result<Vec<Pair>, Denial> {
    if query.is_empty() {
        return Ok(Vec::new());
    }
    let mut pairs = Vec::new();
    for part in query.split('&') {
        let (name, value) = part.split_once('=').ok_or(Denial::Request("query"))?;
        if pairs.len() == MAX_PARAMETERS {
            return Err(Denial::Request("query"));
        }
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-:.".contains(&byte))
        {
            return Err(Denial::Request("query"));
        }
        if name == "access_token" {
            return Err(Denial::CredentialsMalformed);
        }
        if name == "_method" {
            return Err(Denial::Request("method-override"));
        }
        pairs.push((name.to_owned(), decode_value(value)?));
    }
    Ok(pairs)
}

/// Accepts only what changes nothing: `_format` and `_pretty` for JSON. They are not forwarded.
pub(super) fn none(pairs: &[Pair]) -> Result<(), Denial> {
    let mut rest = Control::default();
    for pair in pairs {
        if !rest.take(pair)? {
            return Err(Denial::NotSupported("parameter"));
        }
    }
    Ok(())
}

/// The query of a history.
pub(super) fn page(pairs: &[Pair]) -> Result<Search, Denial> {
    let mut search = Search::default();
    let mut control = Control::default();
    for pair in pairs {
        if control.take(pair)? || paging(&mut search, pair)? {
            continue;
        }
        match pair.0.as_str() {
            "_since" if search.since.is_none() && values::is_date(&pair.1) => {
                search.since = Some(pair.1.clone())
            }
            _ => return Err(Denial::NotSupported("parameter")),
        }
    }
    Ok(search)
}

/// The query of a search.
pub(super) fn search(
    resource_type: ResourceType,
    pairs: &[Pair],
    base: &BaseUrl,
) -> Result<Search, Denial> {
    let mut search = Search::default();
    let mut control = Control::default();
    for pair in pairs {
        if control.take(pair)? || paging(&mut search, pair)? {
            continue;
        }
        let (name, value) = pair;
        if name == "_sort" {
            if !search.sort.is_empty() {
                return Err(Denial::Request("repeated-parameter"));
            }
            search.sort = sort(resource_type, value)?;
            continue;
        }
        let definition = search_parameter(resource_type, name)
            .filter(|definition| values::are_understood(*definition))
            .ok_or(Denial::NotSupported("parameter"))?;
        // A repetition means *and* to one server, the first or the last to another: where that
        // decides whose data is meant, it is refused.
        let once = definition.targets().any(ResourceType::is_patient) || definition.name() == "_id";
        if once
            && search
                .parameters
                .iter()
                .any(|known| known.definition == definition)
        {
            return Err(Denial::Request("repeated-parameter"));
        }
        search.parameters.push(Parameter {
            definition,
            values: values::read(definition, value, base)?,
        });
    }
    Ok(search)
}

fn decode_value(text: &str) -> Result<String, Denial> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = rest.next().and_then(hex).ok_or(Denial::Request("query"))?;
                let low = rest.next().and_then(hex).ok_or(Denial::Request("query"))?;
                high << 4 | low
            }
            other => other,
        });
    }
    let value = String::from_utf8(bytes).map_err(|_| Denial::Request("query"))?;
    if value.len() > MAX_VALUE || value.chars().any(char::is_control) || value.contains('%') {
        return Err(Denial::Request("query"));
    }
    Ok(value)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
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

fn sort(
    resource_type: ResourceType,
    value: &str,
) -> Result<Vec<(SearchParameter, Direction)>, Denial> {
    value
        .split(',')
        .map(|key| {
            let (name, direction) = match key.strip_prefix('-') {
                Some(name) => (name, Direction::Descending),
                None => (key, Direction::Ascending),
            };
            let definition =
                search_parameter(resource_type, name).ok_or(Denial::NotSupported("sort"))?;
            if definition.kind() == SearchKind::Date {
                Ok((definition, direction))
            } else {
                Err(Denial::NotSupported("sort"))
            }
        })
        .collect()
}

fn sort_key(key: SearchParameter, direction: Direction) -> String {
    match direction {
        Direction::Ascending => key.name().to_owned(),
        Direction::Descending => format!("-{}", key.name()),
    }
}

fn paging(search: &mut Search, (name, value): &Pair) -> Result<bool, Denial> {
    let (slot, most) = match name.as_str() {
        "_count" => (&mut search.count, MAX_COUNT),
        "_offset" => (&mut search.offset, MAX_OFFSET),
        _ => return Ok(false),
    };
    let digits =
        !value.is_empty() && value.len() <= 9 && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value
        .parse::<u32>()
        .ok()
        .filter(|_| digits)
        .ok_or(Denial::Request("page"))?;
    if slot.is_some() || (name == "_count" && number == 0) || (name == "_offset" && number > most) {
        return Err(Denial::Request("page"));
    }
    *slot = Some(number.min(most));
    Ok(true)
}

/// Parameters about the form of the answer, which is ours to choose.
#[derive(Default)]
struct Control {
    format: bool,
    pretty: bool,
}

impl Control {
    fn take(&mut self, (name, value): &Pair) -> Result<bool, Denial> {
        let seen = match name.as_str() {
            "_format" => {
                // A `+` that was not escaped has become a space.
                let json = [
                    "json",
                    "application/json",
                    "application/fhir+json",
                    "application/fhir json",
                ];
                if !json.contains(&value.as_str()) {
                    return Err(Denial::NotAcceptable);
                }
                &mut self.format
            }
            "_pretty" if value == "true" || value == "false" => &mut self.pretty,
            _ => return Ok(false),
        };
        if std::mem::replace(seen, true) {
            Err(Denial::Request("repeated-parameter"))
        } else {
            Ok(true)
        }
    }
}
