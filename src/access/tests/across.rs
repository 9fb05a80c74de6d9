//! Searches over several types, and in compartments.

use super::*;
use crate::fhir::Searched;

const PARAMETER: Result<&str, &str> = Err("request.not-supported.parameter");
const INTERACTION: Result<&str, &str> = Err("request.not-supported.interaction");

#[test]
fn every_type_needs_its_scope_bypass_24_25() {
    for (scope, target, expected) in [
        ("user/*.s", "GET ", Ok("scope:user/*.s")),
        ("system/*.s", "GET /_history", Ok("scope:system/*.s")),
        ("system/*.r", "GET /_history", Err("lacks system/*.s")),
        ("user/Observation.s", "GET ", Err("lacks user/*.s")),
        (
            "user/Observation.s user/Condition.s",
            "GET ?_type=Observation,Condition",
            Ok("scope:user/Observation.s"),
        ),
        (
            "user/Observation.s user/Condition.r",
            "GET ?_type=Observation,Condition",
            Err("lacks user/Condition.s"),
        ),
        (
            "user/Observation.s user/Condition.r",
            "GET ?_type=Condition,Observation",
            Err("lacks user/Condition.s"),
        ),
        (
            "user/Observation.s",
            "GET /_history?_type=Observation,Patient",
            Err("lacks user/Patient.s"),
        ),
        (
            "user/Observation.s",
            "GET /_history?_type=Observation",
            Ok("scope:user/Observation.s"),
        ),
        (
            "user/*.s",
            "GET ?_type=Binary",
            Err("request.not-supported.type"),
        ),
        (
            "user/*.s",
            "GET ?_type=Patient,Bundle",
            Err("request.not-supported.type"),
        ),
        (
            "user/Observation.s",
            "GET /Patient/p2/Observation",
            Ok("scope:user/Observation.s"),
        ),
        (
            "user/Observation.s",
            "GET /Patient/p2/Condition",
            Err("lacks user/Condition.s"),
        ),
        (
            "user/Observation.s",
            "GET /Patient/p2/*",
            Err("lacks user/*.s"),
        ),
        (
            "user/Observation.s",
            "GET /Patient/p2/*?_type=Observation",
            Ok("scope:user/Observation.s"),
        ),
        (
            "system/Encounter.s",
            "GET /Practitioner/d1/Encounter",
            Ok("scope:system/Encounter.s"),
        ),
        (
            "system/*.s",
            "GET /Practitioner/d1/*",
            Ok("scope:system/*.s"),
        ),
    ] {
        check(&format!("{scope} {target}"), scope, &[], target, expected);
    }
}

#[test]
fn a_patient_searches_the_own_compartment_bypass_24_25() {
    let open = Ok("scope:patient/*.s");
    let absent = Err("compartment");
    for (target, expected) in [
        ("GET /Patient/p1/Observation", open),
        ("GET /Patient/p1/Observation?code=x", open),
        // Of Patients the compartment holds those who are linked to the own one: the own one is found by
        // its id.
        ("GET /Patient/p1/Patient", open),
        ("GET /Patient/p1/*?_type=Patient,Observation", PARAMETER),
        ("GET /Patient/p1/Patient?_id=p1", open),
        ("GET /Patient/p1/*", open),
        ("GET /Patient/p1/*?_type=Observation,Condition", open),
        ("GET /Patient/p1/Observation?performer=Practitioner/a", open),
        ("GET /Patient/p1/Observation?patient=p1", open),
        ("GET /Patient/p2/Observation", absent),
        ("GET /Patient/p12/Observation", absent),
        ("GET /Patient/p2/*", absent),
        // Whoever is named beside the own patient is another all the same.
        ("GET /Patient/p1/Observation?performer=Patient/p2", absent),
        ("GET /Patient/p1/Observation?subject=p2", absent),
        ("GET /Patient/p1/Patient?_id=p2", absent),
        ("GET /Practitioner/d1/Observation", INTERACTION),
        ("GET /Practitioner/p1/*?_type=Observation", INTERACTION),
        // The whole system, only where something confines each of the types.
        ("GET ", PARAMETER),
        ("GET ?_type=Observation,Condition", open),
        ("GET ?_type=Observation,Condition&patient=p1", open),
        ("GET ?_type=Observation,Condition&patient=p2", absent),
        ("GET ?_type=Observation,Condition&patient=p1,p2", absent),
        (
            "GET ?_type=Observation&patient=p1&performer=Patient/p2",
            absent,
        ),
        ("GET ?_type=Observation,Task&patient=p1", PARAMETER),
        ("GET ?_type=Patient&_id=p1", open),
        ("GET ?_type=Patient,Observation&_id=p1", PARAMETER),
        ("GET ?_type=Observation&code=x", open),
        ("GET /_history", INTERACTION),
        ("GET /_history?_type=Patient", INTERACTION),
    ] {
        check(target, "patient/*.s", &[], target, expected);
    }
    let permit = decided(&principal("patient/*.s", &[]), "GET /Patient/p1/*").expect("a permit");
    assert_eq!(permit.patient(), Some("p1"), "the answer is confined");
}

#[test]
fn each_type_has_what_is_granted_for_it() {
    let caller = principal("user/Observation.s?category=a user/Condition.s", &[]);
    let permit = decided(&caller, "GET ?_type=Observation,Condition&_tag=x").expect("a permit");
    assert!(permit.visible().is_some_and(|granted| !granted.is_all()));
    let [(condition, granted)] = permit.others() else {
        panic!("{:?}", permit.others());
    };
    assert!(condition.name() == "Condition" && granted.is_all());
    assert!(!permit.is_for_all());
    // One condition cannot say it of both.
    let target = permit.request().interaction.target();
    assert_eq!(target, "?_type=Observation,Condition&_tag=x");
    let permit = decided(&caller, "GET /Patient/p1/Observation").expect("a permit");
    let target = permit.request().interaction.target();
    assert_eq!(target, "/Patient/p1/Observation?category=a");
}

