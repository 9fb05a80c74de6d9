//! Callers who try what they may not: none of it is ever served.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep};

use super::Soak;
use super::honest::nothing_of_others;
use super::stage::{BURST, RATE};
use crate::client::{Client, Request, Response, Version};
use crate::tokens::{Algorithm, Claims, Forgery, now};

/// Their number among the callers, so that their client ids and certificates are their own.
const ATTACKER: usize = 1000;
const GREEDY: usize = 2000;

/// The name under which the greedy caller's requests are counted.
pub(super) const GREEDY_READ: &str = "greedy read";

/// An attacker who has a good certificate and a good token of p1.
pub(super) async fn attack(soak: &Soak, number: usize, mut random: Rng) {
    while !soak.is_over() {
        let version = *random
            .choice(&[Version::Http1, Version::Http2])
            .unwrap_or(&Version::Http2);
        if random.u32(0..4) == 0 {
            raw(soak, number, &mut random).await;
        } else {
            let (deed, request, certificate) = attempt(soak, number, &mut random);
            let client = client(soak, number, certificate, version);
            let answer = client.send(request).await.ok();
            soak.tally.count(deed, answer.as_ref());
            if let Some(answer) = answer {
                judge(soak, deed, &answer);
            }
        }
        sleep(Duration::from_millis(random.u64(10..100))).await;
    }
}

/// One caller who asks as fast as answers come, and may have no more than the limit says.
pub(super) async fn hurry(soak: &Soak) {
    let certificate = soak.stage.certificate(GREEDY);
    let client = soak.stage.client(Some(&certificate), Version::Http2);
    let client = client.reuse(true);
    let token = |soak: &Soak| {
        let claims = soak.stage.claims(GREEDY);
        let claims = claims.scope("patient/Patient.r").without("fhirUser");
        soak.stage.issuer.token(&claims)
    };
    let began = Instant::now();
    let mut charged = 0;
    while !soak.is_over() {
        let held = token(soak);
        // A burst and a rest: 429 again and again, at a rate that leaves the others their machine.
        let (since, mut answered, mut refused) = (Instant::now(), 0, 0);
        for _ in 0..2 * BURST {
            let request = Request::get("/r4/Patient/p1").bearer(&held);
            let answer = client.send(request).await.ok();
            soak.tally.count(GREEDY_READ, answer.as_ref());
            answered += u64::from(answer.is_some());
            refused += u64::from(answer.as_ref().is_some_and(|answer| answer.status == 429));
            charged += u64::from(answer.is_none_or(|answer| answer.status != 429));
            let most = most(began);
            if charged > most {
                soak.tally.broken(format!(
                    "{GREEDY_READ}: {charged} were let through, expected at most {most}"
                ));
                return;
            }
        }
        // Where the machine is too slow to ask for more than that, nothing must be refused.
        if refused == 0 && answered > most(since) {
            soak.tally.broken(format!(
                "{GREEDY_READ}: {answered} were answered in {:?}, expected 429 for some",
                since.elapsed()
            ));
        }
        sleep(Duration::from_secs(3)).await;
    }
}

/// What the limit may have let through since: the one on its way is charged at a time that lies
/// between the two we know.
fn most(since: Instant) -> u64 {
    BURST + 1 + since.elapsed().as_secs_f64().ceil() as u64 * RATE
}

/// What an attempt shows of itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    Own,
    Another,
    Nothing,
}

