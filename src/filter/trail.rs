//! What is left of a stream: its record, in the chain of this worker where there is one.

use std::cell::RefCell;
use std::rc::Rc;

use crate::audit::{Chain, ChainPolicy, Place, Ticket};
use crate::host;

/// The records of one configuration on one worker.
#[derive(Clone, Default)]
pub(super) struct Trail {
    chain: Option<Rc<RefCell<Chain>>>,
}

impl Trail {
    /// Records that are chained as this says. Absent where the proxy has nothing random to tell the chain from
    /// others by.
    pub fn new(policy: Option<ChainPolicy>) -> Option<Self> {
        let Some(policy) = policy else {
            return Some(Trail::default());
        };
        let chain = Chain::new(policy, host::random()?);
        Some(Trail {
            chain: Some(Rc::new(RefCell::new(chain))),
        })
    }

    /// Keeps the record of an exchange that goes on: should this worker die, the access log still tells.
    pub fn early(&self, line: String, ticket: &mut Option<u64>) {
        let chain = self.chain.as_ref().map(|chain| chain.try_borrow_mut());
        match chain {
            None => host::set_audit(&line),
            Some(Ok(mut chain)) => {
                let ticket = *ticket.get_or_insert_with(|| chain.ticket());
                host::set_audit(&chain.early(line, ticket))
            }
            Some(Err(_)) => false,
        };
    }

    /// The place in the chain of an exchange that is to go on, and of which a repository is told before.
    pub fn intent(&self, ticket: &mut Option<u64>) -> Option<Place> {
        let mut chain = self.chain.as_ref()?.try_borrow_mut().ok()?;
        let ticket = *ticket.get_or_insert_with(|| chain.ticket());
        Some(chain.place(ticket))
    }

    /// The place in the chain of the exchange with this ticket.
    pub fn place(&self, ticket: u64) -> Option<Place> {
        let chain = self.chain.as_ref()?.try_borrow().ok()?;
        Some(chain.place(ticket))
    }

    /// Keeps the record of an exchange that is over; gives it back as it was kept.
    pub fn keep(&self, line: String, ticket: Option<Ticket>, now: u64) -> String {
        let chain = self.chain.as_ref().map(|chain| chain.try_borrow_mut());
        // Better without a place than nowhere: the verifier names it.
        let Some(Ok(mut chain)) = chain else {
            if !host::set_audit(&line) {
                last_resort(&line);
            }
            return line;
        };
        let work = chain.publishing(now);
        let others = work.and_then(|mut work| host::share(&mut work));
        let open = line.len().saturating_sub(1);
        let sealed = chain.seal(line, ticket, others.clone(), now);
        if host::set_audit(&sealed.line) {
            return chain.commit(sealed);
        }
        // An early copy may stand where this does not; of one ticket there may be one of them only.
        let mut line = sealed.line;
        line.truncate(open);
        line.push('}');
        let sealed = chain.seal(line, None, others, now);
        last_resort(&sealed.line);
        chain.commit(sealed)
    }

    /// Nothing comes any more. No stream is left that could carry the last record.
    pub fn end(&self) {
        let chain = self.chain.as_ref().map(|chain| chain.try_borrow_mut());
        let Some(Ok(mut chain)) = chain else { return };
        if let Some((line, mut told)) = chain.end(host::now()) {
            host::share(&mut told);
            last_resort(&line);
        }
    }
}

/// What no access log can have goes to the proxy's log, at a level that neither Envoy nor Istio drops unless told to.
fn last_resort(line: &str) {
    log::warn!("{line}");
}
