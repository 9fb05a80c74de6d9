//! Proofs that come again: on the same worker, on another, at the same time, and after the clock was
//! set.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::denial::DpopFault::{self, Replay, ReplayTable};
use crate::identity::dpop::{DpopPolicy, DpopProof};
use crate::identity::{Noting, ProvenKey};
use crate::shared::{Answer, Step, Work as _};

type Outcome = Result<ProvenKey, DpopFault>;

/// The proxy's shared data.
#[derive(Default)]
struct Map {
    values: HashMap<String, (Vec<u8>, u32)>,
    counter: u32,
    steps: usize,
}

impl Map {
    fn carry_out(&mut self, step: &Step<'_, Outcome>) -> Option<Answer> {
        self.steps += 1;
        match step {
            Step::Read { key } => {
                let (bytes, version) = self.values.get(*key).cloned().unzip();
                Some(Answer::Value { bytes, version })
            }
            Step::Write {
                key,
                value,
                version,
            } => {
                if self.values.get(*key).map(|(_, version)| *version) != *version {
                    return Some(Answer::Conflict);
                }
                self.counter += 1;
                let value = (value.to_vec(), self.counter);
                self.values.insert((*key).to_owned(), value);
                Some(Answer::Written)
            }
            Step::Done(_) => None,
        }
    }

    /// One proof without any other worker.
    fn note(&mut self, proof: &DpopProof, policy: &DpopPolicy, now: u64) -> Outcome {
        let mut noting = Noting::new(proof.clone(), policy, now);
        while let Some(answer) = self.carry_out(&noting.step()) {
            noting.answer(answer);
        }
        done(&noting)
    }
}

fn done(noting: &Noting) -> Outcome {
    match noting.step() {
        Step::Done(outcome) => outcome,
        step => panic!("{step:?}"),
    }
}

fn policy(window: u64) -> DpopPolicy {
    DpopPolicy {
        algorithms: vec![Algorithm::Es256],
        window,
        clock_skew: 5,
        nonces: None,
        quarantine: None,
    }
}

/// A proof of this id, made at this time.
fn proof(id: &str, issued: u64) -> DpopProof {
    DpopProof {
        key: [7; 32],
        id: id.to_owned(),
        issued,
        next_nonce: None,
    }
}

/// Ids of proofs that lie in one slot.
fn neighbours(count: usize) -> Vec<String> {
    let slot = |id: &str| match Noting::new(proof(id, NOW), &policy(60), NOW).step() {
        Step::Read { key } => key.to_owned(),
        step => panic!("{step:?}"),
    };
    let first = slot("0");
    let ids = (0..).map(|number: u32| number.to_string());
    ids.filter(|id| slot(id) == first).take(count).collect()
}

#[test]
fn a_proof_is_taken_once() {
    let mut map = Map::default();
    let policy = policy(60);
    let mut check = |name: &str, proof: &DpopProof, now: u64, expected: Result<(), DpopFault>| {
        let found = map.note(proof, &policy, now).map(|_| ());
        assert_eq!(found, expected, "{name}");
    };
    let one = proof("one", NOW);
    check("first", &one, NOW, Ok(()));
    check("again", &one, NOW, Err(Replay));
    check(
        "again with another time",
        &proof("one", NOW + 3),
        NOW,
        Err(Replay),
    );
    check("later", &one, NOW + 65, Err(Replay));
    check("another id", &proof("two", NOW), NOW, Ok(()));
    let other = DpopProof {
        key: [8; 32],
        ..one.clone()
    };
    check("another key", &other, NOW, Ok(()));
    check("that again", &other, NOW, Err(Replay));
    let border = DpopProof {
        id: "ne".to_owned(),
        ..one
    };
    check("a part of an id", &border, NOW, Ok(()));
    check("an empty one", &proof("", NOW), NOW, Ok(()));
    check("that again", &proof("", NOW), NOW, Err(Replay));
    let last = u64::from(u32::MAX);
    check("in 2106", &proof("x", last), last, Ok(()));
    check("after it", &proof("y", last + 1), last, Err(ReplayTable));
}

