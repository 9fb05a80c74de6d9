//! The parts of a Bundle, each rebuilt from what it is known to hold.

use std::borrow::Cow;

use super::membership::last_instance;
use super::resource::{Screened, id_of, screen};
use super::{BundleKind, Cover, Fault};
use crate::fhir::{ResourceType, is_id};
use crate::json::{Kind, Node, quote_into};
use crate::request::weak_tag;

/// What an entry has around its resource, in bytes; it may be more.
const AROUND: usize = 256;

/// What became of an entry.
pub(super) enum Entry {
    /// It leaves in this form.
    Kept { text: String, redacted: bool },
    /// It goes whole: a stub would tell that there was something.
    Removed,
}

/// The restriction on a Bundle's entries.
pub(super) struct Rule<'a> {
    pub cover: &'a Cover,
    pub kind: BundleKind,
    pub resource_type: ResourceType,
    pub id: Option<&'a str>,
}

impl Rule<'_> {
    /// Decides on one entry of the document `source`.
    pub fn entry(&self, source: &str, entry: Node<'_>) -> Result<Entry, Fault> {
        if entry.kind() != Kind::Object {
            return Err(Fault::Uninspectable("an entry of the bundle is no object"));
        }
        let Some(resource) = entry.get("resource") else {
            return Ok(self.without_resource(entry));
        };
        let name = resource.get("resourceType").and_then(|name| name.str());
        let Some(name) = name else {
            return Err(Fault::Uninspectable(
                "an entry of the bundle has a resource without a resourceType",
            ));
        };
        let mode = entry.get("search").and_then(|search| search.get("mode"));
        let outcome = mode.is_some_and(|mode| mode.is_str("outcome"));
        if name != self.resource_type.name() || outcome {
            return Ok(Entry::Removed);
        }
        let id = id_of(resource)?;
        if self.kind == BundleKind::History && id.is_none() {
            return Err(Fault::Uninspectable("a version in the history has no id"));
        }
        if self.id.is_some() && id.as_deref() != self.id {
            return Ok(Entry::Removed);
        }
        let Some(screened) = screen(source, resource, self.cover)? else {
            return Ok(Entry::Removed);
        };
        Ok(self.rebuild(entry, id.as_deref(), Some(screened)))
    }

    /// The deletion in a history is such an entry; nothing tells whose it was.
    fn without_resource(&self, entry: Node<'_>) -> Entry {
        let method = entry
            .get("request")
            .and_then(|request| request.get("method"));
        let deleted = method.is_some_and(|method| method.is_str("DELETE"));
        if self.kind != BundleKind::History || self.cover.patient.is_some() || !deleted {
            return Entry::Removed;
        }
        let url = entry.get("request").and_then(|request| request.get("url"));
        let named = [entry.get("fullUrl"), url]
            .into_iter()
            .flatten()
            .find_map(|url| {
                // A relative URL gets a root, so that both forms are read alike.
                let url = format!("/{}", url.str()?);
                let (resource_type, id) = last_instance(&url)?;
                (resource_type == self.resource_type).then(|| id.to_owned())
            });
        match named {
            Some(id) if self.id.is_none_or(|expected| expected == id) => {
                self.rebuild(entry, Some(&id), None)
            }
            _ => Entry::Removed,
        }
    }

    fn rebuild(&self, entry: Node<'_>, id: Option<&str>, screened: Option<Screened<'_>>) -> Entry {
        let length = screened.as_ref().map_or(0, |screened| screened.text.len());
        let mut out = Object(String::with_capacity(length + AROUND));
        if let Some(url) = self.full_url(entry, id) {
            out.string("fullUrl", &url);
        }
        let redacted = screened.as_ref().is_some_and(|screened| screened.redacted);
        if let Some(screened) = screened {
            out.raw("resource", &screened.text);
        }
        match (self.kind, id) {
            (BundleKind::Searchset, _) => search(entry, &mut out),
            (BundleKind::History, Some(id)) => self.history(entry, id, &mut out),
            (BundleKind::History, None) => {}
        }
        let text = out.close();
        Entry::Kept { text, redacted }
    }

    fn full_url<'e>(&self, entry: Node<'e>, id: Option<&str>) -> Option<Cow<'e, str>> {
        let own = entry.get("fullUrl").and_then(|url| url.str());
        let urn = own.filter(|url| {
            let rest = url.strip_prefix("urn:uuid:");
            rest.is_some_and(|uuid| uuid.len() == 36 && is_id(uuid))
        });
        match urn {
            Some(urn) => Some(urn),
            // Not formatted: there is one in every entry.
            None => id.map(|id| {
                let parts = [&self.cover.base, "/", self.resource_type.name(), "/", id];
                Cow::Owned(parts.concat())
            }),
        }
    }

    fn history(&self, entry: Node<'_>, id: &str, out: &mut Object) {
        let instance = format!("{}/{id}", self.resource_type);
        let method = text(entry, "request", "method")
            .filter(|method| matches!(method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE"));
        if let Some(method) = method {
            let mut request = Object::default();
            request.string("method", &method);
            request.string("url", &instance);
            out.raw("request", &request.close());
        }
        let mut response = Object::default();
        if let Some(status) = text(entry, "response", "status").and_then(|text| status(&text)) {
            response.string("status", &status);
        }
        let version = text(entry, "response", "location").and_then(|url| {
            let version = url.rsplit_once("/_history/")?.1;
            is_id(version).then(|| version.to_owned())
        });
        if let Some(version) = version {
            let base = &self.cover.base;
            response.string("location", &format!("{base}/{instance}/_history/{version}"));
        }
        let etag = text(entry, "response", "etag").and_then(|etag| weak_tag(etag.as_bytes()));
        if let Some(etag) = etag {
            response.string("etag", &etag);
        }
        let modified = text(entry, "response", "lastModified").filter(|at| is_instant(at));
        if let Some(modified) = modified {
            response.string("lastModified", &modified);
        }
        if !response.is_empty() {
            out.raw("response", &response.close());
        }
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
            "next" | "previous" | "prev" => (cover.links)(&url).or_else(|| {
                // A client that follows it is told; without it, it would believe it has all.
                Some(format!("{}/{resource_type}?_page=unavailable", cover.base))
            }),
            "first" => (cover.links)(&url),
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
    let mut out = Object::default();
    out.string("lastUpdated", &updated);
    Some(out.close())
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

fn search(entry: Node<'_>, out: &mut Object) {
    let Some(search) = entry.get("search") else {
        return;
    };
    let mut kept = Object::default();
    let mode = search.get("mode").and_then(|mode| mode.str());
    if let Some(mode) = mode.filter(|mode| matches!(mode.as_ref(), "match" | "include")) {
        kept.string("mode", &mode);
    }
    let score = search
        .get("score")
        .filter(|score| score.kind() == Kind::Number);
    if let Some(score) = score.filter(|score| score.raw().len() <= 20) {
        kept.raw("score", score.raw());
    }
    if !kept.is_empty() {
        out.raw("search", &kept.close());
    }
}

fn own_link(cover: &Cover) -> String {
    link_text("self", &cover.self_link)
}

fn link_text(relation: &str, url: &str) -> String {
    let mut link = Object::default();
    link.string("relation", relation);
    link.string("url", url);
    link.close()
}

fn text(entry: Node<'_>, part: &str, name: &str) -> Option<String> {
    let text = entry.get(part)?.get(name)?.str()?;
    Some(text.into_owned())
}

/// The three digits of a status; the words behind them are the upstream's own.
fn status(text: &str) -> Option<String> {
    let (code, rest) = (text.get(..3)?, text.get(3..)?);
    let digits = code.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (rest.is_empty() || rest.starts_with(' '))).then(|| code.to_owned())
}

/// A JSON object under construction.
#[derive(Default)]
struct Object(String);

impl Object {
    fn string(&mut self, name: &str, value: &str) {
        self.name(name);
        quote_into(&mut self.0, value);
    }

    fn raw(&mut self, name: &str, value: &str) {
        self.name(name);
        self.0.push_str(value);
    }

    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        quote_into(&mut self.0, name);
        self.0.push(':');
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn close(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('{');
        }
        self.0.push('}');
        self.0
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
            assert_eq!(status(text).as_deref(), expected, "{text}");
        }
    }
}
