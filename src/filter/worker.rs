//! What all contexts of one configuration share on one worker: the guard, the calls to other servers, and
//! the streams that wait for their answers.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use super::meters::hand_over;
use super::stream::Stream;
use super::trail::Trail;
use crate::exchange::{Batch, Exchange, Guard, Question};
use crate::host::{self, Buffer, Map};
use crate::wire::{self, Pair};

/// Handles to one and the same.
#[derive(Clone, Default)]
pub(super) struct Worker {
    guard: Option<Rc<RefCell<Guard>>>,
    /// The streams that wait, by the ids of their contexts; gone when the stream is.
    waiting: Rc<RefCell<Vec<Waiter>>>,
    /// The calls that are under way.
    calls: Rc<RefCell<HashMap<u32, Purpose>>>,
    /// The records.
    pub trail: Trail,
}

type Waiter = (u32, Weak<RefCell<Stream>>);

/// In whose name calls are made.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Asker {
    /// The root, which outlives all calls.
    Root,
    /// A stream: whose caller may reset it before the answer.
    Stream,
}

/// What a call is for.
#[derive(Clone, Copy)]
enum Purpose {
    Document(usize),
    Question(Question),
    /// Records for a repository.
    Records(Batch),
    /// What the stream of this id wants to know for itself.
    Stream(u32),
    /// What the stream of this id is about to do.
    Intent(u32),
}

impl Purpose {
    /// The label of the statistics.
    fn name(self) -> &'static str {
        match self {
            Purpose::Document(_) => "document",
            Purpose::Question(_) => "introspection",
            Purpose::Stream(_) => "request",
            Purpose::Intent(_) => "intent",
            Purpose::Records(_) => "audit",
        }
    }
}

impl Worker {
    /// A worker with this policy, and these records.
    pub fn new(guard: Guard, trail: Trail) -> Self {
        Worker {
            guard: Some(Rc::new(RefCell::new(guard))),
            trail,
            ..Worker::default()
        }
    }

    /// The guard; absent before there is a configuration.
    pub fn guard(&self) -> Option<Rc<RefCell<Guard>>> {
        self.guard.clone()
    }

    /// Remembers a stream that waits.
    pub fn wait(&self, id: u32, stream: &Rc<RefCell<Stream>>) {
        if let Ok(mut list) = self.waiting.try_borrow_mut() {
            list.push((id, Rc::downgrade(stream)));
        }
    }

    /// Looks whether streams can go on, and asks what they want to know. The calls are the caller's: their
    /// answers come to the context in which this was done.
    pub fn wake(&self, asker: Asker) -> Vec<u32> {
        let waiting = self.waiting.try_borrow_mut();
        let Ok(mut waiting) = waiting.map(|mut list| std::mem::take(&mut *list)) else {
            return Vec::new();
        };
        // At most ticks nobody waits.
        let now = if waiting.is_empty() { 0 } else { host::now() };
        waiting.retain(|(id, stream)| {
            let Some(stream) = stream.upgrade() else {
                return false;
            };
            let Ok(mut stream) = stream.try_borrow_mut() else {
                return true;
            };
            // The proxy is told each time which stream is meant. One that cannot be named now may be the
            // next time; what waits must not be forgotten.
            !host::set_context(*id) || stream.wake(now)
        });
        if let Ok(mut list) = self.waiting.try_borrow_mut() {
            list.append(&mut waiting);
        }
        self.ask(asker)
    }

    /// Sends the questions that are open, and returns their calls.
    pub fn ask(&self, asker: Asker) -> Vec<u32> {
        let mut sent = Vec::new();
        let Some(guard) = &self.guard else {
            return sent;
        };
        loop {
            let question = guard.borrow_mut().question();
            let Some((question, call)) = question else {
                break;
            };
            match host::call(&call) {
                Some(call) => {
                    self.note(call, Purpose::Question(question));
                    sent.push(call);
                }
                None => self.answered_question(guard, &question, None),
            }
        }
        for (id, stream) in self.streams() {
            let Ok(mut stream) = stream.try_borrow_mut() else {
                continue;
            };
            if !stream.may_ask(asker) {
                continue;
            }
            let (intent, call) = match stream.intent() {
                Some(call) => (true, Some(call)),
                None => (false, stream.call()),
            };
            drop(stream);
            let Some(call) = call else { continue };
            match host::call(&call) {
                Some(call) => {
                    let purpose = match intent {
                        true => Purpose::Intent(id),
                        false => Purpose::Stream(id),
                    };
                    self.note(call, purpose);
                    sent.push(call);
                }
                None => self.in_stream(id, &|stream| match intent {
                    true => self.announced(id, stream, None),
                    false => stream.answered(None),
                }),
            }
        }
        sent
    }

