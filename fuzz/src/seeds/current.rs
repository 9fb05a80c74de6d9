//! Writes of a patient: the current version is read, and decides.

use crate::exchange::{SCOPES, TARGETS};
use crate::input::chunk;

/// Programs in which a patient writes, and the upstream answers in each way first.
pub fn reading() -> Vec<Vec<u8>> {
    let own: &[u8] =
        br#"{"resourceType":"Observation","id":"o1","subject":{"reference":"Patient/p1"}}"#;
    let patch: &[u8] = br#"[{"op":"replace","path":"/status","value":"amended"}]"#;
    let scope = place(&SCOPES, "patient/*.cruds");
    let mut seeds = Vec::new();
    for (target, body) in [
        ("PUT /r4/Observation/o1", own),
        ("PATCH /r4/Observation/o1", patch),
        ("DELETE /r4/Observation/o1", b""),
    ] {
        let target = place(&TARGETS, target);
        let ended = u8::from(body.is_empty());
        let asks = [0, scope, target, ended, 1];
        let sends = match body.is_empty() {
            true => Vec::new(),
            false => [&[3, 1][..], &chunk(body)].concat(),
        };
        for answer in 0..6 {
            for between in [&[][..], &[13], &[11, 50], &[4], &[3, 1, 0, 0]] {
                let answers = [12, answer, 5, 0, 0, 1];
                seeds.push([&asks[..], &sends, between, &answers].concat());
            }
        }
    }
    seeds
}

fn place(texts: &[&str], text: &str) -> u8 {
    let place = texts.iter().position(|other| *other == text);
    place
        .and_then(|place| u8::try_from(place).ok())
        .expect(text)
}
