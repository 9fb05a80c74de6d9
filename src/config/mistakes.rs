//! What is wrong with a configuration, in words for the person who wrote it.

use std::fmt;

/// Lines that [`Mistakes`] prints before it only counts.
pub const SHOWN: usize = 50;

/// Mistakes that are kept; a document that is all mistakes must not fill the memory.
pub const KEPT: usize = 1000;

/// Characters of an operator's own word that a mistake repeats.
const WORD: usize = 40;

/// Bytes of a JSON pointer that a mistake repeats; a document's own pointers are far shorter.
const POINTER: usize = 300;

/// Bytes of a message.
const MESSAGE: usize = 600;

/// One mistake: where it is and what was found and expected there.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Mistake {
    /// JSON pointer (RFC 6901) of the value that is wrong; empty for the document itself. Indices
    /// are in their decimal form.
    pub pointer: String,
    /// `expected ..., found ...`. Carries no value of the document except a key or a keyword.
    pub message: String,
}

/// Every mistake of a configuration, in the order of their pointers; never empty.
///
/// Printed one to a line, at most [`SHOWN`] of them, without a line break at the end.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Mistakes {
    list: Vec<Mistake>,
    /// Those beyond [`KEPT`].
    more: usize,
}

impl Mistakes {
    /// The only mistake of a document, at `pointer`.
    pub fn one(pointer: &str, message: impl Into<String>) -> Self {
        let mut mistakes = Mistakes::default();
        mistakes.add(pointer, message);
        mistakes
    }

    /// Adds a mistake. Other rooms' messages may repeat an operator's text: it is kept on one line
    /// and within bounds here, once for all.
    pub fn add(&mut self, pointer: &str, message: impl Into<String>) {
        if self.list.len() == KEPT {
            self.more = self.more.saturating_add(1);
            return;
        }
        let mistake = Mistake {
            pointer: shorten(pointer, POINTER),
            message: shorten(&printable(&message.into()), MESSAGE),
        };
        // Sorted as they come: a document has few, and a reader of a half-filled list sees the
        // same order as everyone else. Equal pointers keep the order in which they were found.
        let at = self
            .list
            .partition_point(|other| order(&other.pointer, &mistake.pointer).is_le());
        self.list.insert(at, mistake);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are, those that are not kept included.
    pub fn len(&self) -> usize {
        self.list.len().saturating_add(self.more)
    }

    /// Those that are kept, the first [`KEPT`] that were found, by pointer.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.list.iter()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.list.iter().take(SHOWN).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match mistake.pointer.as_str() {
                "" => write!(f, "configuration: {}", mistake.message)?,
                pointer => write!(f, "{pointer}: {}", mistake.message)?,
            }
        }
        match self.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Mistakes {}

/// Adds a key to a JSON pointer (RFC 6901 section 3). Characters that could break a line of a log
/// are left out: they are part of no key that is known.
pub fn push_key(pointer: &mut String, key: &str) {
    pointer.push('/');
    for letter in key.chars() {
        match letter {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            _ if letter.is_control() || is_line_break(letter) => pointer.push('\u{fffd}'),
            _ => pointer.push(letter),
        }
    }
}

/// Adds the index of a list item to a JSON pointer.
pub fn push_index(pointer: &mut String, index: usize) {
    pointer.push('/');
    pointer.push_str(&index.to_string());
}

/// An operator's own word between quotation marks, cut short, on one line.
pub fn quote(word: &str) -> String {
    format!("{:?}", shorten(&printable(word), WORD))
}

/// ` (did you mean "...")` for the known word nearest to `word`, or nothing when none is near.
///
/// Near is at most one edit for every three letters, two at most, and at least one for two
/// letters; an edit is a letter more, less, other, or exchanged with its neighbour. Letter case
/// and `-` for `_` are forgiven entirely. Of equally near words the first known one is named.
pub fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = known
        .into_iter()
        .map(|known| (distance(word, known), known))
        .filter(|(distance, known)| *distance <= (known.len() / 3).clamp(1, 2))
        .min_by_key(|(distance, _)| *distance);
    near.map(|(_, known)| format!(" (did you mean {known:?}?)"))
        .unwrap_or_default()
}

/// Edits between two words (optimal string alignment), or `usize::MAX` when their lengths alone
/// put them out of reach.
fn distance(one: &str, other: &str) -> usize {
    let fold = |word: &str| -> Vec<char> {
        word.chars()
            .map(|c| {
                if c == '-' {
                    '_'
                } else {
                    c.to_ascii_lowercase()
                }
            })
            .collect()
    };
    // Before anything of the size of `one` is made: an operator's key may be long.
    if one.len() > other.len() * 4 + 8 {
        return usize::MAX;
    }
    let (one, other) = (fold(one), fold(other));
    if one.len().abs_diff(other.len()) > 2 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    let mut last = None;
    for (row, &a) in one.iter().enumerate() {
        let mut line = vec![row + 1];
        let mut left = row + 1;
        let mut last_other = None;
        for (column, &b) in other.iter().enumerate() {
            let at =
                |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&above, column) + usize::from(a != b))
                .min(at(&above, column + 1) + 1)
                .min(left + 1);
            if last == Some(b) && last_other == Some(a) {
                let exchanged = column
                    .checked_sub(1)
                    .map_or(usize::MAX - 1, |column| at(&before, column));
                best = best.min(exchanged + 1);
            }
            line.push(best);
            left = best;
            last_other = Some(b);
        }
        before = std::mem::replace(&mut above, line);
        last = Some(a);
    }
    above.last().copied().unwrap_or(usize::MAX)
}

