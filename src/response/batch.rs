//! The answer to a Bundle of requests: each entry is screened as the answer to its request.

use std::rc::Rc;

use super::Fault;
use super::bundle::{Object, is_instant, status_code, text};
use super::cover::{Cover, Limits};
use super::egress::{Broken, Meter, Over};
use super::headers::external;
use super::screen::{Counts, Screen};
use crate::denial::{Challenge, Denial};
use crate::fhir::ResourceType;
use crate::json::Node;
use crate::request::{BatchKind, Change, FhirPolicy, weak_tag};

/// What the answer to a Bundle of requests may contain.
pub struct BatchCover {
    /// How its entries were carried out.
    pub kind: BatchKind,
    /// Each entry of the request, in order.
    pub entries: Vec<Answered>,
    /// Where the API is.
    pub fhir: FhirPolicy,
    /// The deployment's answer for absent instances is 403.
    pub forbidden: bool,
    /// Said in the outcomes that are ours.
    pub request_id: String,
    /// What this holds of the worker's memory, in bytes.
    pub held: usize,
}

/// How an entry of a Bundle of requests is answered.
pub enum Answered {
    /// By us: it was not sent.
    Refused(Denial),
    /// By the upstream.
    Sent(Part),
}

/// What the answer to one permitted request may contain.
pub struct Part {
    /// What of its resource may leave.
    pub cover: Rc<Cover>,
    /// The type that it names.
    pub resource_type: Option<ResourceType>,
    /// What the request does to a resource, where it writes.
    pub change: Option<Change>,
    /// Whether the caller may see anything of what was written.
    pub may_read: bool,
    /// Whether only the head of the answer is wanted.
    pub head_only: bool,
    /// Whether the caller is told nothing of an instance that was there, see [`check_status`].
    pub veiled: bool,
}

/// What may leave of the whole answer.
pub struct Screened {
    /// The Bundle.
    pub text: String,
    /// What was done.
    pub counts: Counts,
    /// Of each entry.
    pub answers: Vec<Answer>,
    /// The guardrail that refuses all of it, or an entry.
    pub(super) broken: Option<Broken>,
    /// What has left of all entries.
    pub(super) meter: Meter,
}

/// How one entry was answered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Answer {
    /// With which status.
    pub status: u16,
    /// The patients of this API whom what left of it is about, those that were met first, where a rule tells.
    pub patients: Vec<String>,
    /// How many there are in all.
    pub all: usize,
}

/// Whether a status says that a request was carried out: refuses one that does not. `change` is what it
/// does where it writes. `veiled`: that an instance was deleted would tell that it was there, perhaps one that
/// the caller may not see. `forbidden` as in [`Denial::Absent`].
pub fn check_status(
    status: u16,
    change: Option<Change>,
    veiled: bool,
    forbidden: bool,
) -> Result<(), Denial> {
    let alike = forbidden || veiled;
    match status {
        200 => Ok(()),
        201 | 204 if change.is_some() => Ok(()),
        404 | 410 if alike => Err(Denial::Absent { forbidden }),
        status => Err(Denial::Upstream(status)),
    }
}

impl BatchCover {
    /// The answer where nothing was sent.
    pub fn own(&self) -> Screened {
        let mut writing = Writing::of(self, Limits::default());
        for entry in &self.entries {
            if let Answered::Refused(denial) = entry {
                writing.refusal(denial);
            }
        }
        writing.end()
    }
}

/// Screens a Bundle of answers.
pub(super) fn screen(
    root: Node<'_>,
    cover: &BatchCover,
    limits: Limits,
) -> Result<Screened, Fault> {
    let is = |name, text: &str| root.get(name).is_some_and(|value| value.is_str(text));
    if !is("resourceType", "Bundle") || !is("type", cover.kind.response()) {
        return Err(Fault::Uninspectable("the answer is no bundle of answers"));
    }
    let mut answers = root.get("entry").into_iter().flat_map(Node::items);
    let meta = root.get("meta");
    let mut writing = Writing::of(cover, limits);
    for entry in &cover.entries {
        match entry {
            Answered::Refused(denial) => writing.refusal(denial),
            Answered::Sent(part) => {
                let answer = answers.next().ok_or(MISCOUNTED)?;
                // The labels of the Bundle and of the entry hold for what is in it.
                let in_bundle = meta.and_then(|meta| part.cover.in_bundle(meta));
                let in_bundle = in_bundle.as_ref().unwrap_or(&part.cover);
                let within = in_bundle.within(answer);
                let cover = within.as_ref().unwrap_or(in_bundle);
                match writing.decide(part, cover, answer) {
                    Ok((status, resource)) => writing.write(part, answer, status, resource),
                    Err(denial) => writing.refusal(&denial),
                }
            }
        }
    }
    match answers.next() {
        None => Ok(writing.end()),
        Some(_) => Err(MISCOUNTED),
    }
}

const MISCOUNTED: Fault =
    Fault::Uninspectable("the bundle has another number of entries than the request");

/// The answer as it grows.
struct Writing<'c> {
    cover: &'c BatchCover,
    limits: Limits,
    screened: Screened,
}

