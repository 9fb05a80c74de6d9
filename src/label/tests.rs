use super::*;
use crate::json::{Document, Limits};

const R4: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const ACT: &str = PolicyCode::SYSTEM;
const VIP: &str = "http://example.org/labels";

/// `confidentiality kind,kind`, with `*` for every kind; `vip` is a code of another system.
fn clearance(text: &str) -> Rc<Clearance> {
    let (level, kinds) = text.split_once(' ').unwrap_or((text, ""));
    let kinds: Vec<&str> = kinds.split(',').filter(|kind| !kind.is_empty()).collect();
    let every_kind = kinds == ["*"];
    let kind = |code: &&str| match PolicyCode::parse(code) {
        Some(code) => Kind::Policy(code),
        None => Kind::Other {
            system: VIP.into(),
            code: (*code).into(),
        },
    };
    Rc::new(Clearance {
        confidentiality: Confidentiality::parse(level).expect(text),
        kinds: match every_kind {
            true => Vec::new(),
            false => kinds.iter().map(kind).collect(),
        },
        every_kind,
    })
}

fn policy(unlabelled: &str, codes: Vec<CodeRule>) -> Rc<LabelPolicy> {
    Rc::new(LabelPolicy {
        unlabelled: Confidentiality::parse(unlabelled).expect("a level"),
        codes,
    })
}

/// Whether a resource may be seen with these clearances.
fn covers(policy: &Rc<LabelPolicy>, clearances: &[&str], resource: &str) -> bool {
    let held = clearances.iter().map(|text| clearance(text)).collect();
    let Some(cleared) = Cleared::new(policy, held) else {
        return true;
    };
    let document = Document::parse(resource.as_bytes(), &Limits::default()).expect(resource);
    cleared.covers(document.root())
}

fn check(name: &str, clearances: &[&str], resource: &str, expected: bool) {
    let found = covers(&policy("N", Vec::new()), clearances, resource);
    assert_eq!(found, expected, "{name}: {clearances:?} {resource}");
}

