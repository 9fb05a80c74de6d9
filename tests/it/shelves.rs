//! The shelves of the module's allocator, natively: which pieces are small, and how much lies unused.

use std::alloc::Layout;
use std::ptr;

use shelf::{MOST, Piece, SHELVES, STEP, Shelf};

#[path = "../../src/host/shelf.rs"]
mod shelf;

/// A shelf, and what is written into the pieces that lie there.
struct Lying {
    shelf: Shelf,
    size: usize,
    pieces: Vec<Piece>,
}

impl Lying {
    /// As the allocator does when a piece comes back; says whether it was put.
    fn put(&mut self) -> bool {
        // Nobody looks at this address.
        let address = (self.pieces.len() + 1) * self.size;
        let next = self.shelf.first();
        let put = self
            .shelf
            .put(ptr::without_provenance_mut(address), self.size);
        if put {
            self.pieces.push(Piece { next });
        }
        put
    }

    /// As the allocator does when a piece is asked for.
    fn take(&mut self) -> *mut Piece {
        let first = self.shelf.first();
        if let Some(piece) = self.pieces.pop() {
            self.shelf.take(piece.next, self.size);
        }
        first
    }
}

#[test]
fn small_pieces_have_64_sizes_up_to_1_kib() {
    for (size, align, expected) in [
        (0, 1, None),
        (1, 1, Some(0)),
        (16, 8, Some(0)),
        (17, 1, Some(1)),
        (32, 4, Some(1)),
        (1008, 8, Some(62)),
        (1009, 1, Some(63)),
        (1024, 8, Some(63)),
        (1025, 1, None),
        (isize::MAX as usize, 1, None),
        // Pieces begin at multiples of eight bytes, and not of more.
        (16, 16, None),
        (1024, 32, None),
    ] {
        let layout = Layout::from_size_align(size, align).expect("a layout");
        let found = shelf::of(layout);
        let place = found.map(|(place, _)| place);
        assert_eq!(place, expected, "{size} bytes at {align}");
        let Some((place, of_shelf)) = found else {
            continue;
        };
        assert!(place < SHELVES);
        assert!(of_shelf.size() >= size && of_shelf.align() >= align);
        // All that are on one shelf are of one layout, whatever was asked for.
        assert_eq!(shelf::of(of_shelf), Some((place, of_shelf)));
    }
}

#[test]
fn no_more_than_256_kib_lie_on_a_shelf() {
    for size in (1..=SHELVES).map(|number| number * STEP) {
        let mut lying = Lying {
            shelf: Shelf::new(),
            size,
            pieces: Vec::new(),
        };
        let most = MOST / size;
        assert!(most * size <= 256 << 10 && (most + 1) * size > 256 << 10);
        for round in 0..2 {
            for number in 0..most {
                assert!(lying.put(), "{size}, {round}: piece {number}");
            }
            let first = lying.shelf.first();
            // It goes back to where every size can have it, and the shelf is as it was.
            assert!(!lying.put(), "{size}, {round}: one more");
            assert_eq!(lying.shelf.first(), first, "{size}, {round}");
            assert_eq!(lying.take(), first, "{size}, {round}");
            assert!(lying.put(), "{size}, {round}: in its place");
            assert!(!lying.put(), "{size}, {round}: and no more");
            for number in (1..=most).rev() {
                let expected = ptr::without_provenance_mut(number * size);
                assert_eq!(lying.take(), expected, "{size}, {round}: piece {number}");
            }
            assert!(
                lying.take().is_null(),
                "{size}, {round}: nothing lies there"
            );
        }
    }
}
