//! Values that somebody else wrote.

use super::*;

#[test]
fn a_state_is_read_or_counts_as_none() {
    let good = State {
        attempted: START,
        fetched: START - SECOND,
    };
    let bytes = good.bytes();
    assert_eq!(bytes.len(), 20);
    let check = |name: &str, bytes: &[u8], expected: State| {
        assert_eq!(State::read(bytes, START), expected, "{name}");
    };
    let none = State::default();
    check("as written", &bytes, good);
    check("nothing", b"", none);
    for end in 0..bytes.len() {
        check("short", &bytes[..end], none);
    }
    check("a byte more", &[&bytes[..], &[0]].concat(), none);
    check("another version", &[b"FGR\x02", &bytes[4..]].concat(), none);
    check("a document", &[b"FGD\x01", &bytes[4..]].concat(), none);
    check("all ones", &[0xff; 20], none);
    let times = |attempted: u64, fetched: u64| State { attempted, fetched };
    for (name, written, read) in [
        (
            "within the slack",
            times(START + SECOND, START),
            times(START + SECOND, START),
        ),
        (
            "beyond it",
            times(START + SECOND + 1, START),
            times(0, START),
        ),
        ("both", times(u64::MAX, u64::MAX), none),
        (
            "fetched in the future",
            times(START, START + 2 * SECOND),
            times(START, 0),
        ),
    ] {
        check(name, &written.bytes(), read);
    }
}

#[test]
fn a_document_is_read_or_counts_as_none() {
    let bytes = write_document(START, b"keys");
    let check = |name: &str, bytes: &[u8], limit: usize, expected: Option<(u64, &[u8])>| {
        assert_eq!(read_document(bytes, START, limit), expected, "{name}");
    };
    check("as written", &bytes, 4, Some((START, b"keys")));
    check("over the limit", &bytes, 3, None);
    check("empty", &write_document(START, b""), 0, Some((START, b"")));
    for end in 0..12 {
        check("short", &bytes[..end], 4, None);
    }
    check(
        "another version",
        &[b"FGD\x02", &bytes[4..]].concat(),
        4,
        None,
    );
    check("a state", &[b"FGR\x01", &bytes[4..]].concat(), 4, None);
    check("never fetched", &write_document(0, b"keys"), 4, None);
    let slack = START + SECOND;
    check(
        "within the slack",
        &write_document(slack, b"x"),
        4,
        Some((slack, b"x")),
    );
    check("from the future", &write_document(slack + 1, b"x"), 4, None);
}

/// A stranger writes to both keys at any time: what was fetched stays, and the next fetch mends it.
#[test]
fn damaged_values_are_written_anew() {
    let mut map = Map::default();
    let mut worker = replica();
    map.fetch(&mut worker, b"one", START);
    let future = State {
        attempted: u64::MAX,
        fetched: u64::MAX,
    };
    let promise = State {
        attempted: START,
        fetched: START + 100 * SECOND,
    };
    for (name, end, value) in [
        ("an emptied state", ".state", Vec::new()),
        ("rubbish", ".state", vec![0xff; 20]),
        ("a state far too long", ".state", vec![0; 100_000]),
        ("a state of the future", ".state", future.bytes()),
        ("an emptied document", ".document", Vec::new()),
        ("a short document", ".document", b"FGD\x01\0\0".to_vec()),
        (
            "a document of the future",
            ".document",
            write_document(u64::MAX, b"x"),
        ),
        (
            "a document far too long",
            ".document",
            write_document(START, &[b'x'; 100_000]),
        ),
        ("a document that does not come", ".state", promise.bytes()),
    ] {
        let key = map.key(end);
        map.set(&key, &value);
        let mut other = replica();
        let now = START + 100 * SECOND;
        let looked = map.take(&mut other, now);
        if looked.document.is_none() {
            assert!(looked.fetch, "{name}: nobody has it");
            other.take(other.attempt());
            assert!(map.all(other.store(b"two", now)), "{name}");
        }
        let mut third = replica();
        let looked = map.take(&mut third, now + SECOND);
        assert!(
            looked.document.is_some() && !looked.fetch,
            "{name}: {looked:?}"
        );
        // As it was, for the next row.
        let key = map.key(".state");
        let state = State {
            attempted: START,
            fetched: START,
        };
        map.set(&key, &state.bytes());
        let key = map.key(".document");
        map.set(&key, &write_document(START, b"one"));
    }
}

