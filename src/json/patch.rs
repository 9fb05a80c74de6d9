//! JSON Patch (RFC 6902): what a document becomes.
//!
//! The document and the patch are values of serde_json, read before by [`super::Document`], so that no
//! key stands twice and nothing is deeper than a document may be.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Limits;

/// What one patch may cost: a value or a key that is looked at or copied counts one, four bytes of its
/// text count one, and so do eight items of a list that make room. A document of 1 MiB, copied whole, is
/// about a third of it.
pub const MAX_WORK: usize = 1_000_000;

/// Why a patch does not apply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PatchFault {
    /// It is no list of operations of RFC 6902.
    Malformed,
    /// An operation leads to where nothing is, or a test does not hold.
    Target,
    /// It costs more than [`MAX_WORK`], or makes the document deeper than a document may be.
    Costly,
}

impl PatchFault {
    /// What was found.
    pub fn text(self) -> &'static str {
        match self {
            PatchFault::Malformed => "it is no json patch",
            PatchFault::Target => "an operation does not apply to the current version",
            PatchFault::Costly => "it makes the resource too large or too deep",
        }
    }
}

/// Applies all operations, in order; `document` is as it was where one fails. Member names are compared
/// as RFC 6901 says, numbers by their value.
///
/// # Errors
/// See [`PatchFault`].
pub fn apply(document: &Value, patch: &Value) -> Result<Value, PatchFault> {
    let mut patched = Patched {
        document: document.clone(),
        work: MAX_WORK,
    };
    let operations = patch.as_array().ok_or(PatchFault::Malformed)?;
    for operation in operations {
        patched.apply(operation.as_object().ok_or(PatchFault::Malformed)?)?;
    }
    Ok(patched.document)
}

/// A document in the middle of a patch.
struct Patched {
    document: Value,
    /// What is left of [`MAX_WORK`].
    work: usize,
}

impl Patched {
    fn apply(&mut self, operation: &Map<String, Value>) -> Result<(), PatchFault> {
        let text = |name| operation.get(name).and_then(Value::as_str);
        let path = pointer(text("path").ok_or(PatchFault::Malformed)?)?;
        let value = || operation.get("value").ok_or(PatchFault::Malformed);
        let from = || pointer(text("from").ok_or(PatchFault::Malformed)?);
        self.spend(path.len().saturating_add(1))?;
        match text("op") {
            Some("add") => self.add(&path, value()?.clone()),
            Some("remove") => self.remove(&path).map(|_| ()),
            Some("replace") => {
                let value = value()?.clone();
                self.measure(&value, path.len())?;
                *find_mut(&mut self.document, &path)? = value;
                Ok(())
            }
            Some("move") => {
                let from = from()?;
                // A value cannot become a part of itself.
                if path.len() > from.len() && path.starts_with(&from) {
                    return Err(PatchFault::Target);
                }
                if from == path {
                    return find(&self.document, &from).map(|_| ());
                }
                let value = self.remove(&from)?;
                self.add(&path, value)
            }
            Some("copy") => {
                let from = from()?;
                let value = find(&self.document, &from)?;
                measure(value, room(path.len())?, &mut self.work)?;
                let value = value.clone();
                self.add(&path, value)
            }
            Some("test") => {
                let found = find(&self.document, &path)?;
                let mut work = self.work;
                let equal = is_equal(found, value()?, &mut work);
                self.work = work;
                equal.and_then(|equal| {
                    if equal {
                        Ok(())
                    } else {
                        Err(PatchFault::Target)
                    }
                })
            }
            _ => Err(PatchFault::Malformed),
        }
    }

