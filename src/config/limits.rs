//! `limits`: how often a caller may ask.

use std::num::NonZeroU32;
use std::time::Duration;

use super::conditions::Conditions;
use super::issuers::distinct;
use super::mistakes::{Mistakes, suggestion};
use super::priority;
use super::reader::{Node, Object, each, or};
use super::rules::names_differ;
use crate::cel::Condition;
use crate::limit::{AddressPrefix, Budget, Cap, Cost, KeyPart, Limit, Measure, Quota};
use crate::request::Interaction;

/// Limits of one configuration: each costs every exchange a read and a write of shared data.
const LIMITS: usize = 8;

/// A limit, when it applies, and when callers go first under it; always, where nothing says.
pub(super) type Read = (Limit, Option<Condition>, Option<Condition>);

pub(super) fn read(
    node: &Node<'_>,
    conditions: &Conditions,
    m: &mut Mistakes,
) -> Option<Vec<Read>> {
    let items = node.list("limits", 0..=LIMITS, m)?;
    let limits = each(&items, |item| limit(item, conditions, m));
    names_differ(&items, m)?;
    limits
}

fn limit(node: &Node<'_>, conditions: &Conditions, m: &mut Mistakes) -> Option<Read> {
    let mut object = node.object(
        "a limit, an object with name, key, rate and burst, or concurrent, or patients",
        m,
    )?;
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
    let measure = match (object.optional("concurrent"), object.optional("patients")) {
        (Some(_), Some(other)) => {
            // One mistake is enough.
            let _ = (object.optional("lease"), object.optional("window"));
            other.refuse("nothing beside concurrent", "something", m)
        }
        (Some(most), None) => cap(&most, &mut object, m).map(Measure::Concurrent),
        (None, Some(most)) => budget(&most, &mut object, m).map(Measure::Patients),
        (None, None) => rate(&mut object, m),
    };
    let when = or(object.optional("when"), None, |node| {
        conditions.read(node, m).map(Some)
    });
    let priority = or(object.optional("priority"), None, |node| {
        priority::read(node, conditions, m).map(Some)
    });
    let rate = matches!(measure, Some(Measure::Rate { .. }));
    let global = or(object.optional("global"), false, |node| {
        let global = node.bool(m)?;
        // What is wrong with the measure is said there.
        let fits = !global || rate || measure.is_none();
        match fits {
            true => Some(global),
            false => node.refuse("nothing beside concurrent and patients", "true", m),
        }
    });
    let place = object.pointer().to_owned();
    object.finish(m);
    let (measure, (priority, first)) = (measure?, priority?.unzip());
    let limit = Limit::new(name?, &key?, measure);
    let limit = limit.and_then(|limit| limit.with_priority(priority));
    let limit = limit.map_err(|message| m.add(&place, message));
    let limit = Limit {
        address: address?,
        global: global?,
        ..limit.ok()?
    };
    Some((limit, when?, first.flatten()))
}

/// `rate`, `burst` and `cost`.
fn rate(object: &mut Object<'_>, m: &mut Mistakes) -> Option<Measure> {
    let rate = object.required("rate", "a rate such as 50/s", m);
    let rate = rate.and_then(|node| node.rate(m));
    let burst = object.required(
        "burst",
        "a whole number of requests that may come at once",
        m,
    );
    let burst = burst.and_then(|node| node.integer(1..=u32::MAX, m));
    let most = burst.unwrap_or(u32::MAX);
    let cost = or(object.optional("cost"), (Cost::default(), 0), |node| {
        cost(node, most, m)
    });
    let ((count, per), burst, (cost, debt)) = (rate?, burst?, cost?);
    let quota = Quota::new(count, per, burst).and_then(|quota| quota.with_debt(debt));
    let quota = quota.map_err(|message| m.add(object.pointer(), message));
    Some(Measure::Rate {
        quota: quota.ok()?,
        cost,
    })
}

