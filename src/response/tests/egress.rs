//! Guardrails: how much leaves in one answer.

use super::*;
use crate::response::egress::CUT;

const SELF: &str = r#"{"relation":"self","url":"https://fhir.example.org/r4/Observation?code=1"}"#;

/// What of an answer is bounded, and where.
type Bounds = (Option<u32>, Option<usize>, Option<usize>);

const RECORDS: fn(u32) -> Bounds = |most| (Some(most), None, None);
const BYTES: fn(usize) -> Bounds = |most| (None, Some(most), None);
const PATIENTS: fn(usize) -> Bounds = |most| (None, None, Some(most));

fn guarded(mut cover: Cover, types: &[&str], bounds: Bounds, over: Over) -> Cover {
    let (records, bytes, patients) = bounds;
    cover.egress.push(Rc::new(Egress {
        name: format!("rule-{}", cover.egress.len()).into(),
        types: (!types.is_empty()).then(|| types.iter().map(|name| kind(name)).collect()),
        records,
        bytes,
        patients,
        over,
    }));
    cover
}

/// An entry of a search: its resource takes as many bytes as it has, and 71 more.
fn entry(id: &str, rest: &str) -> String {
    format!(r#"{{"resource":{{"resourceType":"Observation","id":"{id}"{rest}}}}}"#)
}

fn about(id: &str, reference: &str) -> String {
    entry(id, &format!(r#","subject":{reference}"#))
}

fn searchset(entries: &[String], behind: &str) -> String {
    let entries = entries.join(",");
    format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{entries}]{behind}}}"#)
}

fn searched() -> Cover {
    let mut cover = bundle(BundleKind::Searchset, "Observation", None);
    cover.others = vec![(kind("Patient"), Granted::All)];
    cover
}

/// How many of these entries leave, and whether the answer says that it ends before its end; `None` where it
/// is refused.
fn left(cover: Cover, entries: &[String]) -> Option<(u64, bool)> {
    match outcome(cover, &searchset(entries, "")) {
        Ok((text, counts)) => {
            serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
            let cut = text.matches(CUT).count();
            assert!(cut <= 1, "{text}");
            assert_eq!(
                text.matches("fullUrl").count() as u64,
                counts.passed,
                "{text}"
            );
            let all = entries.len() as u64;
            assert_eq!(counts.passed + counts.removed, all, "{text}");
            Some((counts.passed, cut == 1))
        }
        Err(Fault::Egress) => None,
        Err(fault) => panic!("{fault:?}"),
    }
}

