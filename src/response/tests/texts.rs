//! Answers under rules about texts.

use super::*;
use crate::access::{Granted, Seen};
use crate::dlp::{Action as What, Known, Own, Pattern, Rule, Texts};

/// A cover for whoever is under a rule about cards, e-mail addresses and record numbers.
pub(super) fn under(mut cover: Cover, resource_type: &str, action: What) -> Cover {
    let rule = Rule {
        name: "rule".into(),
        patterns: vec![
            Pattern::Known(Known::Card),
            Pattern::Known(Known::Email),
            Pattern::Own(Own::read("MRN-[0-9]{4}").expect("a pattern")),
        ],
        action,
        types: None,
        except: Vec::new(),
    };
    let seen = Seen {
        labels: None,
        texts: Texts::new(vec![Rc::new(rule)], kind(resource_type)),
    };
    cover.granted = Granted::Seen(None, seen);
    cover
}

fn patient(members: &str) -> String {
    format!(r#"{{"resourceType":"Patient","id":"p",{members}}}"#)
}

/// What becomes of these members of a Patient; `None` where the same bytes leave.
fn check(name: &str, members: &str, expected: Option<&str>) {
    let body = patient(members);
    let cover = under(read("Patient", Some("p")), "Patient", What::Mask);
    let (text, counts) = outcome(cover, &body).expect(name);
    let masked = expected.map(|expected| patient(&format!("{MASKED},{expected}")));
    assert_eq!(text, masked.as_deref().unwrap_or(&body), "{name}");
    assert_eq!(counts.redacted, u64::from(expected.is_some()), "{name}");
    let refusing = under(read("Patient", Some("p")), "Patient", What::Refuse);
    match outcome(refusing, &body) {
        Ok((text, _)) => assert!(expected.is_none() && text == body, "{name}: {text}"),
        Err(fault) => assert!(expected.is_some() && fault == Fault::Withheld, "{name}"),
    }
}

#[test]
fn texts_are_masked_or_the_resource_is_withheld() {
    check("nothing", r#""name":[{"text":"Jane"}]"#, None);
    check(
        "a card in a text",
        r#""name":[ {"text" : "pays 4111 1111 1111 1111."} ]"#,
        Some(r#""name":[ {"text" : "pays *******************."} ]"#),
    );
    check(
        "found in spite of escapes",
        r#""name":[{"text":"\"\u0034111\u003111111111111\" j\u0061ne\u0040x.org \u00e9\n"}]"#,
        Some(r#""name":[{"text":"\"****************\" ********** é\n"}]"#),
    );
    check(
        "a narrative",
        r#""text":{"status":"generated","div":"<div>MRN-1234 é</div>"}"#,
        Some(r#""text":{"status":"generated","div":"<div>******** é</div>"}"#),
    );
    check(
        "in another form",
        r#""text":{"status":"generated","div":"<div><b>MRN</b>-1234</div>"},"name":[{"text":"jane\uff20x.org \u0664\u0661\u0661\u0661 1111\u00a01111\u20111111"}]"#,
        Some(
            r#""text":{"status":"generated","div":"<div><b>***</b>*****</div>"},"name":[{"text":"********** *******************"}]"#,
        ),
    );
    check(
        "what is contained",
        r#""contained":[{"resourceType":"Basic","id":"b","extension":[{"url":"u","valueString":"MRN-1234"}]}]"#,
        Some(
            r#""contained":[{"resourceType":"Basic","id":"b","extension":[{"url":"u","valueString":"********"}]}]"#,
        ),
    );
    check(
        "structure",
        r#""identifier":[{"system":"MRN-1234","id":"MRN-1234"}],"link":[{"other":{"reference":"Patient/MRN-1234"}}]"#,
        None,
    );
}

#[test]
fn an_entry_with_such_a_text_is_masked_or_taken_out() {
    let entry = |id: &str, text: &str| {
        format!(
            r#"{{"resource":{{"resourceType":"Observation","id":"{id}","valueString":"{text}"}}}}"#
        )
    };
    let body = format!(
        r#"{{"resourceType":"Bundle","type":"searchset","entry":[{},{}]}}"#,
        entry("a", "plain"),
        entry("b", "jane@example.org")
    );
    let cover = |action| {
        let cover = bundle(BundleKind::Searchset, "Observation", None);
        under(cover, "Observation", action)
    };
    let (text, counts) = outcome(cover(What::Mask), &body).expect("a bundle");
    assert!(
        text.contains(r#""valueString":"****************""#),
        "{text}"
    );
    assert_eq!((counts.passed, counts.removed, counts.redacted), (2, 0, 1));
    let (text, counts) = outcome(cover(What::Refuse), &body).expect("a bundle");
    assert!(
        text.contains("plain") && !text.contains(r#""id":"b""#),
        "{text}"
    );
    assert_eq!((counts.passed, counts.removed, counts.redacted), (1, 1, 0));
    // Of an instance none is left: then it is absent.
    let history = body.replace("searchset", "history");
    let cover = bundle(BundleKind::History, "Observation", Some("b"));
    let cover = under(cover, "Observation", What::Refuse);
    assert_eq!(outcome(cover, &history).err(), Some(Fault::Withheld));
}

#[test]
fn what_a_redaction_leaves_is_looked_at_too() {
    let onset = |text: &str| {
        format!(
            r#"{{"resourceType":"Condition","id":"c","onsetAge":{{"value":50,"unit":"{text}","code":"a"}}}}"#
        )
    };
    let hide = |action| {
        let cover = under(read("Condition", Some("c")), "Condition", What::Mask);
        hiding(cover, "Condition", action, &["onsetAge"])
    };
    let age = || Action::Generalize(Precision::Age);
    let text = passed("an age", hide(age()), &onset("years"));
    assert!(text.contains(r#""unit":"years""#), "{text}");
    for action in [age(), Action::Mask, Action::Remove] {
        let text = passed("an age with a text", hide(action), &onset("MRN-1234"));
        assert!(!text.contains("MRN"), "{text}");
    }
}

#[test]
fn what_does_not_match_keeps_its_bytes() {
    const TEXTS: [(&str, &str); 8] = [
        ("plain", "plain"),
        (r"\u0041\n\/ ", r"\u0041\n\/ "),
        ("2026-11-21", "2026-11-21"),
        ("", ""),
        ("4111111111111112", "4111111111111112"),
        ("4111111111111111", "****************"),
        ("a@b.org, MRN-1234", "*******, ********"),
        ("é jane@example.org", "é ****************"),
    ];
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for _ in 0..300 {
        let (mut body, mut expected) = (String::new(), String::new());
        let mut masked = false;
        for place in 0..1 + random(6) {
            let (text, left) = TEXTS[random(TEXTS.len())];
            let space = [" ", "", "\n\t"][random(3)];
            let (before, behind) = [
                ("\"", "\""),
                ("[ 1.50,\"", "\" ]"),
                ("{\"value\":\"", "\",\"n\":-0}"),
                ("[{\"url\":\"x\",\"valueString\":\"", "\"}, null]"),
            ][random(4)];
            for (out, text) in [(&mut body, text), (&mut expected, left)] {
                if place > 0 {
                    out.push(',');
                }
                out.push_str(&format!("\"x{place}\":{space}{before}{text}{behind}"));
            }
            masked |= text != left;
        }
        let cover = Rc::new(under(read("Patient", Some("p")), "Patient", What::Mask));
        let (text, _) = run(&cover, Limits::default(), patient(&body).as_bytes(), &[])
            .unwrap_or_else(|fault| panic!("{body}: {fault:?}"));
        let expected = match masked {
            true => patient(&format!("{MASKED},{expected}")),
            false => patient(&body),
        };
        assert_eq!(text, expected);
    }
}
