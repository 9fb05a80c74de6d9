//! Callers who do what they may. Under a clear sky each gets what is its, and under any sky nothing
//! that is not.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep};

use super::Soak;
use crate::client::{Client, End, Request, Response, Version};
use crate::tokens::{Algorithm, now};

/// Patients of the test server's data set.
const PATIENTS: usize = 36;

/// A token is asked for again when it is this old, in seconds.
const RENEW_AFTER: u64 = 200;

const FHIR: &str = "application/fhir+json";

/// What an honest caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Read,
    Search,
    ReadWithNewToken,
    ReadAbsent,
    SearchEverybody,
    Write,
    Metadata,
    Abandon,
}

impl Deed {
    fn choose(random: &mut Rng) -> Deed {
        match random.u32(0..100) {
            0..35 => Deed::Read,
            35..60 => Deed::Search,
            60..70 => Deed::ReadWithNewToken,
            70..75 => Deed::ReadAbsent,
            75..82 => Deed::SearchEverybody,
            82..84 => Deed::Write,
            84..90 => Deed::Metadata,
            _ => Deed::Abandon,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Deed::Read => "read",
            Deed::Search => "search",
            Deed::ReadWithNewToken => "read, new token",
            Deed::ReadAbsent => "read of nothing",
            Deed::SearchEverybody => "search, all patients",
            Deed::Write => "update",
            Deed::Metadata => "metadata, no token",
            Deed::Abandon => "abandoned",
        }
    }

    fn expected(self) -> u16 {
        match self {
            Deed::ReadAbsent => 404,
            _ => 200,
        }
    }
}

/// One honest caller: a patient's app, with a backend's token for what goes beyond one patient.
struct Caller<'a> {
    soak: &'a Soak,
    number: usize,
    patient: usize,
    random: Rng,
    kept: Client,
    own: String,
    backend: String,
    since: u64,
}

/// Calls until the soak is over.
pub(super) async fn call(soak: &Soak, number: usize, random: Rng) {
    let mut caller = Caller {
        soak,
        number,
        patient: 1 + number % PATIENTS,
        random,
        kept: fresh(soak, number, Version::Http2).reuse(true),
        own: String::new(),
        backend: String::new(),
        since: 0,
    };
    while !soak.is_over() {
        caller.renew();
        caller.act().await;
        sleep(Duration::from_millis(caller.random.u64(20..120))).await;
    }
}

