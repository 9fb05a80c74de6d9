//! One worker's view of a document, and its work on shared data.

use super::source::Source;
use super::state::{State, come, read_document, write_document};
use crate::shared::{Answer, Step, Work};

/// How often a write is tried.
const TRIES: u32 = 8;

/// One worker's view of one document.
#[derive(Debug)]
pub struct Replica {
    source: Source,
    keys: Keys,
    /// When the document at hand was fetched; 0: there is none.
    fetched: u64,
    /// When the newest document that was looked at was fetched: it may have been no good.
    seen: u64,
    /// The last attempt of any worker; 0: none.
    attempted: u64,
    /// The last attempt of this worker; 0: none.
    own: u64,
    /// The attempt that this worker saw fail, or whose document it could not read; 0: none.
    failed: u64,
    /// Since when it is asked for a newer document than the one at hand; 0: it is not.
    asked: u64,
}

#[derive(Clone, Debug)]
struct Keys {
    state: String,
    document: String,
}

/// What came of a [`Look`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Looked {
    /// A newer document that another worker stored, with the time at which it was fetched.
    pub document: Option<(u64, Vec<u8>)>,
    /// This worker is to fetch it now, and no other will.
    pub fetch: bool,
    state: State,
    now: u64,
}

impl Replica {
    /// A view without a document. Only views of one `reading` share it: to others the same bytes may be
    /// no document, and their failures would be everybody's.
    pub fn new(source: Source, reading: &str) -> Self {
        let Source {
            cluster,
            authority,
            path,
            ..
        } = &source;
        let name = format!("{cluster}\n{authority}\n{path}\n{reading}");
        let hash = blake3::hash(name.as_bytes()).to_hex();
        let hash = hash.get(..32).unwrap_or_default();
        let key = |what: &str| format!("fhir-guard.remote.v1.{hash}.{what}");
        Replica {
            source,
            keys: Keys {
                state: key("state"),
                document: key("document"),
            },
            fetched: 0,
            seen: 0,
            attempted: 0,
            own: 0,
            failed: 0,
            asked: 0,
        }
    }

    /// Where the document is.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// When the document at hand was fetched; 0 where there is none.
    pub fn fetched(&self) -> u64 {
        self.fetched
    }

    /// A document is needed that was fetched at `since` or later.
    pub fn ask(&mut self, since: u64) {
        if self.fetched < since {
            self.asked = self.asked.max(since);
        }
    }

    /// Whether the last attempt has failed, so that waiting for its outcome is over.
    pub fn is_failing(&self, now: u64) -> bool {
        self.attempted > self.fetched
            && (self.attempted == self.failed
                || now > self.attempted.saturating_add(self.source.timeout))
    }

    /// Before when nobody fetches what was asked for; 0 while an attempt is under way, whose outcome may be
    /// just that.
    pub fn rests_until(&self) -> u64 {
        match self.attempted > self.fetched {
            true => 0,
            false => self.attempted.saturating_add(self.source.pause(true)),
        }
    }

    /// Work that looks for a newer document and, where one is due, for the right to fetch it.
    pub fn look(&self, now: u64) -> Look<'_> {
        Look {
            replica: self,
            now,
            phase: LookPhase::State,
            version: None,
            value: Vec::new(),
            looked: Looked {
                now,
                ..Looked::default()
            },
        }
    }

    /// Notes what came of a look. Its document is the caller's, to read and to [`take`](Self::take) or
    /// to [`refuse`](Self::refuse).
    pub fn looked(&mut self, looked: &Looked) {
        // The clock may have stepped back: times of our own that have not come count as never, too.
        let own = [&mut self.fetched, &mut self.seen, &mut self.failed];
        for time in own.into_iter().chain([&mut self.asked]) {
            *time = come(*time, looked.now);
        }
        self.attempted = looked.state.attempted;
        if looked.fetch {
            self.own = self.attempted;
        }
    }

    /// The document that was fetched at `fetched` is at hand now.
    pub fn take(&mut self, fetched: u64) {
        self.fetched = fetched;
        self.seen = fetched;
        if fetched >= self.asked {
            self.asked = 0;
        }
    }

    /// The document that another worker fetched at `fetched` is none that can be used here: the same as if
    /// the attempt had failed, and it is not read again.
    pub fn refuse(&mut self, fetched: u64) {
        self.seen = fetched;
        self.failed = fetched;
    }

    /// The attempt of this worker has failed: no answer, or none that is a document.
    pub fn fail(&mut self) {
        self.failed = self.own;
    }

    /// When this worker last tried: the time of the document that it got.
    pub fn attempt(&self) -> u64 {
        self.own
    }

    /// Work that hands the document of this worker's attempt to the others.
    pub fn store(&self, document: &[u8], now: u64) -> Store<'_> {
        Store {
            replica: self,
            now,
            phase: StorePhase::ReadDocument,
            version: None,
            value: write_document(self.own, document),
            tries: 0,
        }
    }

    /// The least time since the last attempt, where a document is due; `None` where none is. What callers
    /// ask for by what they send waits longer than what is needed in any case.
    fn due(&self, fetched: u64, now: u64) -> Option<u64> {
        // Spread over a tenth, so that many Envoys do not ask at the same instant; the time of the last
        // fetch is as good as a random number for that, and the same for all workers.
        let spread = self.source.refresh / 10;
        let early = fetched.checked_rem(spread.max(1)).unwrap_or_default();
        let refresh = fetched
            .saturating_add(self.source.refresh)
            .saturating_sub(early);
        if fetched == 0 || now >= refresh {
            return Some(self.source.pause(false));
        }
        (fetched < self.asked).then(|| self.source.pause(true))
    }
}

