//! Callers who are shut out for a time, by workers that race.

use std::collections::BTreeMap;

use super::super::quarantine::{QUARANTINED, Quarantine, Suspect};
use super::super::revocation::Shown;
use super::*;
use crate::shared::{Answer, Step, Work};

const AS: &str = "https://as.example.org";

const SHOWN: Shown<'_> = Shown {
    issuer: AS,
    token_id: "t1",
    subject: "s1",
    client: "c1",
    certificate: Some("aa"),
    issued: NOW - 10,
};

/// Shared data of one key.
#[derive(Default)]
struct Shared(Option<(Vec<u8>, u32)>);

impl Shared {
    /// Carries out one step; the outcome, once there is one.
    fn step<W: Work>(&mut self, work: &mut W) -> Option<W::Outcome> {
        let answer = match work.step() {
            Step::Done(outcome) => return Some(outcome),
            Step::Read { .. } => {
                let (bytes, version) = self.0.clone().unzip();
                Answer::Value { bytes, version }
            }
            Step::Write { value, version, .. } => {
                assert!(value.len() <= 5124, "{} bytes", value.len());
                let current = self.0.as_ref().map(|(_, version)| *version);
                match current == version {
                    true => {
                        self.0 = Some((value.to_vec(), version.unwrap_or(0) + 1));
                        Answer::Written
                    }
                    false => Answer::Conflict,
                }
            }
        };
        work.answer(answer);
        None
    }

    fn carry_out<W: Work>(&mut self, mut work: W) -> W::Outcome {
        (0..40).find_map(|_| self.step(&mut work)).expect("it ends")
    }

    fn add(&mut self, worker: &mut Quarantine, suspect: Suspect<'_>, until: u64) {
        let found = self.carry_out(worker.add(suspect, until, NOW));
        worker.looked(found, NOW);
    }

    fn look(&mut self, worker: &mut Quarantine) {
        let found = self.carry_out(worker.look());
        worker.looked(found, NOW);
    }
}

#[test]
fn each_kind_of_suspect_is_shut_out_everywhere_until_its_time() {
    let check = |name: &str, suspect: Suspect<'_>, expected: bool| {
        let (mut shared, mut one, mut other) = <(Shared, Quarantine, Quarantine)>::default();
        shared.add(&mut one, suspect, NOW + 60);
        assert!(!other.holds(&SHOWN, NOW), "{name}: not seen yet");
        shared.look(&mut other);
        for worker in [&one, &other] {
            assert_eq!(worker.holds(&SHOWN, NOW + 59), expected, "{name}");
            assert!(!worker.holds(&SHOWN, NOW + 60), "{name}: over");
        }
    };
    check("a token", Suspect::Token("t1", AS), true);
    check("another token", Suspect::Token("t2", AS), false);
    check("of another", Suspect::Token("t1", "https://b"), false);
    check("a subject", Suspect::Subject("s1", AS), true);
    check("no subject", Suspect::Subject("c1", AS), false);
    check("a client", Suspect::Client("c1", AS), true);
    check("no client", Suspect::Client("s1", AS), false);
    check("a certificate", Suspect::Certificate("aa"), true);
    check("another certificate", Suspect::Certificate("ab"), false);
    // Two texts that read alike when they are put together.
    check(
        "moved",
        Suspect::Client("orgc1", "https://as.example."),
        false,
    );
}

#[test]
fn the_longer_time_counts_and_what_is_over_is_gone() {
    let (mut shared, mut one) = <(Shared, Quarantine)>::default();
    shared.add(&mut one, Suspect::Client("c1", AS), NOW + 60);
    shared.add(&mut one, Suspect::Client("c1", AS), NOW + 10);
    assert!(one.holds(&SHOWN, NOW + 59));
    let found = shared.carry_out(one.add(Suspect::Client("c2", AS), NOW + 90, NOW + 60));
    one.looked(found, NOW + 60);
    let (bytes, _) = shared.0.clone().expect("a table");
    assert_eq!(bytes.len(), 24, "one entry");
    assert!(!one.holds(&SHOWN, NOW), "forgotten");
    // Whoever only looks forgets it as well.
    let mut other = Quarantine::default();
    shared.look(&mut other);
    assert!(!other.is_empty());
    for time in [NOW + 89, NOW + 90] {
        let found = shared.carry_out(other.look());
        other.looked(found, time);
        assert_eq!(other.is_empty(), time >= NOW + 90, "{}", time - NOW);
    }
    // A time beyond 2106 is for ever.
    shared.add(&mut one, Suspect::Certificate("aa"), u64::MAX);
    assert!(one.holds(&SHOWN, NOW + (1 << 31)));
}

#[test]
fn where_the_table_is_full_the_entry_that_ends_first_gives_way() {
    let (mut shared, mut one) = <(Shared, Quarantine)>::default();
    shared.add(&mut one, Suspect::Client("c1", AS), NOW + 50);
    let names: Vec<String> = (0..QUARANTINED)
        .map(|number| format!("x{number}"))
        .collect();
    for name in &names[1..] {
        shared.add(&mut one, Suspect::Client(name, AS), NOW + 60);
    }
    assert!(one.holds(&SHOWN, NOW), "as many as may be");
    shared.add(&mut one, Suspect::Client(&names[0], AS), NOW + 60);
    assert!(!one.holds(&SHOWN, NOW), "one more");
    let client = |name| Shown {
        client: name,
        ..SHOWN
    };
    assert!(names.iter().all(|name| one.holds(&client(name), NOW)));
    // One that ends before all others is not taken in.
    shared.add(&mut one, Suspect::Subject("s1", AS), NOW + 10);
    assert!(!one.holds(&SHOWN, NOW));
}

