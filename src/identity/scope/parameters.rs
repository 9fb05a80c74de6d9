//! The parameters of a granular scope (SMART App Launch 2.2, "Finer-grained resource constraints").

use std::fmt;

use crate::fhir::{ResourceType, SearchKind, SearchParameter, search_parameter};

/// The most parameters of one scope.
const MAX_PARAMETERS: usize = 8;

/// One parameter of a scope: `category=a,b`. A resource matches if one of its values is one of these.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScopeParameter {
    /// The search parameter, of the type token, whose values decide by themselves.
    pub definition: SearchParameter,
    /// Any of these. Never empty.
    pub values: Vec<TokenValue>,
}

/// A value of a search parameter of the type token
/// (<https://hl7.org/fhir/R4/search.html#token>).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TokenValue {
    /// `code`: in any system, or in none.
    Code(String),
    /// `system|code`
    Coding {
        /// The system, exactly.
        system: String,
        /// The code, exactly.
        code: String,
    },
    /// `system|`: any code of this system.
    System(String),
    /// `|code`: of no system.
    Systemless(String),
}

impl TokenValue {
    /// Reads a value. Only what has one reading: letters, digits and `-._~:/@`, with at most one `|`.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/@|".contains(&byte);
        if !text.bytes().all(plain) {
            return None;
        }
        let own = str::to_owned;
        match text.split_once('|') {
            None if text.is_empty() => None,
            None => Some(TokenValue::Code(own(text))),
            Some((_, code)) if code.contains('|') => None,
            Some(("", "")) => None,
            Some(("", code)) => Some(TokenValue::Systemless(own(code))),
            Some((system, "")) => Some(TokenValue::System(own(system))),
            Some((system, code)) => Some(TokenValue::Coding {
                system: own(system),
                code: own(code),
            }),
        }
    }

    /// Whether whatever matches the other value matches this one too.
    pub fn includes(&self, other: &TokenValue) -> bool {
        use TokenValue::{Code, Coding, System, Systemless};
        match (self, other) {
            (Code(own), Coding { code, .. } | Systemless(code)) => own == code,
            (System(own), Coding { system, .. }) => own == system,
            _ => self == other,
        }
    }
}

impl fmt::Display for TokenValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenValue::Code(code) => f.write_str(code),
            TokenValue::Coding { system, code } => write!(f, "{system}|{code}"),
            TokenValue::System(system) => write!(f, "{system}|"),
            TokenValue::Systemless(code) => write!(f, "|{code}"),
        }
    }
}

/// Reads what stands behind the `?`. `None` where anything is not understood: what would be dropped
/// would widen the grant.
pub(super) fn read(resource_type: ResourceType, text: &str) -> Option<Vec<ScopeParameter>> {
    if text.split('&').count() > MAX_PARAMETERS {
        return None;
    }
    let one = |part: &str| {
        let (name, value) = part.split_once('=')?;
        let definition = parameter(resource_type, name)?;
        let values = decode(value)?;
        let values = values.split(',').map(TokenValue::parse);
        Some(ScopeParameter {
            definition,
            values: values.collect::<Option<_>>()?,
        })
    };
    text.split('&').map(one).collect()
}

/// The parameter of this name, if a scope may have it: one of the type token whose values decide by
/// themselves. `_id` names an instance and not a kind of data, and others are conditions on more than
/// their element (`telecom.where(system='phone')`, `deceased.exists()`).
fn parameter(resource_type: ResourceType, name: &str) -> Option<SearchParameter> {
    let known = search_parameter(resource_type, name)?;
    let by_value = known.kind() == SearchKind::Token && known.name() != "_id";
    let plain = known
        .searched()?
        .all(|searched| !searched.some && searched.only.is_none());
    (by_value && plain).then_some(known)
}

/// Decodes once the three characters of `system|code` that are found encoded. Any other escape has more
/// than one reading.
fn decode(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('%') {
        out.push_str(plain);
        let (digits, behind) = escape.split_at_checked(2)?;
        out.push(match digits {
            "2F" | "2f" => '/',
            "3A" | "3a" => ':',
            "7C" | "7c" => '|',
            _ => return None,
        });
        rest = behind;
    }
    out.push_str(rest);
    Some(out)
}
