//! Changes to a text that leave every other byte as it is.

use std::borrow::Cow;
use std::ops::Range;

/// Deletions, replacements and insertions, in offsets of the unchanged document.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<Edit>);

#[derive(Debug)]
struct Edit {
    range: Range<usize>,
    text: Cow<'static, str>,
}

impl Edits {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts `text` in the place of `range`. A wider range swallows what was changed within it.
    pub fn replace(&mut self, range: Range<usize>, text: impl Into<Cow<'static, str>>) {
        let text = text.into();
        self.0.push(Edit { range, text });
    }

    /// Puts `text` at an offset.
    pub fn insert(&mut self, at: usize, text: impl Into<Cow<'static, str>>) {
        self.replace(at..at, text);
    }

    /// Takes the parts that are `gone` out of an object or array, each with one comma, so that
    /// the parts that stay keep their bytes and the white space before them. At least one part
    /// must stay: an object or array of which nothing stays goes as a whole.
    pub fn delete_parts(&mut self, parts: impl Iterator<Item = (Range<usize>, bool)>) {
        let mut before: Option<usize> = None;
        let mut leading: Option<usize> = None;
        for (part, gone) in parts {
            match (gone, before, leading) {
                (true, Some(end), _) => {
                    self.replace(end..part.end, "");
                    before = Some(part.end);
                }
                (true, None, None) => leading = Some(part.start),
                (true, None, Some(_)) => {}
                (false, _, start) => {
                    if let Some(start) = start {
                        self.replace(start..part.start, "");
                        leading = None;
                    }
                    before = Some(part.end);
                }
            }
        }
    }

    /// Writes the part `within` of `source` with all changes made.
    pub fn apply(mut self, source: &str, within: Range<usize>, out: &mut String) {
        let order = |edit: &Edit| {
            let insertion = edit.range.is_empty();
            (edit.range.start, !insertion, usize::MAX - edit.range.end)
        };
        self.0.sort_by_key(order);
        out.reserve(within.len());
        let mut at = within.start;
        for edit in &self.0 {
            if edit.range.start < at {
                continue;
            }
            out.push_str(source.get(at..edit.range.start).unwrap_or_default());
            out.push_str(&edit.text);
            at = edit.range.end;
        }
        out.push_str(source.get(at..within.end).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, gone: [bool; 4], expected: &str) {
        let source = "[ 1, 2 ,3 , 4 ]";
        let parts = [2..3, 5..6, 8..9, 12..13];
        let mut edits = Edits::default();
        edits.delete_parts(parts.into_iter().zip(gone));
        let mut found = String::new();
        edits.apply(source, 0..source.len(), &mut found);
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn parts_that_stay_keep_their_bytes() {
        let (o, x) = (false, true);
        check("none", [o, o, o, o], "[ 1, 2 ,3 , 4 ]");
        check("first", [x, o, o, o], "[ 2 ,3 , 4 ]");
        check("second", [o, x, o, o], "[ 1 ,3 , 4 ]");
        check("last", [o, o, o, x], "[ 1, 2 ,3 ]");
        check("first two", [x, x, o, o], "[ 3 , 4 ]");
        check("middle two", [o, x, x, o], "[ 1 , 4 ]");
        check("last two", [o, o, x, x], "[ 1, 2 ]");
        check("odd ones", [x, o, x, o], "[ 2 , 4 ]");
        check("all but the last", [x, x, x, o], "[ 4 ]");
        check("all but the first", [o, x, x, x], "[ 1 ]");
    }

    #[test]
    fn a_wider_change_swallows_a_narrower_one() {
        let source = "0123456789";
        let mut edits = Edits::default();
        edits.replace(3..4, "x");
        edits.replace(3..6, "y");
        edits.replace(4..5, "z");
        edits.insert(3, "+");
        edits.insert(6, "-");
        let mut found = String::new();
        edits.apply(source, 1..8, &mut found);
        assert_eq!(found, "12+y-67");
    }
}
