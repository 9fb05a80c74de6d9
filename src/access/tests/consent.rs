//! Whose consent a request takes, and what is known of it without asking.

use super::*;
use crate::consent::{Actor, Caller, Consents, Effect as Says, Ruling};
use crate::identity::Pointer;

fn rule(report: bool) -> Rule {
    Rule {
        name: "r".to_owned(),
        interactions: None,
        types: None,
        when: None,
        effect: Effect::Require {
            login: Requirement::default(),
            bound: Vec::new(),
            provenance: false,
            consent: true,
        },
        report,
    }
}

fn decide(caller: &Rc<Principal>, target: &str, rules: &Rules) -> Result<Permit, Denial> {
    let terms = Terms { rules, ..terms() };
    authorize(caller, &request(target), &terms)
}

fn requiring() -> Rules {
    Rules {
        rules: vec![rule(false)],
        ..Rules::default()
    }
}

const NOBODY: &str = "consent.r: the request does not tell whose consent it takes";

#[test]
fn a_request_tells_whose_consent_it_takes_or_is_refused() {
    let user = "user/*.cruds";
    for (scope, target, expected) in [
        ("patient/*.rs", "GET /Observation/o1", Some("p1")),
        ("patient/*.rs", "GET /Observation?patient=p1", Some("p1")),
        ("patient/*.rs", "GET /Patient/p1", Some("p1")),
        (user, "GET /Patient/p2", Some("p2")),
        (user, "GET /Patient/p2/_history", Some("p2")),
        (user, "GET /Patient/p2/_history/1", Some("p2")),
        (user, "PUT /Patient/p2", Some("p2")),
        (user, "DELETE /Patient/p2", Some("p2")),
        (user, "GET /Patient?_id=p2", Some("p2")),
        (user, "GET /Patient?_id=p2,p3", None),
        (user, "GET /Patient?name=x", None),
        (user, "GET /Observation?patient=p2", Some("p2")),
        (user, "GET /Observation?subject=Patient/p2", Some("p2")),
        (
            user,
            "GET /Observation?patient=p2&subject=Patient/p2",
            Some("p2"),
        ),
        (user, "GET /Observation?patient=p2&subject=Patient/p3", None),
        (user, "GET /Observation?patient=p2,p3", None),
        (user, "GET /Observation?subject=Group/p2", None),
        (
            user,
            "GET /Observation?performer=Practitioner/7&patient=p2",
            Some("p2"),
        ),
        (user, "GET /Observation?focus=Patient/p2", None),
        (user, "GET /Observation?code=x", None),
        (
            user,
            "GET ?_type=Observation,Condition&patient=p2",
            Some("p2"),
        ),
        (user, "GET ?_type=Observation,Condition&_id=p2", None),
        (user, "GET /Patient/p2/Observation?code=x", Some("p2")),
        (user, "GET /Patient/p2/Observation?patient=p3", None),
        (
            user,
            "GET /Practitioner/7/Observation?patient=p2",
            Some("p2"),
        ),
        (user, "GET /Practitioner/7/Observation", None),
        (user, "GET /Observation/o1", None),
        (user, "GET /Observation/o1/_history", None),
        (user, "GET /Patient/_history", None),
        (user, "GET /_history?_type=Patient", None),
        (user, "POST /Observation", None),
        (user, "POST /Patient", None),
        (user, "PUT /Observation/o1", None),
        ("system/*.rs", "GET /Observation?patient=p2", Some("p2")),
        ("system/*.rs", "GET /Observation/o1", None),
    ] {
        let caller = principal(scope, &[]);
        let found = decide(&caller, target, &requiring());
        let name = format!("{scope}: {target}");
        match (found, expected) {
            (Ok(permit), Some(patient)) => {
                let need = permit.needs_consent().expect(&name);
                assert_eq!(
                    (need.patient.as_str(), need.report),
                    (patient, false),
                    "{name}"
                );
                assert!(permit.ruling().is_none(), "{name}");
            }
            (Err(denial), None) => assert_eq!(denial.rule(), NOBODY, "{name}"),
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
    // Nobody is asked where nothing is required.
    let permit = decide(
        &principal(user, &[]),
        "GET /Observation/o1",
        &Rules::default(),
    );
    assert!(permit.expect("a permit").needs_consent().is_none());
}

#[test]
fn a_rule_that_only_reports_gives_way_to_one_that_refuses() {
    let caller = principal("user/*.rs", &[]);
    for (reports, expected) in [
        (vec![true], Some(true)),
        (vec![true, false], Some(false)),
        (vec![false, true], Some(false)),
    ] {
        let rules = Rules {
            rules: reports.iter().map(|report| rule(*report)).collect(),
            ..Rules::default()
        };
        let permit = decide(&caller, "GET /Patient/p2", &rules).expect("a permit");
        let found = permit.needs_consent().map(|need| need.report);
        assert_eq!(found, expected, "{reports:?}");
        let found = decide(&caller, "GET /Observation/o1", &rules);
        match expected {
            Some(true) => assert_eq!(found.expect("a permit").reported(), [NOBODY]),
            _ => assert_eq!(
                found.err().map(|denial| denial.rule()).as_deref(),
                Some(NOBODY)
            ),
        }
    }
}

#[test]
fn a_permit_with_consent_is_confined_to_who_consents() {
    let empty = |default| Ruling {
        consents: Rc::new(Consents::default()),
        caller: Rc::new(Caller::default()),
        default,
        now: NOW * 1_000_000_000,
    };
    let caller = principal("user/*.rs", &[]);
    for report in [false, true] {
        let rules = Rules {
            rules: vec![rule(report)],
            ..Rules::default()
        };
        let permit = || decide(&caller, "GET /Patient/p2", &rules).expect("a permit");
        let missing = "consent.r: no consent permits it";
        match (report, permit().consented(empty(Says::Permit))) {
            (false, Err(denial)) => assert_eq!(denial.rule(), missing),
            (true, Ok(permit)) => {
                assert_eq!(permit.reported(), [missing]);
                assert!(permit.needs_consent().is_none() && permit.ruling().is_none());
                assert_eq!(permit.confined_to(), None);
            }
            (_, found) => panic!("{report}: {found:?}"),
        }
        let away = permit().unconsented(Denial::Unavailable("consent"));
        assert_eq!(away.is_ok(), report);
    }
}

#[test]
fn a_token_may_say_it_itself() {
    let mut rules = requiring();
    rules.consent.claim = Pointer::parse("/ext/consent");
    let says = "consent.r: the token says so";
    let (own, other) = ("GET /Patient/p1", "GET /Patient/p2");
    for (consent, patient, target, expected) in [
        (json!("permit"), true, own, Ok(false)),
        (json!("permit"), true, other, Ok(true)),
        (json!("permit"), true, "GET /Observation/o1", Err(NOBODY)),
        (json!("permit"), false, other, Ok(false)),
        (json!("permit"), false, "GET /Observation/o1", Ok(false)),
        (json!("deny"), true, own, Err(says)),
        (json!("deny"), true, other, Err(says)),
        (json!("PERMIT"), true, own, Err(says)),
        (json!(["permit"]), true, own, Err(says)),
        (json!(true), true, own, Err(says)),
        (json!(null), true, own, Err(says)),
    ] {
        let claims = Claims::new(NOW).scope("user/*.rs");
        let claims = claims.claim("ext", json!({ "consent": consent }));
        let claims = match patient {
            true => claims,
            false => claims.without("patient"),
        };
        let found = decide(&keeping(claims), target, &rules);
        let found = found.map(|permit| permit.needs_consent().is_some());
        let found = found.map_err(|denial| denial.rule());
        let expected = expected.map_err(str::to_owned);
        assert_eq!(found, expected, "{consent} {patient} {target}");
    }
    let absent = decide(&keeping(Claims::new(NOW).scope("user/*.rs")), own, &rules);
    assert!(
        absent.expect("a permit").needs_consent().is_some(),
        "asked for"
    );
}

#[test]
fn callers_are_who_the_operator_says() {
    let mut rules = requiring();
    let actor = |text: &str| Actor::parse(text).expect("a reference");
    let when = super::rules::condition;
    rules.consent.actors = vec![
        (
            actor("Organization/h1"),
            when("principal.client == 'nobody'"),
        ),
        (actor("Organization/h2"), when("size(principal.roles) == 0")),
    ];
    let claims = Claims::new(NOW)
        .scope("user/*.rs")
        .fhir_user("Practitioner/7");
    let caller = principal_of(claims);
    let permit = decide(&caller, "GET /Patient/p1", &rules).expect("a permit");
    let found = &permit.needs_consent().expect("asked for").caller;
    assert_eq!(
        found.actors,
        [actor("Practitioner/7"), actor("Organization/h2")]
    );
    assert_eq!(found.others, [actor("Organization/h1")]);
    rules.consent.actors = vec![(actor("Organization/h1"), when("principal.tenant == 'x'"))];
    let found = decide(&caller, "GET /Patient/p1", &rules).err();
    let found = found.map(|denial| denial.rule());
    assert_eq!(found.as_deref(), Some("error.consent.actors.absent"));
}
