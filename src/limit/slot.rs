//! The value of one key of shared data: a few buckets, never trusted.

use super::quota::{LONGEST_REFILL, Quota, SECOND};

/// Which bucket of a slot: a part of the hash of limit and caller.
pub(super) type Fingerprint = [u8; 16];

/// Busy buckets of a slot, besides the one for overflow.
pub(super) const ENTRIES: usize = 16;

/// The fingerprint of the overflow entry; no caller has it.
pub(super) const OVERFLOW: Fingerprint = [0; 16];

/// By how much the clocks of two workers may differ, in nanoseconds, without anyone gaining by it.
/// Each worker reads the clock before it reads the slot, and may be held up in between.
pub(super) const SKEW: u64 = SECOND;

const MAGIC: [u8; 4] = *b"FGL\x01";
const ENTRY_BYTES: usize = 24;

/// One slot: `magic 4, exhausted_at u64`, then up to 17 entries `fingerprint 16, tat u64`, sorted;
/// numbers are big-endian nanoseconds since 1970.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Slot {
    /// When the slot was rebuilt, 0 if never: buckets that it does not hold were emptied then.
    exhausted_at: u64,
    entries: Vec<Entry>,
    /// Whether what was read had to be mended. Such a slot must be written even for a refusal:
    /// otherwise every read would mend it anew, with a later instant, and it would never heal.
    mended: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Entry {
    fingerprint: Fingerprint,
    tat: u64,
}

impl Slot {
    /// A slot that was never written.
    pub fn fresh() -> Slot {
        Slot {
            exhausted_at: 0,
            entries: Vec::new(),
            mended: false,
        }
    }

    /// The slot in these bytes, rebuilt if they are damaged.
    pub fn read(bytes: &[u8], now: u64) -> Slot {
        parse(bytes, now).unwrap_or(Slot {
            // 0 would mean never.
            exhausted_at: now.max(1),
            entries: Vec::new(),
            mended: true,
        })
    }

    /// The slot that a read found.
    pub fn of(bytes: Option<Vec<u8>>, version: Option<u32>, now: u64) -> Slot {
        match (bytes, version) {
            (None, None) => Slot::fresh(),
            (bytes, _) => Slot::read(&bytes.unwrap_or_default(), now),
        }
    }

    /// Whether the slot must be written even if nobody is charged.
    pub fn mended(&self) -> bool {
        self.mended
    }

    /// The theoretical arrival time of this bucket, mended if no clock could have written it.
    pub fn find(&mut self, fingerprint: Fingerprint, quota: &Quota, now: u64) -> u64 {
        let empty = now.saturating_add(quota.furthest());
        if let Some(entry) = self.entry_mut(fingerprint) {
            // Twice the skew: an entry below may lie one ahead, and this clock one behind.
            if entry.tat > empty.saturating_add(2 * SKEW) {
                entry.tat = empty;
                self.mended = true;
                return empty;
            }
            return entry.tat;
        }
        let shared = self.entry_mut(OVERFLOW).map_or(0, |entry| entry.tat);
        // The overflow entry may hold what another, slower quota charged. This caller's own share
        // of it cannot exceed its own bucket: where there is room again, that is where it goes on.
        let own = empty.saturating_add(SKEW);
        if shared > own && self.insert(fingerprint, own, now) {
            self.mended = true;
            return own;
        }
        let emptied = match self.exhausted_at {
            0 => 0,
            instant => instant.saturating_add(quota.furthest()),
        };
        shared.max(emptied)
    }

    /// Notes the theoretical arrival time that was made from what [`Slot::find`] said.
    pub fn put(&mut self, fingerprint: Fingerprint, tat: u64, now: u64) {
        if let Some(entry) = self.entry_mut(fingerprint) {
            entry.tat = tat;
        } else if !self.insert(fingerprint, tat, now) {
            match self.entry_mut(OVERFLOW) {
                Some(entry) => entry.tat = entry.tat.max(tat),
                None => self.entries.insert(
                    0,
                    Entry {
                        fingerprint: OVERFLOW,
                        tat,
                    },
                ),
            }
        }
    }

