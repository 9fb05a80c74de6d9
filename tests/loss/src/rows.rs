//! Everything that the judge must find wrong, a row each: a judge that always says that all is well fails here.

use fhir_guard::audit::{Chain, ChainPolicy, Outcome, Record, Ticket};
use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::verify::{Extent, Judging, Verifier};

use crate::judge::{Facts, Verified, judge};
use crate::load::{Millis, Released};
use crate::sinks::Files;
use crate::{Format, Mode};

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_770_000_000;

/// When Envoy was killed.
const KILL: u64 = 30;

/// What is in the files, and what is known beside them. An exchange each second, whose request id is the second.
#[derive(Clone)]
struct Scene {
    mode: Mode,
    deadly: bool,
    kills: Vec<Millis>,
    released: Vec<Released>,
    nameless: u64,
    /// By their seconds.
    log: Vec<(u64, String)>,
    intents: Vec<(u64, String)>,
    copies: Vec<(u64, String)>,
    /// The verifier says what it would say of no files.
    blind: bool,
}

fn millis(second: u64) -> Millis {
    Millis::try_from((START + second) * 1000).expect("small")
}

fn exchange(second: u64, rule: &str) -> Record {
    Record {
        began: (START + second) * SECOND,
        request_id: format!("00000000-0000-0000-0000-{second:012x}"),
        outcome: Outcome::Allowed,
        rule: rule.to_owned(),
        ..Record::default()
    }
}

impl Scene {
    /// A worker that was killed, and another one after it, which has its end. The kill took the last second of the log,
    /// and of the repository the last two; and what was under way when it came.
    fn new(rule: &str) -> Scene {
        let mut scene = Scene {
            mode: Mode::Strict,
            deadly: true,
            kills: vec![millis(KILL)],
            released: Vec::new(),
            nameless: 0,
            log: Vec::new(),
            intents: Vec::new(),
            copies: Vec::new(),
            blind: false,
        };
        let policy = || ChainPolicy {
            signer: None,
            records: 1000,
            time: 3600 * SECOND,
        };
        for (id, seconds) in [(1, 1..=KILL), (2, KILL + 5..=KILL + 30)] {
            let mut chain = Chain::new(policy(), [id; 16]);
            for second in seconds {
                let record = exchange(second, rule);
                let ticket = chain.ticket();
                let line = record.line_of(Outcome::Announced, 0, record.began);
                let intent = chain.place(ticket).intent(line);
                scene.intents.push((second, intent));
                if second == KILL {
                    continue;
                }
                let now = record.began + SECOND / 2;
                let sealed =
                    chain.seal(record.line(now), Some(Ticket::Announced(ticket)), None, now);
                let line = chain.commit(sealed);
                scene.log.push((second, line.clone()));
                scene.copies.push((second, line));
                scene.released.push(Released {
                    id: u128::from(second),
                    at: millis(second) + 600,
                });
            }
            if id == 2 {
                let now = (START + KILL + 31) * SECOND;
                let (end, _) = chain.end(now).expect("an end");
                scene.log.push((KILL + 31, end));
            }
        }
        scene.log.retain(|(second, _)| *second != KILL - 1);
        scene
            .copies
            .retain(|(second, _)| ![KILL - 1, KILL - 2].contains(second));
        scene
    }

    /// Nothing died, and nothing is missing.
    fn alive() -> Scene {
        let mut scene = Scene::new("scope");
        scene.deadly = false;
        scene.kills.clear();
        scene.log.retain(|(second, _)| *second > KILL);
        for own in [&mut scene.intents, &mut scene.copies] {
            own.retain(|(second, _)| *second > KILL);
        }
        scene.released.retain(|own| own.id > u128::from(KILL));
        scene
    }

    fn forget(&mut self, seconds: std::ops::RangeInclusive<u64>, log: bool, copies: bool) {
        if log {
            self.log.retain(|(second, _)| !seconds.contains(second));
        }
        if copies {
            self.copies.retain(|(second, _)| !seconds.contains(second));
        }
    }

