//! The tables of the standard are those that the published definitions make.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fhir_guard::fhir::{Compartment, ResourceType, SearchKind, search_parameters};
use serde_json::Value;

use crate::account::{Account, Decision, Suite};
use crate::vectors::Vectors;

/// Rows of each file that `make tables` writes: it is the one in this repository, and with one digit
/// changed it is not. Rows of each membership parameter of somebody else's table of compartments: it is
/// one here, and looks at the same elements; every other parameter that is a reference is none.
pub fn same(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "FHIR, tables of the definitions",
        rules: &[(
            "the type that a compartment is about, by its id: no parameter",
            1,
        )],
        corrections: &[],
        accepted: 192,
        refused: 852,
    });
    let folder = vectors.folder("fhir-r4/definitions");
    let tables = fhir_guard_tables::generate(&folder).unwrap_or_else(|fault| panic!("{fault}"));
    for (name, made) in &tables.files {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/fhir/tables")
            .join(name);
        let here = fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let same = Decision::accept_if(here == *made);
        account.judge(&format!("{name} (make tables)"), Decision::Accept, same);
        let altered = made.replacen('1', "2", 1);
        let same = Decision::accept_if(here == altered);
        account.judge(&format!("{name}, altered"), Decision::Refuse, same);
    }
    let mut listed = BTreeSet::new();
    let rows = vectors.json("fhir-r4/definitions/compartment_paths.json");
    for row in rows.as_array().expect("a list") {
        let [compartment, resource_type, parameter, paths] = [0, 1, 2, 3].map(|at| {
            let text = row.get(at).and_then(Value::as_str);
            text.unwrap_or_else(|| panic!("{row}"))
        });
        if parameter == "{def}" {
            account.leave("the type that a compartment is about, by its id: no parameter");
            continue;
        }
        let own = match compartment {
            "patient" => Compartment::Patient,
            _ => Compartment::Practitioner,
        };
        let of = ResourceType::parse(resource_type).expect("a type of R4");
        let found = shown(own, of, parameter);
        let id = format!("{compartment}: {resource_type}.{parameter}");
        let mut expected: Vec<&str> = paths.split(" ; ").collect();
        expected.sort_unstable();
        let same = found.as_deref() == Some(expected.join(" ; ").as_str());
        account.judge(&id, Decision::Accept, Decision::accept_if(same));
        listed.insert(id);
    }
    for (code, compartment) in [
        ("patient", Compartment::Patient),
        ("practitioner", Compartment::Practitioner),
    ] {
        for resource_type in ResourceType::all() {
            for parameter in search_parameters(resource_type) {
                let id = format!("{code}: {resource_type}.{}", parameter.name());
                if parameter.kind() == SearchKind::Reference && !listed.contains(&id) {
                    let found = shown(compartment, resource_type, parameter.name()).is_some();
                    account.judge(&id, Decision::Refuse, Decision::accept_if(found));
                }
            }
        }
    }
    account.close();
}

/// The elements of a membership parameter, as the other table writes them.
fn shown(compartment: Compartment, resource_type: ResourceType, name: &str) -> Option<String> {
    let mut parameters = compartment.parameters(resource_type);
    let parameter = parameters.find(|parameter| parameter.name() == name)?;
    let mut shown: Vec<String> = parameter
        .searched()?
        .map(|searched| match searched.only {
            Some(only) => format!("{} [{only} only]", searched.path),
            None => searched.path.to_string(),
        })
        .collect();
    shown.sort_unstable();
    Some(shown.join(" ; "))
}
