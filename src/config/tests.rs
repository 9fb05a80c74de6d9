//! Whole configurations, and the whole text of what is said about wrong ones.

mod audit;
mod bounds;
mod certificates;
mod conditions;
mod consent;
mod detectors;
mod dlp;
mod dpop;
mod egress;
mod exports;
mod global;
mod identity;
mod introspection;
mod labels;
mod limits;
mod minimum;
mod operations;
mod redaction;
mod scopes;
mod search;
mod signing;
mod watermark;
mod writes;

use serde_json::{Value, json};

use super::structure::encode;
use super::*;
use crate::access::Scope;
use crate::fhir::ResourceType;
use crate::identity::{Algorithm, CertificateRules, ClaimPointers, Proof, ValidatedBy};
use crate::request::body::BodyCheck;
use crate::request::{Authorization, UserAccess};
use crate::response::Action;

/// A public key on P-256 (RFC 7517 appendix A.1).
fn key(id: &str) -> Value {
    json!({"kty": "EC", "crv": "P-256", "kid": id,
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"})
}

/// Every key that this version has, but for one that repeats names of issuers.
fn complete() -> Value {
    json!({
        "fhir": {
            "base": "https://fhir.example.org/r4",
            "public": ["metadata", ".well-known/smart-configuration"],
            "upstream": {"cluster": "fhir_server", "base": "http://fhir/r4", "authorization": "strip", "trust": ["if_match", "total"],
                "identity": {"subject": "x-auth-subject", "scope": "x-auth-scope"}},
            "body_limit": "1MiB",
            "body_check": "names",
            "client_labels": "kept",
            "provenance": "kept",
            "bundles": {"types": ["batch", "transaction"], "entries": 50},
            "conditional": ["create", "delete-single"],
            "subscriptions": {"endpoints": ["https://hooks.example.org/fhir"]},
            "patient_writes": ["Observation", "Appointment"],
            "patient_membership": ["Task.patient"],
            "universal_types": ["Organization", "Location"], "user_access": "compartment",
            "search": {"default_count": 20, "max_count": 200, "max_values": 50, "contains": true,
                "date_ranges": [{"resource": "Observation", "parameters": ["date"], "days": 366}],
                "include": ["Observation:subject"], "revinclude": ["Provenance:target"], "iterate": 2,
                "chains": ["Observation:subject:Patient"], "has": ["Observation:patient"]},
            "operations": operations::complete(),
        },
        "client_certificate": {
            "required": true,
            "source": {"xfcc": {"trusted_hops": ["spiffe://mesh/ns/edge/sa/gateway", {"subject_dn": "CN=edge,O=Clinic"}],
                "earlier_elements": "refused"}},
            "validated_by": "listener",
            "clients": [{
                "client_id": "lab",
                "certificates": [{"thumbprint": "0a".repeat(32)}, {"san_uri": "spiffe://lab", "issuer_dn": "CN=CA"}],
            }],
            "unlisted_clients": "san_dns",
            "forward": ["hash", "subject"],
        },
        "issuers": [{
            "issuer": "https://as.example.org",
            "tenant": "clinic-a",
            "audiences": ["https://fhir.example.org/r4"],
            "clients": ["app", "portal"],
            "algorithms": ["ES256", "RS256"],
            "keys": {"inline": {"keys": [key("one")]}},
            "types": ["at+jwt", "jwt"],
            "proof": ["certificate"],
            "clock_skew": "60s",
            "claims": {"patient": ["/patient"], "user": ["/fhirUser"], "scope": ["/scope"],
                "client": ["/client_id", "/azp"], "token_id": ["/jti", "/uti"],
                "encounter": ["/encounter"], "roles": ["/realm_access/roles"], "purpose": ["/purpose"],
                "scope_separator": ".",
                "scope_prefixes": ["http://smarthealthit.org/fhir/scopes/"], "malformed_scopes": "refuse", "bases": ["https://store.example.org/fhir"]},
        }],
        "signatures": {"host": false},
        "waiting": {"requests": 256, "time": "5s"},
        "limits": limits::complete(),
        "time_zones": {"Europe/Berlin": "CET-1CEST,M3.5.0,M10.5.0/3"},
        "rules": [{"name": "office", "interactions": ["create"], "types": ["Observation"],
            "when": "request.time.getHours('+01:00') >= 18", "effect": "require",
            "require": {"amr": ["otp"], "bound": ["certificate", "dpop"], "provenance": true, "consent": true}, "report": true}],
        "consent": {"cluster": "consents", "base": "http://consents/fhir", "cache": "0s", "count": 5,
            "default": "permit", "claim": "/consent", "actors": [
                {"reference": "Organization/h1", "when": "has(principal.tenant)"},
                {"identifier": {"system": "urn:x", "value": "1"}, "when": "true"}]},
        "step_up": [{"name": "writes", "interactions": ["create", "update"], "types": ["Observation"],
            "acr": ["loa3", "loa2"], "amr": ["otp"], "max_age": "5m"}],
        "labels": labels::complete(),
        "dlp": dlp::complete(),
        "redaction": [{
            "name": "demographics",
            "unless": {"scope": "user/Patient.rs"},
            "resource": "Patient",
            "elements": ["address", "telecom", "birthDate",
                "extension(http://hl7.org/fhir/us/core/StructureDefinition/us-core-race)"],
            "action": "remove",
            "when": "!('physician' in principal.roles)",
        }],
        "egress": egress::complete(),
        "response": {"hold_limit": "512KiB", "resource_limit": "8MiB"},
        "discovery": {"enabled": true, "scopes": ["patient/*.rs", "launch/patient"]},
        "audit": {"observer": "fhir.example.org", "sinks": ["access_log"],
            "chain": {"records": 1000, "time": "60s"}},
    })
}

/// What is said about the complete configuration after these changes; both forms say the same.
fn said(changes: &[(&str, Value)]) -> String {
    let mut document = complete();
    for (pointer, value) in changes {
        set(&mut document, pointer, value.clone());
    }
    let text = read(document.to_string().as_bytes());
    let wire = read(&encode::object(&document));
    let said = |result: Result<Policy, Mistakes>| {
        result.map_or_else(|mistakes| mistakes.to_string(), |_| String::new())
    };
    let (text, wire) = (said(text), said(wire));
    assert_eq!(text, wire, "the two forms differ");
    text
}

/// Puts a value at a place; `REMOVED` takes away what is there.
fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = &key.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent).unwrap() {
        Value::Object(map) if value == REMOVED => drop(map.remove(key).unwrap()),
        Value::Object(map) => drop(map.insert(key.to_owned(), value)),
        Value::Array(list) if key == "-" => list.push(value),
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        _ => panic!("{parent} holds nothing"),
    }
}

