//! One key of shared data with a few entries, changed where they lie.

/// Entries of one key.
pub(super) const ENTRIES: usize = 4;

/// What is stored of somebody: a fingerprint of 16 bytes, and what is known.
pub(super) trait Kept: Clone + PartialEq {
    /// What stands before the entries of a key.
    const MAGIC: [u8; 4];
    /// The length of one.
    const BYTES: usize;

    /// Somebody of whom nothing is known.
    fn new(fingerprint: [u8; 16], milliseconds: u64) -> Self;
    /// The entry in so many bytes: any of them are one.
    fn read(bytes: &[u8]) -> Self;
    /// Adds the bytes to store.
    fn write(&self, out: &mut Vec<u8>);
    /// When it was last heard of them, in milliseconds since 1970.
    fn updated(&self) -> u64;
}

/// The bytes of each entry; none of bytes that nobody here wrote.
fn entries<E: Kept>(bytes: &[u8]) -> Option<std::slice::ChunksExact<'_, u8>> {
    let entries = bytes.strip_prefix(&E::MAGIC)?.chunks_exact(E::BYTES);
    (entries.remainder().is_empty() && entries.len() <= ENTRIES).then_some(entries)
}

fn is_of(entry: &[u8], fingerprint: &[u8; 16]) -> bool {
    entry.first_chunk() == Some(fingerprint)
}

/// The bytes of somebody's entry, among those of a key.
pub(super) fn find<'b, E: Kept>(bytes: &'b [u8], fingerprint: &[u8; 16]) -> Option<&'b [u8]> {
    entries::<E>(bytes)?.find(|entry| is_of(entry, fingerprint))
}

/// Changes what is known of somebody; what came of it, and the value to store where anything is to be. Where
/// there is no room, who was quiet for longest gives way.
pub(super) fn change<E: Kept, T>(
    mut bytes: Vec<u8>,
    fingerprint: [u8; 16],
    milliseconds: u64,
    change: impl FnOnce(&mut E) -> T,
) -> (T, Option<Vec<u8>>) {
    let known = find::<E>(&bytes, &fingerprint).map(E::read);
    let before = known.unwrap_or_else(|| E::new(fingerprint, milliseconds));
    let mut entry = before.clone();
    let outcome = change(&mut entry);
    // Most requests say nothing about most callers.
    if entry == before {
        return (outcome, None);
    }
    match entries::<E>(&bytes).map(|all| place::<E>(all, &fingerprint)) {
        Some(Some(place)) => remove(&mut bytes, E::MAGIC.len() + place * E::BYTES, E::BYTES),
        Some(None) => {}
        None => {
            bytes.clear();
            bytes.extend(E::MAGIC);
        }
    }
    bytes.reserve_exact(E::BYTES);
    entry.write(&mut bytes);
    (outcome, Some(bytes))
}

/// Which entry gives way to one of this fingerprint, if one has to: its own, or the quietest of all.
fn place<E: Kept>(
    mut entries: std::slice::ChunksExact<'_, u8>,
    fingerprint: &[u8; 16],
) -> Option<usize> {
    let all = entries.clone();
    let own = entries.position(|entry| is_of(entry, fingerprint));
    let quietest = || {
        let full = all.len() >= ENTRIES;
        let known = (0..).zip(all).filter(|_| full);
        let quiet = known.min_by_key(|(_, entry)| E::read(entry).updated());
        quiet.map(|(place, _)| place)
    };
    own.or_else(quietest)
}

/// Takes so many bytes out from there; the last ones come into their place.
fn remove(bytes: &mut Vec<u8>, from: usize, length: usize) {
    let Some(last) = bytes.len().checked_sub(length) else {
        return;
    };
    if let Some((before, moved)) = bytes.split_at_mut_checked(last)
        && let Some(place) = before.get_mut(from..from.saturating_add(length))
    {
        place.copy_from_slice(moved);
    }
    bytes.truncate(last);
}

#[cfg(test)]
mod tests {
    use super::super::session::Entry;
    use super::*;

    /// All are read, one is changed, all are written.
    fn plainly(bytes: &[u8], entry: &Entry, fingerprint: [u8; 16]) -> Vec<u8> {
        let mut all: Vec<&[u8]> = entries::<Entry>(bytes).into_iter().flatten().collect();
        match all.iter().position(|one| is_of(one, &fingerprint)) {
            Some(place) => {
                all.swap_remove(place);
            }
            None if all.len() == ENTRIES => {
                let quiet = (0..).zip(&all);
                let quiet = quiet.min_by_key(|(_, one)| Entry::read(one).updated());
                all.swap_remove(quiet.expect("an entry").0);
            }
            None => {}
        }
        let mut own = Vec::new();
        entry.write(&mut own);
        all.push(&own);
        [&Entry::MAGIC[..], &all.concat()].concat()
    }

    #[test]
    fn an_entry_is_changed_where_it_lies_as_if_all_were_written_anew() {
        let mut bytes = Vec::new();
        let (mut number, mut most) = (1_u64, 0);
        for round in 0..2000_u64 {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let fingerprint = [u8::try_from(number >> 61).expect("three bits"); 16];
            // Damaged at times: too short, too long, of another kind.
            match number >> 20 & 0x3f {
                0 => bytes.truncate(bytes.len() / 2),
                1 => bytes.push(0),
                2 => bytes.clear(),
                3 => bytes.fill(9),
                _ => {}
            }
            let text = number.to_be_bytes().repeat(Entry::BYTES / 8 + 1);
            let mut made = [&fingerprint[..], &text].concat();
            made.truncate(Entry::BYTES);
            let made = Entry::read(&made);
            let (found, value) = change(bytes.clone(), fingerprint, round, |entry: &mut Entry| {
                let found = entry.clone();
                *entry = made.clone();
                found
            });
            let known = find::<Entry>(&bytes, &fingerprint).map(Entry::read);
            let known = known.unwrap_or_else(|| Entry::new(fingerprint, round));
            assert_eq!(found, known, "round {round}");
            assert_eq!(
                value,
                Some(plainly(&bytes, &made, fingerprint)),
                "round {round}"
            );
            let looked = change(bytes.clone(), fingerprint, round, |_: &mut Entry| ());
            assert_eq!(looked, ((), None), "round {round}");
            bytes = value.expect("bytes");
            most = most.max(bytes.len());
        }
        assert_eq!(most, Entry::MAGIC.len() + ENTRIES * Entry::BYTES);
    }
}