    /// Gives back what made this bucket full so much later, charged at that instant; whether there was anything to
    /// be given back. What came back by itself since is not given again: a bucket that was full in between would hold
    /// more than its burst for it. Nothing of a bucket that was lost or emptied since, nor of what several share.
    pub fn give_back(
        &mut self,
        fingerprint: Fingerprint,
        added: u64,
        charged: u64,
        now: u64,
    ) -> bool {
        // A clock that stepped back tells nothing of how long it has been.
        let Some(since) = now.checked_sub(charged) else {
            return false;
        };
        let rest = added.saturating_sub(since);
        let known = !self.mended && self.exhausted_at < charged;
        match self.entry_mut(fingerprint) {
            Some(entry) if known && rest > 0 => {
                entry.tat = entry.tat.saturating_sub(rest);
                true
            }
            _ => false,
        }
    }

    /// The bytes to store.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(12 + ENTRY_BYTES * self.entries.len());
        bytes.extend(MAGIC);
        bytes.extend(self.exhausted_at.to_be_bytes());
        for entry in &self.entries {
            bytes.extend(entry.fingerprint);
            bytes.extend(entry.tat.to_be_bytes());
        }
        bytes
    }

    fn entry_mut(&mut self, fingerprint: Fingerprint) -> Option<&mut Entry> {
        let mut entries = self.entries.iter_mut();
        entries.find(|entry| entry.fingerprint == fingerprint)
    }

    /// Adds an entry if there is room, or if there is once idle entries are gone.
    fn insert(&mut self, fingerprint: Fingerprint, tat: u64, now: u64) -> bool {
        if own(&self.entries) >= ENTRIES {
            // An idle bucket equals an absent one, for a slower clock too once it has been so for
            // the length of the skew.
            self.entries
                .retain(|entry| entry.tat.saturating_add(SKEW) > now);
        }
        if own(&self.entries) >= ENTRIES {
            return false;
        }
        let place = self
            .entries
            .partition_point(|entry| entry.fingerprint < fingerprint);
        self.entries.insert(place, Entry { fingerprint, tat });
        true
    }
}

fn own(entries: &[Entry]) -> usize {
    let own = entries.iter().filter(|entry| entry.fingerprint != OVERFLOW);
    own.count()
}

fn parse(bytes: &[u8], now: u64) -> Option<Slot> {
    let (magic, bytes) = bytes.split_first_chunk::<4>()?;
    let (exhausted_at, bytes) = bytes.split_first_chunk::<8>()?;
    let (chunks, rest) = bytes.as_chunks::<ENTRY_BYTES>();
    if *magic != MAGIC || !rest.is_empty() || chunks.len() > ENTRIES + 1 {
        return None;
    }
    // A bucket that no quota can have filled would be busy for ever, and never make room.
    let latest = now.saturating_add(LONGEST_REFILL).saturating_add(2 * SKEW);
    let mut entries: Vec<Entry> = Vec::with_capacity(chunks.len() + 1);
    for chunk in chunks {
        let (fingerprint, tat) = chunk.split_first_chunk::<16>()?;
        let entry = Entry {
            fingerprint: *fingerprint,
            tat: u64::from_be_bytes(*tat.first_chunk::<8>()?),
        };
        let unsorted = entries
            .last()
            .is_some_and(|last| last.fingerprint >= entry.fingerprint);
        if unsorted || entry.tat > latest {
            return None;
        }
        entries.push(entry);
    }
    if own(&entries) > ENTRIES {
        return None;
    }
    let mut exhausted_at = u64::from_be_bytes(*exhausted_at);
    let mended = exhausted_at > now.saturating_add(SKEW);
    if mended {
        exhausted_at = now.max(1);
    }
    Some(Slot {
        exhausted_at,
        entries,
        mended,
    })
}

