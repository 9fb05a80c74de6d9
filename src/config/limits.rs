//! `limits`: how often a caller may ask.

use super::conditions::Conditions;
use super::issuers::distinct;
use super::mistakes::Mistakes;
use super::reader::{Node, Object, each, or};
use super::rules::names_differ;
use crate::cel::Condition;
use crate::limit::{AddressPrefix, KeyPart, Limit, Quota};

/// Limits of one configuration: each costs every exchange a read and a write of shared data.
const LIMITS: usize = 8;

/// Each with its condition, where it has one.
pub(super) fn read(
    node: &Node<'_>,
    conditions: &Conditions,
    m: &mut Mistakes,
) -> Option<Vec<(Limit, Option<Condition>)>> {
    let items = node.list("limits", 0..=LIMITS, m)?;
    let limits = each(&items, |item| limit(item, conditions, m));
    names_differ(&items, m)?;
    limits
}

fn limit(
    node: &Node<'_>,
    conditions: &Conditions,
    m: &mut Mistakes,
) -> Option<(Limit, Option<Condition>)> {
    let mut object = node.object("a limit, an object with name, key, rate and burst", m)?;
    let expected = "a name of the characters a-z 0-9 -";
    let name = object.required("name", expected, m);
    let name = name.and_then(|node| {
        let text = node.text(expected, 1..=32, m)?;
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        node.check(text.bytes().all(letter), expected, m)?;
        Some(text)
    });
    let words = KeyPart::ALL.map(|part| (part.name(), part));
    let key = object.required("key", "a list of what is counted by, such as client", m);
    let key = key.and_then(|node| distinct(&node, "parts of a key", &words, m));
    let address = address_prefix(&mut object, key.as_deref(), m);
    let rate = object.required("rate", "a rate such as 50/s", m);
    let rate = rate.and_then(|node| node.rate(m));
    let burst = object.required(
        "burst",
        "a whole number of requests that may come at once",
        m,
    );
    let burst = burst.and_then(|node| node.integer(1..=u32::MAX, m));
    let when = or(object.optional("when"), None, |node| {
        conditions.read(node, m).map(Some)
    });
    let place = object.pointer().to_owned();
    object.finish(m);
    let (name, key, (count, per), burst) = (name?, key?, rate?, burst?);
    let limit = Quota::new(count, per, burst).and_then(|quota| Limit::new(name, &key, quota));
    let limit = limit.map_err(|message| m.add(&place, message)).ok();
    let limit = Limit {
        address: address?,
        ..limit?
    };
    Some((limit, when?))
}

/// `address_prefix`, where the key has an address.
fn address_prefix(
    object: &mut Object<'_>,
    key: Option<&[KeyPart]>,
    m: &mut Mistakes,
) -> Option<AddressPrefix> {
    let default = AddressPrefix::default();
    or(object.optional("address_prefix"), default, |node| {
        if key.is_some_and(|key| !key.contains(&KeyPart::Address)) {
            return node.refuse("nothing where key has no address", "something", m);
        }
        let mut object = node.object("an object with ipv4 or ipv6", m)?;
        let mut length = |key, default: u8, most: u32| {
            or(object.optional(key), default, |node| {
                u8::try_from(node.integer(0..=most, m)?).ok()
            })
        };
        let v4 = length("ipv4", default.v4, 32);
        let v6 = length("ipv6", default.v6, 128);
        object.finish(m);
        Some(AddressPrefix { v4: v4?, v6: v6? })
    })
}
