//! The allocator of the module: shelves for small pieces, in front of one for everything.
//!
//! A request takes and gives back some hundred small pieces: header fields, claims, texts of the
//! record. Finding a place for each among all sizes, and joining it to its neighbours when it comes
//! back, took a third of the time that the module spent on a request. So what comes back is put on the
//! shelf of its size, and handed out again as it is.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ptr;

use talc::wasm::{WasmDynamicTalc, new_wasm_dynamic_allocator};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator {
    shelves: [const { Shelf::EMPTY }; SHELVES],
    everything: new_wasm_dynamic_allocator(),
};

/// The sizes of small pieces are the multiples of this, in bytes.
const STEP: usize = 16;

/// How many sizes of small pieces there are: the largest is 1 KiB.
const SHELVES: usize = 64;

/// The most that lies unused on one shelf, in bytes: more goes back to where other sizes can have it.
/// 16 MiB on all shelves together.
const MOST: usize = 256 << 10;

struct Allocator {
    shelves: [Shelf; SHELVES],
    everything: WasmDynamicTalc,
}

/// Unused pieces of one size.
struct Shelf {
    first: Cell<*mut Piece>,
    /// How many bytes may still be put here.
    room: Cell<usize>,
}

/// An unused piece.
struct Piece {
    next: *mut Piece,
}

// SAFETY: nothing is shared between threads, because this target has none; the compiler refuses the
// other below.
unsafe impl Sync for Allocator {}

#[cfg(target_feature = "atomics")]
compile_error!("the allocator is for one thread");

impl Shelf {
    const EMPTY: Shelf = Shelf {
        first: Cell::new(ptr::null_mut()),
        room: Cell::new(MOST),
    };
}

impl Allocator {
    /// The shelf of a small piece, and the layout that all of its pieces have.
    fn shelf(&self, layout: Layout) -> Option<(&Shelf, Layout)> {
        let place = layout.size().wrapping_sub(1) / STEP;
        let shelf = self.shelves.get(place)?;
        let of_shelf = Layout::from_size_align((place + 1) * STEP, align_of::<u64>()).ok()?;
        (layout.align() <= of_shelf.align()).then_some((shelf, of_shelf))
    }
}

// SAFETY: a piece is on a shelf, or handed out, or with the other allocator, never in two of these
// places; every piece on a shelf was made by the other allocator with the layout of that shelf, which
// is at least as large and as aligned as what was asked for. No method unwinds.
unsafe impl GlobalAlloc for Allocator {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((shelf, of_shelf)) = self.shelf(layout) else {
            // SAFETY: the caller's layout, which is not empty.
            return unsafe { self.everything.alloc(layout) };
        };
        let piece = shelf.first.get();
        if piece.is_null() {
            // SAFETY: no layout of a shelf is empty.
            return unsafe { self.everything.alloc(of_shelf) };
        }
        // SAFETY: a piece on a shelf is nobody else's, and begins with a `Piece`.
        shelf.first.set(unsafe { (*piece).next });
        shelf.room.set(shelf.room.get() + of_shelf.size());
        piece.cast()
    }

    #[inline(never)]
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        let Some((shelf, of_shelf)) = self.shelf(layout) else {
            // SAFETY: it was made by this allocator, with this layout.
            return unsafe { self.everything.dealloc(place, layout) };
        };
        let Some(room) = shelf.room.get().checked_sub(of_shelf.size()) else {
            // SAFETY: it was made by this allocator, with the layout of its shelf.
            return unsafe { self.everything.dealloc(place, of_shelf) };
        };
        let piece = place.cast::<Piece>();
        let next = shelf.first.get();
        // SAFETY: the caller has given the piece back; it is aligned and large enough for a `Piece`.
        unsafe { piece.write(Piece { next }) };
        shelf.first.set(piece);
        shelf.room.set(room);
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the size within the bounds of a layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (self.shelf(layout), self.shelf(wanted)) {
            (Some((old, _)), Some((new, _))) if ptr::eq(old, new) => place,
            // SAFETY: it was made by this allocator, with this layout.
            (None, None) => unsafe { self.everything.realloc(place, layout, size) },
            // SAFETY: both are at least as large as what is copied, and are not the same; the old one is
            // the caller's to give back.
            _ => unsafe {
                let moved = self.alloc(wanted);
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(place, moved, layout.size().min(size));
                    self.dealloc(place, layout);
                }
                moved
            },
        }
    }
}