#[test]
fn the_key_that_is_proven_is_that_of_the_proof() {
    let proof = DpopProof {
        next_nonce: Some("n".to_owned()),
        ..proof("x", NOW)
    };
    let key = Map::default()
        .note(&proof, &policy(60), NOW)
        .expect("fresh");
    assert_eq!(key.thumbprint(), &[7; 32]);
    assert_eq!(key.next_nonce(), Some("n"));
}

#[test]
fn what_is_forgotten_is_not_taken_again_whatever_the_clock_does() {
    let ids = neighbours(8);
    let policy = policy(60);
    for back in [1, 5, 60, 65, 66, 70, 1000, 100_000] {
        let mut map = Map::default();
        let first = proof(&ids[0], NOW);
        assert!(map.note(&first, &policy, NOW).is_ok());
        // Forgotten by the next one of the slot, a second after its time.
        assert!(
            map.note(&proof(&ids[1], NOW + 66), &policy, NOW + 66)
                .is_ok()
        );
        let size = map.values.values().next().expect("a slot").0.len();
        assert_eq!(size, 8 + 16, "the first is forgotten");
        let now = NOW + 66 - back;
        let again = map.note(&first, &policy, now);
        assert_eq!(again, Err(ReplayTable), "{back} s back");
        let second = map.note(&proof(&ids[1], NOW + 66), &policy, now);
        assert_eq!(second, Err(Replay), "{back} s back");
        // A new proof is taken unless it could be one that was forgotten.
        let fresh = map.note(&proof(&ids[2], now), &policy, now);
        assert_eq!(fresh.is_ok(), now > NOW, "{back} s back");
    }
}

#[test]
fn a_longer_window_does_not_bring_back_what_a_shorter_one_forgot() {
    let ids = neighbours(3);
    let mut map = Map::default();
    let first = proof(&ids[0], NOW);
    assert!(map.note(&first, &policy(60), NOW).is_ok());
    assert!(
        map.note(&proof(&ids[1], NOW + 66), &policy(60), NOW + 66)
            .is_ok()
    );
    let again = map.note(&first, &policy(300), NOW + 66);
    assert_eq!(again, Err(ReplayTable));
    let fresh = map.note(&proof(&ids[2], NOW + 66), &policy(300), NOW + 66);
    assert!(fresh.is_ok());
}

#[test]
fn a_full_slot_refuses_until_it_has_room() {
    let ids = neighbours(67);
    let policy = policy(60);
    let mut map = Map::default();
    for (number, id) in ids.iter().take(64).enumerate() {
        let issued = NOW + u64::from(number == 63);
        assert!(
            map.note(&proof(id, issued), &policy, NOW).is_ok(),
            "{number}"
        );
    }
    assert_eq!(map.values.len(), 1);
    assert_eq!(map.values.values().next().expect("a slot").0.len(), 1032);
    let late = |map: &mut Map, id: &str, now: u64| map.note(&proof(id, now), &policy, now);
    assert_eq!(late(&mut map, &ids[64], NOW), Err(ReplayTable), "full");
    assert_eq!(
        late(&mut map, &ids[64], NOW + 65),
        Err(ReplayTable),
        "still"
    );
    for id in &ids[..64] {
        assert_eq!(late(&mut map, id, NOW + 65), Err(Replay), "all are known");
    }
    assert!(late(&mut map, &ids[64], NOW + 66).is_ok(), "room again");
    assert_eq!(late(&mut map, &ids[63], NOW + 66), Err(Replay), "kept");
}

