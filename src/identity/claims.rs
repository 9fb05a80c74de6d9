//! Where the claims are, and what shape they may have.

use serde_json::Value;

use crate::denial::{Denial, TokenFault};
use crate::fhir::is_id;
use crate::request::BaseUrl;

/// Where each claim is: the pointers are tried together, and all that are present must agree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClaimPointers {
    /// The OAuth client.
    pub client: Vec<Pointer>,
    /// The patient in context (SMART launch context `patient`).
    pub patient: Vec<Pointer>,
    /// The scopes: a string with spaces, or a list of strings.
    pub scope: Vec<Pointer>,
    /// The token's id.
    pub token_id: Vec<Pointer>,
    /// The user as a FHIR resource (`fhirUser`).
    pub user: Vec<Pointer>,
}

/// A JSON pointer (RFC 6901).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pointer(String);

/// The longest claim that is taken, in bytes; scopes may be as long as the token lets them.
const MAX_CLAIM: usize = 256;

impl Default for ClaimPointers {
    fn default() -> Self {
        let pointer = |text: &str| Pointer(text.to_owned());
        ClaimPointers {
            client: vec![pointer("/client_id"), pointer("/azp")],
            patient: vec![pointer("/patient")],
            scope: vec![pointer("/scope")],
            token_id: vec![pointer("/jti")],
            user: vec![pointer("/fhirUser")],
        }
    }
}

impl Pointer {
    /// Reads a pointer: it begins with `/`.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() > 1 && text.len() <= MAX_CLAIM && text.starts_with('/'))
            .then(|| Pointer(text.to_owned()))
    }
}

/// Where the subject is: always `sub` (RFC 7519 section 4.1.2).
pub(super) fn subject() -> Pointer {
    Pointer("/sub".to_owned())
}

/// A claim that is a string, from wherever it is; `None` when it is nowhere. Two places that
/// disagree are a conflict, and a value of another type is not understood: both are refused.
pub(super) fn text(claims: &Value, pointers: &[Pointer]) -> Result<Option<String>, Denial> {
    let mut found: Option<&str> = None;
    for Pointer(pointer) in pointers {
        let Some(value) = claims.pointer(pointer) else {
            continue;
        };
        let text = value.as_str().filter(|text| is_claim(text)).ok_or(FAULT)?;
        if found.is_some_and(|known| known != text) {
            return Err(FAULT);
        }
        found = Some(text);
    }
    Ok(found.map(str::to_owned))
}

/// The scopes, each as it stands in the token.
pub(super) fn scopes(claims: &Value, pointers: &[Pointer]) -> Result<Option<Vec<String>>, Denial> {
    let mut found: Option<Vec<String>> = None;
    for Pointer(pointer) in pointers {
        let scopes = match claims.pointer(pointer) {
            None => continue,
            Some(Value::String(text)) => text
                .split(' ')
                .filter(|scope| !scope.is_empty())
                .map(str::to_owned)
                .collect(),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .ok_or(FAULT)?,
            Some(_) => return Err(FAULT),
        };
        if found.as_ref().is_some_and(|known| *known != scopes) {
            return Err(FAULT);
        }
        found = Some(scopes);
    }
    Ok(found)
}

/// The id of a patient: `1`, `Patient/1`, or `[base]/Patient/1`.
pub(super) fn patient(claim: &str, base: &BaseUrl) -> Result<String, Denial> {
    base.patient_id(claim).map(str::to_owned).ok_or(FAULT)
}

/// A user as `Type/id`: one of the five types that `fhirUser` may have, of this server only.
pub(super) fn user(claim: &str, base: &BaseUrl) -> Result<String, Denial> {
    let relative = base.relative(claim);
    let known = relative.split_once('/').is_some_and(|(type_name, id)| {
        matches!(
            type_name,
            "Patient" | "Person" | "Practitioner" | "PractitionerRole" | "RelatedPerson"
        ) && is_id(id)
    });
    if known {
        Ok(relative.to_owned())
    } else {
        Err(FAULT)
    }
}

const FAULT: Denial = Denial::Token(TokenFault::Claims);

fn is_claim(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_CLAIM && !text.chars().any(char::is_control)
}
