//! Audit events beside an access log.

use fhir_guard::audit::{Format, Outcome, Record, Ticket};
use fhir_guard_companion::audit;
use fhir_guard_companion::disclosures::{Untold, Wanted, who_saw};
use fhir_guard_companion::keys::Keys;
use fhir_guard_companion::line::{self, Fact};
use fhir_guard_companion::verify::Extent;
use serde_json::{Value, json};

use crate::audit::told;
use crate::simulated::{Random, Strict, events, jwks, logs};
use crate::strict::{Log, judged, log, printed};

const SECOND: u64 = 1_000_000_000;

/// The events of an exchange that began then, a line each.
pub fn of(log: &Log, at: u64, ticket: u64, outcome: Outcome) -> Vec<String> {
    let record = Record {
        place: Some(log.chain.place(ticket)),
        ..Log::exchange(at)
    };
    let found = events(&record, outcome, 200, record.began + SECOND);
    assert_eq!(found.len(), 2, "one for each patient");
    found
}

#[test]
fn an_event_is_of_one_form() {
    let own = log(999);
    let intent: Value = serde_json::from_str(&of(&own, 1, 7, Outcome::Announced)[0]).expect("JSON");
    let over: Value = serde_json::from_str(&of(&own, 1, 7, Outcome::Allowed)[0]).expect("JSON");
    let place = |event: &Value| {
        let entities = event["entity"].as_array().expect("entities");
        let own = |entity: &&Value| entity["name"] == "exchange";
        let at = entities.iter().position(|entity| own(&entity));
        at.expect("ours")
    };
    let details = |edit: &dyn Fn(&mut Vec<Value>)| {
        let (mut event, at) = (intent.clone(), place(&intent));
        edit(
            event["entity"][at]["detail"]
                .as_array_mut()
                .expect("details"),
        );
        event.to_string()
    };
    let with = |event: &Value, name: &str, value: Value| {
        let mut event = event.clone();
        event[name] = value;
        event.to_string()
    };
    let detail = |name: &str, value: Value| {
        details(&|all| {
            let own = all.iter_mut().find(|own| own["type"] == name);
            own.expect("it is there")["valueString"] = value.clone();
        })
    };
    let without = |name: &str| details(&|all| all.retain(|own| own["type"] != name));
    let twice = |name: &str| {
        details(&|all| {
            let own = all.iter().find(|own| own["type"] == name).cloned();
            all.extend(own);
        })
    };
    let text = intent.to_string();
    let record = &own.records[0];
    for (name, line, expected) in [
        ("an intent", text.clone(), "intent"),
        ("what became of it", over.to_string(), "over"),
        (
            "of a server's",
            with(
                &intent,
                "meta",
                json!({"versionId": "1", "lastUpdated": "x"}),
            ),
            "intent",
        ),
        (
            "with a narrative",
            with(&over, "text", json!({"div": "<div>\"AuditEvent\"</div>"})),
            "over",
        ),
        (
            "with white space",
            format!("  {} \r", text.replace(',', " , ")),
            "intent",
        ),
        ("a failure", with(&over, "outcome", json!("12")), "over"),
        (
            "no time",
            with(&intent, "period", json!({})),
            "intent without a time",
        ),
        (
            "no such time",
            with(&intent, "period", json!({"start": "today"})),
            "intent without a time",
        ),
        (
            "another outcome",
            with(&over, "outcome", json!("1")),
            "malformed",
        ),
        (
            "a number for it",
            with(&over, "outcome", json!(0)),
            "malformed",
        ),
        (
            "no outcome, and not announced",
            with(&intent, "outcomeDesc", json!("scope")),
            "malformed",
        ),
        ("no chain", without("chain"), "other"),
        ("no ticket", without("ticket"), "malformed"),
        ("two chains", twice("chain"), "malformed"),
        ("two tickets", twice("ticket"), "malformed"),
        ("zeros in front", detail("ticket", json!("07")), "malformed"),
        ("a number", detail("ticket", json!(7)), "malformed"),
        ("more behind it", detail("ticket", json!("7 ")), "malformed"),
        (
            "capitals",
            detail("chain", json!("07".repeat(15) + "0A")),
            "malformed",
        ),
        (
            "a longer chain",
            detail("chain", json!("07".repeat(17))),
            "malformed",
        ),
        (
            "another entity's",
            text.replace("\"exchange\"", "\"else\""),
            "other",
        ),
        (
            "another resource",
            with(&intent, "resourceType", json!("Provenance")),
            "other",
        ),
        (
            "a key twice",
            text.replacen('{', "{\"id\":\"x\",", 1),
            "malformed",
        ),
        (
            "cut short",
            text.trim_end_matches('}').to_owned(),
            "malformed",
        ),
        (
            "a Bundle",
            json!({"resourceType": "Bundle", "entry": [{"resource": intent}]}).to_string(),
            "malformed",
        ),
        (
            "a log in JSON",
            json!({"agent": "AuditEvent", "record": record}).to_string(),
            "record",
        ),
        (
            "a text before a record",
            format!("{{\"resourceType\":\"AuditEvent\", {record}"),
            "record",
        ),
        (
            "an event before a record",
            format!("{text} {record}"),
            "record",
        ),
        (
            "a caller's event",
            json!({"agent": text, "record": record}).to_string(),
            "record",
        ),
        (
            "a caller's event alone",
            json!({"agent": text}).to_string(),
            "other",
        ),
    ] {
        let fact = line::read(line.as_bytes(), &Keys::default());
        let found = match &fact {
            Fact::Event {
                id,
                ticket: 7,
                time,
                is_over,
            } if *id == [7; 16] => match (is_over, time) {
                (true, _) => "over",
                (false, Some(_)) => "intent",
                (false, None) => "intent without a time",
            },
            Fact::Malformed(_) => "malformed",
            Fact::Other => "other",
            Fact::Sealed(_) => "record",
            _ => "something else",
        };
        assert_eq!(found, expected, "{name}: {fact:?} of {line}");
    }
}

