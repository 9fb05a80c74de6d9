//! Bundles of several types.

use super::bundles::{check, searched};
use super::*;

#[test]
fn a_bundle_holds_the_types_that_were_asked_for() {
    let own = |name: &str, patient: &str| {
        format!(
            r#"{{"resourceType":"{name}","id":"a","subject":{{"reference":"Patient/{patient}"}}}}"#
        )
    };
    let entry = |resource: &str| format!(r#"{{"resource":{resource}}}"#);
    let left = |name: &str, resource: &str| {
        format!(r#"{{"fullUrl":"{BASE}/{name}/a","resource":{resource}}}"#)
    };
    let wide = |mut cover: Cover| {
        cover.others = vec![
            (kind("Condition"), Granted::All),
            (kind("Goal"), Granted::NOTHING),
        ];
        cover
    };
    let (observation, condition) = (own("Observation", "1"), own("Condition", "1"));
    let list = [
        entry(&observation),
        entry(&condition),
        entry(&own("Goal", "1")),
        entry(&own("Procedure", "1")),
        entry(&own("Condition", "2")),
        entry(r#"{"resourceType":"OperationOutcome"}"#),
    ];
    let expected = [
        left("Observation", &observation),
        left("Condition", &condition),
    ];
    let expected = expected.join(",");
    check(
        "several",
        wide(searched()),
        &list.join(","),
        Ok((&expected, 2, 4)),
    );
    // In a history also what was deleted, where all of it may be seen.
    let history = || wide(bundle(BundleKind::History, "Observation", None));
    let deleted = |name: &str| format!(r#"{{"request":{{"method":"DELETE","url":"{name}/a"}}}}"#);
    let gone = |name: &str| {
        format!(
            r#"{{"fullUrl":"{BASE}/{name}/a","request":{{"method":"DELETE","url":"{name}/a"}}}}"#
        )
    };
    let list = ["Observation", "Condition", "Goal", "Procedure"].map(deleted);
    let expected = [gone("Observation"), gone("Condition")].join(",");
    check("deleted", history(), &list.join(","), Ok((&expected, 2, 2)));
    check(
        "deleted, of a patient",
        for_patient(history(), "1"),
        &list.join(","),
        Ok(("", 0, 4)),
    );
}

#[test]
fn a_total_leaves_only_where_it_may_be_told_bypass_20() {
    let body =
        |total: &str| format!(r#"{{"resourceType":"Bundle","type":"searchset","total":{total}}}"#);
    let left = |told: bool, total: &str| {
        let mut cover = bundle(BundleKind::Searchset, "Observation", None);
        cover.total = told;
        let left = passed(total, cover, &body(total));
        left.split_once("\"total\":")
            .map(|(_, rest)| rest.split([',', '}']).next().unwrap_or_default().to_owned())
    };
    for (told, total, expected) in [
        (true, "77", Some("77")),
        (true, "0", Some("0")),
        (false, "77", None),
        (true, "-1", None),
        (true, "1.5", None),
        (true, "1e3", None),
        (true, "\"77\"", None),
        (true, "null", None),
        (true, "12345678901", None),
    ] {
        assert_eq!(left(told, total).as_deref(), expected, "{told} {total}");
    }
}

#[test]
fn a_total_is_told_to_whoever_is_confined_until_something_was_removed_bypass_20() {
    let (total, own, other) = (
        r#""total":2"#,
        r#""entry":[{"resource":{"resourceType":"Observation","id":"a","subject":{"reference":"Patient/1"},"performer":[{"reference":"Practitioner/1"}]}}]"#,
        r#""entry":[{"resource":{"resourceType":"Observation","id":"b","subject":{"reference":"Patient/2"}}}]"#,
    );
    let (patient, practitioner) = ((Some("1"), None), (None, Some("1")));
    for (name, owner, parts, told) in [
        ("before", patient, [total, own], true),
        ("after", patient, [own, total], true),
        // What stands before the entries is told on trust.
        ("before what is removed", patient, [total, other], true),
        ("after what was removed", patient, [other, total], false),
        (
            "before, to a practitioner",
            practitioner,
            [total, other],
            true,
        ),
        ("after own ones", practitioner, [own, total], true),
        ("after another's", practitioner, [other, total], false),
        ("nobody's in particular", (None, None), [other, total], true),
    ] {
        let mut cover = bundle(BundleKind::Searchset, "Observation", None);
        cover.total = true;
        cover.patient = owner.0.map(str::to_owned);
        cover.practitioner = owner.1.map(str::to_owned);
        let body = format!(
            r#"{{"resourceType":"Bundle","type":"searchset",{},{}}}"#,
            parts[0], parts[1]
        );
        assert_eq!(passed(name, cover, &body).contains(total), told, "{name}");
    }
}