#[cfg(test)]
mod tests {
    use super::super::quota::Period;
    use super::*;

    const NOW: u64 = 1_000_000 * SECOND;

    fn fingerprint(number: u8) -> Fingerprint {
        let mut bytes = OVERFLOW;
        bytes[0] = number;
        bytes
    }

    /// The bytes of a slot with these buckets, in this order.
    fn bytes(exhausted_at: u64, entries: &[(u8, u64)]) -> Vec<u8> {
        let mut bytes = b"FGL\x01".to_vec();
        bytes.extend(exhausted_at.to_be_bytes());
        for (number, tat) in entries {
            bytes.extend(fingerprint(*number));
            bytes.extend(tat.to_be_bytes());
        }
        bytes
    }

    fn numbers(range: std::ops::RangeInclusive<u8>, tat: u64) -> Vec<(u8, u64)> {
        range.map(|number| (number, tat)).collect()
    }

    #[test]
    fn only_what_was_written_is_read() {
        fn check(name: &str, bytes: &[u8], expected: Option<(u64, usize, bool)>) {
            let slot = Slot::read(bytes, NOW);
            let found = (slot.exhausted_at, slot.entries.len(), slot.mended);
            assert_eq!(found, expected.unwrap_or((NOW, 0, true)), "{name}");
            if !slot.mended {
                assert_eq!(slot.bytes(), bytes, "{name}");
            }
        }
        let latest = NOW + LONGEST_REFILL + 2 * SKEW;
        let good = bytes(0, &[(1, NOW), (2, 0)]);
        check("empty slot", &bytes(0, &[]), Some((0, 0, false)));
        check("two buckets", &good, Some((0, 2, false)));
        check(
            "16 buckets",
            &bytes(0, &numbers(1..=16, NOW)),
            Some((0, 16, false)),
        );
        check(
            "16 and overflow",
            &bytes(0, &numbers(0..=16, NOW)),
            Some((0, 17, false)),
        );
        check("17 buckets", &bytes(0, &numbers(1..=17, NOW)), None);
        check("17 and overflow", &bytes(0, &numbers(0..=17, NOW)), None);
        check("emptied value", &[], None);
        check("magic only", b"FGL\x01", None);
        check("one byte short", &good[..good.len() - 1], None);
        check("one byte more", &[&good[..], &[0]].concat(), None);
        check("other version", &[b"FGL\x02", &good[4..]].concat(), None);
        check("unsorted", &bytes(0, &[(2, NOW), (1, NOW)]), None);
        check("twice", &bytes(0, &[(1, NOW), (1, NOW)]), None);
        check("overflow last", &bytes(0, &[(1, NOW), (0, NOW)]), None);
        check("latest", &bytes(0, &[(1, latest)]), Some((0, 1, false)));
        check("too late", &bytes(0, &[(1, latest + 1)]), None);
        check("too late in overflow", &bytes(0, &[(0, u64::MAX)]), None);
        check("rebuilt", &bytes(NOW, &[(1, 0)]), Some((NOW, 1, false)));
        check(
            "rebuilt by a faster clock",
            &bytes(NOW + SKEW, &[]),
            Some((NOW + SKEW, 0, false)),
        );
        check(
            "rebuilt in the future",
            &bytes(NOW + SKEW + 1, &[(1, 0)]),
            Some((NOW, 1, true)),
        );
    }

