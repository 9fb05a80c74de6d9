//! Cuts a body into pieces that are decided one by one, wherever the chunks are cut.
//!
//! The splitter is strict about what stands between pieces. A piece that is whole in its chunk is
//! read there and then. Of any other only the end is looked for; it is read when it is whole.

use super::Fault;
use crate::json::{Document, FaultKind, Limits, Memory, plain_prefix};

/// The most members the root of a Bundle may have; R4 defines a dozen.
const MEMBERS: usize = 64;
/// The longest key of such a member, in bytes.
const KEY: usize = 256;

/// What is looked for at every depth of every resource: others that hide in it
/// ([`Shape`](crate::request::body::Shape)), references to other patients, by their target or by the type that they
/// say, and where a rule hides something, narratives and what may lead to the one of whom it is hidden.
const NOTED: [&str; 5] = ["resourceType", "text", "reference", "extension", "type"];

/// One piece of a body.
#[derive(Debug)]
pub(super) enum Piece<'c> {
    /// The whole root object.
    Root(Source<'c>),
    /// A member of the root object other than `entry`.
    Member { name: String, value: Vec<u8> },
    /// `entry` begins.
    EntriesStart,
    /// One element of `entry`.
    Entry(Source<'c>),
    /// `entry` has ended.
    EntriesEnd,
    /// The root object has closed.
    End,
}

/// Where a value is.
#[derive(Debug)]
pub(super) enum Source<'c> {
    /// In its chunk, read. Nothing is wrong with it.
    Read(Document<'c>),
    /// Put together from several chunks, not read yet.
    Held(Vec<u8>),
}

/// The byte machine.
pub(super) struct Splitter {
    form: Form,
    limit: usize,
    json: Limits,
    /// `None` while a document has it.
    memory: Option<Memory>,
    state: State,
    scan: Scan,
    held: Vec<u8>,
    names: Vec<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Root,
    KeyOrEnd,
    Key,
    InKey,
    Colon,
    Value,
    InValue,
    CommaOrEnd,
    EntriesOpen,
    EntryOrEnd,
    Entry,
    InEntry,
    EntryCommaOrEnd,
    /// Behind an object, on its line.
    LineEnd,
    Done,
}

/// What a body is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// Members of one object, of which `entry` is given element by element.
    Bundle,
    /// One object.
    Whole,
    /// Objects, each on a line of its own.
    Lines,
}

impl Splitter {
    /// A splitter of a body of this form. No piece is larger than `limit` bytes; `json` bounds those that are read.
    pub fn new(form: Form, limit: usize, json: Limits) -> Splitter {
        Splitter {
            form,
            limit,
            json,
            memory: None,
            state: State::Root,
            scan: Scan::default(),
            held: Vec::new(),
            names: Vec::new(),
        }
    }

    /// How many bytes of an unfinished piece are held.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether the body is over: the root object has closed, or the last line has ended.
    pub fn done(&self) -> bool {
        self.state == State::Done
    }

    /// The body has ended; says whether it was whole.
    pub fn end(&mut self) -> bool {
        let between = matches!(self.state, State::Root | State::LineEnd);
        if self.form == Form::Lines && between {
            self.state = State::Done;
        }
        self.done()
    }

    /// Takes the memory of a document that was read here, for the next one.
    pub fn reuse(&mut self, memory: Memory) {
        self.memory = Some(memory);
    }

