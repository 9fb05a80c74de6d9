//! Text for a terminal; colours only there.

use std::io::{IsTerminal as _, Write as _, stdout};

use serde_json::Value;

use super::call::{Answer, Caller};
use super::stage::Stage;
use super::steps::Step;

/// The most lines of a body.
const LINES: usize = 25;

/// The most characters of a line of a body.
const WIDTH: usize = 110;

/// The parts of setting up.
const PARTS: usize = 6;

/// The headers that are worth a look, in this order.
const HEADERS: [&str; 10] = [
    "www-authenticate",
    "retry-after",
    "ratelimit",
    "ratelimit-policy",
    "content-type",
    "cache-control",
    "etag",
    "location",
    "strict-transport-security",
    "x-request-id",
];

/// Where the tour is shown: the standard output.
pub(super) struct Show {
    colour: bool,
}

impl Show {
    pub(super) fn new() -> Show {
        Show {
            colour: stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    /// A part of setting up that begins.
    pub(super) fn progress(&self, part: usize, what: &str) {
        println!("{} {what}", self.paint("36", &format!("{part}/{PARTS}")));
    }

    /// The head of a step.
    pub(super) fn title(&self, number: usize, of: usize, title: &str, why: &str) {
        println!(
            "\n{}",
            self.paint("1;36", &format!("[{number}/{of}] {title}"))
        );
        println!("{why}\n");
    }

    /// A command to copy.
    pub(super) fn command(&self, command: &str) {
        println!("{}", self.paint("1", &format!("$ {command}")));
    }

    /// Status, the headers that matter, and the body if wanted.
    pub(super) fn answer(&self, answer: &Answer, body: bool) {
        let status = answer.status;
        let colour = if status < 300 { "32" } else { "33" };
        let counted = match answer.statuses.len() {
            1 => status.to_string(),
            _ => format!("{}; the last refusal:", counted(&answer.statuses)),
        };
        println!("{}", self.paint(colour, &counted));
        for name in HEADERS {
            if let Some(value) = answer.header(name) {
                println!("{}: {value}", self.paint("2", name));
            }
        }
        match (body, answer.json()) {
            (true, Ok(value)) => println!("{}", shortened(&value)),
            (true, Err(_)) if !answer.body.is_empty() => {
                println!("({} bytes that are not JSON)", answer.body.len());
            }
            _ => (),
        }
    }

    /// A remark.
    pub(super) fn note(&self, note: &str) {
        println!("{} {note}", self.paint("36", "->"));
    }

    /// Something that is not as it must be.
    pub(super) fn difference(&self, difference: &str) {
        println!("{} {difference}", self.paint("1;31", "DIFFERS:"));
    }

    /// Asks for something, on a line that stays open.
    pub(super) fn prompt(&self, text: &str) {
        print!("\n{} ", self.paint("2", &format!("({text})")));
        // A prompt that nobody sees is no reason to stop.
        let _ = stdout().flush();
    }

    /// What a person can do now.
    pub(super) fn farewell(&self, stage: &Stage, steps: &[Step], caller: &Caller<'_>) {
        println!(
            "\n{}",
            self.paint("1;36", "Everything stays up until Ctrl-C.")
        );
        println!("Try it from another terminal, in this directory:\n");
        for step in steps.iter().filter(|step| step.call.times == 1) {
            println!("# {}", step.title);
            println!("{}\n", caller.command_line(&step.call));
        }
        println!("# The audit records as they come");
        println!("tail -f {}\n", stage.shown("audit.log"));
        println!(
            "tokens: {0}/*.header; certificates: {1}; Envoy's configuration: {2}",
            stage.shown("tokens"),
            stage.shown("tls"),
            stage.shown("envoy.json")
        );
        println!("Envoy's admin interface: {}", stage.envoy.admin());
        if !caller.has_curl() {
            self.note("there is no curl here: the commands above were sent by the tour itself");
        }
    }

    /// Text in a colour, by its ANSI code.
    pub(super) fn paint(&self, code: &str, text: &str) -> String {
        match self.colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// `20 x 200, 40 x 429`.
fn counted(statuses: &[u16]) -> String {
    let mut counts = std::collections::BTreeMap::new();
    for status in statuses {
        *counts.entry(status).or_insert(0) += 1;
    }
    let counts = counts
        .iter()
        .map(|(status, count)| format!("{count} x {status}"));
    counts.collect::<Vec<_>>().join(", ")
}

/// JSON in at most [`LINES`] lines: opened as deep as that allows, what is deeper on one line.
fn shortened(value: &Value) -> String {
    let fits = |lines: &Vec<String>| lines.len() <= LINES;
    let deepest = (1..=8).rev().map(|depth| lines(value, depth)).find(fits);
    let mut lines = deepest.unwrap_or_else(|| lines(value, 1));
    if lines.len() > LINES {
        let more = lines.len() - (LINES - 1);
        lines.truncate(LINES - 1);
        lines.push(format!("... {more} more lines"));
    }
    lines.join("\n")
}

fn lines(value: &Value, depth: usize) -> Vec<String> {
    let mut out = Vec::new();
    open(value, depth, 0, String::new(), "", &mut out);
    out
}

fn open(
    value: &Value,
    depth: usize,
    indent: usize,
    start: String,
    end: &str,
    out: &mut Vec<String>,
) {
    let space = "  ".repeat(indent);
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) if depth > 0 => members
            .iter()
            .map(|(name, value)| (format!("{}: ", Value::from(name.as_str())), value))
            .collect(),
        Value::Array(items) if depth > 0 => {
            items.iter().map(|item| (String::new(), item)).collect()
        }
        _ => Vec::new(),
    };
    if members.is_empty() {
        let line = format!("{space}{start}{value}{end}");
        out.push(cut(&line));
        return;
    }
    let (left, right) = if value.is_array() {
        ('[', ']')
    } else {
        ('{', '}')
    };
    out.push(format!("{space}{start}{left}"));
    let last = members.len() - 1;
    for (index, (start, value)) in members.into_iter().enumerate() {
        let end = if index < last { "," } else { "" };
        open(value, depth - 1, indent + 1, start, end, out);
    }
    out.push(format!("{space}{right}{end}"));
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_opened_as_deep_as_it_fits() {
        let small = json!({"a": [1, {"b": {}}], "c": "x"});
        let expected =
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": {}\n    }\n  ],\n  \"c\": \"x\"\n}";
        assert_eq!(shortened(&small), expected);
        let wide: Vec<Value> = (0..8)
            .map(|number| json!({"n": [number, 1, 2, 3]}))
            .collect();
        let wide = shortened(&json!({ "entry": wide, "type": "searchset" }));
        assert!(wide.contains("    {\"n\":[7,1,2,3]}\n"), "{wide}");
        let long: Vec<usize> = (0..100).collect();
        let long = shortened(&json!(long));
        assert_eq!(long.lines().count(), LINES);
        assert!(long.ends_with("... 78 more lines"), "{long}");
        let text = shortened(&json!({ "text": "é".repeat(500) }));
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH + 4),
            "{text}"
        );
    }

    #[test]
    fn statuses_are_counted() {
        assert_eq!(counted(&[200, 200, 429, 200, 429]), "3 x 200, 2 x 429");
    }
}
