//! Where the material lies, and how it is read.

use std::path::PathBuf;

use serde_json::Value;

/// The folder of third-party material.
#[derive(Clone)]
pub struct Vectors(PathBuf);

/// What became of the search for it.
pub enum Found {
    Here(Vectors),
    /// It is missing, and somebody said that it is there.
    Promised(String),
    /// It is missing.
    Nowhere(String),
}

impl Vectors {
    /// `FHIR_GUARD_VECTORS` and `CI=true` are promises.
    pub fn find() -> Found {
        let named = std::env::var_os("FHIR_GUARD_VECTORS").map(PathBuf::from);
        let promised = named.is_some() || std::env::var("CI").as_deref() == Ok("true");
        let root = named
            .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors"));
        let missing = format!(
            "no folder of third-party vectors at {}: set FHIR_GUARD_VECTORS to it",
            root.display()
        );
        match (root.is_dir(), promised) {
            (true, _) => Found::Here(Vectors(root)),
            (false, true) => Found::Promised(missing),
            (false, false) => Found::Nowhere(missing),
        }
    }

    pub fn folder(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    pub fn bytes(&self, path: &str) -> Vec<u8> {
        let path = self.0.join(path);
        std::fs::read(&path).unwrap_or_else(|fault| {
            panic!(
                "{}: {fault}: the folder of vectors is not whole",
                path.display()
            )
        })
    }

    pub fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.bytes(path)).unwrap_or_else(|fault| panic!("{path}: {fault}"))
    }

    /// The paths of the files of a folder whose names end so, in order.
    pub fn list(&self, folder: &str, ending: &str) -> Vec<String> {
        let path = self.0.join(folder);
        let entries = std::fs::read_dir(&path).unwrap_or_else(|fault| {
            panic!(
                "{}: {fault}: the folder of vectors is not whole",
                path.display()
            )
        });
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name())
            .map(|name| format!("{folder}/{}", name.to_string_lossy()))
            .filter(|name| name.ends_with(ending))
            .collect();
        names.sort();
        names
    }
}

/// The text of a member.
pub fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name]
        .as_str()
        .unwrap_or_else(|| panic!("no text {name} in {row}"))
}

/// The items of a member.
pub fn list<'a>(row: &'a Value, name: &str) -> &'a [Value] {
    row[name]
        .as_array()
        .unwrap_or_else(|| panic!("no list {name} in {row}"))
}