#[test]
fn a_damaged_slot_takes_nothing_from_before() {
    let ids = neighbours(4);
    let policy = policy(60);
    let mut good = Map::default();
    for id in &ids[..2] {
        assert!(good.note(&proof(id, NOW), &policy, NOW).is_ok());
    }
    let (key, (bytes, _)) = good.values.iter().next().expect("a slot");
    let swapped = [&bytes[..8], &bytes[24..], &bytes[8..24]].concat();
    let twice = [&bytes[..24], &bytes[8..24]].concat();
    let long = [&bytes[..8], &[0; 16 * 65]].concat();
    for (name, damaged) in [
        ("emptied", &b""[..]),
        ("text", b"rubbish"),
        ("another version", &[b"FGP\x02", &bytes[4..]].concat()),
        ("a limit's", b"FGL\x01\0\0\0\0\0\0\0\0"),
        ("cut", &bytes[..bytes.len() - 1]),
        ("a byte more", &[bytes, &b"x"[..]].concat()),
        ("cut within the head", &bytes[..7]),
        ("not sorted", &swapped),
        ("one twice", &twice),
        ("too many", &long),
    ] {
        let mut map = Map::default();
        map.values.insert(key.clone(), (damaged.to_vec(), 9));
        let note = |map: &mut Map, id: &str, issued| map.note(&proof(id, issued), &policy, issued);
        assert_eq!(note(&mut map, &ids[0], NOW), Err(ReplayTable), "{name}");
        assert_eq!(map.steps, 3, "{name}: read, mended, done");
        assert_eq!(
            note(&mut map, &ids[0], NOW),
            Err(ReplayTable),
            "{name}, again"
        );
        let early = note(&mut map, &ids[2], NOW + 30);
        assert_eq!(early, Err(ReplayTable), "{name}: could be from before");
        assert!(note(&mut map, &ids[3], NOW + 31).is_ok(), "{name}: healed");
    }
    let mut noting = Noting::new(proof(&ids[0], NOW), &policy, NOW);
    // A version without bytes is an emptied value.
    noting.answer(Answer::Value {
        bytes: None,
        version: Some(3),
    });
    assert!(matches!(
        noting.step(),
        Step::Write {
            version: Some(3),
            ..
        }
    ));
    noting.answer(Answer::Written);
    assert_eq!(done(&noting), Err(ReplayTable));
}

#[test]
fn failure_and_contention_refuse() {
    let start = || Noting::new(proof("x", NOW), &policy(60), NOW);
    let absent = || Answer::Value {
        bytes: None,
        version: None,
    };
    for answer in [Answer::Failed, Answer::Written, Answer::Conflict] {
        let mut noting = start();
        noting.answer(answer.clone());
        assert_eq!(done(&noting), Err(ReplayTable), "{answer:?} to a read");
    }
    for answer in [Answer::Failed, absent()] {
        let mut noting = start();
        noting.answer(absent());
        noting.answer(answer.clone());
        assert_eq!(done(&noting), Err(ReplayTable), "{answer:?} to a write");
    }
    for conflicts in [0, 1, 7, 8] {
        let mut noting = start();
        for _ in 0..conflicts {
            noting.answer(absent());
            noting.answer(Answer::Conflict);
        }
        if conflicts < 8 {
            noting.answer(absent());
            noting.answer(Answer::Written);
            assert!(done(&noting).is_ok(), "{conflicts} conflicts");
        } else {
            assert_eq!(done(&noting), Err(ReplayTable), "{conflicts} conflicts");
        }
        // Once done, answers are ignored.
        let outcome = done(&noting);
        noting.answer(Answer::Written);
        noting.answer(absent());
        assert_eq!(done(&noting), outcome);
    }
}

