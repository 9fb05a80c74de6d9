//! What lies beyond the resources that are searched for: `_has`, `_include` and `_revinclude`.

use serde_json::Value;

use super::parameter::{Criterion, references};
use super::store::{Store, text};

/// Whether another resource refers to this one as `_has:` says, of which `path` is the rest of the name.
pub fn has(store: &Store, path: &str, value: &str, resource: &Value) -> Result<bool, String> {
    let unknown = || format!("_has:{path}: not understood");
    let (kind, rest) = path.split_once(':').ok_or_else(unknown)?;
    let (reference, rest) = rest.split_once(':').ok_or_else(unknown)?;
    let name = |name| text(resource, name).unwrap_or_default();
    let own = format!("{}/{}", name("resourceType"), name("id"));
    for other in store.of_type(kind) {
        let all = references(other, reference).ok_or_else(unknown)?;
        if !all.contains(&own) {
            continue;
        }
        let found = match rest.strip_prefix("_has:") {
            Some(nested) => has(store, nested, value, other)?,
            None => {
                let criterion = Criterion::parse(kind, rest, value).ok_or_else(unknown)?;
                criterion?.matches(other)
            }
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is sent along with the matches that are shown, each once: of what iterates, as long as more comes.
pub fn included<'s>(
    store: &'s Store,
    parameters: &[(String, String)],
    shown: &[&'s Value],
) -> Result<Vec<&'s Value>, String> {
    let iterates = |name: &str| name.ends_with(":iterate");
    let mut once: Vec<&Value> = Vec::new();
    loop {
        let before = once.len();
        for (name, value) in parameters {
            let mut from = shown.to_vec();
            if iterates(name) {
                from.extend(&once);
            }
            for resource in step(store, name, value, &from)? {
                let mut known = shown.iter().chain(&once);
                if !known.any(|known| std::ptr::eq(*known, resource)) {
                    once.push(resource);
                }
            }
        }
        if once.len() == before || !parameters.iter().any(|(name, _)| iterates(name)) {
            return Ok(once);
        }
    }
}

/// What one parameter brings along with these.
fn step<'s>(
    store: &'s Store,
    name: &str,
    value: &str,
    from: &[&'s Value],
) -> Result<Vec<&'s Value>, String> {
    let (kind, parameter) = match value {
        "*" => ("", "*"),
        _ => value.split_once(':').unwrap_or((value, "")),
    };
    let parameter = parameter.split(':').next().unwrap_or(parameter);
    let unknown = || format!("{name}={value}: no such reference parameter");
    let mut found: Vec<&Value> = Vec::new();
    match name {
        "_include" | "_include:iterate" => {
            let of_kind = |resource: &&&Value| kind.is_empty() || resource["resourceType"] == kind;
            for resource in from.iter().filter(of_kind) {
                let all = references(resource, parameter).ok_or_else(unknown)?;
                found.extend(all.iter().filter_map(|reference| store.resolve(reference)));
            }
        }
        "_revinclude" | "_revinclude:iterate" => {
            for resource in store.of_type(kind) {
                let all = references(resource, parameter).ok_or_else(unknown)?;
                let mut targets = all.iter().filter_map(|reference| store.resolve(reference));
                if targets.any(|target| from.iter().any(|from| std::ptr::eq(*from, target))) {
                    found.push(resource);
                }
            }
        }
        _ => {}
    }
    Ok(found)
}
