//! Scopes, levels and interactions, to permits.

use std::rc::Rc;

use fhir_guard_harness::tokens::{Claims, Issuer};
use serde_json::json;

use super::*;
use crate::denial::Denial;
use crate::fhir::ResourceType;
use crate::identity::{
    Algorithm, CertificatePolicy, ClaimPointers, HostAlgorithms, IssuerPolicy, KeySet, Principal,
    Proof, ValidatedBy, Verification, verify,
};
use crate::request::{
    Authorization, BaseUrl, FhirPolicy, Interaction, Request, RequestHead, Upstream,
};

const NOW: u64 = 1_800_000_000;

/// Who has which scopes: patient p1 and a practitioner, unless taken out.
fn principal(scope: &str, without: &[&str]) -> Rc<Principal> {
    let claims = Claims::new(NOW).scope(scope);
    let claims = without
        .iter()
        .fold(claims, |claims, name| claims.without(name));
    principal_of(claims)
}

fn principal_of(claims: Claims) -> Rc<Principal> {
    let issuer = Issuer::new("https://as.example.org");
    let policy = IssuerPolicy {
        issuer: issuer.name().to_owned(),
        tenant: None,
        audiences: vec!["https://fhir.example.org".to_owned()],
        algorithms: vec![Algorithm::Es256],
        keys: Rc::new(
            KeySet::read(
                &json!({ "keys": [issuer.jwks()["keys"][0]] }),
                &[Algorithm::Es256],
            )
            .expect("a key"),
        ),
        types: vec!["at+jwt".to_owned()],
        proof: Proof::None,
        clock_skew: 0,
        claims: ClaimPointers::default(),
    };
    let (token, nobody) = (issuer.token(&claims), HostAlgorithms::default());
    let token = verify(&token, &[policy], &fhir().base, NOW, &nobody);
    let token = token.and_then(Verification::unaided).expect("a token");
    let certificate = CertificatePolicy {
        required: false,
        validated_by: ValidatedBy::Attribute,
    };
    Rc::new(Principal::establish(Rc::new(token), None, certificate).expect("a principal"))
}

fn fhir() -> FhirPolicy {
    let base = |text| BaseUrl::parse(text).expect("a base");
    FhirPolicy {
        base: base("https://fhir.example.org/r4"),
        public: vec!["metadata".to_owned()],
        upstream: Upstream {
            cluster: "fhir".to_owned(),
            base: base("http://fhir"),
            authorization: Authorization::Strip,
        },
        body_limit: 1024,
    }
}

fn request(target: &str) -> Request {
    let (method, path) = target.split_once(' ').expect("a method and a path");
    let content_type = match method {
        "PATCH" => "application/json-patch+json",
        _ => "application/fhir+json",
    };
    let pairs = [
        (":method", method),
        (":path", &format!("/r4{path}")),
        ("content-type", content_type),
    ];
    let pairs = pairs.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let head = RequestHead::parse(pairs.to_vec()).1.expect(target);
    Request::parse(&head, &fhir()).expect(target)
}

fn decided(principal: &Rc<Principal>, target: &str) -> Result<Permit, Denial> {
    let found = authorize(principal, &request(target), false, &|_, _, _| false);
    found.inspect(|permit| assert!(permit.principal().is_some()))
}

/// One of each interaction, with the letter that it needs, for a type that anybody may name.
const INTERACTIONS: [(&str, Letter); 9] = [
    ("GET /Observation/o1", Letter::Read),
    ("GET /Observation/o1/_history/1", Letter::Read),
    ("GET /Observation/o1/_history", Letter::Read),
    ("GET /Observation/_history", Letter::Search),
    ("GET /Observation?code=x", Letter::Search),
    ("POST /Observation", Letter::Create),
    ("PUT /Observation/o1", Letter::Update),
    ("PATCH /Observation/o1", Letter::Update),
    ("DELETE /Observation/o1", Letter::Delete),
];

