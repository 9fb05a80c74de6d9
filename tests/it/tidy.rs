//! What the compiler and its lints cannot see: the map is true, the rooms form one direction, and
//! the source stays readable.

use std::fs;
use std::path::{Path, PathBuf};

/// The longest file, in lines.
const LONGEST: usize = 450;

/// Files that nobody reads from top to bottom: `make tables` writes them, and they say so.
const GENERATED: (&str, &str) = ("src/fhir/tables/", "Made by `make tables`");

/// The one step against the direction: the entry of the module is an unsafe attribute, which only
/// `host` may have, and what it starts is `filter`.
const ENTRY: (&str, &str) = ("host", "crate::filter::register();");

pub struct Source {
    /// From the root of the repository, with slashes.
    pub path: String,
    pub text: String,
}

impl Source {
    /// The lines that are not comments, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.text.lines().enumerate();
        numbered
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The room this file belongs to; `None` for the map itself.
    fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let room = inside.split('/').next()?.trim_end_matches(".rs");
        (room != "lib").then_some(room)
    }
}

#[test]
fn the_map_names_every_room_and_no_other() {
    let mapped = map();
    let mut rooms: Vec<String> = sources("src")
        .iter()
        .filter_map(|source| source.room().map(str::to_owned))
        .collect();
    rooms.dedup();
    let mut sorted = mapped.clone();
    sorted.sort();
    assert_eq!(sorted, rooms, "the table in src/lib.rs against src/");
    let declared: Vec<String> = read("src/lib.rs")
        .lines()
        .filter_map(|line| {
            let line = line.strip_prefix("pub ").unwrap_or(line);
            line.strip_prefix("mod ")?
                .strip_suffix(';')
                .map(str::to_owned)
        })
        .collect();
    for room in &mapped {
        assert!(
            declared.contains(room),
            "src/lib.rs does not declare {room}"
        );
    }
    assert_eq!(declared.len(), mapped.len(), "{declared:?}");
}