impl<'c> Writing<'c> {
    fn of(cover: &'c BatchCover, limits: Limits) -> Self {
        let kind = cover.kind.response();
        Writing {
            cover,
            limits,
            screened: Screened {
                text: format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":["#),
                counts: Counts::default(),
                answers: Vec::new(),
                broken: None,
                meter: Meter::default(),
            },
        }
    }

    /// The status of an answer, and what of its resource may leave; or what the caller is told instead.
    fn decide(
        &mut self,
        part: &Part,
        cover: &Rc<Cover>,
        answer: Node<'_>,
    ) -> Result<(u16, Option<String>), Denial> {
        let forbidden = self.cover.forbidden;
        let status = text(answer, "response", "status");
        let status = status.as_deref().and_then(status_code);
        let status = status.and_then(|status| status.parse().ok());
        let status = status.ok_or(Denial::Answer("an entry of the bundle has no status"))?;
        check_status(status, part.change, part.veiled, forbidden)?;
        let resource = match (part.change, answer.get("resource")) {
            // What was written is written, whatever is said of it.
            (Some(Change::Delete), _) | (Some(_), None) => None,
            (Some(_), Some(resource)) if part.may_read => self.screened(part, cover, resource).ok(),
            (Some(_), Some(_)) => None,
            (None, None) => return Err(Denial::Uninspectable("empty")),
            (None, Some(resource)) => {
                Some(self.screened(part, cover, resource)?).filter(|_| !part.head_only)
            }
        };
        Ok((status, resource))
    }

    /// What may leave of a resource, which is screened as if it were the answer to a request of its own.
    fn screened(
        &mut self,
        part: &Part,
        cover: &Rc<Cover>,
        resource: Node<'_>,
    ) -> Result<String, Denial> {
        let mut meter = std::mem::take(&mut self.screened.meter);
        meter.begin_part();
        let mut screen = Screen::new(Rc::clone(cover), self.limits).after(meter);
        let screened = screen.push(resource.raw().as_bytes());
        let screened = screened.and_then(|()| screen.finish());
        self.screened.meter = screen.meter();
        self.note(&screen);
        let own = screen.counts();
        let counts = &mut self.screened.counts;
        counts.removed += u64::from(screened == Err(Fault::Withheld));
        screened.map_err(|fault| screen.refusal(fault, self.cover.forbidden))?;
        if !part.head_only {
            counts.passed += own.passed;
            counts.removed += own.removed;
            counts.redacted += own.redacted;
        }
        Ok(screen.text())
    }

    /// Keeps in mind by which guardrail something is held back: by one that refuses the whole answer, else
    /// by the first.
    fn note(&mut self, screen: &Screen) {
        let known = &mut self.screened.broken;
        let refuses = |broken: &Broken| broken.over == Over::Refuse;
        if let Some(broken) = screen.broken()
            && (known.is_none() || refuses(broken) && !known.as_ref().is_some_and(refuses))
        {
            *known = Some(broken.clone());
        }
    }

    fn write(&mut self, part: &Part, answer: Node<'_>, status: u16, resource: Option<String>) {
        let (patients, all) = match resource {
            Some(_) => self.screened.meter.named_in_part(),
            None => (<&[String]>::default(), 0),
        };
        let told = Answer {
            status,
            patients: patients.to_vec(),
            all,
        };
        let response = |name| text(answer, "response", name);
        // Of what was created, as in the head of a single answer.
        let location = response("location").filter(|_| status == 201);
        let location =
            location.and_then(|url| external(&url, &self.cover.fhir, part.resource_type));
        let etag = response("etag").and_then(|etag| weak_tag(etag.as_bytes()));
        let modified = response("lastModified").filter(|at| is_instant(at));
        let mut entry = Object::begin(self.next(told));
        if let Some(resource) = resource {
            entry.name("resource").push_str(&resource);
        }
        let mut response = Object::begin(entry.name("response"));
        response.string("status", &[&status.to_string()]);
        if let Some(location) = location {
            response.string("location", &[&location]);
        }
        if let Some(etag) = etag {
            response.string("etag", &[&etag]);
        }
        if let Some(modified) = modified {
            response.string("lastModified", &[&modified]);
        }
        response.end();
        entry.end();
    }

    fn refusal(&mut self, denial: &Denial) {
        let reply = denial.reply(&self.cover.request_id, &Challenge::default());
        let mut entry = Object::begin(self.next(Answer {
            status: reply.status,
            ..Answer::default()
        }));
        let mut response = Object::begin(entry.name("response"));
        response.string("status", &[&reply.status.to_string()]);
        let outcome = String::from_utf8_lossy(&reply.body);
        response.name("outcome").push_str(&outcome);
        response.end();
        entry.end();
    }

    /// Where the next entry is to be written.
    fn next(&mut self, answer: Answer) -> &mut String {
        let screened = &mut self.screened;
        if !screened.answers.is_empty() {
            screened.text.push(',');
        }
        screened.answers.push(answer);
        &mut screened.text
    }

    fn end(mut self) -> Screened {
        self.screened.text.push_str("]}");
        self.screened
    }
}