#[test]
fn an_answer_holds_no_more_than_a_guardrail_allows() {
    let plain: Vec<String> = ["a", "b", "c"].iter().map(|id| entry(id, "")).collect();
    // As it leaves: with its full URL.
    let length = r#"{"fullUrl":"https://fhir.example.org/r4/Observation/a","resource":{"resourceType":"Observation","id":"a"}}"#.len();
    let patient = |id: &str| format!(r#"{{"resource":{{"resourceType":"Patient","id":"{id}"}}}}"#);
    let mixed = vec![entry("a", ""), patient("1"), entry("b", ""), patient("2")];
    let none: &[&str] = &[];
    for (name, types, bounds, entries, cut, refused) in [
        ("as many", none, RECORDS(3), &plain, (3, false), false),
        ("one more", none, RECORDS(2), &plain, (2, true), true),
        ("two more", none, RECORDS(1), &plain, (1, true), true),
        (
            "as long",
            none,
            BYTES(3 * length),
            &plain,
            (3, false),
            false,
        ),
        (
            "a byte longer",
            none,
            BYTES(3 * length - 1),
            &plain,
            (2, true),
            true,
        ),
        (
            "not even one",
            none,
            BYTES(length - 1),
            &plain,
            (0, true),
            true,
        ),
        (
            "its types",
            &["Patient"],
            RECORDS(2),
            &mixed,
            (4, false),
            false,
        ),
        (
            "one more of its type",
            &["Patient"],
            RECORDS(1),
            &mixed,
            (3, true),
            true,
        ),
        (
            "another type",
            &["Patient"],
            RECORDS(1),
            &plain,
            (3, false),
            false,
        ),
        ("who they are", none, PATIENTS(2), &mixed, (4, false), false),
        (
            "one patient more",
            none,
            PATIENTS(1),
            &mixed,
            (3, true),
            true,
        ),
    ] {
        let found = left(guarded(searched(), types, bounds, Over::Cut), entries);
        assert_eq!(found, Some(cut), "{name}");
        let found = left(guarded(searched(), types, bounds, Over::Refuse), entries);
        assert_eq!(found, (!refused).then_some(cut), "{name}");
    }
}

#[test]
fn patients_are_counted_once_and_whoever_may_be_another_counts() {
    let other = r#"{"reference":"Patient/2"}"#;
    for (name, reference, patients) in [
        ("the same", r#"{"reference":"Patient/2"}"#, 1),
        (
            "the same here",
            r#"{"reference":"https://fhir.example.org/r4/Patient/2"}"#,
            1,
        ),
        ("a version", r#"{"reference":"Patient/2/_history/7"}"#, 1),
        ("escaped", r#"{"reference":"Pati\u0065nt/2"}"#, 1),
        ("another", r#"{"reference":"Patient/3"}"#, 2),
        ("a longer id", r#"{"reference":"Patient/22"}"#, 2),
        (
            "elsewhere",
            r#"{"reference":"https://other.example/Patient/2"}"#,
            2,
        ),
        ("an identifier", r#"{"identifier":{"value":"2"}}"#, 2),
        ("a display", r#"{"display":"Somebody"}"#, 2),
        ("no object", r#""Patient/2""#, 2),
        (
            "two",
            r#"[{"reference":"Patient/3"},{"reference":"Patient/4"}]"#,
            3,
        ),
        (
            "not known",
            r#"{"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}"#,
            2,
        ),
        ("no patient", r#"{"reference":"Group/2"}"#, 1),
        ("nobody", "{}", 1),
    ] {
        let entries = [about("a", other), about("b", reference)];
        for most in 1..4 {
            let found = left(
                guarded(searched(), &[], PATIENTS(most), Over::Refuse),
                &entries,
            );
            assert_eq!(found.is_some(), patients <= most, "{name}: {most}");
        }
    }
    let contained = r##","contained":[{"resourceType":"Observation","id":"c","subject":{"reference":"Patient/9"}}],"subject":{"reference":"Patient/2"}"##;
    let within = [entry("a", contained)];
    for (most, passes) in [(1, false), (2, true)] {
        let found = left(
            guarded(searched(), &[], PATIENTS(most), Over::Refuse),
            &within,
        );
        assert_eq!(found.is_some(), passes, "contained: {most}");
    }
}

#[test]
fn who_is_contained_is_told_by_what_is_said_of_them() {
    let person = |id: &str, name: &str| {
        format!(r#"{{"resourceType":"Patient","id":"{id}","name":[{{"text":"{name}"}}]}}"#)
    };
    let about = |id: &str, contained: &str, subject: &str| {
        entry(
            id,
            &format!(r#","contained":[{contained}],"subject":{{"reference":"{subject}"}}"#),
        )
    };
    let one = || about("a", &person("p", "One"), "#p");
    for (name, second, patients) in [
        // Their ids are local: they say nothing of who it is.
        (
            "another of the same id",
            about("b", &person("p", "Two"), "#p"),
            2,
        ),
        ("the same", about("b", &person("p", "One"), "#p"), 1),
        (
            "one of this API",
            about("b", r#"{"resourceType":"Device","id":"d"}"#, "Patient/p"),
            2,
        ),
        ("who is not there", about("b", &person("q", "One"), "#p"), 3),
        (
            "an id that stands twice",
            about(
                "b",
                &[person("p", "One"), person("p", "One")].join(","),
                "#p",
            ),
            2,
        ),
        (
            "no patient",
            about("b", r#"{"resourceType":"Group","id":"p"}"#, "#p"),
            1,
        ),
        (
            "an id where a reference belongs",
            about("b", &person("p", "One"), "p"),
            2,
        ),
    ] {
        let entries = [one(), second];
        for most in 1..4 {
            let guarded = guarded(searched(), &[], PATIENTS(most), Over::Refuse);
            let found = left(guarded, &entries);
            assert_eq!(found.is_some(), patients <= most, "{name}: {most}");
        }
    }
    // One who is not there, in each of two.
    let missing = |id: &str| about(id, r#"{"resourceType":"Device","id":"d"}"#, "#p");
    let guarded = guarded(searched(), &[], PATIENTS(1), Over::Refuse);
    assert_eq!(left(guarded, &[missing("a"), missing("b")]), None);
}

#[test]
fn the_rule_that_leaves_less_holds() {
    let entries = [entry("a", ""), entry("b", ""), entry("c", "")];
    let both = |first: (u32, Over), second: (u32, Over)| {
        let cover = guarded(searched(), &[], RECORDS(first.0), first.1);
        left(guarded(cover, &[], RECORDS(second.0), second.1), &entries)
    };
    let (cut, refuse) = (Over::Cut, Over::Refuse);
    assert_eq!(both((2, cut), (2, refuse)), None);
    assert_eq!(both((2, refuse), (2, cut)), None);
    // Behind the cut nothing leaves that the other could count.
    assert_eq!(both((1, cut), (2, refuse)), Some((1, true)));
    assert_eq!(both((2, cut), (1, cut)), Some((1, true)));
}

#[test]
fn what_was_cut_tells_nothing_and_leads_nowhere() {
    let hidden = entry("b", &format!(r#","note":[{{"text":"{CANARY}"}}]"#));
    let link = r#","link":[{"relation":"next","url":"http://fhir/r4/Observation?code=1&_offset=2"}],"id":"x1""#;
    let cover = || guarded(searched(), &[], RECORDS(1), Over::Cut);
    let text = passed(
        "cut",
        cover(),
        &searchset(&[entry("a", ""), hidden.clone()], link),
    );
    assert!(!text.contains(CANARY), "{text}");
    let own = r#"{"fullUrl":"https://fhir.example.org/r4/Observation/a","resource":{"resourceType":"Observation","id":"a"}}"#;
    let expected = format!(
        r#"{{"resourceType":"Bundle","type":"searchset","entry":[{own},{CUT}],"link":[{SELF}],"id":"x1"}}"#
    );
    assert_eq!(text, expected);
    let whole = passed("not cut", cover(), &searchset(&[entry("a", "")], link));
    assert!(
        whole.contains("_offset=2") && !whole.contains(CUT),
        "{whole}"
    );
    // What cannot be read is so behind the cut, too.
    let broken = [entry("a", ""), hidden, "1".to_owned()];
    let found = outcome(cover(), &searchset(&broken, ""));
    assert!(matches!(found, Err(Fault::Uninspectable(_))), "{found:?}");
}

#[test]
fn what_cannot_end_in_the_middle_is_refused() {
    let version = |id: &str| {
        format!(
            r#"{{"resource":{{"resourceType":"Observation","id":"{id}"}},"request":{{"method":"PUT","url":"x"}}}}"#
        )
    };
    let history = format!(
        r#"{{"resourceType":"Bundle","type":"history","entry":[{},{}]}}"#,
        version("o1"),
        version("o1")
    );
    let resource = r#"{"resourceType":"Observation","id":"o1","subject":[{"reference":"Patient/1"},{"reference":"Patient/2"}]}"#;
    let of_history = || bundle(BundleKind::History, "Observation", Some("o1"));
    let one = || read("Observation", Some("o1"));
    for over in [Over::Cut, Over::Refuse] {
        for (name, cover, bounds, body, passes) in [
            ("versions", of_history(), RECORDS(2), history.as_str(), true),
            (
                "one version more",
                of_history(),
                RECORDS(1),
                &history,
                false,
            ),
            ("one", one(), RECORDS(1), resource, true),
            ("as long", one(), BYTES(resource.len()), resource, true),
            (
                "a byte longer",
                one(),
                BYTES(resource.len() - 1),
                resource,
                false,
            ),
            ("two patients", one(), PATIENTS(2), resource, true),
            ("one patient more", one(), PATIENTS(1), resource, false),
        ] {
            let found = outcome(guarded(cover, &[], bounds, over), body);
            match passes {
                true => assert!(found.is_ok(), "{name} {over:?}: {found:?}"),
                false => assert_eq!(found.err(), Some(Fault::Egress), "{name} {over:?}"),
            }
        }
    }
}

#[test]
fn a_deletion_of_a_patient_is_about_that_patient() {
    let deleted = |url: &str| format!(r#"{{"request":{{"method":"DELETE","url":"{url}"}}}}"#);
    let there = r#"{"resource":{"resourceType":"Patient","id":"1"},"request":{"method":"PUT","url":"Patient/1"}}"#;
    for (name, entries, patients) in [
        ("one", vec![deleted("Patient/1")], 1),
        (
            "the same",
            vec![deleted("Patient/1"), deleted("Patient/1")],
            1,
        ),
        (
            "who was there",
            vec![deleted("Patient/1"), there.to_owned()],
            1,
        ),
        ("another", vec![deleted("Patient/2"), there.to_owned()], 2),
        ("two", vec![deleted("Patient/1"), deleted("Patient/2")], 2),
        (
            "of another type",
            vec![deleted("Observation/2"), there.to_owned()],
            1,
        ),
    ] {
        let body = format!(
            r#"{{"resourceType":"Bundle","type":"history","entry":[{}]}}"#,
            entries.join(",")
        );
        for most in 1..3 {
            let mut cover = bundle(BundleKind::History, "Patient", None);
            cover.others = vec![(kind("Observation"), Granted::All)];
            let found = outcome(guarded(cover, &[], PATIENTS(most), Over::Refuse), &body);
            assert_eq!(found.is_ok(), patients <= most, "{name}: {most}");
        }
    }
}

#[test]
fn what_is_counted_is_bounded() {
    // More patients in one resource than any rule counts.
    let all: Vec<String> = (0..=Egress::PATIENTS + 5)
        .map(|id| format!(r#"{{"reference":"Patient/{id}"}}"#))
        .collect();
    let body = |count: usize| {
        let subject = all[..count].join(",");
        format!(r#"{{"resourceType":"Observation","id":"o1","subject":[{subject}]}}"#)
    };
    for (count, passes) in [(Egress::PATIENTS, true), (Egress::PATIENTS + 1, false)] {
        let cover = guarded(
            read("Observation", Some("o1")),
            &[],
            PATIENTS(Egress::PATIENTS),
            Over::Cut,
        );
        let mut screen = Screen::new(Rc::new(cover), Limits::default());
        let screened = screen.push(body(count).as_bytes());
        assert_eq!(screened.is_ok(), passes, "{count}");
        let held = screen.memory() - screen.held();
        assert_eq!(held, if passes { 64 * count } else { 0 }, "{count}");
    }
}
