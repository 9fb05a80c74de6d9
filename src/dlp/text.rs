//! One string of a resource.

use std::borrow::Cow;

use super::Pattern;
use crate::json::Node;

/// Places of one own pattern that are looked for in one text: each may cost a look at all of it. Where
/// there are more, the rest counts as one.
pub(super) const PLACES: usize = 64;

/// A string, with what its patterns need to be there at all.
pub(super) struct Text<'d> {
    /// Where it stands.
    pub node: Node<'d>,
    /// What it says, escapes resolved.
    pub says: Cow<'d, str>,
    /// How many ASCII digits it has.
    pub digits: usize,
}

impl<'d> Text<'d> {
    /// `None` for what is no string.
    pub fn of(node: Node<'d>) -> Option<Text<'d>> {
        let says = node.str()?;
        let digits = says.bytes().filter(u8::is_ascii_digit).count();
        Some(Text { node, says, digits })
    }

    /// The text with a `*` for each character of what matches; `None` where nothing does.
    pub fn masked<'p>(&self, patterns: impl Iterator<Item = &'p Pattern>) -> Option<String> {
        let mut hidden: Vec<bool> = Vec::new();
        for pattern in patterns.filter(|pattern| pattern.may_be_in(self)) {
            let (mut from, mut found) = (0, 0);
            while let Some(mut place) = pattern.find(&self.says, from) {
                found += 1;
                if found == PLACES && matches!(pattern, Pattern::Own(_)) {
                    place.end = self.says.len();
                }
                from = place.end;
                hidden.resize(self.says.len(), false);
                if let Some(places) = hidden.get_mut(place) {
                    places.fill(true);
                }
            }
        }
        let is_hidden = |at: usize| hidden.get(at).copied().unwrap_or_default();
        let characters = self.says.char_indices();
        let masked = characters.map(|(at, own)| if is_hidden(at) { '*' } else { own });
        (!hidden.is_empty()).then(|| masked.collect())
    }
}
