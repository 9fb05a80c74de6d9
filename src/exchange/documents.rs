//! The documents of other servers, as one worker has them: keys, and lists of what was taken back.

use serde_json::Value;

use crate::config::Policy;
use crate::denial::{Denial, TokenFault};
use crate::identity::{
    AccessToken, IssuerPolicy, KeyRing, KeySet, KeySource, MissingKey, PeerCertificate, Revocations,
};
use crate::json;
use crate::remote::{Call, Look, Looked, Replica, Source, Store};

/// The most key ids that an issuer is known not to have, for a while. Beyond it the oldest is forgotten,
/// which costs a wait, never an answer.
const ABSENT: usize = 64;

const SECOND: u64 = 1_000_000_000;

/// All documents of one policy, and what they say.
pub(super) struct Documents {
    keys: KeyRing,
    lists: Vec<List>,
    entries: Vec<Entry>,
    /// Grows whenever something came or failed that somebody may wait for.
    epoch: u64,
}

/// One document.
struct Entry {
    what: What,
    replica: Replica,
    /// Whether the last attempt had failed when it was last looked at: those who wait want to know.
    failing: bool,
    absent: Vec<Absent>,
    /// When the one that the statistics know was fetched; 0: none.
    told: u64,
}

/// What a document says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum What {
    /// The keys of the issuer at this place.
    Keys(usize),
    /// The list of revocations at this place.
    Revocations(usize),
}

/// What was read of a document.
enum Read {
    Keys(usize, KeySet),
    Revocations(usize, Revocations),
}

/// A list of revocations, as it was last read.
#[derive(Default)]
struct List {
    revoked: Revocations,
    /// Not used any more from this second on.
    usable_until: u64,
}

/// A key that the issuer did not have when it was last asked.
struct Absent {
    id: blake3::Hash,
    until: u64,
}

impl Documents {
    /// Nothing is fetched yet.
    pub fn new(policy: &Policy) -> Self {
        let entry = |what, source: &Source, reading: &str| Entry {
            what,
            replica: Replica::new(source.clone(), reading),
            failing: false,
            absent: Vec::new(),
            told: 0,
        };
        let keys = |(issuer, policy): (usize, &IssuerPolicy)| match &policy.keys {
            KeySource::Fetched(source) => {
                let names: Vec<&str> = policy.algorithms.iter().map(|one| one.name()).collect();
                Some(entry(What::Keys(issuer), source, &names.join(" ")))
            }
            KeySource::Inline(_) => None,
        };
        let keys = policy.issuers.iter().enumerate().filter_map(keys);
        let lists = policy.revocations.iter().enumerate();
        let lists =
            lists.map(|(list, source)| entry(What::Revocations(list), source, "revocations"));
        Documents {
            keys: KeyRing::new(&policy.issuers),
            lists: policy.revocations.iter().map(|_| List::default()).collect(),
            entries: keys.chain(lists).collect(),
            epoch: 0,
        }
    }

    /// The keys of all issuers.
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Grows whenever it is worth asking again.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The documents that were fetched since the last time, by cluster and path, and when.
    pub fn news(&mut self) -> impl Iterator<Item = (String, u64)> {
        self.entries.iter_mut().filter_map(|entry| {
            let fetched = entry.replica.fetched();
            let source = entry.replica.source();
            (std::mem::replace(&mut entry.told, fetched) != fetched && fetched != 0)
                .then(|| (format!("{}{}", source.cluster, source.path), fetched))
        })
    }

