//! What the simulation finds, as docs/detectors.md and docs/detectors.svg.

use std::fmt::Write as _;
use std::path::Path;

use super::SOON;

/// One attacker.
pub(super) struct Row {
    pub name: String,
    /// Whether they can be found at all.
    pub found: bool,
    /// After how many seconds, in order; infinite where not.
    pub times: Vec<f64>,
}

impl Row {
    pub fn new(name: &str, found: bool, times: impl Iterator<Item = Option<f64>>) -> Row {
        let mut times: Vec<f64> = times.map(|time| time.unwrap_or(f64::INFINITY)).collect();
        times.sort_by(f64::total_cmp);
        Row {
            name: name.to_owned(),
            found,
            times,
        }
    }

    pub fn middle(&self) -> f64 {
        self.times[self.times.len() / 2]
    }

    pub fn last(&self) -> f64 {
        self.times.last().copied().unwrap_or(f64::INFINITY)
    }

    fn first(&self) -> f64 {
        self.times.first().copied().unwrap_or(f64::INFINITY)
    }
}

/// Writes both.
pub(super) fn write(honest: &[(&str, u64, u64)], rows: &[Row]) -> std::io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by(|one, other| one.middle().total_cmp(&other.middle()));
    std::fs::write(docs.join("detectors.md"), text(honest, &rows))?;
    std::fs::write(docs.join("detectors.svg"), plot(&rows))
}

fn text(honest: &[(&str, u64, u64)], rows: &[&Row]) -> String {
    let mut out = String::from(
        "# What the detectors find\n\nWritten by `DOCS=1 cargo test -p fhir-guard --lib -- risk::tests::day`: a \
         simulation of clinics' days (`src/risk/tests/day.rs`) with the default weights and thresholds of \
         [`detectors`](configuration.md#detectors). 20 days, made from other numbers than those the weights were \
         chosen with. The attackers of `src/risk/tests/attackers.json` were written before the detectors that \
         find them. It is a model: honest and hostile callers of yours may differ.\n\n\
         | honest | requests | false alarms |\n| --- | --- | --- |\n",
    );
    // Writing to a string cannot fail.
    for (name, requests, alarms) in honest {
        let _ = writeln!(out, "| {name} | {requests} | {alarms} |");
    }
    out.push_str("\n![After how many seconds each attacker is reported](detectors.svg)\n\n");
    out.push_str("| attacker | reported, in the middle | at most | of 20, within 5 minutes |\n");
    out.push_str("| --- | --- | --- | --- |\n");
    let show = |time: f64| match time.is_finite() {
        true => format!("{time:.0} s"),
        false => "never".to_owned(),
    };
    for row in rows {
        let soon = row.times.iter().filter(|time| **time <= SOON).count();
        let (middle, last) = (show(row.middle()), show(row.last()));
        let _ = writeln!(out, "| {} | {middle} | {last} | {soon} |", row.name);
    }
    out
}

/// For each attacker a bar from the first to the last time, and a mark in the middle.
fn plot(rows: &[&Row]) -> String {
    let (left, wide, high) = (520.0, 420.0, 22.0);
    let height = high * (rows.len() as f64 + 2.0);
    let at = |time: f64| left + time.min(SOON) / SOON * wide;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"980\" height=\"{height:.0}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    for second in [0.0, 60.0, 120.0, 180.0, 240.0, 300.0] {
        let (x, bottom) = (at(second), height - high);
        let _ = writeln!(
            out,
            "<line x1=\"{x:.0}\" y1=\"8\" x2=\"{x:.0}\" y2=\"{bottom:.0}\" stroke=\"#dddddd\"/>\
             <text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{second:.0} s</text>",
            bottom + 16.0
        );
    }
    for (place, row) in rows.iter().enumerate() {
        let y = high * (place as f64 + 0.5) + 8.0;
        let name = row.name.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            out,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{name}</text>",
            left - 8.0,
            y + 4.0
        );
        if !row.middle().is_finite() {
            let _ = writeln!(
                out,
                "<text x=\"{:.0}\" y=\"{:.0}\" fill=\"#888888\">not found</text>",
                left + 6.0,
                y + 4.0
            );
            continue;
        }
        let (from, to, middle) = (at(row.first()), at(row.last()), at(row.middle()));
        let _ = writeln!(
            out,
            "<rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"10\" fill=\"#9ecae1\"/>\
             <rect x=\"{:.1}\" y=\"{:.1}\" width=\"3\" height=\"14\" fill=\"#08519c\"/>",
            y - 5.0,
            (to - from).max(1.0),
            middle - 1.5,
            y - 7.0
        );
    }
    out.push_str("</svg>\n");
    out
}
