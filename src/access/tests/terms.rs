//! What a decision rests on beside scopes: what is hidden, and how the user logged in.

use super::*;
use crate::fhir::Searched;

#[test]
fn what_is_hidden_cannot_be_searched_or_sorted_by() {
    let hidden = |permit: &Permit, resource_type: ResourceType, searched: Searched| {
        let spared = Scope::parse("user/Patient.rs").expect("a scope");
        resource_type.name() == "Patient"
            && ["birthDate", "name"].contains(&searched.path.names().next().expect("a name"))
            && !permit.holds_scope(&spared)
    };
    for (scope, target, opened) in [
        ("system/Patient.rs", "GET /Patient?identifier=x", true),
        ("system/Patient.rs", "GET /Patient?birthdate=2000", false),
        (
            "system/Patient.rs",
            "GET /Patient?identifier=x&birthdate=ge2000",
            false,
        ),
        ("system/Patient.rs", "GET /Patient?_sort=birthdate", false),
        (
            "system/Patient.rs",
            "GET /Patient?_sort=_lastUpdated,-birthdate",
            false,
        ),
        ("system/Patient.rs", "GET /Patient?family=x", false),
        ("system/Patient.rs", "GET /Patient?given=x", false),
        ("system/Practitioner.rs", "GET /Practitioner?family=x", true),
        ("user/Patient.rs", "GET /Patient?birthdate=2000", true),
        ("user/*.cruds", "GET /Patient?birthdate=2000", true),
        ("user/Patient.s", "GET /Patient?birthdate=2000", false),
        (
            "user/Patient.r user/Patient.s",
            "GET /Patient?birthdate=2000",
            false,
        ),
        (
            "patient/Patient.rs",
            "GET /Patient?_id=p1&birthdate=2000",
            false,
        ),
    ] {
        let found = authorize(
            &principal(scope, &[]),
            &request(target),
            &Terms {
                hidden: &hidden,
                ..terms()
            },
        );
        let expected = (!opened).then_some(Denial::NotSupported("parameter"));
        assert_eq!(found.err(), expected, "{scope}: {target}");
    }
}

#[test]
fn a_public_path_needs_nobody() {
    let permit = permit_public(&request("GET /metadata")).expect("a permit");
    assert_eq!((permit.rule(), permit.patient()), ("public", None));
    assert!(permit.principal().is_none());
    assert!(!permit.holds_scope(&Scope::parse("user/Patient.r").expect("a scope")));
    assert!(permit_public(&request("GET /Patient/p1")).is_none());
    let caller = principal("system/*.*", &[]);
    let found = authorize(&caller, &request("GET /metadata"), &terms());
    assert_eq!(found.err(), Some(Denial::Path), "not by a scope");
    assert!(matches!(
        permit.request().interaction,
        Interaction::Public(_)
    ));
}

/// Whether a login of these claims is enough for a request, under one rule.
fn stepped_up(rule: &StepUp, claims: Claims, target: &str, now: u64) -> Result<(), Denial> {
    let terms = Terms {
        step_up: std::slice::from_ref(rule),
        circumstances: at(now),
        ..terms()
    };
    let principal = principal_of(claims.scope("system/*.cruds"));
    authorize(&principal, &request(target), &terms).map(drop)
}

