//! Security labels: the codes of `v3-ActCode` that say how data is to be handled, and the levels of
//! `v3-Confidentiality`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::rust::Source;
use crate::{items, text};

/// The root of all codes about how data is to be handled.
const POLICIES: &str = "_ActPolicyType";

/// Codes with the code that each stands below.
pub struct Labels {
    parents: BTreeMap<String, Option<String>>,
}

/// Reads the published code system.
pub fn read(definition: &Value) -> Result<Labels, String> {
    if text(definition, "url")? != "http://terminology.hl7.org/CodeSystem/v3-ActCode" {
        return Err("not the code system v3-ActCode".into());
    }
    let mut parents = BTreeMap::new();
    let roots = items(definition, "concept").iter();
    let mut policies = roots.filter(|concept| concept["code"] == POLICIES);
    let root = policies
        .next()
        .ok_or_else(|| format!("no concept {POLICIES}"))?;
    below(root, None, &mut parents)?;
    Ok(Labels { parents })
}

fn below(
    concept: &Value,
    parent: Option<&str>,
    parents: &mut BTreeMap<String, Option<String>>,
) -> Result<(), String> {
    let code = text(concept, "code")?;
    let known = parents.insert(code.to_owned(), parent.map(str::to_owned));
    if known.is_some() {
        return Err(format!("the code {code} stands at two places"));
    }
    items(concept, "concept")
        .iter()
        .try_for_each(|narrower| below(narrower, Some(code), parents))
}

impl Labels {
    /// The tables.
    pub fn write(&self) -> Source {
        let mut source = Source::new("Security labels: how data is to be handled.");
        let codes: Vec<&str> = self.parents.keys().map(String::as_str).collect();
        let place = |code: &str| codes.binary_search(&code).expect("a code of the table");
        let parents: Vec<usize> = codes
            .iter()
            .map(|code| self.parents[*code].as_deref().map_or(place(code), place))
            .collect();
        source.texts(
            "The codes of `v3-ActCode` below its policies, sorted.",
            "POLICY_CODES",
            &codes,
        );
        source.numbers(
            "The place of the code that each stands below; of the root its own.",
            "POLICY_PARENTS",
            "u8",
            &parents,
        );
        source
    }

    /// What is in them.
    pub fn tell(&self) -> String {
        format!("security labels: {} codes", self.parents.len())
    }
}