#[test]
fn tokens_without_number_push_out_nobody_else() {
    let (mut shared, mut one) = <(Shared, Quarantine)>::default();
    let others = [
        Suspect::Client("c1", AS),
        Suspect::Subject("s7", AS),
        Suspect::Certificate("bb"),
        Suspect::Tenant("t1"),
    ];
    let held = |one: &Quarantine| others.map(|who| one.remaining(who, NOW).is_some());
    for who in others {
        shared.add(&mut one, who, NOW + 10);
    }
    for number in 0..2 * QUARANTINED {
        let id = format!("x{number}");
        shared.add(&mut one, Suspect::Token(&id, AS), NOW + 60);
        assert_eq!(held(&one), [true; 4], "{number}");
    }
    // Others have the half of it, and take no more from tokens.
    for number in 0..QUARANTINED {
        let name = format!("y{number}");
        shared.add(
            &mut one,
            Suspect::Client(&name, AS),
            NOW + 60 + number as u64,
        );
    }
    let tokens = (0..2 * QUARANTINED).filter(|number| {
        let id = format!("x{number}");
        one.remaining(Suspect::Token(&id, AS), NOW).is_some()
    });
    assert!(tokens.count() <= QUARANTINED / 2);
    let last = format!("y{}", QUARANTINED - 1);
    assert!(one.remaining(Suspect::Client(&last, AS), NOW).is_some());
}

#[test]
fn workers_that_race_lose_nothing() {
    // Every interleaving of the steps of three workers.
    let mut orders = BTreeMap::new();
    for seed in 0..3_u32.pow(9) {
        let mut shared = Shared::default();
        let names = ["c1", "c2", "c3"];
        let mut works =
            names.map(|name| Quarantine::default().add(Suspect::Client(name, AS), NOW + 60, NOW));
        let mut order = seed;
        for _ in 0..9 {
            shared.step(&mut works[order as usize % 3]);
            order /= 3;
        }
        for work in &mut works {
            while shared.step(work).is_none() {}
        }
        let (bytes, version) = shared.0.clone().expect("a table");
        *orders.entry(version).or_insert(0) += 1;
        assert_eq!(bytes.len(), 4 + 3 * 20, "order {seed}");
        let mut late = Quarantine::default();
        shared.look(&mut late);
        for client in names {
            assert!(
                late.holds(&Shown { client, ..SHOWN }, NOW),
                "{client}, order {seed}"
            );
        }
    }
    assert_eq!(
        orders.keys().collect::<Vec<_>>(),
        [&3],
        "three writes took place"
    );
}

#[test]
fn what_nobody_here_wrote_is_no_table() {
    let mut good = Shared::default();
    good.add(
        &mut Quarantine::default(),
        Suspect::Client("c1", AS),
        NOW + 60,
    );
    let (bytes, _) = good.0.expect("a table");
    let mut large = bytes[..4].to_vec();
    large.resize(4 + 20 * (QUARANTINED + 1), 0xff);
    let damaged = [
        b"".to_vec(),
        b"FGQ\x01".to_vec(),
        bytes[..bytes.len() - 1].to_vec(),
        [&bytes[..], b"x"].concat(),
        large,
        vec![0xff; 100_000],
    ];
    for value in damaged {
        let (mut shared, mut one) = <(Shared, Quarantine)>::default();
        shared.add(&mut one, Suspect::Client("c1", AS), NOW + 60);
        shared.0 = Some((value, 7));
        shared.look(&mut one);
        assert!(one.holds(&SHOWN, NOW), "what was seen stays");
        shared.add(&mut one, Suspect::Client("c2", AS), NOW + 60);
        let mut other = Quarantine::default();
        shared.look(&mut other);
        assert!(other.holds(&SHOWN, NOW), "and is written down again");
    }
}

#[test]
fn without_shared_data_it_holds_on_this_worker_at_least() {
    for answer in [Answer::Failed, Answer::Conflict, Answer::Written] {
        let mut add = Quarantine::default().add(Suspect::Client("c1", AS), NOW + 60, NOW);
        let mut steps = 0;
        let found = loop {
            steps += 1;
            match add.step() {
                Step::Done(found) => break found.expect("a table"),
                // Contended for ever, or failing.
                Step::Read { .. } if answer != Answer::Failed => add.answer(Answer::Value {
                    bytes: None,
                    version: None,
                }),
                _ => add.answer(answer.clone()),
            }
        };
        assert!(steps <= 17, "{steps} steps");
        // What others have seen meanwhile does not take it away.
        let mut worker = found;
        worker.looked(Some(Quarantine::default()), NOW + 59);
        assert!(worker.holds(&SHOWN, NOW + 59));
    }
    let mut look = Quarantine::default().look();
    look.answer(Answer::Failed);
    assert_eq!(look.step(), Step::Done(None));
}
