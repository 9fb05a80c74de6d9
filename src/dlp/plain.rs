//! A text as patterns read it: its characters in the form in which patterns have them.

use std::ops::Range;

/// The zeros of the decimal digits beyond ASCII, in order (Unicode, general category Nd).
const ZEROS: [char; 65] = [
    '\u{660}',
    '\u{6f0}',
    '\u{7c0}',
    '\u{966}',
    '\u{9e6}',
    '\u{a66}',
    '\u{ae6}',
    '\u{b66}',
    '\u{be6}',
    '\u{c66}',
    '\u{ce6}',
    '\u{d66}',
    '\u{de6}',
    '\u{e50}',
    '\u{ed0}',
    '\u{f20}',
    '\u{1040}',
    '\u{1090}',
    '\u{17e0}',
    '\u{1810}',
    '\u{1946}',
    '\u{19d0}',
    '\u{1a80}',
    '\u{1a90}',
    '\u{1b50}',
    '\u{1bb0}',
    '\u{1c40}',
    '\u{1c50}',
    '\u{a620}',
    '\u{a8d0}',
    '\u{a900}',
    '\u{a9d0}',
    '\u{a9f0}',
    '\u{aa50}',
    '\u{abf0}',
    '\u{ff10}',
    '\u{104a0}',
    '\u{10d30}',
    '\u{11066}',
    '\u{110f0}',
    '\u{11136}',
    '\u{111d0}',
    '\u{112f0}',
    '\u{11450}',
    '\u{114d0}',
    '\u{11650}',
    '\u{116c0}',
    '\u{11730}',
    '\u{118e0}',
    '\u{11950}',
    '\u{11c50}',
    '\u{11d50}',
    '\u{11da0}',
    '\u{16a60}',
    '\u{16ac0}',
    '\u{16b50}',
    '\u{1d7ce}',
    '\u{1d7d8}',
    '\u{1d7e2}',
    '\u{1d7ec}',
    '\u{1d7f6}',
    '\u{1e140}',
    '\u{1e2f0}',
    '\u{1e950}',
    '\u{1fbf0}',
];

/// Elements of XHTML that stand within a word. Any other ends it.
const INLINE: [&str; 31] = [
    "a", "abbr", "acronym", "b", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i",
    "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub",
    "sup", "tt", "u", "var", "wbr", "!--",
];

/// Characters of patterns by their names in HTML, beside those that are written as they are.
const NAMED: [(&str, char); 22] = [
    ("nbsp", ' '),
    ("ensp", ' '),
    ("emsp", ' '),
    ("thinsp", ' '),
    ("shy", '\u{ad}'),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
    ("lrm", '\u{200e}'),
    ("rlm", '\u{200f}'),
    ("ndash", '-'),
    ("mdash", '-'),
    ("minus", '-'),
    ("dash", '-'),
    ("hyphen", '-'),
    ("commat", '@'),
    ("period", '.'),
    ("plus", '+'),
    ("lowbar", '_'),
    ("sol", '/'),
    ("lpar", '('),
    ("rpar", ')'),
    ("quot", '"'),
];

/// Bytes of a reference to a character, with its ampersand and semicolon.
const REFERENCE: usize = 32;

/// The text as patterns read it, in the place of `written`; `None` where that is the same. `markup`: it is
/// XHTML, of which tags within a word are passed over.
pub(super) fn plain(written: &str, markup: bool) -> Option<String> {
    let may_differ = |byte: u8| !byte.is_ascii() || byte == b'&' || (markup && byte == b'<');
    if !written.bytes().any(may_differ) {
        return None;
    }
    let mut differs = false;
    let mut plain = String::with_capacity(written.len());
    for (place, read) in Reading::of(written, markup) {
        let same = read.is_some_and(|read| written.get(place).is_some_and(|own| is(own, read)));
        differs |= !same;
        plain.extend(read);
    }
    differs.then_some(plain)
}

/// The places in `written` of what stands in `plain` made of it at these bytes.
pub(super) fn places<'t>(
    written: &'t str,
    markup: bool,
    chosen: impl Fn(usize) -> bool + 't,
) -> impl Iterator<Item = Range<usize>> + 't {
    let mut at = 0;
    Reading::of(written, markup).filter_map(move |(place, read)| {
        let own = at;
        at += read?.len_utf8();
        chosen(own).then_some(place)
    })
}