    /// What the judge finds wrong, in a line.
    fn judged(&self, format: Format) -> String {
        let here = tempfile::tempdir().expect("a directory");
        let write = |name: &str, lines: &[&Vec<(u64, String)>]| {
            let path = here.path().join(name);
            let all = lines.iter().flat_map(|own| own.iter());
            let text: String = all.map(|(_, line)| format!("{line}\n")).collect();
            std::fs::write(&path, text).expect("a file");
            path
        };
        let files = Files {
            access: vec![write("access.log", &[&self.log])],
            own: here.path().join("envoy.log"),
            repository: write("repository", &[&self.intents, &self.copies]),
            format,
        };
        let sinks = files.read().expect("they are read");
        let facts = Facts {
            mode: self.mode,
            deadly: self.deadly,
            kills: &self.kills,
            released: &self.released,
            nameless: self.nameless,
        };
        let nothing = || {
            Verifier::new(
                Judging {
                    signed: false,
                    extent: Extent::Log,
                },
                vec![],
            )
            .finish()
        };
        let verified = match self.blind {
            true => Verified {
                whole: nothing(),
                announced: nothing(),
            },
            false => Verified::of(&files, &Keys::default()).expect("they are read"),
        };
        judge(&facts, &sinks, &verified, format).broken.join("; ")
    }

    /// The same, with AuditEvents in the repository: a transaction for each line.
    fn with_events(&self) -> Scene {
        let event = |line: &str, is_over: bool| {
            let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let chain = &record["chain"];
            let ticket = chain["intent"].to_string();
            let mut event = serde_json::json!({
                "resourceType": "AuditEvent",
                "period": {"start": record["time"]},
                "entity": [
                    {"name": "exchange", "detail": [
                        {"type": "chain", "valueString": chain["id"]},
                        {"type": "ticket", "valueString": ticket},
                    ]},
                    {
                        "type": {"code": "XrequestId"},
                        "what": {"identifier": {"value": record["request_id"]}},
                    },
                ],
            });
            match is_over {
                true => event["outcome"] = "0".into(),
                false => event["outcomeDesc"] = "announced".into(),
            }
            serde_json::json!({"resourceType": "Bundle", "entry": [{"resource": event}]})
                .to_string()
        };
        let all = |own: &[(u64, String)], is_over| {
            let own = own.iter();
            own.map(|(second, line)| (*second, event(line, is_over)))
                .collect()
        };
        Scene {
            intents: all(&self.intents, false),
            copies: all(&self.copies, true),
            ..self.clone()
        }
    }
}

type Edit = fn(&mut Scene);

#[test]
fn the_judge_says_what_is_broken() {
    let rows: [(&str, Edit, &str); 20] = [
        ("an honest run", |_| {}, ""),
        (
            "relaxed",
            |own| {
                own.mode = Mode::Relaxed;
                own.intents.clear();
            },
            "",
        ),
        (
            "an intent that nobody had",
            |own| own.intents.retain(|(second, _)| *second != 10),
            "no intent",
        ),
        (
            "of what is nowhere else",
            |own| {
                own.intents.retain(|(second, _)| *second != KILL - 1);
            },
            "1 released answers of which the repository has no intent",
        ),
        (
            "a verifier that sees nothing",
            |own| own.blind = true,
            "of which the verifier does not tell",
        ),
        (
            "the log lacks what was there long before the kill",
            |own| own.forget(10..=10, true, false),
            "records of the repository are not in the log",
        ),
        (
            "and the repository, too",
            |own| own.forget(10..=10, true, true),
            "gap:",
        ),
        (
            "of a chain that nobody killed",
            |own| own.forget(40..=40, true, true),
            "gap:",
        ),
        (
            "shortly before the kill, and the log has more",
            |own| own.forget(22..=22, true, true),
            "gap:",
        ),
        (
            "what the log has last",
            |own| own.forget(27..=28, true, true),
            "",
        ),
        (
            "the repository has it",
            |own| own.forget(27..=28, true, false),
            "",
        ),
        (
            "and there was no kill, but traps",
            |own| own.kills.clear(),
            "1 lines of the log are lost",
        ),
        (
            "a kill long after",
            |own| own.kills = vec![millis(KILL + 100)],
            "1 lines of the log are lost",
        ),
        (
            "a kill before",
            |own| own.kills = vec![millis(5)],
            "1 lines of the log are lost",
        ),
        (
            "a record was changed",
            |own| {
                own.log[10].1 = own.log[10].1.replacen("\"passed\":0", "\"passed\":1", 1);
            },
            "findings of the verifier that no kill explains",
        ),
        (
            "a worker went on and left an intent open",
            |own| {
                let text = own.intents[9]
                    .1
                    .replacen("\"intent\":10}", "\"intent\":99}", 1);
                own.intents.push((10, text));
            },
            "1 intents stand open of workers that went on",
        ),
        (
            "it had ended soon",
            |own| {
                let text = own.intents[20]
                    .1
                    .replacen("\"intent\":21}", "\"intent\":99}", 1);
                own.intents.push((21, text));
            },
            "",
        ),
        (
            "answers without an id",
            |own| own.nameless = 2,
            "2 answers have no id",
        ),
        (
            "no answer at all",
            |own| own.released.clear(),
            "run without an answer",
        ),
        (
            "an answer that no sink has",
            |own| {
                own.released.push(Released {
                    id: 999,
                    at: millis(10),
                });
            },
            "1 lines of the log are lost",
        ),
    ];
    for (name, edit, expected) in rows {
        let mut scene = Scene::new("scope");
        edit(&mut scene);
        check(name, &scene.judged(Format::Records), expected);
    }
}