#[test]
fn a_room_knows_only_the_rooms_before_it() {
    let map = map();
    let place = |room: &str| map.iter().position(|known| known == room);
    let mut seen = 0;
    let mut wrong = Vec::new();
    for source in sources("src") {
        let Some(own) = source.room() else { continue };
        for (number, line) in source.code() {
            for (at, _) in line.match_indices("crate::") {
                let rest = line.split_at(at + "crate::".len()).1;
                let other: String = rest.chars().take_while(|c| is_word(*c)).collect();
                let here = format!("{}:{number}: {}", source.path, line.trim());
                // `use crate::{a, b}` names no room here: one `use` a room, so that each is seen.
                let other_place = place(&other).unwrap_or_else(|| panic!("no room: {here}"));
                let entry = own == ENTRY.0 && line.trim() == ENTRY.1;
                seen += 1;
                if other != own && Some(other_place) > place(own) && !entry {
                    wrong.push(here);
                }
            }
            let supers = line.matches("super::").count();
            if supers > depth(&source.path) + usize::from(line.starts_with(' ')) {
                wrong.push(format!("{}:{number}: leaves the room", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "against the map:\n{}", wrong.join("\n"));
    assert!(
        seen > 50,
        "only {seen} paths were found: this test is blind"
    );
}

#[test]
fn only_the_shell_touches_the_host() {
    for (word, files) in [
        (
            "proxy_wasm",
            &["src/filter/mod.rs", "src/filter/stream.rs", "src/host.rs"][..],
        ),
        ("unsafe", &["src/host.rs", "src/host/statistics.rs"][..]),
    ] {
        let outside = lines_with(&sources("src"), |path, line| {
            !files.contains(&path) && words(line).any(|found| found == word)
        });
        assert!(outside.is_empty(), "{word}:\n{}", outside.join("\n"));
    }
    // Both words are somewhere: a search that finds nothing anywhere would prove nothing.
    for (word, file) in [
        ("proxy_wasm", "src/filter/mod.rs"),
        ("unsafe", "src/host.rs"),
    ] {
        assert!(read(file).contains(word), "{word} in {file}");
    }
}

#[test]
fn the_core_has_no_clock_and_no_voice() {
    const FORBIDDEN: [&str; 8] = [
        "SystemTime::now",
        "Instant::now",
        "println!",
        "eprintln!",
        "print!(",
        "eprint!(",
        "dbg!",
        "thread_rng",
    ];
    // A test may say what it skipped.
    let is_test = |path: &str| path.contains("/tests/") || path.ends_with("/tests.rs");
    let found = lines_with(&sources("src"), |path, line| {
        !is_test(path) && FORBIDDEN.iter().any(|word| line.contains(word))
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
    let logs = lines_with(&sources("src"), |path, line| {
        let shell = path.starts_with("src/filter/") || path == "src/host.rs";
        !shell && words(line).any(|word| word == "log") && line.contains("log::")
    });
    assert!(logs.is_empty(), "only the shell logs:\n{}", logs.join("\n"));
}

#[test]
fn no_file_is_longer_than_a_sitting() {
    let mut all = sources("src");
    all.extend(sources("tests"));
    all.extend(sources("fuzz/src"));
    all.extend(sources("benches"));
    all.extend(sources("tools"));
    assert!(all.len() > 60, "only {} files were found", all.len());
    let mut long = Vec::new();
    for source in &all {
        let lines = source.text.lines().count();
        let (folder, mark) = GENERATED;
        let generated = source.path.starts_with(folder) && source.text.contains(mark);
        if lines > LONGEST && !generated {
            long.push(format!(
                "{}: {lines} lines of at most {LONGEST}",
                source.path
            ));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_key_of_the_configuration_is_documented() {
    let keys: Vec<String> = table(&read("src/config/mod.rs"), "| key | value | default |");
    assert!(keys.len() > 30, "only {} keys were found", keys.len());
    let documentation = read("docs/configuration.md");
    let missing: Vec<_> = keys
        .iter()
        .filter(|key| !is_documented(&documentation, key))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/configuration.md lacks {missing:?}"
    );
}

/// A room that is renamed would drop out in silence.
#[test]
fn what_runs_in_containers_is_there() {
    let makefile = read("Makefile");
    let named = makefile
        .lines()
        .find_map(|line| line.strip_prefix("OF_CONTAINERS := "))
        .expect("the Makefile names rooms of scenarios");
    for room in named.split(' ') {
        let text = read(&format!("tests/envoy/{}.rs", room.replace("::", "/")));
        assert!(text.contains("#[tokio::test"), "{room} has no scenario");
    }
}

// --- impl details ---

/// The rooms in the order of the table in `src/lib.rs`.
fn map() -> Vec<String> {
    let rooms = table(&read("src/lib.rs"), "| room | its one duty |");
    assert!(rooms.len() > 10, "the table in src/lib.rs was not found");
    rooms
}

/// The first column of the table with this head in the documentation of a file, without marks.
fn table(text: &str, head: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("//! "));
    lines
        .skip_while(|line| *line != head)
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| {
            let cell = line.split('|').nth(1)?.trim();
            let cell = cell.trim_start_matches('[').trim_end_matches(']');
            Some(cell.trim_matches('`').to_owned())
        })
        .collect()
}

/// Whether the section of a key's first part has a row for the rest of it.
fn is_documented(documentation: &str, key: &str) -> bool {
    let (section, rest) = key.split_once('.').unwrap_or((key, ""));
    let heading = format!("## `{}`", section.trim_end_matches("[]"));
    let mut lines = documentation.lines().skip_while(|line| *line != heading);
    if lines.next().is_none() || rest.is_empty() {
        return documentation.lines().any(|line| line == heading);
    }
    let row = format!("| `{}` |", rest.trim_end_matches(".*"));
    lines
        .take_while(|line| !line.starts_with("## "))
        .any(|line| line.starts_with(&row))
}

/// How many modules deep a file lies below its room.
fn depth(path: &str) -> usize {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    let inside = inside.strip_suffix("/mod").unwrap_or(inside);
    inside.matches('/').count()
}

fn lines_with(sources: &[Source], wanted: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for (number, line) in source.code() {
            if wanted(&source.path, line) {
                found.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    found
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character| !is_word(character))
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// Every Rust file below a folder, by path.
pub fn sources(folder: &str) -> Vec<Source> {
    let mut folders = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(root()).expect("below the root");
                found.push(Source {
                    path: relative.to_string_lossy().replace('\\', "/"),
                    text: fs::read_to_string(&path).expect("UTF-8"),
                });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|fault| panic!("{path}: {fault}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
