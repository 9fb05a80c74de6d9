//! What holds in every interleaving.

use super::*;

/// What a worker is about, with the answers so far: a work is begun anew and told them at each step,
/// because it borrows its worker.
#[derive(Clone)]
enum Doing {
    Nothing,
    Looking(u64, Vec<Answer>),
    Storing(u64, Vec<Answer>),
}

struct Worker {
    replica: Replica,
    doing: Doing,
    /// Behind the others' clocks.
    skew: u64,
    /// A call is under way, and answered then.
    call: Option<u64>,
}

/// The clocks of two workers may differ by this much.
const SKEW: u64 = 900_000_000;

/// Runs workers with skewed clocks over one map, step by step in any order, with failures of shared data
/// and, so many of a hundred, of the server. Answers how many fetches were made, and how many failed.
fn race(seed: u64, count: usize, failing: u64) -> (usize, usize) {
    let source = Source {
        refresh: 20 * SECOND,
        cooldown: 6 * SECOND,
        ..source()
    };
    let (pause, longest) = (source.pause(false), source.refresh + source.pause(false));
    let mut random = Lcg(seed);
    let mut map = Map::default();
    let mut now = START;
    let new = |_| Worker {
        replica: Replica::new(source.clone(), "a"),
        doing: Doing::Nothing,
        skew: random.below(SKEW),
        call: None,
    };
    let mut workers: Vec<Worker> = (0..count).map(new).collect();
    let (mut calls, mut failed): (Vec<u64>, usize) = (Vec::new(), 0);
    for _ in 0..40_000 {
        // Several steps of others may come between two of a worker, but no long time.
        now += random.below(SECOND / 100);
        let index = random.below(count as u64) as usize;
        let worker = &mut workers[index];
        let clock = now - worker.skew;
        match worker.doing.clone() {
            Doing::Nothing if worker.call.is_some_and(|answered| now >= answered) => {
                worker.call = None;
                if random.below(100) < failing {
                    failed += 1;
                    worker.replica.fail();
                } else {
                    worker.replica.take(worker.replica.attempt());
                    worker.doing = Doing::Storing(clock, Vec::new());
                }
            }
            Doing::Nothing => {
                if random.below(20) == 0 {
                    worker.replica.ask(clock);
                }
                worker.doing = Doing::Looking(clock, Vec::new());
            }
            Doing::Looking(began, answers) => {
                let look = worker.replica.look(began);
                match step(look, answers, &mut map, &mut random) {
                    Ok(answers) => worker.doing = Doing::Looking(began, answers),
                    Err(looked) => {
                        worker.doing = Doing::Nothing;
                        worker.replica.looked(&looked);
                        if let Some((fetched, text)) = &looked.document {
                            assert_eq!(*text, fetched.to_be_bytes(), "a document and its time");
                            assert!(*fetched > worker.replica.fetched(), "never an older one");
                            worker.replica.take(*fetched);
                        }
                        if looked.fetch {
                            let last = calls.last().copied().unwrap_or(0);
                            let after = began + worker.skew - last;
                            assert!(after + SKEW >= pause, "seed {seed}: after {after} ns");
                            calls.push(began + worker.skew);
                            worker.call = Some(now + random.below(2 * SECOND));
                        }
                    }
                }
            }
            Doing::Storing(began, answers) => {
                let text = worker.replica.attempt().to_be_bytes();
                let store = worker.replica.store(&text, began);
                match step(store, answers, &mut map, &mut random) {
                    Ok(answers) => worker.doing = Doing::Storing(began, answers),
                    Err(_) => worker.doing = Doing::Nothing,
                }
            }
        }
    }
    let gaps = calls.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(
        gaps.max() < Some(longest + 2 * SECOND),
        "seed {seed}: it goes on"
    );
    if failing < 100 {
        let fetched = workers.iter().map(|worker| worker.replica.fetched());
        let oldest = fetched.min().unwrap_or_default();
        assert!(
            oldest + 120 * SECOND > now,
            "seed {seed}: all of them see it"
        );
    }
    (calls.len(), failed)
}

/// One more step of a work, now and then with a failure, or with another who was faster.
fn step<W: Work>(
    mut work: W,
    mut answers: Vec<Answer>,
    map: &mut Map,
    random: &mut Lcg,
) -> Result<Vec<Answer>, W::Outcome> {
    for answer in &answers {
        work.answer(answer.clone());
    }
    assert!(answers.len() <= 32, "it does not end");
    let answer = match work.step() {
        Step::Done(outcome) => return Err(outcome),
        step => match random.below(60) {
            0 => Answer::Failed,
            1 if matches!(step, Step::Write { .. }) => Answer::Conflict,
            _ => map.carry_out(&step).unwrap(),
        },
    };
    answers.push(answer);
    Ok(answers)
}

#[test]
fn no_two_fetches_within_the_pause_in_any_interleaving() {
    for seed in 0..6 {
        for (workers, failing) in [(1, 0), (2, 0), (2, 30), (8, 30), (8, 100)] {
            let (calls, failed) = race(seed, workers, failing);
            assert!(
                calls > 8,
                "{workers} workers: {calls} calls, {failed} failed"
            );
            assert!(
                failing < 100 || calls <= failed + 1,
                "{calls} calls, {failed} failed"
            );
        }
    }
}
