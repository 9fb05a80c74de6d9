//! When a document is fetched, and who sees it.

use super::*;

#[test]
fn one_fetches_and_the_others_see_it() {
    let mut map = Map::default();
    let (mut one, mut two) = (replica(), replica());
    assert!(map.take(&mut one, START).fetch, "cold");
    assert!(!map.take(&mut two, START + 1).fetch, "one is at it");
    assert!(!two.is_failing(START + 1));
    one.take(one.attempt());
    assert!(map.all(one.store(b"keys", START + SECOND)));
    let looked = map.take(&mut two, START + SECOND);
    assert_eq!(
        looked.document,
        Some((START, b"keys".to_vec())),
        "when it was asked for"
    );
    assert_eq!((one.fetched(), two.fetched()), (START, START));
    for worker in [&mut one, &mut two] {
        let looked = map.take(worker, START + 2 * SECOND);
        assert_eq!(
            (looked.document, looked.fetch),
            (None, false),
            "nothing new"
        );
    }
    assert_eq!(map.values.len(), 2);
    let keys: Vec<_> = map.values.keys().collect();
    assert!(
        keys.iter()
            .all(|key| key.starts_with("fhir-guard.remote.v1.") && key.len() <= 62)
    );
}

#[test]
fn other_servers_paths_and_readings_are_other_documents() {
    let mut map = Map::default();
    map.fetch(&mut replica(), b"keys", START);
    let others = [
        Source {
            cluster: "bs".to_owned(),
            ..source()
        },
        Source {
            authority: "bs.example.org".to_owned(),
            ..source()
        },
        Source {
            path: "/jwks2".to_owned(),
            ..source()
        },
        Source {
            cluster: "as\nas.example.org".to_owned(),
            authority: "/jwks".to_owned(),
            ..source()
        },
    ];
    let others = others.into_iter().map(|source| Replica::new(source, "a"));
    for mut other in others.chain([Replica::new(source(), "b")]) {
        let looked = map.take(&mut other, START + SECOND);
        assert!(looked.document.is_none() && looked.fetch, "{other:?}");
    }
    // How long it is good is not part of its name.
    let mut same = Replica::new(
        Source {
            refresh: 1,
            max_age: 2,
            ..source()
        },
        "a",
    );
    assert!(map.take(&mut same, START + SECOND).document.is_some());
}

#[test]
fn a_document_is_fetched_again_before_it_is_stale() {
    let mut times = Vec::new();
    for offset in 0..40 {
        let start = START + offset * 777_777_777;
        let mut map = Map::default();
        let mut worker = replica();
        map.fetch(&mut worker, b"keys", start);
        let mut now = start;
        while !map.take(&mut worker, now).fetch {
            now += SECOND / 10;
        }
        let after = now - start;
        assert!((270 * SECOND..=301 * SECOND).contains(&after), "{after}");
        times.push(after / SECOND);
    }
    times.sort_unstable();
    times.dedup();
    assert!(times.len() > 10, "spread: {times:?}");
}

#[test]
fn a_failing_worker_blocks_the_others_for_the_pause() {
    let mut map = Map::default();
    let (mut one, mut two) = (replica(), replica());
    assert!(map.take(&mut one, START).fetch);
    one.fail();
    assert!(one.is_failing(START), "known at once where it was seen");
    map.take(&mut two, START + 1);
    assert!(!two.is_failing(START + 2 * SECOND), "it may still come");
    assert!(two.is_failing(START + 2 * SECOND + 1), "the time is over");
    assert!(!map.take(&mut two, START + 5 * SECOND - 1).fetch);
    assert!(
        map.take(&mut two, START + 5 * SECOND).fetch,
        "another's turn"
    );
    assert!(!two.is_failing(START + 5 * SECOND), "a new attempt");
    map.take(&mut one, START + 5 * SECOND + 1);
    assert!(
        !one.is_failing(START + 5 * SECOND + 1),
        "a new attempt of another"
    );
    two.take(two.attempt());
    assert!(!two.is_failing(START + 60 * SECOND));
}

