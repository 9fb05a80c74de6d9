//! A FHIR AuditEvent in a line, to what it says of a chain. Servers write them anew, so it is read as JSON and not by
//! its bytes, and nothing vouches for it: see the pages docs/audit.md and docs/audit-events.md.

use fhir_guard::json::{Document, Limits, Node};
use memchr::memmem;
use time::OffsetDateTime;
use time::UtcOffset;
use time::format_description::well_known::Rfc3339;

use super::{BEGINNING, Cursor, Fact, Id, Time};

/// What stands in every line that is one.
const TYPE: &[u8] = br#""AuditEvent""#;

/// What the line says where it is an AuditEvent; `None` where it is something else.
pub(super) fn read(line: &[u8]) -> Option<Fact> {
    let line = line.trim_ascii();
    if !line.starts_with(b"{") || memmem::find(line, TYPE).is_none() {
        return None;
    }
    let Ok(document) = Document::parse(line, &Limits::default()) else {
        // A record may stand at the end of a line that begins as this.
        let is_other = memmem::find(line, br#""resourceType""#).is_none()
            || memmem::find(line, BEGINNING).is_some();
        return (!is_other).then_some(Fact::Malformed("an AuditEvent in JSON, no key twice"));
    };
    let event = document.root();
    let of_type = event.get("resourceType")?;
    if of_type.is_str("Bundle") {
        return Some(Fact::Malformed("an AuditEvent in each line, no Bundle"));
    }
    if !of_type.is_str("AuditEvent") {
        return None;
    }
    Some(told(event).unwrap_or_else(Fact::Malformed))
}

fn told(event: Node<'_>) -> Result<Fact, &'static str> {
    let entities = event.get("entity").into_iter();
    let entities = entities.flat_map(|entities| entities.items());
    let details = entities
        .filter(|entity| {
            entity
                .get("name")
                .is_some_and(|name| name.is_str("exchange"))
        })
        .filter_map(|entity| entity.get("detail"))
        .flat_map(|details| details.items());
    let (mut chain, mut ticket) = (None, None);
    for detail in details {
        let name = detail.get("type");
        let is = |text| name.is_some_and(|name| name.is_str(text));
        let place = match (is("chain"), is("ticket")) {
            (true, _) => &mut chain,
            (_, true) => &mut ticket,
            _ => continue,
        };
        if place.replace(detail).is_some() {
            return Err("one chain and one ticket in an AuditEvent");
        }
    }
    // That of somebody else, or in no chain.
    let Some(chain) = chain else {
        return Ok(Fact::Other);
    };
    let id: Id = whole(Some(chain), "the id of the chain", |cursor, what| {
        cursor.hex(what)
    })?;
    let ticket = whole(ticket, "a ticket", |cursor, what| cursor.number(what))?;
    let is = |name, text| event.get(name).is_some_and(|found| found.is_str(text));
    let is_over = match event.get("outcome") {
        None if is("outcomeDesc", "announced") => false,
        Some(_) if ["0", "4", "8", "12"].iter().any(|code| is("outcome", code)) => true,
        _ => return Err("an outcome, or that the exchange is announced"),
    };
    let began = event.get("period").and_then(|period| period.get("start"));
    let time = began.and_then(|began| time(&began.str()?));
    Ok(Fact::Event {
        id,
        ticket,
        time,
        is_over,
    })
}

/// The text of a detail, all of which is this.
fn whole<T>(
    detail: Option<Node<'_>>,
    what: &'static str,
    read: impl FnOnce(&mut Cursor<'_>, &'static str) -> Result<T, &'static str>,
) -> Result<T, &'static str> {
    let text = detail.and_then(|detail| detail.get("valueString")?.str());
    let text = text.ok_or(what)?;
    let mut cursor = Cursor {
        rest: text.as_bytes(),
    };
    let value = read(&mut cursor, what)?;
    cursor.rest.is_empty().then_some(value).ok_or(what)
}

/// A time in any form that FHIR has for an instant, as records have it.
fn time(text: &str) -> Option<Time> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let time = time.checked_to_offset(UtcOffset::UTC)?;
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second, milli) = time.to_hms_milli();
    let month = u8::from(month);
    let text =
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z");
    text.into_bytes().try_into().ok()
}
