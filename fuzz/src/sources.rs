//! The texts that stand in the product's own tests: every table is full of what to begin with.

use std::collections::BTreeSet;
use std::path::Path;

/// The string literals of the Rust sources at these paths (files or folders), each once. `{{` and
/// `}}` of format strings are brought to one as well.
pub fn literals(paths: &[&str]) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = BTreeSet::new();
    for path in paths {
        collect(&root.join(path), &mut found);
    }
    assert!(!found.is_empty(), "no literals in {paths:?}");
    found
}

fn collect(path: &Path, found: &mut BTreeSet<String>) {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("a folder");
        for entry in entries {
            collect(&entry.expect("an entry").path(), found);
        }
    } else {
        let text = std::fs::read_to_string(path);
        let text = text.unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        for literal in of(&text) {
            let single = literal.replace("{{", "{").replace("}}", "}");
            found.insert(single);
            found.insert(literal);
        }
    }
}

/// The literals of one source.
fn of(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let before = &rest[..at];
        let tail = &rest[at..];
        if tail.starts_with("//") {
            rest = tail.split_once('\n').map_or("", |(_, after)| after);
        } else if tail.starts_with("'\"'") || tail.starts_with("'\\''") {
            rest = &tail[tail.len().min(if tail.starts_with("'\\") { 4 } else { 3 })..];
        } else if let Some(inside) = tail.strip_prefix('"') {
            let hashes = before.len() - before.trim_end_matches('#').len();
            let raw = before.trim_end_matches('#').ends_with('r');
            let (text, after) = match raw {
                true => raw_literal(inside, hashes),
                false => literal(inside),
            };
            found.push(text);
            rest = after;
        } else {
            rest = &tail[1..];
        }
    }
    found
}

fn raw_literal(text: &str, hashes: usize) -> (String, &str) {
    let end = format!("\"{}", "#".repeat(hashes));
    let (text, rest) = text.split_once(&end).unwrap_or((text, ""));
    (text.to_owned(), rest)
}

fn literal(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '"' => break,
            '\\' => match rest.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some('0') => out.push('\0'),
                Some('x') => out.extend(hexadecimal(rest.by_ref().take(2).collect())),
                Some('u') => {
                    let digits = rest.by_ref().skip(1).take_while(|digit| *digit != '}');
                    out.extend(hexadecimal(digits.collect()));
                }
                // A line that goes on: the white space is no part of the text.
                Some('\n') => {
                    let text = rest.as_str();
                    rest = text.trim_start().chars();
                }
                Some(other) => out.push(other),
                None => break,
            },
            other => out.push(other),
        }
    }
    (out, rest.as_str())
}

fn hexadecimal(digits: String) -> Option<char> {
    u32::from_str_radix(&digits, 16)
        .ok()
        .and_then(char::from_u32)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn literals_are_found_and_read() {
        let source = r###"// "no" literal
            let a = "one \" \\ \x41 \u{e9} \
                two"; let b = 'x'; let c = '"'; let d = r#"three "four""#; let e = b"five"; let f = r"\six";"###;
        let expected = ["one \" \\ A é two", "three \"four\"", "five", "\\six"];
        assert_eq!(of(source), expected);
    }
}
