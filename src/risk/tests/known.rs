//! What was read of a caller before the request went on stands for a read when it has ended.

use super::*;

/// What is done first with what was read this many milliseconds before, where the caller had so many points and
/// this came of the request.
fn first(points: u32, fact: Fact, before: u64, session: bool) -> &'static str {
    let policy = RiskPolicy::default();
    let mut entry = Entry::new(CERTIFICATE.scored().fingerprint, NOW / 1_000_000);
    entry.add(Detector::Theft as usize, points * POINT, policy.most());
    let mut bytes = b"FGK\x02".to_vec();
    entry.write(&mut bytes);
    let mut seen = Observation::new(CERTIFICATE, vec![Sight::of(fact, None)]);
    seen.session.grew = session;
    let mut work = Observing::new(seen, policy, NOW);
    work.begin(Known {
        answer: Answer::Value {
            bytes: Some(bytes),
            version: Some(7),
        },
        milliseconds: (NOW / 1_000_000).wrapping_sub(before),
    });
    match work.step() {
        Step::Done(Some(_)) => "found",
        Step::Done(None) => "nothing",
        Step::Read { .. } => "read",
        Step::Write { version, .. } => {
            assert_eq!(version, Some(7));
            "written"
        }
    }
}

#[test]
fn what_was_read_before_stands_for_a_read_where_nothing_rests_on_another() {
    let check = |name: &str, points, fact, before, session, expected: &str| {
        assert_eq!(first(points, fact, before, session), expected, "{name}");
    };
    let most = RiskPolicy::default().most();
    let ahead = 1_u64.wrapping_neg();
    check("nothing new", 0, Fact::Other, 0, false, "nothing");
    check("still told", most, Fact::Other, 0, false, "found");
    check("just fresh", 0, Fact::Other, 999, false, "nothing");
    check("not fresh", 0, Fact::Other, 1000, false, "read");
    check("by a clock ahead", 0, Fact::Other, ahead, false, "read");
    check("the session grew", 0, Fact::Other, 0, true, "read");
    check("it grows", 0, Fact::Theft, 0, false, "written");
    check("it grows, not fresh", 0, Fact::Theft, 1000, false, "read");
    check("it cannot grow more", most, Fact::Theft, 0, false, "read");
}
