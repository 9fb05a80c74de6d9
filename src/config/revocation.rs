//! `revocation`: where lists of what was taken back are fetched.

use std::time::Duration;

use super::keys::{Times, source};
use super::mistakes::Mistakes;
use super::reader::{Node, each};
use crate::identity::REVOCATIONS;
use crate::remote::Source;

/// Lists of one configuration.
const LISTS: usize = 8;

pub(super) fn read(node: &Node<'_>, m: &mut Mistakes) -> Option<Vec<Source>> {
    let items = node.list("lists, each an object with uri and cluster", 0..=LISTS, m)?;
    each(&items, |item| {
        let times = Times {
            refresh: Duration::from_secs(30),
            max_age: Duration::from_secs(600),
        };
        let mut object = item.object("an object with uri and cluster", m)?;
        let source = source(&mut object, &times, REVOCATIONS, m);
        object.finish(m);
        source
    })
}
