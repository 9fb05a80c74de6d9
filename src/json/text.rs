//! Strings: the fast scan, unescaping and quoting.

use std::borrow::Cow;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// How many bytes at the start need no attention inside a string: neither quote, backslash nor
/// control character. Bytes of UTF-8 sequences pass.
pub(crate) fn plain_prefix(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk() {
        let found = attention(u64::from_le_bytes(*word));
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize / 8;
        }
        rest = behind;
    }
    let tail = rest
        .iter()
        .position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
    bytes.len() - rest.len() + tail.unwrap_or(rest.len())
}

/// Whether two texts are the same. Names are short: of most, two words each are all that is looked at, without a
/// call.
#[inline(always)]
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let words = |text: &[u8]| {
        let (first, last) = (text.first_chunk::<8>()?, text.last_chunk::<8>()?);
        Some((u64::from_le_bytes(*first), u64::from_le_bytes(*last)))
    };
    match (words(one), words(other)) {
        // Up to sixteen bytes they overlap.
        (Some(own), Some(others)) => own == others && (one.len() <= 16 || one == other),
        _ => word_of(one) == word_of(other),
    }
}

/// Fewer than eight bytes as a word, the first the lowest.
#[inline(always)]
pub(super) fn word_of(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => {
            // Where they overlap they agree.
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            u64::from(first) | u64::from(last) << (8 * (bytes.len() & 7) - 32)
        }
        _ => {
            let bytes = bytes.iter().rev();
            bytes.fold(0, |word, byte| word << 8 | u64::from(*byte))
        }
    }
}

/// The text between the quotes with its escapes resolved. The text has passed the lexer: what is
/// no escape cannot occur and is left out.
pub(super) fn unescape(inner: &str) -> Cow<'_, str> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escaped.chars();
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                if let Some((character, length)) = hex_escape(chars.as_str().as_bytes()) {
                    out.push(character);
                    chars = chars.as_str().get(length..).unwrap_or_default().chars();
                }
            }
            Some(other) => out.push(other),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character of a `\u` escape and how many bytes it takes after the `u`: 4, or 10 for a pair.
/// `None` when the digits are no hex or the surrogates no pair.
pub(super) fn hex_escape(after_u: &[u8]) -> Option<(char, usize)> {
    let first = hex4(after_u)?;
    if !(0xD800..0xE000).contains(&first) {
        return char::from_u32(first).map(|character| (character, 4));
    }
    if first >= 0xDC00 || after_u.get(4..6)? != b"\\u" {
        return None;
    }
    let second = hex4(after_u.get(6..)?)?;
    if !(0xDC00..0xE000).contains(&second) {
        return None;
    }
    let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    char::from_u32(code).map(|character| (character, 10))
}

/// Four hex digits.
pub(super) fn hex4(bytes: &[u8]) -> Option<u32> {
    bytes.get(..4)?.iter().try_fold(0, |code, &byte| {
        char::from(byte).to_digit(16).map(|digit| code * 16 + digit)
    })
}

/// The text as a JSON string, quotes included; only what must be escaped is.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    escape_into(&mut out, text);
    out.push('"');
    out
}

/// Puts the text behind what is there, as it stands within a JSON string.
pub(crate) fn escape_into(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some((plain, special)) = rest.split_at_checked(plain_prefix(rest.as_bytes())) {
        out.push_str(plain);
        let mut chars = special.chars();
        match chars.next() {
            None => break,
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(control) => {
                out.push_str("\\u00");
                for shift in [4, 0] {
                    out.extend(char::from_digit((control as u32 >> shift) & 15, 16));
                }
            }
        }
        rest = chars.as_str();
    }
}

/// The high bit of every byte that needs attention. A byte above a true hit can be marked wrongly
/// by a borrow, never one below it, so the lowest mark is always right.
fn attention(word: u64) -> u64 {
    // Turning one bit over puts the quote (0x22) right behind the control characters.
    let control_or_quote = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
    (control_or_quote | backslash) & !word & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_same_only_when_every_byte_is() {
        let text: Vec<u8> = (1..=40).collect();
        for length in 0..=text.len() {
            let one = &text[..length];
            let elsewhere = one.to_vec();
            assert!(same(one, &elsewhere), "{length}");
            for at in 0..length {
                let mut other = one.to_vec();
                other[at] ^= 0x80;
                assert!(!same(one, &other), "{length}, {at}");
            }
            for other in 0..=text.len() {
                assert_eq!(
                    same(one, &text[..other]),
                    other == length,
                    "{length}, {other}"
                );
            }
        }
        // What the shorter one lacks is not taken for a zero.
        assert!(!same(b"ab", b"ab\0"));
        assert!(!same(b"", b"\0"));
    }
}
