use super::*;

const SECOND: u64 = 1_000_000_000;

fn queue(format: Format, full: Full) -> Queue {
    Queue::new(Rc::new(Repository {
        cluster: "audit".to_owned(),
        authority: "audit.example.org".to_owned(),
        path: "/records".to_owned(),
        format,
        batch: 4,
        queue: 10 * held("record-0"),
        full,
        timeout: 2 * SECOND,
        strict: false,
    }))
}

fn filled(full: Full, records: usize) -> Queue {
    let mut queue = queue(Format::Records, full);
    for number in 0..records {
        queue.push(format!("record-{}", number % 10), Caller::Known);
    }
    queue
}

fn lines(call: &Call) -> Vec<String> {
    let text = std::str::from_utf8(&call.body).expect("text");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn what_is_acknowledged_is_gone_and_nothing_else() {
    let mut queue = filled(Full::Refuse, 5);
    let (number, call) = queue.next(SECOND).expect("a batch");
    assert_eq!(lines(&call).len(), 4);
    assert!(queue.next(SECOND).is_none(), "one at a time");
    queue.answered(number + 1, Word::Taken, SECOND);
    assert!(queue.next(SECOND).is_none(), "another's answer");
    queue.answered(number, Word::Taken, SECOND);
    let (number, call) = queue.next(SECOND).expect("the rest");
    assert_eq!(lines(&call), ["record-4"]);
    queue.answered(number, Word::Taken, SECOND);
    assert!(queue.next(SECOND).is_none());
    assert_eq!((queue.bytes, queue.lost()), (0, 0));
}

#[test]
fn what_fails_is_sent_again_in_the_same_words_and_later_each_time() {
    for status in [None, Some(500), Some(503), Some(429), Some(401), Some(302)] {
        let answer = status.map(|status| (status, &b""[..]));
        let mut queue = filled(Full::Refuse, 3);
        let mut now = SECOND;
        let mut first: Option<Call> = None;
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            let (number, call) = queue.next(now).expect("a batch");
            let same = first.get_or_insert_with(|| call.clone());
            assert!(*same == call, "{status:?}");
            // What comes meanwhile does not go with it.
            queue.push("record-9".to_owned(), Caller::Known);
            let word = queue.word(number, answer).expect("under way");
            queue.answered(number, word, now);
            now += pause * SECOND / 2;
            assert!(queue.next(now - 1).is_none(), "{status:?}: {pause}");
        }
        assert_eq!(queue.lost(), 0);
        let (number, _) = queue.next(now).expect("a batch");
        queue.answered(number, Word::Taken, now);
        let (_, call) = queue.next(now).expect("what has come meanwhile");
        assert_eq!(lines(&call).len(), 4, "{status:?}");
    }
}

#[test]
fn a_batch_without_an_answer_is_over_after_a_while() {
    let mut queue = filled(Full::Refuse, 1);
    let (number, _) = queue.next(SECOND).expect("a batch");
    assert!(queue.next(4 * SECOND - 1).is_none());
    assert!(queue.next(4 * SECOND).is_none(), "it has failed");
    let (again, _) = queue.next(5 * SECOND).expect("the same");
    queue.answered(number, Word::Taken, 5 * SECOND);
    assert_eq!(queue.waiting.len(), 1, "an answer too late");
    queue.answered(again, Word::Taken, 5 * SECOND);
    assert_eq!(queue.waiting.len(), 0);
}

#[test]
fn a_clock_that_steps_back_stops_nothing() {
    let mut queue = filled(Full::Refuse, 1);
    queue.next(1000 * SECOND).expect("a batch");
    assert!(queue.next(SECOND).is_none(), "it has failed");
    assert!(queue.next(2 * SECOND).is_some());
    let mut queue = filled(Full::Refuse, 1);
    let (number, _) = queue.next(1000 * SECOND).expect("a batch");
    queue.answered(number, Word::Failed, 1000 * SECOND);
    assert!(queue.next(SECOND).is_some());
}

#[test]
fn a_record_that_is_refused_stops_no_other() {
    for status in [400, 413, 422] {
        let mut queue = filled(Full::Refuse, 6);
        let mut taken = Vec::new();
        for _ in 0..32 {
            let Some((number, call)) = queue.next(SECOND) else {
                break;
            };
            let bad = lines(&call).contains(&"record-2".to_owned());
            if !bad {
                taken.extend(lines(&call));
            }
            let status = if bad { status } else { 200 };
            let word = queue.word(number, Some((status, b""))).expect("under way");
            queue.answered(number, word, SECOND);
        }
        let expected = ["record-0", "record-1", "record-3", "record-4", "record-5"];
        assert_eq!(taken, expected, "{status}");
        assert_eq!(queue.lost(), 1);
    }
}

