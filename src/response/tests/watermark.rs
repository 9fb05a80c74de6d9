//! Answers whose resources say to whom they went.

use super::texts::under;
use super::*;
use crate::dlp::Action as What;
use crate::identity::MacKey;

const SYSTEM: &str = "https://fhir.example.org/watermark";
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

const ALICE: Recipient<'static> = Recipient {
    issuer: "https://as.example.org",
    tenant: None,
    client: "app",
    subject: "alice",
    patient: None,
    request_id: "r-1",
};

fn mark(recipient: &Recipient<'_>, above: u32) -> Rc<Mark> {
    let watermarking = Watermarking {
        system: SYSTEM.into(),
        key: MacKey::read(KEY).expect("a key"),
        above,
    };
    watermarking.mark(recipient)
}

/// The tags of these systems' resources go; with `above`, behind so many each gets a mark.
fn marking(mut cover: Cover, above: Option<u32>) -> Cover {
    cover.watermark = Some(Watermark {
        system: SYSTEM.into(),
        mark: above.map(|above| mark(&ALICE, above)),
    });
    cover
}

/// `OURS` stands for the tag of the caller, `THEIRS` for that of another.
fn coded(text: &str) -> String {
    let tag = |code: &str| format!(r#"{{"system":"{SYSTEM}","code":"{code}"}}"#);
    text.replace("OURS", &tag(&mark(&ALICE, 0).code))
        .replace("THEIRS", &tag("x"))
        .replace("REDACTED", r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"REDACTED"}"#)
        .replace("SUBSETTED", r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"#)
}

/// What `openssl dgst -sha256 -mac HMAC` makes of the same.
#[test]
fn a_code_binds_its_recipient() {
    let with = |edit: fn(&mut Recipient<'static>)| {
        let mut recipient = ALICE;
        edit(&mut recipient);
        mark(&recipient, 0).code.clone()
    };
    assert_eq!(with(|_| {}), "nU2SkHFg0OAGR_RahJ_2Pw");
    let all = with(|all| {
        all.tenant = Some("clinic-a");
        all.subject = "Zo\u{eb}";
        all.patient = Some("p1");
    });
    assert_eq!(all, "wlpUg1nA7IWLU_R0vaFu-g");
    assert_eq!(with(|own| own.patient = Some("")), "Yb0GWUcVC0wCwDc8yxecAw");
    let mut codes = vec![
        with(|_| {}),
        with(|own| own.issuer = "https://as.example.or"),
        with(|own| own.tenant = Some("clinic-a")),
        with(|own| own.client = "ap"),
        with(|own| own.subject = "bob"),
        with(|own| own.patient = Some("p1")),
        with(|own| own.patient = Some("")),
        with(|own| own.request_id = "r-2"),
        with(|own| (own.client, own.subject) = ("ap", "palice")),
        with(|own| (own.client, own.subject) = ("app5:alice,", "")),
    ];
    let count = codes.len();
    codes.sort();
    codes.dedup();
    assert_eq!(codes.len(), count, "no two recipients are one");
    let other = Watermarking {
        system: SYSTEM.into(),
        key: MacKey::read(&KEY.replace('0', "1")).expect("a key"),
        above: 0,
    };
    assert_ne!(other.mark(&ALICE).code, with(|_| {}), "another key");
}

#[test]
fn the_mark_takes_its_place_and_others_go() {
    for (name, before, marked, unmarked) in [
        ("no meta", "", r#","meta":{"tag":[OURS]}"#, ""),
        (
            "empty meta",
            r#","meta":{}"#,
            r#","meta":{"tag":[OURS]}"#,
            r#","meta":{}"#,
        ),
        (
            "meta",
            r#","meta":{ "versionId":"1" }"#,
            r#","meta":{ "versionId":"1","tag":[OURS] }"#,
            r#","meta":{ "versionId":"1" }"#,
        ),
        (
            "empty tags",
            r#","meta":{"tag":[ ]}"#,
            r#","meta":{"tag":[OURS ]}"#,
            r#","meta":{"tag":[ ]}"#,
        ),
        (
            "another tag",
            r#","meta":{"tag":[{"code":"x"} ]}"#,
            r#","meta":{"tag":[{"code":"x"},OURS ]}"#,
            r#","meta":{"tag":[{"code":"x"} ]}"#,
        ),
        (
            "that of another recipient",
            r#","meta":{"tag":[THEIRS]}"#,
            r#","meta":{"tag":[OURS]}"#,
            "",
        ),
        (
            "the own",
            r#","meta":{"tag":[OURS]}"#,
            r#","meta":{"tag":[OURS]}"#,
            "",
        ),
        (
            "with more of meta",
            r#","meta":{"tag":[THEIRS, THEIRS],"versionId":"1"}"#,
            r#","meta":{"versionId":"1","tag":[OURS]}"#,
            r#","meta":{"versionId":"1"}"#,
        ),
        (
            "between others",
            r#","meta":{"tag":[{"code":"x"}, THEIRS,{"code":"y"}]}"#,
            r#","meta":{"tag":[{"code":"x"},{"code":"y"},OURS]}"#,
            r#","meta":{"tag":[{"code":"x"},{"code":"y"}]}"#,
        ),
        (
            "escaped",
            r#","m\u0065ta":{"t\u0061g":[{"syst\u0065m":"https:\/\/fhir.example.org\/watermark"}],"versionId":"1"}"#,
            r#","m\u0065ta":{"versionId":"1","tag":[OURS]}"#,
            r#","m\u0065ta":{"versionId":"1"}"#,
        ),
        (
            "in what is contained",
            r#","contained":[{"resourceType":"Device","meta":{"tag":[THEIRS]}}]"#,
            r#","meta":{"tag":[OURS]},"contained":[{"resourceType":"Device"}]"#,
            r#","contained":[{"resourceType":"Device"}]"#,
        ),
        (
            "of the system elsewhere",
            r#","code":{"coding":[THEIRS]}"#,
            r#","meta":{"tag":[OURS]},"code":{"coding":[THEIRS]}"#,
            r#","code":{"coding":[THEIRS]}"#,
        ),
    ] {
        let observation = |members: &str| {
            coded(&format!(
                r#"{{"resourceType":"Observation","id":"o"{members},"status":"final"}}"#
            ))
        };
        let body = observation(before);
        for (above, expected) in [(Some(0), marked), (Some(1), unmarked), (None, unmarked)] {
            let cover = marking(read("Observation", Some("o")), above);
            let cover = Rc::new(cover);
            let found = run(&cover, Limits::default(), body.as_bytes(), &[]).expect(name);
            assert_eq!(found.0, observation(expected), "{name}, {above:?}");
            assert_eq!(found.1.redacted, 0, "{name}: it hides nothing");
        }
    }
}

#[test]
fn what_has_no_place_for_a_mark_is_refused() {
    let strange = "a tag of the watermark's system stands where no tag does";
    for (meta, above, expected) in [
        ("null", Some(0), Some("meta is no object")),
        (r#"{"tag":null}"#, Some(0), Some("meta.tag is no array")),
        (r#"{"tag":null}"#, None, None),
        (r#"{"tag":{}}"#, Some(0), Some("meta.tag is no array")),
        (
            r#"{"text":{}}"#,
            Some(0),
            Some("an object named text stands in meta"),
        ),
        (r#"{"text":{}}"#, None, None),
        (r#"{"tag":THEIRS}"#, None, Some(strange)),
        (r#"{"tag":[[THEIRS]]}"#, None, Some(strange)),
        (r#"{"tag":[{"extension":[THEIRS]}]}"#, None, Some(strange)),
    ] {
        let body = coded(&format!(
            r#"{{"resourceType":"Observation","id":"o","meta":{meta}}}"#
        ));
        let cover = Rc::new(marking(read("Observation", Some("o")), above));
        let found = run(&cover, Limits::default(), body.as_bytes(), &[]);
        let expected = expected.map_or(Ok(()), |what| Err(Fault::Uninspectable(what)));
        assert_eq!(found.map(drop), expected, "{meta}");
    }
}

#[test]
fn marks_stand_beside_what_redactions_say() {
    let cover = || {
        hiding(
            read("Patient", Some("p")),
            "Patient",
            Action::Remove,
            &["name"],
        )
    };
    let body = coded(
        r#"{"resourceType":"Patient","id":"p","name":[{"text":"CANARY"}],"meta":{"tag":[THEIRS]},"text":{"status":"x","div":"CANARY"}}"#,
    );
    for (name, cover, expected) in [
        (
            "marked",
            marking(cover(), Some(0)),
            r#"{"resourceType":"Patient","id":"p","meta":{"security":[REDACTED],"tag":[SUBSETTED,OURS]}}"#,
        ),
        (
            "unmarked",
            marking(cover(), None),
            r#"{"resourceType":"Patient","id":"p","meta":{"security":[REDACTED],"tag":[SUBSETTED]}}"#,
        ),
    ] {
        let (text, counts) =
            run(&Rc::new(cover), Limits::default(), body.as_bytes(), &[]).expect(name);
        assert_eq!(text, coded(expected), "{name}");
        assert_eq!(counts.redacted, 1, "{name}");
    }
    // Withheld for what it says: nothing to mark.
    let card = r#"{"resourceType":"Patient","id":"p","name":[{"text":"4111 1111 1111 1111"}]}"#;
    let cover = marking(
        under(read("Patient", Some("p")), "Patient", What::Refuse),
        Some(0),
    );
    let found = run(&Rc::new(cover), Limits::default(), card.as_bytes(), &[]);
    assert_eq!(found.map(drop), Err(Fault::Withheld));
}

/// How many of an answer's resources leave unmarked, and which.
#[test]
fn every_resource_of_an_answer_is_marked_behind_the_first() {
    let entry =
        |id: &str| format!(r#"{{"resource":{{"resourceType":"Observation","id":"{id}"}}}}"#);
    let foreign = r#"{"resource":{"resourceType":"Device","id":"d"}}"#.to_owned();
    let entries = [entry("a"), foreign, entry("b"), entry("c")].join(",");
    for (kind, name) in [
        (BundleKind::Searchset, "searchset"),
        (BundleKind::History, "history"),
    ] {
        let body = format!(r#"{{"resourceType":"Bundle","type":"{name}","entry":[{entries}]}}"#);
        for (above, expected) in [
            (0, [true, true, true]),
            // What is taken out does not count.
            (1, [false, true, true]),
            (2, [false, false, true]),
            (3, [false, false, false]),
        ] {
            let cover = || marking(bundle(kind, "Observation", None), Some(above));
            let whole = run(&Rc::new(cover()), Limits::default(), body.as_bytes(), &[]);
            let (text, _) = whole.clone().expect(name);
            let parts: Vec<&str> = text.split("\"id\":\"").skip(1).collect();
            let found: Vec<bool> = parts.iter().map(|part| part.contains(SYSTEM)).collect();
            assert_eq!(found, expected, "{name} {above}: {text}");
            for cut in 0..body.len() {
                let cut = run(
                    &Rc::new(cover()),
                    Limits::default(),
                    body.as_bytes(),
                    &[cut],
                );
                assert_eq!(cut, whole, "{name} {above}");
            }
        }
    }
}
