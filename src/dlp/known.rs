//! The patterns that every configuration knows.

use std::ops::{Range, RangeInclusive};

/// A pattern that every configuration knows. None is found within a word, or a longer number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Known {
    /// The number of a payment card: 13 to 19 digits, the first not 0, of which the last is right (Luhn,
    /// ISO/IEC 7812-1), in one piece or in groups of at least 3 digits, but for the last, with one space or
    /// hyphen between them.
    Card,
    /// A social security number of the United States, `ddd-dd-dddd`, in ranges that are given out.
    UsSsn,
    /// An IBAN (ISO 13616) in capital letters whose check digits are right, in one piece or in groups of four,
    /// but for the last.
    Iban,
    /// An e-mail address with a top level domain of letters, in any script, or in the form of IDNA (RFC 5890).
    Email,
    /// A telephone number in the international form, `+` and 8 to 15 digits (E.164), with up to three of
    /// space, hyphen, period, slash and parentheses between digits.
    Phone,
}

const CARD: RangeInclusive<usize> = 13..=19;
const IBAN: RangeInclusive<usize> = 15..=34;
const PHONE: RangeInclusive<usize> = 8..=15;

impl Known {
    /// Every one by the operator's name for it.
    pub const ALL: [(&str, Known); 5] = [
        ("card", Known::Card),
        ("us-ssn", Known::UsSsn),
        ("iban", Known::Iban),
        ("email", Known::Email),
        ("phone", Known::Phone),
    ];

    /// Whether a text with so many digits can have it.
    pub(super) fn may_be_in(self, text: &str, digits: usize) -> bool {
        match self {
            Known::Card => digits >= *CARD.start(),
            Known::UsSsn => digits >= 9,
            Known::Iban => digits >= 2 && text.len() >= *IBAN.start(),
            Known::Email => text.as_bytes().contains(&b'@'),
            Known::Phone => digits >= *PHONE.start() && text.as_bytes().contains(&b'+'),
        }
    }

    /// The first place at or behind `from`.
    pub(super) fn find(self, text: &str, from: usize) -> Option<Range<usize>> {
        let bytes = Bytes(text.as_bytes());
        let first: fn(u8) -> bool = match self {
            Known::Card | Known::UsSsn => |byte| byte.is_ascii_digit(),
            Known::Iban => |byte| byte.is_ascii_uppercase(),
            Known::Email => |byte| byte == b'@',
            Known::Phone => |byte| byte == b'+',
        };
        let mut at = from;
        while let Some(start) = bytes.next(at, first) {
            let found = match self {
                Known::Card => bytes.card(start),
                Known::UsSsn => bytes.us_ssn(start),
                Known::Iban => bytes.iban(start),
                Known::Email => bytes.email(start, at),
                Known::Phone => bytes.phone(start),
            };
            if found.is_some() {
                return found;
            }
            // Not within the same number or word again.
            at = match self {
                Known::Card | Known::UsSsn | Known::Iban => bytes.skip(start + 1, first),
                Known::Email | Known::Phone => start + 1,
            };
        }
        None
    }
}

/// A text; beyond its ends there are zeros.
#[derive(Clone, Copy)]
struct Bytes<'t>(&'t [u8]);

