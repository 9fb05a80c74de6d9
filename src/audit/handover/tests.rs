use std::collections::HashMap;
use std::rc::Rc;

use super::*;
use crate::audit::{Caller, Word};

const NOW: u64 = 7_000_000_000;

/// Shared data, and what is to go wrong there.
#[derive(Default)]
struct Shared {
    map: HashMap<String, (Vec<u8>, u32)>,
    /// Others write before every write, or nothing can be used.
    races: bool,
    fails: bool,
    steps: usize,
}

impl Shared {
    fn carry_out<W: Work>(&mut self, work: &mut W) -> W::Outcome {
        loop {
            let answer = match work.step() {
                Step::Done(outcome) => return outcome,
                _ if self.fails => Answer::Failed,
                Step::Read { key } => {
                    let (bytes, version) = self.map.get(key).cloned().unzip();
                    // As the proxy does it: an empty value has a version, and no bytes.
                    let bytes = bytes.filter(|bytes| !bytes.is_empty());
                    Answer::Value { bytes, version }
                }
                Step::Write { .. } if self.races => Answer::Conflict,
                Step::Write {
                    key,
                    value,
                    version,
                } => {
                    let current = self.map.get(key).map(|(_, version)| *version);
                    assert_eq!(current, version, "what was read");
                    let next = version.unwrap_or(0) + 1;
                    self.map.insert(key.to_owned(), (value.to_vec(), next));
                    Answer::Written
                }
            };
            work.answer(answer);
            self.steps += 1;
            assert!(self.steps < 4000, "it ends");
        }
    }

    fn leave(&mut self, queues: &mut [Queue]) -> u64 {
        match Leaving::of(queues.iter_mut(), NOW) {
            Some(mut work) => self.carry_out(&mut work),
            None => 0,
        }
    }

    fn is_clear(&self) -> bool {
        let mut pieces = self.map.iter().filter(|(key, _)| *key != LAST);
        pieces.all(|(_, (bytes, _))| bytes.is_empty())
    }

    fn take(&mut self) -> Option<Rest> {
        self.carry_out(&mut Taking::new(Seen::default())).0
    }
}

fn repository(path: &str) -> Repository {
    Repository {
        cluster: "audit".to_owned(),
        authority: "audit.example.org".to_owned(),
        path: path.to_owned(),
        format: Format::Records,
        batch: 4,
        queue: 64 << 20,
        full: Full::Refuse,
        timeout: 1_000_000_000,
        strict: true,
    }
}

fn filled(records: usize) -> Queue {
    let mut queue = Queue::new(Rc::new(repository("/r")));
    for number in 0..records {
        queue.push(format!("record-{number}"), Caller::Known);
    }
    queue
}

fn texts(from: usize, to: usize) -> Vec<String> {
    (from..to)
        .map(|number| format!("record-{number}"))
        .collect()
}

#[test]
fn what_was_not_acknowledged_is_left_and_nothing_else() {
    let mut queue = filled(6);
    let (number, _) = queue.next(NOW).expect("a batch");
    queue.answered(number, Word::Taken, NOW);
    let (number, first) = queue.next(NOW).expect("the rest");
    queue.push("record-6".to_owned(), Caller::Known);
    let mut shared = Shared::default();
    let mut queues = [queue];
    assert_eq!(shared.leave(&mut queues), 0);
    let [queue] = &mut queues;
    assert!(queue.is_empty() && queue.next(NOW).is_none());
    queue.answered(number, Word::Failed, NOW);
    assert!(queue.is_empty(), "an answer too late");
    let rest = shared.take().expect("what was left");
    assert_eq!(
        (&rest.records, rest.again, rest.left),
        (&texts(4, 7), 2, NOW)
    );
    assert_eq!(shared.take(), None, "once");
    assert_eq!(shared.leave(&mut queues), 0, "nothing waits");
    assert!(shared.is_clear());
    // What may have been taken goes again in the same words, and alone.
    let mut heir = Queue::of(rest, 9);
    let (number, again) = heir.next(9).expect("a batch");
    assert_eq!(again, first);
    heir.answered(number, Word::Taken, 9);
    let (number, last) = heir.next(9).expect("the last");
    assert_eq!(last.body, b"record-6\n");
    heir.answered(number, Word::Taken, 9);
    assert!(heir.is_empty() && heir.lost() == 0);
}

