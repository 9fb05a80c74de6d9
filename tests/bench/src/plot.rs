//! The report as a picture: bars of CPU time against bare Envoy, one group a case.

use std::fmt::Write as _;

use crate::report::Report;
use crate::variant::Variant;

const LEFT: f64 = 250.0;
const RIGHT: f64 = 90.0;
const WIDTH: f64 = 900.0;
const TOP: f64 = 80.0;
const BAR: f64 = 11.0;
const GAP: f64 = 14.0;

/// The picture. Bars are as long as the CPU time of a request is against bare Envoy's, cut off at
/// the eightfold; the number behind each is microseconds.
pub fn svg(report: &Report) -> String {
    const MOST: f64 = 8.0;
    let scale = (WIDTH - LEFT - RIGHT) / MOST;
    let mut bars = String::new();
    let mut y = TOP;
    for row in report.rows() {
        let Some(bare) = row.cell(Variant::Bare) else {
            continue;
        };
        text(&mut bars, LEFT - 10.0, y + BAR, "end", "case", row.case);
        for (index, variant) in Variant::ALL.into_iter().enumerate() {
            let Some(cell) = row.cell(variant) else {
                continue;
            };
            let times = cell.cpu / bare.cpu;
            let length = times.min(MOST) * scale;
            let color = color(index);
            // Writing to a string cannot fail.
            let _ = writeln!(
                bars,
                r#"<rect x="{LEFT}" y="{y:.1}" width="{length:.1}" height="{BAR}" fill="{color}"/>"#
            );
            let cut = if times > MOST { " >" } else { "" };
            let label = format!("{:.0}{cut}", cell.cpu);
            text(
                &mut bars,
                LEFT + length + 4.0,
                y + BAR - 2.0,
                "start",
                "number",
                &label,
            );
            y += BAR;
        }
        y += GAP;
    }
    let mut legend = String::new();
    for (index, variant) in Variant::ALL.into_iter().enumerate() {
        let place = |number: usize| f64::from(u8::try_from(number).unwrap_or(0));
        let x = 16.0 + 145.0 * place(index % 6);
        let y = 36.0 + 15.0 * place(index / 6);
        let color = color(index);
        let _ = writeln!(
            legend,
            r#"<rect x="{x}" y="{y}" width="11" height="11" fill="{color}"/>"#
        );
        text(
            &mut legend,
            x + 16.0,
            y + 10.0,
            "start",
            "number",
            variant.name(),
        );
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img">
<title>CPU time of Envoy for one request</title>
<style>text {{ font-family: sans-serif; fill: #222 }} .head {{ font-size: 15px }} .case {{ font-size: 12px }} .number {{ font-size: 10px }}</style>
<rect width="{WIDTH}" height="{y}" fill="#fff"/>
<text x="16" y="24" class="head">CPU time of Envoy for one request: length against bare Envoy, number in microseconds</text>
{legend}{bars}</svg>
"##
    )
}

fn color(index: usize) -> &'static str {
    const COLORS: [&str; 12] = [
        "#b0b0b0", "#e0a458", "#c8742a", "#a8c8e8", "#6fa3d0", "#3f76a8", "#7fb08a", "#b05a7a",
        "#1f4e79", "#0b2236", "#5c6f82", "#8a4a5e",
    ];
    COLORS.get(index).copied().unwrap_or("#000")
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, class: &str, text: &str) {
    // None of the texts needs escaping: they are names of cases and variants, and numbers.
    let _ = writeln!(
        out,
        r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{}</text>"#,
        text.replace('>', "&gt;")
    );
}
