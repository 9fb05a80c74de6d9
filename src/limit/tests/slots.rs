//! What stands in a slot, and what is made of it.

use super::super::lease::PARTS;
use super::super::quota::LONGEST_REFILL;
use super::super::slot::{Fingerprint, Kind, SKEW, Slot, Table};
use super::*;

const NOW: u64 = 1_000_000 * SECOND;

fn fingerprint(number: u8) -> Fingerprint {
    let mut bytes = Kind::Bucket.overflow();
    bytes[0] = number;
    bytes
}

/// The bytes of a slot with these buckets, in this order.
fn bytes(rebuilt_at: u64, entries: &[(u8, u64)]) -> Vec<u8> {
    let mut bytes = b"FGL\x02".to_vec();
    bytes.extend(rebuilt_at.to_be_bytes());
    for (number, tat) in entries {
        bytes.extend(fingerprint(*number));
        bytes.extend(tat.to_be_bytes());
    }
    bytes
}

fn read(bytes: &[u8]) -> Slot {
    Slot::of(Table::Limits, Some(bytes), Some(1), NOW)
}

fn written(slot: &Slot) -> Vec<u8> {
    let mut bytes = Vec::new();
    slot.write(&mut bytes);
    bytes
}

fn numbers(range: std::ops::RangeInclusive<u8>, tat: u64) -> Vec<(u8, u64)> {
    range.map(|number| (number, tat)).collect()
}

#[test]
fn only_what_was_written_is_read() {
    fn check(name: &str, bytes: &[u8], expected: Option<(u64, usize, bool)>) {
        let slot = read(bytes);
        let found = (slot.rebuilt_at, slot.entries.len(), slot.mended);
        assert_eq!(found, expected.unwrap_or((NOW, 0, true)), "{name}");
        if !slot.mended {
            assert_eq!(written(&slot), bytes, "{name}");
        }
    }
    let latest = NOW + LONGEST_REFILL + 2 * SKEW;
    let good = bytes(0, &[(1, NOW), (2, NOW + 1)]);
    check("empty slot", &bytes(0, &[]), Some((0, 0, false)));
    check("two buckets", &good, Some((0, 2, false)));
    check(
        "32 buckets",
        &bytes(0, &numbers(1..=32, NOW)),
        Some((0, 32, false)),
    );
    check(
        "32 and overflow",
        &bytes(0, &numbers(0..=32, NOW)),
        Some((0, 33, false)),
    );
    check("33 buckets", &bytes(0, &numbers(1..=33, NOW)), None);
    check("33 and overflow", &bytes(0, &numbers(0..=33, NOW)), None);
    check("emptied value", &[], None);
    check("magic only", b"FGL\x02", None);
    check("one byte short", &good[..good.len() - 1], None);
    check("one byte more", &[&good[..], &[0]].concat(), None);
    check("other version", &[b"FGL\x01", &good[4..]].concat(), None);
    check("unsorted", &bytes(0, &[(2, NOW), (1, NOW)]), None);
    check("twice", &bytes(0, &[(1, NOW), (1, NOW)]), None);
    check("overflow last", &bytes(0, &[(1, NOW), (0, NOW)]), None);
    check("latest", &bytes(0, &[(1, latest)]), Some((0, 1, false)));
    check("too late", &bytes(0, &[(1, latest + 1)]), None);
    check("too late in overflow", &bytes(0, &[(0, u64::MAX)]), None);
    let kinds = |number: u8, kind: u8, more: usize| {
        let mut entry = fingerprint(number);
        entry[15] = kind;
        let until = NOW.to_be_bytes();
        [&bytes(0, &[])[..], &entry, &until, &vec![0; more]].concat()
    };
    let leases = 2 * PARTS as usize;
    check("leases", &kinds(1, 2, leases), Some((0, 1, false)));
    check("a count short", &kinds(1, 2, leases - 2), None);
    check("of no kind", &kinds(1, 0, 0), None);
    check("leases of nobody", &kinds(0, 2, leases), None);
    check("patients, who stand elsewhere", &kinds(1, 3, 10), None);
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
        let mut slot = read(bytes);
        let found = slot.find(fingerprint(9), &quota, NOW);
        assert_eq!((found, slot.mended), (expected, mended), "{name}");
        // What was mended and stored reads the same, and is not mended again.
        let mut again = read(&written(&slot));
        let found = again.find(fingerprint(9), &quota, NOW);
        assert_eq!((found, again.mended), (expected, false), "{name}, again");
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
        &bytes(0, &[&[(0, far)], &numbers(10..=41, far)[..]].concat()),
        far,
        false,
    );
}

#[test]
fn only_idle_buckets_make_room() {
    fn check(name: &str, entries: &[(u8, u64)], expected: &[(u8, u64)]) {
        let mut slot = read(&bytes(0, entries));
        assert!(!slot.mended);
        slot.put(fingerprint(99), NOW + 77, NOW);
        assert_eq!(written(&slot), bytes(0, expected), "{name}");
        assert!(written(&slot).len() <= 12 + 33 * 24);
    }
    let busy = NOW - SKEW + 1;
    let idle = NOW - SKEW;
    let mine = (99, NOW + 77);
    check("first", &[], &[mine]);
    check("present", &[(99, busy), (100, busy)], &[mine, (100, busy)]);
    check(
        "sorted in",
        &[(98, busy), (100, busy)],
        &[(98, busy), mine, (100, busy)],
    );
    check(
        "room for the 32nd",
        &numbers(1..=31, busy),
        &[&numbers(1..=31, busy)[..], &[mine]].concat(),
    );
    check(
        "nothing is left of the idle",
        &numbers(1..=31, idle),
        &[mine],
    );
    check(
        "but beside others who share",
        &[&[(0, busy)], &numbers(1..=31, idle)[..]].concat(),
        &[&[(0, busy)], &numbers(1..=31, idle)[..], &[mine]].concat(),
    );
    let mut one_idle = numbers(1..=32, busy);
    one_idle[3].1 = idle;
    let mut without: Vec<_> = one_idle.clone();
    without.remove(3);
    without.push(mine);
    check("one idle", &one_idle, &without);
    check("all idle", &numbers(0..=32, idle), &[mine]);
    check(
        "all busy",
        &numbers(1..=32, busy),
        &[&[(0, NOW + 77)], &numbers(1..=32, busy)[..]].concat(),
    );
    let overflow = |tat| [&[(0, tat)], &numbers(1..=32, busy)[..]].concat();
    check("overflow grows", &overflow(NOW), &overflow(NOW + 77));
    check(
        "overflow never shrinks",
        &overflow(NOW + 99),
        &overflow(NOW + 99),
    );
    let mut full = numbers(1..=31, busy);
    full.push((99, busy));
    let mut after = numbers(1..=31, busy);
    after.push(mine);
    check("present in a full slot", &full, &after);
}
