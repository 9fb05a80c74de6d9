//! The query of a request: decoded once, understood wholly, written again in one form.

use super::search::{Direction, MAX_COUNT, MAX_VALUE, Parameter, Search};
use super::{BaseUrl, values};
use crate::denial::Denial;
use crate::fhir::{ResourceType, SearchKind, SearchParameter, search_parameter};

/// The largest `_offset`.
const MAX_OFFSET: u32 = 1_000_000;

/// The most parameters in one query.
const MAX_PARAMETERS: usize = 64;

/// The most parameters of a search over several types, each counted for each type.
const MAX_READINGS: usize = 1024;

/// A name and a value, decoded.
pub(super) type Pair = (String, String);

/// Decodes a query string. Each name and value is decoded once; a `%` that is left after that, a
/// control character, or a name that needed decoding is how a second reader would be misled.
pub(super) fn decode(query: &str) -> Result<Vec<Pair>, Denial> {
    if query.is_empty() {
        return Ok(Vec::new());
    }
    let mut pairs = Vec::new();
    for part in query.split('&') {
        let (name, value) = part.split_once('=').ok_or(Denial::Request("query"))?;
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
        check_number(&pairs)?;
    }
    Ok(pairs)
}

/// Refuses more parameters than a query may have.
pub(super) fn check_number(pairs: &[Pair]) -> Result<(), Denial> {
    match pairs.len() > MAX_PARAMETERS {
        true => Err(Denial::Request("query")),
        false => Ok(()),
    }
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

/// The query of an operation: parameters of these names, each once.
pub(super) fn named(
    pairs: Vec<Pair>,
    is_named: impl Fn(&str) -> bool,
) -> Result<Vec<Pair>, Denial> {
    let (mut control, mut page) = (Control::default(), Search::default());
    let mut kept: Vec<Pair> = Vec::new();
    for pair in pairs {
        if control.take(&pair)? {
            continue;
        }
        let (name, value) = &pair;
        if !is_named(name) {
            return Err(Denial::NotSupported("parameter"));
        }
        if kept.iter().any(|(known, _)| known == name) {
            return Err(Denial::Request("repeated-parameter"));
        }
        if name == "_since" && !values::is_date(value) {
            return Err(Denial::Request("date"));
        }
        let paging = paging(&mut page, &pair)?;
        let count = page.count.filter(|_| paging && pair.0 == "_count");
        kept.push(match count {
            Some(count) => (pair.0, count.to_string()),
            None => pair,
        });
    }
    Ok(kept)
}

/// The query of a search over several types, at least one: understood of each of them, and as the same.
pub(super) fn search_all(
    types: &[ResourceType],
    pairs: &[Pair],
    base: &BaseUrl,
) -> Result<Search, Denial> {
    let (first, others) = types.split_first().ok_or(Denial::Request("type"))?;
    if pairs.len().saturating_mul(types.len()) > MAX_READINGS {
        return Err(Denial::Request("query"));
    }
    let found = search(*first, pairs, base)?;
    let written = found.query();
    for other in others {
        if search(*other, pairs, base)?.query() != written {
            return Err(Denial::NotSupported("parameter"));
        }
    }
    Ok(found)
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