#[test]
fn any_bytes_do_no_harm() {
    let mut random = Lcg(3);
    let marks: [&[u8]; 4] = [b"", b"FGR\x01", b"FGD\x01", b"FG"];
    for _ in 0..20_000 {
        let mut map = Map::default();
        let mut worker = replica();
        map.look(&mut worker, START);
        for key in [".state", ".document"] {
            let name = map.key(".state").replace(".state", key);
            let mut value = marks[random.below(4) as usize].to_vec();
            value.extend((0..random.below(30)).map(|_| random.below(256) as u8));
            map.set(&name, &value);
        }
        let now = START + random.below(100) * SECOND;
        let looked = map.take(&mut worker, now);
        if let Some((fetched, document)) = looked.document {
            assert!(fetched <= now + SECOND && document.len() <= source().limit);
        }
        map.all(worker.store(b"x", now));
    }
}

#[test]
fn shared_data_that_fails_gives_nobody_the_right_to_fetch() {
    let mut map = Map::default();
    let mut first = replica();
    map.fetch(&mut first, b"one", START);
    let now = START + 400 * SECOND;
    for fail in 0..3 {
        for worker in [replica(), first_again(&mut map)] {
            let mut work = worker.look(now);
            let mut step = 0;
            let looked = loop {
                let answer = match work.step() {
                    Step::Done(looked) => break looked,
                    _ if step == fail => Answer::Failed,
                    one => map.carry_out(&one).unwrap(),
                };
                work.answer(answer);
                step += 1;
            };
            let done = step <= fail;
            assert_eq!(looked.fetch, done, "{fail}: {looked:?}");
            // As if nobody had tried.
            let key = map.key(".state");
            let state = State {
                attempted: START,
                fetched: START,
            };
            map.set(&key, &state.bytes());
        }
    }
    for fail in 0..4 {
        let mut work = first.store(b"two", now);
        let mut step = 0;
        let stored = loop {
            let answer = match work.step() {
                Step::Done(stored) => break stored,
                _ if step == fail => Answer::Failed,
                one => map.carry_out(&one).unwrap(),
            };
            work.answer(answer);
            step += 1;
        };
        assert!(!stored, "{fail}");
    }
}

/// A worker that has the document.
fn first_again(map: &mut Map) -> Replica {
    let mut worker = replica();
    map.take(&mut worker, START + SECOND);
    worker
}

#[test]
fn an_answer_that_does_not_fit_ends_the_work() {
    let worker = replica();
    let value = || Answer::Value {
        bytes: None,
        version: None,
    };
    for answer in [Answer::Written, Answer::Conflict, Answer::Failed] {
        let mut look = worker.look(START);
        look.answer(answer.clone());
        assert!(matches!(look.step(), Step::Done(looked) if !looked.fetch));
        look.answer(value());
        look.answer(Answer::Written);
        assert!(
            matches!(look.step(), Step::Done(looked) if !looked.fetch),
            "done is done"
        );
        let mut store = worker.store(b"x", START);
        store.answer(answer);
        assert_eq!(store.step(), Step::Done(false));
        store.answer(Answer::Written);
        assert_eq!(store.step(), Step::Done(false));
    }
    let mut look = worker.look(START);
    look.answer(value());
    look.answer(value());
    assert!(
        matches!(look.step(), Step::Done(looked) if !looked.fetch),
        "no write took place"
    );
}
