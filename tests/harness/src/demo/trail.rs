//! The audit records that the tour left: as a table, and as they must be.

use serde_json::Value;

use super::judge::Seen;
use super::show::Show;
use super::stage::Stage;

/// The title of the last step.
pub(super) const TITLE: &str = "The audit records";

/// Why the last step matters.
pub(super) const WHY: &str = "Every exchange left one record, allowed and refused alike, with the rule that decided; no health data and no token is in any of them.";

const HEAD: [&str; 8] = [
    "time",
    "outcome",
    "status",
    "rule",
    "client",
    "interaction",
    "refs",
    "resources",
];

/// Shows the records, and compares them with what the steps before must have left.
///
/// # Errors
/// What is missing or too much, without quoting a record.
pub(super) async fn present(stage: &Stage, seen: &Seen<'_>, show: &Show) -> Result<(), String> {
    let mut records = stage.envoy.audit_of(seen.exchanges).await?;
    // Two workers write; the order of the file is that of the ends.
    records.sort_by(|one, other| one["time"].as_str().cmp(&other["time"].as_str()));
    table(&records, show);
    compare(&records, seen.exchanges, &seen.records)?;
    let text: String = records.iter().map(Value::to_string).collect();
    for secret in secrets(stage, seen)? {
        if text.contains(&secret) {
            return Err(
                "found a token or data of the patient in a record, expected none".to_owned(),
            );
        }
    }
    Ok(())
}

fn table(records: &[Value], show: &Show) {
    let mut rows: Vec<(usize, [String; 8])> = Vec::new();
    for record in records {
        let row = row(record);
        match rows.last_mut() {
            // All but the time.
            Some((times, last)) if last[1..] == row[1..] => *times += 1,
            _ => rows.push((1, row)),
        }
    }
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            let cells = rows.iter().map(|(_, row)| row[column].chars().count());
            cells.chain([HEAD[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        cells.join("  ")
    };
    println!(
        "{}",
        show.paint("2", line(&HEAD.map(str::to_owned)).trim_end())
    );
    for (times, row) in &rows {
        let colour = if row[1] == "allowed" { "32" } else { "33" };
        let times = match times {
            1 => String::new(),
            times => format!("  x {times}"),
        };
        println!("{}{times}", show.paint(colour, line(row).trim_end()));
    }
}

fn row(record: &Value) -> [String; 8] {
    let text = |key: &str| match &record[key] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let time = text("time");
    let refs = record["refs"].as_array().into_iter().flatten();
    let refs: Vec<&str> = refs.filter_map(Value::as_str).collect();
    let kind = text("type");
    let resources: Vec<String> = ["passed", "removed", "redacted"]
        .iter()
        .filter(|key| record[**key].as_u64().unwrap_or(0) > 0)
        .map(|key| format!("{} {key}", record[*key]))
        .collect();
    [
        // Of 2026-01-31T23:59:59.123Z the time of day.
        time.get(11..23).unwrap_or(&time).to_owned(),
        text("outcome"),
        text("status"),
        text("rule"),
        text("client"),
        text("interaction"),
        if refs.is_empty() {
            kind
        } else {
            refs.join(" ")
        },
        resources.join(", "),
    ]
}

/// Whether there are as many records as exchanges, and these among them, in this order.
fn compare(
    records: &[Value],
    exchanges: usize,
    expected: &[(&'static str, u16, String)],
) -> Result<(), String> {
    if records.len() != exchanges {
        return Err(format!(
            "found {} records, expected {exchanges}",
            records.len()
        ));
    }
    let mut rest = records.iter();
    for (outcome, status, rule) in expected {
        let is = |record: &Value| {
            record["outcome"] == *outcome
                && record["status"] == *status
                && record["rule"] == rule.as_str()
        };
        if !rest.any(is) {
            return Err(format!(
                "found no record, after those of the steps before, with outcome {outcome}, status {status} and rule {rule}"
            ));
        }
    }
    Ok(())
}

/// Text that must be in no record: the signed parts of tokens, and what is only known of a Patient.
fn secrets(stage: &Stage, seen: &Seen<'_>) -> Result<Vec<String>, String> {
    let mut secrets = Vec::new();
    for name in ["patient-app", "lab-app", "clinician"] {
        secrets.extend(stage.token(name)?.split('.').map(str::to_owned));
    }
    if let (Some(whole), true) = (seen.whole(), seen.own_data) {
        let places = [
            "/birthDate",
            "/name/0/family",
            "/telecom/0/value",
            "/identifier/0/value",
        ];
        let data = places
            .iter()
            .filter_map(|place| whole.pointer(place)?.as_str());
        secrets.extend(data.filter(|text| text.len() > 3).map(str::to_owned));
    }
    Ok(secrets)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_becomes_a_row() {
        let record = json!({
            "time": "2026-01-31T23:59:59.123Z", "outcome": "allowed", "status": 200, "rule": "scope:user/*.rs",
            "interaction": "read", "type": "Patient", "refs": ["Patient/p1"],
            "passed": 1, "removed": 0, "redacted": 1
        });
        let expected = [
            "23:59:59.123",
            "allowed",
            "200",
            "scope:user/*.rs",
            "-",
            "read",
            "Patient/p1",
            "1 passed, 1 redacted",
        ];
        assert_eq!(row(&record), expected);
        assert_eq!(row(&json!({}))[0], "-");
    }

    #[test]
    fn records_are_compared_in_order() {
        let record = |outcome: &str, status: u16, rule: &str| json!({ "outcome": outcome, "status": status, "rule": rule });
        let records = [
            record("allowed", 200, "a"),
            record("refused", 401, "b"),
            record("allowed", 200, "c"),
        ];
        let a = || ("allowed", 200, "a".to_owned());
        let b = || ("refused", 401, "b".to_owned());
        assert_eq!(compare(&records, 3, &[a(), b()]), Ok(()));
        for (exchanges, expected) in [
            (2, vec![a()]),
            (4, vec![a()]),
            (3, vec![b(), a()]),
            (3, vec![a(), a()]),
            (3, vec![("refused", 200, "a".to_owned())]),
            (3, vec![("allowed", 401, "a".to_owned())]),
        ] {
            assert!(
                compare(&records, exchanges, &expected).is_err(),
                "{expected:?}"
            );
        }
    }
}