fn coding(system: &str, code: &str) -> String {
    format!(r#"{{"system":"{system}","code":"{code}"}}"#)
}

/// A resource with these labels.
fn labelled(labels: &[String]) -> String {
    format!(r#"{{"meta":{{"security":[{}]}}}}"#, labels.join(","))
}

#[test]
fn a_clearance_is_enough_for_what_is_as_confidential_or_less() {
    let levels = ["U", "L", "M", "N", "R", "V"];
    for (own, level) in levels.iter().enumerate() {
        for (high, clearance) in levels.iter().enumerate() {
            let resource = labelled(&[coding(R4, level)]);
            check("level", &[clearance], &resource, own <= high);
        }
    }
    let (normal, restricted) = (coding(R4, "N"), coding(R4, "R"));
    let both = labelled(&[normal.clone(), restricted.clone()]);
    check("the highest of several", &["N"], &both, false);
    check("the highest of several", &["R"], &both, true);
    for unlabelled in [r"{}", r#"{"meta":{}}"#, r#"{"meta":{"security":[]}}"#] {
        check("unlabelled", &["N"], unlabelled, true);
        check("unlabelled", &["M"], unlabelled, false);
        assert!(!covers(&policy("R", Vec::new()), &["N"], unlabelled));
    }
    check(
        "nobody is cleared",
        &[],
        &labelled(&[coding(R4, "U")]),
        false,
    );
    for code in ["PSY", "B", "T", "n", "X", ""] {
        let resource = labelled(&[coding(R4, code)]);
        check("no level", &["R *"], &resource, false);
        check("no level", &["V"], &resource, true);
    }
}

#[test]
fn sensitivities_must_all_be_cleared() {
    let of = |codes: &[&str]| {
        let labels: Vec<String> = codes.iter().map(|code| coding(ACT, code)).collect();
        labelled(&labels)
    };
    for (name, clearance, codes, expected) in [
        ("none", "N", &["HIV"][..], false),
        ("the same", "N HIV", &["HIV"], true),
        ("one of two", "N HIV", &["HIV", "SUD"], false),
        ("both", "N HIV,SUD", &["SUD", "HIV"], true),
        ("below", "N SUD", &["OPIOIDUD"], true),
        ("far below", "N SPI", &["OPIOIDUD"], true),
        ("above", "N OPIOIDUD", &["SUD"], false),
        ("a law", "N SUD", &["42CFRPart2"], false),
        ("a law", "N 42CFRPart2", &["42CFRPart2"], true),
        ("a refrain", "N", &["NODSCLCD"], false),
        ("an obligation", "N", &["MASK", "ENCRYPT"], true),
        (
            "that elements are labelled",
            "N",
            &["PROCESSINLINELABEL"],
            true,
        ),
        ("a code that R4 has not", "N HIV", &["NEWCODE"], false),
        ("a code that R4 has not", "N *", &["NEWCODE"], true),
        ("in another case", "N HIV", &["hiv"], false),
        ("every kind", "N *", &["HIV", "SUD"], true),
    ] {
        check(name, &[clearance], &of(codes), expected);
    }
    let vip = labelled(&[coding(VIP, "vip")]);
    check("another system", &["N"], &vip, false);
    check("another system", &["N vip"], &vip, true);
    let same_code = labelled(&[coding("http://example.org/other", "vip")]);
    check("the code of another system", &["N vip"], &same_code, false);
    let integrity = coding(
        "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
        "PATRPT",
    );
    check("integrity", &["N"], &labelled(&[integrity]), true);
    let restricted = labelled(&[coding(R4, "R"), coding(ACT, "HIV")]);
    check("level and kind", &["R HIV"], &restricted, true);
    check(
        "one clearance is enough",
        &["N", "R HIV"],
        &restricted,
        true,
    );
    check("two halves are none", &["R", "N HIV"], &restricted, false);
}

#[test]
fn what_is_not_understood_is_for_whoever_may_see_everything() {
    for label in [
        "{}",
        r#"{"display":"HIV"}"#,
        r#"{"code":"N"}"#,
        r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality"}"#,
        r#"{"system":1,"code":"N"}"#,
        r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":["N"]}"#,
        "null",
        "\"N\"",
        "[]",
    ] {
        let resource = labelled(&[label.to_owned()]);
        check("label", &["V HIV"], &resource, false);
        check("label", &["R *"], &resource, false);
        check("label", &["V *"], &resource, true);
    }
    for security in [r#"{"system":"x","code":"y"}"#, "\"N\"", "1", "null"] {
        let resource = format!(r#"{{"meta":{{"security":{security}}}}}"#);
        check("security is no list", &["V HIV"], &resource, false);
        check("security is no list", &["V *"], &resource, true);
    }
    let restricted = coding(R4, "R");
    for meta in [
        format!(r#"[{{"security":[{restricted}]}}]"#),
        "null".to_owned(),
        "1".to_owned(),
    ] {
        let resource = format!(r#"{{"contained":[{{"meta":{meta}}}]}}"#);
        check("meta is no object", &["N"], &resource, false);
    }
    let lists = format!(r#"{{"extension":[[{{"url":"{INLINE}","valueCoding":{restricted}}}]]}}"#);
    check("a list in the list of extensions", &["N"], &lists, false);
}

#[test]
fn labels_count_up_to_a_bound() {
    let label = coding(R4, "U");
    let of = |count: usize| labelled(&vec![label.clone(); count]);
    check("at the bound", &["N"], &of(MAX_LABELS), true);
    check("beyond the bound", &["N"], &of(MAX_LABELS + 1), false);
}

#[test]
fn what_is_contained_and_what_the_resource_carries_itself_count() {
    let restricted = labelled(&[coding(R4, "R")]);
    let low = labelled(&[coding(R4, "L")]);
    let container = |outer: &str, inner: &str| {
        let outer = outer.strip_suffix('}').expect("an object");
        let comma = if outer.len() > 1 { "," } else { "" };
        format!(r#"{outer}{comma}"contained":[{inner}]}}"#)
    };
    check("contained", &["N"], &container("{}", &restricted), false);
    check("contained", &["R"], &container("{}", &restricted), true);
    check("around it", &["N"], &container(&restricted, &low), false);
    // The contained one says nothing of it, and so is as what says nothing.
    check("unlabelled inside", &["L"], &container(&low, "{}"), false);
    check("unlabelled outside", &["L"], &container("{}", &low), false);
    check("both are low", &["L"], &container(&low, &low), true);
    for list in ["extension", "modifierExtension"] {
        let label = coding(ACT, "HIV");
        let own = format!(r#"{{"{list}":[{{"url":"{INLINE}","valueCoding":{label}}}]}}"#);
        check("on itself", &["N"], &own, false);
        check("on itself", &["N HIV"], &own, true);
        let wrong = format!(r#"{{"{list}":{{"url":"{INLINE}","valueCode":"HIV"}}}}"#);
        check("on itself, not understood", &["V HIV"], &wrong, false);
    }
}

#[test]
fn codes_give_labels() {
    let rule = CodeRule {
        codes: [("http://icd".to_owned(), "F11.20".to_owned())].into(),
        confidentiality: Some(Confidentiality::Restricted),
        kinds: vec![Kind::Policy(PolicyCode::parse("OPIOIDUD").expect("a code"))],
    };
    let policy = policy("N", vec![rule]);
    let coded = r#"{"a":[{"b":{"coding":[{"system":"x","code":"y"},{"system":"http://icd","code":"F11.20"}]}}]}"#;
    for (name, clearances, resource, expected) in [
        ("at any depth", &["N"][..], coded, false),
        ("level and kind", &["R"], coded, false),
        ("level and kind", &["R SUD"], coded, true),
        (
            "of another system",
            &["N"],
            r#"{"a":{"system":"http://icd10","code":"F11.20"}}"#,
            true,
        ),
        (
            "another code",
            &["N"],
            r#"{"a":{"system":"http://icd","code":"F11.2"}}"#,
            true,
        ),
        (
            "contained",
            &["N"],
            r#"{"contained":[{"code":{"coding":[{"code":"F11.20","system":"http://icd"}]}}]}"#,
            false,
        ),
        (
            "escaped",
            &["N"],
            r#"{"a":{"\u0073ystem":"http:\/\/icd","code":"F11\u002e20"}}"#,
            false,
        ),
    ] {
        let found = covers(&policy, clearances, resource);
        assert_eq!(found, expected, "{name}: {clearances:?}");
    }
}
