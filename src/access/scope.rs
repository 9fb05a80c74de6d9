//! SMART scopes (SMART App Launch 2.2, "Scopes and Launch Context").

use crate::fhir::ResourceType;

/// One scope that grants data: `patient/Observation.rs`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scope {
    /// For whose data.
    pub level: Level,
    /// The type; `None` is `*`.
    pub resource_type: Option<ResourceType>,
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

impl Scope {
    /// Reads a scope of version 1 or 2. What is not wholly understood is `None`, and grants
    /// nothing: letters out of order, unknown types, and parameters, which would have to be
    /// dropped, and dropping them would widen the grant.
    pub fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once('/')?;
        let (type_name, access) = rest.split_once('.')?;
        let level = Level::of(text)?;
        let resource_type = match type_name {
            "*" => None,
            name => Some(ResourceType::parse(name)?),
        };
        let letters = match access {
            "read" => Letter::Read.bit() | Letter::Search.bit(),
            "write" => Letter::Create.bit() | Letter::Update.bit() | Letter::Delete.bit(),
            "*" => ALL.iter().fold(0, |bits, letter| bits | letter.bit()),
            letters => in_order(letters)?,
        };
        Some(Scope {
            level,
            resource_type,
            letters,
        })
    }

    /// Whether this scope covers what `letter` does to resources of this type.
    pub fn covers(&self, resource_type: ResourceType, letter: Letter) -> bool {
        self.resource_type
            .is_none_or(|covered| covered == resource_type)
            && self.letters & letter.bit() != 0
    }

    /// Whether this scope grants at least what `other` does.
    pub fn includes(&self, other: &Scope) -> bool {
        self.level == other.level
            && (self.resource_type.is_none() || self.resource_type == other.resource_type)
            && self.letters & other.letters == other.letters
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

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(text: &str) -> Option<String> {
        let scope = Scope::parse(text)?;
        Some(
            ALL.iter()
                .filter(|letter| scope.letters & letter.bit() != 0)
                .map(|letter| letter.symbol())
                .collect(),
        )
    }

    #[test]
    fn scopes_of_both_versions_are_read() {
        for (text, expected) in [
            ("patient/Observation.rs", "rs"),
            ("patient/Observation.read", "rs"),
            ("user/*.write", "cud"),
            ("system/*.*", "cruds"),
            ("system/Patient.cruds", "cruds"),
            ("user/Patient.d", "d"),
        ] {
            assert_eq!(letters(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_wholly_understood_grants_nothing() {
        for text in [
            "",
            "openid",
            "fhirUser",
            "launch/patient",
            "offline_access",
            "patient/Observation",
            "patient/Observation.",
            "patient/observation.rs",
            "patient/Observation.sr",
            "patient/Observation.rr",
            "patient/Observation.rsx",
            "patient/Observation.Read",
            "patient/Observation.rs?",
            "patient/Observation.rs?category=laboratory",
            "Patient/Observation.rs",
            "patient/*.",
            "patient/.rs",
            "/Observation.rs",
            "patient//Observation.rs",
            "patient/Observation.rs ",
            "patient/Patients.rs",
            "patient/**.rs",
            "admin/*.*",
            "http://smarthealthit.org/fhir/scopes/patient/Observation.rs",
        ] {
            assert_eq!(letters(text), None, "{text}");
        }
    }
}