impl Caller<'_> {
    fn renew(&mut self) {
        if now().saturating_sub(self.since) < RENEW_AFTER {
            return;
        }
        let stage = &self.soak.stage;
        self.since = now();
        self.own = self.token(Algorithm::Es256);
        let backend = stage.claims(self.number).scope("system/Observation.rus");
        self.backend = stage.issuer.token(&backend.without("patient"));
    }

    fn token(&mut self, algorithm: Algorithm) -> String {
        let claims = self
            .soak
            .stage
            .claims(self.number)
            .algorithm(algorithm)
            .scope("patient/Patient.rs patient/Observation.rs")
            .patient(&format!("p{}", self.patient))
            .jti(&format!("{}-{}", self.number, self.random.u64(..)));
        self.soak.stage.issuer.token(&claims.without("fhirUser"))
    }

    async fn act(&mut self) {
        let deed = Deed::choose(&mut self.random);
        let request = self.request(deed);
        let version = *self
            .random
            .choice(&[Version::Http1, Version::Http2])
            .unwrap_or(&Version::Http2);
        let other = match deed {
            Deed::Metadata => Some(self.soak.stage.client(None, version)),
            _ if self.random.u32(0..8) == 0 => Some(fresh(self.soak, self.number, version)),
            _ => None,
        };
        let client = other.as_ref().unwrap_or(&self.kept);
        let before = self.soak.weather.look();
        let asked = Instant::now();
        if deed == Deed::Abandon {
            let bytes = match self.random.bool() {
                true => 0,
                false => self.random.usize(1..20_000),
            };
            let answer = client.send_and_abandon(request, bytes).await.ok();
            self.soak.tally.count(deed.name(), answer.as_ref());
            return;
        }
        let mut answer = client.send(request.clone()).await;
        if answer.is_err() && self.soak.stage.is_draining().await {
            // A connection may be closed in the moment in which it is used: callers try again.
            answer = fresh(self.soak, self.number, version).send(request).await;
            if deed == Deed::Metadata {
                return;
            }
        }
        self.soak.tally.count(deed.name(), answer.as_ref().ok());
        let clear = self.soak.weather.was_clear(before, asked);
        if let Err(found) = self.judge(deed, clear, &answer) {
            let name = deed.name();
            self.soak
                .tally
                .broken(format!("{name} of caller {}: {found}", self.number));
        }
    }

    fn request(&mut self, deed: Deed) -> Request {
        let patient = self.patient;
        match deed {
            Deed::Read | Deed::Abandon => {
                Request::get(&format!("/r4/Patient/p{patient}")).bearer(&self.own)
            }
            Deed::Search => {
                let path = format!("/r4/Observation?patient=Patient/p{patient}&_count=20");
                Request::get(&path).bearer(&self.own)
            }
            Deed::ReadWithNewToken => {
                let algorithm = self.random.choice(&Algorithm::ALL);
                let token = self.token(*algorithm.unwrap_or(&Algorithm::Es256));
                Request::get(&format!("/r4/Patient/p{patient}")).bearer(&token)
            }
            Deed::ReadAbsent => Request::get("/r4/Observation/absent").bearer(&self.own),
            Deed::SearchEverybody => {
                Request::get("/r4/Observation?_count=100").bearer(&self.backend)
            }
            Deed::Write => {
                let id = format!("soak-{}", self.number);
                let body = format!(
                    r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"soak"}},"subject":{{"reference":"Patient/p{patient}"}}}}"#
                );
                Request::new("PUT", &format!("/r4/Observation/{id}"))
                    .bearer(&self.backend)
                    .body(FHIR, body)
            }
            Deed::Metadata => Request::get("/r4/metadata"),
        }
    }

    fn judge(
        &self,
        deed: Deed,
        clear: bool,
        answer: &Result<Response, String>,
    ) -> Result<(), String> {
        let expected = deed.expected();
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if clear => return Err(format!("{error}, expected {expected}")),
            Err(_) => return Ok(()),
        };
        // Created the first time; 204 is a write whose answer could not be inspected.
        let written =
            deed == Deed::Write && (answer.status == 201 || answer.status == 204 && !clear);
        if clear && answer.end != End::Complete {
            return Err(format!("{:?}, expected all of it", answer.end));
        }
        if clear && answer.status != expected && !written {
            return Err(format!("{}, expected {expected}", answer.status));
        }
        if !written && ![200, 404, 500, 502, 503, 504].contains(&answer.status) {
            return Err(format!("{}, expected {expected} or 5xx", answer.status));
        }
        match deed {
            Deed::SearchEverybody | Deed::Write | Deed::Metadata => Ok(()),
            _ => nothing_of_others(self.patient, &answer.body),
        }?;
        match deed {
            Deed::Metadata => Ok(()),
            _ => nothing_redacted(&answer.body),
        }
    }
}

/// No reference to, and no id of, another patient.
pub(super) fn nothing_of_others(patient: usize, body: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(body);
    for other in (1..=PATIENTS).filter(|other| *other != patient) {
        for word in [format!("Patient/p{other}\""), format!("\"p{other}\"")] {
            if text.contains(&word) {
                return Err(format!(
                    "{word} in an answer to p{patient}, expected nobody else"
                ));
            }
        }
    }
    Ok(())
}

/// Nothing that the shipped rule hides of a Patient; no other resource that is asked for has it.
fn nothing_redacted(body: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(body);
    match text.contains("\"birthDate\"") {
        true => Err("a birthDate, expected that it is removed".to_owned()),
        false => Ok(()),
    }
}

fn fresh(soak: &Soak, number: usize, version: Version) -> Client {
    let certificate = soak.stage.certificate(number);
    soak.stage.client(Some(&certificate), version)
}

#[cfg(test)]
mod tests {
    use super::{nothing_of_others, nothing_redacted};

    #[test]
    fn sees_what_must_not_be_there() {
        let rows: [(&str, bool); 4] = [
            (r#"{"subject":{"reference":"Patient/p1"}}"#, true),
            (r#"{"subject":{"reference":"Patient/p2"}}"#, false),
            (r#"{"id":"p36"}"#, false),
            (r#"{"id":"p1","text":"p2"}"#, false),
        ];
        for (body, good) in rows {
            assert_eq!(
                nothing_of_others(1, body.as_bytes()).is_ok(),
                good,
                "{body}"
            );
        }
        assert!(nothing_redacted(br#"{"birthDate":"1950-05-05"}"#).is_err());
        assert!(nothing_redacted(br#"{"name":[]}"#).is_ok());
    }
}
