//! The allocator of the module: shelves for small pieces, in front of one for every size.
//!
//! A request takes and gives back some hundred small pieces: header fields, claims, texts of the
//! record. Finding a place for each among all sizes, and joining it to its neighbours when it comes
//! back, took a fifth of the time that the module spent on a request. So what comes back is put on the
//! shelf of its size, and handed out again as it is. Whatever touches memory is in the room's own file.

use std::alloc::Layout;
use std::cell::Cell;
use std::ptr;

use talc::wasm::{WasmDynamicTalc, new_wasm_dynamic_allocator};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator {
    shelves: [const { Shelf::new() }; SHELVES],
    behind: new_wasm_dynamic_allocator(),
};

#[cfg(target_feature = "atomics")]
compile_error!("the allocator is for one thread");

/// The sizes of small pieces are the multiples of this, in bytes.
const STEP: usize = 16;

/// How many sizes of small pieces there are: the largest is 1 KiB.
const SHELVES: usize = 64;

/// The most that lies unused on one shelf, in bytes: what comes beyond it goes back to where every size
/// can have it. 16 MiB on all shelves together.
const MOST: usize = 256 << 10;

/// The shelves, and the allocator behind them.
pub(super) struct Allocator {
    shelves: [Shelf; SHELVES],
    pub behind: WasmDynamicTalc,
}

/// Unused pieces of one size.
pub(super) struct Shelf {
    first: Cell<*mut Piece>,
    /// How many bytes may still be put here.
    room: Cell<usize>,
}

/// An unused piece.
pub(super) struct Piece {
    pub next: *mut Piece,
}

impl Allocator {
    /// The shelf of a small piece, and the layout that all of its pieces have.
    pub fn shelf(&self, layout: Layout) -> Option<(&Shelf, Layout)> {
        let place = layout.size().wrapping_sub(1) / STEP;
        let shelf = self.shelves.get(place)?;
        let of_shelf = Layout::from_size_align((place + 1) * STEP, align_of::<u64>()).ok()?;
        (layout.align() <= of_shelf.align()).then_some((shelf, of_shelf))
    }
}

impl Shelf {
    const fn new() -> Self {
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
