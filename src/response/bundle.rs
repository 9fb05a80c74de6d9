//! The parts of a Bundle, each rebuilt from what it is known to hold.

use std::borrow::Cow;

use super::egress::Taken;
use super::resource::{Screened, id_of, screen};
use super::{BundleKind, Cover, Fault, Link};
use crate::access::{Granted, last_instance};
use crate::fhir::{ResourceType, is_id};
use crate::json::{Kind, Node, escape_into};
use crate::request::weak_tag;

/// An entry that may leave. Any other goes whole: a stub would tell that there was something.
pub(super) struct Kept<'d> {
    entry: Node<'d>,
    resource_type: ResourceType,
    id: Option<Cow<'d, str>>,
    /// `None` for a deletion in a history.
    resource: Option<Screened<'d>>,
}

impl<'d> Kept<'d> {
    /// What it is to guardrails.
    pub fn taken(&self) -> Taken<'d> {
        match (self.entry.get("resource"), &self.id) {
            (Some(resource), _) => Taken::Resource(self.resource_type, resource),
            // Without an id no deletion is kept.
            (None, id) => {
                Taken::Deletion(self.resource_type, id.as_deref().unwrap_or_default().into())
            }
        }
    }

    /// Whether something was removed from its resource, or masked.
    pub fn redacted(&self) -> bool {
        self.resource
            .as_ref()
            .is_some_and(|resource| resource.redacted)
    }
}

/// The restriction on a Bundle's entries.
pub(super) struct Rule<'a> {
    pub cover: &'a Cover,
    pub kind: BundleKind,
    pub resource_type: ResourceType,
    pub id: Option<&'a str>,
    /// What [`head`] makes of it.
    pub head: &'a str,
}

/// What an entry begins with, up to the type of its resource.
pub(super) fn head(cover: &Cover) -> String {
    let mut head = "{\"fullUrl\":\"".to_owned();
    escape_into(&mut head, &cover.base);
    head.push('/');
    head
}