/// See [`Replica::look`].
pub struct Look<'a> {
    replica: &'a Replica,
    now: u64,
    phase: LookPhase,
    version: Option<u32>,
    value: Vec<u8>,
    looked: Looked,
}

#[derive(Clone, Copy)]
enum LookPhase {
    State,
    Document,
    Claim,
    Done,
}

impl Work for Look<'_> {
    type Outcome = Looked;

    fn step(&self) -> Step<'_, Looked> {
        let keys = &self.replica.keys;
        match self.phase {
            LookPhase::State => Step::Read { key: &keys.state },
            LookPhase::Document => Step::Read {
                key: &keys.document,
            },
            LookPhase::Claim => Step::Write {
                key: &keys.state,
                value: &self.value,
                version: self.version,
            },
            LookPhase::Done => Step::Done(self.looked.clone()),
        }
    }

    fn answer(&mut self, answer: Answer) {
        let (own, seen) = (self.replica.fetched, self.replica.seen);
        match (self.phase, answer) {
            (LookPhase::State, Answer::Value { bytes, version }) => {
                self.version = version;
                self.looked.state = State::read(&bytes.unwrap_or_default(), self.now);
                if self.looked.state.fetched > come(seen, self.now) {
                    self.phase = LookPhase::Document;
                } else {
                    self.claim(own);
                }
            }
            (LookPhase::Document, Answer::Value { bytes, .. }) => {
                let bytes = bytes.unwrap_or_default();
                let limit = self.replica.source.limit;
                let found = read_document(&bytes, self.now, limit)
                    .filter(|(fetched, _)| *fetched > come(seen, self.now));
                self.looked.document = found.map(|(fetched, text)| (fetched, text.to_vec()));
                let fetched = found.map_or(own, |(fetched, _)| fetched);
                self.claim(fetched);
            }
            (LookPhase::Claim, answer) => {
                self.looked.fetch = answer == Answer::Written;
                if self.looked.fetch {
                    self.looked.state.attempted = self.now;
                }
                self.phase = LookPhase::Done;
            }
            // Without shared data nobody knows who fetches; so nobody does.
            _ => self.phase = LookPhase::Done,
        }
    }
}

impl Look<'_> {
    /// Claims the right to fetch where it is due and the pause is over.
    fn claim(&mut self, fetched: u64) {
        let replica = self.replica;
        let fetched = come(fetched, self.now);
        let attempted = self.looked.state.attempted;
        let over = |pause| attempted == 0 || self.now >= attempted.saturating_add(pause);
        // Without a clock no attempt can be noted, and the next look would make another.
        let may = self.now > 0 && replica.due(fetched, self.now).is_some_and(over);
        if !may {
            self.phase = LookPhase::Done;
            return;
        }
        let state = State {
            attempted: self.now,
            ..self.looked.state
        };
        self.value = state.bytes();
        self.phase = LookPhase::Claim;
    }
}

/// See [`Replica::store`].
pub struct Store<'a> {
    replica: &'a Replica,
    now: u64,
    phase: StorePhase,
    version: Option<u32>,
    value: Vec<u8>,
    tries: u32,
}

#[derive(Clone, Copy)]
enum StorePhase {
    ReadDocument,
    WriteDocument,
    ReadState,
    WriteState,
    Done(bool),
}

impl Work for Store<'_> {
    /// Whether the others see it; where not, they fetch it themselves in due time.
    type Outcome = bool;

    fn step(&self) -> Step<'_, bool> {
        let keys = &self.replica.keys;
        let (key, write) = match self.phase {
            StorePhase::ReadDocument => (&keys.document, false),
            StorePhase::WriteDocument => (&keys.document, true),
            StorePhase::ReadState => (&keys.state, false),
            StorePhase::WriteState => (&keys.state, true),
            StorePhase::Done(stored) => return Step::Done(stored),
        };
        match write {
            false => Step::Read { key },
            true => Step::Write {
                key,
                value: &self.value,
                version: self.version,
            },
        }
    }

    fn answer(&mut self, answer: Answer) {
        let own = self.replica.own;
        self.phase = match (self.phase, answer) {
            (StorePhase::ReadDocument, Answer::Value { bytes, version }) => {
                self.version = version;
                let bytes = bytes.unwrap_or_default();
                match read_document(&bytes, self.now, usize::MAX) {
                    Some((newer, _)) if newer > own => StorePhase::Done(false),
                    _ => StorePhase::WriteDocument,
                }
            }
            (StorePhase::WriteDocument, Answer::Written) => {
                self.tries = 0;
                StorePhase::ReadState
            }
            (StorePhase::ReadState, Answer::Value { bytes, version }) => {
                self.version = version;
                let state = State::read(&bytes.unwrap_or_default(), self.now);
                self.value = State {
                    attempted: state.attempted.max(own),
                    fetched: state.fetched.max(own),
                }
                .bytes();
                StorePhase::WriteState
            }
            (StorePhase::WriteState, Answer::Written) => StorePhase::Done(true),
            (StorePhase::WriteDocument, Answer::Conflict) => self.again(StorePhase::ReadDocument),
            (StorePhase::WriteState, Answer::Conflict) => self.again(StorePhase::ReadState),
            (StorePhase::Done(stored), _) => StorePhase::Done(stored),
            _ => StorePhase::Done(false),
        };
    }
}

impl Store<'_> {
    fn again(&mut self, phase: StorePhase) -> StorePhase {
        self.tries += 1;
        match self.tries < TRIES {
            true => phase,
            false => StorePhase::Done(false),
        }
    }
}