    /// See [`Replica::look`].
    pub fn look(&self, index: usize, now: u64) -> Option<Look<'_>> {
        Some(self.entries.get(index)?.replica.look(now))
    }

    /// Takes what another worker stored; what there is to be fetched now, and what is wrong.
    pub fn looked(
        &mut self,
        policy: &Policy,
        index: usize,
        looked: &Looked,
        now: u64,
    ) -> (Option<Call>, Result<(), String>) {
        let Some(entry) = self.entries.get_mut(index) else {
            return (None, Ok(()));
        };
        entry.replica.looked(looked);
        // Another worker's attempt fails by the time that passes.
        let failing = entry.replica.is_failing(now);
        if std::mem::replace(&mut entry.failing, failing) != failing {
            self.epoch += 1;
        }
        let call = looked.fetch.then(|| entry.replica.source().call());
        let Some((fetched, text)) = &looked.document else {
            return (call, Ok(()));
        };
        let read = read(policy, entry.what, text);
        match read {
            Ok(_) => entry.replica.take(*fetched),
            Err(_) => entry.replica.refuse(*fetched),
        }
        (call, self.put(policy, index, read))
    }

    /// The most bytes that an answer may have.
    pub fn limit(&self, index: usize) -> usize {
        let entry = self.entries.get(index);
        entry.map_or(0, |entry| entry.replica.source().limit)
    }

    /// Takes the answer to a call: status and body; `None` where there was none.
    ///
    /// # Errors
    /// What was wrong with it, for the log.
    pub fn answered(
        &mut self,
        policy: &Policy,
        index: usize,
        answer: Option<(u16, &[u8])>,
    ) -> Result<(), String> {
        let Some(entry) = self.entries.get_mut(index) else {
            return Ok(());
        };
        let limit = entry.replica.source().limit;
        let read = match answer {
            None => Err("no answer in time".to_owned()),
            Some((200, text)) if text.len() <= limit => read(policy, entry.what, text),
            Some((200, _)) => Err(format!("more than {limit} bytes")),
            Some((status, _)) => Err(format!("status {status}, expected 200")),
        };
        match read {
            Ok(_) => entry.replica.take(entry.replica.attempt()),
            Err(_) => entry.replica.fail(),
        }
        self.put(policy, index, read)
    }

    /// Work that hands a good answer to the other workers.
    pub fn store(&self, index: usize, document: &[u8], now: u64) -> Option<Store<'_>> {
        Some(self.entries.get(index)?.replica.store(document, now))
    }

    /// A key is missing for a request that came at `came`, and may wait until `until`: whether it is worth
    /// waiting for.
    ///
    /// # Errors
    /// It is not: the issuer does not have it, or cannot be asked.
    pub fn need(
        &mut self,
        missing: &MissingKey,
        came: u64,
        until: u64,
        now: u64,
    ) -> Result<(), Denial> {
        let unknown = Err(Denial::Token(TokenFault::Key));
        let entry = self.entries.iter_mut();
        let Some(entry) = entry
            .into_iter()
            .find(|one| one.what == What::Keys(missing.issuer))
        else {
            return unknown;
        };
        if let Some(id) = &missing.id {
            let id = blake3::hash(id.as_bytes());
            if entry.replica.fetched() >= came {
                entry.note_absent(id, now);
                return unknown;
            }
            if entry.is_absent(&id, now) {
                return unknown;
            }
            // Whoever cannot be told in time need not take a place of those who can.
            if entry.replica.rests_until() > until {
                return Err(Denial::Unavailable("keys"));
            }
        }
        if entry.replica.is_failing(now) {
            return Err(Denial::Unavailable("keys"));
        }
        entry.replica.ask(came);
        Ok(())
    }

    /// Whether all lists of revocations may be used; where not, it is worth waiting for them, because they
    /// are due.
    ///
    /// # Errors
    /// One of them cannot be had.
    pub fn lists(&self, now: u64) -> Result<bool, Denial> {
        let mut usable = true;
        for entry in &self.entries {
            let What::Revocations(list) = entry.what else {
                continue;
            };
            let list = self.lists.get(list);
            if list.is_some_and(|list| now / SECOND < list.usable_until) {
                continue;
            }
            if entry.replica.is_failing(now) {
                return Err(Denial::Unavailable("revocation"));
            }
            usable = false;
        }
        Ok(usable)
    }

    /// Whether this token, or the certificate that comes with it, was taken back; `now` in seconds since
    /// 1970.
    pub fn revokes(
        &self,
        token: &AccessToken,
        certificate: Option<&PeerCertificate>,
        now: u64,
    ) -> bool {
        if self.lists.iter().all(|list| list.revoked.is_empty()) {
            return false;
        }
        let certificate = certificate.map(PeerCertificate::thumbprint_hex);
        let shown = token.shown(certificate.as_deref());
        let mut lists = self.lists.iter();
        lists.any(|list| list.revoked.revokes(&shown, now))
    }

    fn put(
        &mut self,
        policy: &Policy,
        index: usize,
        read: Result<Read, String>,
    ) -> Result<(), String> {
        self.epoch += 1;
        let Some(entry) = self.entries.get(index) else {
            return Ok(());
        };
        let source = entry.replica.source();
        let read = read.map_err(|found| {
            let what = match entry.what {
                What::Keys(issuer) => policy.issuers.get(issuer).map_or_else(
                    || "keys".to_owned(),
                    |issuer| format!("keys of {}", issuer.issuer),
                ),
                What::Revocations(_) => "a list of revocations".to_owned(),
            };
            let Source {
                cluster,
                authority,
                path,
                ..
            } = source;
            format!("{what} from cluster {cluster}, {authority}{path}: found {found}")
        })?;
        let until = entry.replica.fetched().saturating_add(source.max_age) / SECOND;
        match read {
            Read::Keys(issuer, keys) => self.keys.put(issuer, keys, until),
            Read::Revocations(list, revoked) => {
                if let Some(list) = self.lists.get_mut(list) {
                    *list = List {
                        revoked,
                        usable_until: until,
                    };
                }
            }
        }
        Ok(())
    }
}

impl Entry {
    fn is_absent(&self, id: &blake3::Hash, now: u64) -> bool {
        let known = |absent: &Absent| absent.id == *id && now < absent.until;
        self.absent.iter().any(known)
    }

    fn note_absent(&mut self, id: blake3::Hash, now: u64) {
        self.absent
            .retain(|absent| now < absent.until && absent.id != id);
        if self.absent.len() >= ABSENT {
            self.absent.remove(0);
        }
        let until = now.saturating_add(self.replica.source().cooldown);
        self.absent.push(Absent { id, until });
    }
}

/// Reads a document, or says what was found instead.
fn read(policy: &Policy, what: What, text: &[u8]) -> Result<Read, String> {
    match what {
        What::Keys(issuer) => read_keys(policy, issuer, text).map(|keys| Read::Keys(issuer, keys)),
        What::Revocations(list) => match Revocations::read(text) {
            Ok(revoked) => Ok(Read::Revocations(list, revoked)),
            Err(expected) => Err(format!("something else than {expected}")),
        },
    }
}

/// Reads the keys of an issuer, or says what was found instead.
fn read_keys(policy: &Policy, issuer: usize, text: &[u8]) -> Result<KeySet, String> {
    let policy = policy.issuers.get(issuer).ok_or("no such issuer")?;
    let set = json::object(text).ok_or("text that is not one well-formed JSON object")?;
    KeySet::read_fetched(&Value::Object(set), &policy.algorithms)
        .map_err(|expected| format!("something else than {expected}"))
}
