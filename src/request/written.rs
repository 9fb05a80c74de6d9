//! How audit records write what a request asks for.

use super::{Interaction, Search};

impl Interaction {
    /// The canonical path below the base, with `[id]` for the id of an instance and `[vid]` for that of a
    /// version, as the standard writes them.
    pub fn route(&self) -> String {
        let path = self.path();
        let instance = self.id().is_some() || self.compartment().is_some();
        let version = self.version().is_some();
        let named = |(place, segment): (usize, &str)| match place {
            2 if instance => "[id]".to_owned(),
            4 if version => "[vid]".to_owned(),
            _ => segment.to_owned(),
        };
        let segments: Vec<String> = path.split('/').enumerate().map(named).collect();
        segments.join("/")
    }

    /// The version that is asked for.
    pub fn version(&self) -> Option<&str> {
        match self {
            Interaction::Vread { version, .. } => Some(version),
            _ => None,
        }
    }

    /// The canonical query, or the condition of a write, names and values without their escapes.
    pub fn parameters(&self) -> Vec<(String, String)> {
        let query = match self.query() {
            // The condition of a create goes in a header.
            none if none.is_empty() => self.search().map(Search::query).unwrap_or_default(),
            query => query,
        };
        let pairs = query.strip_prefix('?').unwrap_or_default().split('&');
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            Some((name.to_owned(), unescaped(value)))
        };
        pairs.filter_map(pair).collect()
    }
}

/// The text of what was escaped by ourselves.
fn unescaped(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%'
            && let [high, low, tail @ ..] = tail
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            bytes.extend(u8::try_from(high * 16 + low));
            rest = tail;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