const REMOVED: &str = "(removed)";

#[test]
fn the_complete_example_is_read_in_both_forms() {
    let document = complete();
    for (form, bytes) in [
        ("JSON text", document.to_string().into_bytes()),
        ("a Struct", encode::object(&document)),
    ] {
        let policy = read(&bytes).unwrap_or_else(|mistakes| panic!("{form}: {mistakes}"));
        assert_eq!(policy.fhir.base.as_str(), "https://fhir.example.org/r4");
        assert_eq!(
            policy.fhir.public,
            ["metadata", ".well-known/smart-configuration"]
        );
        assert_eq!(policy.fhir.upstream.cluster, "fhir_server");
        assert_eq!(policy.fhir.upstream.base.as_str(), "http://fhir/r4");
        assert_eq!(policy.fhir.upstream.authorization, Authorization::Strip);
        assert_eq!(policy.fhir.body_limit, 1 << 20);
        assert_eq!(policy.fhir.body_check, BodyCheck::Names);
        assert_eq!(policy.fhir.writes, writes::of_complete());
        assert_eq!(*policy.fhir.compartment, writes::compartment_of_complete());
        assert_eq!(policy.fhir.user_access, UserAccess::Compartment);
        assert_eq!(policy.fhir.search, search::of_complete());
        assert_eq!(policy.fhir.operations, operations::of_complete());
        assert_eq!(policy.fhir.bundles, writes::bundles_of_complete());
        assert_eq!(policy.told, identity::told_of_complete());
        assert!(policy.certificate.required);
        assert_eq!(policy.certificate.validated_by, ValidatedBy::Listener);
        assert_eq!(policy.certificate_rules, certificates::complete());
        let [issuer] = policy.issuers.as_slice() else {
            panic!("{form}")
        };
        assert_eq!(issuer.issuer, "https://as.example.org");
        assert_eq!(issuer.tenant.as_deref(), Some("clinic-a"));
        assert_eq!(issuer.audiences, ["https://fhir.example.org/r4"]);
        let clients = ["app", "portal"].map(str::to_owned).to_vec();
        assert_eq!(issuer.clients, Some(clients));
        assert_eq!(issuer.algorithms, [Algorithm::Es256, Algorithm::Rs256]);
        assert_eq!(issuer.types, ["at+jwt", "jwt"]);
        assert_eq!(issuer.proof, Proof::Certificate);
        assert_eq!(issuer.clock_skew, 60);
        assert_eq!(issuer.claims, identity::claims_of_complete());
        assert!(!policy.host_signatures && policy.questions().is_empty());
        limits::check_complete(&policy);
        consent::check_complete(&policy);
        assert_eq!(policy.step_up, [identity::step_up_of_complete()]);
        redaction::check_complete(&policy);
        egress::check_complete(&policy);
        assert_eq!(
            policy.response,
            ResponsePolicy {
                hold_limit: 512 << 10,
                resource_limit: 8 << 20,
                absent_is_forbidden: false,
            }
        );
        let discovery = policy.discovery.expect("a document");
        assert_eq!(discovery, identity::discovery_of_complete());
        assert_eq!(policy.audit.observer, "fhir.example.org");
    }
}

