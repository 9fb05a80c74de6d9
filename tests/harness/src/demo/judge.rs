//! What must come of each step.

use serde_json::Value;

use super::call::Answer;
use super::stage::{BURST, Stage};
use super::steps::{Kind, MANY, Step};

/// What the tour has seen so far.
pub(super) struct Seen<'a> {
    stage: &'a Stage,
    /// The data is the tour's own, so that it is known what must come.
    pub(super) own_data: bool,
    whole: Option<Value>,
    /// How many exchanges the filter must have recorded.
    pub(super) exchanges: usize,
    /// Outcome, status and rule that must be among the records, in order.
    pub(super) records: Vec<(&'static str, u16, String)>,
}

impl<'a> Seen<'a> {
    pub(super) fn new(stage: &'a Stage) -> Seen<'a> {
        Seen {
            stage,
            own_data: stage.own_data,
            whole: None,
            exchanges: 0,
            records: Vec::new(),
        }
    }

    /// The Patient as the server itself gave it.
    pub(super) fn whole(&self) -> Option<&Value> {
        self.whole.as_ref()
    }

    /// What a person might overlook in this answer.
    pub(super) fn note(&self, step: &Step, answer: &Answer) -> Option<String> {
        let value = answer.json().ok()?;
        match step.kind {
            Kind::Redacted if answer.status == 200 => {
                let gone = gone(self.whole.as_ref()?, &value);
                Some(format!("gone: {}", gone.join(", ")))
            }
            Kind::Search if answer.status == 200 => {
                let total = match &value["total"] {
                    Value::Null => "no total".to_owned(),
                    total => format!("a total of {total}"),
                };
                Some(format!("{} entries, {total}", entries(&value).len()))
            }
            _ => None,
        }
    }

    /// Whether the answer is what it must be; remembers what the records must say.
    pub(super) fn judge(&mut self, step: &Step, answer: &Answer) -> Result<(), String> {
        // What another server holds and answers is not for the tour to judge.
        let judged = self.own_data || !step.needs_data;
        if let Some((outcome, rule)) = &step.record {
            self.exchanges += answer.statuses.len();
            if judged {
                self.records.push((outcome, step.status, rule.clone()));
            }
        }
        if step.kind == Kind::Whole {
            self.whole = answer.json().ok();
        }
        if !judged {
            return match (step.kind, answer.status) {
                (Kind::Whole, 300..) => Err(format!(
                    "found status {}, expected 200: is there a Patient/{} on your server, for everybody who reaches it?",
                    answer.status, self.stage.patient
                )),
                _ => Ok(()),
            };
        }
        if answer.status != step.status {
            return Err(format!(
                "found status {}, expected {}",
                answer.status, step.status
            ));
        }
        if answer.status >= 400 && step.call.times == 1 {
            let body = answer.json()?;
            expect("resourceType", &body["resourceType"], "OperationOutcome")?;
        }
        match step.kind {
            Kind::Whole => expect("id", &answer.json()?["id"], &self.stage.patient),
            Kind::Redacted => self.redacted(&answer.json()?, answer),
            Kind::Spared => match self
                .whole
                .as_ref()
                .map(|whole| gone(whole, &answer.json().unwrap_or_default()))
            {
                Some(gone) if gone.is_empty() => Ok(()),
                _ => Err("elements are gone, expected all of them".to_owned()),
            },
            Kind::Search => self.searched(&answer.json()?, answer),
            Kind::Refused(challenge) => {
                let found = answer.header("www-authenticate").unwrap_or("none");
                match found.contains(challenge) {
                    true => self.nothing_written(),
                    false => Err(format!("found challenge {found}, expected {challenge}")),
                }
            }
            Kind::Public => expect(
                "resourceType",
                &answer.json()?["resourceType"],
                "CapabilityStatement",
            ),
            Kind::Throttled => throttled(answer, self.own_data),
        }
    }

    fn redacted(&self, value: &Value, answer: &Answer) -> Result<(), String> {
        let whole = self
            .whole
            .as_ref()
            .ok_or("the first step got no Patient to compare with")?;
        expect("id", &value["id"], &self.stage.patient)?;
        for name in [
            "address",
            "telecom",
            "birthDate",
            "_birthDate",
            "contact",
            "photo",
        ] {
            if !value[name].is_null() {
                return Err(format!("found {name}, expected it to be redacted"));
            }
        }
        let birth_date = whole["birthDate"]
            .as_str()
            .ok_or("the FHIR server's Patient has no birthDate")?;
        if answer.body.contains(birth_date) {
            return Err("found the birth date in the text, expected none anywhere".to_owned());
        }
        for name in ["name", "gender"] {
            if value[name] != whole[name] {
                return Err(format!("{name} is not as the FHIR server gave it"));
            }
        }
        caching(answer)
    }

    fn searched(&self, value: &Value, answer: &Answer) -> Result<(), String> {
        expect("type", &value["type"], "searchset")?;
        if !value["total"].is_null() {
            return Err("found a total, expected none".to_owned());
        }
        let entries = entries(value);
        if entries.is_empty() {
            return Err("found no entries, expected vital signs".to_owned());
        }
        let own = format!("Patient/{}", self.stage.patient);
        for entry in entries {
            expect("subject", &entry["resource"]["subject"]["reference"], &own)?;
        }
        // One vital sign of p1 names p2 as its performer.
        if answer.body.contains("Patient/p2") {
            return Err("found a reference to another patient, expected none".to_owned());
        }
        caching(answer)
    }

    fn nothing_written(&self) -> Result<(), String> {
        let requests = self.stage.server.as_ref().map(|server| server.requests());
        for request in requests.into_iter().flatten() {
            if request.method != "GET" {
                return Err(format!(
                    "the FHIR server got a {}, expected GET only",
                    request.method
                ));
            }
            if request.header("authorization").is_some() {
                return Err("the FHIR server got a token, expected it to be taken out".to_owned());
            }
        }
        Ok(())
    }
}

/// `known`: it is known what the FHIR server answers where the limit lets a request through.
fn throttled(answer: &Answer, known: bool) -> Result<(), String> {
    let allowed = answer
        .statuses
        .iter()
        .filter(|status| **status != 429)
        .count();
    let other = answer
        .statuses
        .iter()
        .find(|status| !matches!(status, 200 | 429));
    if let (Some(other), true) = (other, known) {
        return Err(format!("found status {other}, expected 200 and 429 only"));
    }
    if allowed == 0 || answer.statuses.len() != MANY as usize {
        return Err(format!(
            "{allowed} of {} answers came through, expected {MANY} answers, up to {BURST} of them at first",
            answer.statuses.len()
        ));
    }
    let seconds = answer.header("retry-after").unwrap_or("none");
    match seconds.parse::<u32>() {
        Ok(1..) => Ok(()),
        _ => Err(format!(
            "found retry-after {seconds}, expected whole seconds"
        )),
    }
}

fn caching(answer: &Answer) -> Result<(), String> {
    match answer.header("cache-control") {
        Some(value) if value.contains("no-store") => Ok(()),
        found => Err(format!("found cache-control {found:?}, expected no-store")),
    }?;
    match answer.header("strict-transport-security") {
        Some(_) => Ok(()),
        None => Err("found no strict-transport-security, expected one".to_owned()),
    }
}

fn expect(name: &str, found: &Value, expected: &str) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("found {name} {found}, expected {expected:?}")),
    }
}

