//! When nobody asks.

use super::*;
use crate::shared::{Answer, Step, Work as _};

/// One value of shared data.
#[derive(Default)]
struct Cell {
    value: Option<Vec<u8>>,
    version: u32,
    fails: bool,
}

impl Cell {
    fn carry_out(&mut self, mut work: Breaker, now: u64) -> Found {
        work.at(now);
        loop {
            let answer = match work.step() {
                Step::Done(found) => return found,
                _ if self.fails => Answer::Failed,
                Step::Read { .. } => Answer::Value {
                    bytes: self.value.clone(),
                    version: self.value.as_ref().map(|_| self.version),
                },
                Step::Write { value, version, .. } => {
                    if version != self.value.as_ref().map(|_| self.version) {
                        Answer::Conflict
                    } else {
                        self.version += 1;
                        self.value = Some(value.to_vec());
                        Answer::Written
                    }
                }
            };
            work.answer(answer);
        }
    }

    fn asks(&mut self, now: u64) -> bool {
        self.carry_out(Breaker::look(&service()), now).asks
    }

    fn note(&mut self, answered: bool, now: u64) {
        self.carry_out(Breaker::note(&service(), answered), now);
    }
}

#[test]
fn a_server_that_fails_is_left_alone_for_a_while() {
    let mut cell = Cell::default();
    cell.note(true, NOW);
    assert_eq!(cell.value, None, "what goes well costs no write");
    cell.note(false, NOW);
    cell.note(false, NOW);
    assert!(cell.asks(NOW), "twice is not thrice");
    cell.note(true, NOW);
    cell.note(false, NOW);
    cell.note(false, NOW);
    assert!(cell.asks(NOW), "an answer in between");
    cell.note(false, NOW);
    assert!(!cell.asks(NOW));
    assert!(!cell.asks(NOW + 5 * SECOND - 1));
    let later = NOW + 5 * SECOND;
    assert!(cell.asks(later), "one tries");
    assert!(!cell.asks(later), "and nobody else meanwhile");
    cell.note(false, later);
    assert!(!cell.asks(later + 5 * SECOND - 1));
    assert!(cell.asks(later + 5 * SECOND));
    cell.note(true, later + 5 * SECOND);
    assert!(cell.asks(later + 5 * SECOND) && cell.asks(later + 5 * SECOND));
}

#[test]
fn clients_that_try_and_go_keep_nobody_else_from_trying() {
    let mut cell = Cell::default();
    for _ in 0..3 {
        cell.note(false, NOW);
    }
    let trial = 2 * service().timeout;
    assert!(trial < service().breaker.pause);
    let mut later = NOW + 5 * SECOND;
    for round in 0..20 {
        assert!(
            cell.asks(later),
            "{round}: one tries, and is never heard of"
        );
        assert!(!cell.asks(later + trial - 1), "{round}: it is waited for");
        later += trial;
    }
    cell.note(false, later);
    assert!(!cell.asks(later + 5 * SECOND - 1), "a failure is a pause");
    assert!(cell.asks(later + 5 * SECOND));
    cell.note(true, later + 5 * SECOND);
    assert!(cell.asks(later + 5 * SECOND) && cell.asks(later + 5 * SECOND));
    let slow = GlobalLimits {
        timeout: 2 * SECOND,
        breaker: BreakerPolicy {
            failures: 1,
            pause: SECOND / 10,
        },
        ..service()
    };
    let mut cell = Cell::default();
    cell.carry_out(Breaker::note(&slow, false), NOW);
    let later = NOW + SECOND / 10;
    assert!(cell.carry_out(Breaker::look(&slow), later).asks);
    assert!(
        !cell.carry_out(Breaker::look(&slow), later).asks,
        "not further ahead than a pause"
    );
    assert!(
        cell.carry_out(Breaker::look(&slow), later + SECOND / 10)
            .asks
    );
}

#[test]
fn a_clock_that_steps_and_a_value_that_is_damaged_end_no_pause_for_ever() {
    let tripped = || {
        let mut cell = Cell::default();
        for _ in 0..3 {
            cell.note(false, NOW);
        }
        cell
    };
    let mut cell = tripped();
    assert!(
        cell.asks(NOW - 3600 * SECOND),
        "the clock stepped back: one tries"
    );
    let mut cell = tripped();
    cell.value = Some(b"rubbish".to_vec());
    assert!(cell.asks(NOW));
    for length in 0..17 {
        let mut cell = tripped();
        cell.value.as_mut().unwrap().truncate(length);
        cell.asks(NOW);
        cell.note(false, NOW);
    }
    let mut cell = tripped();
    let far = cell.value.as_mut().unwrap();
    far[8..].fill(0xff);
    assert!(cell.asks(NOW), "further ahead than any pause");
    let mut cell = tripped();
    cell.fails = true;
    assert!(cell.asks(NOW), "what cannot be known is known by asking");
}

#[test]
fn of_two_that_find_the_pause_over_one_tries() {
    let mut cell = Cell::default();
    for _ in 0..3 {
        cell.note(false, NOW);
    }
    let later = NOW + 6 * SECOND;
    let (mut one, mut other) = (Breaker::look(&service()), Breaker::look(&service()));
    for work in [&mut one, &mut other] {
        work.at(later);
        work.answer(Answer::Value {
            bytes: cell.value.clone(),
            version: Some(cell.version),
        });
    }
    one.answer(Answer::Written);
    other.answer(Answer::Conflict);
    assert!(matches!(one.step(), Step::Done(Found { asks: true, .. })));
    assert!(matches!(
        other.step(),
        Step::Done(Found { asks: false, .. })
    ));
}
