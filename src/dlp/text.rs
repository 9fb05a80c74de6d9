//! One string of a resource.

use std::borrow::Cow;

use super::Pattern;
use super::plain::{places, plain};
use crate::json::Node;

/// Places of one own pattern that are looked for in one form of a text: each may cost a look at all of it.
/// Where there are more, the rest counts as one.
pub(super) const PLACES: usize = 64;

/// Bytes that are looked at for one own pattern in one form of a text, at most: in a long text fewer places
/// are looked for.
pub(super) const LOOKED: usize = 64 << 20;

/// How many places of an own pattern are looked for in a text of so many bytes.
pub(super) fn looks(length: usize) -> usize {
    let fit = LOOKED.checked_div(length).unwrap_or(PLACES);
    fit.clamp(1, PLACES)
}

/// A string, with what its patterns need to be there at all.
pub(super) struct Text<'d> {
    /// Where it stands.
    pub node: Node<'d>,
    /// What it says, escapes resolved.
    pub written: Form<'d>,
    /// The same with its characters in the form of patterns, where that is another.
    plain: Option<Form<'d>>,
    narrative: bool,
}

/// A text as it is written, or as patterns read it.
pub(super) struct Form<'d> {
    /// What it says.
    pub says: Cow<'d, str>,
    /// How many ASCII digits it has.
    pub digits: usize,
}

impl<'d> Form<'d> {
    fn of(says: Cow<'d, str>) -> Form<'d> {
        let digits = says.bytes().filter(u8::is_ascii_digit).count();
        Form { says, digits }
    }

    /// Which of its bytes are part of what matches; empty where nothing does.
    fn found<'p>(&self, patterns: impl Iterator<Item = &'p Pattern>) -> Vec<bool> {
        let mut hidden: Vec<bool> = Vec::new();
        for pattern in patterns.filter(|pattern| pattern.may_be_in(self)) {
            let (mut from, mut found) = (0, 0);
            while let Some(mut place) = pattern.find(&self.says, from) {
                found += 1;
                if found == looks(self.says.len()) && matches!(pattern, Pattern::Own(_)) {
                    place.end = self.says.len();
                }
                from = place.end;
                hidden.resize(self.says.len(), false);
                if let Some(places) = hidden.get_mut(place) {
                    places.fill(true);
                }
            }
        }
        hidden
    }
}

impl<'d> Text<'d> {
    /// `None` for what is no string. `narrative`: it is XHTML.
    pub fn of(node: Node<'d>, narrative: bool) -> Option<Text<'d>> {
        let says = node.str()?;
        let plain = plain(&says, narrative).map(|plain| Form::of(Cow::Owned(plain)));
        Some(Text {
            node,
            written: Form::of(says),
            plain,
            narrative,
        })
    }

    /// Its forms.
    pub fn forms(&self) -> impl Iterator<Item = &Form<'d>> {
        std::iter::once(&self.written).chain(&self.plain)
    }

    /// The text with a `*` for each character of what matches; `None` where nothing does.
    pub fn masked<'p>(
        &self,
        patterns: impl Iterator<Item = &'p Pattern> + Clone,
    ) -> Option<String> {
        let says = &self.written.says;
        let mut hidden = self.written.found(patterns.clone());
        if let Some(plain) = &self.plain {
            let found = plain.found(patterns);
            if !found.is_empty() {
                hidden.resize(says.len(), false);
            }
            let chosen = |at: usize| found.get(at).copied().unwrap_or_default();
            for place in places(says, self.narrative, chosen) {
                if let Some(places) = hidden.get_mut(place) {
                    places.fill(true);
                }
            }
        }
        let is_hidden = |at: usize| hidden.get(at).copied().unwrap_or_default();
        let characters = says.char_indices();
        let masked = characters.map(|(at, own)| if is_hidden(at) { '*' } else { own });
        (!hidden.is_empty()).then(|| masked.collect())
    }
}
