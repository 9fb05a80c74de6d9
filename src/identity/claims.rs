//! Where the claims are, and what shape they may have.

use serde_json::{Map, Value};

use crate::denial::{Denial, TokenFault};
use crate::fhir::is_id;
use crate::request::BaseUrl;

/// Where each claim is: the pointers are tried together, and all that are present must agree. The
/// claims about a login (`acr`, `amr`, `auth_time`) have their registered names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClaimPointers {
    /// The OAuth client.
    pub client: Vec<Pointer>,
    /// The encounter in context (SMART launch context `encounter`).
    pub encounter: Vec<Pointer>,
    /// The patient in context (SMART launch context `patient`).
    pub patient: Vec<Pointer>,
    /// Why the data is asked for: texts, or codings.
    pub purpose: Vec<Pointer>,
    /// The caller's roles: texts, or codings.
    pub roles: Vec<Pointer>,
    /// The scopes: a string with spaces, or a list of strings.
    pub scope: Vec<Pointer>,
    /// The token's id.
    pub token_id: Vec<Pointer>,
    /// The user as a FHIR resource (`fhirUser`).
    pub user: Vec<Pointer>,
    /// What this issuer writes in the place of the slash of a scope.
    pub scope_separator: ScopeSeparator,
    /// What this issuer may write before a scope, the first that fits being taken off.
    pub scope_prefixes: Vec<ScopePrefix>,
    /// What becomes of a token with a scope about data that is not understood.
    pub malformed_scopes: MalformedScopes,
    /// Other bases than ours whose absolute references mean our resources.
    pub bases: Vec<BaseUrl>,
    /// Whether all claims are kept as they are, for conditions that are about them.
    pub kept: bool,
}

/// What an issuer writes in the place of the slash of a scope. Some servers cannot issue a scope with
/// a slash or an asterisk in it, and write `patient.all.rs` for `patient/*.rs`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ScopeSeparator {
    /// `patient/Observation.rs`, as the standard has it.
    Slash,
    /// `patient.Observation.rs`
    Dot,
    /// `patient$Observation.rs`
    Dollar,
    /// `patient%2fObservation.rs`
    Encoded,
}

/// What stands before a scope that is written as a URI, such as
/// `http://smarthealthit.org/fhir/scopes/` (SMART App Launch 2.2, "Scopes and Launch Context").
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScopePrefix(String);

/// What becomes of a token with a scope about data (`patient/`, `system/`, `user/`) that is not wholly
/// understood. It grants nothing in either case (SMART App Launch 2.2 leaves the choice to the server).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MalformedScopes {
    /// The other scopes of the token count.
    Ignore,
    /// The token is refused.
    Refuse,
}

/// A JSON pointer (RFC 6901): the names that lead to a claim, without their escapes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pointer(Vec<String>);

/// The longest claim that is taken, in bytes; scopes may be as long as the token lets them.
const MAX_CLAIM: usize = 256;

impl Default for ClaimPointers {
    fn default() -> Self {
        let pointer = |text: &str| Pointer::of(text);
        ClaimPointers {
            client: vec![pointer("/client_id"), pointer("/azp")],
            encounter: vec![pointer("/encounter")],
            patient: vec![pointer("/patient")],
            purpose: Vec::new(),
            roles: Vec::new(),
            scope: vec![pointer("/scope")],
            token_id: vec![pointer("/jti")],
            user: vec![pointer("/fhirUser")],
            scope_separator: ScopeSeparator::Slash,
            scope_prefixes: Vec::new(),
            malformed_scopes: MalformedScopes::Ignore,
            bases: Vec::new(),
            kept: false,
        }
    }
}

impl Pointer {
    /// Reads a pointer: it begins with `/`.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() > 1 && text.len() <= MAX_CLAIM && text.starts_with('/'))
            .then(|| Pointer::of(text))
    }

    fn of(text: &str) -> Self {
        let names = text.split('/').skip(1);
        Pointer(
            names
                .map(|name| name.replace("~1", "/").replace("~0", "~"))
                .collect(),
        )
    }

    /// The claim that it leads to; read once for every token, so nothing is taken apart here.
    fn find<'a>(&self, claims: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(claims, inside)
    }

    /// What stands there in the claims of a token.
    pub fn of_claims<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(claims.get(first)?, inside)
    }
}

fn inside<'a>(value: &'a Value, name: &String) -> Option<&'a Value> {
    match value {
        Value::Object(members) => members.get(name),
        Value::Array(items) => items.get(index(name)?),
        _ => None,
    }
}

impl ScopePrefix {
    /// Reads a prefix: a scheme, then visible ASCII without quotes, with a slash at the end.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let name = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
        let holds = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(name)
            && rest.len() > 1
            && rest.ends_with('/')
            && text.len() <= MAX_CLAIM
            && text.bytes().all(plain);
        holds.then(|| ScopePrefix(text.to_owned()))
    }
}

