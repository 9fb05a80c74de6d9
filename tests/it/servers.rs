//! Tokens as real authorization servers shape them, read by configuration alone.

use std::rc::Rc;

use fhir_guard::denial::{Denial, TokenFault};
use fhir_guard::identity::{HostAlgorithms, KeyRing, Principal, Verification, verify};
use fhir_guard_harness::tokens::{Algorithm, Claims, Issuer};
use serde_json::{Map, Value, json};

const NOW: u64 = 1_800_000_000;

/// What every token here has; a row's own members take their place or are added.
const COMMON: [&str; 5] = ["client_id", "patient", "scope", "fhirUser", "jti"];

/// What is read of a token; what a row does not name is not there.
#[derive(Debug, Default, Eq, PartialEq)]
struct Read<'a> {
    client: &'a str,
    patient: Option<&'a str>,
    encounter: Option<&'a str>,
    user: Option<&'a str>,
    roles: Vec<&'a str>,
    purposes: Vec<&'a str>,
    scopes: Vec<&'a str>,
}

fn check(server: &str, claims: Value, token: Value, expected: Result<Read<'_>, TokenFault>) {
    let issuer = Issuer::new("https://as.example.org");
    let config = json!({
        "fhir": {
            "base": "https://fhir.example.org/r4",
            "upstream": {"cluster": "fhir", "base": "http://fhir/base"},
        },
        "issuers": [{
            "issuer": issuer.name(),
            "audiences": ["https://fhir.example.org"],
            "algorithms": ["ES256"],
            "keys": {"inline": {"keys": [issuer.jwk(Algorithm::Es256)]}},
            "proof": ["none"],
            "claims": claims,
        }],
        "client_certificate": {"required": false},
        "audit": {"observer": "fhir.example.org"},
    });
    let policy = fhir_guard::config::read(config.to_string().as_bytes())
        .unwrap_or_else(|mistakes| panic!("{server}: {mistakes}"));
    let own: &Map<String, Value> = token.as_object().expect("members");
    let mut signed = Claims::new(NOW);
    for name in COMMON.iter().filter(|name| !own.contains_key(**name)) {
        signed = signed.without(name);
    }
    for (name, value) in own {
        signed = signed.claim(name, value.clone());
    }
    let token = issuer.token(&signed);
    let nobody = HostAlgorithms::default();
    let verified = verify(
        &token,
        &policy.issuers,
        &KeyRing::new(&policy.issuers),
        &policy.fhir.base,
        NOW,
        &nobody,
    );
    let principal = verified
        .and_then(Verification::unaided)
        .and_then(|token| Principal::establish(Rc::new(token), None, None, policy.certificate));
    let texts = |texts: &[String]| texts.to_vec();
    match (principal, expected) {
        (Ok(principal), Ok(expected)) => {
            let (roles, purposes) = (texts(principal.roles()), texts(principal.purposes()));
            let scopes = texts(principal.scopes().texts());
            let found = Read {
                client: principal.client(),
                patient: principal.patient(),
                encounter: principal.encounter(),
                user: principal.user(),
                roles: roles.iter().map(String::as_str).collect(),
                purposes: purposes.iter().map(String::as_str).collect(),
                scopes: scopes.iter().map(String::as_str).collect(),
            };
            assert_eq!(found, expected, "{server}");
        }
        (found, expected) => assert_eq!(found.err(), expected.err().map(Denial::Token), "{server}"),
    }
}

