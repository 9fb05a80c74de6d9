//! The memory that all exchanges of one worker share.

use std::cell::Cell;
use std::rc::Rc;

/// The most bytes that the exchanges of one worker may hold for inspection, all together. Beyond it
/// requests are refused rather than the worker's memory filled: a worker that runs out of memory
/// takes all its streams with it.
pub const MEMORY: usize = 256 << 20;

/// The part of [`MEMORY`] that request bodies may take: callers who send slowly must not keep others
/// from their answers.
const BODIES: usize = MEMORY / 2;

/// What one exchange holds of the worker's memory; given back when the exchange is gone.
#[derive(Default)]
pub(in crate::exchange) struct Share {
    all: Rc<Cell<usize>>,
    own: usize,
}

impl Share {
    /// A part of this, which is nothing yet.
    pub fn of(all: &Rc<Cell<usize>>) -> Share {
        Share {
            all: Rc::clone(all),
            own: 0,
        }
    }

    /// Holds this many bytes of a request from now on; see [`Share::hold`].
    pub fn hold_body(&mut self, bytes: usize) -> bool {
        self.hold_below(bytes, BODIES)
    }

    /// Holds this many bytes from now on; `false`, and nothing more than before, when that is more
    /// than the worker has.
    pub fn hold(&mut self, bytes: usize) -> bool {
        self.hold_below(bytes, MEMORY)
    }

    fn hold_below(&mut self, bytes: usize, most: usize) -> bool {
        let others = self.all.get().saturating_sub(self.own);
        let all = others.saturating_add(bytes);
        if bytes > self.own && all > most {
            return false;
        }
        self.all.set(all);
        self.own = bytes;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.hold(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchanges_share_one_memory_and_give_it_back() {
        let all: Rc<Cell<usize>> = Rc::default();
        let share = || Share::of(&all);
        let (mut one, mut other) = (share(), share());
        assert!(one.hold_body(BODIES));
        assert!(!other.hold_body(1), "bodies have their part");
        assert!(other.hold(1), "answers have room");
        assert!(other.hold(0));
        assert!(one.hold(MEMORY - 10));
        assert!(other.hold(10), "up to the bound");
        assert!(!other.hold(11), "one more");
        assert_eq!(all.get(), MEMORY, "a refusal holds no more than before");
        assert!(one.hold(5), "less is always possible");
        assert!(other.hold(11));
        drop(one);
        assert_eq!(all.get(), 11);
        drop(other);
        assert_eq!(all.get(), 0);
    }
}
