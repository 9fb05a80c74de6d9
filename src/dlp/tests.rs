//! Patterns, each with what it finds, what comes near, and what a rule makes of a resource.

mod own;
mod plain;

use std::rc::Rc;

use super::*;
use crate::json::{Document, Limits, quote};

fn known(name: &str) -> Pattern {
    let mut all = Known::ALL.iter();
    let found = all.find(|(own, _)| *own == name).expect(name);
    Pattern::Known(found.1)
}

fn own(text: &str) -> Pattern {
    Pattern::Own(Own::read(text).expect(text))
}

/// What is masked in a text, alone and with other texts around it, so that each is found at any place.
fn masked(patterns: &[Pattern], text: &str) -> String {
    masked_in(patterns, text, false)
}

/// The same, of a narrative where it is one.
fn masked_in(patterns: &[Pattern], text: &str, narrative: bool) -> String {
    let json = quote(text);
    let document = Document::parse(json.as_bytes(), &Limits::default()).expect(text);
    let text = Text::of(document.root(), narrative).expect("a string");
    let masked = text.masked(patterns.iter());
    let found = patterns.iter().any(|pattern| pattern.is_in(&text));
    assert_eq!(masked.is_some(), found, "{}", text.written.says);
    masked.unwrap_or_else(|| text.written.says.into_owned())
}

/// `expected` is the text with `*` in the places of what is found.
fn check(pattern: &str, text: &str, expected: &str) {
    let pattern = [known(pattern)];
    assert_eq!(masked(&pattern, text), expected, "{text}");
    for (before, after) in [
        ("(", ")"),
        ("é ", " é"),
        ("<b>", "</b>"),
        ("x: ", ", y"),
        ("\n", "."),
    ] {
        let wrapped = |text: &str| format!("{before}{text}{after}");
        assert_eq!(
            masked(&pattern, &wrapped(text)),
            wrapped(expected),
            "{text}"
        );
        let twice = |text: &str| format!("{text}{after}{before}{text}");
        assert_eq!(masked(&pattern, &twice(text)), twice(expected), "{text}");
    }
}

fn stars(text: &str) -> String {
    "*".repeat(text.chars().count())
}

fn found(pattern: &str, texts: &[&str]) {
    for text in texts {
        check(pattern, text, &stars(text));
    }
}

fn near(pattern: &str, texts: &[&str]) {
    for text in texts {
        check(pattern, text, text);
    }
}

#[test]
fn card_numbers_have_13_to_19_digits_and_the_right_last_one() {
    found(
        "card",
        &[
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "3782 822463 10005",
            "4222222222222",
            "4222 2222 2222 2",
            "6304000000000000000",
            "6304 0000 0000 0000 000",
        ],
    );
    near(
        "card",
        &[
            "4111111111111112",
            "4111  1111 1111 1111",
            "4111.1111.1111.1111",
            "41 11 11 11 11 11 11 11",
            "411111111111",
            "63040000000000000000",
            "0000000000000000",
            "x4111111111111111",
            "4111111111111111x",
            "14111111111111111",
            "1.2.840.4111111111111111",
            "4111111111111111.5",
            "2026-11-21T18:40:00.123+01:00",
        ],
    );
    // What stands before it is no part of it.
    check(
        "card",
        "room 1234 4111 1111 1111 1111, 5",
        "room 1234 *******************, 5",
    );
}

#[test]
fn social_security_numbers_are_in_ranges_that_are_given_out() {
    found("us-ssn", &["123-45-6789", "665-01-0001", "899-99-9999"]);
    near(
        "us-ssn",
        &[
            "000-45-6789",
            "666-45-6789",
            "900-45-6789",
            "999-45-6789",
            "123-00-6789",
            "123-45-0000",
            "123456789",
            "123 45 6789",
            "1123-45-6789",
            "123-45-67890",
            "1-123-45-6789",
            "123-45-6789-1",
            "a123-45-6789",
        ],
    );
    check("us-ssn", "SSN-123-45-6789", "SSN-***********");
}

