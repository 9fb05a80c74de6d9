//! Whose data a scope is for: levels, contexts and users.

use super::*;

/// Every order of two levels, with scopes that are wide, narrow, granular or not understood: a union of
/// them would let the widest win unseen.
#[test]
fn a_token_that_mixes_levels_grants_nothing() {
    let scopes = [
        "*.cruds",
        "Observation.rs",
        "Observation.rs?category=a",
        "Observation.sr",
        "nothing",
    ];
    let levels = ["patient", "system", "user"];
    for (one, other) in levels
        .iter()
        .flat_map(|one| levels.map(|other| (*one, other)))
    {
        for (first, second) in scopes
            .iter()
            .flat_map(|first| scopes.map(|second| (*first, second)))
        {
            let scope = format!("openid {one}/{first} {other}/{second}");
            let caller = principal(&scope, &[]);
            let grants = |text: &str| Scope::parse(&format!("user/{text}")).is_some();
            let expected = one == other && (grants(first) || grants(second));
            assert_eq!(caller.scopes().level().is_some(), expected, "{scope}");
            if one != other {
                for (target, _) in INTERACTIONS {
                    let found = decided(&caller, target).err();
                    assert!(
                        matches!(found, Some(Denial::Scope(_))),
                        "{scope} {target}: {found:?}"
                    );
                }
            }
        }
    }
}

/// What a practitioner's compartment holds is what they did, not who their patients are: a `user/` scope
/// opens its types whole, and no compartment is taken for a list of patients.
#[test]
fn a_practitioner_is_not_confined_to_a_compartment() {
    for user in ["Practitioner/d1", "PractitionerRole/d1"] {
        let caller = principal_of(
            Claims::new(NOW)
                .scope("user/Observation.rs")
                .fhir_user(user),
        );
        for target in [
            "GET /Observation/o1",
            "GET /Observation?patient=p2",
            "GET /Observation",
        ] {
            let permit = decided(&caller, target).expect(target);
            assert_eq!(permit.patient(), None, "{user} {target}");
            assert!(permit.is_for_all(), "{user} {target}");
        }
    }
}

/// Only a professional of this very server, by the exact type. (A user of another server refuses the
/// token: see the claims.)
#[test]
fn a_user_scope_needs_a_professional() {
    for (user, opened) in [
        ("Practitioner/1", true),
        ("PractitionerRole/1", true),
        ("https://fhir.example.org/r4/Practitioner/1", true),
        ("Patient/1", false),
        ("https://fhir.example.org/r4/Patient/1", false),
        ("RelatedPerson/1", false),
        ("Person/1", false),
    ] {
        for scope in ["user/*.cruds", "user/Observation.rs?category=a"] {
            let caller = principal_of(Claims::new(NOW).scope(scope).fhir_user(user));
            assert_eq!(
                decided(&caller, "GET /Observation").is_ok(),
                opened,
                "{user} {scope}"
            );
        }
    }
}