/// `concurrent` and `lease`.
fn cap(most: &Node<'_>, object: &mut Object<'_>, m: &mut Mistakes) -> Option<Cap> {
    let most = most.integer(1..=Cap::MOST, m);
    let lease = or(object.optional("lease"), LEASE, |node| {
        let lease = node.duration(Duration::from_secs(10)..=Duration::from_secs(3600), m)?;
        node.check(lease.subsec_nanos() == 0, "a duration of whole seconds", m)?;
        Some(lease)
    });
    let cap = Cap::new(most?, lease?.as_secs());
    cap.map_err(|message| m.add(object.pointer(), message)).ok()
}

/// `patients` and `window`.
fn budget(most: &Node<'_>, object: &mut Object<'_>, m: &mut Mistakes) -> Option<Budget> {
    let most = most.integer(1..=Budget::MOST, m);
    let window = object.required("window", "a duration such as 24h", m);
    let window = window.and_then(|node| {
        let longest = Duration::from_secs(31 * 86_400);
        let window = node.duration(Duration::from_secs(60)..=longest, m)?;
        node.check(window.subsec_nanos() == 0, "a duration of whole seconds", m)?;
        Some(window)
    });
    let budget = Budget::new(most?, window?.as_secs());
    budget
        .map_err(|message| m.add(object.pointer(), message))
        .ok()
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

/// How long one counts of which nothing is heard.
const LEASE: Duration = Duration::from_secs(60);

/// The most that one request, or one part of what it asks for, may cost.
const COST: u32 = 1_000_000;

/// `cost`, where one request may cost at most so much, and the debt that answers may leave.
fn cost(node: &Node<'_>, most: u32, m: &mut Mistakes) -> Option<(Cost, u32)> {
    let mut object = node.object("an object that says what costs more than 1", m)?;
    let default = Cost::default();
    let request = or(object.optional("request"), default.request, |node| {
        own_cost(node, most, m)
    });
    let interactions = or(object.optional("interactions"), Vec::new(), |node| {
        let expected = "an object with a cost for each code of an interaction";
        let object = node.object(expected, m)?;
        let costs: Vec<_> = object
            .members()
            .map(|(code, node)| {
                let mut codes = Interaction::CODES.into_iter();
                let Some(known) = codes.find(|known| *known == code) else {
                    let near = suggestion(code, Interaction::CODES);
                    return node.refuse_word(
                        "the code of an interaction as its key",
                        code,
                        &near,
                        m,
                    );
                };
                Some((known, own_cost(&node, most, m)?))
            })
            .collect();
        costs.into_iter().collect()
    });
    let part =
        |node: &Node<'_>, m: &mut Mistakes| node.integer(1..=u32::MAX, m).map(NonZeroU32::new);
    let resources_asked = or(object.optional("resources_asked"), None, |node| {
        part(node, m)
    });
    let inclusion = or(object.optional("inclusion"), default.inclusion, |node| {
        node.integer(0..=COST, m)
    });
    let resources = or(object.optional("resources_returned"), None, |node| {
        part(node, m)
    });
    let bytes = or(object.optional("bytes_returned"), None, |node| {
        let size = node.size(1..=1 << 30, m)?;
        Some(u32::try_from(size).ok().and_then(NonZeroU32::new))
    });
    let debt = object.optional("debt");
    object.finish(m);
    let cost = Cost {
        request: request?,
        interactions: interactions?,
        resources_asked: resources_asked?,
        inclusion: inclusion?,
        resources_returned: resources?,
        bytes_returned: bytes?,
    };
    let debt = match (cost.charges_answers(), debt) {
        (true, None) => most,
        (true, Some(debt)) => debt.integer(0..=u32::MAX, m)?,
        (false, None) => 0,
        (false, Some(debt)) => {
            return debt.refuse(
                "nothing where nothing is charged afterwards",
                "something",
                m,
            );
        }
    };
    Some((cost, debt))
}

/// What a request costs by itself: never more than is ever admitted.
fn own_cost(node: &Node<'_>, most: u32, m: &mut Mistakes) -> Option<u32> {
    let cost = node.integer(0..=COST, m)?;
    let expected = "at most burst, because more is never admitted";
    match cost <= most {
        true => Some(cost),
        false => node.refuse(expected, "more", m),
    }
}