fn rule(requirement: Requirement) -> StepUp {
    StepUp {
        name: "strong".to_owned(),
        interactions: None,
        types: None,
        requirement,
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_login_must_be_strong_and_fresh_enough() {
    let classes = rule(Requirement {
        classes: texts(&["loa3", "loa2"]),
        ..Requirement::default()
    });
    let methods = rule(Requirement {
        methods: texts(&["otp", "pwd"]),
        ..Requirement::default()
    });
    let fresh = rule(Requirement {
        max_age: Some(300),
        ..Requirement::default()
    });
    let all = rule(Requirement {
        classes: texts(&["loa3"]),
        methods: texts(&["otp"]),
        max_age: Some(300),
    });
    let none = json!({});
    let whole = json!({"acr": "loa3", "amr": ["otp"], "auth_time": NOW});
    let but = |name: &str, value: serde_json::Value| {
        let mut claims = whole.clone();
        claims[name] = value;
        claims
    };
    let rows = vec![
        ("the best class", &classes, json!({"acr": "loa3"}), true),
        (
            "another that will do",
            &classes,
            json!({"acr": "loa2"}),
            true,
        ),
        ("a weaker one", &classes, json!({"acr": "loa1"}), false),
        ("in other letters", &classes, json!({"acr": "LOA3"}), false),
        ("both in one", &classes, json!({"acr": "loa3 loa2"}), false),
        ("a list", &classes, json!({"acr": ["loa3"]}), false),
        ("empty", &classes, json!({"acr": ""}), false),
        ("no class", &classes, none.clone(), false),
        ("only methods", &classes, json!({"amr": ["loa3"]}), false),
        (
            "both methods",
            &methods,
            json!({"amr": ["pwd", "otp"]}),
            true,
        ),
        (
            "and another",
            &methods,
            json!({"amr": ["x", "pwd", "otp"]}),
            true,
        ),
        ("one method", &methods, json!({"amr": ["pwd"]}), false),
        ("one twice", &methods, json!({"amr": ["pwd", "pwd"]}), false),
        ("no list", &methods, json!({"amr": "pwd otp"}), false),
        (
            "with a number",
            &methods,
            json!({"amr": ["pwd", "otp", 1]}),
            false,
        ),
        ("no methods", &methods, none.clone(), false),
        ("now", &fresh, json!({"auth_time": NOW}), true),
        ("just fresh", &fresh, json!({"auth_time": NOW - 300}), true),
        ("just stale", &fresh, json!({"auth_time": NOW - 301}), false),
        ("to come", &fresh, json!({"auth_time": NOW + 1}), false),
        (
            "at the beginning of time",
            &fresh,
            json!({"auth_time": 0}),
            false,
        ),
        (
            "a text",
            &fresh,
            json!({"auth_time": NOW.to_string()}),
            false,
        ),
        ("negative", &fresh, json!({"auth_time": -1}), false),
        ("no time", &fresh, none.clone(), false),
        ("everything", &all, whole.clone(), true),
        ("all but the class", &all, but("acr", json!(null)), false),
        ("all but the method", &all, but("amr", json!([])), false),
        (
            "all but the time",
            &all,
            but("auth_time", json!(null)),
            false,
        ),
        ("nothing of all", &all, none, false),
    ];
    for (name, rule, members, opened) in rows {
        let claims = members.as_object().expect("members").iter();
        let claims = claims.fold(Claims::new(NOW), |claims, (name, value)| {
            claims.claim(name, value.clone())
        });
        let found = stepped_up(rule, claims, "GET /Observation/o1", NOW);
        let classes = rule.requirement.classes.join(" ");
        let expected = Denial::StepUp {
            rule: "strong".to_owned(),
            acr_values: (!classes.is_empty()).then_some(classes),
            max_age: rule.requirement.max_age,
        };
        assert_eq!(found.err(), (!opened).then_some(expected), "{name}");
    }
}

#[test]
fn a_rule_is_for_its_interactions_and_types() {
    let never = Requirement {
        classes: texts(&["loa9"]),
        ..Requirement::default()
    };
    let observation = ResourceType::parse("Observation");
    let patient = ResourceType::parse("Patient");
    for (target, _) in INTERACTIONS {
        let code = request(target).interaction.code();
        for codes in [None, Some(vec![code]), Some(vec!["read", "create"])] {
            for types in [None, Some(vec![observation]), Some(vec![patient])] {
                let by_code = codes.as_ref().is_none_or(|codes| codes.contains(&code));
                let by_type = types.as_ref().is_none_or(|types| types == &[observation]);
                let rule = StepUp {
                    interactions: codes.clone(),
                    types: types.map(|types| types.into_iter().flatten().collect()),
                    ..rule(never.clone())
                };
                let found = stepped_up(&rule, Claims::new(NOW), target, NOW);
                assert_eq!(found.is_err(), by_code && by_type, "{rule:?}: {target}");
            }
        }
    }
    let known: Vec<_> = INTERACTIONS
        .iter()
        .map(|(target, _)| request(target).interaction.code())
        // Which there are, an operator says.
        .chain(["operation", "export"])
        .collect();
    assert_eq!(known, Interaction::CODES, "every interaction has its code");
}

#[test]
fn every_rule_that_applies_must_hold_and_scopes_come_first() {
    let weak = Claims::new(NOW).claim("acr", json!("loa2"));
    let asking = |name: &str, class: &str| StepUp {
        name: name.to_owned(),
        ..rule(Requirement {
            classes: texts(&[class]),
            ..Requirement::default()
        })
    };
    let both = [asking("one", "loa2"), asking("two", "loa3")];
    let terms = Terms {
        step_up: &both,
        ..terms()
    };
    let caller = principal_of(weak.clone().scope("system/*.rs"));
    let found = authorize(&caller, &request("GET /Observation/o1"), &terms);
    let Err(Denial::StepUp { rule, .. }) = found else {
        panic!("{found:?}")
    };
    assert_eq!(rule, "two", "the one that does not hold");
    let found = authorize(&caller, &request("DELETE /Observation/o1"), &terms);
    assert!(matches!(found, Err(Denial::Scope(_))), "{found:?}");
    let patient = principal_of(weak.scope("patient/*.rs"));
    let found = authorize(&patient, &request("GET /Patient/p2"), &terms);
    let absent = Denial::Absent { forbidden: false };
    assert_eq!(found.err(), Some(absent), "another patient's");
}
