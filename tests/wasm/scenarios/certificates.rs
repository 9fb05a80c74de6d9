//! What the host tells of certificates, and how often it is asked.

use fhir_guard_harness::pki::Pki;
use serde_json::{Value, json};

use crate::deployment::{Deployment, End, Script, rubbish};
use crate::memory::Bytes;
use crate::vm::Vm;

const LEAF: [&str; 2] = ["connection", "peer_certificate"];
const SUBJECT: [&str; 2] = ["connection", "subject_peer_certificate"];
const HEADER: &[u8] = b"x-forwarded-client-cert";

/// A deployment whose `client_certificate` has this as well.
fn with(rules: Value) -> Deployment {
    Deployment::with(|policy| {
        for (key, value) in rules.as_object().expect("an object") {
            policy["client_certificate"][key] = value.clone();
        }
    })
}

fn pinned(wanted: Value) -> Value {
    json!({ "clients": [{ "client_id": "clinic-a", "certificates": [wanted] }] })
}

fn check(name: &str, end: &End, status: u16, rule: &str) {
    assert_eq!(end.status(), status, "{name}: {end:?}");
    if status != 200 {
        assert_eq!(end.record()["rule"], rule, "{name}");
        assert!(end.upstream.headers.is_none(), "{name}: something went on");
    }
}

/// The good exchange on a machine that remembers nothing, with the attribute as it is now.
fn fresh(deployment: &Deployment, script: &Script) -> End {
    deployment.rest();
    script.drive(&deployment.vm())
}

#[test]
fn the_certificate_is_asked_for_once_a_worker() {
    let deployment = with(pinned(
        json!({ "san_uri": "spiffe://example.org/clinic-a" }),
    ));
    let pem = deployment.certificate().certificate_pem.clone();
    deployment.host.attribute(&LEAF, pem.as_bytes());
    let vm = deployment.vm();
    let script = deployment.read();
    let calls = |vm: &Vm| {
        let before = deployment.host.calls("proxy_get_property");
        check("pinned", &script.drive(vm), 200, "");
        deployment.host.calls("proxy_get_property") - before
    };
    let (first, second, third) = (calls(&vm), calls(&vm), calls(&vm));
    assert_eq!(first, second + 1, "once");
    assert_eq!(second, third);
    // Where no rule needs it nobody asks, whatever the host has.
    let deployment = Deployment::new();
    deployment.host.attribute(&LEAF, pem.as_bytes());
    deployment.host.attribute(&SUBJECT, b"CN=clinic-a,O=Clinic");
    let vm = deployment.vm();
    let before = deployment.host.calls("proxy_get_property");
    check("no rule", &deployment.read().drive(&vm), 200, "");
    let asked = deployment.host.calls("proxy_get_property") - before;
    assert_eq!(asked, second, "no more than for one that is known");
}

#[test]
fn an_attribute_of_any_bytes_is_no_certificate() {
    let deployment = with(pinned(
        json!({ "san_uri": "spiffe://example.org/clinic-a" }),
    ));
    let own = deployment
        .certificate()
        .certificate_pem
        .clone()
        .into_bytes();
    let other = Pki::new().client("clinic-a").certificate_pem.into_bytes();
    let script = deployment.read();
    check(
        "none",
        &fresh(&deployment, &script),
        401,
        "token.certificate",
    );
    let mut rows: Vec<(String, Bytes)> = vec![
        ("empty".into(), Vec::new()),
        ("one byte".into(), vec![0]),
        ("another's with the same names".into(), other.clone()),
        ("twice".into(), own.repeat(2)),
        ("the other behind it".into(), [&own[..], &other].concat()),
        ("cut".into(), own[..own.len() / 2].to_vec()),
        ("a percent sign behind it".into(), [&own[..], b"%"].concat()),
        ("huge".into(), own.repeat(1000)),
        ("a megabyte of percent signs".into(), vec![b'%'; 1 << 20]),
        (
            "only its boundaries".into(),
            b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".to_vec(),
        ),
        (
            "boundaries that overlap".into(),
            b"-----BEGIN CERTIFICATE-----END CERTIFICATE-----".to_vec(),
        ),
    ];
    for seed in 0..8 {
        let length = 1 << (2 * seed);
        rows.push((format!("rubbish of {length}"), rubbish(seed, length)));
    }
    for place in (0..own.len()).step_by(13) {
        let mut changed = own.clone();
        changed[place] ^= 1;
        rows.push((format!("one bit of byte {place}"), changed));
    }
    for (name, bytes) in rows {
        deployment.host.attribute(&LEAF, &bytes);
        check(
            &name,
            &fresh(&deployment, &script),
            401,
            "token.certificate",
        );
    }
    deployment.host.attribute(&LEAF, &own);
    check("its own", &fresh(&deployment, &script), 200, "");
}

