//! `fhir.search`: how searches may be asked.

use super::mistakes::Mistakes;
use super::reader::{Node, each, or};
use super::rules::resource_type;
use crate::fhir::{SearchKind, SearchParameter, search_parameter};
use crate::request::{DateRange, Inclusion, MAX_COUNT, SearchPolicy};

/// The most values of one search that can be allowed.
const VALUES: u32 = 4096;

/// Inclusions, or hops of chains, that can be allowed, in each direction.
const INCLUSIONS: usize = 64;

/// The most inclusions of one search that can be allowed to iterate.
const ITERATING: u32 = 3;

/// Types that are searched within dates.
const RANGES: usize = 64;

/// Parameters of one of them.
const PARAMETERS: usize = 8;

/// The most days of one search: a hundred years.
const DAYS: u32 = 36_525;

pub(super) fn read(node: &Node<'_>, m: &mut Mistakes) -> Option<SearchPolicy> {
    let mut object = node.object("an object such as { max_count: 100 }", m)?;
    let default = SearchPolicy::default();
    let max_count = or(object.optional("max_count"), default.max_count, |node| {
        node.integer(1..=MAX_COUNT, m)
    });
    let most = max_count.unwrap_or(MAX_COUNT);
    let default_count = or(object.optional("default_count"), None, |node| {
        node.integer(1..=most, m).map(Some)
    });
    let max_values = or(object.optional("max_values"), default.max_values, |node| {
        usize::try_from(node.integer(1..=VALUES, m)?).ok()
    });
    let contains = or(object.optional("contains"), default.contains, |node| {
        node.bool(m)
    });
    let date_ranges = or(object.optional("date_ranges"), Vec::new(), |node| {
        let items = node.list("types and their dates", 0..=RANGES, m)?;
        each(&items, |item| date_range(item, m))
    });
    let include = or(object.optional("include"), Vec::new(), |node| {
        inclusions(node, false, m)
    });
    let revinclude = or(object.optional("revinclude"), Vec::new(), |node| {
        inclusions(node, true, m)
    });
    let iterate = or(object.optional("iterate"), default.iterate, |node| {
        usize::try_from(node.integer(0..=ITERATING, m)?).ok()
    });
    let chains = or(object.optional("chains"), Vec::new(), |node| {
        inclusions(node, false, m)
    });
    let has = or(object.optional("has"), Vec::new(), |node| {
        inclusions(node, true, m)
    });
    object.finish(m);
    let (mut include, mut chains) = (include?, chains?);
    include.extend(revinclude?);
    chains.extend(has?);
    Some(SearchPolicy {
        include,
        iterate: iterate?,
        chains,
        default_count: default_count?,
        max_count: max_count?,
        max_values: max_values?,
        contains: contains?,
        date_ranges: date_ranges?,
        trusted_total: false,
    })
}

/// `Source:parameter` or `Source:parameter:Target`.
fn inclusions(node: &Node<'_>, reverse: bool, m: &mut Mistakes) -> Option<Vec<Inclusion>> {
    let items = node.list("references", 0..=INCLUSIONS, m)?;
    each(&items, |item| {
        let expected =
            "a reference such as Observation:subject or Observation:performer:Practitioner";
        let text = item.text(expected, 1..=192, m)?;
        match Inclusion::parse(reverse, text) {
            Some(found) if found.types().iter().any(|of| of.is_container()) => item.refuse(
                "a reference to what carries no other resources",
                "another",
                m,
            ),
            Some(found) => Some(found),
            None => item.refuse(expected, "other text", m),
        }
    })
}

fn date_range(node: &Node<'_>, m: &mut Mistakes) -> Option<DateRange> {
    let mut object = node.object("an object with resource, parameters and days", m)?;
    let of = object.required("resource", "a FHIR R4 resource type", m);
    let of = of.and_then(|node| resource_type(&node, m));
    let parameters = object.required("parameters", "names of search parameters", m);
    let parameters = parameters.and_then(|node| {
        let items = node.list("names of search parameters", 1..=PARAMETERS, m)?;
        // Whose parameters they are is said first.
        let of = of?;
        each(&items, |item| {
            let expected = "a search parameter of this type whose values are dates";
            let name = item.text(expected, 1..=64, m)?;
            let found = search_parameter(of, name);
            let dates = |found: &SearchParameter| found.kind() == SearchKind::Date;
            match found.filter(dates) {
                Some(found) => Some(found),
                None => item.refuse(expected, "another name", m),
            }
        })
    });
    let days = object.required("days", "a whole number of days", m);
    let days = days.and_then(|node| node.integer(1..=DAYS, m));
    object.finish(m);
    Some(DateRange {
        resource_type: of?,
        parameters: parameters?,
        days: days?,
    })
}