fn printable(text: &str) -> String {
    let shown = |letter: char| match letter {
        _ if letter.is_control() || is_line_break(letter) => '\u{fffd}',
        _ => letter,
    };
    text.chars().map(shown).collect()
}

fn is_line_break(letter: char) -> bool {
    matches!(letter, '\u{2028}' | '\u{2029}')
}

/// At most `bytes` bytes of a text, whole characters, with a sign where it was cut.
fn shorten(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let kept = text
        .char_indices()
        .take_while(|(at, letter)| at + letter.len_utf8() <= bytes);
    kept.map(|(_, letter)| letter).chain(['…']).collect()
}

/// Item 10 after item 9, and not between 1 and 2.
fn order(one: &str, other: &str) -> std::cmp::Ordering {
    let key = |segment: &str| (segment.parse::<usize>().ok(), segment.to_owned());
    let (mut a, mut b) = (one.split('/'), other.split('/'));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return std::cmp::Ordering::Equal,
            (None, Some(_)) => return std::cmp::Ordering::Less,
            (Some(_), None) => return std::cmp::Ordering::Greater,
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => return key(a).cmp(&key(b)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sorted_and_bounded() {
        let mut mistakes = Mistakes::default();
        for index in (0..SHOWN).rev() {
            mistakes.add(&format!("/list/{index}"), "expected a string, found null");
        }
        let text = mistakes.to_string();
        assert_eq!(text.lines().count(), 50);
        assert!(
            text.starts_with("/list/0: expected a string, found null\n/list/1: "),
            "{text}"
        );
        assert!(
            text.ends_with("\n/list/49: expected a string, found null"),
            "{text}"
        );
        mistakes.add("", "expected less");
        let text = mistakes.to_string();
        assert!(
            text.starts_with("configuration: expected less\n/list/0: "),
            "{text}"
        );
        assert!(
            text.ends_with("/list/48: expected a string, found null\nand 1 more"),
            "{text}"
        );
        for _ in 0..2000 {
            mistakes.add("/z", "expected less");
        }
        assert_eq!(mistakes.len(), 2051);
        assert_eq!(mistakes.iter().count(), KEPT);
        assert!(mistakes.to_string().ends_with("\nand 2001 more"));
    }

    #[test]
    fn pointers_and_words_stay_on_one_line() {
        let mut pointer = String::new();
        push_key(&mut pointer, "a/b~c\n\u{2028}\u{1b}");
        push_index(&mut pointer, 7);
        assert_eq!(pointer, "/a~1b~0c\u{fffd}\u{fffd}\u{fffd}/7");
        assert_eq!(quote("a\"b\r\n"), "\"a\\\"b\u{fffd}\u{fffd}\"");
        let mistakes = Mistakes::one("/a", format!("found x\r\ny{}", "z".repeat(2000)));
        let text = mistakes.to_string();
        assert!(
            text.starts_with("/a: found x\u{fffd}\u{fffd}yzzz") && text.len() < 700,
            "{text}"
        );
        assert_eq!(quote(&"x".repeat(40)), format!("{:?}", "x".repeat(40)));
        assert_eq!(
            quote(&"x".repeat(41)),
            format!("{:?}", "x".repeat(40) + "…")
        );
        assert_eq!(
            quote(&"ä".repeat(41)),
            format!("{:?}", "ä".repeat(20) + "…")
        );
    }

    #[test]
    fn a_near_word_is_suggested() {
        for (word, known, near) in [
            ("isuers", &["issuers", "limits"][..], Some("issuers")),
            ("Issuers", &["issuers"], Some("issuers")),
            ("ISSUERS", &["issuers"], Some("issuers")),
            ("clock-skew", &["clock_skew"], Some("clock_skew")),
            ("clockSkew", &["clock_skew"], Some("clock_skew")),
            ("lmiits", &["issuers", "limits"], Some("limits")),
            ("rat", &["rate", "burst"], Some("rate")),
            ("reat", &["rate"], None),
            ("raet", &["rate"], Some("rate")),
            ("key", &["keys"], Some("keys")),
            ("ES265", &["ES256", "RS256"], Some("ES256")),
            ("ES25", &["ES256", "RS256"], Some("ES256")),
            ("mask", &["remove", "mask"], Some("mask")),
            ("hide", &["remove", "mask"], None),
            ("", &["remove"], None),
            ("x", &["name", "key"], None),
            ("issuers_and_more", &["issuers"], None),
        ] {
            let expected = near
                .map(|near| format!(" (did you mean {near:?}?)"))
                .unwrap_or_default();
            assert_eq!(suggestion(word, known.iter().copied()), expected, "{word}");
        }
        assert_eq!(suggestion(&"x".repeat(1 << 20), ["issuers"]), "");
    }
}
