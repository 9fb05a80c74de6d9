//! Subscriptions: what a server shall send where (<https://hl7.org/fhir/R4/subscription.html>).

use super::query;
use super::{BaseUrl, FhirPolicy, Interaction, Request};
use crate::denial::Denial;
use crate::fhir::ResourceType;
use crate::json::{Kind, Node};

/// The longest criteria, and the longest endpoint, in bytes.
pub const MAX_SUBSCRIBED: usize = 2048;

/// A Subscription that is understood.
pub struct Subscription {
    /// What the server looks for, as the search that it is.
    pub search: Request,
    /// Whether the resources themselves are sent.
    pub sends_resources: bool,
}

/// What a Subscription may have. An extension could say something else of what is sent.
const MEMBERS: [&str; 10] = [
    "channel",
    "contact",
    "criteria",
    "end",
    "id",
    "language",
    "meta",
    "reason",
    "resourceType",
    "status",
];

const CHANNEL: [&str; 3] = ["endpoint", "payload", "type"];

impl Subscription {
    /// Whether this is the type.
    pub fn is_type(resource_type: ResourceType) -> bool {
        resource_type.name() == "Subscription"
    }

    /// Reads a Subscription that is to be written: a `rest-hook` to one of the configured endpoints, of what
    /// a search of one type selects.
    ///
    /// # Errors
    /// It is another, or one of which not all is understood.
    pub fn read(root: Node<'_>, policy: &FhirPolicy) -> Result<Self, Denial> {
        let wrong = |found: &'static str| Denial::Body("subscription", found.into());
        let channel = root.get("channel").filter(|it| it.kind() == Kind::Object);
        let channel = channel.ok_or(wrong("it has no channel"))?;
        if !has_only(root, &MEMBERS) || !has_only(channel, &CHANNEL) {
            return Err(wrong(
                "it, or its channel, has an element that is not taken",
            ));
        }
        let is = |of: Node<'_>, name, text| of.get(name).is_some_and(|value| value.is_str(text));
        if !is(root, "status", "requested") && !is(root, "status", "off") {
            return Err(wrong("status is neither requested nor off"));
        }
        if !is(channel, "type", "rest-hook") {
            return Err(wrong("channel.type is not rest-hook"));
        }
        let sends_resources = channel.get("payload").is_some();
        if sends_resources && !is(channel, "payload", "application/fhir+json") {
            return Err(wrong("channel.payload is not application/fhir+json"));
        }
        let endpoint = channel.get("endpoint").and_then(Node::str);
        if !endpoint.is_some_and(|endpoint| is_below(&endpoint, &policy.writes.subscriptions)) {
            return Err(wrong("channel.endpoint is below none that is configured"));
        }
        let criteria = root.get("criteria").and_then(Node::str);
        let search = criteria.ok_or(wrong("it has no criteria"))?;
        Ok(Subscription {
            search: searched(&search, policy)?,
            sends_resources,
        })
    }
}

/// The search of these criteria, `Type?query`. They go on as they stand, so that a server must not read
/// anything else in them: nothing that is decoded, and nothing that does not select.
fn searched(criteria: &str, policy: &FhirPolicy) -> Result<Request, Denial> {
    let wrong = |found: &'static str| Denial::Body("subscription", found.into());
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"%+#\\".contains(&byte);
    if criteria.len() > MAX_SUBSCRIBED || !criteria.bytes().all(plain) {
        return Err(wrong("criteria are not up to 2048 plain characters"));
    }
    let (name, text) = criteria
        .split_once('?')
        .ok_or(wrong("criteria are no Type?query"))?;
    let resource_type = ResourceType::parse(name).ok_or(wrong("criteria are of no known type"))?;
    let pairs = query::decode(text)?;
    let search = query::condition(resource_type, &pairs, policy)?;
    if search.parameters.len() != pairs.len() {
        return Err(Denial::NotSupported("parameter"));
    }
    Ok(Request {
        interaction: Interaction::Search {
            resource_type,
            search,
        },
        head_only: false,
        form: false,
        page: None,
        provenance: None,
    })
}

/// Whether an endpoint is one of these, or below one: the same scheme, host and port, and a path that begins
/// with the same segments.
fn is_below(endpoint: &str, bases: &[BaseUrl]) -> bool {
    if endpoint.len() > MAX_SUBSCRIBED {
        return false;
    }
    let Ok(endpoint) = BaseUrl::parse(endpoint) else {
        return false;
    };
    bases.iter().any(|base| {
        let rest = endpoint.path().strip_prefix(base.path());
        endpoint.scheme() == "https"
            && base.scheme() == "https"
            && authority(&endpoint).is_some_and(|own| authority(base) == Some(own))
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Host, in lower case, and port; never one that is not understood.
fn authority(url: &BaseUrl) -> Option<(String, u16)> {
    let authority = url.authority().to_ascii_lowercase();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority.as_str(), 443),
    };
    Some((host.to_owned(), port))
}

fn has_only(object: Node<'_>, names: &[&str]) -> bool {
    let mut members = object.members();
    members.all(|member| names.contains(&member.name().as_ref()))
}
