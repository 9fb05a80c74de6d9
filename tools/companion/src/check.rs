//! `check`: a configuration, to its mistakes.

use fhir_guard::config;
use serde_json::Value;

/// Reads the filter's configuration, YAML or JSON, as the filter does. What it warns of, a line each.
///
/// # Errors
/// Every mistake, with its place.
pub fn check(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<String>, String> {
    let json = match serde_json::from_str::<Value>(text) {
        Ok(_) => text.to_owned(),
        Err(_) => serde_saphyr::from_str::<Value>(text)
            .map_err(|error| format!("neither JSON nor YAML: {error}"))?
            .to_string(),
    };
    config::read_with(json.as_bytes(), environment)
        .map(|policy| policy.warnings)
        .map_err(|mistakes| mistakes.to_string())
}
