//! The query of a request: decoded once, understood wholly, written again in one form.

use super::search::{Direction, MAX_ELEMENTS, MAX_VALUE, Parameter, Search, Summary};
use super::{FhirPolicy, Inclusion, UserAccess, chain, modifiers, values};
use crate::denial::Denial;
use crate::fhir::{self, Compartment, ResourceType, SearchKind, SearchParameter, search_parameter};

/// The largest `_offset`.
const MAX_OFFSET: u32 = 1_000_000;

/// The longest `_type`, in bytes after decoding.
const MAX_TYPES: usize = 2560;

/// The most parameters in one query.
pub(super) const MAX_PARAMETERS: usize = 64;

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
        // All types have room there: an export of all but a few is asked for by a list.
        let most = if name == "_type" {
            MAX_TYPES
        } else {
            MAX_VALUE
        };
        pairs.push((name.to_owned(), decode_value(value, most)?));
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
pub(super) fn page(pairs: &[Pair], policy: &FhirPolicy) -> Result<Search, Denial> {
    let mut search = Search::default();
    let mut control = Control::default();
    for pair in pairs {
        if control.take(pair)? || paging(&mut search, pair, policy)? {
            continue;
        }
        match pair.0.as_str() {
            "_since" if search.since.is_none() && values::is_date(&pair.1) => {
                search.since = Some(pair.1.clone())
            }
            _ => return Err(Denial::NotSupported("parameter")),
        }
    }
    search.count = search.count.or(policy.search.default_count);
    Ok(search)
}

/// The query of an operation: parameters of these names, each once.
pub(super) fn named(
    pairs: Vec<Pair>,
    is_named: impl Fn(&str) -> bool,
    policy: &FhirPolicy,
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
        let paging = paging(&mut page, &pair, policy)?;
        let count = page.count.filter(|_| paging && pair.0 == "_count");
        kept.push(match count {
            Some(count) => (pair.0, count.to_string()),
            None => pair,
        });
    }
    Ok(kept)
}

/// The query of a search of these types, at least one: understood of each of them, and as the same.
pub(super) fn search(
    types: &[ResourceType],
    pairs: &[Pair],
    policy: &FhirPolicy,
) -> Result<Search, Denial> {
    if pairs.len().saturating_mul(types.len()) > MAX_READINGS {
        return Err(Denial::TooCostly("types".into()));
    }
    let elements = asked_elements(types, pairs)?;
    let mut found: Option<Search> = None;
    for resource_type in types {
        let own = search_of(*resource_type, types, pairs, &elements, policy)?;
        policy.search.check_cost(*resource_type, &own)?;
        match &found {
            None => found = Some(own),
            Some(first) if !first.is_read_as(&own) => {
                return Err(Denial::NotSupported("parameter"));
            }
            Some(_) => {}
        }
    }
    let mut search = found.ok_or(Denial::Request("type"))?;
    search.count = search.count.or(policy.search.default_count);
    Ok(search)
}

/// The query of a condition: what selects, as it stands, and nothing else.
pub(super) fn condition(
    resource_type: ResourceType,
    pairs: &[Pair],
    policy: &FhirPolicy,
) -> Result<Search, Denial> {
    let found = search_of(resource_type, &[resource_type], pairs, &[], policy)?;
    let selects = Search {
        parameters: found.parameters.clone(),
        ..Search::default()
    };
    let plain = |own: &Parameter| own.modifier.is_none() && own.path.is_empty();
    let plain = found.parameters.iter().all(plain);
    match !found.parameters.is_empty() && plain && selects == found {
        true => Ok(found),
        false => Err(Denial::NotSupported("parameter")),
    }
}

