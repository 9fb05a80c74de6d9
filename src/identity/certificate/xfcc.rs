//! `x-forwarded-client-cert`, as Envoy writes and documents it: one element for each hop, the last
//! hop's last; in an element pairs of key and value.
//!
//! Grammar: elements are separated by commas, pairs by semicolons, key and value by the first equals
//! sign. A value with `,`, `;` or `=` in it is in double quotes, and a double quote in it is escaped
//! by a backslash. Where readers of this text differ, it is refused: whoever wrote a part of it may
//! have meant the difference.

use std::rc::Rc;

use super::{ForwardedPart, Names, PeerCertificate, dn, from_hex, leaf};
use crate::denial::{Denial, TokenFault};

/// The longest value of the header that is looked at, in bytes.
pub const MAX_FORWARDED: usize = 32 * 1024;

/// The header cannot be read without doubt.
pub(super) const MALFORMED: Denial = Denial::Request("x-forwarded-client-cert");

/// The pairs of one hop, in their order; values without quotes and escapes.
pub type Element = Vec<(&'static str, String)>;

/// The keys that there are, and whether one may stand twice in an element.
const KEYS: [(&str, bool); 7] = [
    ("By", true),
    ("Hash", false),
    ("Cert", false),
    ("Chain", false),
    ("Subject", false),
    ("URI", true),
    ("DNS", true),
];

/// The certificate of the last element, the one that the hop at the other end of the connection
/// added. All that stands before it is read as strictly: a quote that was opened there would
/// otherwise swallow what is behind it. With `earlier` false nothing may stand there.
pub(super) fn last(field: &[u8], earlier: bool) -> Result<PeerCertificate, Denial> {
    let elements = elements(field)
        .filter(|elements| earlier || elements.len() == 1)
        .ok_or(MALFORMED)?;
    let element = elements.last().ok_or(MALFORMED)?;
    let one = |key: &str| element.iter().find(|(known, _)| *known == key);
    let (_, hash) = one("Hash").ok_or(MALFORMED)?;
    // Envoy writes lower case; others may not.
    let hash = hash.to_ascii_lowercase();
    let thumbprint = from_hex(hash.as_bytes()).ok_or(MALFORMED)?;
    let subject = one("Subject")
        .map(|(_, text)| text)
        .filter(|text| dn::is_distinguished_name(text))
        .cloned();
    let names = match one("Cert") {
        Some((_, text)) => {
            let (read, names) =
                leaf::read(text.as_bytes()).ok_or(Denial::Token(TokenFault::Certificate))?;
            if read != thumbprint {
                return Err(Denial::Token(TokenFault::Certificate));
            }
            names
        }
        None => {
            let all = |key: &str, read: fn(&str) -> Option<&str>| {
                let values = element.iter().filter(|(known, _)| *known == key);
                // Envoy writes the key without a value where a certificate has no such name.
                let values = values.filter(|(_, value)| !value.is_empty());
                let read: Option<Vec<String>> = values
                    .map(|(_, value)| read(value).map(str::to_owned))
                    .collect();
                read.ok_or(MALFORMED)
            };
            Names {
                subject,
                uris: all("URI", leaf::san_uri)?,
                dns: all("DNS", leaf::san_dns)?,
                ..Names::unknown()
            }
        }
    };
    Ok(PeerCertificate {
        thumbprint,
        names: Rc::new(names),
    })
}

/// Every element of the header, one after another; `None` where it is not of the grammar, is longer
/// than [`MAX_FORWARDED`], or has a key that is unknown or stands twice.
pub fn elements(field: &[u8]) -> Option<Vec<Element>> {
    let printable = field.iter().all(|byte| (0x20..0x7f).contains(byte));
    let text = std::str::from_utf8(field).ok()?;
    if field.len() > MAX_FORWARDED || !printable {
        return None;
    }
    let mut all = vec![Element::new()];
    let mut rest = text;
    while !rest.is_empty() {
        let element = all.last_mut()?;
        if element.is_empty() && rest.starts_with(',') {
            rest = rest.get(1..)?;
            all.push(Element::new());
            continue;
        }
        let (key, after) = rest.split_once('=')?;
        let (key, repeats) = KEYS.iter().find(|(known, _)| *known == key)?;
        if !repeats && element.iter().any(|(known, _)| known == key) {
            return None;
        }
        let (value, after) = value(after)?;
        element.push((key, value));
        rest = match after.split_at_checked(1) {
            None => "",
            Some((";", more)) if !more.is_empty() => more,
            Some((",", more)) => {
                all.push(Element::new());
                more
            }
            Some(_) => return None,
        };
    }
    Some(all)
}

/// A value, and what stands behind it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ';']).unwrap_or(text.len());
        let (value, after) = text.split_at_checked(end)?;
        // A quote in the middle is one that others may take for a beginning, and a URI of Envoy's
        // may hold an equals sign.
        return (!value.contains('"')).then(|| (value.to_owned(), after));
    };
    let mut value = String::new();
    let mut backslashes = 0_usize;
    for (at, character) in quoted.char_indices() {
        match character {
            '"' if backslashes == 0 => return Some((value, quoted.get(at + 1..)?)),
            '"' if backslashes == 1 => {
                value.pop();
                value.push('"');
                backslashes = 0;
            }
            // Two backslashes and a quote: one escaped backslash and the end, or a backslash and an
            // escaped quote. Readers differ.
            '"' => return None,
            '\\' => {
                value.push('\\');
                backslashes += 1;
            }
            _ => {
                value.push(character);
                backslashes = 0;
            }
        }
    }
    None
}

/// One element that tells these parts of a certificate, as far as they are known. A value that
/// readers could take for another is left out.
pub(super) fn write(certificate: &PeerCertificate, parts: &[ForwardedPart]) -> String {
    let mut pairs: Vec<String> = Vec::new();
    let mut add = |key: &str, value: &str| {
        // Envoy writes the subject in quotes always, and the rest never.
        let plain = key != "Subject" && !value.contains([',', ';', '=']);
        if value.contains('"') || value.ends_with('\\') {
            return;
        }
        pairs.push(match plain {
            true => format!("{key}={value}"),
            false => format!("{key}=\"{value}\""),
        });
    };
    let Names {
        subject, uris, dns, ..
    } = &*certificate.names;
    for part in parts {
        match part {
            ForwardedPart::Hash => add("Hash", &certificate.thumbprint_hex()),
            ForwardedPart::Subject => subject.iter().for_each(|name| add("Subject", name)),
            ForwardedPart::Uri => uris.iter().for_each(|name| add("URI", name)),
            ForwardedPart::Dns => dns.iter().for_each(|name| add("DNS", name)),
        }
    }
    pairs.join(";")
}

#[cfg(test)]
mod tests;