/// The subject: always `sub` (RFC 7519 section 4.1.2).
pub(super) fn subject(claims: &Value) -> Result<Option<String>, Denial> {
    let text = claims.get("sub").map(claim).transpose()?;
    Ok(text.map(str::to_owned))
}

/// A claim that is a string, from wherever it is; `None` when it is nowhere. Two places that
/// disagree are a conflict, and a value of another type is not understood: both are refused.
pub(super) fn text(claims: &Value, pointers: &[Pointer]) -> Result<Option<String>, Denial> {
    let mut found: Option<&str> = None;
    for pointer in pointers {
        if let Some(value) = pointer.find(claims) {
            agree(&mut found, claim(value)?)?;
        }
    }
    Ok(found.map(str::to_owned))
}

/// The scopes, each as it stands in the token, but without its prefix and with its slash.
pub(super) fn scopes(
    claims: &Value,
    pointers: &ClaimPointers,
) -> Result<Option<Vec<String>>, Denial> {
    let mut found: Option<Vec<String>> = None;
    let read = |scope: &str| {
        let mut prefixes = pointers.scope_prefixes.iter();
        let bare = prefixes.find_map(|prefix| scope.strip_prefix(prefix.0.as_str()));
        pointers.scope_separator.read(bare.unwrap_or(scope))
    };
    for pointer in &pointers.scope {
        let scopes = match pointer.find(claims) {
            None => continue,
            Some(Value::String(text)) => text
                .split(' ')
                .filter(|scope| !scope.is_empty())
                .map(read)
                .collect(),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(read))
                .collect::<Option<Vec<_>>>()
                .ok_or(FAULT)?,
            Some(_) => return Err(FAULT),
        };
        agree(&mut found, scopes)?;
    }
    Ok(found)
}

/// Roles, or purposes: a text or a coding, or a list of them. A coding becomes `system|code`, or its
/// code alone. Empty when they are nowhere.
pub(super) fn words(claims: &Value, pointers: &[Pointer]) -> Result<Vec<String>, Denial> {
    let mut found: Option<Vec<String>> = None;
    for pointer in pointers {
        let words = match pointer.find(claims) {
            None => continue,
            Some(Value::Array(items)) if items.len() <= MAX_WORDS => {
                items.iter().map(word).collect::<Result<_, _>>()?
            }
            Some(Value::Array(_)) => return Err(FAULT),
            Some(single) => vec![word(single)?],
        };
        agree(&mut found, words)?;
    }
    Ok(found.unwrap_or_default())
}

/// The patient in context, as an id: `1`, `Patient/1`, or `[base]/Patient/1`. A place that is one of
/// the user as well names a patient only where the user is one.
pub(super) fn patient(
    claims: &Value,
    pointers: &ClaimPointers,
    base: &BaseUrl,
) -> Result<Option<String>, Denial> {
    references(claims, &pointers.patient, |pointer, text| {
        let relative = pointers.relative(text, base);
        if pointers.user.contains(pointer) && is_user(relative) {
            return Some(relative.strip_prefix("Patient/"));
        }
        instance("Patient/", relative)
    })
}

/// The encounter in context, as an id: `1`, `Encounter/1`, or `[base]/Encounter/1`.
pub(super) fn encounter(
    claims: &Value,
    pointers: &ClaimPointers,
    base: &BaseUrl,
) -> Result<Option<String>, Denial> {
    references(claims, &pointers.encounter, |_, text| {
        instance("Encounter/", pointers.relative(text, base))
    })
}

/// The user as `Type/id`: one of the five types that `fhirUser` may have, of this server only.
pub(super) fn user(
    claims: &Value,
    pointers: &ClaimPointers,
    base: &BaseUrl,
) -> Result<Option<String>, Denial> {
    references(claims, &pointers.user, |_, text| {
        let relative = pointers.relative(text, base);
        is_user(relative).then_some(Some(relative))
    })
}

/// When and how the user logged in, for rules that ask for it. What does not have the registered
/// shape is as if it were missing: it satisfies no rule, and where there is none it does no harm.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Login {
    /// `acr`: the class of the authentication.
    pub class: Option<String>,
    /// `amr`: the methods that were used.
    pub methods: Vec<String>,
    /// `auth_time`, in seconds since 1970.
    pub time: Option<u64>,
    /// How far the clock that `time` was read from may be off, in seconds.
    pub clock_skew: u64,
}

impl Login {
    /// Whether the login was at most `max_age` seconds ago, `now` in seconds since 1970. One that is
    /// still to come was not.
    pub fn is_within(&self, max_age: u64, now: u64) -> bool {
        self.time.is_some_and(|time| {
            let (from, until) = (time.saturating_sub(self.clock_skew), now);
            let age = until.saturating_sub(time.saturating_add(self.clock_skew));
            from <= until && age <= max_age
        })
    }

