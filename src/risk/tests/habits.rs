//! What is usual for a caller.

use super::*;

const DAY: u64 = 86_400;

/// What is known of a caller who was there for so many seconds, with a request every ten, each of one of some
/// shapes and with so many records.
struct Client {
    shared: Shared,
    at: u64,
}

impl Client {
    fn new() -> Client {
        Client {
            shared: Shared::default(),
            at: 0,
        }
    }

    fn ask(&mut self, after: u64, shape: u32, records: u32) -> Option<Finding> {
        self.at += after;
        let mut seen = Observation::new(CERTIFICATE, vec![sight(Fact::Passed, 1)]);
        seen.asked = Some(Asked {
            shapes: vec![hash(&shape.to_be_bytes())],
            records,
            bytes: u64::from(records) * 1000,
        });
        let at = NOW + self.at * SECOND;
        self.shared
            .carry_out(Observing::new(seen, RiskPolicy::default(), at))
    }

    /// Works for so many seconds; whether it was found.
    fn work(&mut self, seconds: u64, every: u64, shapes: u32, records: u32) -> Option<Finding> {
        let requests = 0..seconds / every;
        let mut found = requests.filter_map(|n| self.ask(every, n as u32 % shapes, records));
        let first = found.next();
        found.for_each(drop);
        first
    }
}

#[test]
fn what_was_never_asked_for_is_noticed_after_a_day() {
    let mut client = Client::new();
    assert_eq!(client.work(DAY, 60, 60, 1), None, "it learns");
    assert_eq!(client.work(DAY, 60, 60, 1), None, "as ever");
    let mut found = (0..30).map(|shape| client.ask(1, 1000 + shape, 1));
    let (place, finding) = (1..)
        .zip(&mut found)
        .find_map(|(place, finding)| Some((place, finding?)))
        .expect("found");
    drop(found);
    assert!((9..=11).contains(&place), "{place}");
    assert_eq!(finding.reasons, [Detector::Shapes]);
    // It is known from now on.
    client.at += 3600;
    assert_eq!(client.work(600, 10, 60, 1), None);
    for shape in 0..9 {
        assert_eq!(client.ask(1, 1000 + shape, 1), None, "{shape}");
    }
}

#[test]
fn who_is_new_is_not_compared_with_anything() {
    let mut client = Client::new();
    for shape in 0..500 {
        assert_eq!(client.ask(1, shape, 500), None, "{shape}");
    }
    // However long it takes, it is not known after some requests.
    let mut client = Client::new();
    for shape in 0..63 {
        assert_eq!(client.ask(DAY / 30, shape, 1), None, "{shape}");
    }
    for shape in 100..120 {
        assert_eq!(client.ask(DAY, shape, 1), None, "one a day, {shape}");
    }
    // Whoever asks for everything has no habit.
    let mut client = Client::new();
    assert_eq!(client.work(2 * DAY, 60, 2000, 1), None);
    assert_eq!(client.work(3600, 1, 3000, 1), None);
}

#[test]
fn who_copies_more_than_ever_is_noticed_and_who_copies_every_day_is_not() {
    let mut client = Client::new();
    assert_eq!(client.work(DAY, 10, 5, 2), None);
    let finding = client.work(300, 1, 5, 100).expect("found");
    assert_eq!(finding.reasons, [Detector::Volume]);
    // A copy each night, of the same size, or twice as large.
    let mut bulk = Client::new();
    for (night, records) in [100, 100, 110, 100, 200, 100].into_iter().enumerate() {
        assert_eq!(bulk.work(1200, 1, 1, records), None, "{night}");
        bulk.at += DAY - 1200;
    }
    // After a holiday.
    bulk.at += 3 * DAY;
    assert_eq!(bulk.work(1200, 1, 1, 100), None);
    assert!(bulk.work(1200, 1, 1, 1000).is_some(), "ten times as large");
    // Less than anybody minds.
    let mut client = Client::new();
    assert_eq!(client.work(DAY, 60, 5, 1), None);
    assert_eq!(client.work(600, 10, 5, 40), None);
    // One answer, as large as ten thousand.
    let mut client = Client::new();
    assert_eq!(client.work(DAY, 60, 5, 1), None);
    client.ask(120, 0, 200_000);
    assert!(client.ask(1, 0, 200_000).is_some());
}
