//! Distinguished names as the text that Envoy gives: RFC 2253, what is not ASCII escaped.

use std::fmt::Write as _;

use der::{Tag, Tagged as _};

use super::leaf::{contents, items};

/// The longest text of a name that is looked at, in bytes.
pub(super) const MAX: usize = 2048;

/// The types of attributes that have a name in this text, by their object identifiers in DER (RFC
/// 4519; the short names of OpenSSL and BoringSSL, which Envoy prints).
const TYPES: [(&[u8], &str); 16] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 4], "SN"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "street"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 12], "title"),
    (&[0x55, 4, 42], "GN"),
    (&[0x55, 4, 43], "initials"),
    (&[0x55, 4, 46], "dnQualifier"),
    // 0.9.2342.19200300.100.1.1 and .25, 1.2.840.113549.1.9.1
    (&[9, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[9, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1],
        "emailAddress",
    ),
];

/// The text of a name (`Name` of RFC 5280 section 4.1.2.4, what its DER holds), the last part first.
/// `None` where it is malformed, too long, or where a type of attribute or of string is none of the
/// usual ones: what cannot be written as others write it is no name that a rule could be about.
pub(super) fn text(name: &[u8]) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    for rdn in items(name)? {
        let attributes = items(contents(rdn, Tag::Set)?)?;
        let attributes: Option<Vec<String>> = attributes
            .into_iter()
            .rev()
            .map(|attribute| {
                let fields = items(contents(attribute, Tag::Sequence)?)?;
                let [key, value] = fields.as_slice() else {
                    return None;
                };
                let key = contents(*key, Tag::ObjectIdentifier)?;
                let (_, key) = TYPES.iter().find(|(known, _)| *known == key)?;
                let text = std::str::from_utf8(value.value()).ok()?;
                let understood = match value.tag() {
                    Tag::Utf8String => true,
                    Tag::PrintableString | Tag::Ia5String => text.is_ascii(),
                    _ => false,
                };
                understood.then(|| format!("{key}={}", escaped(text)))
            })
            .collect();
        parts.push(attributes?.join("+"));
    }
    parts.reverse();
    Some(parts.join(",")).filter(|text| text.len() <= MAX)
}

/// A name of this text as rules may hold it: attributes with values, nothing around them.
pub fn is_distinguished_name(text: &str) -> bool {
    attributes(text).is_some()
}

/// The one common name in this text; `None` where there is none, or more than one.
pub(super) fn common_name(text: &str) -> Option<String> {
    let mut names = attributes(text)?
        .into_iter()
        .filter(|(key, _)| *key == "CN")
        .map(|(_, value)| value);
    let name = names.next()?;
    names.next().is_none().then_some(name)
}

/// The attributes with their values, without the escapes.
fn attributes(text: &str) -> Option<Vec<(&str, String)>> {
    let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if text.is_empty() || text.len() > MAX || !printable {
        return None;
    }
    split(text)?
        .into_iter()
        .map(|part| {
            let (key, value) = part.split_once('=')?;
            let of_key = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
            let holds = !key.is_empty() && key.bytes().all(of_key);
            Some((key, unescaped(value)?)).filter(|_| holds)
        })
        .collect()
}

/// The parts between commas and plus signs that are not escaped.
fn split(text: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut from, mut escape) = (0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escape => escape = false,
            b'\\' => escape = true,
            b',' | b'+' => {
                parts.push(text.get(from..at)?);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(from..)?);
    (!escape).then_some(parts)
}

/// The value of an attribute: text, where every special character is escaped (RFC 2253 section 2.4).
fn unescaped(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    if value.starts_with([' ', '#']) {
        return None;
    }
    while let Some(byte) = rest.next() {
        match byte {
            b'"' | b'<' | b'>' | b';' => return None,
            b'\\' => {
                let first = rest.next()?;
                match (char::from(first).to_digit(16), first) {
                    (Some(high), _) => {
                        let low = char::from(rest.next()?).to_digit(16)?;
                        bytes.push(u8::try_from(high * 16 + low).ok()?);
                    }
                    (
                        None,
                        b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' | b' ' | b'#' | b'=',
                    ) => {
                        bytes.push(first);
                    }
                    _ => return None,
                }
            }
            _ => bytes.push(byte),
        }
    }
    // A space at the end is escaped.
    if value.ends_with(' ') && !value.ends_with("\\ ") {
        return None;
    }
    String::from_utf8(bytes).ok()
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.len().saturating_sub(1);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' ' | b'#' if at == 0 => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' ' if at == last => out.push_str("\\ "),
            0x20..0x7f => out.push(char::from(byte)),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_name_is_read_where_there_is_exactly_one() {
        for (text, expected) in [
            ("CN=a", Some("a")),
            ("CN=lab system,O=Clinic", Some("lab system")),
            ("O=Clinic,CN=a", Some("a")),
            ("O=x+CN=a,C=DE", Some("a")),
            ("CN=a\\,CN=b", Some("a,CN=b")),
            ("CN=a\\+b\\\\", Some("a+b\\")),
            ("CN=\\C3\\A4", Some("ä")),
            ("CN=a\\00b", Some("a\0b")),
            ("CN=", Some("")),
            ("CN=a\\ ", Some("a ")),
            ("CN=a\\\\\\ ", Some("a\\ ")),
            ("", None),
            ("O=Clinic", None),
            ("CN=a,CN=b", None),
            ("CN=a+CN=a", None),
            ("cn=a", None),
            ("CN=a, O=b", None),
            ("CN=a,", None),
            (",CN=a", None),
            ("CN", None),
            ("=a", None),
            ("CN=a\\", None),
            ("CN=a\\g", None),
            ("CN=a\\c", None),
            ("CN=\\FF", None),
            ("CN=a\"b", None),
            ("CN= a", None),
            ("CN=a ", None),
            ("CN=#0c0161", None),
            ("CN=ä", None),
            ("/CN=a", None),
        ] {
            assert_eq!(common_name(text).as_deref(), expected, "{text}");
        }
        let long = |length: usize| format!("CN={}", "a".repeat(length - 3));
        assert!(common_name(&long(MAX)).is_some());
        assert!(common_name(&long(MAX + 1)).is_none());
    }

    #[test]
    fn what_is_escaped_reads_as_it_was() {
        for value in [
            "a",
            " a ",
            "#a",
            "a,b+c\"d\\e<f>g;h",
            "ä€",
            "a\0b\u{7f}",
            "=",
            "",
            " ",
            "\\",
        ] {
            let text = format!("CN={},O=x", escaped(value));
            assert_eq!(common_name(&text).as_deref(), Some(value), "{text}");
        }
    }
}
