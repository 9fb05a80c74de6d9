//! The streaming screen: pieces of a body in, screened bytes out.

mod lines;
mod manifest;
mod parts;

use std::rc::Rc;

use super::batch::{self, Answer, BatchCover};
use super::bundle::{self, Rule};
use super::egress::{Broken, Meter, Over, Taken};
use super::resource::{self, id_of};
use super::splitter::{Form, Piece, Source, Splitter};
use super::{Cover, Expected, Fault, Limits};
use crate::denial::Denial;
use crate::fhir::ResourceType;
use crate::json::{Document, FaultKind};
use parts::Progress;

/// What was done, for the audit record.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Resources and entries that were let through, redacted ones included.
    pub passed: u64,
    /// Bundle entries that were removed whole.
    pub removed: u64,
    /// Resources and entries from which something was removed or masked.
    pub redacted: u64,
}

/// Screens one answer. A fault is final: every later call returns the same one.
pub struct Screen {
    subject: Subject,
    limits: Limits,
    splitter: Splitter,
    /// Whether the answer is a file of lines.
    lines: bool,
    /// What has been seen of a Bundle.
    bundle: Progress,
    /// What every entry of the Bundle begins with.
    head: Rc<str>,
    out: String,
    counts: Counts,
    /// What has left, as guardrails count it.
    meter: Meter,
    broken: Option<Broken>,
    answers: Vec<Answer>,
    fault: Option<Fault>,
}

/// What the answer is to.
#[derive(Clone)]
enum Subject {
    One(Rc<Cover>),
    Batch(Rc<BatchCover>),
}

impl Screen {
    /// A screen at the start of a body.
    pub fn new(cover: Rc<Cover>, limits: Limits) -> Screen {
        let (form, head) = match &cover.expected {
            Expected::Bundle { .. } => (Form::Bundle, bundle::head(&cover)),
            Expected::Lines(_) => (Form::Lines, String::new()),
            Expected::Resource { .. }
            | Expected::Plain(_)
            | Expected::Manifest
            | Expected::Opaque => (Form::Whole, String::new()),
        };
        Screen::of(Subject::One(cover), form, Rc::from(head), limits)
    }

    /// A screen for the answer to a Bundle of requests, which is held whole: [`Limits::resource`] bounds
    /// all of it.
    pub fn of_batch(cover: Rc<BatchCover>, limits: Limits) -> Screen {
        Screen::of(Subject::Batch(cover), Form::Whole, Rc::from(""), limits)
    }

    fn of(subject: Subject, form: Form, head: Rc<str>, limits: Limits) -> Screen {
        Screen {
            subject,
            head,
            limits,
            splitter: Splitter::new(form, limits.resource, limits.json),
            lines: form == Form::Lines,
            bundle: Progress::default(),
            out: String::new(),
            counts: Counts::default(),
            meter: Meter::default(),
            broken: None,
            answers: Vec::new(),
            fault: None,
        }
    }

