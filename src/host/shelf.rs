//! The shelves of small pieces of memory: which sizes there are, and how much may lie on each. No memory is
//! touched here.

use std::alloc::Layout;
use std::cell::Cell;
use std::ptr;

/// The sizes of small pieces are the multiples of this, in bytes.
pub const STEP: usize = 16;

/// How many sizes of small pieces there are: the largest is 1 KiB.
pub const SHELVES: usize = 64;

/// The most that lies unused on one shelf, in bytes: what comes beyond it goes back to where every size
/// can have it. 16 MiB on all shelves together.
pub const MOST: usize = 256 << 10;

/// Unused pieces of one size.
pub struct Shelf {
    first: Cell<*mut Piece>,
    /// How many bytes may still be put here.
    room: Cell<usize>,
}

/// An unused piece.
pub struct Piece {
    /// The one that was put before it; null where it is the only one.
    pub next: *mut Piece,
}

/// The number of the shelf of a small piece, and the layout that all of its pieces have; `None` for what is
/// larger than the largest of them, empty, or aligned to more than eight bytes.
pub fn of(layout: Layout) -> Option<(usize, Layout)> {
    let place = layout.size().checked_sub(1)? / STEP;
    if place >= SHELVES || layout.align() > align_of::<u64>() {
        return None;
    }
    let of_shelf = Layout::from_size_align((place + 1) * STEP, align_of::<u64>()).ok()?;
    Some((place, of_shelf))
}

impl Shelf {
    /// An empty one.
    pub const fn new() -> Self {
        Shelf {
            first: Cell::new(ptr::null_mut()),
            room: Cell::new(MOST),
        }
    }

    /// The piece to be taken next; null where there is none.
    pub fn first(&self) -> *mut Piece {
        self.first.get()
    }

    /// The first piece, of so many bytes, is taken; this one is first then.
    pub fn take(&self, next: *mut Piece, size: usize) {
        self.first.set(next);
        self.room.set(self.room.get() + size);
    }

    /// Puts a piece of so many bytes first, before the one that was; `false`, and nothing is put, where
    /// there is no room.
    pub fn put(&self, piece: *mut Piece, size: usize) -> bool {
        let room = self.room.get().checked_sub(size);
        if let Some(room) = room {
            self.first.set(piece);
            self.room.set(room);
        }
        room.is_some()
    }
}