#[test]
fn ibans_have_right_check_digits() {
    found(
        "iban",
        &[
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "GB82 WEST 1234 5698 7654 32",
            "NO9386011117947",
            "DE89 370400440532013000",
            "MT84MALT011000012345MTLCAST001S",
        ],
    );
    near(
        "iban",
        &[
            "DE88370400440532013000",
            "DE89370400440532013",
            "de89370400440532013000",
            "XDE89370400440532013000",
            "DE89370400440532013000X",
            "1E89370400440532013000",
        ],
    );
    let text = "DE89 3704 0044 0532 0130 00 AND MORE";
    check("iban", text, "*************************** AND MORE");
}

#[test]
fn e_mail_addresses_have_a_top_level_domain() {
    found(
        "email",
        &[
            "jane@example.org",
            "jane.doe+tag@mail.example.co",
            "jürgen@example.org",
            "a@b-c.de",
            "jane@köln.de",
            "jane@praxis-münchen.example",
            "почта@пример.рф",
            "jane@xn--kln-sna.de",
            "jane@example.xn--p1ai",
            "\"jane doe\"@example.org",
        ],
    );
    near(
        "email",
        &[
            "@example.org",
            "jane@",
            "jane@host",
            "jane@10.0.0.1",
            "@",
            "a@@",
            "a@.de",
        ],
    );
    check(
        "email",
        "mailto:jane@example.org.",
        "mailto:****************.",
    );
    check("email", "a@b.de@c.de", "******@c.de");
    // What stands behind it is no part of it.
    check("email", "jane@example.org.2", "****************.2");
    check("email", "jane@example.org-or", "****************-or");
    check("email", "jane@example.org.-", "****************.-");
}

#[test]
fn telephone_numbers_are_international() {
    found(
        "phone",
        &[
            "+14155550123",
            "+1 (415) 555-0123",
            "+44 20.7946/0958",
            "+49(0)301234567",
            "+12345678",
            "+123456789012345",
            "+49 30 / 123 45 67",
            "+44 (0)20 - 7946 0958",
        ],
    );
    near(
        "phone",
        &[
            "+1234567",
            "+1234567890123456",
            "+01234567890",
            "415-555-0123",
            "a+14155550123",
            "+14155550123x",
            "+1    4155550123",
            "2026-11-21T18:40:00+01:00",
        ],
    );
    check(
        "phone",
        "+49 30 1234567 2026-01-01",
        "*******************-01-01",
    );
    check("phone", "+14155550123x45", "************x45");
    check("phone", "+1 415-555-0123 ext. 4", "*************** ext. 4");
    check("phone", "+1 415-555-0123ext4", "***************ext4");
}

#[test]
fn patterns_are_masked_together_and_characters_one_by_one() {
    let all: Vec<Pattern> = Known::ALL.iter().map(|(name, _)| known(name)).collect();
    for (text, expected) in [
        (
            "jane@example.org +14155550123",
            "**************** ************",
        ),
        (
            "4111111111111111@example.org",
            "****************************",
        ),
        ("jürgen@example.org", "******************"),
        (
            "nothing 2026-11-21 120/80 mmHg",
            "nothing 2026-11-21 120/80 mmHg",
        ),
        ("", ""),
    ] {
        assert_eq!(masked(&all, text), expected);
    }
}

fn rule(action: Action, types: &[&str], except: &[&str]) -> Rc<Rule> {
    let kind = |name: &&str| ResourceType::parse(name).expect(name);
    Rc::new(Rule {
        name: "rule".into(),
        patterns: vec![known("card"), known("email")],
        action,
        types: (!types.is_empty()).then(|| types.iter().map(kind).collect()),
        except: except.iter().map(|&name| name.into()).collect(),
    })
}

const CARD: &str = "4111111111111111";

/// Whether a rule finds the card in the resource, which it must do by both actions.
fn finds(types: &[&str], except: &[&str], resource: &str) -> bool {
    let resource = resource.replace("CARD", CARD);
    let document = Document::parse(resource.as_bytes(), &Limits::default()).expect(&resource);
    let root = document.root();
    let patient = ResourceType::parse("Patient").expect("a type");
    let texts = |action| Texts::new(vec![rule(action, types, except)], patient).expect("rules");
    let refuse = texts(Action::Refuse);
    let mask = texts(Action::Mask);
    let mut found = 0;
    mask.mask(root, |node, masked| {
        assert!(
            node.raw().contains('4') && !masked.contains(CARD),
            "{masked}"
        );
        found += 1;
    });
    assert_eq!(refuse.covers(root), found == 0, "{resource}");
    assert!(mask.covers(root));
    refuse.mask(root, |_, _| panic!("a rule that refuses masks nothing"));
    found > 0
}

