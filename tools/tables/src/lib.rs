//! Makes the tables of `src/fhir/tables/` from the published definitions of FHIR R4 (4.0.1).
//!
//! It needs five files of one folder, as HL7 publishes them: `fhir.schema.json`, the SearchParameter
//! Bundle as `search-parameters.min.json`, `CompartmentDefinition-patient.json`,
//! `CompartmentDefinition-practitioner.json` and `CodeSystem-v3-ActCode.json`. What comes out depends on nothing else, so that a test
//! can make it again and compare.

mod compartments;
mod expression;
mod labels;
mod rust;
mod schema;
mod search;
mod structure;

use std::path::Path;

use serde_json::Value;

use rust::{Names, Source};
use schema::Schema;
use search::Search;

/// What was made.
pub struct Tables {
    /// The names and the contents of the files, in the order of their names.
    pub files: Vec<(&'static str, String)>,
    /// What is in them, for people: one line for each fact.
    pub account: Vec<String>,
}

/// Makes the tables from the definitions in this folder.
///
/// # Errors
/// A file that is missing or is not what it should be: which, and what was found.
pub fn generate(folder: &Path) -> Result<Tables, String> {
    let schema = Schema::read(&json(folder, "fhir.schema.json")?)?;
    let mut search = Search::read(&json(folder, "search-parameters.min.json")?, &schema)?;
    let compartments = [("patient", "Patient"), ("practitioner", "Practitioner")]
        .into_iter()
        .map(|(file, code)| {
            let definition = json(folder, &format!("CompartmentDefinition-{file}.json"))?;
            compartments::read(&definition, code, &schema, &search)
        })
        .collect::<Result<Vec<_>, String>>()?;
    let labels = labels::read(&json(folder, "CodeSystem-v3-ActCode.json")?)?;
    // Every name is known before the first is numbered: numbers are in the order of the names.
    let mut names = Names::default();
    schema.name(&mut names);
    search.name(&mut names);
    names.close();
    let mut account = Vec::new();
    schema.tell(&mut account);
    search.tell(&mut account);
    let mut files = vec![
        (
            "compartments.rs",
            compartments::write(&compartments, &schema),
        ),
        ("labels.rs", labels.write()),
        ("names.rs", names.write()),
        ("search.rs", search.write(&names)),
        ("structure.rs", schema.write(&names)),
    ]
    .into_iter()
    .map(|(name, source): (_, Source)| {
        account.push(format!("{name}: {} bytes in the module", source.bytes()));
        (name, source.text())
    })
    .collect::<Vec<_>>();
    files.sort();
    for compartment in &compartments {
        account.push(compartment.tell());
    }
    account.push(labels.tell());
    Ok(Tables { files, account })
}

fn json(folder: &Path, name: &str) -> Result<Value, String> {
    let path = folder.join(name);
    let bytes = std::fs::read(&path).map_err(|fault| format!("{}: {fault}", path.display()))?;
    serde_json::from_slice(&bytes).map_err(|fault| format!("{}: {fault}", path.display()))
}

/// The text of a member, which must be there.
fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, String> {
    value[name]
        .as_str()
        .ok_or_else(|| format!("no text {name} in {}", shown(value)))
}

/// The items of a member; none where it is absent.
fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn shown(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}