#[test]
fn what_is_left_out_has_the_safe_default() {
    let document = json!({
        "fhir": {"base": "https://h/r4", "upstream": {"cluster": "outbound|80||fhir.ns.svc.cluster.local", "base": "http://f"}},
        "issuers": [{"issuer": "https://as", "audiences": ["a"], "algorithms": ["ES256"], "keys": {"inline": {"keys": [key("one")]}}}],
        "audit": {"observer": "h"},
    });
    let policy = read(document.to_string().as_bytes()).unwrap();
    let public = ["metadata", ".well-known/smart-configuration"];
    assert_eq!(policy.fhir.public, public);
    assert_eq!(policy.fhir.upstream.authorization, Authorization::Strip);
    let body = (policy.fhir.body_limit, policy.fhir.body_check);
    assert_eq!(body, (512 << 10, BodyCheck::Structure));
    assert_eq!(policy.fhir.writes, Default::default());
    assert_eq!(
        *policy.fhir.compartment,
        crate::fhir::PatientCompartment::default()
    );
    assert_eq!(policy.fhir.user_access, UserAccess::All);
    assert!(policy.told.fields.is_empty());
    assert!(policy.certificate.required);
    assert_eq!(policy.certificate.validated_by, ValidatedBy::Attribute);
    assert_eq!(policy.certificate_rules, CertificateRules::default());
    let [issuer] = policy.issuers.as_slice() else {
        panic!()
    };
    assert_eq!(issuer.clients, None);
    assert_eq!(
        (issuer.tenant.as_deref(), issuer.proof, issuer.clock_skew),
        (None, Proof::Certificate, 30)
    );
    assert_eq!(
        (issuer.types.as_slice(), &issuer.claims),
        (&["at+jwt".to_owned()][..], &ClaimPointers::default())
    );
    assert!(policy.host_signatures && !policy.questions().is_empty());
    assert!(policy.limits.is_empty() && policy.redactions.is_empty() && policy.step_up.is_empty());
    // Whom an answer was about is told of; nothing is bounded.
    assert!(policy.egress.iter().all(|rule| rule.tells()));
    assert!(policy.repository.is_none());
    consent::check_default(&policy);
    let discovery = policy.discovery.expect("a document");
    let document: Value = serde_json::from_slice(&discovery.document).unwrap();
    assert_eq!(document["authorization_servers"], json!(["https://as"]));
    assert_eq!(
        policy.response,
        ResponsePolicy {
            hold_limit: 512 << 10,
            resource_limit: 8 << 20,
            absent_is_forbidden: false,
        }
    );
}

