//! What may happen, and after what it may not.

use fhir_guard::exchange::Step;
use serde_json::Value;

use super::gives;
use super::stage::{HIDDEN, HOLD, OTHERS};

/// What was seen of one exchange so far.
pub struct Model {
    /// The request went to the upstream.
    pub forwarded: bool,
    /// Only answers of ours came, so that what must not leave is known by its words.
    pub pure: bool,
    /// How many of them.
    pub answers: usize,
    /// The caller's scopes are for one patient.
    pub confined: bool,
    /// A patient changes what is there: only what the upstream says of it lets that go on.
    pub changes: bool,
    /// The stream was cut.
    pub reset: bool,
    /// The keys are fetched, and were not there at the beginning.
    pub cold: bool,
    /// A set of keys came.
    pub keys: bool,
    admitted: bool,
    over: bool,
    held: bool,
    left: bool,
    foreign: bool,
    body: Vec<u8>,
}

impl Default for Model {
    fn default() -> Self {
        Model {
            forwarded: false,
            pure: true,
            answers: 0,
            confined: false,
            changes: false,
            reset: false,
            cold: false,
            keys: false,
            admitted: false,
            over: false,
            held: false,
            left: false,
            foreign: false,
            body: Vec::new(),
        }
    }
}

impl Model {
    /// After the head of a request.
    pub fn request_head(&mut self, step: &Step) {
        assert!(
            matches!(
                step,
                Step::Charge | Step::Reply(_) | Step::Reset | Step::Hold | Step::Wait
            ),
            "{step:?}"
        );
        assert!(
            self.cold || *step != Step::Wait,
            "nothing is to be waited for"
        );
        if *step == Step::Charge {
            assert!(!self.over && !self.forwarded, "decided on twice");
        }
        self.ends(step);
    }

    /// After a wake; `waits` says that the request waited.
    pub fn woken(&mut self, step: &Step, waits: bool) {
        match step {
            Step::Wait => {}
            Step::Charge => assert!(waits && self.keys && !self.over && !self.forwarded),
            Step::Reply(_) => assert!(waits, "{step:?}"),
            _ => panic!("{step:?} after a wake"),
        }
        self.ends(step);
    }

    /// After a verdict; `admitted` says that it was the charge's own, and allowed.
    pub fn charged(&mut self, step: &Step, admitted: bool) {
        match step {
            Step::Forward(fields) => {
                assert!(admitted && !self.over && !self.forwarded, "{step:?}");
                assert!(!self.changes, "unseen");
                assert!(fields.iter().any(|(name, _)| name == b":path"));
                self.forwarded = true;
            }
            Step::HoldHead(_) => {
                assert!(admitted && !self.over && !self.forwarded, "{step:?}");
                assert!(!self.changes, "unseen");
            }
            Step::Wait => assert!(admitted && self.changes && !self.over, "{step:?}"),
            Step::Reply(_) | Step::Reset | Step::Hold => {}
            _ => panic!("{step:?} after a charge"),
        }
        self.admitted |= admitted;
        self.ends(step);
    }

    /// After the current version came, or what came in its place; `good` says that it was waited for, and
    /// is the patient's own.
    pub fn read(&mut self, step: &Step, good: bool) {
        match step {
            Step::Forward(fields) => {
                assert!(good && self.admitted && self.changes, "{step:?}");
                assert!(!self.over && !self.forwarded, "{step:?}");
                let tags = fields.iter().filter(|(name, _)| name == b"if-match");
                assert_eq!(tags.count(), 1, "{fields:?}");
                self.forwarded = true;
            }
            Step::Wait | Step::Reply(_) => {}
            _ => panic!("{step:?} after the current version"),
        }
        self.ends(step);
    }

    /// After a piece of the request's body; `waits` says that the request waited.
    pub fn request_body(&mut self, step: &Step, waits: bool) {
        match step {
            Step::Write(_) => {
                assert!(self.admitted && !self.over && !self.forwarded, "{step:?}");
                self.forwarded = true;
            }
            Step::Wait => assert!(waits, "{step:?}"),
            Step::Hold | Step::Reply(_) | Step::Reset => {}
            _ => panic!("{step:?} after a body"),
        }
        self.ends(step);
    }