/// The query as one of this type, which is one of several; `elements` are those of `_elements`.
fn search_of(
    resource_type: ResourceType,
    types: &[ResourceType],
    pairs: &[Pair],
    elements: &[String],
    policy: &FhirPolicy,
) -> Result<Search, Denial> {
    let mut search = Search::default();
    let mut control = Control::default();
    let mut iterating = Vec::new();
    for pair in pairs {
        if control.take(pair)? || paging(&mut search, pair, policy)? {
            continue;
        }
        let (name, value) = pair;
        let doubled = || Denial::Request("repeated-parameter");
        match name.as_str() {
            "_sort" if !search.sort.is_empty() => return Err(doubled()),
            "_sort" => search.sort = sort(resource_type, value)?,
            "_elements" if !search.elements.is_empty() => return Err(doubled()),
            "_elements" if elements.is_empty() => return Err(Denial::NotSupported("elements")),
            "_elements" => search.elements = elements.to_vec(),
            "_include" | "_revinclude" => {
                let allowed = &policy.search.include;
                let asked = Inclusion::read(name == "_revinclude", value, types, allowed)?;
                if search.include.contains(&asked) {
                    return Err(doubled());
                }
                search.include.push(asked);
            }
            "_include:iterate" => iterating.push((false, value.as_str())),
            "_revinclude:iterate" => iterating.push((true, value.as_str())),
            "_summary" if control.summary => return Err(doubled()),
            "_summary" => {
                control.summary = true;
                search.summary = summary(value)?;
            }
            "_total" if control.total => return Err(doubled()),
            "_total" => {
                control.total = true;
                search.total = total(value)?;
            }
            _ => {
                let parameter = match (chain::is_chained(name), types) {
                    (false, _) => parameter(resource_type, name, value, policy)?,
                    // Of several types each would go another way.
                    (true, [only]) => chain::read(*only, name, value, policy)?,
                    (true, _) => return Err(Denial::NotSupported("parameter")),
                };
                check_once(&search, &parameter, policy)?;
                search.parameters.push(parameter);
            }
        }
    }
    Inclusion::read_iterating(iterating, types, &policy.search, &mut search.include)?;
    // Which of the two counts is up to the server.
    if !search.elements.is_empty() && search.summary.is_some() {
        return Err(Denial::Request("summary"));
    }
    // Of what is sent along other elements would be needed.
    if !search.elements.is_empty() && !search.include.is_empty() {
        return Err(Denial::NotSupported("elements"));
    }
    Ok(search)
}

/// One parameter that selects.
fn parameter(
    resource_type: ResourceType,
    name: &str,
    value: &str,
    policy: &FhirPolicy,
) -> Result<Parameter, Denial> {
    let (name, modifier) = match name.split_once(':') {
        Some((name, modifier)) => (name, Some(modifier)),
        None => (name, None),
    };
    let definition = search_parameter(resource_type, name)
        .filter(|definition| values::are_understood(*definition))
        .ok_or(Denial::NotSupported("parameter"))?;
    let Some(modifier) = modifier else {
        return Ok(Parameter {
            path: Vec::new(),
            definition,
            modifier: None,
            values: values::read(definition, value, &policy.base)?,
        });
    };
    modifiers::read(resource_type, definition, modifier, value, policy)
}

/// A repetition means *and* to one server, the first or the last to another: where that decides whose data
/// is meant, it is refused.
fn check_once(search: &Search, parameter: &Parameter, policy: &FhirPolicy) -> Result<(), Denial> {
    let definition = parameter.definition;
    let owns = |of: ResourceType| match Compartment::of(of) {
        Some(Compartment::Patient) => true,
        Some(Compartment::Practitioner) => policy.user_access == UserAccess::Compartment,
        None => false,
    };
    let once =
        definition.targets().any(owns) || definition.name() == "_id" || !parameter.path.is_empty();
    let same = |known: &Parameter| (&known.path, known.definition) == (&parameter.path, definition);
    match once && search.parameters.iter().any(same) {
        true => Err(Denial::Request("repeated-parameter")),
        false => Ok(()),
    }
}

/// The root elements of `_elements` by name, each of one of the types at least; of a choice without the
/// type. Read once for all types: there are as many as names times elements of all of them to look at.
fn asked_elements(types: &[ResourceType], pairs: &[Pair]) -> Result<Vec<String>, Denial> {
    let mut found: Vec<String> = Vec::new();
    let Some((_, value)) = pairs.iter().find(|(name, _)| name == "_elements") else {
        return Ok(found);
    };
    for name in value.split(',') {
        if found.iter().any(|known| known == name) {
            continue;
        }
        let has = |of: &ResourceType| fhir::elements(*of).any(|element| element == name);
        if found.len() == MAX_ELEMENTS || !types.iter().any(has) {
            return Err(Denial::NotSupported("elements"));
        }
        found.push(name.to_owned());
    }
    Ok(found)
}

fn summary(value: &str) -> Result<Option<Summary>, Denial> {
    match value {
        "count" => Ok(Some(Summary::Count)),
        "data" => Ok(Some(Summary::Data)),
        "text" => Ok(Some(Summary::Text)),
        "true" => Ok(Some(Summary::True)),
        "false" => Ok(None),
        _ => Err(Denial::Request("summary")),
    }
}

fn total(value: &str) -> Result<Option<&'static str>, Denial> {
    match value {
        "accurate" => Ok(Some("accurate")),
        "estimate" => Ok(Some("estimate")),
        "none" => Ok(None),
        _ => Err(Denial::Request("total")),
    }
}

fn decode_value(text: &str, most: usize) -> Result<String, Denial> {
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
    if value.len() > most || value.chars().any(char::is_control) || value.contains('%') {
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

fn paging(search: &mut Search, (name, value): &Pair, policy: &FhirPolicy) -> Result<bool, Denial> {
    let (slot, most) = match name.as_str() {
        "_count" => (&mut search.count, policy.search.max_count),
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
    summary: bool,
    total: bool,
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