#[test]
fn a_rest_is_left_again_with_its_time() {
    let mut shared = Shared::default();
    shared.leave(&mut [filled(1)]);
    let mut heir = Queue::of(shared.take().expect("a rest"), 3 * NOW);
    let rest = heir.take_rest(4 * NOW);
    assert_eq!(rest.left, NOW);
    let (own, other) = (filled(0), Queue::new(Rc::new(repository("/other"))));
    for (name, own, after, expected) in [
        ("the same repository", Some(&own), 1000, false),
        ("another", Some(&other), 11, true),
        ("another, in time", Some(&other), 10, false),
        ("none", None, 11, true),
    ] {
        let left = Queue::of(rest.clone(), 3 * NOW);
        assert_eq!(left.is_stale(own, NOW + after, 11), expected, "{name}");
    }
    // After a clock that has stepped back, or by a word that is not true.
    for time in [5 * NOW, u64::MAX] {
        let rest = Rest {
            left: time,
            ..rest.clone()
        };
        let left = Queue::of(rest, NOW);
        assert!(!left.is_stale(None, NOW + 10, 11) && left.is_stale(None, NOW + 11, 11));
    }
}

#[test]
fn pieces_have_a_bound_and_every_record_a_place() {
    let large = "x".repeat(PIECE / 2 + 1);
    for (name, lengths, expected) in [
        ("one", vec![1], vec![1]),
        ("all in one", vec![PIECE - 3, 1], vec![2]),
        ("one byte more", vec![PIECE - 2, 1], vec![1, 1]),
        ("halves", vec![large.len(); 3], vec![1, 1, 1]),
        ("larger than a piece", vec![1, PIECE + 1, 1], vec![1, 1, 1]),
    ] {
        let mut queue = filled(0);
        for length in &lengths {
            queue.push("y".repeat(*length), Caller::Known);
        }
        let mut shared = Shared::default();
        assert_eq!(shared.leave(&mut [queue]), 0, "{name}");
        let pieces: Vec<Rest> = std::iter::from_fn(|| shared.take()).collect();
        let counts: Vec<usize> = pieces.iter().map(Rest::len).collect();
        assert_eq!(counts, expected, "{name}");
        let found = pieces.iter().flat_map(|piece| &piece.records);
        let found: Vec<usize> = found.map(String::len).collect();
        assert_eq!(found, lengths, "{name}");
    }
}

#[test]
fn what_has_no_place_is_lost_and_counted() {
    let full = |shared: &mut Shared, of: u16| {
        for slot in 0..of {
            shared
                .map
                .insert(slot_key(PREFIX, slot), (b"x".to_vec(), 1));
        }
    };
    for (name, taken, races, fails, lost) in [
        ("the last place", PIECES - 1, false, false, 0),
        ("no place", PIECES, false, false, 3),
        ("others are faster", 0, true, false, 3),
        ("shared data fails", 0, false, true, 3),
    ] {
        let mut shared = Shared {
            races,
            fails,
            ..Shared::default()
        };
        full(&mut shared, taken);
        assert_eq!(shared.leave(&mut [filled(3)]), lost, "{name}");
        assert!(shared.steps <= 2 * usize::from(PIECES) + 2, "{name}");
    }
    // The second queue has no place any more, the first has.
    let mut shared = Shared::default();
    full(&mut shared, PIECES - 1);
    assert_eq!(shared.leave(&mut [filled(3), filled(2)]), 2);
}

#[test]
fn one_takes_a_piece_and_nobody_waits_for_what_fails() {
    let mut shared = Shared::default();
    shared.leave(&mut [filled(1)]);
    shared.races = true;
    assert_eq!(shared.take(), None, "another was faster");
    (shared.races, shared.fails) = (false, true);
    assert_eq!(shared.take(), None, "shared data fails");
    shared.fails = false;
    assert!(shared.take().is_some());
}