#[test]
fn a_subject_of_any_bytes_is_compared_as_text() {
    let deployment = with(pinned(json!({ "subject_dn": "CN=clinic-a,O=Clinic" })));
    let script = deployment.read();
    check("none", &fresh(&deployment, &script), 401, "token.pin");
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("not UTF-8", vec![0xff; 20]),
        ("a NUL behind it", b"CN=clinic-a,O=Clinic\0".to_vec()),
        ("a space before it", b" CN=clinic-a,O=Clinic".to_vec()),
        ("more of it", b"CN=clinic-a,O=Clinic,C=DE".to_vec()),
        ("less of it", b"CN=clinic-a".to_vec()),
        ("another case", b"CN=CLINIC-A,O=Clinic".to_vec()),
        ("huge", b"CN=clinic-a,O=Clinic".repeat(50_000)),
    ] {
        deployment.host.attribute(&SUBJECT, &bytes);
        check(name, &fresh(&deployment, &script), 401, "token.pin");
    }
    deployment.host.attribute(&SUBJECT, b"CN=clinic-a,O=Clinic");
    check("its own", &fresh(&deployment, &script), 200, "");
}

#[test]
fn a_header_of_any_bytes_is_no_certificate() {
    headers_of_any_bytes("refused");
}

#[test]
fn a_header_of_any_bytes_is_no_certificate_where_elements_before_are_ignored() {
    headers_of_any_bytes("ignored");
}

fn headers_of_any_bytes(earlier: &str) {
    let pki = Pki::new();
    let hop = pki.client("gateway");
    let deployment = with(json!({
        "source": { "xfcc": {
            "trusted_hops": [{ "thumbprint": hop.thumbprint_hex }],
            "earlier_elements": earlier,
        } },
    }));
    let digest = hop.thumbprint_hex.as_bytes();
    let path = ["connection", "sha256_peer_certificate_digest"];
    deployment.host.attribute(&path, digest);
    let vm = deployment.vm();
    let hash = format!("Hash={}", deployment.certificate().thumbprint_hex).into_bytes();
    let drive = |values: &[Bytes]| {
        let mut script = deployment.read();
        let fields = values.iter().map(|value| (HEADER.to_vec(), value.clone()));
        script.request.extend(fields);
        deployment.rest();
        script.drive(&vm)
    };
    let malformed = "request.malformed.x-forwarded-client-cert";
    check("its hash", &drive(std::slice::from_ref(&hash)), 200, "");
    check("none", &drive(&[]), 401, "token.certificate");
    check(
        "twice",
        &drive(&[hash.clone(), hash.clone()]),
        400,
        malformed,
    );
    for byte in 0..=u8::MAX {
        let name = format!("{byte:#04x}");
        check(
            &format!("{name} alone"),
            &drive(&[vec![byte]]),
            400,
            malformed,
        );
        let behind = [&hash[..], &[byte]].concat();
        check(&format!("{name} behind"), &drive(&[behind]), 400, malformed);
        let before = [&[byte][..], &hash].concat();
        // An empty element before it is one.
        match byte {
            b',' if earlier == "ignored" => {
                check("a comma before", &drive(&[before]), 200, "");
            }
            _ => check(&format!("{name} before"), &drive(&[before]), 400, malformed),
        }
    }
    for (name, value) in [
        ("a megabyte", hash.repeat(1 << 14)),
        ("a megabyte of quotes", vec![b'"'; 1 << 20]),
        ("a megabyte of commas", vec![b','; 1 << 20]),
        ("commas up to the bound", vec![b','; 32 * 1024]),
        ("rubbish", rubbish(7, 4096)),
    ] {
        check(name, &drive(&[value]), 400, malformed);
    }
    check("its hash, at last", &drive(&[hash]), 200, "");
}