#[test]
fn whose_it_is_is_not_asked_for_by_the_path_where_it_is_hidden_bypass_9() {
    let hidden = |_: &Permit, of: ResourceType, searched: Searched| {
        let element = searched.path.to_string();
        of.name() == "Observation" && ["subject", "performer"].contains(&element.as_str())
    };
    let terms = Terms {
        hidden: &hidden,
        ..terms()
    };
    let refused = Some(Denial::NotSupported("parameter"));
    for (scope, target, expected) in [
        (
            "user/*.rs",
            "GET /Observation?subject=Patient/p2",
            refused.clone(),
        ),
        ("user/*.rs", "GET /Patient/p2/Observation", refused.clone()),
        ("user/*.rs", "GET /Patient/p2/*", refused.clone()),
        ("user/*.rs", "GET /Practitioner/d1/Observation", refused),
        ("user/*.rs", "GET /Patient/p2/Condition", None),
        // A patient knows whose they are.
        ("patient/*.rs", "GET /Patient/p1/Observation", None),
    ] {
        let found = authorize(&principal(scope, &[]), &request(target), &terms);
        assert_eq!(found.err(), expected, "{scope} {target}");
    }
}

#[test]
fn what_is_hidden_of_one_type_is_searched_for_in_none() {
    let hidden = |_: &Permit, of: ResourceType, searched: Searched| {
        of.name() == "Condition" && searched.to_string() == "code"
    };
    let terms = Terms {
        hidden: &hidden,
        ..terms()
    };
    let caller = principal("user/*.s", &[]);
    let decide = |target| authorize(&caller, &request(target), &terms).err();
    assert_eq!(decide("GET /Observation?code=x"), None);
    let refused = Some(Denial::NotSupported("parameter"));
    assert_eq!(decide("GET ?_type=Observation,Condition&code=x"), refused);
    assert_eq!(decide("GET ?_type=Observation,Condition&_tag=x"), None);
}

#[test]
fn rules_decide_on_each_type() {
    let rule = |effect, types: Option<&str>, when: Option<&str>| Rule {
        name: "r".to_owned(),
        interactions: Some(vec!["search-system"]),
        types: types.map(|name| vec![ResourceType::parse(name).expect("a type")]),
        when: when.map(super::rules::condition),
        effect,
        report: false,
    };
    let decide = |rule: Rule, target: &str| {
        let rules = Rules {
            rules: vec![rule],
            ..Rules::default()
        };
        let terms = Terms {
            rules: &rules,
            ..terms()
        };
        let found = authorize(&principal("user/*.s", &[]), &request(target), &terms);
        found.err().map(|denial| denial.rule()).unwrap_or_default()
    };
    let (both, one) = ("GET ?_type=Observation,Condition", "GET ?_type=Observation");
    let never = Some("fhir.type == 'Patient'");
    for (rule, target, expected) in [
        (rule(Effect::Deny, Some("Condition"), None), both, "deny.r"),
        (
            rule(Effect::Deny, Some("Condition"), None),
            "GET ",
            "deny.r",
        ),
        (rule(Effect::Deny, Some("Condition"), None), one, ""),
        (
            rule(Effect::Deny, None, Some("fhir.type == 'Condition'")),
            both,
            "deny.r",
        ),
        (
            rule(Effect::Deny, None, Some("fhir.type == 'Condition'")),
            one,
            "",
        ),
        (
            rule(Effect::Allow, Some("Condition"), never),
            both,
            "allow.r",
        ),
        (rule(Effect::Allow, Some("Condition"), never), one, ""),
        (
            rule(Effect::Allow, None, Some("fhir.type == 'Observation'")),
            both,
            "allow.r",
        ),
        (
            rule(Effect::Allow, None, Some("fhir.type == 'Observation'")),
            one,
            "",
        ),
    ] {
        assert_eq!(decide(rule.clone(), target), expected, "{rule:?} {target}");
    }
    let mut login = Requirement::default();
    login.classes.push("loa3".to_owned());
    let step_up = StepUp {
        name: "strong".to_owned(),
        interactions: None,
        types: Some(vec![ResourceType::parse("Condition").expect("a type")]),
        requirement: login,
    };
    let terms = Terms {
        step_up: std::slice::from_ref(&step_up),
        ..terms()
    };
    for (target, passes) in [(both, false), (one, true)] {
        let found = authorize(&principal("user/*.s", &[]), &request(target), &terms);
        assert_eq!(found.is_ok(), passes, "{target}");
    }
}

#[test]
fn what_one_type_is_spared_another_may_not_be() {
    let of = |name: &str| Some(super::rules::condition(&format!("fhir.type == '{name}'")));
    let rules = Rules {
        redactions: vec![
            ("a".to_owned(), of("Condition")),
            ("b".to_owned(), of("Patient")),
        ],
        limits: vec![
            ("c".to_owned(), of("Observation")),
            ("d".to_owned(), of("Patient")),
        ],
        ..Rules::default()
    };
    let terms = Terms {
        rules: &rules,
        ..terms()
    };
    let caller = principal("user/*.s", &[]);
    let permit = authorize(
        &caller,
        &request("GET ?_type=Observation,Condition"),
        &terms,
    );
    let permit = permit.expect("a permit");
    let spared = [0, 1].map(|place| (permit.spares_redaction(place), permit.spares_limit(place)));
    assert_eq!(spared, [(false, false), (true, true)]);
}
