//! `rules` and `time_zones`: rules with conditions, and the conditions of other rules.

use super::issuers::distinct;
use super::mistakes::{Mistakes, quote, suggestion};
use super::policy::name;
use super::reader::{Node, each, or};
use super::rules::names_differ;
use super::step_up;
use crate::access::{Effect, Fact, Requirement, Rule};
use crate::cel::{Condition, Environment, LENGTH, Variable, Zone};

/// Rules of one configuration.
const RULES: usize = 64;

/// Time zones of one configuration.
const ZONES: usize = 16;

/// Bytes of the name of a time zone.
const ZONE: usize = 64;

/// Bytes of a TZ string.
const POSIX: usize = 128;

/// What every condition of a configuration may be about.
pub(super) struct Conditions {
    variables: Vec<Variable>,
    zones: Option<Vec<(String, Zone)>>,
}

impl Conditions {
    /// Without zones where those of the configuration are wrong.
    pub fn new(zones: Option<Vec<(String, Zone)>>) -> Self {
        Conditions {
            variables: Fact::variables(),
            zones,
        }
    }

    /// A condition. A mistake is told by its line and column.
    pub fn read(&self, node: &Node<'_>, m: &mut Mistakes) -> Option<Condition> {
        let text = node.text("a condition in CEL", 1..=LENGTH, m)?;
        let environment = Environment {
            variables: &self.variables,
            zones: self.zones.as_deref(),
        };
        let mistake = match Condition::read(text, &environment) {
            Ok(condition) => return Some(condition),
            Err(mistake) => mistake,
        };
        let (line, column) = (mistake.line, mistake.column);
        let found = mistake.word.map(|(word, known)| {
            let near = suggestion(&word, known.iter().map(String::as_str));
            format!(", found {}{near}", quote(&word))
        });
        let (message, found) = (mistake.message, found.unwrap_or_default());
        m.add(
            node.pointer(),
            format!("line {line}, column {column}: {message}{found}"),
        );
        None
    }
}

/// Names with their TZ strings. Those that are wrong, or too many, are known all the same, so that
/// conditions which name them are not called wrong as well.
pub(super) fn time_zones(node: &Node<'_>, m: &mut Mistakes) -> Option<Vec<(String, Zone)>> {
    let expected = "an object with a POSIX TZ string for each name of a time zone";
    let object = node.object(expected, m)?;
    let found = object.members().count();
    if found > ZONES {
        let expected = format!("at most {ZONES} time zones");
        node.refuse::<()>(&expected, &found.to_string(), m);
    }
    let mut zones = Vec::new();
    for (name, member) in object.members() {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
        if !(1..=ZONE).contains(&name.len()) || !name.bytes().all(letter) || name == "UTC" {
            let expected = "a name of the characters A-Z a-z 0-9 / _ + -, other than UTC";
            member.refuse::<()>(expected, "another one", m);
        }
        let expected = "a POSIX TZ string such as CET-1CEST,M3.5.0,M10.5.0/3";
        let zone = member.text(expected, 1..=POSIX, m).and_then(|text| {
            let zone = Zone::posix(text);
            zone.or_else(|| member.refuse(expected, "other text", m))
        });
        zones.push((name.to_owned(), zone.unwrap_or_default()));
    }
    Some(zones)
}

/// Rules with conditions; `provenance` is whether what they may require of it goes on.
pub(super) fn rules(
    node: &Node<'_>,
    conditions: &Conditions,
    provenance: bool,
    m: &mut Mistakes,
) -> Option<Vec<Rule>> {
    let items = node.list("rules", 0..=RULES, m)?;
    let rules = each(&items, |item| rule(item, conditions, provenance, m));
    names_differ(&items, m)?;
    rules
}

/// `effect`, before it is known what it asks for.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Allow,
    Deny,
    Require,
}

const EFFECTS: [(&str, Kind); 3] = [
    ("allow", Kind::Allow),
    ("deny", Kind::Deny),
    ("require", Kind::Require),
];

/// Instead of an effect that would choose a limit or a redaction.
const CHOSEN: &str = "\"allow\", \"deny\" or \"require\", and the condition as \"when\" of the limit or redaction \
                      that is to be chosen";

fn rule(
    node: &Node<'_>,
    conditions: &Conditions,
    provenance: bool,
    m: &mut Mistakes,
) -> Option<Rule> {
    let mut object = node.object("a rule, an object with name, effect and when", m)?;
    let own = object.required("name", "a name", m);
    let own = own.and_then(|node| name(&node, m));
    let (interactions, types) = step_up::about(&mut object, m);
    let when = or(object.optional("when"), None, |node| {
        conditions.read(node, m).map(Some)
    });
    let effect = object.required("effect", "\"allow\", \"deny\" or \"require\"", m);
    let effect = effect.and_then(|node| match node.value().as_str() {
        Some(word @ "choose") => node.unavailable(word, CHOSEN, m),
        _ => node.keyword(&EFFECTS, m),
    });
    let place = object.pointer_of("require");
    let demand = object.optional("require");
    let report = or(object.optional("report"), false, |node| node.bool(m));
    object.finish(m);
    let effect = match (effect?, demand) {
        (Kind::Require, Some(node)) => require(&node, provenance, m),
        (Kind::Require, None) => {
            m.add(&place, format!("expected {DEMAND}, found nothing"));
            None
        }
        (_, Some(node)) => node.refuse("nothing where effect is not require", "something", m),
        (Kind::Allow, None) => Some(Effect::Allow),
        (Kind::Deny, None) => Some(Effect::Deny),
    };
    Some(Rule {
        name: own?,
        interactions: interactions?,
        types: types?,
        when: when?,
        effect: effect?,
        report: report?,
    })
}

const DEMAND: &str = "an object with acr, amr, max_age, bound, provenance or consent";

fn require(node: &Node<'_>, kept: bool, m: &mut Mistakes) -> Option<Effect> {
    let mut object = node.object(DEMAND, m)?;
    let (asks, login) = step_up::login(&mut object, m);
    let bound = object.optional("bound");
    let provenance = object.optional("provenance");
    let asks = asks || bound.is_some() || provenance.is_some();
    let words = [("certificate", "certificate"), ("dpop", "dpop")];
    let bound = or(bound, Vec::new(), |node| {
        distinct(node, "what a token is bound to", &words, m)
    });
    let provenance = or(provenance, false, |node| match node.bool(m)? {
        false => node.refuse("true, or no such key", "false", m),
        true if !kept => {
            let expected = "fhir.provenance to be \"kept\" where a rule requires it";
            node.refuse(expected, "another, or none", m)
        }
        true => Some(true),
    });
    let consent = or(object.optional("consent"), false, |node| {
        let expected = "true, or nothing where consent is not required";
        let asked = node.bool(m)?;
        match asked {
            true => Some(true),
            false => node.refuse(expected, "false", m),
        }
    });
    object.finish(m);
    if !asks && consent == Some(false) {
        return node.refuse(DEMAND, "none of them", m);
    }
    let login: Requirement = login?;
    Some(Effect::Require {
        login,
        bound: bound?,
        provenance: provenance?,
        consent: consent?,
    })
}