#[test]
fn a_time_of_a_server_is_that_of_the_record() {
    let own = log(999);
    let event: Value = serde_json::from_str(&of(&own, 1, 7, Outcome::Announced)[0]).expect("JSON");
    for (text, expected) in [
        ("2026-01-31T23:30:00.123Z", Some("2026-01-31T23:30:00.123Z")),
        ("2026-01-31T23:30:00Z", Some("2026-01-31T23:30:00.000Z")),
        (
            "2026-02-01T01:30:00.123456+02:00",
            Some("2026-01-31T23:30:00.123Z"),
        ),
        ("9999-12-31T23:59:59-01:00", None),
        ("2026-01-31", None),
        ("", None),
    ] {
        let mut event = event.clone();
        event["period"]["start"] = json!(text);
        let Fact::Event { time, .. } = line::read(event.to_string().as_bytes(), &Keys::default())
        else {
            panic!("{event}");
        };
        let found = time.map(|time| String::from_utf8(time.to_vec()).expect("text"));
        assert_eq!(found.as_deref(), expected, "{text}");
    }
}

#[test]
fn events_pair_with_records() {
    let own = log(3);
    let r = &own.records[..];
    let intents: Vec<String> = [(1, 1), (2, 2), (3, 3)]
        .iter()
        .flat_map(|(at, ticket)| of(&own, *at, *ticket, Outcome::Announced))
        .collect();
    let i = &intents[..];
    let [first, last] = [1, 3].map(|own_at| of(&own, own_at, own_at, Outcome::Allowed));
    let early = [own.early(3, 3)];
    let mut ended = log(3);
    let (end, _) = ended
        .chain
        .end(1_770_000_000 * SECOND + 1001 * SECOND)
        .expect("an end");
    let ended = [r, &[end]].concat();
    let fresh: Vec<String> = of(&own, 999, 3, Outcome::Announced);
    // What a part of a log tells is no finding; the numbers are those of unsigned and by_events.
    for (name, files, extent, expected, counts) in [
        ("intents", vec![r, &i[..4]], Extent::Log, "", [2, 0]),
        (
            "each twice",
            vec![r, &i[..4], &i[..4]],
            Extent::Log,
            "",
            [2, 0],
        ),
        ("one of two", vec![r, &i[1..4]], Extent::Log, "", [2, 0]),
        (
            "an intent is gone",
            vec![r, &i[2..4]],
            Extent::Log,
            "unannounced",
            [1, 0],
        ),
        (
            "all are gone but what became of it",
            vec![r, &first],
            Extent::Log,
            "unannounced",
            [0, 0],
        ),
        ("all are gone", vec![r], Extent::Log, "", [0, 0]),
        (
            "nothing became of it",
            vec![r, i],
            Extent::Log,
            "unfinished",
            [2, 0],
        ),
        (
            "it may be under way",
            vec![r, &i[..4], &fresh],
            Extent::Log,
            "",
            [2, 0],
        ),
        (
            "an event alone tells",
            vec![r, i, &last],
            Extent::Log,
            "",
            [3, 1],
        ),
        (
            "it comes before the intent",
            vec![r, &last, i],
            Extent::Log,
            "",
            [3, 1],
        ),
        (
            "an event beside a record",
            vec![r, &i[..4], &first],
            Extent::Log,
            "",
            [2, 0],
        ),
        (
            "of an early copy",
            vec![r, i, &early, &last],
            Extent::Log,
            "",
            [3, 1],
        ),
        (
            "an early copy alone",
            vec![r, i, &early],
            Extent::Log,
            "unfinished",
            [2, 0],
        ),
        (
            "the chain has ended",
            vec![&ended, i, &last],
            Extent::Log,
            "lost",
            [3, 1],
        ),
        (
            "events alone",
            vec![i, &first, &last],
            Extent::Log,
            "",
            [2, 2],
        ),
        ("a part", vec![r, &i[2..]], Extent::Part, "", [1, 0]),
    ] {
        let (report, found) = judged(&files, &Keys::default(), extent);
        assert_eq!(found, expected, "{name}: {}", told(&report));
        let [chain] = &report.chains[..] else {
            panic!("{name}: one chain");
        };
        assert_eq!([chain.unsigned, chain.by_events], counts, "{name}");
        assert_eq!(report.copied, 0, "{name}");
        let (text, words) = (
            printed(&report),
            format!("{} of them events alone", counts[1]),
        );
        assert_eq!(text.contains(&words), counts[0] > 0, "{name}: {text}");
        let document = text.lines().last().expect("a line");
        let document: Value = serde_json::from_str(document).expect("JSON");
        for own in [&document, &document["chains"][0]] {
            assert_eq!([&own["unsigned"], &own["by_events"]], counts, "{name}");
            assert_eq!(own["absent"], chain.absent, "{name}");
        }
        let told = report.records + report.early + report.events + report.others;
        assert_eq!(told, report.lines, "{name}");
    }
}