#[test]
fn every_server_is_read_where_it_puts_things() {
    let plain = || Read {
        client: "app",
        patient: Some("p1"),
        scopes: vec!["patient/*.rs"],
        ..Read::default()
    };
    let smart = json!({"client_id": "app", "jti": "t", "scope": "patient/*.rs"});
    let with = |more: Value| {
        let mut token = smart.clone();
        let members = more.as_object().expect("members").clone();
        token.as_object_mut().expect("an object").extend(members);
        token
    };
    check(
        "SMART, Firely Server, IguHealth",
        json!({}),
        with(json!({"patient": "p1", "encounter": "e1", "fhirUser": "Patient/p1"})),
        Ok(Read {
            encounter: Some("e1"),
            user: Some("Patient/p1"),
            ..plain()
        }),
    );
    let keycloak = || {
        json!({
            "patient": ["/patient_id"],
            "client": ["/azp"],
            "roles": ["/realm_access/roles"],
        })
    };
    let of_keycloak = |patient: Value| {
        json!({
            "azp": "app", "jti": "t", "scope": "patient/*.rs", "patient_id": patient,
            "realm_access": {"roles": ["nurse", "offline_access"]},
        })
    };
    let with_roles = || Read {
        roles: vec!["nurse", "offline_access"],
        ..plain()
    };
    check(
        "Keycloak",
        keycloak(),
        of_keycloak(json!("p1")),
        Ok(with_roles()),
    );
    check(
        "Keycloak, a list of one",
        keycloak(),
        of_keycloak(json!(["p1"])),
        Ok(with_roles()),
    );
    for several in [json!(["p1", "p2"]), json!("p1 p2")] {
        check(
            "Keycloak, several patients",
            keycloak(),
            of_keycloak(several),
            Err(TokenFault::Claims),
        );
    }
    for patient in ["p1", "https://fhir.example.org/r4/Patient/p1"] {
        check(
            "Okta",
            json!({
                "patient": ["/launch_response_patient", "/ext/launch_response_patient"],
                "client": ["/cid"],
                "scope": ["/scp"],
            }),
            json!({
                "cid": "app", "jti": "t", "scp": ["patient/*.rs"],
                "ext": {"launch_response_patient": patient},
            }),
            Ok(plain()),
        );
    }
    let cerner = "urn:com:cerner:authorization:claims";
    let place = |name: &str| json!([format!("/{cerner}/{name}")]);
    check(
        "Oracle Health (Cerner)",
        json!({
            "patient": place("patient"), "encounter": place("encounter"),
            "scope": place("azs"), "client": ["/sub"],
        }),
        json!({
            "sub": "app", "jti": "t",
            cerner: {"ver": "1.0", "tnt": "tenant", "azs": ["patient/*.rs"], "patient": "p1", "encounter": "e1"},
        }),
        Ok(Read {
            encounter: Some("e1"),
            ..plain()
        }),
    );
    check(
        "SMART launcher",
        json!({"patient": ["/context/patient"], "user": ["/user"]}),
        with(json!({"context": {"patient": "p1"}, "user": "Practitioner/d1"})),
        Ok(Read {
            user: Some("Practitioner/d1"),
            ..plain()
        }),
    );
    let store = "https://store.fhir.azurehealthcareapis.com";
    let entra = |separator: &str| {
        json!({
            "patient": ["/fhirUser", "/extension_fhirUser"],
            "user": ["/fhirUser", "/extension_fhirUser"],
            "scope": ["/scp"], "client": ["/azp", "/appid"], "token_id": ["/uti"],
            "scope_separator": separator, "bases": [store],
        })
    };
    for (separator, scope, name, user) in [
        (".", "patient.all.rs", "fhirUser", "Patient/p1"),
        ("%2f", "patient%2f*.rs", "extension_fhirUser", "Patient/p1"),
    ] {
        check(
            "Microsoft Entra",
            entra(separator),
            json!({"azp": "app", "uti": "t", "scp": scope, name: format!("{store}/{user}")}),
            Ok(Read {
                user: Some(user),
                ..plain()
            }),
        );
    }
    check(
        "Microsoft Entra, a professional",
        entra("."),
        json!({"azp": "app", "uti": "t", "scp": "user.all.rs", "fhirUser": format!("{store}/Practitioner/d1")}),
        Ok(Read {
            patient: None,
            user: Some("Practitioner/d1"),
            scopes: vec!["user/*.rs"],
            ..plain()
        }),
    );
    check(
        "Microsoft Entra, another store",
        entra("."),
        json!({"azp": "app", "uti": "t", "scp": "user.all.rs", "fhirUser": format!("{store}.example/Practitioner/d1")}),
        Err(TokenFault::Claims),
    );
    check(
        "Auth0",
        json!({"patient": ["/https:~1~1fhir.example.org~1patient"], "client": ["/azp"]}),
        json!({"azp": "app", "jti": "t", "scope": "patient/*.rs", "https://fhir.example.org/patient": "p1"}),
        Ok(plain()),
    );
    let iua = || {
        json!({
            "patient": ["/extensions/ihe_bppc/patient_id"],
            "purpose": ["/extensions/ihe_iua/purpose_of_use"],
            "roles": ["/extensions/ihe_iua/subject_role"],
        })
    };
    let coding = |system: &str, code: &str| json!([{"system": system, "code": code}]);
    check(
        "IHE IUA",
        iua(),
        with(json!({"extensions": {"ihe_iua": {
            "purpose_of_use": coding("urn:oid:1.0.14265.1", "1"),
            "subject_role": coding("urn:oid:2.16.840.1.113883.6.96", "106292003"),
        }}})),
        Ok(Read {
            patient: None,
            roles: vec!["urn:oid:2.16.840.1.113883.6.96|106292003"],
            purposes: vec!["urn:oid:1.0.14265.1|1"],
            ..plain()
        }),
    );
    check(
        "IHE IUA, a patient in CX",
        iua(),
        with(json!({"extensions": {"ihe_bppc": {"patient_id": "p1^^^&1.2.3&ISO"}}})),
        Err(TokenFault::Claims),
    );
    check(
        "AWS HealthLake",
        json!({"client": ["/client_id", "/uid"]}),
        json!({"uid": "app", "jti": "t", "scope": "patient/*.rs", "patient": "p1", "isAuthorized": true}),
        Ok(plain()),
    );
    check(
        "CDS Hooks",
        json!({"patient": ["/fhirAuthorization/patient"]}),
        with(json!({"fhirAuthorization": {"patient": "p1"}})),
        Ok(plain()),
    );
    for (name, value, separator) in [
        ("raw_scope", json!("patient/*.rs"), "/"),
        ("roles", json!(["patient$all.rs"]), "$"),
        ("scope", json!(["patient/*.rs"]), "/"),
    ] {
        check(
            &format!("scopes in {name}"),
            json!({"scope": [format!("/{name}")], "scope_separator": separator}),
            json!({"client_id": "app", "jti": "t", "patient": "p1", name: value}),
            Ok(plain()),
        );
    }
    check(
        "the subject is a patient where the operator says so",
        json!({"patient": ["/sub"]}),
        with(json!({"sub": "p1"})),
        Ok(plain()),
    );
    check(
        "a JSON object in a string is not looked into",
        json!({"patient": ["/context/patient"]}),
        with(json!({"context": "{\"patient\":\"p1\"}"})),
        Ok(Read {
            patient: None,
            ..plain()
        }),
    );
}

