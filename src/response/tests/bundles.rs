//! Answers that are a Bundle.

use super::*;

const SELF: &str = r#"{"relation":"self","url":"https://fhir.example.org/r4/Observation?code=1"}"#;
const OWN: &str = r#"{"resourceType":"Observation","id":"o1","subject":{"reference":"Patient/1"}}"#;

pub(super) fn searched() -> Cover {
    for_patient(bundle(BundleKind::Searchset, "Observation", None), "1")
}

fn entries(list: &str) -> String {
    format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{list}]}}"#)
}

/// The entries that leave, as text; counts of those passed and removed.
pub(super) fn check(name: &str, cover: Cover, list: &str, expected: Result<(&str, u64, u64), ()>) {
    let kind = match cover.expected {
        Expected::Bundle {
            kind: BundleKind::History,
            ..
        } => "history",
        _ => "searchset",
    };
    let body = entries(list).replace("searchset", kind);
    let found = outcome(cover, &body);
    let Ok((text, passed, removed)) = expected else {
        assert!(
            matches!(found, Err(Fault::Uninspectable(_))),
            "{name}: {found:?}"
        );
        return;
    };
    let (found, counts) = found.unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
    let list = if text.is_empty() {
        String::new()
    } else {
        format!(r#","entry":[{text}]"#)
    };
    let whole = format!(r#"{{"resourceType":"Bundle","type":"{kind}"{list},"link":[{SELF}]}}"#);
    assert_eq!(found, whole, "{name}");
    assert_eq!((counts.passed, counts.removed), (passed, removed), "{name}");
}

#[test]
fn top_level_members_are_a_closed_list() {
    let body = r#" { "resourceType" : "Bundle", "id":"b1", "meta":{"lastUpdated":"2026-11-21T18:40:00Z","source":"CANARY","tag":[{"code":"CANARY"}]},
        "type":"searchset", "total":77, "timestamp":"2026-11-21T18:40:00Z", "implicitRules":"CANARY", "signature":{"data":"CANARY"},
        "_type":{"id":"CANARY"}, "x":["CANARY","entry",{"entry":[1]}], "link":[{"relation":"self","url":"http://fhir/CANARY"}] } "#;
    let expected = format!(
        r#"{{"resourceType":"Bundle","id":"b1","meta":{{"lastUpdated":"2026-11-21T18:40:00Z"}},"type":"searchset","timestamp":"2026-11-21T18:40:00Z","link":[{SELF}]}}"#
    );
    assert_eq!(passed("closed list", searched(), body), expected);
    let odd = r#"{"id":"CANARY CANARY","timestamp":"CANARY","meta":{"lastUpdated":"CANARY"},"resourceType":"Bundle","\u0074ype":"search\u0073et","link":"CANARY"}"#;
    let expected = format!(r#"{{"resourceType":"Bundle","type":"searchset","link":[{SELF}]}}"#);
    assert_eq!(passed("odd values", searched(), odd), expected);
}

#[test]
fn links_lead_only_where_the_permit_does() {
    let link = |relation: &str, url: &str| format!(r#"{{"relation":"{relation}","url":"{url}"}}"#);
    for (name, upstream, expected) in [
        (
            "next",
            link("next", "http://fhir/r4/Observation?page=2"),
            link("next", "https://fhir.example.org/r4/Observation?page=2"),
        ),
        (
            "next elsewhere",
            link("next", "http://CANARY/x"),
            link(
                "next",
                "https://fhir.example.org/r4/Observation?_page=unavailable",
            ),
        ),
        (
            "previous elsewhere",
            link("previous", "http://CANARY/x"),
            link(
                "previous",
                "https://fhir.example.org/r4/Observation?_page=unavailable",
            ),
        ),
        (
            "first",
            link("first", "http://fhir/r4/Observation?page=1"),
            link("first", "https://fhir.example.org/r4/Observation?page=1"),
        ),
        (
            "first elsewhere",
            link("first", "http://CANARY/x"),
            String::new(),
        ),
        (
            "unknown relation",
            link("CANARY", "http://fhir/r4/Observation?page=2"),
            String::new(),
        ),
        ("no url", r#"{"relation":"next"}"#.into(), String::new()),
        ("no object", r#""CANARY""#.into(), String::new()),
        (
            "last",
            format!("{0},{0}", link("last", "http://fhir/r4/Observation?page=9")),
            // Its offset would tell the number of all matches.
            String::new(),
        ),
    ] {
        let body = format!(r#"{{"resourceType":"Bundle","link":[{upstream}],"type":"searchset"}}"#);
        let comma = if expected.is_empty() { "" } else { "," };
        let expected = format!(
            r#"{{"resourceType":"Bundle","link":[{SELF}{comma}{expected}],"type":"searchset"}}"#
        );
        assert_eq!(passed(name, searched(), &body), expected, "{name}");
    }
}

#[test]
fn entries_of_a_search_are_decided_one_by_one() {
    let full = r#""fullUrl":"https://fhir.example.org/r4/Observation/o1""#;
    let kept = format!(r#"{{{full},"resource":{OWN}}}"#);
    let kept = kept.as_str();
    let own = format!(r#"{{"resource":{OWN}}}"#);
    let other = r#"{"fullUrl":"x","resource":{"resourceType":"Observation","id":"CANARY","subject":{"reference":"Patient/2"}},"search":{"mode":"match"}}"#;
    check("none", searched(), "", Ok(("", 0, 0)));
    check("own", searched(), &own, Ok((kept, 1, 0)));
    check("other", searched(), other, Ok(("", 0, 1)));
    check(
        "other first",
        searched(),
        &format!(" {other} , {own} "),
        Ok((kept, 1, 1)),
    );
    check(
        "other last",
        searched(),
        &format!("{own},{other}"),
        Ok((kept, 1, 1)),
    );
    check(
        "two",
        searched(),
        &format!("{own},{other},{own}"),
        Ok((&format!("{kept},{kept}"), 2, 1)),
    );
    check(
        "another type",
        searched(),
        r#"{"resource":{"resourceType":"Patient","id":"1"}}"#,
        Ok(("", 0, 1)),
    );
    check(
        "unknown type",
        searched(),
        r#"{"resource":{"resourceType":"Nonsense","id":"1"}}"#,
        Ok(("", 0, 1)),
    );
    check(
        "no resource",
        searched(),
        r#"{"fullUrl":"http://fhir/r4/Observation/CANARY"}"#,
        Ok(("", 0, 1)),
    );
    check(
        "outcome",
        searched(),
        &format!(r#"{{"resource":{OWN},"search":{{"mode":"outcome"}}}}"#),
        Ok(("", 0, 1)),
    );
    check(
        "included",
        searched(),
        &format!(r#"{{"resource":{OWN},"search":{{"mode":"include","score":0.50,"x":"CANARY"}}}}"#),
        Ok((
            &format!(r#"{{{full},"resource":{OWN},"search":{{"mode":"include","score":0.50}}}}"#),
            1,
            0,
        )),
    );
    check(
        "odd search",
        searched(),
        &format!(r#"{{"resource":{OWN},"search":{{"mode":"CANARY","score":"CANARY"}}}}"#),
        Ok((kept, 1, 0)),
    );
    check(
        "rebuilt",
        searched(),
        &format!(
            r#"{{"link":[{{"url":"CANARY"}}],"fullUrl":"http://CANARY/o1","resource":{OWN},"response":{{"etag":"CANARY"}},"request":{{}},"x":"CANARY"}}"#
        ),
        Ok((kept, 1, 0)),
    );
    let urn = r#""fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520""#;
    check(
        "urn",
        searched(),
        &format!(r#"{{{urn},"resource":{OWN}}}"#),
        Ok((&format!(r#"{{{urn},"resource":{OWN}}}"#), 1, 0)),
    );
    check(
        "urn of nothing",
        searched(),
        &format!(r#"{{"fullUrl":"urn:uuid:CANARY","resource":{OWN}}}"#),
        Ok((kept, 1, 0)),
    );
    check("no type", searched(), r#"{"resource":{"id":"1"}}"#, Err(()));
    check(
        "bad id",
        searched(),
        r#"{"resource":{"resourceType":"Observation","id":"a/b"}}"#,
        Err(()),
    );
    check("no object", searched(), "1", Err(()));
    check(
        "resource no object",
        searched(),
        r#"{"resource":[]}"#,
        Err(()),
    );
    check(
        "nested",
        searched(),
        r#"{"resource":{"resourceType":"Observation","id":"1","subject":{"reference":"Patient/1"},"x":{"resourceType":"Patient"}}}"#,
        Err(()),
    );
    check(
        "key twice",
        searched(),
        &format!(r#"{{"resource":{OWN},"resource":{OWN}}}"#),
        Err(()),
    );
    check("trailing comma", searched(), &format!("{own},"), Err(()));
    check("leading comma", searched(), &format!(",{own}"), Err(()));
    check("no comma", searched(), &format!("{own}{own}"), Err(()));
    check("wrong bracket", searched(), "{]", Err(()));
}

#[test]
fn entries_are_redacted() {
    let cover = hiding(searched(), "Observation", Action::Remove, &["note"]);
    let body = entries(
        r#"{"resource":{"resourceType":"Observation","id":"o1","note":[{"text":"CANARY"}],"subject":{"reference":"Patient/1"}}}"#,
    );
    let (text, counts) = outcome(cover, &body).unwrap();
    assert!(
        !text.contains(CANARY) && text.contains("SUBSETTED"),
        "{text}"
    );
    assert_eq!((counts.passed, counts.removed, counts.redacted), (1, 0, 1));
}

#[test]
fn entries_of_a_history_are_rebuilt() {
    let all = || bundle(BundleKind::History, "Observation", None);
    let one = || bundle(BundleKind::History, "Observation", Some("o1"));
    let restricted = || for_patient(one(), "1");
    let full = r#""fullUrl":"https://fhir.example.org/r4/Observation/o1""#;
    let version = format!(
        r#"{{"fullUrl":"http://CANARY/o1","resource":{OWN},"search":{{"mode":"match"}},"request":{{"method":"PUT","url":"Observation/CANARY","ifMatch":"CANARY"}},"response":{{"status":"200 CANARY","location":"http://CANARY/Observation/o1/_history/3","etag":"W/\"3\"","lastModified":"2026-11-21T18:40:00Z","outcome":{{"x":"CANARY"}}}}}}"#
    );
    let rebuilt = format!(
        r#"{{{full},"resource":{OWN},"request":{{"method":"PUT","url":"Observation/o1"}},"response":{{"status":"200","location":"https://fhir.example.org/r4/Observation/o1/_history/3","etag":"W/\"3\"","lastModified":"2026-11-21T18:40:00Z"}}}}"#
    );
    check("version", restricted(), &version, Ok((&rebuilt, 1, 0)));
    check("version of all", all(), &version, Ok((&rebuilt, 1, 0)));
    let bare = format!(r#"{{{full},"resource":{OWN}}}"#);
    check(
        "odd request and response",
        one(),
        &format!(
            r#"{{"resource":{OWN},"request":{{"method":"CANARY"}},"response":{{"status":"CANARY","location":"CANARY","etag":"CANARY","lastModified":"CANARY"}}}}"#
        ),
        Ok((&bare, 1, 0)),
    );
    check(
        "another id",
        one(),
        r#"{"resource":{"resourceType":"Observation","id":"CANARY"}}"#,
        Ok(("", 0, 1)),
    );
    check(
        "no id",
        all(),
        r#"{"resource":{"resourceType":"Observation"}}"#,
        Err(()),
    );
    check(
        "another patient's version",
        restricted(),
        &format!(
            r#"{version},{{"resource":{{"resourceType":"Observation","id":"o1","subject":{{"reference":"Patient/2"}}}}}}"#
        ),
        Ok((&rebuilt, 1, 1)),
    );
    let deleted = |url: &str| {
        format!(
            r#"{{"request":{{"method":"DELETE","url":"{url}"}},"response":{{"status":"204","lastModified":"2026-11-21T18:40:00Z"}}}}"#
        )
    };
    let kept = format!(
        r#"{{{full},"request":{{"method":"DELETE","url":"Observation/o1"}},"response":{{"status":"204","lastModified":"2026-11-21T18:40:00Z"}}}}"#
    );
    check(
        "deleted",
        one(),
        &deleted("Observation/o1"),
        Ok((&kept, 1, 0)),
    );
    check(
        "deleted, absolute",
        all(),
        &deleted("http://fhir/r4/Observation/o1/_history/2"),
        Ok((&kept, 1, 0)),
    );
    check(
        "deleted, for a patient",
        restricted(),
        &format!("{version},{}", deleted("Observation/o1")),
        Ok((&rebuilt, 1, 1)),
    );
    check(
        "deleted, another id",
        one(),
        &deleted("Observation/CANARY"),
        Ok(("", 0, 1)),
    );
    check(
        "deleted, another type",
        one(),
        &deleted("Patient/o1"),
        Ok(("", 0, 1)),
    );
    check(
        "deleted, no url",
        one(),
        r#"{"request":{"method":"DELETE"}}"#,
        Ok(("", 0, 1)),
    );
    check(
        "put without a resource",
        one(),
        r#"{"request":{"method":"PUT","url":"Observation/o1"}}"#,
        Ok(("", 0, 1)),
    );
}

#[test]
fn a_bundle_is_of_the_expected_shape() {
    for (name, body) in [
        ("another root", r#"{"resourceType":"Observation","id":"1"}"#),
        (
            "outcome",
            r#"{"resourceType":"OperationOutcome","issue":[]}"#,
        ),
        (
            "another type",
            r#"{"resourceType":"Bundle","type":"document","entry":[]}"#,
        ),
        (
            "another type behind",
            r#"{"resourceType":"Bundle","entry":[],"type":"document"}"#,
        ),
        ("no type", r#"{"resourceType":"Bundle","entry":[]}"#),
        ("no resourceType", r#"{"type":"searchset"}"#),
        (
            "entry first",
            r#"{"entry":[],"resourceType":"Bundle","type":"searchset"}"#,
        ),
        (
            "entry no array",
            r#"{"resourceType":"Bundle","type":"searchset","entry":{}}"#,
        ),
        (
            "entry twice",
            r#"{"resourceType":"Bundle","type":"searchset","entry":[],"\u0065ntry":[]}"#,
        ),
        (
            "total twice",
            r#"{"resourceType":"Bundle","type":"searchset","total":1,"total":2}"#,
        ),
        (
            "type twice",
            r#"{"resourceType":"Bundle","type":"searchset","type":"searchset"}"#,
        ),
        (
            "bad total",
            r#"{"resourceType":"Bundle","type":"searchset","total":01}"#,
        ),
        (
            "key twice below",
            r#"{"resourceType":"Bundle","type":"searchset","x":{"a":1,"a":2}}"#,
        ),
        (
            "no comma",
            r#"{"resourceType":"Bundle" "type":"searchset"}"#,
        ),
        (
            "trailing comma",
            r#"{"resourceType":"Bundle","type":"searchset",}"#,
        ),
        ("no value", r#"{"resourceType":"Bundle","type":}"#),
        ("no colon", r#"{"resourceType" "Bundle"}"#),
        ("bare key", r#"{resourceType:"Bundle"}"#),
        (
            "broken scalar",
            r#"{"resourceType":"Bundle","type":"searchset","total":tru}"#,
        ),
        ("two", r#"{"resourceType":"Bundle","type":"searchset"}{}"#),
        ("array", r#"[{"resourceType":"Bundle","type":"searchset"}]"#),
    ] {
        let found = outcome(searched(), body);
        assert!(
            matches!(found, Err(Fault::Uninspectable(_))),
            "{name}: {found:?}"
        );
    }
}

#[test]
fn nothing_leaves_before_the_shape_is_known() {
    let mut screen = Screen::new(Rc::new(searched()), Limits::default());
    let entry = format!(r#"{{"resource":{OWN}}}"#);
    screen
        .push(format!(r#"{{"resourceType":"Bundle","entry":[{entry},"#).as_bytes())
        .unwrap();
    assert!(!screen.shape_known() && screen.take().is_empty() && screen.held() > 0);
    screen
        .push(format!(r#"{entry}],"type":"searchset","#).as_bytes())
        .unwrap();
    assert!(screen.shape_known() && !screen.closed());
    assert!(String::from_utf8(screen.take()).unwrap().contains("o1"));
    screen.push(br#""total":1} "#).unwrap();
    assert!(screen.closed());
    screen.finish().unwrap();
    assert_eq!(screen.take(), format!(r#","link":[{SELF}]}}"#).as_bytes());
}
