//! From where a token comes.

use super::*;

const HOME: (&str, &str, &str) = ("cert-a", "192.0.2.1", "NO");

/// Requests: after how many seconds, with which token, and from which certificate, address and place; empty is
/// not known.
type Requests<'a> = &'a [(u64, &'a str, (&'a str, &'a str, &'a str))];

fn moment(subject: &str, token: &str, origin: (&str, &str, &str)) -> Moment {
    let (certificate, address, place) = origin;
    let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
    let session = Session {
        issuer: "https://login",
        client: "app",
        subject,
        token,
        certificate: some(certificate),
        address: address.parse().ok(),
        place: some(place),
    };
    session.moment()
}

/// What looks wrong at the end, in points.
fn suspicion(subject: &str, requests: Requests<'_>) -> Vec<(&'static str, u32)> {
    let mut shared = Shared::default();
    let mut last = Suspicion::default();
    for (after, token, origin) in requests {
        let moment = moment(subject, token, *origin);
        let at = NOW + after * SECOND;
        last = shared.carry_out(Following::new(moment, RiskPolicy::default(), at));
    }
    let scores = Detector::ALL.into_iter().zip(last.scores);
    let scores = scores.map(|(detector, score)| (detector.name(), score / POINT));
    scores.filter(|(_, points)| *points > 0).collect()
}

#[test]
fn a_token_comes_from_one_place_at_a_time() {
    let check = |name: &str, requests: Requests<'_>, expected: &[(&str, u32)]| {
        assert_eq!(suspicion("user", requests), expected, "{name}");
    };
    let from = |certificate, address, place| (certificate, address, place);
    let far = from("cert-a", "198.51.100.1", "NO");
    check(
        "always home",
        &[(0, "t", HOME), (1, "t", HOME), (9000, "t", HOME)],
        &[],
    );
    check(
        "another address of the network",
        &[(0, "t", HOME), (1, "t", from("cert-a", "192.0.99.1", "NO"))],
        &[],
    );
    check(
        "a far network",
        &[(0, "t", HOME), (1, "t", far)],
        &[("travel", 12)],
    );
    check(
        "there and back",
        &[(0, "t", HOME), (1, "t", far), (2, "t", HOME)],
        &[("travel", 24)],
    );
    check(
        "within a minute",
        &[(0, "t", HOME), (60, "t", far)],
        &[("travel", 12)],
    );
    check("later", &[(0, "t", HOME), (61, "t", far)], &[]);
    let six = from("cert-a", "2001:db8::1", "NO");
    check(
        "both kinds of addresses",
        &[(0, "t", HOME), (1, "t", six), (2, "t", HOME)],
        &[],
    );
    let far_six = from("cert-a", "2001:db9::1", "NO");
    check(
        "a far one of IPv6",
        &[(0, "t", six), (1, "t", far_six)],
        &[("travel", 12)],
    );
    check(
        "gone with both kinds",
        &[
            (0, "t", HOME),
            (1, "t", six),
            (2, "t", far),
            (3, "t", far_six),
        ],
        &[("travel", 12)],
    );
    let other = from("cert-b", "192.0.2.1", "NO");
    check(
        "another certificate",
        &[(0, "t", HOME), (1, "t", other)],
        &[("certificates", 30)],
    );
    check(
        "ten minutes",
        &[(0, "t", HOME), (600, "t", other)],
        &[("certificates", 30)],
    );
    check("later than that", &[(0, "t", HOME), (601, "t", other)], &[]);
    check(
        "none",
        &[
            (0, "t", HOME),
            (1, "t", from("", "192.0.2.1", "NO")),
            (2, "t", HOME),
        ],
        &[],
    );
    let abroad = from("cert-a", "192.0.2.1", "SE");
    check(
        "abroad",
        &[(0, "t", HOME), (3600, "t", abroad)],
        &[("places", 30)],
    );
    check(
        "after more than an hour",
        &[(0, "t", HOME), (3601, "t", abroad)],
        &[],
    );
    check(
        "of unknown place",
        &[(0, "t", HOME), (1, "t", from("cert-a", "192.0.2.1", ""))],
        &[],
    );
    check(
        "all of it",
        &[
            (0, "t", HOME),
            (1, "t", from("cert-b", "198.51.100.1", "SE")),
        ],
        &[("certificates", 30), ("places", 30), ("travel", 12)],
    );
    // Another device of the same user.
    check("another token", &[(0, "t", HOME), (1, "u", HOME)], &[]);
    check(
        "another token abroad",
        &[(0, "t", HOME), (1, "u", abroad)],
        &[("places", 15)],
    );
    check(
        "both devices go abroad",
        &[
            (0, "t", HOME),
            (1, "u", HOME),
            (2, "t", abroad),
            (3, "u", abroad),
        ],
        &[("places", 37)],
    );
    check(
        "two devices, in turn",
        &[
            (0, "t", HOME),
            (1, "u", far),
            (2, "t", HOME),
            (3, "u", far),
            (4, "t", HOME),
        ],
        &[("travel", 6)],
    );
    check(
        "the next token of the second device",
        &[(0, "t", HOME), (1, "u", far), (2, "v", far), (3, "w", HOME)],
        &[("travel", 6)],
    );
}