fn attempt(soak: &Soak, number: usize, random: &mut Rng) -> (&'static str, Request, Shows) {
    let stage = &soak.stage;
    let claims = stage.claims(ATTACKER + number).scope("patient/Patient.rs");
    let own = |claims: Claims| stage.issuer.token(&claims);
    let get = |path: &str, token: &str| Request::get(path).bearer(token);
    let mine = "/r4/Patient/p1";
    match random.u32(0..13) {
        0 => ("no token", Request::get(mine), Shows::Own),
        1 => {
            let token = own(claims.forged(forgery(random)));
            ("forged token", get(mine, &token), Shows::Own)
        }
        2 => {
            let token = stage.issuer.impostor().token(&claims);
            ("impostor's token", get(mine, &token), Shows::Own)
        }
        3 => {
            let token = own(claims.expires_at(now() - 3600));
            ("expired token", get(mine, &token), Shows::Own)
        }
        4 => {
            let token = own(claims);
            ("stolen token", get(mine, &token), Shows::Another)
        }
        5 => {
            let token = own(claims);
            ("stolen token, bare", get(mine, &token), Shows::Nothing)
        }
        6 => {
            let other = format!("/r4/Patient/p{}", random.u32(2..=36));
            let token = own(claims);
            ("another's record", get(&other, &token), Shows::Own)
        }
        7 => {
            let token = own(claims);
            let path = "/r4/Patient?_id=p1,p2";
            ("search beyond", get(path, &token), Shows::Own)
        }
        8 => {
            let token = own(claims);
            let path = "/r4/Observation?patient=Patient/p1";
            ("beyond the scope", get(path, &token), Shows::Own)
        }
        9 => {
            let token = own(claims);
            let path = format!("/r4/{}", rubbish(random));
            ("odd path", get(&path, &token), Shows::Own)
        }
        10 => {
            let token = own(claims);
            let mut request = get(mine, &token);
            for number in 0..random.u32(101..300) {
                request = request.header(format!("x-{number}"), vec![b'x'; 200]);
            }
            ("header flood", request, Shows::Own)
        }
        11 => {
            let token = own(claims);
            let body = vec![b' '; random.usize(1..3 << 20)];
            let request = Request::new("POST", "/r4/Observation").bearer(&token);
            let request = request.body("application/fhir+json", body);
            ("large body", request, Shows::Own)
        }
        _ => {
            let bytes: Vec<u8> = (0..random.usize(0..6000))
                .map(|_| random.u8(b'!'..=b'~'))
                .collect();
            let request =
                Request::get(mine).header("authorization", [b"Bearer ", &bytes[..]].concat());
            ("rubbish token", request, Shows::Own)
        }
    }
}

fn forgery(random: &mut Rng) -> Forgery {
    match random.u32(0..7) {
        0 => Forgery::Unsigned,
        1 => Forgery::KeyOf(Algorithm::Rs256),
        2 => Forgery::HmacOfPublicKeyDer,
        3 => Forgery::HmacOfPublicKeyPem,
        4 => Forgery::FlippedBit(random.usize(0..512)),
        5 => Forgery::Truncated(random.usize(0..63)),
        _ => Forgery::Bytes((0..64).map(|_| random.u8(..)).collect()),
    }
}

fn rubbish(random: &mut Rng) -> String {
    const PIECES: [&str; 12] = [
        "Patient",
        "/",
        "//",
        "..",
        "%2e%2e",
        "p1",
        "?",
        "&_count=",
        "%00",
        "_history",
        "$everything",
        ";x",
    ];
    (0..random.usize(1..8))
        .filter_map(|_| random.choice(PIECES))
        .collect::<String>()
        // The attacker's own record, and what is public, are no crime.
        + "/nothing"
}

fn client(soak: &Soak, number: usize, shows: Shows, version: Version) -> Client {
    let certificate = match shows {
        Shows::Own => Some(soak.stage.certificate(ATTACKER + number)),
        Shows::Another => Some(soak.stage.certificate(ATTACKER + number + 1)),
        Shows::Nothing => None,
    };
    soak.stage.client(certificate.as_ref(), version)
}

fn judge(soak: &Soak, deed: &'static str, answer: &Response) {
    if answer.status < 400 {
        soak.tally
            .broken(format!("{deed}: {}, expected a refusal", answer.status));
    }
    // Nobody is p0: nobody's record may be in a refusal.
    if let Err(found) = nothing_of_others(0, &answer.body) {
        soak.tally.broken(format!("{deed}: {found}"));
    }
}

/// Bytes that are not, or not quite, HTTP/1.1.
async fn raw(soak: &Soak, number: usize, random: &mut Rng) {
    const DEED: &str = "raw bytes";
    let claims = soak.stage.claims(ATTACKER + number);
    let token = soak.stage.issuer.token(&claims.scope("patient/Patient.rs"));
    let whole = format!(
        "GET /r4/Patient/p22 HTTP/1.1\r\nhost: fhir.example.org\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    let mut bytes = whole.into_bytes();
    match random.u32(0..3) {
        // It breaks off anywhere.
        0 => bytes.truncate(random.usize(0..bytes.len())),
        1 => {
            for _ in 0..random.usize(1..20) {
                let place = random.usize(0..bytes.len());
                bytes[place] = random.u8(..);
            }
        }
        _ => bytes = (0..random.usize(1..4000)).map(|_| random.u8(..)).collect(),
    }
    let client = client(soak, number, Shows::Own, Version::Http1)
        .quiet(Duration::from_millis(200))
        .timeout(Duration::from_millis(500));
    let answer = client.raw(&bytes).await.unwrap_or_default();
    soak.tally.count(DEED, None);
    if answer.starts_with(b"HTTP/1.1 2") {
        soak.tally
            .broken(format!("{DEED}: 2xx, expected a refusal"));
    }
}