#[test]
fn a_full_queue_refuses_or_leaves_it_to_the_access_log() {
    for (name, full, records, refuses, kept) in [
        ("below", Full::Refuse, 9, false, 9),
        ("full", Full::Refuse, 10, true, 10),
        ("those under way", Full::Refuse, 20, true, 20),
        ("beyond them", Full::Refuse, 21, true, 20),
        ("full, not refused", Full::AccessLog, 10, false, 10),
        ("beyond, not refused", Full::AccessLog, 11, false, 10),
    ] {
        let queue = filled(full, records);
        assert_eq!(queue.refuses(Caller::Known), refuses, "{name}");
        assert_eq!(queue.waiting.len(), kept, "{name}");
        assert_eq!(queue.lost(), (records - kept) as u64, "{name}");
    }
}

#[test]
fn whoever_may_not_come_in_fills_no_more_than_half() {
    use Caller::{Known, Public, Unknown};
    for (full, known, of, others, kept, refuses) in [
        (Full::Refuse, 0, Unknown, 5, 5, [false, true]),
        (Full::Refuse, 0, Unknown, 4, 4, [false, false]),
        (Full::Refuse, 0, Unknown, 6, 5, [false, true]),
        (Full::AccessLog, 0, Unknown, 100, 5, [false, false]),
        (Full::Refuse, 4, Unknown, 2, 5, [false, true]),
        (Full::Refuse, 5, Unknown, 1, 5, [false, true]),
        (Full::Refuse, 9, Unknown, 100, 9, [false, true]),
        (Full::Refuse, 10, Unknown, 1, 10, [true, true]),
        // Whoever was let in, before others filled what is left, leaves a record.
        (Full::Refuse, 0, Public, 20, 20, [true, true]),
        (Full::Refuse, 4, Public, 2, 6, [false, true]),
        (Full::Refuse, 0, Public, 21, 20, [true, true]),
        (Full::AccessLog, 0, Public, 100, 5, [false, false]),
        (Full::AccessLog, 5, Public, 1, 5, [false, false]),
    ] {
        let mut queue = filled(full, known);
        for _ in 0..others {
            queue.push("record-0".to_owned(), of);
        }
        let name = format!("{known} known, {others} {of:?}, {full:?}");
        assert_eq!(queue.waiting.len(), kept, "{name}");
        assert_eq!(queue.lost(), (known + others - kept) as u64, "{name}");
        assert_eq!(
            [Known, Public].map(|of| queue.refuses(of)),
            refuses,
            "{name}"
        );
        if kept == 20 {
            continue;
        }
        // And those who may come in have their place behind them.
        queue.push("record-1".to_owned(), Caller::Known);
        assert_eq!(queue.waiting.len(), kept + 1, "{name}");
    }
}

#[test]
fn one_that_refuses_everything_does_not_get_all_at_once() {
    let mut queue = Queue::new(Rc::new(Repository {
        queue: 1 << 20,
        batch: 8,
        ..(*filled(Full::Refuse, 0).repository).clone()
    }));
    let all = 4 * REFUSED;
    for number in 0..all {
        queue.push(format!("record-{}", number % 10), Caller::Known);
    }
    let mut refuse = |now: u64| {
        for _ in 0..200 {
            let Some((number, _)) = queue.next(now) else {
                break;
            };
            queue.answered(number, Word::Refused, now);
        }
        queue.lost()
    };
    assert_eq!(refuse(SECOND), u64::from(REFUSED));
    assert_eq!(refuse(SECOND), u64::from(REFUSED), "a pause");
    assert_eq!(refuse(2 * SECOND), u64::from(REFUSED) + 1, "one more");
    let (number, _) = queue.next(60 * SECOND).expect("one");
    queue.answered(number, Word::Taken, 60 * SECOND);
    assert_eq!(queue.refused, 0, "it takes some");
    let news = queue.news();
    assert_eq!((news.0, news.1), (queue.bytes, u64::from(REFUSED) + 1));
    assert_eq!(queue.news().1, 0, "counted once");
}