    /// Reads the claims (OpenID Connect Core 1.0 section 2, RFC 9068 section 2.2.1).
    pub(super) fn read(claims: &Value, time: Option<u64>, clock_skew: u64) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let methods = claims.get("amr").and_then(Value::as_array);
        let methods = methods.and_then(|items| items.iter().map(text).collect::<Option<_>>());
        Login {
            class: claims.get("acr").and_then(text),
            methods: methods.unwrap_or_default(),
            time,
            clock_skew,
        }
    }
}

impl ClaimPointers {
    /// A reference without its base, where that is one of ours; any other as it is.
    fn relative<'a>(&self, text: &'a str, base: &BaseUrl) -> &'a str {
        let mut bases = std::iter::once(base).chain(&self.bases);
        let below = bases.find_map(|base| base.strip(text)?.strip_prefix('/'));
        below.unwrap_or(text)
    }
}

impl ScopeSeparator {
    /// The scope with its slash. Where an issuer cannot write one, it writes `all` for `*` as well, of
    /// types and of what may be done.
    pub fn read(self, scope: &str) -> String {
        let own = match self {
            ScopeSeparator::Slash => return scope.to_owned(),
            ScopeSeparator::Dot => ".",
            ScopeSeparator::Dollar => "$",
            ScopeSeparator::Encoded => "%2f",
        };
        let levels = ["patient", "system", "user"];
        let rest = levels.iter().find_map(|level| {
            let (separator, rest) = scope.strip_prefix(level)?.split_at_checked(own.len())?;
            separator.eq_ignore_ascii_case(own).then_some((level, rest))
        });
        match rest {
            Some((level, rest)) => {
                let (of, access) = rest.split_once('.').unwrap_or((rest, ""));
                let any = |text| if text == "all" { "*" } else { text };
                match access {
                    "" => format!("{level}/{rest}"),
                    _ => format!("{level}/{}.{}", any(of), any(access)),
                }
            }
            None => scope.to_owned(),
        }
    }
}

/// Roles or purposes of one token.
const MAX_WORDS: usize = 64;

const FAULT: Denial = Denial::Token(TokenFault::Claims);

/// What several places say must be the same.
fn agree<T: PartialEq>(found: &mut Option<T>, value: T) -> Result<(), Denial> {
    if found.as_ref().is_some_and(|known| *known != value) {
        return Err(FAULT);
    }
    *found = Some(value);
    Ok(())
}

/// What the places say, each a string or a list of one; a list of more would be a choice. `read`
/// gives `None` for what is not understood, and `Some(None)` for what says nothing here.
fn references<'a>(
    claims: &'a Value,
    places: &[Pointer],
    read: impl Fn(&Pointer, &'a str) -> Option<Option<&'a str>>,
) -> Result<Option<String>, Denial> {
    let mut found = None;
    for place in places {
        let single = match place.find(claims) {
            None => continue,
            Some(Value::Array(items)) => match items.as_slice() {
                [single] => single,
                _ => return Err(FAULT),
            },
            Some(single) => single,
        };
        if let Some(meant) = read(place, claim(single)?).ok_or(FAULT)? {
            agree(&mut found, meant)?;
        }
    }
    Ok(found.map(str::to_owned))
}

/// The id of an instance, with or without its type before it.
fn instance<'a>(prefix: &str, relative: &'a str) -> Option<Option<&'a str>> {
    let id = relative.strip_prefix(prefix).unwrap_or(relative);
    is_id(id).then_some(Some(id))
}

fn word(value: &Value) -> Result<String, Denial> {
    let Value::Object(coding) = value else {
        return claim(value).map(str::to_owned);
    };
    let code = claim(coding.get("code").unwrap_or(&Value::Null))?;
    match coding.get("system") {
        None => Ok(code.to_owned()),
        Some(system) => Ok(format!("{}|{code}", claim(system)?)),
    }
}

fn is_user(relative: &str) -> bool {
    relative.split_once('/').is_some_and(|(type_name, id)| {
        matches!(
            type_name,
            "Patient" | "Person" | "Practitioner" | "PractitionerRole" | "RelatedPerson"
        ) && is_id(id)
    })
}

fn claim(value: &Value) -> Result<&str, Denial> {
    let text = value.as_str().filter(|text| is_claim(text));
    text.ok_or(FAULT)
}

fn is_claim(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_CLAIM && !text.chars().any(char::is_control)
}

/// The place of an item in an array (RFC 6901 section 4).
fn index(name: &str) -> Option<usize> {
    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (name == "0" || !name.starts_with('0'));
    name.parse().ok().filter(|_| plain)
}
