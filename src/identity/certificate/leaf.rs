//! A certificate read by ourselves, where a rule needs more of it than Envoy's attributes tell.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use der::{Reader as _, SliceReader, Tag, TagNumber, Tagged as _};
use sha2::{Digest as _, Sha256};

use super::{Names, dn};

/// The longest text of a certificate that is read, PEM, in bytes; escapes included.
pub const MAX_CERTIFICATE: usize = 32 * 1024;

/// `subjectAltName`, 2.5.29.17 in DER (RFC 5280 section 4.2.1.6).
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 17];

/// SHA-256 of the DER form, and what the certificate says of its holder, from PEM (RFC 7468), plain
/// or with percent-encoding; Envoy's attribute has the first form, its header the second.
///
/// `None` for everything else: more than one certificate, anything before or behind it, and names
/// that hold what no name may hold. Such a name might be read as another by the next reader
/// (CVE-2026-47778: a NUL, and what followed was cut). The signature is not looked at: whoever
/// showed the certificate did, or the hop that passed it on.
pub(super) fn read(text: &[u8]) -> Option<([u8; 32], Names)> {
    if text.len() > MAX_CERTIFICATE {
        return None;
    }
    let der = match text.contains(&b'%') {
        true => from_pem(&percent_decoded(text)?)?,
        false => from_pem(text)?,
    };
    Some((Sha256::digest(&der).into(), names(&der)?))
}

/// `Certificate` and `TBSCertificate` of RFC 5280 section 4.1.
fn names(der: &[u8]) -> Option<Names> {
    let certificate = items(der)?;
    let [certificate] = certificate.as_slice() else {
        return None;
    };
    let certificate = items(contents(*certificate, Tag::Sequence)?)?;
    let [to_be_signed, _algorithm, signature] = certificate.as_slice() else {
        return None;
    };
    contents(*signature, Tag::BitString)?;
    let fields = items(contents(*to_be_signed, Tag::Sequence)?)?;
    // Certificates of version 1 do not say so.
    let fields = match fields.as_slice() {
        [version, rest @ ..] if version.tag() == context(0, true) => rest,
        all => all,
    };
    let [serial, algorithm, issuer, validity, subject, key, rest @ ..] = fields else {
        return None;
    };
    contents(*serial, Tag::Integer)?;
    for sequence in [algorithm, key] {
        contents(*sequence, Tag::Sequence)?;
    }
    let validity = items(contents(*validity, Tag::Sequence)?)?;
    let [not_before, not_after] = validity.as_slice() else {
        return None;
    };
    let mut names = Names {
        subject: dn::text(contents(*subject, Tag::Sequence)?),
        issuer: dn::text(contents(*issuer, Tag::Sequence)?),
        not_before: time(*not_before)?,
        not_after: time(*not_after)?,
        ..Names::unknown()
    };
    let mut alternatives = None;
    for extension in extensions(rest)? {
        let fields = items(contents(extension, Tag::Sequence)?)?;
        let ([key, value] | [key, _, value]) = fields.as_slice() else {
            return None;
        };
        let value = contents(*value, Tag::OctetString)?;
        if contents(*key, Tag::ObjectIdentifier)? == SUBJECT_ALT_NAME
            && alternatives.replace(value).is_some()
        {
            return None;
        }
    }
    if let Some(alternatives) = alternatives {
        add_alternatives(&mut names, alternatives)?;
    }
    Some(names)
}

/// What stands behind the key: two identifiers that nobody uses, and the extensions.
fn extensions<'a>(rest: &[AnyRef<'a>]) -> Option<Vec<AnyRef<'a>>> {
    let mut last = 0;
    let mut found = Vec::new();
    for field in rest {
        let number = (1..=3).find(|number| field.tag() == context(*number, *number == 3))?;
        if number <= last {
            return None;
        }
        last = number;
        if number == 3 {
            let inside = items(field.value())?;
            let [inside] = inside.as_slice() else {
                return None;
            };
            found = items(contents(*inside, Tag::Sequence)?)?;
        }
    }
    Some(found)
}

/// `GeneralNames` of RFC 5280 section 4.2.1.6. Rules are about two kinds of them.
fn add_alternatives(names: &mut Names, alternatives: &[u8]) -> Option<()> {
    let all = items(alternatives)?;
    let [all] = all.as_slice() else { return None };
    for name in items(contents(*all, Tag::Sequence)?)? {
        let text = || std::str::from_utf8(name.value()).ok();
        match name.tag() {
            tag if tag == context(2, false) => names.dns.push(san_dns(text()?)?.to_owned()),
            tag if tag == context(6, false) => names.uris.push(san_uri(text()?)?.to_owned()),
            // In a form that they do not have.
            tag if [TagNumber(2), TagNumber(6)].contains(&tag.number()) => return None,
            _ => {}
        }
    }
    Some(())
}

/// Seconds since 1970 (RFC 5280 section 4.1.2.5).
fn time(time: AnyRef<'_>) -> Option<u64> {
    let since = match time.tag() {
        Tag::UtcTime => time.decode_as::<UtcTime>().ok()?.to_unix_duration(),
        _ => time.decode_as::<GeneralizedTime>().ok()?.to_unix_duration(),
    };
    Some(since.as_secs())
}

fn context(number: u32, constructed: bool) -> Tag {
    Tag::ContextSpecific {
        constructed,
        number: TagNumber(number),
    }
}

/// The contents of a value with this tag.
pub(super) fn contents<'a>(value: AnyRef<'a>, tag: Tag) -> Option<&'a [u8]> {
    (value.tag() == tag).then(|| value.value())
}

/// The values that stand one behind another in these bytes, which they fill.
pub(super) fn items(bytes: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(bytes).ok()?;
    let mut items = Vec::new();
    while !reader.is_finished() {
        items.push(reader.decode().ok()?);
    }
    Some(items)
}

/// One certificate in lines of base64 between its two boundaries.
fn from_pem(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let body = text
        .strip_prefix("-----BEGIN CERTIFICATE-----")?
        .trim_end_matches(['\r', '\n'])
        .strip_suffix("-----END CERTIFICATE-----")?;
    let lines = body.chars().filter(|letter| !matches!(letter, '\r' | '\n'));
    STANDARD.decode(lines.collect::<String>()).ok()
}

/// A URI as a certificate may hold it: a scheme, and the characters of RFC 3986 section 2.
pub fn san_uri(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let of_uri =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    let holds = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(of_scheme)
        && !rest.is_empty()
        && rest.bytes().all(of_uri);
    holds.then_some(text).filter(|text| text.len() <= 2048)
}

/// A DNS name as a certificate may hold it, a wildcard included: that is compared as it stands.
pub fn san_dns(text: &str) -> Option<&str> {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte);
    let holds = !text.is_empty() && text.len() <= 255 && text.bytes().all(of_name);
    holds.then_some(text)
}

/// The bytes behind percent-encoding (RFC 3986 section 2.1). A plus sign is one: base64 has them.
fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let mut digit = || char::from(*rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(out)
}

#[cfg(test)]
mod tests;
