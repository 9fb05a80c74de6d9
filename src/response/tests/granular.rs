//! Answers under granular scopes: what does not match leaves no trace.

use super::*;
use crate::identity::Scope;

/// A cover for what these scopes are for.
fn granted(mut cover: Cover, scopes: &[&str]) -> Cover {
    let scope = |text: &&str| Rc::new(Scope::parse(text).expect(text));
    cover.granted = Granted::Matching(scopes.iter().map(scope).collect());
    cover
}

/// An Observation of patient 1 with these categories.
fn observation(id: &str, categories: &[&str]) -> String {
    let category =
        |code: &&str| format!(r#"{{"coding":[{{"system":"http://c","code":"{code}"}}]}}"#);
    let categories: Vec<String> = categories.iter().map(category).collect();
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","subject":{{"reference":"Patient/1"}},"category":[{}]}}"#,
        categories.join(",")
    )
}

fn searchset(resources: &[String]) -> String {
    let entry = |resource: &String| format!(r#"{{"resource":{resource}}}"#);
    let entries: Vec<String> = resources.iter().map(entry).collect();
    format!(
        r#"{{"resourceType":"Bundle","type":"searchset","total":{},"entry":[{}]}}"#,
        resources.len(),
        entries.join(",")
    )
}

const LABORATORY: &str = "user/Observation.rs?category=http://c|laboratory";
const SURVEY: &str = "user/Observation.rs?category=survey";

#[test]
fn a_read_that_does_not_match_is_withheld() {
    for (name, scopes, categories, expected) in [
        ("matches", vec![LABORATORY], vec!["laboratory"], true),
        (
            "beside others",
            vec![LABORATORY],
            vec!["x", "laboratory", "survey"],
            true,
        ),
        (
            "the second scope",
            vec![SURVEY, LABORATORY],
            vec!["laboratory"],
            true,
        ),
        ("another", vec![LABORATORY], vec!["survey"], false),
        ("none", vec![LABORATORY], vec![], false),
        ("nothing is granted", vec![], vec!["laboratory"], false),
    ] {
        let body = observation("o", &categories);
        let cover = || granted(read("Observation", Some("o")), &scopes);
        match outcome(cover(), &body) {
            Ok((text, _)) => assert!(expected && text == body, "{name}: {text}"),
            Err(fault) => assert!(!expected && fault == Fault::Withheld, "{name}: {fault:?}"),
        }
        // A scope does not open another patient's compartment.
        let of_other = for_patient(cover(), "2");
        assert_eq!(
            outcome(of_other, &body).err(),
            Some(Fault::Withheld),
            "{name}"
        );
        let of_own = outcome(for_patient(cover(), "1"), &body);
        assert_eq!(of_own.is_ok(), expected, "{name}");
    }
}

#[test]
fn what_is_hidden_from_the_caller_still_decides() {
    let cover = granted(read("Observation", Some("o")), &[LABORATORY]);
    let cover = hiding(cover, "Observation", Action::Remove, &["category"]);
    let text = passed("hidden", cover, &observation("o", &["laboratory"]));
    assert!(!text.contains("laboratory"), "{text}");
}

#[test]
fn what_is_contained_confers_nothing() {
    let inner = observation("i", &["laboratory"]);
    let body = format!(
        r#"{{"resourceType":"Observation","id":"o","contained":[{inner}],"category":[{{"coding":[{{"code":"survey"}}]}}]}}"#
    );
    let cover = granted(read("Observation", Some("o")), &[LABORATORY]);
    assert_eq!(outcome(cover, &body).err(), Some(Fault::Withheld));
}

#[test]
fn matches_of_a_search_that_are_not_granted_are_taken_out() {
    let all: Vec<String> = [
        ("a", vec!["survey"]),
        ("b", vec!["laboratory"]),
        ("c", vec![]),
        ("d", vec!["survey", "laboratory"]),
        ("e", vec!["vital-signs"]),
    ]
    .iter()
    .map(|(id, categories)| observation(id, categories))
    .collect();
    for (scopes, kept) in [
        (vec![LABORATORY], "bd"),
        (vec![SURVEY], "ad"),
        (vec![SURVEY, LABORATORY], "abd"),
        (
            vec!["user/Observation.s?category=survey&category=laboratory"],
            "d",
        ),
        (vec!["user/Observation.s?category=imaging"], ""),
        (vec!["user/Observation.s?category=http://c|"], "abde"),
    ] {
        let searched = || bundle(BundleKind::Searchset, "Observation", None);
        let (text, counts) =
            outcome(granted(searched(), &scopes), &searchset(&all)).expect("a bundle");
        let removed = all.len() - kept.len();
        let expected = Counts {
            passed: kept.len() as u64,
            removed: removed as u64,
            redacted: 0,
        };
        assert_eq!(counts, expected, "{scopes:?}");
        // As if the others had not been there.
        let granted_alone: Vec<String> = all
            .iter()
            .filter(|one| {
                kept.chars()
                    .any(|id| one.contains(&format!(r#""id":"{id}""#)))
            })
            .cloned()
            .collect();
        let without = match granted_alone.is_empty() {
            true => r#"{"resourceType":"Bundle","type":"searchset"}"#.to_owned(),
            false => searchset(&granted_alone),
        };
        assert_eq!(text, passed("without", searched(), &without), "{scopes:?}");
    }
}

/// A version of an instance, or its deletion.
fn version(resource: Option<&str>, method: &str) -> String {
    let resource = resource.map(|text| format!(r#""resource":{text},"#));
    format!(
        r#"{{{}"request":{{"method":"{method}","url":"Observation/o"}},"response":{{"status":"200"}}}}"#,
        resource.unwrap_or_default()
    )
}

#[test]
fn versions_that_do_not_match_are_taken_out_of_a_history() {
    let (laboratory, survey) = (
        observation("o", &["laboratory"]),
        observation("o", &["survey"]),
    );
    let history = |entries: &[String]| {
        format!(
            r#"{{"resourceType":"Bundle","type":"history","entry":[{}]}}"#,
            entries.join(",")
        )
    };
    let deletion = version(None, "DELETE");
    let both = history(&[
        deletion.clone(),
        version(Some(&laboratory), "PUT"),
        version(Some(&survey), "POST"),
    ]);
    let none = history(&[deletion, version(Some(&survey), "POST")]);
    let empty = r#"{"resourceType":"Bundle","type":"history"}"#;
    for (id, body, expected) in [
        (None, both.as_str(), Ok((1, 2))),
        (None, &none, Ok((0, 2))),
        (None, empty, Ok((0, 0))),
        (Some("o"), &both, Ok((1, 2))),
        // An empty history would tell that the instance is there.
        (Some("o"), &none, Err(Fault::Withheld)),
        (Some("o"), empty, Err(Fault::Withheld)),
    ] {
        let cover = || bundle(BundleKind::History, "Observation", id);
        let found = outcome(granted(cover(), &[LABORATORY]), body);
        let counts = found.map(|(text, counts)| {
            assert!(
                !text.contains("survey") && !text.contains("DELETE"),
                "{text}"
            );
            (counts.passed, counts.removed)
        });
        assert_eq!(counts, expected, "{id:?} {body}");
        assert!(
            outcome(cover(), body).is_ok(),
            "without granular scopes: {body}"
        );
    }
}

#[test]
fn the_head_of_an_instances_history_waits_for_a_version_that_matches() {
    let entry = |category| version(Some(&observation("o", &[category])), "PUT");
    let begun = r#"{"resourceType":"Bundle","type":"history","entry":["#;
    let instance = bundle(BundleKind::History, "Observation", Some("o"));
    let mut screen = Screen::new(Rc::new(granted(instance, &[LABORATORY])), Limits::default());
    for (piece, waits) in [
        (begun.to_owned(), true),
        (entry("survey"), true),
        (format!(",{}", entry("laboratory")), false),
        (format!(",{}", entry("survey")), false),
        ("]}".to_owned(), false),
    ] {
        screen.push(piece.as_bytes()).expect("a history");
        assert_eq!(screen.may_withhold(), waits, "{piece}");
    }
    for (scopes, id) in [(vec![LABORATORY], None), (vec![], Some("o"))] {
        let cover = bundle(BundleKind::History, "Observation", id);
        let cover = match scopes.is_empty() {
            true => cover,
            false => granted(cover, &scopes),
        };
        assert!(
            !Screen::new(Rc::new(cover), Limits::default()).may_withhold(),
            "{id:?}"
        );
    }
}