impl Rule<'_> {
    /// The type of this name, where the answer may hold any of it, and what.
    fn granted(&self, is_name: impl Fn(&str) -> bool) -> Option<(ResourceType, &Granted)> {
        if is_name(self.resource_type.name()) {
            return Some((self.resource_type, &self.cover.granted));
        }
        let mut others = self.cover.others.iter();
        let (resource_type, granted) = others.find(|(other, _)| is_name(other.name()))?;
        Some((*resource_type, granted))
    }

    /// Decides on one entry of the document `source`.
    pub fn entry<'d>(&self, source: &'d str, entry: Node<'d>) -> Result<Option<Kept<'d>>, Fault> {
        if entry.kind() != Kind::Object {
            return Err(Fault::Uninspectable("an entry of the bundle is no object"));
        }
        let Some(resource) = entry.get("resource") else {
            return Ok(self.without_resource(entry));
        };
        let named = resource.get("resourceType");
        let Some(name) = named.filter(|name| name.kind() == Kind::String) else {
            return Err(Fault::Uninspectable(
                "an entry of the bundle has a resource without a resourceType",
            ));
        };
        let mode = entry.get("search").and_then(|search| search.get("mode"));
        let outcome = mode.is_some_and(|mode| mode.is_str("outcome"));
        let within = self.cover.within(entry);
        let cover = within.as_deref().unwrap_or(self.cover);
        let own = Rule { cover, ..*self };
        let granted = own.granted(|own| name.is_str(own));
        let Some((resource_type, granted)) = granted.filter(|_| !outcome) else {
            return Ok(None);
        };
        let id = id_of(resource)?;
        if self.kind == BundleKind::History && id.is_none() {
            return Err(Fault::Uninspectable("a version in the history has no id"));
        }
        if self.id.is_some() && id.as_deref() != self.id {
            return Ok(None);
        }
        let screened = screen(source, resource, resource_type, granted, cover)?;
        Ok(screened.map(|screened| Kept {
            entry,
            resource_type,
            id,
            resource: Some(screened),
        }))
    }

    /// The deletion in a history is such an entry; nothing tells whose it was, nor of what kind.
    fn without_resource<'d>(&self, entry: Node<'d>) -> Option<Kept<'d>> {
        let method = entry
            .get("request")
            .and_then(|request| request.get("method"));
        let deleted = method.is_some_and(|method| method.is_str("DELETE"));
        if self.kind != BundleKind::History || self.cover.is_confined() || !deleted {
            return None;
        }
        let url = entry.get("request").and_then(|request| request.get("url"));
        let named = [entry.get("fullUrl"), url]
            .into_iter()
            .flatten()
            .find_map(|url| {
                // A relative URL gets a root, so that both forms are read alike.
                let url = format!("/{}", url.str()?);
                let (resource_type, id) = last_instance(&url)?;
                let (_, granted) = self.granted(|own| own == resource_type.name())?;
                granted.is_all().then(|| (resource_type, id.to_owned()))
            });
        let of_instance = |id: &str| self.id.is_none_or(|expected| expected == id);
        let (resource_type, id) = named.filter(|(_, id)| of_instance(id))?;
        Some(Kept {
            entry,
            resource_type,
            id: Some(Cow::Owned(id)),
            resource: None,
        })
    }

    /// Writes an entry anew, from what it is known to hold.
    pub fn write(&self, kept: Kept<'_>, out: &mut String) {
        let Kept {
            entry,
            resource_type,
            id,
            resource,
        } = kept;
        let own = entry.get("fullUrl").and_then(|url| url.str());
        let urn = own.filter(|url| {
            let rest = url.strip_prefix("urn:uuid:");
            rest.is_some_and(|uuid| uuid.len() == 36 && is_id(uuid))
        });
        // Neither an id nor a type nor such a URL needs escapes.
        let begun: &[&str] = match (&urn, &id) {
            (Some(urn), _) => &["{\"fullUrl\":\"", urn, "\""],
            (None, Some(id)) => &[self.head, resource_type.name(), "/", id, "\""],
            (None, None) => &["{"],
        };
        for part in begun {
            out.push_str(part);
        }
        let mut own = Object {
            begun: urn.is_some() || id.is_some(),
            out,
        };
        if let Some(resource) = resource {
            resource.write(own.name("resource"));
        }
        match (self.kind, id) {
            (BundleKind::Searchset, _) => search(entry, &mut own),
            (BundleKind::History, Some(id)) => {
                self.history(entry, resource_type.name(), &id, &mut own)
            }
            (BundleKind::History, None) => {}
        }
        own.end();
    }

    fn history(&self, entry: Node<'_>, resource_type: &str, id: &str, out: &mut Object<'_>) {
        let method = text(entry, "request", "method")
            .filter(|method| matches!(method.as_ref(), "POST" | "PUT" | "PATCH" | "DELETE"));
        if let Some(method) = method {
            let mut request = Object::begin(out.name("request"));
            request.string("method", &[&method]);
            request.string("url", &[resource_type, "/", id]);
            request.end();
        }
        let status = text(entry, "response", "status");
        let status = status.as_deref().and_then(status_code);
        let location = text(entry, "response", "location");
        let version = location.as_deref().and_then(|url| {
            let (_, version) = url.rsplit_once("/_history/")?;
            is_id(version).then_some(version)
        });
        let etag = text(entry, "response", "etag").and_then(|etag| weak_tag(etag.as_bytes()));
        let modified = text(entry, "response", "lastModified").filter(|at| is_instant(at));
        if status.is_none() && version.is_none() && etag.is_none() && modified.is_none() {
            return;
        }
        let mut response = Object::begin(out.name("response"));
        if let Some(status) = status {
            response.string("status", &[status]);
        }
        if let Some(version) = version {
            let base = &self.cover.base;
            let parts = [base, "/", resource_type, "/", id, "/_history/", version];
            response.string("location", &parts);
        }
        if let Some(etag) = etag {
            response.string("etag", &[&etag]);
        }
        if let Some(modified) = modified {
            response.string("lastModified", &[&modified]);
        }
        response.end();
    }
}

/// The links of a Bundle: `self` is the request that was decided on, paging links are those that
/// the same permit covers.
pub(super) fn links(links: Node<'_>, cover: &Cover, resource_type: ResourceType) -> String {
    let mut out = own_link(cover);
    let mut seen = Vec::new();
    for link in links.items() {
        let relation = link.get("relation").and_then(|relation| relation.str());
        let url = link.get("url").and_then(|url| url.str());
        let (Some(relation), Some(url)) = (relation, url) else {
            continue;
        };
        // One link a relation, whatever the upstream repeats.
        if seen.contains(&relation) {
            continue;
        }
        let page = match relation.as_ref() {
            "next" | "previous" | "prev" => (cover.links)(Link::Page(&url)).or_else(|| {
                // A client that follows it is told; without it, it would believe it has all.
                Some(format!("{}/{resource_type}?_page=unavailable", cover.base))
            }),
            "first" => (cover.links)(Link::Page(&url)),
            // `last` would tell with its offset what `total` told.
            _ => None,
        };
        if let Some(page) = page {
            out.push(',');
            out.push_str(&link_text(&relation, &page));
            seen.push(relation);
        }
    }
    format!("[{out}]")
}

/// The links of a Bundle that came without any.
pub(super) fn no_links(cover: &Cover) -> String {
    format!("[{}]", own_link(cover))
}

/// The `meta` of a Bundle: when it was last updated, if that is an instant.
pub(super) fn meta(meta: Node<'_>) -> Option<String> {
    let updated = meta.get("lastUpdated")?.str().filter(|at| is_instant(at))?;
    let mut out = String::new();
    let mut meta = Object::begin(&mut out);
    meta.string("lastUpdated", &[&updated]);
    meta.end();
    Some(out)
}