#[test]
fn a_letter_opens_its_interactions_and_no_others() {
    for level in ["user", "system"] {
        // Every subset of the letters, in order.
        for bits in 1..32_u8 {
            let letters: String = "cruds"
                .chars()
                .enumerate()
                .filter(|(place, _)| bits & (1 << place) != 0)
                .map(|(_, letter)| letter)
                .collect();
            for type_name in ["Observation", "*"] {
                let scope = format!("{level}/{type_name}.{letters}");
                let caller = principal(&scope, &[]);
                for (target, letter) in INTERACTIONS {
                    let found = decided(&caller, target);
                    let name = format!("{scope}: {target}");
                    if letters.contains(letter.symbol()) {
                        let permit = found.unwrap_or_else(|denial| panic!("{name}: {denial:?}"));
                        assert_eq!(permit.rule(), format!("scope:{scope}"), "{name}");
                        assert_eq!(permit.patient(), None, "{name}");
                        assert_eq!(permit.may_read(), letters.contains('r'), "{name}");
                    } else {
                        let lacking = format!("{level}/Observation.{}", letter.symbol());
                        assert_eq!(found.err(), Some(Denial::Scope(lacking)), "{name}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_type_opens_itself_only() {
    let caller = principal("user/Observation.cruds", &[]);
    for type_name in ["Patient", "ObservationDefinition", "DiagnosticReport"] {
        let found = decided(&caller, &format!("GET /{type_name}/x")).err();
        let lacking = format!("user/{type_name}.r");
        assert_eq!(found, Some(Denial::Scope(lacking)), "{type_name}");
    }
    let everything = principal("system/*.*", &[]);
    for type_name in ["Bundle", "Binary", "Parameters"] {
        for target in [format!("GET /{type_name}/x"), format!("POST /{type_name}")] {
            let found = decided(&everything, &target).err();
            assert_eq!(found, Some(Denial::NotSupported("type")), "{target}");
        }
    }
}

#[test]
fn what_steers_the_server_is_read_but_not_written() {
    let principal = principal("system/*.cruds", &[]);
    let refused = Some(Denial::NotSupported("type"));
    for (target, expected) in [
        ("GET /Subscription/s1", None),
        ("POST /Subscription", refused.clone()),
        ("PUT /Subscription/s1", refused.clone()),
        ("DELETE /Subscription/s1", refused),
        ("POST /Observation", None),
    ] {
        let found = decided(&principal, target).err();
        assert_eq!(found, expected, "{target}");
    }
}

/// One row of scopes and what becomes of a read that each of them would open.
fn check(name: &str, scope: &str, without: &[&str], target: &str, expected: Result<&str, &str>) {
    let found = decided(&principal(scope, without), target);
    let found = found
        .map(|permit| permit.rule().to_owned())
        .map_err(|denial| match denial {
            Denial::Scope(lacking) => format!("lacks {lacking}"),
            other => other.rule(),
        });
    let expected = expected.map(str::to_owned).map_err(str::to_owned);
    assert_eq!(found, expected, "{name}");
}

#[test]
fn scopes_are_a_union_within_one_level() {
    let read = "GET /Observation/o1";
    let lacks = Err("lacks user/Observation.r");
    check(
        "the second of two",
        "user/Patient.r user/Observation.r",
        &[],
        read,
        Ok("scope:user/Observation.r"),
    );
    check(
        "version 1",
        "user/Observation.read",
        &[],
        read,
        Ok("scope:user/Observation.read"),
    );
    check("none", "", &[], read, lacks);
    check(
        "none that grants data",
        "openid fhirUser launch/patient offline_access",
        &[],
        read,
        lacks,
    );
    check(
        "beside others",
        "openid user/Observation.r launch",
        &[],
        read,
        Ok("scope:user/Observation.r"),
    );
    check(
        "only with parameters",
        "user/Observation.rs?code=x",
        &[],
        read,
        lacks,
    );
    check(
        "parameters beside none",
        "user/Observation.rs?code=x user/Observation.s",
        &[],
        read,
        lacks,
    );
    check("malformed", "user/Observation.sr", &[], read, lacks);
    check(
        "two levels",
        "user/Observation.r system/Observation.r",
        &[],
        read,
        lacks,
    );
    check(
        "two levels, the narrow first",
        "patient/Observation.r user/*.cruds",
        &[],
        read,
        lacks,
    );
    check(
        "two levels, the wide first",
        "system/*.cruds patient/Observation.r",
        &[],
        read,
        lacks,
    );
    // What is not understood of one level is no less of that level.
    check(
        "two levels, one with parameters",
        "patient/Observation.rs?code=x user/*.cruds",
        &[],
        read,
        lacks,
    );
    check(
        "two levels, one malformed",
        "user/*.cruds patient/Observation.sr",
        &[],
        read,
        lacks,
    );
    for (user, expected) in [
        ("Practitioner/x", Ok("scope:user/*.r")),
        ("PractitionerRole/x", Ok("scope:user/*.r")),
        ("Patient/p1", lacks),
        ("RelatedPerson/x", lacks),
        ("Person/x", lacks),
    ] {
        let caller = principal_of(Claims::new(NOW).scope("user/*.r").fhir_user(user));
        let found = decided(&caller, read).map(|permit| permit.rule().to_owned());
        let lacking = Denial::Scope("user/Observation.r".to_owned());
        let expected = expected.map(str::to_owned).map_err(|_| lacking);
        assert_eq!(found, expected, "{user}");
    }
    check(
        "user/ without a user",
        "user/*.cruds",
        &["fhirUser"],
        read,
        lacks,
    );
    check(
        "patient/ without a patient",
        "patient/*.cruds",
        &["patient"],
        "GET /Patient/p1",
        Err("lacks user/Patient.r"),
    );
    check(
        "system/ needs neither",
        "system/*.r",
        &["patient", "fhirUser"],
        read,
        Ok("scope:system/*.r"),
    );
}

#[test]
fn a_patient_scope_opens_the_own_patient_only() {
    let all = "patient/*.cruds";
    let open = Ok("scope:patient/*.cruds");
    let absent = Err("compartment");
    let parameter = Err("request.not-supported.parameter");
    let write = Err("request.not-supported.patient-write");
    for (target, expected) in [
        ("GET /Patient/p1", open),
        ("GET /Patient/p1/_history", open),
        ("GET /Patient/p1/_history/2", open),
        ("GET /Patient/p2", absent),
        ("GET /Patient/P1", absent),
        ("GET /Patient/p", absent),
        ("GET /Patient/p12", absent),
        ("GET /Patient/p2/_history", absent),
        ("GET /Patient/p2/_history/1", absent),
        // Whose these are is not known before the answer is there.
        ("GET /Observation/o1", absent),
        ("GET /Observation/p1", absent),
        ("GET /Observation/o1/_history/1", absent),
        ("GET /Patient?_id=p1", open),
        ("GET /Patient?_id=p2", absent),
        ("GET /Patient?_id=p1,p2", absent),
        ("GET /Patient?_id=p1,p1", absent),
        ("GET /Patient", parameter),
        ("GET /Patient?name=x", parameter),
        ("GET /Patient?identifier=x", parameter),
        ("GET /Observation?patient=p1", open),
        ("GET /Observation?patient=Patient/p1&code=x", open),
        ("GET /Observation?subject=p1&_sort=-date", open),
        ("GET /Observation?patient=p2", absent),
        ("GET /Observation?patient=p1,p2", absent),
        ("GET /Observation?patient=p1,p1", absent),
        ("GET /Observation?patient=p1&subject=p1", parameter),
        ("GET /Observation?patient=p1&subject=p2", parameter),
        ("GET /Observation?subject=p2&patient=p1", parameter),
        ("GET /Observation", parameter),
        ("GET /Observation?code=x", parameter),
        ("GET /Observation?_id=p1", parameter),
        ("GET /Coverage?patient=p1", open),
        ("GET /Organization?name=x", parameter),
        ("GET /Practitioner?_id=p1", parameter),
        (
            "GET /Patient/_history",
            Err("request.not-supported.interaction"),
        ),
        ("POST /Observation", write),
        ("POST /Patient", write),
        ("PUT /Patient/p1", write),
        ("PATCH /Patient/p1", write),
        ("DELETE /Patient/p1", write),
    ] {
        check(target, all, &[], target, expected);
    }
    let permit = decided(
        &principal("patient/Observation.s", &[]),
        "GET /Observation?patient=p1",
    );
    let permit = permit.expect("a permit");
    assert_eq!(permit.patient(), Some("p1"), "the answer is confined");
    assert!(!permit.may_read());
    check(
        "searching is not reading",
        "patient/Patient.s",
        &[],
        "GET /Patient/p1",
        Err("lacks patient/Patient.r"),
    );
    check(
        "reading is not searching",
        "patient/Patient.r",
        &[],
        "GET /Patient?_id=p1",
        Err("lacks patient/Patient.s"),
    );
    let forbidden = authorize(
        &principal(all, &[]),
        &request("GET /Patient/p2"),
        true,
        &|_, _, _| false,
    );
    assert_eq!(forbidden.err(), Some(Denial::Absent { forbidden: true }));
}

#[test]
fn what_is_hidden_cannot_be_searched_or_sorted_by() {
    let hidden = |permit: &Permit, resource_type: ResourceType, element: &str| {
        let spared = Scope::parse("user/Patient.rs").expect("a scope");
        resource_type.name() == "Patient"
            && ["birthDate", "name"].contains(&element)
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
        let found = authorize(&principal(scope, &[]), &request(target), false, &hidden);
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
    let found = authorize(&caller, &request("GET /metadata"), false, &|_, _, _| false);
    assert_eq!(found.err(), Some(Denial::Path), "not by a scope");
    assert!(matches!(
        permit.request().interaction,
        Interaction::Public(_)
    ));
}
