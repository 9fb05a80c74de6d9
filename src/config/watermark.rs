//! `watermark`: which resources say to whom they went.

use super::conditions::Conditions;
use super::mistakes::Mistakes;
use super::policy::URL;
use super::reader::{Node, Object, or};
use super::secrets::Secrets;
use crate::cel::Condition;
use crate::response::Watermarking;

/// Resources that leave unmarked.
const ABOVE: u32 = 100_000;

/// Reads the section: how resources are marked, and when; neither where there is none.
pub(super) fn read(
    document: &mut Object<'_>,
    secrets: Option<&Secrets>,
    conditions: &Conditions,
    m: &mut Mistakes,
) -> Option<(Option<Watermarking>, Option<Condition>)> {
    let Some(node) = document.optional("watermark") else {
        return Some((None, None));
    };
    let mut object = node.object("an object with system", m)?;
    let system = object.required("system", SYSTEM, m);
    let system = system.and_then(|node| system_of(&node, m));
    let above = or(object.optional("above"), 0, |node| {
        node.integer(0..=ABOVE, m)
    });
    let when = or(object.optional("when"), None, |node| {
        conditions.read(node, m).map(Some)
    });
    object.finish(m);
    let (system, above, when) = (system?, above?, when?);
    // What is wrong with the secrets is said there.
    match &secrets?.watermark_key {
        Some(key) => {
            let watermarking = Watermarking {
                system: system.into(),
                key: key.clone(),
                above,
            };
            Some((Some(watermarking), when))
        }
        None => node.refuse("secrets.watermark_key beside it", "no such key", m),
    }
}

const SYSTEM: &str =
    "a URL of your own that begins with https://, http:// or urn:, by which nothing else is tagged";

fn system_of<'a>(node: &Node<'a>, m: &mut Mistakes) -> Option<&'a str> {
    let text = node.text(SYSTEM, 1..=URL, m)?;
    let rest = ["https://", "http://", "urn:"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'<' | b'>');
    let of_standard = text.starts_with("http://terminology.hl7.org/");
    let holds = rest.is_some_and(|rest| !rest.is_empty()) && text.bytes().all(plain);
    node.check(holds && !of_standard, SYSTEM, m)?;
    Some(text)
}