impl Bytes<'_> {
    fn at(self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or_default()
    }

    /// So many bytes before a place.
    fn before(self, at: usize, back: usize) -> u8 {
        at.checked_sub(back).map_or(0, |at| self.at(at))
    }

    fn next(self, from: usize, wanted: impl Fn(u8) -> bool) -> Option<usize> {
        let rest = self.0.get(from..)?;
        let found = rest.iter().position(|byte| wanted(*byte))?;
        Some(from + found)
    }

    /// Behind all such bytes.
    fn skip(self, from: usize, such: impl Fn(u8) -> bool) -> usize {
        self.next(from, |byte| !such(byte)).unwrap_or(self.0.len())
    }

    /// Whether a number may begin here: not within a word, nor behind the point of another number.
    fn begins(self, at: usize, point: u8) -> bool {
        let pointed = self.before(at, 1) == point && self.before(at, 2).is_ascii_digit();
        !self.before(at, 1).is_ascii_alphanumeric() && !pointed
    }

    /// Whether one may end here.
    fn ends(self, at: usize, point: u8) -> bool {
        let pointed = self.at(at) == point && self.at(at + 1).is_ascii_digit();
        !self.at(at).is_ascii_alphanumeric() && !pointed
    }

    fn card(self, start: usize) -> Option<Range<usize>> {
        if !self.begins(start, b'.') || self.at(start) == b'0' {
            return None;
        }
        let (mut at, mut digits, mut found) = (start, 0, None);
        loop {
            let group = at;
            while self.at(at).is_ascii_digit() && digits <= *CARD.end() {
                (at, digits) = (at + 1, digits + 1);
            }
            let range = start..at;
            if CARD.contains(&digits) && self.ends(at, b'.') && self.is_luhn(range.clone()) {
                found = Some(range);
            }
            let more = matches!(self.at(at), b' ' | b'-') && self.at(at + 1).is_ascii_digit();
            if digits > *CARD.end() || !more || at - group < 3 {
                return found;
            }
            at += 1;
        }
    }

    fn is_luhn(self, range: Range<usize>) -> bool {
        let digits = self.0.get(range).unwrap_or_default().iter().rev();
        let digits = digits.filter(|byte| byte.is_ascii_digit());
        let sum = digits.enumerate().fold(0, |sum, (place, byte)| {
            let digit = u32::from(byte - b'0');
            sum + match place % 2 {
                0 => digit,
                _ => digit * 2 / 10 + digit * 2 % 10,
            }
        });
        sum % 10 == 0
    }

    fn us_ssn(self, start: usize) -> Option<Range<usize>> {
        const SHAPE: &[u8] = b"000-00-0000";
        let end = start + SHAPE.len();
        let own = self.0.get(start..end)?;
        let fits = |(byte, shape): (&u8, &u8)| match shape {
            b'0' => byte.is_ascii_digit(),
            _ => byte == shape,
        };
        let whole = self.begins(start, b'-') && self.ends(end, b'-');
        if !whole || !own.iter().zip(SHAPE).all(fits) {
            return None;
        }
        let never = own.starts_with(b"000")
            || own.starts_with(b"666")
            || own.starts_with(b"9")
            || own.get(4..6) == Some(b"00")
            || own.ends_with(b"0000");
        (!never).then_some(start..end)
    }

    fn iban(self, start: usize) -> Option<Range<usize>> {
        let word = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        let digit = |at: usize| self.at(at).is_ascii_digit();
        let country = self.at(start + 1).is_ascii_uppercase();
        let begins = !self.before(start, 1).is_ascii_alphanumeric();
        if !begins || !country || !digit(start + 2) || !digit(start + 3) {
            return None;
        }
        let (mut at, mut length, mut found) = (start, 0, None);
        // Of what stands behind the first four, which count as if they stood last.
        let mut rest = 0;
        loop {
            let group = at;
            while word(self.at(at)) && length <= *IBAN.end() {
                if length >= 4 {
                    rest = with(rest, self.at(at));
                }
                (at, length) = (at + 1, length + 1);
            }
            let head = self.0.get(start..start + 4).unwrap_or_default();
            let right = head.iter().fold(rest, |rest, byte| with(rest, *byte)) == 1;
            if right && IBAN.contains(&length) && self.ends(at, 0) {
                found = Some(start..at);
            }
            let more = self.at(at) == b' ' && word(self.at(at + 1));
            if length > *IBAN.end() || !more || at - group != 4 {
                return found;
            }
            at += 1;
        }
    }

    /// Around an at sign. What stands before `from` belongs to another.
    fn email(self, sign: usize, from: usize) -> Option<Range<usize>> {
        let local = |byte: &u8| {
            byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"!#$%&'*+-=^_{|}~.".contains(byte)
        };
        let before = self.0.get(from..sign).unwrap_or_default();
        let length = match before.split_last() {
            // A quoted string, as far as it can be one.
            Some((b'"', quoted)) => quoted
                .iter()
                .rposition(|byte| *byte == b'"')
                .map_or(0, |open| before.len() - open),
            _ => before.iter().rev().take_while(|byte| local(byte)).count(),
        };
        let domain = |byte: u8| {
            byte.is_ascii_alphanumeric() || !byte.is_ascii() || byte == b'-' || byte == b'.'
        };
        let end = self.skip(sign + 1, domain);
        let own = self.0.get(sign + 1..end).unwrap_or_default();
        let host = host(std::str::from_utf8(own).unwrap_or_default())?;
        (length > 0).then(|| sign - length..sign + 1 + host)
    }

    /// Whether an extension begins here, such as `x45`.
    fn extends(self, at: usize) -> bool {
        let rest = self.0.get(at..).unwrap_or_default();
        let mark = ["extension", "ext", "x"].into_iter();
        let mut marks = mark.filter_map(|mark| {
            let (own, rest) = rest.split_at_checked(mark.len())?;
            own.eq_ignore_ascii_case(mark.as_bytes()).then_some(rest)
        });
        marks.any(|rest| {
            let gap = rest.iter().take(3);
            let gap = gap.take_while(|byte| b" .:".contains(byte)).count();
            rest.get(gap).is_some_and(u8::is_ascii_digit)
        })
    }

    fn phone(self, start: usize) -> Option<Range<usize>> {
        let before = self.before(start, 1);
        if before.is_ascii_alphanumeric() || !matches!(self.at(start + 1), b'1'..=b'9') {
            return None;
        }
        let (mut at, mut digits, mut found) = (start + 1, 0, None);
        loop {
            while self.at(at).is_ascii_digit() && digits <= *PHONE.end() {
                (at, digits) = (at + 1, digits + 1);
            }
            let ends = !self.at(at).is_ascii_alphanumeric() || self.extends(at);
            if PHONE.contains(&digits) && ends {
                found = Some(start..at);
            }
            let between = |byte: u8| matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')');
            let separators = [self.at(at), self.at(at + 1), self.at(at + 2)];
            let separators = separators
                .into_iter()
                .take_while(|byte| between(*byte))
                .count();
            at += separators;
            if digits > *PHONE.end() || separators == 0 || !self.at(at).is_ascii_digit() {
                return found;
            }
        }
    }
}