    /// After trailers of the request.
    pub fn trailers_of_request(&mut self, step: &Step) {
        assert!(
            matches!(step, Step::Hold | Step::Reply(_) | Step::Reset),
            "{step:?}"
        );
        self.ends(step);
    }

    /// After the head of an answer.
    pub fn answer_head(&mut self, step: &Step, details: Option<&[u8]>) {
        let ours = details == Some(b"via_upstream");
        match step {
            Step::HoldHead(_) | Step::Release(_) => {
                assert!(
                    ours && self.forwarded && !self.over && !self.left,
                    "{step:?}"
                );
                self.held = matches!(step, Step::HoldHead(_));
                self.left = !self.held;
            }
            Step::Continue => {
                assert!(self.over || !ours, "an answer that nobody decided on");
                self.foreign = true;
            }
            Step::Reply(_) | Step::Reset => {}
            _ => panic!("{step:?} after a head"),
        }
        self.ends(step);
    }

    /// After a piece of an answer; `screens` says that the exchange wanted it.
    pub fn answer_body(&mut self, step: &Step, screens: bool) {
        match step {
            Step::Write(bytes) => {
                assert!(screens && (bytes.is_empty() || !self.over), "{step:?}");
                if self.held {
                    assert!(bytes.len() <= HOLD, "{} into a held body", bytes.len());
                    self.held = false;
                    self.left = true;
                }
                assert!(self.left, "a body without a head");
                self.body.extend(bytes);
            }
            Step::Finish { body, .. } => {
                assert!(screens && self.held && !self.over, "{step:?}");
                assert!(body.len() <= HOLD, "{} into a held body", body.len());
                self.held = false;
                self.left = true;
                self.body.extend(body);
            }
            Step::Hold => assert!(self.held, "held after the head left"),
            Step::Continue => assert!(self.over || self.foreign, "passed unseen"),
            Step::Reply(_) | Step::Reset => {}
            _ => panic!("{step:?} after a piece"),
        }
        self.ends(step);
    }

    /// After trailers of an answer.
    pub fn trailers(&mut self, step: &Step) {
        match step {
            Step::DropTrailers => {
                self.left |= self.held;
                self.held = false;
            }
            Step::Continue => assert!(self.over || self.foreign, "passed unseen"),
            Step::Reply(_) | Step::Reset => {}
            _ => panic!("{step:?} after trailers"),
        }
        self.ends(step);
    }

    /// After the host said that it failed.
    pub fn failed(&mut self, step: &Step) {
        assert!(matches!(step, Step::Reply(_) | Step::Reset), "{step:?}");
        self.ends(step);
    }

    /// The record, whatever the proxy says it answered.
    pub fn record(&self, line: &str) {
        assert!(!line.contains('\n') && line.is_ascii(), "{line}");
        let record: Value = serde_json::from_str(line).expect("JSON");
        let outcome = record["outcome"].as_str().expect("an outcome");
        let outcomes = [
            "allowed",
            "cut",
            "proxy",
            "refused",
            "undecided",
            "withheld",
        ];
        assert!(outcomes.contains(&outcome), "{line}");
        if outcome == "allowed" {
            assert!(self.forwarded, "{line}");
        }
        for secret in ["eyJ", "earer ", HIDDEN, OTHERS] {
            assert!(!line.contains(secret), "{secret} in {line}");
        }
    }

    /// In the end: nothing that must not left.
    pub fn finish(&self) {
        if !self.pure || self.answers > 1 {
            return;
        }
        let body = String::from_utf8_lossy(&self.body);
        assert!(!body.contains(HIDDEN), "{body}");
        assert!(!self.confined || !body.contains(OTHERS), "{body}");
    }

    fn ends(&mut self, step: &Step) {
        assert!(!self.over || !gives(step), "{step:?} after the end");
        if let Step::Reply(_) = step {
            assert!(!self.left, "a reply after a head");
            self.held = false;
        }
        self.reset |= *step == Step::Reset;
        self.over |= matches!(step, Step::Reply(_) | Step::Reset);
    }
}