#[test]
fn whoever_has_seen_everything_reads_one_key_until_more_is_left() {
    let mut shared = Shared::default();
    let mut seen = Seen::default();
    let mut look = |shared: &mut Shared| {
        let before = shared.steps;
        let (rest, now) = shared.carry_out(&mut Taking::new(seen));
        seen = now;
        (rest.map_or(0, |rest| rest.len()), shared.steps - before)
    };
    let all = usize::from(PIECES) + 1;
    assert_eq!(look(&mut shared), (0, 1), "nothing was ever left");
    for round in 0..3 {
        // In the same nanosecond.
        assert_eq!(shared.leave(&mut [filled(2), filled(1)]), 0);
        assert_eq!(look(&mut shared), (2, 3), "{round}");
        assert_eq!(look(&mut shared), (1, 4), "{round}");
        shared.fails = true;
        assert_eq!(look(&mut shared).0, 0, "{round}");
        shared.fails = false;
        assert_eq!(look(&mut shared), (0, all), "{round}: is there more");
        assert_eq!(look(&mut shared), (0, 1), "{round}");
    }
    // Another's words in its place hide nothing that is left later.
    for value in [&b""[..], b"rubbish!", b"x"] {
        shared.map.insert(LAST.to_owned(), (value.to_vec(), 1));
        while look(&mut shared).1 > 1 {}
        shared.leave(&mut [filled(2)]);
        assert_eq!(look(&mut shared).0, 2);
        while look(&mut shared).1 > 1 {}
    }
}

#[test]
fn what_cannot_be_read_is_no_piece_and_is_cleared_away() {
    let rest = filled(2).take_rest(NOW);
    let good = String::from_utf8(rest.write()).expect("text");
    let replaced = |from: &str, to: &str| good.replacen(from, to, 1).into_bytes();
    assert_eq!(Rest::read(good.as_bytes()).map(|rest| rest.len()), Some(2));
    let mut bad = vec![
        b"\xff".to_vec(),
        replaced("audit 1", "audit 2"),
        replaced("7000000000", "-1"),
        replaced("\n0\n", "\n3\n"),
        replaced("records", "lines"),
        replaced("\n4\n", "\n\n"),
    ];
    // No configuration has such a repository.
    bad.extend([
        replaced("\n4\n", "\n0\n"),
        replaced("\n4\n", "\n1001\n"),
        replaced("1000000000\n", "99999999\n"),
        replaced("1000000000\n", "18446744073709551615\n"),
        replaced("\naudit\n", "\n\n"),
        replaced("\naudit\n", "\nau dit\n"),
        replaced("audit.example.org", ""),
        replaced("audit.example.org", "audit.example.org\r"),
        replaced("audit.example.org", "user@audit.example.org"),
        replaced("audit.example.org", "audit.example.org/x"),
        replaced("/r\n", "r\n"),
        replaced("/r\n", "/r HTTP/1.1\r\n"),
        replaced("/r\n", "/r#x\n"),
        replaced("/r\n", "/\u{e4}\n"),
    ]);
    let records = good.find("\nrecord-0").expect("a record");
    bad.extend((1..=records).map(|end| good.as_bytes()[..end].to_vec()));
    let mut shared = Shared::default();
    for (slot, value) in bad.into_iter().take(usize::from(PIECES) - 1).enumerate() {
        assert_eq!(Rest::read(&value), None, "{}", value.escape_ascii());
        let key = slot_key(PREFIX, slot as u16);
        shared.map.insert(key, (value, 1));
    }
    shared.leave(&mut [filled(2)]);
    assert_eq!(shared.take().map(|rest| rest.len()), Some(2));
    assert!(shared.is_clear());
}

#[test]
fn events_stay_events() {
    let own = Repository {
        format: Format::Events,
        ..repository("/fhir")
    };
    let mut queue = Queue::new(Rc::new(own));
    queue.push(r#"{"id":"a"}"#.to_owned(), Caller::Known);
    let (_, call) = queue.next(NOW).expect("a batch");
    let rest = Rest::read(&queue.take_rest(NOW).write()).expect("a piece");
    assert_eq!(
        Queue::of(rest, NOW).next(NOW).map(|next| next.1),
        Some(call)
    );
}
