//! Who goes first under a limit: part of it is kept for them, or they are never refused by it.

use super::lease::Cap;
use super::patients::Budget;
use super::quota::Quota;

/// Whom a limit puts first, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Priority {
    /// The routes of the proxy on which callers have it; on every one where there are none.
    pub routes: Vec<String>,
    /// What it is.
    pub right: Right,
}

/// What those have who go first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Right {
    /// So much of the limit is for them alone, at least 1; the others have the rest.
    Reserve(u32),
    /// The limit counts them, and never refuses them.
    Bypass,
}

impl Priority {
    /// Whether callers can have it on this route.
    pub fn is_on(&self, route: Option<&str>) -> bool {
        self.routes.is_empty()
            || route.is_some_and(|own| self.routes.iter().any(|name| name == own))
    }
}

/// How one charge stands to what is kept for some.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// As everybody.
    Plain,
    /// What is kept is theirs too: so much that the others have not.
    First(u32),
    /// Never refused.
    Free,
}

impl Standing {
    /// Of a caller who has priority, or has not.
    pub fn new(priority: Option<&Priority>, has_it: bool) -> Standing {
        match priority.map(|priority| priority.right) {
            Some(Right::Reserve(kept)) if has_it => Standing::First(kept),
            Some(Right::Bypass) if has_it => Standing::Free,
            _ => Standing::Plain,
        }
    }
}

/// What remains of a measure where so much of it is kept for others; it still has the same buckets.
pub(super) trait Keeping: Copy {
    /// The rest, at least 1; all of it where nothing is kept.
    fn keeping(self, kept: u32) -> Self;

    /// What this caller has of it.
    fn of(self, priority: Option<&Priority>, standing: Standing) -> Self {
        match (priority.map(|priority| priority.right), standing) {
            (Some(Right::Reserve(kept)), Standing::Plain) => self.keeping(kept),
            _ => self,
        }
    }
}

impl Keeping for Quota {
    fn keeping(self, kept: u32) -> Quota {
        self.with_less(kept)
    }
}

impl Keeping for Cap {
    fn keeping(self, kept: u32) -> Cap {
        self.with_less(kept)
    }
}

impl Keeping for Budget {
    fn keeping(self, kept: u32) -> Budget {
        self.with_less(kept)
    }
}