fn is(text: &str, character: char) -> bool {
    let mut characters = text.chars();
    characters.next() == Some(character) && characters.next().is_none()
}

/// Each part of a text with the character that it is read as, if any.
struct Reading<'t> {
    text: &'t str,
    at: usize,
    markup: bool,
    /// Where the next tag ends at the earliest; looked for once.
    close: usize,
}

impl<'t> Reading<'t> {
    fn of(text: &'t str, markup: bool) -> Self {
        Reading {
            text,
            at: 0,
            markup,
            close: 0,
        }
    }

    /// The tag at this place: where it ends, and what it is read as.
    fn tag(&mut self, rest: &str) -> Option<(usize, Option<char>)> {
        let inside = rest.strip_prefix('<').filter(|_| self.markup)?;
        let name = inside.strip_prefix('/').unwrap_or(inside);
        let own = |name: &str| {
            let length = name.bytes().take_while(u8::is_ascii_alphanumeric).count();
            name.get(..length).unwrap_or_default().to_ascii_lowercase()
        };
        let name = match name.starts_with("!--") {
            true => "!--".to_owned(),
            // No name of an element is as long.
            false => own(name.get(..16).unwrap_or(name)),
        };
        if name.is_empty() {
            return None;
        }
        if self.close <= self.at {
            let next = rest.find('>').map(|length| self.at + length + 1);
            self.close = next.unwrap_or(usize::MAX);
        }
        let within = INLINE.contains(&name.as_str());
        (self.close < usize::MAX).then_some((self.close, (!within).then_some('\n')))
    }
}

impl Iterator for Reading<'_> {
    type Item = (Range<usize>, Option<char>);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at;
        let rest = self.text.get(start..)?;
        let first = rest.chars().next()?;
        let (end, read) = match first {
            '<' => self.tag(rest),
            '&' => reference(rest).map(|(length, read)| (start + length, folded(read))),
            _ => None,
        }
        .unwrap_or((start + first.len_utf8(), folded(first)));
        self.at = end;
        Some((start..end, read))
    }
}

/// The character that a reference at the beginning stands for, and how many bytes it takes.
fn reference(text: &str) -> Option<(usize, char)> {
    let bytes = text.as_bytes().iter().take(REFERENCE);
    let end = bytes.enumerate().skip(1).find(|(_, byte)| **byte == b';');
    let (end, _) = end?;
    let name = text.get(1..end)?;
    let number = |digits: &str, radix| {
        let digits = Some(digits).filter(|digits| !digits.starts_with('+'))?;
        char::from_u32(u32::from_str_radix(digits, radix).ok()?)
    };
    let read = match name.strip_prefix('#') {
        Some(code) => match code.strip_prefix(['x', 'X']) {
            Some(code) => number(code, 16),
            None => number(code, 10),
        },
        None => {
            let mut named = NAMED.iter();
            let found = named.find(|(known, _)| *known == name);
            found.map(|(_, read)| *read)
        }
    };
    Some((end + 1, read?))
}

/// A character as patterns have it; `None` where it is not seen.
fn folded(character: char) -> Option<char> {
    Some(match character {
        '\0'..='\x7f' => character,
        // Marks that say where a line may end, how a character looks, or in which direction it is read.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' => return None,
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' => '-',
        '\u{2024}' | '\u{3002}' | '\u{fe52}' | '\u{ff61}' => '.',
        '\u{fe62}' => '+',
        '\u{fe6b}' => '@',
        // The forms of ASCII that are as wide as ideographs.
        '\u{ff01}'..='\u{ff5e}' => {
            let ascii = u32::from(character).checked_sub(0xfee0);
            ascii.and_then(char::from_u32).unwrap_or(character)
        }
        _ if character.is_whitespace() => ' ',
        _ => digit(character).unwrap_or(character),
    })
}

/// The ASCII digit of a decimal digit.
fn digit(character: char) -> Option<char> {
    let behind = ZEROS.partition_point(|zero| *zero <= character);
    let zero = ZEROS.get(behind.checked_sub(1)?)?;
    let value = u32::from(character).checked_sub(u32::from(*zero))?;
    char::from_digit(value, 10)
}