#[test]
fn the_tokens_of_a_service_are_not_one_session() {
    // A service has as many machines, certificates and networks as it likes, each with a token.
    let far = ("cert-b", "198.51.100.1", "SE");
    assert_eq!(
        suspicion("app", &[(0, "t", HOME), (1, "u", far), (2, "t", HOME)]),
        []
    );
    let all = [("certificates", 30), ("places", 30), ("travel", 12)];
    assert_eq!(suspicion("app", &[(0, "t", HOME), (1, "t", far)]), all);
}

#[test]
fn the_tokens_of_a_service_push_out_no_user() {
    let mut shared = Shared::default();
    let policy = RiskPolicy::default();
    shared.carry_out(Following::new(moment("user", "t", HOME), policy, NOW));
    // A client of its own, with as many tokens as it asks for: more than the table has room for.
    for number in 0..20_000 {
        let own = moment("app", &format!("t{number}"), HOME);
        shared.carry_out(Following::new(own, policy, NOW + SECOND));
    }
    assert!(shared.0.len() <= 2049, "{}", shared.0.len());
    let far = ("cert-a", "198.51.100.1", "NO");
    let moved = Following::new(moment("user", "t", far), policy, NOW + 2 * SECOND);
    let travel = shared.carry_out(moved).scores[Detector::Travel as usize];
    assert_eq!(travel, 12 * POINT, "the user is still known");
}

#[test]
fn whatever_is_stored_of_sessions_has_a_bound() {
    let policy = RiskPolicy::default();
    let far = ("cert-b", "198.51.100.1", "SE");
    let mut work = Following::new(moment("user", "t", HOME), policy, NOW);
    work.answer(Answer::Value {
        bytes: None,
        version: None,
    });
    let Step::Write { value, .. } = work.step() else {
        panic!("not written");
    };
    let good = value.to_vec();
    assert_eq!(good.len(), 4 + 132);
    let own = &good[4..20];
    for bytes in [
        Vec::new(),
        b"FGS\x02".to_vec(),
        [&good[..], &[0]].concat(),
        [&good[..4], own, &[0xff; 116]].concat(),
        [&good[..4], own, &[0; 116]].concat(),
        [&good[..4], &[7; 5 * 132][..]].concat(),
        [&good[..4], &[7; 4 * 132][..]].concat(),
    ] {
        for at in [0, NOW, u64::MAX] {
            let mut work = Following::new(moment("user", "t", far), policy, at);
            work.answer(Answer::Value {
                bytes: Some(bytes.clone()),
                version: Some(1),
            });
            if let Step::Write { value, .. } = work.step() {
                assert!(value.len() <= 4 + 4 * 132);
            }
            work.answer(Answer::Written);
            let Step::Done(suspicion) = work.step() else {
                panic!("it does not end");
            };
            assert!(policy.total(&suspicion.scores) <= 300);
        }
    }
    // Most requests come from where the last one did: nothing is written for them.
    let mut work = Following::new(moment("user", "t", HOME), policy, NOW + 4 * SECOND);
    work.answer(Answer::Value {
        bytes: Some(good),
        version: Some(1),
    });
    assert!(matches!(work.step(), Step::Done(_)));
}