/// Some chains are strict with this repository, some with another, some not at all.
fn strict(format: Format) -> impl Fn(usize) -> Strict {
    move |number| match number % 3 {
        0 => Strict::No,
        1 => Strict::Elsewhere,
        _ => Strict::Here(format),
    }
}

#[test]
fn honest_logs_of_several_configurations_raise_no_alarm() {
    let (mut absent, mut unsigned, mut by_events) = (0, 0, 0);
    // Every kind of log is there; each verification costs a reading of all events by the product's own code, slow here.
    for (seed, signed, format) in [
        (1, false, Format::Records),
        (2, true, Format::Records),
        (3, false, Format::Events),
        (4, true, Format::Events),
    ] {
        let mut random = Random(4000 + seed);
        let (lines, repository) = logs(1200, 50, signed, &strict(format), &mut random);
        let mut keys = Keys::default();
        if signed {
            keys.add(&jwks(), None).expect("a key");
        }
        let lines: Vec<String> = lines.into_iter().map(|line| line.text).collect();
        let told_of: Vec<String> = repository.iter().map(|(text, ..)| text.clone()).collect();
        let (report, found) = judged(&[&lines, &told_of], &keys, Extent::Log);
        assert_eq!(found, "", "seed {seed}: {}", told(&report));
        absent += report.sum(|chain| chain.absent);
        by_events += report.sum(|chain| chain.by_events);
        if signed {
            unsigned += report.sum(|chain| chain.unsigned);
        }
        // Taken out one by one, each is missed.
        for _ in 0..5 {
            let (_, chain, ticket) = repository[random.below(repository.len())];
            let is_it = |own: &&(String, usize, u64)| own.1 == chain && own.2 == ticket;
            let announced = |text: &str| text.contains("\"announced\"");
            let rest = repository
                .iter()
                .filter(|own| !is_it(own) || !announced(&own.0));
            let rest: Vec<String> = rest.map(|(text, ..)| text.clone()).collect();
            let own = format!("\"intent\":{ticket},\"prev\"");
            let id = repository.iter().find(is_it).map(|(text, ..)| text);
            let id = id.expect("it was there");
            let is_recorded = lines.iter().any(|line| {
                let at = line.find("\"chain\":{\"v\":1,\"id\":\"").map(|at| at + 21);
                let chain = at.and_then(|at| line.get(at..at + 32)).expect("a chain");
                line.contains(&own) && id.contains(chain)
            });
            let (report, found) = judged(&[&lines, &rest], &keys, Extent::Log);
            let expected = if is_recorded { "unannounced" } else { "" };
            assert_eq!(found, expected, "seed {seed}: {ticket}: {}", told(&report));
        }
    }
    assert!(absent > 500 && unsigned > 2, "{absent}, {unsigned}");
    assert_eq!(by_events, 0, "nobody lost a record");
}

#[test]
fn who_saw_reads_records_only() {
    let here = std::env::temp_dir().join(format!("fhir-guard-seen-{}", std::process::id()));
    std::fs::create_dir_all(&here).expect("a directory");
    let mut own = log(999);
    let ticket = own.announce(1001);
    own.keep(1001, Some(Ticket::Announced(ticket)));
    let mut events = of(&own, 1001, ticket, Outcome::Announced);
    events.extend(of(&own, 1001, ticket, Outcome::Allowed));
    events.push(
        json!({"resourceType": "AuditEvent", "refs": ["Patient/1001"], "patients_more": 3})
            .to_string(),
    );
    let paths = ["a", "b"].map(|name| here.join(name).display().to_string());
    std::fs::write(&paths[0], own.records.join("\n")).expect("a file");
    std::fs::write(&paths[1], events.join("\n")).expect("a file");
    let report = audit::verify(&paths, &Keys::default(), Extent::Log, 1).expect("it is read");
    let wanted = Wanted::new("Patient/1001", &[], None, None).expect("good");
    let mut found = 0;
    let unnamed = who_saw(&paths, &report, &wanted, 1, &mut |_| found += 1);
    assert_eq!((found, unnamed), (1, Ok(Untold::default())));
    let _ = std::fs::remove_dir_all(&here);
}