    /// The streams that wait.
    fn streams(&self) -> Vec<(u32, Rc<RefCell<Stream>>)> {
        let waiting = self.waiting.try_borrow();
        let waiting = waiting.iter().flat_map(|list| list.iter());
        waiting
            .filter_map(|(id, stream)| Some((*id, stream.upgrade()?)))
            .collect()
    }

    /// What was asked in the name of a stream that is gone has to be asked again.
    pub fn orphaned(&self, calls: &[u32]) {
        let (Some(guard), Ok(mut known)) = (&self.guard, self.calls.try_borrow_mut()) else {
            return;
        };
        for call in calls {
            match (known.remove(call), guard.try_borrow_mut()) {
                (Some(Purpose::Question(question)), Ok(mut guard)) => guard.orphaned(&question),
                (Some(Purpose::Stream(id) | Purpose::Intent(id)), _) => self.orphaned_stream(id),
                _ => {}
            }
        }
    }

    /// Takes the answer to a call, of this many bytes and fields of trailers. Whether there may be something new for
    /// streams that wait.
    pub fn answered(&self, call: u32, size: usize, trailers: usize) -> bool {
        let purpose = match self.calls.try_borrow_mut() {
            Ok(mut calls) => calls.remove(&call),
            Err(_) => None,
        };
        let (Some(guard), Some(purpose)) = (&self.guard, purpose) else {
            return true;
        };
        let head = host::header_map(Map::CallAnswer);
        let head = head.and_then(|bytes| wire::decode(&bytes));
        let mut head = head.unwrap_or_default();
        let status = head
            .iter()
            .find(|(name, _)| name == b":status")
            .and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
        // Never more than it takes to see that it is too much.
        let limit = match purpose {
            Purpose::Document(document) => guard.borrow().limit(document),
            Purpose::Question(_) => Question::LIMIT,
            Purpose::Records(batch) => guard.borrow().batch_limit(Some(batch)),
            Purpose::Intent(_) => guard.borrow().batch_limit(None),
            Purpose::Stream(_) => Exchange::answer_limit(&guard.borrow()),
        };
        let body = host::buffer(Buffer::CallAnswer, size.min(limit.saturating_add(1)));
        let answer = status.zip(body.as_deref());
        let good = status.is_some_and(|status: u16| (200..300).contains(&status));
        if !matches!(purpose, Purpose::Records(_)) {
            guard.borrow_mut().meters().called(purpose.name(), good);
        }
        match purpose {
            Purpose::Document(document) => self.answered_document(guard, document, answer),
            Purpose::Question(question) => self.answered_question(guard, &question, answer),
            Purpose::Records(batch) => {
                Self::answered_batch(guard, batch, answer);
                // What has come meanwhile need not wait for a tick.
                self.send_records();
            }
            Purpose::Intent(id) => self.in_stream(id, &|stream| self.announced(id, stream, answer)),
            // Without a head there was no answer; with one there may be no body.
            Purpose::Stream(id) => {
                // gRPC says behind the body whether it went well.
                let behind = (trailers > 0).then(|| host::header_map(Map::CallAnswerTrailers));
                let behind = behind.flatten().and_then(|bytes| wire::decode(&bytes));
                let grpc = |pair: &Pair| pair.0.starts_with(b"grpc-");
                head.extend(behind.unwrap_or_default().into_iter().filter(grpc));
                let body = body.as_deref().filter(|_| !head.is_empty());
                let answer = body.map(|body| (head.as_slice(), body));
                self.in_stream(id, &|stream| stream.answered(answer));
            }
        }
        !matches!(purpose, Purpose::Intent(_))
    }

    /// Hands what was counted to the proxy.
    pub fn tell(&self) {
        if let Some(guard) = &self.guard
            && let Ok(mut guard) = guard.try_borrow_mut()
        {
            hand_over(guard.changes());
        }
    }

    /// Looks whom other workers have shut out, where that is due.
    pub fn look_at_quarantine(&self, now: u64) {
        let Some(guard) = &self.guard else { return };
        let look = guard.borrow_mut().look_at_quarantine(now);
        if let Some(mut look) = look {
            let found = host::share(&mut look);
            guard.borrow_mut().quarantined(found, now);
        }
    }

    /// Looks whom other workers have shut out, and for newer documents, and fetches those whose turn it
    /// is.
    pub fn look(&self) {
        let Some(guard) = &self.guard else { return };
        let now = host::now();
        self.look_at_quarantine(now);
        guard.borrow_mut().expire(now);
        let documents = guard.borrow().documents();
        for document in 0..documents {
            self.look_for(guard, document, now);
        }
    }

    /// Sends records to their repository, where it is time for that; only in the name of the root context, whose
    /// answers nobody takes along.
    pub fn send_records(&self) {
        let Some(guard) = &self.guard else { return };
        let now = host::now();
        Self::take_records(guard, now);
        loop {
            let next = guard.borrow_mut().next_batch(now);
            let Some((batch, call)) = next else { return };
            match host::call(&call) {
                Some(call) => self.note(call, Purpose::Records(batch)),
                None => Self::answered_batch(guard, batch, None),
            }
        }
    }