    /// The next piece, and `chunk` moved behind it; `None` when the chunk is used up.
    pub fn next<'c>(&mut self, chunk: &mut &'c [u8]) -> Result<Option<Piece<'c>>, Fault> {
        while let Some((&byte, rest)) = chunk.split_first() {
            if let State::InKey | State::InValue | State::InEntry = self.state {
                if let Some(piece) = self.collect(chunk)? {
                    return Ok(Some(piece));
                }
                continue;
            }
            if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                if byte == b'\n' && self.state == State::LineEnd {
                    self.state = State::Root;
                }
                *chunk = rest;
                continue;
            }
            if let Some(piece) = self.read_here(byte, chunk) {
                return Ok(Some(piece));
            }
            let (state, piece, consumed) = self.between(byte)?;
            self.state = state;
            if consumed {
                *chunk = rest;
            }
            if piece.is_some() {
                return Ok(piece);
            }
        }
        Ok(None)
    }

    /// A root or an entry that is an object, and whole in its chunk. What is wrong with one is said
    /// when it has been put together, so that it does not depend on where chunks are cut.
    fn read_here<'c>(&mut self, byte: u8, chunk: &mut &'c [u8]) -> Option<Piece<'c>> {
        let (piece, after): (fn(Source<'c>) -> Piece<'c>, State) = match self.state {
            State::EntryOrEnd | State::Entry => (Piece::Entry, State::EntryCommaOrEnd),
            State::Root if self.form != Form::Bundle => (Piece::Root, self.behind_root()),
            _ => return None,
        };
        if byte != b'{' {
            return None;
        }
        let memory = self.memory.take();
        let memory = memory.unwrap_or_else(|| Memory::noting(NOTED));
        let (document, length) = match Document::parse_first(chunk, &self.json, memory) {
            Ok(read) => read,
            Err((_, memory)) => {
                self.memory = Some(memory);
                return None;
            }
        };
        if length > self.limit {
            self.reuse(document.into_memory());
            return None;
        }
        *chunk = chunk.get(length..).unwrap_or_default();
        self.state = after;
        Some(piece(Source::Read(document)))
    }

    /// A byte that belongs to no piece: the state after it, and whether it is used up.
    fn between(&mut self, byte: u8) -> Result<(State, Option<Piece<'static>>, bool), Fault> {
        let end = matches!(self.state, State::EntryOrEnd | State::EntryCommaOrEnd);
        Ok(match (self.state, byte) {
            (State::Root, b'{') if self.form != Form::Bundle => (State::InValue, None, false),
            (State::Root, b'{') => (State::KeyOrEnd, None, true),
            (State::KeyOrEnd | State::Key, b'"') => (State::InKey, None, false),
            (State::KeyOrEnd | State::CommaOrEnd, b'}') => (State::Done, Some(Piece::End), true),
            (State::Colon, b':') => {
                let entries = self.names.last().is_some_and(|name| name == "entry");
                let next = if entries {
                    State::EntriesOpen
                } else {
                    State::Value
                };
                (next, None, true)
            }
            (State::Value, _) => (State::InValue, None, false),
            (State::CommaOrEnd, b',') => (State::Key, None, true),
            (State::EntriesOpen, b'[') => (State::EntryOrEnd, Some(Piece::EntriesStart), true),
            (State::EntriesOpen, _) => {
                return Err(Fault::Uninspectable("entry of the bundle is no array"));
            }
            (_, b']') if end => (State::CommaOrEnd, Some(Piece::EntriesEnd), true),
            (State::EntryOrEnd | State::Entry, _) => (State::InEntry, None, false),
            (State::EntryCommaOrEnd, b',') => (State::Entry, None, true),
            (State::Root, _) => {
                return Err(Fault::Uninspectable("the body is no json object"));
            }
            (State::LineEnd, _) => {
                return Err(Fault::Uninspectable(
                    "something follows a resource on its line",
                ));
            }
            (State::Done, _) => {
                return Err(Fault::Uninspectable(FaultKind::ExpectedEnd.text()));
            }
            (State::KeyOrEnd | State::Key, _) => {
                return Err(Fault::Uninspectable(FaultKind::ExpectedKey.text()));
            }
            (State::Colon, _) => {
                return Err(Fault::Uninspectable(FaultKind::ExpectedColon.text()));
            }
            _ => return Err(Fault::Uninspectable(FaultKind::ExpectedCommaOrEnd.text())),
        })
    }

    /// Takes bytes into the piece that is open.
    fn collect(&mut self, chunk: &mut &[u8]) -> Result<Option<Piece<'static>>, Fault> {
        let (length, complete) = self.scan.advance(chunk);
        let limit = match self.state {
            State::InKey => KEY.min(self.limit),
            _ => self.limit,
        };
        if self.held.len().saturating_add(length) > limit {
            return Err(Fault::TooLarge);
        }
        let (taken, rest) = chunk.split_at_checked(length).unwrap_or((*chunk, &[]));
        self.held.extend_from_slice(taken);
        *chunk = rest;
        if !complete {
            return Ok(None);
        }
        self.scan = Scan::default();
        let held = std::mem::take(&mut self.held);
        match self.state {
            State::InKey => {
                self.key(&held)?;
                self.state = State::Colon;
                Ok(None)
            }
            State::InEntry => {
                self.state = State::EntryCommaOrEnd;
                Ok(Some(Piece::Entry(Source::Held(held))))
            }
            _ if self.form != Form::Bundle => {
                self.state = self.behind_root();
                Ok(Some(Piece::Root(Source::Held(held))))
            }
            _ => {
                self.state = State::CommaOrEnd;
                let name = self.names.last().cloned().unwrap_or_default();
                Ok(Some(Piece::Member { name, value: held }))
            }
        }
    }

    fn behind_root(&self) -> State {
        match self.form {
            Form::Lines => State::LineEnd,
            Form::Bundle | Form::Whole => State::Done,
        }
    }

    fn key(&mut self, held: &[u8]) -> Result<(), Fault> {
        let limits = Limits {
            depth: 0,
            values: 1,
        };
        let document = Document::parse(held, &limits)
            .map_err(|fault| Fault::Uninspectable(fault.kind.text()))?;
        let name = document.root().str().unwrap_or_default().into_owned();
        if self.names.contains(&name) {
            return Err(Fault::Uninspectable(FaultKind::DuplicateKey.text()));
        }
        if self.names.len() >= MEMBERS {
            return Err(Fault::Uninspectable(
                "the bundle has more members than fhir defines",
            ));
        }
        self.names.push(name);
        Ok(())
    }
}

/// Finds the end of one value. It counts brackets and knows strings, no more.
#[derive(Debug, Default)]
struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
    scalar: bool,
}

impl Scan {
    /// How many bytes belong to the value, and whether it is complete.
    fn advance(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.in_string {
                if self.escaped {
                    self.escaped = false;
                    at += 1;
                    continue;
                }
                let plain = plain_prefix(bytes.get(at..).unwrap_or_default());
                if plain > 0 {
                    at += plain;
                    continue;
                }
                at += 1;
                match byte {
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return (at, true);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' if !self.scalar => self.in_string = true,
                b'{' | b'[' if !self.scalar => self.depth += 1,
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                // A scalar ends before the byte that cannot belong to it.
                b' ' | b'\n' | b'\r' | b'\t' | b',' | b'}' | b']' if self.depth == 0 => {
                    return (at, true);
                }
                _ if self.depth == 0 => self.scalar = true,
                _ => {}
            }
            at += 1;
        }
        (at, false)
    }
}