#[test]
fn what_is_asked_for_waits_for_the_cooldown() {
    let mut map = Map::default();
    let mut worker = replica();
    map.fetch(&mut worker, b"keys", START);
    worker.ask(START);
    assert!(
        !map.take(&mut worker, START + 100 * SECOND).fetch,
        "it is new enough"
    );
    worker.ask(START + 3 * SECOND);
    worker.ask(START + 2 * SECOND);
    assert!(!map.take(&mut worker, START + 10 * SECOND - 1).fetch);
    assert!(map.take(&mut worker, START + 10 * SECOND).fetch);
    worker.fail();
    assert!(
        !map.take(&mut worker, START + 20 * SECOND - 1).fetch,
        "asked for as ever"
    );
    map.fetch(&mut worker, b"keys", START + 20 * SECOND);
    assert!(
        !map.take(&mut worker, START + 40 * SECOND).fetch,
        "answered"
    );
    // A thousand ask: one fetch.
    let mut others: Vec<Replica> = (0..8).map(|_| replica()).collect();
    let mut fetches = 0;
    for step in 0..1000 {
        let now = START + 41 * SECOND + step * SECOND / 1000;
        let worker = &mut others[step as usize % 8];
        worker.ask(now);
        let looked = map.take(worker, now);
        if looked.fetch {
            fetches += 1;
            worker.take(worker.attempt());
            assert!(map.all(worker.store(b"more", now)));
        }
    }
    assert_eq!(fetches, 1);
    let mut late = replica();
    map.take(&mut late, START + 42 * SECOND);
    late.ask(START + 400 * SECOND);
    assert!(
        map.take(&mut late, START + 400 * SECOND).fetch,
        "long ago: at once"
    );
}

#[test]
fn the_newer_document_wins_whatever_the_order_of_stores() {
    for order in [[0, 1], [1, 0]] {
        let mut map = Map::default();
        let mut workers = [replica(), replica()];
        assert!(map.take(&mut workers[0], START).fetch);
        assert!(
            map.take(&mut workers[1], START + 5 * SECOND).fetch,
            "the first is slow"
        );
        let texts: [&[u8]; 2] = [b"older", b"newer"];
        for index in order {
            let attempt = workers[index].attempt();
            workers[index].take(attempt);
            map.all(workers[index].store(texts[index], START + 6 * SECOND));
        }
        let mut third = replica();
        let looked = map.take(&mut third, START + 7 * SECOND);
        let newer = Some((START + 5 * SECOND, b"newer".to_vec()));
        assert_eq!(looked.document, newer, "{order:?}");
        assert_eq!(map.state(START + 7 * SECOND).fetched, START + 5 * SECOND);
        map.take(&mut workers[0], START + 7 * SECOND);
        assert_eq!(workers[0].fetched(), START + 5 * SECOND, "{order:?}");
    }
}

#[test]
fn a_newer_document_is_announced_for_good() {
    let mut map = Map::default();
    let (mut slow, mut fast) = (replica(), replica());
    assert!(map.take(&mut slow, START).fetch);
    slow.take(slow.attempt());
    assert!(map.take(&mut fast, START + 5 * SECOND).fetch);
    fast.take(fast.attempt());
    // The slow one has written the older document, and not yet said so, when the other comes.
    let mut work = slow.store(b"older", START + 6 * SECOND);
    for _ in 0..2 {
        let answer = map.carry_out(&work.step()).unwrap();
        work.answer(answer);
    }
    assert!(map.all(fast.store(b"newer", START + 6 * SECOND)));
    assert!(map.all(work));
    assert_eq!(map.state(START + 7 * SECOND).fetched, START + 5 * SECOND);
}

#[test]
fn what_was_asked_for_may_come_from_another_worker() {
    let mut map = Map::default();
    let mut worker = replica();
    map.fetch(&mut replica(), b"keys", START);
    worker.ask(START);
    let looked = map.take(&mut worker, START + 20 * SECOND);
    assert!(
        looked.document.is_some() && !looked.fetch,
        "just new enough"
    );
}

