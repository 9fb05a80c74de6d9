//! Why a caller is refused, and what is known of the token.

use std::rc::Rc;

use crate::denial::Denial;
use crate::identity::{AccessToken, QuarantineAdd};

/// A refusal on the way to a principal.
#[derive(Debug)]
pub(in crate::exchange) struct Refusal {
    /// Why.
    pub denial: Denial,
    /// The token that was shown, where it holds: whose it is goes into the record. Who showed it is not
    /// known.
    pub token: Option<Rc<AccessToken>>,
    /// Somebody is to be shut out before the answer.
    pub quarantine: Option<Box<QuarantineAdd>>,
}

impl Refusal {
    /// Of somebody who has shown this token.
    pub fn of(token: &Rc<AccessToken>, denial: Denial) -> Self {
        Refusal {
            token: Some(Rc::clone(token)),
            ..Refusal::from(denial)
        }
    }
}

/// Of somebody of whom nothing is known.
impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        Refusal {
            denial,
            token: None,
            quarantine: None,
        }
    }
}
