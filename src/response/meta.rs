//! What a resource says of itself in `meta` where it is not whole.

use super::Fault;
use super::edit::Edits;
use crate::json::{Kind, Node};

/// The code system of what was done to a resource
/// (<https://terminology.hl7.org/CodeSystem-v3-ObservationValue.html>).
const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

/// A Coding that the filter sets.
#[derive(Clone, Copy)]
pub(super) struct Coding<'c> {
    pub system: &'c str,
    pub code: &'c str,
    /// As JSON.
    pub text: &'c str,
}

macro_rules! observation {
    ($code:literal) => {
        Coding {
            system: SYSTEM,
            code: $code,
            text: concat!(
                r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":""#,
                $code,
                r#""}"#
            ),
        }
    };
}

/// The resource is a part of what there is: it must not be written back
/// (<https://hl7.org/fhir/R4/search.html#elements>).
pub(super) const SUBSETTED: Coding<'static> = observation!("SUBSETTED");

/// By its definition: a portion that may not be disclosed was filtered out and is not in the content. That is
/// so for whatever the filter hides, what it masks too; by that of `SUBSETTED` this is the code for reasons of
/// security. Both are security labels of R4 (<https://hl7.org/fhir/R4/valueset-security-labels.html>).
pub(super) const REDACTED: Coding<'static> = observation!("REDACTED");

/// By its definition: a portion was made unintelligible, and may be had by whoever is authorised. It says that
/// something else stands in the place of a value, and never stands without [`REDACTED`]: alone it would say
/// that there is a key to what is in the content.
pub(super) const MASKED: Coding<'static> = observation!("MASKED");

/// Adds labels and tags to those of a resource, where everything else keeps its bytes. What is there already is
/// not added again.
pub(super) fn add(
    root: Node<'_>,
    labels: &[Coding<'_>],
    tags: &[Coding<'_>],
    edits: &mut Edits,
) -> Result<(), Fault> {
    let lists = [("security", labels), ("tag", tags)];
    let Some(meta) = root.get("meta") else {
        let before = root.get("id").or_else(|| root.get("resourceType"));
        let at = before.map_or(root.span().start + 1, |node| node.span().end);
        let mut text = r#","meta":{"#.to_owned();
        for (name, codings) in lists {
            begin(name, codings, false, &mut text);
        }
        text.push('}');
        edits.insert(at, text);
        return Ok(());
    };
    // It would go as a narrative, and perhaps take what is added with it.
    if meta
        .all_named("text")
        .any(|text| text.kind() == Kind::Object)
    {
        return Err(Fault::Uninspectable("an object named text stands in meta"));
    }
    let last = meta.members().last();
    let mut new = String::new();
    for (name, codings) in lists {
        match meta.get(name) {
            None => begin(name, codings, last.is_some(), &mut new),
            Some(list) => extend(list, name, codings, edits)?,
        }
    }
    if !new.is_empty() {
        let at = last.map_or(meta.span().start + 1, |member| member.value.span().end);
        edits.insert(at, new);
    }
    Ok(())
}

/// Writes a list that was not there, behind a member where there is one.
fn begin(name: &str, codings: &[Coding<'_>], behind: bool, out: &mut String) {
    if codings.is_empty() {
        return;
    }
    if behind || !(out.is_empty() || out.ends_with('{')) {
        out.push(',');
    }
    out.push('"');
    out.push_str(name);
    out.push_str("\":[");
    join(codings.iter(), out);
    out.push(']');
}

/// Goes on with a list that is there.
fn extend(
    list: Node<'_>,
    name: &str,
    codings: &[Coding<'_>],
    edits: &mut Edits,
) -> Result<(), Fault> {
    if codings.is_empty() {
        return Ok(());
    }
    if list.kind() != Kind::Array {
        return Err(Fault::Uninspectable(match name {
            "tag" => "meta.tag is no array",
            _ => "meta.security is no array",
        }));
    }
    let is = |coding: Node<'_>, name: &str, text: &str| {
        coding.get(name).is_some_and(|value| value.is_str(text))
    };
    let known = |own: &&Coding<'_>| {
        let same = |coding| is(coding, "system", own.system) && is(coding, "code", own.code);
        list.items().any(same)
    };
    let mut missing = codings.iter().filter(|own| !known(own)).peekable();
    if missing.peek().is_none() {
        return Ok(());
    }
    let mut text = String::new();
    let last = list.items().last();
    if last.is_some() {
        text.push(',');
    }
    join(missing, &mut text);
    let at = last.map_or(list.span().start + 1, |item| item.span().end);
    edits.insert(at, text);
    Ok(())
}

fn join<'c>(codings: impl Iterator<Item = &'c Coding<'c>>, out: &mut String) {
    for (place, coding) in codings.enumerate() {
        if place > 0 {
            out.push(',');
        }
        out.push_str(coding.text);
    }
}