#[test]
fn places_that_disagree_refuse_the_token() {
    for (name, claims, token) in [
        (
            "patients",
            json!({"patient": ["/patient", "/context/patient"]}),
            json!({"patient": "p1", "context": {"patient": "p2"}}),
        ),
        (
            "encounters",
            json!({"encounter": ["/encounter", "/context/encounter"]}),
            json!({"encounter": "e1", "context": {"encounter": "e2"}}),
        ),
        (
            "users",
            json!({"user": ["/fhirUser", "/user"]}),
            json!({"fhirUser": "Practitioner/d1", "user": "Practitioner/d2"}),
        ),
        (
            "scopes",
            json!({"scope": ["/scope", "/scp"]}),
            json!({"scp": ["system/*.rs"]}),
        ),
        (
            "purposes",
            json!({"purpose": ["/purpose", "/pou"]}),
            json!({"purpose": "TREAT", "pou": ["TREAT", "BTG"]}),
        ),
        (
            "roles",
            json!({"roles": ["/roles", "/groups"]}),
            json!({"roles": ["a", "b"], "groups": ["b", "a"]}),
        ),
        ("clients", json!({}), json!({"azp": "other"})),
        (
            "token ids",
            json!({"token_id": ["/jti", "/uti"]}),
            json!({"uti": "other"}),
        ),
    ] {
        let mut whole = json!({"client_id": "app", "jti": "t", "scope": "patient/*.rs"});
        let members = token.as_object().expect("members").clone();
        whole.as_object_mut().expect("an object").extend(members);
        check(name, claims, whole, Err(TokenFault::Claims));
    }
}