#[test]
fn every_text_is_looked_at_and_structure_is_not() {
    for (resource, expected) in [
        (
            r#"{"resourceType":"Patient","name":[{"text":"CARD"}]}"#,
            true,
        ),
        (
            r#"{"resourceType":"Patient","name":[{"given":["a","CARD"]}]}"#,
            true,
        ),
        (
            r#"{"resourceType":"Patient","text":{"div":"<div>CARD</div>"}}"#,
            true,
        ),
        (
            r#"{"resourceType":"Patient","extension":[{"url":"u","valueString":"CARD"}]}"#,
            true,
        ),
        (
            r#"{"resourceType":"Patient","_birthDate":{"extension":[{"valueString":"CARD"}]}}"#,
            true,
        ),
        (
            r#"{"resourceType":"Patient","meta":{"source":"CARD"}}"#,
            true,
        ),
        (r#"{"resourceType":"Patient","language":"CARD"}"#, true),
        (
            r#"{"resourceType":"Patient","unknown":"\u0034111111111111111"}"#,
            true,
        ),
        (
            r#"{"resourceType":"Patient","contained":[{"resourceType":"Basic","x":"CARD"}]}"#,
            true,
        ),
        (
            r#"{"resourceType":"Patient","identifier":[{"system":"CARD","id":"CARD"}]}"#,
            false,
        ),
        (
            r#"{"resourceType":"Patient","photo":[{"data":"CARD","hash":"CARD","url":"CARD"}]}"#,
            false,
        ),
        (
            r#"{"resourceType":"Patient","link":[{"other":{"reference":"CARD"}}]}"#,
            false,
        ),
        (
            r#"{"resourceType":"Patient","x":{"c\u006fde":"CARD"}}"#,
            false,
        ),
        (r#"{"resourceType":"Patient","CARD":true,"x":CARD}"#, false),
    ] {
        assert_eq!(finds(&[], &[], resource), expected, "{resource}");
    }
}

#[test]
fn a_rule_is_about_types_and_spares_elements() {
    let own = r#"{"resourceType":"Patient","telecom":[{"value":"CARD"}]}"#;
    let inside = r#"{"resourceType":"Basic","contained":[{"resourceType":"Patient","x":"CARD"}]}"#;
    let around = r#"{"resourceType":"Patient","contained":[{"resourceType":"Basic","x":"CARD"}]}"#;
    let sibling = r#"{"resourceType":"Patient","_gender":{"extension":[{"valueString":"CARD"}]}}"#;
    let unknown =
        r#"{"resourceType":"Patient","contained":[{"resourceType":"Nothing","x":"CARD"}]}"#;
    for (types, except, resource, expected) in [
        (&["Patient"][..], &[][..], own, true),
        (&["Basic"], &[], own, false),
        (&["Patient"], &[], inside, true),
        (&["Patient"], &[], around, true),
        (&["Basic"], &[], around, true),
        (&["Goal"], &[], around, false),
        (&["Goal"], &[], unknown, true),
        (&[], &["telecom"], own, false),
        (&[], &["value"], own, false),
        (&[], &["name"], own, true),
        (&[], &["gender"], sibling, false),
        (&[], &["contained"], inside, false),
        (&["Patient"], &["x"], inside, false),
    ] {
        assert_eq!(
            finds(types, except, resource),
            expected,
            "{types:?} {except:?} {resource}"
        );
    }
}

#[test]
fn what_a_rule_can_do_is_known_by_its_types() {
    let kind = |name: &str| ResourceType::parse(name).expect(name);
    let can = |rules: Vec<Rc<Rule>>, name: &str| {
        Texts::new(rules, kind(name)).map(|texts| (texts.withholds(), texts.masks()))
    };
    let refuse = || rule(Action::Refuse, &["Patient"], &[]);
    let mask = || rule(Action::Mask, &[], &[]);
    assert_eq!(can(vec![], "Patient"), None);
    assert_eq!(can(vec![refuse()], "Patient"), Some((true, false)));
    assert_eq!(can(vec![refuse()], "Goal"), Some((false, false)));
    assert_eq!(can(vec![mask(), refuse()], "Goal"), Some((false, true)));
    assert_eq!(can(vec![mask(), refuse()], "Patient"), Some((true, true)));
}