#[test]
fn the_shape_of_later_versions_is_refused_key_by_key() {
    let later = json!({
        "fhir": {"base": "https://fhir.example.org/r4", "public": ["metadata", ".well-known/smart-configuration"],
            "upstream": {"cluster": "fhir_server", "base": "http://fhir/r4", "authorization": "strip"}},
        "issuers": [{
            "issuer": "https://as.example.org", "tenant": "clinic-a", "audiences": ["https://fhir.example.org/r4"],
            "algorithms": ["ES256", "RS256"],
            "keys": {"uri": "https://as.example.org/jwks", "cluster": "authorization_server", "refresh": "5m"},
            "proof": ["certificate", "dpop"], "clock_skew": "30s",
        }],
        "limits": [{"name": "failures", "key": ["certificate", "address"], "when": "denied", "rate": "10/m", "burst": 20}],
        "redaction": [
            {"name": "a", "resource": "Patient", "elements": ["birthDate"], "action": "generalize"},
            {"name": "b", "resource": "Patient", "elements": ["birthDate"], "action": "replace"},
        ],
        "audit": {"observer": "fhir.example.org", "sinks": ["opentelemetry"]},
    });
    let expected = "\
/audit/sinks/0: \"opentelemetry\" is not available in this version; expected \"access_log\"
/limits/0/when: line 1, column 1: expected a variable, found \"denied\"
/redaction/0/to: expected \"year\", \"month\", \"area\" or \"age\", found nothing
/redaction/1/with: expected a text, found nothing";
    for bytes in [later.to_string().into_bytes(), encode::object(&later)] {
        assert_eq!(read(&bytes).unwrap_err().to_string(), expected);
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let wrong = json!({
        "Fhir": {},
        "fhir": {"base": "fhir.example.org", "upstream": {"cluster": 1.0, "bass": "http://fhir"}, "public": ["/metadata", "Patient"]},
        "issuers": [{"isuer": "https://as", "audiences": [], "algorithms": ["none", "es256", "ES256", "ES256"],
            "keys": {"inline": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}, "proof": "certificate", "clock_skew": 30}, null],
        "limits": [{"name": "a", "key": ["clients"], "rate": "50", "burst": 0}],
        "redaction": [{"name": "r", "resource": "Pateint", "elements": ["birthDate", "id", "a\nb"], "action": "hide", "unless": {"role": "x"}}],
        "response": {"hold_limit": "9MiB"},
        "audit": null,
    });
    let text = read(wrong.to_string().as_bytes()).unwrap_err().to_string();
    for line in [
        "/Fhir: expected one of the keys fhir, client_certificate, issuers, secrets, dpop, signatures, revocation, waiting, time_zones, limits, global_limits, detectors, step_up, rules, consent, labels, dlp, redaction, minimum, egress, response, signing, watermark, discovery, audit, found the unknown key \"Fhir\"",
        "/audit: expected an object with observer, found null",
        "/fhir/upstream/base: expected the base URL of a FHIR API, found nothing",
        "/fhir/upstream/bass: expected one of the keys cluster, base, authorization, identity, trust, trace, found the unknown key \"bass\" (did you mean \"base\"?)",
        "/fhir/upstream/cluster: expected the name of an Envoy cluster, found a number (write it in quotes)",
        "/fhir/public/1: expected a path without patient data, found the path of resources",
        "/issuers/0/isuer: expected one of the keys issuer, tenant, audiences, clients, introspection, algorithms, keys, types, proof, clock_skew, claims, found the unknown key \"isuer\" (did you mean \"issuer\"?)",
        "/issuers/0/issuer: expected the URL that tokens name in iss, found nothing",
        "/issuers/0/audiences: expected a list of 1 to 64 audiences, found 0",
        "/issuers/0/algorithms/0: expected \"RS256\", \"RS384\", \"RS512\", \"ES256\", \"ES384\", \"ES512\", \"PS256\", \"PS384\", \"PS512\" or \"EdDSA\", found \"none\"",
        "/issuers/0/algorithms/1: expected \"RS256\", \"RS384\", \"RS512\", \"ES256\", \"ES384\", \"ES512\", \"PS256\", \"PS384\", \"PS512\" or \"EdDSA\", found \"es256\" (did you mean \"ES256\"?)",
        "/issuers/0/algorithms/3: expected each word once, found one for the second time",
        "/issuers/0/proof: expected a list of proofs, found a string",
        "/issuers/0/clock_skew: expected a duration from 0s to 5m, a whole number with ms, s, m or h, found a number (write it in quotes, with its unit)",
        "/issuers/1: expected an issuer, an object with issuer, audiences, algorithms and keys, found null",
        "/limits/0/burst: expected a whole number from 1 to 4294967295, found another number",
        "/limits/0/key/0: expected \"address\", \"certificate\", \"client\", \"interaction\", \"issuer\", \"operation\", \"patient\", \"route\", \"subject\", \"tenant\", \"token\" or \"type\", found \"clients\" (did you mean \"client\"?)",
        "/limits/0/rate: expected a rate such as 50/s, a whole number from 1 on with /s, /m, /h or /d, found \"50\"",
        "/redaction/0/action: expected \"remove\", \"mask\", \"replace\" or \"generalize\", found \"hide\"",
        "/redaction/0/resource: expected a FHIR R4 resource type such as Patient, found \"Pateint\" (did you mean \"Patient\"?)",
        "/redaction/0/unless/role: expected the key \"scope\" alone, found the unknown key \"role\"",
        "/redaction/0/unless/scope: expected a SMART scope without parameters, such as user/Patient.rs, found nothing",
        "/response/resource_limit: expected at least hold_limit, found less",
        "/redaction/0/elements/1: found id, which a resource cannot do without, expected another element",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "missing: {line}\nin:\n{text}"
        );
    }
    // The rooms that read keys, bases and elements have words of their own.
    for place in [
        "/fhir/base: expected ",
        "/fhir/public/0: expected ",
        "/issuers/0/keys/inline/keys/0: expected ",
        "/redaction/0/elements/2: found ",
    ] {
        assert!(text.contains(place), "{place}\nin:\n{text}");
    }
    assert!(!text.contains("c2VjcmV0"), "{text}");
    assert_eq!(text.lines().count(), 28, "{text}");
}

