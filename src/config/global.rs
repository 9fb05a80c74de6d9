//! `global_limits`: the server that judges what all proxies admit together.

use std::time::Duration;

use super::fhir::cluster;
use super::limits::Read;
use super::mistakes::Mistakes;
use super::policy::name;
use super::reader::{Node, Object, or};
use super::secrets::Secrets;
use crate::limit::{BreakerPolicy, GlobalLimits};

/// Reads the section: there exactly where a limit is global.
pub(super) fn read(
    document: &mut Object<'_>,
    secrets: Option<&Secrets>,
    limits: Option<&[Read]>,
    m: &mut Mistakes,
) -> Option<Option<GlobalLimits>> {
    let is_global = |(limit, ..): &&Read| limit.global;
    let Some(node) = document.optional("global_limits") else {
        let mut known = limits.iter().copied().flatten();
        if let Some(place) = known.position(|own| is_global(&own)) {
            let place = format!("/limits/{place}/global");
            m.add(&place, "expected global_limits beside it, found none");
            return None;
        }
        return Some(None);
    };
    let service = service(&node, m);
    // What is wrong with the limits, and with the secrets, is said there.
    let (limits, secrets) = (limits?, secrets?);
    let mut own = limits.iter().filter(is_global).peekable();
    if own.peek().is_none() {
        return node.refuse("a limit with global: true beside it", "none", m);
    }
    let personal = own.any(|(limit, ..)| limit.key.iter().any(|part| part.is_personal()));
    if personal && secrets.limit_key.is_none() {
        let expected = "secrets.limit_key beside it, because a global limit counts by address, patient, subject or token";
        return node.refuse(expected, "no such key", m);
    }
    let key = secrets.limit_key.clone();
    Some(Some(GlobalLimits { key, ..service? }))
}

fn service(node: &Node<'_>, m: &mut Mistakes) -> Option<GlobalLimits> {
    let mut object = node.object("an object with cluster and domain", m)?;
    let cluster = cluster(&mut object, m);
    let domain = object.required("domain", "the domain of the server's rules", m);
    let domain = domain.and_then(|node| name(&node, m));
    let authority = or(object.optional("authority"), AUTHORITY.to_owned(), |node| {
        authority(node, m)
    });
    let timeout = or(object.optional("timeout"), TIMEOUT, |node| {
        node.duration(Duration::from_millis(5)..=Duration::from_secs(2), m)
    });
    let required = or(object.optional("unanswered"), false, |node| {
        node.keyword(&[("local", false), ("refuse", true)], m)
    });
    let failures = or(object.optional("failures"), 5, |node| {
        node.integer(1..=1000, m)
    });
    let pause = or(object.optional("pause"), PAUSE, |node| {
        node.duration(Duration::from_millis(100)..=Duration::from_secs(60), m)
    });
    object.finish(m);
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).ok();
    Some(GlobalLimits {
        cluster: cluster?,
        authority: authority?,
        domain: domain?,
        timeout: nanoseconds(timeout?)?,
        required: required?,
        breaker: BreakerPolicy {
            failures: failures?,
            pause: nanoseconds(pause?)?,
        },
        key: None,
    })
}

const AUTHORITY: &str = "ratelimit";

const TIMEOUT: Duration = Duration::from_millis(50);

const PAUSE: Duration = Duration::from_secs(5);

fn authority(node: &Node<'_>, m: &mut Mistakes) -> Option<String> {
    let expected = "the name of a host, with or without a port";
    let text = node.text(expected, 1..=256, m)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    node.check(text.bytes().all(plain), expected, m)?;
    Some(text.to_owned())
}