    #[test]
    fn a_bucket_is_found_or_made_up_strictly() {
        // 10 seconds from empty to full.
        let quota = Quota::new(1, Period::Second, 10).unwrap();
        let empty = NOW + 10 * SECOND;
        let check = |name: &str, bytes: &[u8], expected: u64, mended: bool| {
            let mut slot = Slot::read(bytes, NOW);
            let found = slot.find(fingerprint(9), &quota, NOW);
            assert_eq!((found, slot.mended()), (expected, mended), "{name}");
            // What was mended and stored reads the same, and is not mended again.
            let mut again = Slot::read(&slot.bytes(), NOW);
            let found = again.find(fingerprint(9), &quota, NOW);
            assert_eq!((found, again.mended()), (expected, false), "{name}, again");
        };
        let drift = empty + 2 * SKEW;
        let far = NOW + 20 * 86_400 * SECOND;
        check("absent", &bytes(0, &[(8, empty)]), 0, false);
        check("present", &bytes(0, &[(9, NOW + 5)]), NOW + 5, false);
        check("empty", &bytes(0, &[(9, empty)]), empty, false);
        check("faster clock", &bytes(0, &[(9, drift)]), drift, false);
        check("no clock", &bytes(0, &[(9, drift + 1)]), empty, true);
        check("far ahead", &bytes(0, &[(9, far)]), empty, true);
        check("damaged", b"rubbish", empty, true);
        check(
            "damaged before",
            &bytes(NOW - SECOND, &[]),
            empty - SECOND,
            false,
        );
        check("damaged before, present", &bytes(NOW, &[(9, 7)]), 7, false);
        check("overflow busy", &bytes(0, &[(0, NOW + 7)]), NOW + 7, false);
        check(
            "overflow and damage",
            &bytes(NOW, &[(0, NOW + 7)]),
            empty,
            false,
        );
        check(
            "overflow, present",
            &bytes(0, &[(0, far), (9, NOW)]),
            NOW,
            false,
        );
        check(
            "overflow far, room",
            &bytes(0, &[(0, far)]),
            empty + SKEW,
            true,
        );
        check(
            "overflow far, no room",
            &bytes(0, &[&[(0, far)], &numbers(10..=25, far)[..]].concat()),
            far,
            false,
        );
    }

    #[test]
    fn only_idle_buckets_make_room() {
        fn check(name: &str, entries: &[(u8, u64)], expected: &[(u8, u64)]) {
            let mut slot = Slot::read(&bytes(0, entries), NOW);
            assert!(!slot.mended());
            slot.put(fingerprint(99), NOW + 77, NOW);
            assert_eq!(slot.bytes(), bytes(0, expected), "{name}");
            assert!(slot.bytes().len() <= 420);
        }
        let busy = NOW - SKEW + 1;
        let idle = NOW - SKEW;
        let mine = (99, NOW + 77);
        check("first", &[], &[mine]);
        check("present", &[(99, 1), (100, busy)], &[mine, (100, busy)]);
        check(
            "sorted in",
            &[(98, busy), (100, busy)],
            &[(98, busy), mine, (100, busy)],
        );
        check(
            "room for the 16th",
            &numbers(1..=15, idle),
            &[&numbers(1..=15, idle)[..], &[mine]].concat(),
        );
        let mut one_idle = numbers(1..=16, busy);
        one_idle[3].1 = idle;
        let mut without: Vec<_> = one_idle.clone();
        without.remove(3);
        without.push(mine);
        check("one idle", &one_idle, &without);
        check("all idle", &numbers(0..=16, idle), &[mine]);
        check(
            "all busy",
            &numbers(1..=16, busy),
            &[&[(0, NOW + 77)], &numbers(1..=16, busy)[..]].concat(),
        );
        let overflow = |tat| [&[(0, tat)], &numbers(1..=16, busy)[..]].concat();
        check("overflow grows", &overflow(NOW), &overflow(NOW + 77));
        check(
            "overflow never shrinks",
            &overflow(NOW + 99),
            &overflow(NOW + 99),
        );
        let mut full = numbers(1..=15, busy);
        full.push((99, 1));
        let mut after = numbers(1..=15, busy);
        after.push(mine);
        check("present in a full slot", &full, &after);
    }
}
