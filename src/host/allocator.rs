//! The allocator of the module: shelves for small pieces, in front of one for every size.
//!
//! A request takes and gives back some hundred small pieces: header fields, claims, texts of the
//! record. Finding a place for each among all sizes, and joining it to its neighbours when it comes
//! back, took a fifth of the time that the module spent on a request. So what comes back is put on the
//! shelf of its size, and handed out again as it is. Whatever touches memory is in the room's own file.

use std::alloc::Layout;

use talc::wasm::{WasmDynamicTalc, new_wasm_dynamic_allocator};

use super::shelf::{self, SHELVES, Shelf};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator {
    shelves: [const { Shelf::new() }; SHELVES],
    behind: new_wasm_dynamic_allocator(),
};

#[cfg(target_feature = "atomics")]
compile_error!("the allocator is for one thread");

/// The shelves, and the allocator behind them.
pub(super) struct Allocator {
    shelves: [Shelf; SHELVES],
    pub behind: WasmDynamicTalc,
}

impl Allocator {
    /// The shelf of a small piece, and the layout that all of its pieces have.
    pub fn shelf(&self, layout: Layout) -> Option<(&Shelf, Layout)> {
        let (place, of_shelf) = shelf::of(layout)?;
        Some((self.shelves.get(place)?, of_shelf))
    }
}