/// How long the name of a host at the beginning of a text is: up to the last label that can be a top level
/// domain, of letters or in the form of IDNA.
fn host(text: &str) -> Option<usize> {
    let name = |label: &str| {
        let rest =
            label.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '-');
        label.len() - rest.len()
    };
    // It ends with the first character that no host has.
    let mut end = 0;
    for label in text.split_inclusive('.') {
        let own = label.strip_suffix('.').unwrap_or(label);
        end += label.len();
        if name(own) < own.len() {
            end -= label.len() - name(own);
            break;
        }
    }
    let mut text = text.get(..end)?;
    while let Some((before, label)) = text.rsplit_once('.') {
        let top = match label.starts_with("xn--") {
            true => label.trim_end_matches('-'),
            false => {
                let rest = label.trim_start_matches(char::is_alphabetic);
                let letters = label.strip_suffix(rest).unwrap_or(label);
                match rest.starts_with(char::is_alphanumeric) || letters.chars().nth(1).is_none() {
                    true => "",
                    false => letters,
                }
            }
        };
        let is_host = !before.is_empty() && !before.ends_with('.');
        if is_host && !top.is_empty() {
            return Some(before.len() + 1 + top.len());
        }
        text = before;
    }
    None
}

/// The rest by 97 (ISO/IEC 7064) with one more digit or capital letter, which counts as two digits.
fn with(rest: u32, byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.saturating_sub(b'A')) + 10) % 97,
    }
}
