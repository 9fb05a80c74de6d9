//! The signature of an answer that is held.

use std::rc::Rc;

use super::{Guard, Step};
use crate::response::Signer;
use crate::wire::Pair;

/// What an answer is signed with when all of it is there.
pub(super) struct Signing {
    signer: Rc<Signer>,
    /// The head that is kept back.
    head: Vec<Pair>,
}

impl Signing {
    /// The answer with its signature; `began` is when the exchange did, in nanoseconds since 1970.
    pub fn finish(self, body: Vec<u8>, began: u64) -> Step {
        let Signing { signer, head } = self;
        let fields = signer.fields(&head, &body, began / 1_000_000_000);
        Step::Finish {
            headers: head.into_iter().chain(fields).collect(),
            body,
        }
    }
}

/// What an answer with this head is signed with, where it is to be.
pub(super) fn signing(guard: &Guard, signs: bool, head: &[Pair]) -> Option<Box<Signing>> {
    let signer = guard.policy().signer.as_ref().filter(|_| signs)?;
    Some(Box::new(Signing {
        signer: Rc::clone(signer),
        head: head.to_vec(),
    }))
}
