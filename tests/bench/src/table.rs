//! The report for a person: on the terminal, and as a page.

use std::fmt::Write as _;

use crate::report::{Cell, Report};
use crate::variant::Variant;

/// Between these lines of the page stands the newest table.
const BEGIN: &str = "<!-- newest table, written by `make bench DOCS=1` -->";
const END: &str = "<!-- end of the newest table -->";

/// Tables, ratios and marks; Markdown that reads well without being rendered.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    line(&format!("{}, {} rounds\n", report.machine, report.rounds));
    line("CPU of the Envoy process in microseconds a request: median (least to most)\n");
    line(&cpu_table(report));
    line("Ratios of CPU: medians of the ratios of each round\n");
    line(&ratio_table(report));
    line("Latency in microseconds at a fixed rate, and requests a second as fast as they come\n");
    line(&latency_table(report));
    line("Marks\n");
    line(&mark_table(report));
    out.trim_end().to_owned()
}

/// The page with the newest table in the place of the one before.
pub fn renewed(page: &str, report: &Report) -> Result<String, String> {
    let missing = || format!("docs/benchmarks.md lacks the lines {BEGIN:?} and {END:?}");
    let (before, rest) = page.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    let table = text(report);
    Ok(format!("{before}{BEGIN}\n\n{table}\n\n{END}{after}"))
}

fn cpu_table(report: &Report) -> String {
    let mut rows = vec![
        std::iter::once("case".to_owned())
            .chain(Variant::ALL.map(|variant| variant.name().to_owned()))
            .collect(),
    ];
    for row in report.rows() {
        let cells = Variant::ALL.map(|variant| row.cell(variant).map_or("-".into(), cpu));
        rows.push(std::iter::once(row.case.to_owned()).chain(cells).collect());
    }
    aligned(&rows)
}

fn cpu(cell: Cell) -> String {
    format!("{:.0} ({:.0} to {:.0})", cell.cpu, cell.least, cell.most)
}

fn ratio_table(report: &Report) -> String {
    let columns = [
        (
            "fhir-guard / native cached",
            Variant::Ours,
            Variant::NativeCached,
        ),
        ("fhir-guard / native", Variant::Ours, Variant::Native),
        (
            "12 calls / native cached",
            Variant::Calls,
            Variant::NativeCached,
        ),
        ("fhir-guard / 12 calls", Variant::Ours, Variant::Calls),
        ("bare / fhir-guard", Variant::Bare, Variant::Ours),
        (
            "all on / native cached",
            Variant::Everything,
            Variant::NativeCached,
        ),
        ("strict / repository", Variant::Strict, Variant::Recorded),
        ("serde_json / fhir-guard", Variant::Tree, Variant::Ours),
        (
            "native + ext_proc / fhir-guard",
            Variant::External,
            Variant::Ours,
        ),
    ];
    let mut rows = vec![
        std::iter::once("case".to_owned())
            .chain(columns.map(|(name, ..)| name.to_owned()))
            .collect(),
    ];
    for row in report.rows() {
        let cells = columns.map(|(_, one, other)| {
            row.ratio(one, other)
                .map_or("-".into(), |ratio| format!("{ratio:.2}"))
        });
        rows.push(std::iter::once(row.case.to_owned()).chain(cells).collect());
    }
    aligned(&rows)
}

fn latency_table(report: &Report) -> String {
    let head = [
        "case",
        "variant",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "requests/s",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for row in report.rows() {
        for variant in Variant::ALL {
            let Some(cell) = row.cell(variant) else {
                continue;
            };
            let Some(latencies) = cell.latencies else {
                continue;
            };
            let mut cells = vec![row.case.to_owned(), variant.name().to_owned()];
            cells.extend(latencies.map(|latency| format!("{latency:.0}")));
            cells.push(format!("{:.0}", cell.rate));
            rows.push(cells);
        }
    }
    aligned(&rows)
}

fn mark_table(report: &Report) -> String {
    let head = ["mark", "found", "wanted", "verdict"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for mark in report.marks() {
        let verdict = if mark.reached { "reached" } else { "missed" };
        let name = mark.name.to_owned();
        rows.push(vec![name, mark.found, mark.wanted.into(), verdict.into()]);
    }
    aligned(&rows)
}

/// A Markdown table whose columns stand under each other.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _ = write!(out, "| {cell:width$} ");
        }
        out.push_str("|\n");
        if number == 0 {
            for width in &widths {
                let _ = write!(out, "| {} ", "-".repeat(*width));
            }
            out.push_str("|\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_what_stands_around_the_table() {
        let report = Report::new(1, 1, String::new());
        let page = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = renewed(&page, &report).unwrap();
        assert!(new.starts_with("before\n") && new.ends_with("\nafter\n"));
        assert!(!new.contains("old") && new.contains("3000000 bytes"));
        assert_eq!(renewed(&new, &report), Ok(new.clone()));
        assert!(renewed("neither line", &report).is_err());
    }

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [
            vec!["a".to_owned(), "long".to_owned()],
            vec!["bbb".into(), "c".into()],
        ];
        assert_eq!(
            aligned(&rows),
            "| a   | long |\n| --- | ---- |\n| bbb | c    |\n"
        );
    }
}