/// A small linear congruential generator (Knuth, MMIX).
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Three workers note proofs of few ids in random interleavings, with conflicts, failures, and a clock
/// that is set back and forth. Gives how many were taken, and how many refused as known.
fn race(seed: u64, ids: &[String], steps_of_clock: u64) -> (usize, usize) {
    let mut random = Lcg(seed);
    let mut map = Map::default();
    let policy = policy(60);
    let mut now = NOW;
    let mut made: Vec<DpopProof> = Vec::new();
    // Where all lie in one slot it must not be full all the time.
    let crowded = steps_of_clock > 0;
    let mut workers: [Option<(usize, Noting)>; 3] = [None, None, None];
    let (mut taken, mut replayed) = (HashSet::new(), 0);
    for _ in 0..30_000 {
        match random.below(400) {
            0 if steps_of_clock > 0 => now -= random.below(steps_of_clock),
            1..=20 => now += random.below(9),
            _ => {}
        }
        let worker = &mut workers[random.below(3) as usize];
        let Some((which, noting)) = worker else {
            let which = match random.below(if crowded { 40 } else { 3 }) {
                0 if made.len() < ids.len() => {
                    made.push(proof(&ids[made.len()], now + 5 - random.below(60)));
                    made.len() - 1
                }
                _ if made.is_empty() => continue,
                // Most often one of the last few.
                _ => made.len() - 1 - (random.below(40) as usize).min(made.len() - 1),
            };
            let chosen = &made[which];
            let in_time = now + 5 >= chosen.issued && now <= chosen.issued + 65;
            if in_time {
                // The time is read before the slot is.
                *worker = Some((which, Noting::new(chosen.clone(), &policy, now)));
            }
            continue;
        };
        if let Step::Done(outcome) = noting.step() {
            match outcome {
                Ok(_) => {
                    let proof = &made[*which];
                    assert!(
                        taken.insert(proof.id.clone()),
                        "seed {seed}: {proof:?} twice"
                    );
                }
                Err(Replay) => replayed += 1,
                Err(fault) => assert_eq!(fault, ReplayTable),
            }
            *worker = None;
            continue;
        }
        let writing = matches!(noting.step(), Step::Write { .. });
        let answer = match random.below(64) {
            0 => Answer::Failed,
            1..=6 if writing => Answer::Conflict,
            _ => map.carry_out(&noting.step()).expect("a step"),
        };
        noting.answer(answer);
    }
    assert!(map.values.values().all(|(value, _)| value.len() <= 1032));
    (taken.len(), replayed)
}

#[test]
fn exactly_one_wins_in_any_interleaving() {
    let ids: Vec<String> = (0..30_000).map(|number: u32| number.to_string()).collect();
    for seed in 0..6 {
        let (taken, replayed) = race(seed, &ids, 0);
        assert!(
            taken > 500 && replayed > 500,
            "{taken} taken, {replayed} known"
        );
    }
}

#[test]
fn exactly_one_wins_while_the_clock_is_set() {
    let ids = neighbours(300);
    for (seed, back) in [(10, 5), (11, 60), (12, 200)] {
        let (taken, replayed) = race(seed, &ids, back);
        assert!(
            taken > 50 && replayed > 50,
            "{taken} taken, {replayed} known"
        );
    }
}

#[test]
fn two_workers_with_one_proof() {
    // Every order of the steps of two workers.
    for order in 0..256_u32 {
        let mut map = Map::default();
        let mut workers = [0, 1].map(|_| Noting::new(proof("x", NOW), &policy(60), NOW));
        let mut turns = (0..8).map(|turn| (order >> turn & 1) as usize);
        loop {
            let open = |noting: &Noting| !matches!(noting.step(), Step::Done(_));
            let next = turns.next().filter(|turn| open(&workers[*turn]));
            let Some(turn) = next.or_else(|| workers.iter().position(open)) else {
                break;
            };
            let answer = map.carry_out(&workers[turn].step()).expect("a step");
            workers[turn].answer(answer);
        }
        let mut outcomes = workers.map(|noting| done(&noting).map(|_| ()));
        outcomes.sort_by_key(|outcome| outcome.is_err());
        assert_eq!(outcomes, [Ok(()), Err(Replay)], "order {order:08b}");
    }
}

#[test]
fn the_table_takes_what_it_says() {
    let mut map = Map::default();
    let policy = policy(60);
    for number in 0..131_072_u32 {
        let found = map.note(&proof(&number.to_string(), NOW), &policy, NOW);
        assert!(found.is_ok(), "{number}");
    }
    assert_eq!(map.values.len(), 4096);
    assert_eq!(map.steps, 3 * 131_072, "read, write, done");
}
