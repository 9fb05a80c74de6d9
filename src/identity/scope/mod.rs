//! SMART scopes (SMART App Launch 2.2, "Scopes and Launch Context").

mod parameters;
#[cfg(test)]
mod tests;

use std::rc::Rc;

pub use parameters::{ScopeParameter, TokenValue};

use crate::fhir::ResourceType;

/// The most scopes of one token, of whatever kind.
pub const MAX_SCOPES: usize = 512;

/// The most values in the parameters of one token's scopes, all together.
pub const MAX_SCOPE_VALUES: usize = 256;

/// The scopes of one token, read once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scopes {
    texts: Vec<String>,
    /// Those that grant data, each with its place among the texts; all of one level.
    data: Vec<(usize, Rc<Scope>)>,
    malformed: bool,
}

/// One scope that grants data: `patient/Observation.rs`, or, granular,
/// `patient/Observation.rs?category=laboratory`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scope {
    /// For whose data.
    pub level: Level,
    /// The type; `None` is `*`.
    pub resource_type: Option<ResourceType>,
    /// Each of them must match; none where the scope is for every resource of its type.
    pub parameters: Vec<ScopeParameter>,
    letters: u8,
}

/// For whose data a scope is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// The patient in context.
    Patient,
    /// What the system itself may see.
    System,
    /// What the user may see.
    User,
}

/// What a scope allows to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub enum Letter {
    Create,
    Delete,
    Read,
    Search,
    Update,
}

impl Scopes {
    /// Reads all scopes of a token. They are a union, so one that is not understood grants nothing and
    /// takes nothing away. But a token grants nothing at all where it mixes levels, for the widest would
    /// win unseen, even where a scope of another level is not understood otherwise; or where it has more
    /// than [`MAX_SCOPES`] scopes, or more than [`MAX_SCOPE_VALUES`] values in their parameters.
    pub fn read(texts: Vec<String>) -> Self {
        let mut scopes = Scopes {
            texts,
            data: Vec::new(),
            malformed: false,
        };
        if scopes.texts.len() > MAX_SCOPES {
            return scopes;
        }
        let (mut levels, mut values) = (Vec::new(), 0);
        for (place, text) in scopes.texts.iter().enumerate() {
            let Some(level) = Level::of(text) else {
                continue;
            };
            levels.push(level);
            match Scope::parse(text) {
                Some(scope) => {
                    values += scope.values();
                    scopes.data.push((place, Rc::new(scope)));
                }
                None => scopes.malformed = true,
            }
        }
        levels.dedup();
        if levels.len() > 1 || values > MAX_SCOPE_VALUES {
            scopes.data.clear();
        }
        scopes
    }

    /// The scopes as they stand in the token, but with their slash.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The scopes that grant data, in the order of the token.
    pub fn data(&self) -> impl Iterator<Item = &Rc<Scope>> {
        self.data.iter().map(|(_, scope)| scope)
    }

    /// The level of those that grant data; `None` where none does.
    pub fn level(&self) -> Option<Level> {
        self.data().next().map(|scope| scope.level)
    }

    /// Whether a scope is about data, by its level, and is not understood.
    pub fn malformed(&self) -> bool {
        self.malformed
    }

    /// A scope as it stands in the token, but of its parameters only the names: a value may be an
    /// identifier of somebody.
    pub fn name(&self, wanted: &Scope) -> String {
        let found = self.data.iter().find(|(_, scope)| **scope == *wanted);
        let text = found.and_then(|(place, _)| self.texts.get(*place));
        let text = text.map(String::as_str).unwrap_or_default();
        let mut name = text.split('?').next().unwrap_or_default().to_owned();
        for (place, parameter) in wanted.parameters.iter().enumerate() {
            name.push(if place == 0 { '?' } else { '&' });
            name.push_str(parameter.definition.name());
        }
        name
    }
}

