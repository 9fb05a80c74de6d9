//! The attackers of `attackers.json`, written before there was anything to find them: with a copy of a token, or
//! of the key of a client whose habits are known.

use serde_json::Value;

use super::*;

/// One of them.
pub(super) struct Copied {
    pub name: String,
    pub found: bool,
    kind: String,
    rate: f64,
    what: Value,
}

pub(super) fn attackers() -> Vec<Copied> {
    let all: Vec<Value> = serde_json::from_str(include_str!("../attackers.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let read = all.into_iter().map(|one| Copied {
        name: text(&one["name"]),
        found: one["found"].as_bool().unwrap(),
        kind: text(&one["kind"]),
        rate: one["rate"].as_f64().unwrap(),
        what: one["what"].clone(),
    });
    read.collect()
}

impl Copied {
    /// After how many seconds this one is found, within a quarter of an hour; `practice` is what is known of
    /// the client.
    pub fn hunt(&self, practice: &Shared, chance: &mut Chance) -> Option<f64> {
        match self.kind.as_str() {
            "session" => self.hunt_session(chance),
            _ => self.hunt_client(Shared(practice.0.clone()), chance),
        }
    }

    fn hunt_client(&self, mut shared: Shared, chance: &mut Chance) -> Option<f64> {
        let begin = 86_400.0 + OPEN.0 + chance.part() * (OPEN.1 - OPEN.0);
        let mut time = begin;
        while time < begin + 900.0 {
            let mut seen = Observation::new(CERTIFICATE, vec![sight(Fact::Passed, 1)]);
            let number = |key: &str| self.what[key].as_u64();
            let shape = match number("shapes") {
                Some(shapes) => 1000 + chance.below(shapes) as u32,
                None => 0,
            };
            seen.network = Some(1);
            seen.asked = Some(Asked {
                shapes: vec![hash(&shape.to_be_bytes())],
                records: number("records").unwrap_or(1) as u32,
                bytes: number("bytes").unwrap_or(2000),
            });
            if observe(&mut shared, seen, time) {
                return Some(time - begin);
            }
            time += chance.until(self.rate);
        }
        None
    }

    /// The holder and the attacker ask by turns of chance.
    fn hunt_session(&self, chance: &mut Chance) -> Option<f64> {
        let mut shared = Shared::default();
        let holder = self.what["holder_rate"].as_f64().unwrap();
        let begin = OPEN.0 + chance.part() * (OPEN.1 - OPEN.0);
        // The holder has just asked for something.
        let (mut time, mut is_holder) = (begin, true);
        while time < begin + 900.0 {
            let pick = |key: &str, chance: &mut Chance| match self.what[key].as_str() {
                Some("other") if !is_holder => 1,
                Some("four") if !is_holder => 1 + chance.below(4) as usize,
                _ => 0,
            };
            let certificate = ["aa", "bb"][pick("certificate", chance).min(1)];
            let exit = pick("network", chance);
            let place = match self.what["place"].as_str() {
                Some("four") => exit,
                _ => pick("place", chance),
            };
            let session = Session {
                issuer: "https://login",
                client: "app",
                subject: "user",
                token: "t",
                certificate: Some(certificate),
                address: format!("10.{exit}.0.1").parse().ok(),
                place: Some(["NO", "SE", "DE", "FR", "NL"][place]),
            };
            let work = Following::new(session.moment(), RiskPolicy::default(), at(time));
            let mut seen = Observation::new(CERTIFICATE, vec![sight(Fact::Passed, 1)]);
            seen.session = shared.carry_out(work);
            if observe(&mut shared, seen, time) {
                return Some(time - begin);
            }
            let all = self.rate + holder;
            time += chance.until(all);
            is_holder = chance.part() * all < holder;
        }
        None
    }
}
