//! What authorization servers say about tokens (RFC 7662), as one worker knows it: what was asked, what
//! is being asked, and what was answered.

use std::collections::HashMap;
use std::rc::{Rc, Weak};

use crate::config::Policy;
use crate::denial::Denial;
use crate::identity::{About, AccessToken, Generations, Introspection, is_opaque};
use crate::remote::{Call, SLACK};

/// The most answers held; an eviction costs a question, never an answer.
const KNOWN: usize = 8192;

/// After a server has failed to answer, it is not asked about the same token again for this long.
const FAILED: u64 = 1_000_000_000;

/// Added to the time an answer may take: what was not answered by then is over.
const MARGIN: u64 = 1_000_000_000;

/// The name of a token: see [`crate::identity::TokenCache::key`].
pub(super) type Name = [u8; 32];

/// What is known of tokens.
#[derive(Default)]
pub(super) struct Introspections {
    known: Generations<Known, KNOWN>,
    asks: HashMap<Name, Ask>,
    /// Asks that are to be sent.
    unsent: Vec<Name>,
}

/// What an active token means; nothing where that stands in the token itself.
pub(super) type Active = Option<Rc<AccessToken>>;

/// What the server said.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// The token is active; what it means, where that is for the server to say.
    Active(Active),
    /// It is not, or is not for us.
    Inactive(Denial),
    /// It could not be asked.
    Failed,
}

#[derive(Clone)]
struct Known {
    verdict: Verdict,
    since: u64,
    until: u64,
}

/// A question, however many requests wait for its answer. It names nothing but the token, and so does its answer: one
/// who asks with the same token may hear what another has asked. Whether the token is his (certificate, proof) is
/// looked at for each of them.
struct Ask {
    issuer: usize,
    token: String,
    since: u64,
    interest: Weak<()>,
}

/// Held by everybody who waits for the answer about the token of this name.
#[derive(Clone, Debug)]
pub(super) struct Interest {
    pub name: Name,
    _held: Rc<()>,
}

impl Introspections {
    /// What is known of a token at `now`, in nanoseconds since 1970.
    pub fn judge(&mut self, name: &Name, now: u64) -> Option<Verdict> {
        let found = self.known.get(name)?;
        // Where the clock has stepped back nobody knows how old an answer is.
        let come = found.since <= now.saturating_add(SLACK);
        (come && now < found.until).then_some(found.verdict)
    }

    /// Whether the answer is still to come.
    pub fn is_asking(&self, name: &Name) -> bool {
        self.asks.contains_key(name)
    }

    /// Asks about a token, once for all that wait for it. What is returned is to be held for as long as
    /// the answer matters.
    ///
    /// # Errors
    /// As many are asked about as may wait.
    pub fn ask(
        &mut self,
        policy: &Policy,
        issuer: usize,
        name: Name,
        token: &str,
        now: u64,
    ) -> Result<Interest, Denial> {
        if let Some(ask) = self.asks.get_mut(&name) {
            let held = ask.interest.upgrade().unwrap_or_default();
            ask.interest = Rc::downgrade(&held);
            return Ok(Interest { name, _held: held });
        }
        if self.asks.len() >= policy.waiting.requests {
            self.asks.retain(|_, ask| ask.interest.strong_count() > 0);
        }
        if self.asks.len() >= policy.waiting.requests {
            return Err(Denial::Unavailable("waiting"));
        }
        let held = Rc::default();
        let ask = Ask {
            issuer,
            token: token.to_owned(),
            since: now,
            interest: Rc::downgrade(&held),
        };
        self.asks.insert(name, ask);
        self.unsent.push(name);
        Ok(Interest { name, _held: held })
    }

    /// The next question to be sent.
    pub fn next(&mut self, policy: &Policy) -> Option<(Name, Call)> {
        while let Some(name) = self.unsent.pop() {
            self.drop_unwanted(&name);
            let call = self.asks.get(&name).and_then(|ask| {
                let introspection = server(policy, ask.issuer)?;
                Some(introspection.call(&ask.token))
            });
            if let Some(call) = call {
                return Some((name, call));
            }
        }
        None
    }

    /// Nobody will hear the answer to this question: it is asked again, if somebody still waits for it.
    pub fn orphaned(&mut self, name: Name) {
        self.drop_unwanted(&name);
        if self.is_asking(&name) && !self.unsent.contains(&name) {
            self.unsent.push(name);
        }
    }

    /// Takes the answer, status and body; `None` where there was none. `now` in nanoseconds since 1970.
    ///
    /// # Errors
    /// What was wrong with it, for the log.
    pub fn answered(
        &mut self,
        policy: &Policy,
        name: &Name,
        answer: Option<(u16, &[u8])>,
        now: u64,
    ) -> Result<(), String> {
        let Some(ask) = self.asks.remove(name) else {
            return Ok(());
        };
        let issuer = policy.issuers.get(ask.issuer);
        let Some((issuer, server)) = issuer.zip(server(policy, ask.issuer)) else {
            return Ok(());
        };
        let read = match answer {
            None => Err("no answer in time".to_owned()),
            Some((200, text)) => {
                let about = About {
                    issuer: ask.issuer,
                    opaque: is_opaque(&ask.token),
                    name,
                };
                let seconds = now / 1_000_000_000;
                server.read(text, &about, issuer, &policy.fhir.base, seconds)
            }
            Some((status, _)) => Err(format!("status {status}, expected 200")),
        };
        let (verdict, until, said) = match read {
            Ok(Ok(token)) => {
                let until = now.saturating_add(server.cache);
                (Verdict::Active(token.map(Rc::new)), until, Ok(()))
            }
            Ok(Err(denial)) => {
                let until = now.saturating_add(server.negative_cache);
                (Verdict::Inactive(denial), until, Ok(()))
            }
            Err(found) => {
                let what = format!(
                    "introspection for {} at cluster {}: found {found}",
                    issuer.issuer, server.cluster
                );
                (Verdict::Failed, now.saturating_add(FAILED), Err(what))
            }
        };
        let known = Known {
            verdict,
            since: now,
            until,
        };
        self.known.insert(*name, known);
        said
    }

    /// Gives up on what was not answered in time: the proxy would have said so, but to somebody who is
    /// gone.
    pub fn expire(&mut self, policy: &Policy, now: u64) {
        let over = |ask: &Ask| {
            let timeout = server(policy, ask.issuer).map_or(0, |server| server.timeout);
            now > ask.since.saturating_add(timeout).saturating_add(MARGIN)
        };
        let over: Vec<Name> = self
            .asks
            .iter()
            .filter(|(_, ask)| over(ask))
            .map(|(name, _)| *name)
            .collect();
        for name in over {
            // What is wrong has been said, or nobody is there to whom it matters.
            let _ = self.answered(policy, &name, None, now);
        }
    }

    /// A question that nobody waits for any more must not take the place of another.
    fn drop_unwanted(&mut self, name: &Name) {
        let unwanted = |ask: &Ask| ask.interest.strong_count() == 0;
        if self.asks.get(name).is_some_and(unwanted) {
            self.asks.remove(name);
        }
    }
}

fn server(policy: &Policy, issuer: usize) -> Option<&Introspection> {
    policy.issuers.get(issuer)?.introspection.as_ref()
}

#[cfg(test)]
mod tests;
