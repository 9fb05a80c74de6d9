//! `consent`: where the Consents of patients are read, and who callers are in them.

use std::time::Duration;

use super::claims::pointer;
use super::conditions::Conditions;
use super::fhir::{base_url, cluster_name};
use super::mistakes::Mistakes;
use super::reader::{Node, Object, each, or};
use crate::access::{ConsentTerms, Fact};
use crate::cel::Condition;
use crate::consent::{Actor, Effect};
use crate::request::{BaseUrl, Upstream};

/// Actors of one configuration.
const ACTORS: usize = 64;

/// Bytes of a system, or of a value in it.
const IDENTIFIER: usize = 256;

/// Where Consents are read, and what becomes of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConsentPolicy {
    /// The Envoy cluster of the server.
    pub cluster: String,
    /// The base of the server.
    pub base: BaseUrl,
    /// How long an answer is remembered, in nanoseconds.
    pub cache: u64,
    /// How many Consents of one patient are looked at.
    pub count: usize,
    /// What a Consent does whose root rule does not say.
    pub default: Effect,
}

/// `consent`, before it is known what it leaves to `fhir.upstream`.
pub(super) struct Wish {
    cluster: Option<String>,
    base: Option<BaseUrl>,
    cache: u64,
    count: usize,
    default: Effect,
}

impl Wish {
    /// With what it leaves to the upstream.
    pub fn at(self, upstream: &Upstream) -> ConsentPolicy {
        ConsentPolicy {
            cluster: self.cluster.unwrap_or_else(|| upstream.cluster.clone()),
            base: self.base.unwrap_or_else(|| upstream.base.clone()),
            cache: self.cache,
            count: self.count,
            default: self.default,
        }
    }
}

/// Reads the section, or takes what holds without it.
pub(super) fn read(
    document: &mut Object<'_>,
    conditions: &Conditions,
    m: &mut Mistakes,
) -> Option<(Wish, ConsentTerms)> {
    let default = Wish {
        cluster: None,
        base: None,
        cache: 30_000_000_000,
        count: 20,
        default: Effect::Deny,
    };
    let Some(node) = document.optional("consent") else {
        return Some((default, ConsentTerms::default()));
    };
    let mut object = node.object("an object", m)?;
    let cluster = or(object.optional("cluster"), default.cluster, |node| {
        cluster_name(node, m).map(Some)
    });
    let base = or(object.optional("base"), default.base, |node| {
        base_url(node, m).map(Some)
    });
    let cache = or(object.optional("cache"), default.cache, |node| {
        let longest = Duration::from_secs(300);
        let time = node.duration(Duration::ZERO..=longest, m)?;
        u64::try_from(time.as_nanos()).ok()
    });
    let count = or(object.optional("count"), default.count, |node| {
        usize::try_from(node.integer(1..=100, m)?).ok()
    });
    let words = [("deny", Effect::Deny), ("permit", Effect::Permit)];
    let effect = or(object.optional("default"), default.default, |node| {
        node.keyword(&words, m)
    });
    let claim = or(object.optional("claim"), None, |node| {
        pointer(node, m).map(Some)
    });
    let actors = or(object.optional("actors"), Vec::new(), |node| {
        let items = node.list("actors", 0..=ACTORS, m)?;
        each(&items, |item| actor(item, conditions, m))
    });
    object.finish(m);
    let wish = Wish {
        cluster: cluster?,
        base: base?,
        cache: cache?,
        count: count?,
        default: effect?,
    };
    let terms = ConsentTerms {
        claim: claim?,
        actors: actors?,
    };
    Some((wish, terms))
}

/// Somebody for whom callers act, and which callers do.
fn actor(node: &Node<'_>, conditions: &Conditions, m: &mut Mistakes) -> Option<(Actor, Condition)> {
    let expected = "an object with reference or identifier, and when";
    let mut object = node.object(expected, m)?;
    let reference = object.optional("reference");
    let identifier = object.optional("identifier");
    let both = reference.is_some() == identifier.is_some();
    let reference = or(reference, None, |node| {
        let expected = "a reference such as Organization/h1";
        let text = node.text(expected, 1..=128, m)?;
        let actor = Actor::parse(text);
        actor
            .map(Some)
            .or_else(|| node.refuse(expected, "other text", m))
    });
    let identifier = or(identifier, None, |node| identified(node, m).map(Some));
    let when = object.required("when", "a condition in CEL", m);
    let when = when.and_then(|node| {
        let condition = conditions.read(&node, m)?;
        let request = [Fact::FhirId, Fact::FhirInteraction, Fact::FhirType];
        if request.iter().any(|fact| condition.uses(fact.place())) {
            let expected = "a condition about the caller";
            return node.refuse(expected, "one about what is asked for", m);
        }
        Some(condition)
    });
    object.finish(m);
    if both {
        return node.refuse("either reference or identifier", "both of them, or none", m);
    }
    Some((reference?.or(identifier?)?, when?))
}

fn identified(node: &Node<'_>, m: &mut Mistakes) -> Option<Actor> {
    let mut object = node.object("an object with system and value", m)?;
    let mut part = |name| {
        let node = object.required(name, "text", m)?;
        node.text("text", 1..=IDENTIFIER, m).map(str::to_owned)
    };
    let (system, value) = (part("system"), part("value"));
    object.finish(m);
    Some(Actor::Identifier {
        system: system?,
        value: value?,
    })
}