/// How many matches there are, where that is a number without sign, fraction and exponent.
pub(super) fn total(total: Node<'_>) -> Option<String> {
    let digits = total.raw().bytes().all(|byte| byte.is_ascii_digit());
    let number = total.kind() == Kind::Number && digits && total.raw().len() <= 10;
    number.then(|| total.raw().to_owned())
}

/// An instant: a date and a time to the second or better, with its zone
/// (<https://hl7.org/fhir/R4/datatypes.html#instant>). The form only: month 13 passes.
pub(super) fn is_instant(text: &str) -> bool {
    let shaped = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text
                .bytes()
                .zip(shape.bytes())
                .all(|(byte, shape)| match shape {
                    b'0' => byte.is_ascii_digit(),
                    other => byte == other,
                })
    };
    let (Some(start), Some(rest)) = (text.get(..19), text.get(19..)) else {
        return false;
    };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            let digits = fraction.len() - zone.len();
            if !(1..=9).contains(&digits) {
                return false;
            }
            zone
        }
        None => rest,
    };
    shaped(start, "0000-00-00T00:00:00")
        && (zone == "Z" || shaped(zone, "+00:00") || shaped(zone, "-00:00"))
}

fn search(entry: Node<'_>, out: &mut Object<'_>) {
    let Some(search) = entry.get("search") else {
        return;
    };
    let mode = search.get("mode");
    let mode = ["match", "include"]
        .into_iter()
        .find(|known| mode.is_some_and(|mode| mode.is_str(known)));
    let score = search
        .get("score")
        .filter(|score| score.kind() == Kind::Number && score.raw().len() <= 20);
    if mode.is_none() && score.is_none() {
        return;
    }
    let mut kept = Object::begin(out.name("search"));
    if let Some(mode) = mode {
        kept.string("mode", &[mode]);
    }
    if let Some(score) = score {
        kept.name("score").push_str(score.raw());
    }
    kept.end();
}

fn own_link(cover: &Cover) -> String {
    link_text("self", &cover.self_link)
}

fn link_text(relation: &str, url: &str) -> String {
    let mut out = String::new();
    let mut link = Object::begin(&mut out);
    link.string("relation", &[relation]);
    link.string("url", &[url]);
    link.end();
    out
}

pub(super) fn text<'d>(entry: Node<'d>, part: &str, name: &str) -> Option<Cow<'d, str>> {
    entry.get(part)?.get(name)?.str()
}

/// The three digits of a status; the words behind them are the upstream's own.
pub(super) fn status_code(text: &str) -> Option<&str> {
    let (code, rest) = (text.get(..3)?, text.get(3..)?);
    let digits = code.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (rest.is_empty() || rest.starts_with(' '))).then_some(code)
}

/// A JSON object that is being written.
pub(super) struct Object<'o> {
    out: &'o mut String,
    begun: bool,
}

impl<'o> Object<'o> {
    pub fn begin(out: &'o mut String) -> Object<'o> {
        out.push('{');
        Object { out, begun: false }
    }

    /// Begins a member, whose name must need no escapes; its value is to be written there.
    #[inline(always)]
    pub fn name(&mut self, name: &'static str) -> &mut String {
        self.out.push_str(if self.begun { ",\"" } else { "\"" });
        self.out.push_str(name);
        self.out.push_str("\":");
        self.begun = true;
        self.out
    }

    /// A member whose value is the string of these parts.
    pub fn string(&mut self, name: &'static str, parts: &[&str]) {
        let out = self.name(name);
        out.push('"');
        for part in parts {
            escape_into(out, part);
        }
        out.push('"');
    }

    pub fn end(self) {
        self.out.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_the_grammar_of_the_standard() {
        for (text, expected) in [
            ("2026-11-21T18:40:00Z", true),
            ("2026-11-21T18:40:00.123+01:00", true),
            ("2026-11-21T18:40:00-05:00", true),
            ("2026-11-21", false),
            ("2026-11-21T18:40Z", false),
            ("2026-11-21T18:40:00", false),
            ("2026-11-21T18:40:00.Z", false),
            ("2026-11-21T18:40:00.0123456789Z", false),
            ("2026-11-21T18:40:00ZZ", false),
            ("Jane Doe", false),
        ] {
            assert_eq!(is_instant(text), expected, "{text}");
        }
    }

    #[test]
    fn only_known_forms_of_a_status_pass() {
        for (text, expected) in [
            ("200", Some("200")),
            ("201 Created", Some("201")),
            ("2000", None),
            ("OK", None),
            ("", None),
        ] {
            assert_eq!(status_code(text), expected, "{text}");
        }
    }
}
