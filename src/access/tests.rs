//! Scopes, levels and interactions, to permits.

mod across;
mod chains;
mod conditional;
mod consent;
mod granted;
mod granular;
mod inclusions;
mod instances;
mod levels;
mod narrowed;
mod patients;
mod practitioners;
mod reduced;
mod rules;
mod terms;
mod writes;

use std::rc::Rc;

use fhir_guard_harness::tokens::{Claims, Issuer};
use serde_json::json;

use super::*;
use crate::denial::Denial;
use crate::fhir::ResourceType;
use crate::identity::{
    Algorithm, CertificatePolicy, ClaimPointers, HostAlgorithms, IssuerPolicy, KeyRing, KeySet,
    KeySource, Principal, Proof, ValidatedBy, Verification, verify,
};
use crate::request::body::BodyCheck;
use crate::request::{
    Authorization, BaseUrl, BundlePolicy, FhirPolicy, Interaction, Request, RequestHead,
    SearchPolicy, Upstream, WritePolicy,
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
    principal_by(claims, ClaimPointers::default())
}

/// The same with all claims kept.
fn keeping(claims: Claims) -> Rc<Principal> {
    let pointers = ClaimPointers {
        kept: true,
        ..ClaimPointers::default()
    };
    principal_by(claims, pointers)
}

fn principal_by(claims: Claims, pointers: ClaimPointers) -> Rc<Principal> {
    let issuer = Issuer::new("https://as.example.org");
    let policy = IssuerPolicy {
        issuer: issuer.name().to_owned(),
        tenant: None,
        audiences: vec!["https://fhir.example.org".to_owned()],
        clients: None,
        algorithms: vec![Algorithm::Es256],
        keys: KeySource::Inline(Rc::new(
            KeySet::read(
                &json!({ "keys": [issuer.jwks()["keys"][0]] }),
                &[Algorithm::Es256],
            )
            .expect("a key"),
        )),
        types: vec!["at+jwt".to_owned()],
        proof: Proof::None,
        clock_skew: 0,
        claims: pointers,
        introspection: None,
    };
    let (token, nobody) = (issuer.token(&claims), HostAlgorithms::default());
    let ring = KeyRing::new(std::slice::from_ref(&policy));
    let token = verify(&token, &[policy], &ring, &fhir().base, NOW, &nobody);
    let token = token.and_then(Verification::unaided).expect("a token");
    let certificate = CertificatePolicy {
        required: false,
        validated_by: ValidatedBy::Attribute,
    };
    Rc::new(Principal::establish(Rc::new(token), None, None, certificate).expect("a principal"))
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
            trace: Default::default(),
        },
        body_limit: 1024,
        body_check: BodyCheck::Structure,
        writes: WritePolicy::default(),
        compartment: Default::default(),
        user_access: Default::default(),
        search: SearchPolicy::default(),
        operations: Vec::new(),
        export: None,
        bundles: BundlePolicy::default(),
    }
}

fn request(target: &str) -> Request {
    request_to(target, &fhir()).expect(target)
}

fn request_to(target: &str, policy: &FhirPolicy) -> Result<Request, Denial> {
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
    let head = RequestHead::parse(&pairs).1.expect(target);
    Request::parse(&head, policy)
}

fn no_rules() -> &'static Rules {
    Box::leak(Box::default())
}

/// A request at this time, in seconds since 1970.
fn at(seconds: u64) -> Circumstances {
    Circumstances {
        address: None,
        time: seconds * 1_000_000_000,
    }
}

/// Nothing is hidden, and no other login is asked for.
fn terms() -> Terms<'static> {
    Terms {
        fhir: Box::leak(Box::new(fhir())),
        forbidden: false,
        hidden: &|_, _, _| false,
        step_up: &[],
        rules: no_rules(),
        circumstances: at(NOW),
    }
}

fn decided(principal: &Rc<Principal>, target: &str) -> Result<Permit, Denial> {
    let found = authorize(principal, &request(target), &terms());
    found.inspect(|permit| assert!(permit.principal().is_some()))
}

/// One of each interaction, with the letter that it needs, for a type that anybody may name.
const INTERACTIONS: [(&str, Letter); 12] = [
    ("GET /Observation/o1", Letter::Read),
    ("GET /Observation/o1/_history/1", Letter::Read),
    ("GET /Observation/o1/_history", Letter::Read),
    ("GET /Observation/_history", Letter::Search),
    ("GET /_history?_type=Observation", Letter::Search),
    ("GET /Observation?code=x", Letter::Search),
    ("GET ?_type=Observation&code=x", Letter::Search),
    ("GET /Patient/p2/Observation?code=x", Letter::Search),
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
        Ok("scope:user/Observation.rs?code"),
    );
    check(
        "parameters beside none",
        "user/Observation.rs?code=x user/Observation.r",
        &[],
        read,
        Ok("scope:user/Observation.r"),
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