    fn add(&mut self, path: &[Cow<'_, str>], value: Value) -> Result<(), PatchFault> {
        self.measure(&value, path.len())?;
        let Some((last, parents)) = path.split_last() else {
            self.document = value;
            return Ok(());
        };
        match find_mut(&mut self.document, parents)? {
            Value::Object(members) => {
                members.insert(last.clone().into_owned(), value);
            }
            Value::Array(items) => {
                let at = match last.as_ref() {
                    "-" => items.len(),
                    text => index(text)
                        .filter(|at| *at <= items.len())
                        .ok_or(PatchFault::Target)?,
                };
                spend(&mut self.work, (items.len() - at) / 8)?;
                items.insert(at, value);
            }
            _ => return Err(PatchFault::Target),
        }
        Ok(())
    }

    fn remove(&mut self, path: &[Cow<'_, str>]) -> Result<Value, PatchFault> {
        // Without its root there is no document.
        let (last, parents) = path.split_last().ok_or(PatchFault::Target)?;
        match find_mut(&mut self.document, parents)? {
            Value::Object(members) => members.remove(last.as_ref()).ok_or(PatchFault::Target),
            Value::Array(items) => {
                let at = index(last)
                    .filter(|at| *at < items.len())
                    .ok_or(PatchFault::Target)?;
                spend(&mut self.work, (items.len() - at) / 8)?;
                Ok(items.remove(at))
            }
            _ => Err(PatchFault::Target),
        }
    }

    fn measure(&mut self, value: &Value, above: usize) -> Result<(), PatchFault> {
        measure(value, room(above)?, &mut self.work)
    }

    fn spend(&mut self, cost: usize) -> Result<(), PatchFault> {
        spend(&mut self.work, cost)
    }
}

/// How deep a value may be below so many others.
fn room(above: usize) -> Result<usize, PatchFault> {
    Limits::default()
        .depth
        .checked_sub(above)
        .ok_or(PatchFault::Costly)
}

fn spend(work: &mut usize, cost: usize) -> Result<(), PatchFault> {
    *work = work.checked_sub(cost).ok_or(PatchFault::Costly)?;
    Ok(())
}

/// Pays for a value that is put somewhere, of which no more levels than `room` may be open at once.
fn measure(value: &Value, room: usize, work: &mut usize) -> Result<(), PatchFault> {
    spend(work, 1)?;
    let below = || room.checked_sub(1).ok_or(PatchFault::Costly);
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        Value::String(text) => spend(work, text.len() / 4),
        Value::Array(items) => {
            let room = below()?;
            items.iter().try_for_each(|item| measure(item, room, work))
        }
        Value::Object(members) => {
            let room = below()?;
            members.iter().try_for_each(|(name, value)| {
                spend(work, 1 + name.len() / 4)?;
                measure(value, room, work)
            })
        }
    }
}

/// Equality of RFC 6902 section 4.6; what is compared is paid for.
fn is_equal(one: &Value, other: &Value, work: &mut usize) -> Result<bool, PatchFault> {
    spend(work, 1)?;
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            Ok(one == other || (one.is_f64() || other.is_f64()) && one.as_f64() == other.as_f64())
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (one, other) in one.iter().zip(other) {
                if !is_equal(one, other, work)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Object(one), Value::Object(other)) if one.len() == other.len() => {
            for (name, one) in one {
                let Some(other) = other.get(name) else {
                    return Ok(false);
                };
                if !is_equal(one, other, work)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::String(one), Value::String(other)) => {
            spend(work, one.len() / 4)?;
            Ok(one == other)
        }
        (Value::Null, Value::Null) => Ok(true),
        (Value::Bool(one), Value::Bool(other)) => Ok(one == other),
        _ => Ok(false),
    }
}

/// The tokens of a JSON pointer (RFC 6901).
fn pointer(text: &str) -> Result<Vec<Cow<'_, str>>, PatchFault> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let tokens = text.strip_prefix('/').ok_or(PatchFault::Malformed)?;
    tokens.split('/').map(token).collect()
}

fn token(text: &str) -> Result<Cow<'_, str>, PatchFault> {
    if !text.contains('~') {
        return Ok(Cow::Borrowed(text));
    }
    let mut parts = text.split('~');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (character, rest) = match part.split_at_checked(1) {
            Some(("0", rest)) => ('~', rest),
            Some(("1", rest)) => ('/', rest),
            _ => return Err(PatchFault::Malformed),
        };
        out.push(character);
        out.push_str(rest);
    }
    Ok(Cow::Owned(out))
}

/// A place in a list: digits, without a zero before them.
fn index(text: &str) -> Option<usize> {
    let plain = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain && digits)
}

fn find<'v>(document: &'v Value, path: &[Cow<'_, str>]) -> Result<&'v Value, PatchFault> {
    let step = |value: &'v Value, token: &Cow<'_, str>| match value {
        Value::Object(members) => members.get(token.as_ref()),
        Value::Array(items) => items.get(index(token)?),
        _ => None,
    };
    let found = path.iter().try_fold(document, step);
    found.ok_or(PatchFault::Target)
}

fn find_mut<'v>(
    document: &'v mut Value,
    path: &[Cow<'_, str>],
) -> Result<&'v mut Value, PatchFault> {
    let step = |value: &'v mut Value, token: &Cow<'_, str>| match value {
        Value::Object(members) => members.get_mut(token.as_ref()),
        Value::Array(items) => items.get_mut(index(token)?),
        _ => None,
    };
    let found = path.iter().try_fold(document, step);
    found.ok_or(PatchFault::Target)
}

#[cfg(test)]
mod tests;
