//! What a server of global limits answers: bytes of any kind tell callers nothing that has no bound.

use std::sync::LazyLock;

use fhir_guard::limit::{
    Caller, Charge, Charging, KeyPart, Limit, Measure, Period, Quota, Remaining, Unjudged, Verdict,
};

use crate::input::{Input, chunk};

/// The longest time that a caller may be told to wait, in seconds: a year.
const LONGEST: u64 = 366 * 86_400;

/// What is left of each limit before the server is asked.
const LEFT: u32 = 60;

static LIMITS: LazyLock<Vec<Limit>> = LazyLock::new(|| {
    let limit = |name: &str, part| {
        let quota = Quota::new(60, Period::Minute, LEFT).expect("a quota");
        let mut limit = Limit::new(name, &[part], Measure::rate(quota)).expect("a limit");
        limit.global = true;
        limit
    };
    vec![
        limit("client", KeyPart::Client),
        limit("type", KeyPart::Type),
    ]
});

/// How many limits were asked about, fields of the head, and the body; says whether it is a judgement.
///
/// # Panics
/// Where what is no judgement changes the verdict, where one admits more than before, and where a caller is told
/// nothing true, or is told to wait without a bound.
pub fn check(bytes: &[u8]) -> bool {
    let mut input = Input(bytes);
    let choice = input.byte();
    let asked = usize::from(choice % 3);
    let mut head = vec![(b":status".to_vec(), b"200".to_vec())];
    match choice >> 4 {
        0 => head.push((b"grpc-status".to_vec(), b"0".to_vec())),
        1 => {}
        _ => {
            for _ in 0..choice >> 6 {
                head.push((input.chunk().to_vec(), input.chunk().to_vec()));
            }
        }
    }
    let charges = LIMITS.iter().take(asked).map(|limit| Charge {
        limit,
        caller: Caller {
            client: Some("app"),
            resource_type: Some("Patient"),
            ..Caller::default()
        },
        count: 1,
        priority: false,
    });
    let question = Charging::new(charges, 1).question();
    assert_eq!(question.is_empty(), asked == 0);
    let before = Verdict {
        allowed: true,
        refused_by: None,
        retry_after_seconds: 0,
        remaining: LIMITS.iter().take(asked).map(left).collect(),
        contended: false,
    };
    let mut verdict = before.clone();
    let judged = question.judged(Some((&head, input.0)), &mut verdict);
    match judged {
        Err(why) => {
            assert!(matches!(why, Unjudged::NoAnswer | Unjudged::BadAnswer));
            assert_eq!(verdict, before, "{why:?}");
        }
        Ok(()) => holds(&verdict, &before),
    }
    judged.is_ok()
}

fn left(limit: &Limit) -> Remaining {
    Remaining {
        name: limit.name.clone(),
        remaining: LEFT - 1,
        reset_seconds: 1,
        burst: LEFT,
        window_seconds: 60,
        concurrent: false,
        patients: false,
    }
}

fn holds(verdict: &Verdict, before: &Verdict) {
    assert_eq!(verdict.remaining.len(), before.remaining.len());
    for (now, then) in verdict.remaining.iter().zip(&before.remaining) {
        assert!(now.remaining <= then.remaining && now.reset_seconds <= LONGEST);
        assert_eq!((&now.name, now.burst), (&then.name, then.burst));
    }
    let Some(place) = verdict.refused_by else {
        assert!(verdict.allowed && verdict.retry_after_seconds == 0);
        return;
    };
    assert!(!verdict.allowed);
    assert!((1..=LONGEST).contains(&verdict.retry_after_seconds));
    if let Some(refused) = verdict.remaining.get(place) {
        assert_eq!(
            (refused.remaining, refused.reset_seconds),
            (0, verdict.retry_after_seconds)
        );
    }
}

/// One message behind the choice: framed, as the protocol has it.
fn framed(choice: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a short message");
    [&[choice, 0][..], &length.to_be_bytes(), message].concat()
}

/// Judgements of all kinds, and what is none.
pub fn seeds() -> Vec<Vec<u8>> {
    let over: &[u8] = &[8, 2, 18, 12, 8, 2, 18, 4, 8, 60, 16, 2, 34, 2, 8, 30];
    let mut negative = vec![8, 2, 18, 15, 8, 2, 34, 11, 8];
    negative.extend([0xff; 9]);
    negative.push(1);
    let messages: [&[u8]; 8] = [
        &[8, 1],
        &[
            8, 1, 18, 14, 8, 1, 18, 4, 8, 60, 16, 2, 24, 59, 34, 2, 8, 30,
        ],
        over,
        &[8, 2, 18, 2, 8, 1, 18, 2, 8, 2],
        // The one field twice, and a time that has passed.
        &[8, 1, 8, 2],
        &negative,
        // UNKNOWN, and groups in groups.
        &[8, 0],
        &[0x0b; 300],
    ];
    let mut seeds = vec![[&[0x41][..], &chunk(b"grpc-status"), &chunk(b"14")].concat()];
    for asked in [1, 2] {
        seeds.extend(messages.map(|message| framed(asked, message)));
        // Without a status.
        seeds.extend([over, &[8, 1]].map(|message| framed(0x10 | asked, message)));
        // Compressed, it says; and shorter than it says.
        seeds.push([&[asked][..], &[1, 0, 0, 0, 2, 8, 1]].concat());
        seeds.push([&[asked][..], &[0, 0, 0, 0, 9, 8, 1]].concat());
    }
    seeds
}