/// Nothing, or this among others.
fn check(name: &str, found: &str, expected: &str) {
    match expected {
        "" => assert_eq!(found, "", "{name}"),
        _ => assert!(found.contains(expected), "{name}: {found:?}"),
    }
}

#[test]
fn a_kill_takes_no_more_than_envoy_keeps() {
    // The last two seconds that a kill may have taken, by the size of a record.
    for (bytes, expected) in [(60_000, ""), (70_000, "more than Envoy keeps")] {
        for copies in [true, false] {
            let mut scene = Scene::new(&"x".repeat(bytes));
            scene.forget(KILL - 2..=KILL - 2, true, copies);
            check(
                &format!("{bytes}, {copies}"),
                &scene.judged(Format::Records),
                expected,
            );
        }
    }
}

#[test]
fn where_nothing_dies_everything_is_there() {
    let rows: [(&str, Edit, &str); 4] = [
        ("all of it", |_| {}, ""),
        (
            "a record is not in the repository",
            |own| own.forget(40..=40, false, true),
            "no record, and nothing has died",
        ),
        (
            "nor in the log",
            |own| own.forget(40..=40, true, false),
            "records of the repository are not in the log",
        ),
        (
            "an intent stands open",
            |own| {
                let text = own.intents[20]
                    .1
                    .replacen("\"intent\":21}", "\"intent\":99}", 1);
                own.intents.push((55, text));
            },
            "stand open of workers that went on",
        ),
    ];
    for (name, edit, expected) in rows {
        for mode in [Mode::Strict, Mode::Relaxed] {
            let mut scene = Scene::alive();
            scene.mode = mode;
            edit(&mut scene);
            check(name, &scene.judged(Format::Records), expected);
        }
    }
}

#[test]
fn events_are_judged_by_their_tickets() {
    let rows: [(&str, Edit, &str); 6] = [
        ("an honest run", |_| {}, ""),
        (
            "an intent that nobody had",
            |own| own.intents.retain(|(second, _)| *second != 10),
            "no intent",
        ),
        (
            "a verifier that sees nothing",
            |own| own.blind = true,
            "of which the verifier does not tell",
        ),
        (
            "what the log had last, and events tell",
            |own| own.forget(28..=28, true, false),
            "",
        ),
        (
            "what the log does not have",
            |own| own.forget(10..=10, true, false),
            "1 lines of the log are lost",
        ),
        (
            "an intent stands open",
            |own| {
                let text = own.intents[9]
                    .1
                    .replacen("\"intent\":10}", "\"intent\":99}", 1);
                own.intents.push((10, text));
            },
            "1 intents stand open of workers that went on",
        ),
    ];
    for (name, edit, expected) in rows {
        let mut scene = Scene::new("scope");
        edit(&mut scene);
        check(name, &scene.with_events().judged(Format::Events), expected);
    }
}
