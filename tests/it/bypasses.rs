//! docs/bypasses.md says which tests hold what: the tests are there, and none is left out.

use std::collections::BTreeSet;

use super::tidy::{read, sources};

/// Rows that must be there, each with a test in a real Envoy: what is asked for, who asks, and by what.
const ROWS: [std::ops::RangeInclusive<u32>; 1] = [1..=100];

/// A row of the page: its number, and the tests it names.
fn rows() -> Vec<(u32, Vec<String>)> {
    let page = read("docs/bypasses.md");
    let cells = page
        .lines()
        .map(|line| line.split(" | ").collect::<Vec<_>>());
    let rows = cells.filter_map(|cells| {
        let number = cells.first()?.strip_prefix("| ")?.parse().ok()?;
        let [_, _, _, held] = cells.as_slice() else {
            panic!("row {number} has four cells");
        };
        let names = held.split('`').skip(1).step_by(2);
        Some((number, names.map(str::to_owned).collect()))
    });
    rows.collect()
}

/// The names of all tests below a folder.
fn tests(folder: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in sources(folder) {
        let mut marked = false;
        for line in source.text.lines().map(str::trim) {
            let name = line.strip_prefix("async ").unwrap_or(line);
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                marked = true;
            } else if let Some(name) = name.strip_prefix("fn ").filter(|_| marked) {
                let end = name.find('(').unwrap_or(name.len());
                found.insert(name.split_at(end).0.to_owned());
                marked = false;
            }
        }
    }
    found
}

#[test]
fn every_way_round_names_tests_that_there_are() {
    let mut all = tests("src");
    all.extend(tests("tests"));
    let envoy = tests("tests/envoy");
    assert!(all.len() > 500 && envoy.len() > 50, "this test is blind");
    let rows = rows();
    let mut wrong = Vec::new();
    for (number, names) in &rows {
        let unknown = names.iter().filter(|name| !all.contains(*name));
        wrong.extend(unknown.map(|name| format!("row {number}: no test is called {name}")));
    }
    for number in ROWS.into_iter().flatten() {
        let own = rows.iter().filter(|(row, _)| *row == number);
        let held = own.map(|(_, names)| names.iter().any(|name| envoy.contains(name)));
        if !held.eq([true]) {
            wrong.push(format!(
                "row {number}: not there once with a test in a real Envoy"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_test_with_a_number_is_in_its_row() {
    let mut all = tests("src");
    all.extend(tests("tests"));
    let rows = rows();
    let mut wrong = Vec::new();
    let numbered = all.iter().filter_map(|name| name.split_once("_bypass_"));
    for (name, numbers) in numbered {
        let name = format!("{name}_bypass_{numbers}");
        // The ends of `33_to_39` stand for all between; one of them is enough.
        let ends = numbers
            .split('_')
            .filter_map(|number| number.parse::<u32>().ok());
        for number in ends.filter(|_| !numbers.contains("to")) {
            let row = rows.iter().find(|(row, _)| *row == number);
            if !row.is_some_and(|(_, names)| names.contains(&name)) {
                wrong.push(format!("row {number} does not name {name}"));
            }
        }
        if !rows.iter().any(|(_, names)| names.contains(&name)) {
            wrong.push(format!("no row names {name}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