#[test]
fn contention_ends() {
    let mut map = Map::default();
    let mut worker = replica();
    assert!(map.take(&mut worker, START).fetch);
    worker.take(worker.attempt());
    // Each write is overtaken, up to this number of them at each key.
    for (conflicts, stored, most) in [(0, true, 2), (7, true, 16), (8, false, 8), (100, false, 8)] {
        let mut work = worker.store(b"keys", START);
        let (mut reads, mut writes) = (0, 0);
        let mut left: HashMap<String, u32> = HashMap::new();
        let outcome = loop {
            let answer = match work.step() {
                Step::Done(stored) => break stored,
                Step::Write { key, .. } if *left.entry(key.to_owned()).or_insert(conflicts) > 0 => {
                    writes += 1;
                    *left.get_mut(key).unwrap() -= 1;
                    Answer::Conflict
                }
                step => {
                    match step {
                        Step::Read { .. } => reads += 1,
                        _ => writes += 1,
                    }
                    map.carry_out(&step).unwrap()
                }
            };
            work.answer(answer);
        };
        assert_eq!(outcome, stored, "{conflicts}");
        assert_eq!((reads, writes), (most, most), "{conflicts}");
    }
    // A look tries once, and leaves it to whoever was faster.
    let mut other = replica();
    let mut look = other.look(START + 400 * SECOND);
    let mut steps = 0;
    let looked = loop {
        let answer = match look.step() {
            Step::Done(looked) => break looked,
            Step::Write { .. } => Answer::Conflict,
            step => map.carry_out(&step).unwrap(),
        };
        look.answer(answer);
        steps += 1;
    };
    assert!(!looked.fetch && steps == 3, "{steps} steps");
    other.looked(&looked);
    assert_eq!(other.attempt(), 0, "not its turn");
}

#[test]
fn a_document_that_cannot_be_used_counts_as_a_failure() {
    let mut map = Map::default();
    let (mut one, mut two) = (replica(), replica());
    map.fetch(&mut one, b"one", START);
    map.take(&mut two, START + SECOND);
    let later = START + 301 * SECOND;
    map.fetch(&mut one, b"rubbish to the other", later);
    let looked = map.look(&mut two, later + SECOND);
    two.refuse(looked.document.expect("a document").0);
    assert_eq!(two.fetched(), START, "what was there stays");
    assert!(two.is_failing(later + SECOND));
    let looked = map.look(&mut two, later + 2 * SECOND);
    assert_eq!(
        (looked.document, looked.fetch),
        (None, false),
        "not read again, nor fetched at once"
    );
    assert!(
        map.look(&mut two, later + 5 * SECOND).fetch,
        "after the pause"
    );
}

#[test]
fn a_clock_that_steps_loses_nothing_for_long() {
    let mut map = Map::default();
    let (mut one, mut two) = (replica(), replica());
    map.fetch(&mut one, b"one", START);
    map.take(&mut two, START + SECOND);
    one.ask(START + 2 * SECOND);
    // An hour back: what was fetched then has not happened yet.
    let back = START - 3600 * SECOND;
    assert!(map.take(&mut two, back).fetch, "at once");
    assert!(
        !map.take(&mut one, back + 1).fetch,
        "the other waits for it"
    );
    two.fail();
    assert!(
        two.is_failing(back + 1),
        "a failure of now, not of the future"
    );
    assert!(map.take(&mut one, back + 5 * SECOND).fetch);
    one.take(one.attempt());
    assert!(map.all(one.store(b"two", back + 6 * SECOND)));
    let looked = map.take(&mut two, back + 7 * SECOND);
    assert_eq!(looked.document, Some((back + 5 * SECOND, b"two".to_vec())));
    for worker in [&mut one, &mut two] {
        assert!(
            !map.take(worker, back + 20 * SECOND).fetch,
            "nobody asks any more"
        );
    }
    // And forward again: it is stale.
    assert!(map.take(&mut one, START).fetch);
    one.take(one.attempt());
    assert!(map.all(one.store(b"three", START)));
    assert!(map.take(&mut two, START).document.is_some());
}

#[test]
fn without_a_clock_nobody_fetches() {
    let mut map = Map::default();
    let mut worker = replica();
    for _ in 0..3 {
        assert!(!map.take(&mut worker, 0).fetch);
    }
    assert!(map.take(&mut worker, START).fetch);
    worker.take(worker.attempt());
    assert!(!map.take(&mut worker, 0).fetch);
}

#[test]
fn no_time_overflows() {
    let longest = Source {
        refresh: u64::MAX,
        max_age: u64::MAX,
        cooldown: u64::MAX,
        timeout: u64::MAX,
        ..source()
    };
    for now in [1, START, u64::MAX - 1] {
        let mut map = Map::default();
        let mut worker = Replica::new(longest.clone(), "a");
        assert!(map.take(&mut worker, now).fetch);
        worker.fail();
        worker.take(worker.attempt());
        assert!(map.all(worker.store(b"x", now)));
        worker.ask(u64::MAX);
        assert!(!map.take(&mut worker, now).fetch);
        assert!(!worker.is_failing(u64::MAX));
    }
}