impl Scope {
    /// Reads a scope of version 1 or 2. What is not wholly understood is `None`, and grants nothing:
    /// letters out of order, unknown types, and parameters of which any is not understood, because
    /// dropping it would widen the grant. Parameters stand behind letters of version 2 and one type only.
    pub fn parse(text: &str) -> Option<Self> {
        let level = Level::of(text)?;
        let (_, rest) = text.split_once('/')?;
        let (bare, parameters) = match rest.split_once('?') {
            Some((bare, parameters)) => (bare, Some(parameters)),
            None => (rest, None),
        };
        let (type_name, access) = bare.split_once('.')?;
        let resource_type = match type_name {
            "*" => None,
            name => Some(ResourceType::parse(name)?),
        };
        let letters = match (access, parameters) {
            ("read", None) => Letter::Read.bit() | Letter::Search.bit(),
            ("write", None) => Letter::Create.bit() | Letter::Update.bit() | Letter::Delete.bit(),
            ("*", None) => ALL.iter().fold(0, |bits, letter| bits | letter.bit()),
            (letters, _) => in_order(letters)?,
        };
        let parameters = match parameters {
            Some(text) => parameters::read(resource_type?, text)?,
            None => Vec::new(),
        };
        Some(Scope {
            level,
            resource_type,
            parameters,
            letters,
        })
    }

    /// Whether this scope covers what `letter` does to resources of this type.
    pub fn covers(&self, resource_type: ResourceType, letter: Letter) -> bool {
        self.resource_type
            .is_none_or(|covered| covered == resource_type)
            && self.letters & letter.bit() != 0
    }

    /// Whether this scope is for some resources of its type only.
    pub fn is_granular(&self) -> bool {
        !self.parameters.is_empty()
    }

    /// Whether this scope grants at least what `other` does. A granular one includes no other than
    /// itself.
    pub fn includes(&self, other: &Scope) -> bool {
        self.level == other.level
            && (!self.is_granular() || self.parameters == other.parameters)
            && (self.resource_type.is_none() || self.resource_type == other.resource_type)
            && self.letters & other.letters == other.letters
    }

    /// How many values its parameters have, all together.
    fn values(&self) -> usize {
        let parameters = self.parameters.iter();
        parameters.map(|parameter| parameter.values.len()).sum()
    }
}

impl Letter {
    /// The letter of version 2.
    pub fn symbol(self) -> char {
        match self {
            Letter::Create => 'c',
            Letter::Delete => 'd',
            Letter::Read => 'r',
            Letter::Search => 's',
            Letter::Update => 'u',
        }
    }

    fn bit(self) -> u8 {
        match self {
            Letter::Create => 1,
            Letter::Read => 2,
            Letter::Update => 4,
            Letter::Delete => 8,
            Letter::Search => 16,
        }
    }
}

impl Level {
    /// The level that a scope is of, whether or not the rest of it is understood; `None` for scopes
    /// that are not about data, such as `openid`.
    pub fn of(scope: &str) -> Option<Self> {
        match scope.split_once('/')?.0 {
            "patient" => Some(Level::Patient),
            "system" => Some(Level::System),
            "user" => Some(Level::User),
            _ => None,
        }
    }

    /// The prefix of the scope.
    pub fn name(self) -> &'static str {
        match self {
            Level::Patient => "patient",
            Level::System => "system",
            Level::User => "user",
        }
    }
}

/// In the order in which the standard demands them.
const ALL: [Letter; 5] = [
    Letter::Create,
    Letter::Read,
    Letter::Update,
    Letter::Delete,
    Letter::Search,
];

/// A part of `cruds` in this order, at least one letter: `rd` is not a reading of `dr`.
fn in_order(text: &str) -> Option<u8> {
    let mut bits = 0;
    let mut rest = ALL.iter();
    for character in text.chars() {
        let letter = rest.find(|letter| letter.symbol() == character)?;
        bits |= letter.bit();
    }
    (bits != 0).then_some(bits)
}
