//! Compartments: which parameters make a resource belong to a patient or a practitioner.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::rust::Source;
use crate::schema::Schema;
use crate::search::Search;
use crate::{items, text};

/// One compartment.
pub struct Compartment {
    code: &'static str,
    /// For each resource type the numbers of its membership parameters, and of the paths where they look.
    of: Vec<(Vec<usize>, BTreeSet<usize>)>,
}

/// Reads a published definition.
pub fn read(
    definition: &Value,
    code: &'static str,
    schema: &Schema,
    search: &Search,
) -> Result<Compartment, String> {
    if text(definition, "code")? != code {
        return Err(format!("not the definition of the compartment {code}"));
    }
    let mut of = vec![Default::default(); schema.resources];
    for resource in items(definition, "resource") {
        let number = schema.resource(text(resource, "code")?)?;
        // `{def}` is the type that the compartment is about: it belongs to itself by its id.
        let names: Vec<&str> = items(resource, "param")
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| *name != "{def}")
            .collect();
        if !names.is_empty() {
            let found = search
                .membership(number, &names)
                .map_err(|fault| format!("{code} {number}: {fault}"))?;
            of[number] = found;
        }
    }
    Ok(Compartment { code, of })
}

/// The tables.
pub fn write(compartments: &[Compartment], schema: &Schema) -> Source {
    let mut source = Source::new("The compartments of patients and of practitioners.");
    for compartment in compartments {
        assert_eq!(compartment.of.len(), schema.resources);
        let code = compartment.code;
        let upper = code.to_ascii_uppercase();
        let (mut starts, mut parameters, mut path_starts, mut paths) =
            (vec![0], Vec::new(), vec![0], Vec::new());
        for (own, own_paths) in &compartment.of {
            parameters.extend(own);
            paths.extend(own_paths);
            starts.push(parameters.len());
            path_starts.push(paths.len());
        }
        let about = format!(
            "Where the parameters of each resource type begin in `{upper}_PARAMETERS`, and the end."
        );
        source.numbers(&about, &format!("{upper}_OF_TYPE"), "u8", &starts);
        let about = format!("The membership parameters of the {code} compartment.");
        source.numbers(&about, &format!("{upper}_PARAMETERS"), "u16", &parameters);
        let about =
            format!("Where the paths of each resource type begin in `{upper}_PATHS`, and the end.");
        source.numbers(
            &about,
            &format!("{upper}_PATHS_OF_TYPE"),
            "u8",
            &path_starts,
        );
        let about = "The paths where they look, each once for a type.";
        source.numbers(about, &format!("{upper}_PATHS"), "u16", &paths);
    }
    source
}

impl Compartment {
    /// What is in it.
    pub fn tell(&self) -> String {
        let types = self
            .of
            .iter()
            .filter(|(parameters, _)| !parameters.is_empty())
            .count();
        let parameters: usize = self.of.iter().map(|(parameters, _)| parameters.len()).sum();
        format!(
            "compartment {}: {types} types, {parameters} parameters",
            self.code
        )
    }
}