    /// Takes the next piece of the body; pieces may be cut anywhere.
    ///
    /// # Errors
    /// The answer must not leave; what [`take`](Self::take) has not given out yet is gone.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        self.advance(chunk).map_err(|fault| self.absorb(fault))
    }

    /// Says that the body has ended.
    ///
    /// # Errors
    /// As for [`push`](Self::push); also when the root has not closed.
    pub fn finish(&mut self) -> Result<(), Fault> {
        match self.fault {
            Some(fault) => Err(fault),
            None if self.splitter.end() => Ok(()),
            None => Err(self.absorb(Fault::Uninspectable(FaultKind::Truncated.text()))),
        }
    }

    /// The screened bytes that are ready to leave; each is given out once. Nothing comes out before
    /// [`shape_known`](Self::shape_known) or [`closed`](Self::closed), and nothing after a fault. The end of a
    /// line waits for what follows it: a file that is cut off must not look like a whole one, also to a
    /// client that is not told (Envoy before 1.37 resets HTTP/2 streams without an error).
    pub fn take(&mut self) -> Vec<u8> {
        if !self.shape_known() && !self.closed() {
            return Vec::new();
        }
        let kept = match self.lines && !self.closed() {
            true => lines::END.len().min(self.out.len()),
            false => 0,
        };
        let rest = self.out.split_off(self.out.len() - kept);
        std::mem::replace(&mut self.out, rest).into_bytes()
    }

    /// The same screen, for a part of an answer of which this has left before.
    pub(super) fn after(self, meter: Meter) -> Screen {
        Screen { meter, ..self }
    }

    /// What has left up to here, for the next part.
    pub(super) fn meter(&mut self) -> Meter {
        std::mem::take(&mut self.meter)
    }

    /// As [`take`](Self::take), of an answer that is whole.
    pub(super) fn text(self) -> String {
        self.out
    }

    /// How many bytes are held, screened or not.
    pub fn held(&self) -> usize {
        self.splitter.held() + self.out.len()
    }

    /// How much of the worker's memory the answer takes, in bytes: what is held, and what decides on it
    /// where that is many requests.
    pub fn memory(&self) -> usize {
        let cover = match &self.subject {
            Subject::One(_) => 0,
            Subject::Batch(cover) => cover.held,
        };
        let own = self.held().saturating_add(self.meter.held());
        own.saturating_add(cover)
    }

    /// Whether the root value has closed, or a file of lines has ended, so that everything is in
    /// [`take`](Self::take).
    pub fn closed(&self) -> bool {
        self.fault.is_none() && self.splitter.done()
    }

    /// Whether a Bundle of the expected type was recognised, or it is a file of lines, so that parts may leave
    /// before the end.
    pub fn shape_known(&self) -> bool {
        let known = self.bundle.resource_type && self.bundle.kind;
        self.fault.is_none() && (self.lines || known)
    }

    /// Whether the whole answer may still be withheld because it belongs to another patient, or no
    /// granular scope or no consent is for it: then not even its head may leave. Of an instance's history at least one
    /// version must be covered, for an empty one would tell that there is something.
    pub fn may_withhold(&self) -> bool {
        let Subject::One(cover) = &self.subject else {
            return false;
        };
        // A Patient is asked for by the own id.
        let of_patient = |found: ResourceType| cover.patient.is_some() && !found.is_patient();
        let foreign = |found: ResourceType| cover.practitioner.is_some() || of_patient(found);
        let of_instance = cover.expected.of_instance();
        let consent = cover.consent.is_some();
        of_instance.is_some_and(|found| foreign(found) || consent || !cover.granted.is_all())
            && self.counts.passed == 0
    }

    /// The refusal of an answer of which nothing has left; `forbidden` as in [`Denial::Absent`].
    pub fn refusal(&self, fault: Fault, forbidden: bool) -> Denial {
        // That an instance cannot be read must not tell that it is there, where it is not known whether the
        // caller may see it.
        let unread = |found| Denial::Undecided {
            what: "instance",
            absent: Some(forbidden),
            found,
        };
        match (fault, self.may_withhold()) {
            (Fault::Uninspectable(found), true) => unread(found),
            (Fault::TooLarge, true) => unread("it is larger than what is read"),
            (Fault::Withheld, _) => Denial::Absent { forbidden },
            (Fault::Uninspectable(found), false) => Denial::Answer(found),
            (Fault::TooLarge, false) => Denial::Uninspectable("too-large"),
            (Fault::Egress, _) => {
                let rule = self.broken.as_ref().map(|broken| broken.name.as_ref());
                Denial::Egress(rule.unwrap_or_default().to_owned())
            }
        }
    }

    /// The guardrail that the answer was refused by, or that it was cut short by, if one was.
    pub fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }

    /// How each request of a Bundle is answered, in their order, once that is decided.
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// A number for each patient whom what has left is about, where a rule tells ([`Egress::telling`]).
    ///
    /// [`Egress::telling`]: super::Egress::telling
    pub fn shown(&self) -> Vec<u64> {
        self.meter.shown()
    }

    /// The patients of this API whom what has left is about, those that were met first, and how many there are
    /// in all, where a rule tells.
    pub fn named(&self) -> (&[String], usize) {
        self.meter.named()
    }

    fn absorb(&mut self, fault: Fault) -> Fault {
        self.out = String::new();
        self.splitter = Splitter::new(Form::Whole, 0, self.limits.json);
        self.fault = Some(fault);
        fault
    }

    fn advance(&mut self, mut chunk: &[u8]) -> Result<(), Fault> {
        // Most of a Bundle leaves piece by piece.
        if self.shape_known() {
            self.out.reserve(chunk.len());
        }
        let head = Rc::clone(&self.head);
        while let Some(piece) = self.splitter.next(&mut chunk)? {
            // The labels of a Bundle change it.
            let subject = self.subject.clone();
            match (&subject, piece) {
                (Subject::One(cover), piece) => self.piece(piece, cover, &head)?,
                (Subject::Batch(cover), Piece::Root(source)) => {
                    self.read(source, |screen, document| screen.batch(document, cover))?;
                }
                (Subject::Batch(_), _) => {}
            }
            // Without a shape nothing can be taken: what waits for it is bounded too.
            if !self.shape_known() && !self.closed() && self.out.len() > self.limits.resource {
                return Err(Fault::TooLarge);
            }
        }
        Ok(())
    }

    fn piece(&mut self, piece: Piece<'_>, cover: &Rc<Cover>, head: &str) -> Result<(), Fault> {
        match (&cover.expected, piece) {
            (
                Expected::Bundle {
                    kind,
                    resource_type,
                    id,
                },
                piece,
            ) => {
                let rule = Rule {
                    cover,
                    kind: *kind,
                    resource_type: *resource_type,
                    id: id.as_deref(),
                    head,
                };
                self.piece_of_bundle(piece, &rule)
            }
            (Expected::Lines(resource_type), Piece::Root(source)) => self
                .read(source, |screen, document| {
                    screen.line(document, *resource_type, cover)
                }),
            (Expected::Manifest, Piece::Root(source)) => self.read(source, |screen, document| {
                screen.manifest(document.root(), cover)
            }),
            (_, Piece::Root(source)) => {
                self.read(source, |screen, document| screen.root(document, cover))
            }
            _ => Ok(()),
        }
    }

    fn batch(&mut self, document: &Document<'_>, cover: &BatchCover) -> Result<(), Fault> {
        let screened = batch::screen(document.root(), cover, self.limits)?;
        self.broken = screened.broken;
        self.meter = screened.meter;
        if self
            .broken
            .as_ref()
            .is_some_and(|broken| broken.over == Over::Refuse)
        {
            return Err(Fault::Egress);
        }
        self.out = screened.text;
        self.counts = screened.counts;
        self.answers = screened.answers;
        Ok(())
    }

    /// Reads a value where it has not been read yet, and decides on it.
    fn read(
        &mut self,
        source: Source<'_>,
        decide: impl FnOnce(&mut Screen, &Document<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match source {
            Source::Held(bytes) => decide(self, &self.parse(&bytes)?),
            Source::Read(document) => {
                decide(self, &document)?;
                self.splitter.reuse(document.into_memory());
                Ok(())
            }
        }
    }

    fn root(&mut self, document: &Document<'_>, cover: &Cover) -> Result<(), Fault> {
        let root = document.root();
        if let Expected::Resource {
            resource_type,
            id,
            version,
        } = &cover.expected
        {
            let wrong = |what| Err(Fault::Uninspectable(what));
            let own_type = root.get("resourceType");
            if !own_type.is_some_and(|own| own.is_str(resource_type.name())) {
                return wrong("the resource is not of the type that was asked for");
            }
            let own_id = id_of(root)?;
            if own_id.is_none() {
                return wrong("the resource has no id");
            }
            if id.is_some() && own_id.as_deref() != id.as_deref() {
                return wrong("the resource has another id than the one asked for");
            }
            if let Some(version) = version {
                let own = root.get("meta").and_then(|meta| meta.get("versionId"));
                if !own.is_some_and(|own| own.is_str(version)) {
                    return wrong("the resource has another version than the one asked for");
                }
            }
            let granted = &cover.granted;
            let screened = resource::screen(document.text(), root, *resource_type, granted, cover)?;
            let screened = screened.ok_or(Fault::Withheld)?;
            self.counts.redacted += u64::from(screened.redacted);
            screened.write(&mut self.out);
        } else {
            if let Expected::Plain(resource_type) = &cover.expected {
                resource::check_plain(root, *resource_type)?;
            }
            self.out.push_str(root.raw());
        }
        let counted = match &cover.expected {
            Expected::Resource { resource_type, .. } | Expected::Plain(resource_type) => {
                Some(*resource_type)
            }
            Expected::Bundle { .. }
            | Expected::Manifest
            | Expected::Lines(_)
            | Expected::Opaque => None,
        };
        if let Some(resource_type) = counted {
            let taken = Taken::Resource(resource_type, root);
            let broken = self.meter.take(cover, &taken, self.out.len())?;
            if let Some(broken) = broken {
                return self.refuse(broken);
            }
        }
        self.counts.passed += 1;
        Ok(())
    }

    /// More than a guardrail allows would leave, and there is no place to end before it.
    fn refuse(&mut self, broken: Broken) -> Result<(), Fault> {
        self.broken = Some(broken);
        Err(Fault::Egress)
    }

    fn parse<'b>(&self, bytes: &'b [u8]) -> Result<Document<'b>, Fault> {
        Document::parse(bytes, &self.limits.json).map_err(|fault| match fault.kind {
            FaultKind::TooLarge => Fault::TooLarge,
            kind => Fault::Uninspectable(kind.text()),
        })
    }
}