#[test]
fn each_key_has_its_mistakes() {
    let path = "/fhir/public/0: expected a path below the base, without a slash before or after it, \
                of the characters A-Z a-z 0-9 - . _ ~, found other text";
    let data = "/fhir/public/0: expected a path without patient data, found the path of resources";
    let name = |place: &str| {
        format!("{place}: expected a name of the characters A-Z a-z 0-9 - . _, found other text")
    };
    let url = "/issuers/0/issuer: expected a URL that begins with https:// or http://, without query and fragment, found other text";
    let pointer =
        "/issuers/0/claims/user/0: expected a JSON pointer such as /client_id, found other text";
    let uri = "/issuers/0/keys/uri: expected a URL that begins with https:// or http://, without user name and fragment, found other text";
    let fetched = |key: &str, value: &str| {
        let mut keys = json!({"uri": "https://as.example.org/jwks", "cluster": "as"});
        keys[key] = json!(value);
        keys
    };
    let kind = "/issuers/0/types/0: expected a media type such as at+jwt, in lower case and without application/, found other text";
    let scope = "/redaction/0/unless/scope: expected a SMART scope without parameters, such as user/Patient.rs, found other text";
    let rows: Vec<(&str, &str, Value, String)> = vec![
        ("no fhir", "/fhir", json!(REMOVED), "/fhir: expected an object with base and upstream, found nothing".into()),
        ("no issuers", "/issuers", json!(REMOVED), "/issuers: expected a list of issuers whose tokens are taken, found nothing".into()),
        ("no audit", "/audit", json!(REMOVED), "/audit: expected an object with observer, found nothing".into()),
        ("fhir is text", "/fhir", json!("https://h"), "/fhir: expected an object with base and upstream, found a string".into()),
        ("path with a slash", "/fhir/public/0", json!("/metadata"), path.into()),
        ("path with a query", "/fhir/public/0", json!("metadata?x"), path.into()),
        ("path upwards", "/fhir/public/0", json!("a/../metadata"), path.into()),
        ("path of an operation", "/fhir/public/0", json!("$export"), path.into()),
        ("path of a type", "/fhir/public/0", json!("Patient"), data.into()),
        ("path of a resource", "/fhir/public/0", json!("Patient/1/_history"), data.into()),
        ("history of the server", "/fhir/public/0", json!("_history"), data.into()),
        ("cluster with a space", "/fhir/upstream/cluster", json!("a b"), "/fhir/upstream/cluster: expected printable ASCII without spaces, found other text".into()),
        ("authorization misspelt", "/fhir/upstream/authorization", json!("stripp"), "/fhir/upstream/authorization: expected \"strip\" or \"keep\", found \"stripp\" (did you mean \"strip\"?)".into()),
        ("trace misspelt", "/fhir/upstream/trace", json!("begin"), "/fhir/upstream/trace: expected \"continue\" or \"start\", found \"begin\"".into()),
        ("a token in the place of a keyword", "/fhir/upstream/authorization", json!("Bearer eyJ.eyJ.c2ln="), "/fhir/upstream/authorization: expected \"strip\" or \"keep\", found other text".into()),
        ("certificate quoted", "/client_certificate/required", json!("no"), "/client_certificate/required: expected true or false, found a string (write it without quotes)".into()),
        ("issuer without scheme", "/issuers/0/issuer", json!("as.example.org"), url.into()),
        ("issuer with query", "/issuers/0/issuer", json!("https://as.example.org?x"), url.into()),
        ("issuer without host", "/issuers/0/issuer", json!("https:///x"), url.into()),
        ("tenant as a number", "/issuers/0/tenant", json!(7.0), "/issuers/0/tenant: expected a name, found a number (write it in quotes)".into()),
        ("tenant of two lines", "/issuers/0/tenant", json!("a\nb"), name("/issuers/0/tenant")),
        ("signatures as a boolean", "/signatures", json!(true), "/signatures: expected an object with host, found true".into()),
        ("host as a word", "/signatures/host", json!("yes"), "/signatures/host: expected true or false, found a string (write it without quotes)".into()),
        ("a key of signatures", "/signatures/envoy", json!(true), "/signatures/envoy: expected the key \"host\" alone, found the unknown key \"envoy\"".into()),
        ("audience as a boolean", "/issuers/0/audiences/0", json!(false), "/issuers/0/audiences/0: expected an audience, found false (write it in quotes)".into()),
        ("keys empty", "/issuers/0/keys", json!({}), "/issuers/0/keys: expected {uri, cluster} where the keys are fetched, or inline: {keys: [...]}, found neither".into()),
        ("keys here and there", "/issuers/0/keys/uri", json!("https://as.example.org/jwks"), "/issuers/0/keys/uri: expected the key \"inline\" alone, found the unknown key \"uri\"".into()),
        ("keys of nobody", "/issuers/0/keys", json!({"uri": "https://as.example.org/jwks"}), "/issuers/0/keys/cluster: expected the name of an Envoy cluster, found nothing".into()),
        ("keys without a scheme", "/issuers/0/keys", fetched("uri", "as.example.org/jwks"), uri.into()),
        ("keys with a user", "/issuers/0/keys", fetched("uri", "https://u:p@as.example.org/jwks"), uri.into()),
        ("keys with a fragment", "/issuers/0/keys", fetched("uri", "https://as.example.org/jwks#1"), uri.into()),
        ("keys with a space", "/issuers/0/keys", fetched("uri", "https://as.example.org/jw ks"), uri.into()),
        ("keys of no host", "/issuers/0/keys", fetched("uri", "https:///jwks"), uri.into()),
        ("keys that may not fail once", "/issuers/0/keys", fetched("max_age", "9m"), "/issuers/0/keys/max_age: expected at least twice `refresh`, so that one fetch may fail, found less".into()),
        ("keys that come too late", "/issuers/0/keys", json!({"uri": "https://as/jwks", "cluster": "as", "refresh": "10s", "max_age": "20s", "timeout": "4501ms"}), "/issuers/0/keys/timeout: expected a time that passes twice, and a second, between `refresh` and `max_age`, so that one fetch may fail, found more".into()),
        ("nobody may wait", "/waiting/requests", json!(0), "/waiting/requests: expected a whole number from 1 to 4096, found another number".into()),
        ("too many wait", "/waiting/requests", json!(4097), "/waiting/requests: expected a whole number from 1 to 4096, found another number".into()),
        ("a key of waiting", "/waiting/limit", json!(3), "/waiting/limit: expected one of the keys requests, time, found the unknown key \"limit\"".into()),
        ("upper-case type", "/issuers/0/types/0", json!("AT+JWT"), kind.into()),
        ("type with application/", "/issuers/0/types/0", json!("application/at+jwt"), kind.into()),
        ("proof misspelt", "/issuers/0/proof/0", json!("certficate"), "/issuers/0/proof/0: expected \"certificate\", \"dpop\" or \"none\", found \"certficate\" (did you mean \"certificate\"?)".into()),
        ("proof and none", "/issuers/0/proof/-", json!("none"), "/issuers/0/proof: expected \"none\" alone, or not at all, found it beside another proof".into()),
        ("proof of nothing", "/issuers/0/proof", json!([]), "/issuers/0/proof: expected a list of 1 to 3 proofs, found 0".into()),
        ("skew of half a second", "/issuers/0/clock_skew", json!("500ms"), "/issuers/0/clock_skew: expected a duration of whole seconds, found other text".into()),
        ("claim without a slash", "/issuers/0/claims/user/0", json!("fhirUser"), pointer.into()),
        ("claim with a bad escape", "/issuers/0/claims/user/0", json!("/a~2"), pointer.into()),
        ("unknown claim", "/issuers/0/claims/scopes", json!(["/scp"]), "/issuers/0/claims/scopes: expected one of the keys client, encounter, patient, purpose, roles, scope, token_id, user, scope_separator, scope_prefixes, malformed_scopes, bases, found the unknown key \"scopes\"".into()),
        ("an issuer twice", "/issuers/-", complete()["issuers"][0].clone(), "/issuers/1/issuer: expected an issuer of its own, found that of /issuers/0".into()),
        ("a redaction's name twice", "/redaction/-", complete()["redaction"][0].clone(), "/redaction/1/name: expected a name of its own, found that of /redaction/0".into()),
        ("a redaction for everything", "/redaction/0/elements", json!([]), "/redaction/0/elements: expected a list of 1 to 256 elements, found 0".into()),
        ("a redaction of a container", "/redaction/0/resource", json!("Bundle"), "/redaction/0/resource: expected the type of the resources inside, such as Patient, found \"Bundle\", which only carries others".into()),
        ("a scope with parameters", "/redaction/0/unless/scope", json!("user/Observation.rs?category=laboratory"), scope.into()),
        ("a scope of no data", "/redaction/0/unless/scope", json!("openid"), scope.into()),
        ("nothing in unless", "/redaction/0/unless", json!(null), "/redaction/0/unless: expected an object with scope, found null".into()),
        ("an element of no Patient", "/redaction/0/elements/0", json!("birthdate"), "/redaction/0/elements/0: expected an element of Patient, found \"birthdate\" (did you mean \"birthDate\"?)".into()),
        ("less for a resource than is held", "/response/resource_limit", json!("511KiB"), "/response/resource_limit: expected at least hold_limit, found less".into()),
        ("an observer with a space", "/audit/observer", json!("a b"), name("/audit/observer")),
        ("no sinks", "/audit/sinks", json!([]), "/audit/sinks: expected a list of 1 to 1 sinks, found 0".into()),
        ("a sink misspelt", "/audit/sinks/0", json!("access-logs"), "/audit/sinks/0: expected \"access_log\", found \"access-logs\" (did you mean \"access_log\"?)".into()),
        ("a sink with a password", "/audit/sinks/0", json!("https://u:p@h/"), "/audit/sinks/0: expected \"access_log\", found other text".into()),
    ];
    for (row, pointer, value, expected) in rows {
        assert_eq!(said(&[(pointer, value)]), expected, "{row}");
    }
}