fn entries(bundle: &Value) -> &[Value] {
    bundle["entry"].as_array().map_or(&[], Vec::as_slice)
}

/// The elements at the root that are in the one and not, or not as they were, in the other.
fn gone(whole: &Value, left: &Value) -> Vec<String> {
    let members = whole.as_object().into_iter().flatten();
    members
        .filter_map(|(name, value)| match left.get(name) {
            None => Some(name.clone()),
            // The filter tags what it redacted.
            Some(_) if name == "meta" => None,
            Some(other) if other != value => Some(format!("{name} (in part)")),
            Some(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_gone_is_named() {
        let whole = json!({"a": 1, "b": [1, 2], "c": {}, "meta": {}});
        let left = json!({"a": 1, "b": [1], "meta": {"tag": []}});
        assert_eq!(gone(&whole, &left), ["b (in part)", "c"]);
        assert!(gone(&whole, &whole).is_empty());
    }

    #[test]
    fn a_throttled_answer_has_both_and_says_when() {
        let answer = |ok: usize, many: usize, after: &str| Answer {
            statuses: [vec![200; ok], vec![429; many]].concat(),
            status: 429,
            headers: vec![("retry-after".to_owned(), after.to_owned())],
            body: String::new(),
        };
        assert_eq!(throttled(&answer(20, 40, "1"), true), Ok(()));
        for (wrong, part) in [
            (answer(0, 60, "1"), "0 of 60 answers came"),
            (answer(20, 30, "1"), "expected 60 answers"),
            (answer(20, 40, "0"), "found retry-after 0"),
            (answer(20, 40, "soon"), "found retry-after soon"),
        ] {
            let error = throttled(&wrong, true).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
    }
}