    /// Looks whether an earlier configuration has left records, where that is due, and takes them.
    fn take_records(guard: &RefCell<Guard>, now: u64) {
        let look = guard.borrow_mut().look_for_rest(now);
        let Some(mut look) = look else { return };
        let found = host::share(&mut look);
        if let Some(rest) = &found.0 {
            let (cluster, authority) = rest.place();
            log::info!(
                "fhir-guard: audit.repository: {} records that an earlier configuration has left are sent now, to {authority} by the cluster {cluster}",
                rest.len()
            );
        }
        guard.borrow_mut().inherits(found, now);
    }

    /// Leaves what no repository has acknowledged to whoever comes after.
    pub fn leave_records(&self) {
        let Some(guard) = &self.guard else { return };
        let leaving = guard.borrow_mut().leave(host::now());
        let Some(mut leaving) = leaving else { return };
        let all = leaving.records();
        let lost = host::share(&mut leaving);
        guard.borrow_mut().has_left(lost);
        log::warn!(
            "fhir-guard: audit.repository: {all} records were not sent when their configuration ended; the next one sends {}, and should the proxy end now they are in the access log alone",
            all.saturating_sub(lost)
        );
    }

    fn answered_batch(guard: &RefCell<Guard>, batch: Batch, answer: Option<(u16, &[u8])>) {
        let said = guard
            .borrow_mut()
            .batch_answered(batch, answer, host::now());
        if let Err(found) = said {
            log::warn!("fhir-guard: {found}");
        }
    }

    fn look_for(&self, guard: &RefCell<Guard>, document: usize, now: u64) {
        let looked = match guard.borrow().look(document, now) {
            Some(mut look) => host::share(&mut look),
            None => return,
        };
        let (call, said) = guard.borrow_mut().looked(document, &looked, now);
        if let Err(found) = said {
            log::warn!("fhir-guard: {found}");
        }
        let Some(call) = call else { return };
        match host::call(&call) {
            Some(call) => {
                // An answer that comes after the next call was made would count as the newer one.
                self.forget(document);
                self.note(call, Purpose::Document(document));
            }
            None => self.answered_document(guard, document, None),
        }
    }

    fn forget(&self, document: usize) {
        if let Ok(mut calls) = self.calls.try_borrow_mut() {
            calls.retain(
                |_, purpose| !matches!(purpose, Purpose::Document(one) if *one == document),
            );
        }
    }

    fn note(&self, call: u32, purpose: Purpose) {
        if let Ok(mut calls) = self.calls.try_borrow_mut() {
            calls.insert(call, purpose);
        }
    }

    /// Takes a document, and hands it to the other workers where it is good.
    fn answered_document(
        &self,
        guard: &RefCell<Guard>,
        document: usize,
        answer: Option<(u16, &[u8])>,
    ) {
        if let Err(found) = guard.borrow_mut().answered(document, answer) {
            log::warn!("fhir-guard: {found}");
            return;
        }
        let Some((_, body)) = answer else { return };
        if let Some(mut store) = guard.borrow().store(document, body, host::now()) {
            host::share(&mut store);
        }
    }

    fn answered_question(
        &self,
        guard: &RefCell<Guard>,
        question: &Question,
        answer: Option<(u16, &[u8])>,
    ) {
        let said = guard.borrow_mut().answer(question, answer, host::now());
        if let Err(found) = said {
            log::warn!("fhir-guard: {found}");
        }
    }

    /// An answer for the stream of this id. The proxy is told which stream is meant; where it does not take that, the
    /// answer can have no effect, and is asked for again.
    fn in_stream(&self, id: u32, act: &dyn Fn(&mut Stream)) {
        if host::set_context(id) {
            self.with_stream(id, act);
        } else {
            self.orphaned_stream(id);
        }
    }

    /// It waits for nothing else.
    fn announced(&self, id: u32, stream: &mut Stream, answer: Option<(u16, &[u8])>) {
        stream.announced(answer);
        if let Ok(mut list) = self.waiting.try_borrow_mut() {
            list.retain(|(own, _)| *own != id);
        }
    }

    fn orphaned_stream(&self, id: u32) {
        self.with_stream(id, &Stream::orphaned);
    }

    fn with_stream(&self, id: u32, act: &dyn Fn(&mut Stream)) {
        let mut streams = self.streams().into_iter();
        let stream = streams.find_map(|(own, stream)| (own == id).then_some(stream));
        if let Some(stream) = stream
            && let Ok(mut stream) = stream.try_borrow_mut()
        {
            act(&mut stream);
        }
    }
}
