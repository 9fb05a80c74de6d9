//! Signed answers, in a real Envoy: the fields leave with the head that was kept back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir_guard_harness::client::{Request, Response, Version};
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::pkcs8::EncodePrivateKey as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::world::{Setting, World};

/// Whether an answer is signed by this key, as whoever verifies decides.
fn verifies(answer: &Response, key: &VerifyingKey) -> bool {
    let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
    let digest = format!(
        "sha-256=:{}:",
        STANDARD.encode(Sha256::digest(&answer.body))
    );
    let input = header("signature-input");
    let parameters = input.strip_prefix("guard=").expect("the label");
    let inside = parameters.split(['(', ')']).nth(1).expect("a list");
    let mut base = String::new();
    for name in inside.split(' ').map(|name| name.trim_matches('"')) {
        let value = match name {
            "@status" => answer.status.to_string(),
            name => header(name),
        };
        base.push_str(&format!("\"{name}\": {value}\n"));
    }
    base.push_str(&format!("\"@signature-params\": {parameters}"));
    let signature = header("signature");
    let signature = signature
        .strip_prefix("guard=:")
        .and_then(|rest| rest.strip_suffix(':'))
        .and_then(|text| STANDARD.decode(text).ok())
        .expect("bytes");
    let signature = Signature::from_slice(&signature).expect("64 bytes");
    header("content-digest") == digest && key.verify(base.as_bytes(), &signature).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leaves_can_be_verified() {
    let key = SigningKey::from_slice(&[7; 32]).expect("a key");
    let secret = p256::SecretKey::from(&key).to_pkcs8_der().expect("DER");
    let secret = STANDARD.encode(secret.as_bytes());
    let world = World::shared(Setting {
        policy: Some(Box::new(move |policy| {
            policy["secrets"]["signing_key"] = json!({"inline": secret});
            policy["signing"] = json!({"key_id": "guard-1", "when": "fhir.interaction != 'vread'"});
            policy["limits"] = json!([]);
            policy["fhir"]["bundles"] = json!({"types": ["batch"]});
        })),
        ..Setting::default()
    })
    .await;
    let public = VerifyingKey::from(&key);
    let token = world.token("patient/*.rs");
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        let batch = json!({"resourceType": "Bundle", "type": "batch",
            "entry": [{"request": {"method": "GET", "url": "Patient/p1"}}]});
        for request in [
            Request::get("/r4/Patient/p1"),
            Request::get("/r4/Observation?patient=p1&_count=3"),
            Request::get("/r4/metadata"),
            Request::new("POST", "/r4").body("application/fhir+json", batch.to_string()),
        ] {
            let name = format!("{} {version:?}", request.path);
            let answer = world.send(&client, request.bearer(&token)).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            assert!(verifies(&answer, &public), "{name}: {:?}", answer.headers);
            let mut altered = answer.clone();
            altered.body.push(b' ');
            assert!(!verifies(&altered, &public), "{name}, altered");
        }
        let refused = world
            .send(&client, Request::get("/r4/Patient/p2").bearer(&token))
            .await;
        assert_eq!((refused.status, refused.header("signature")), (404, None));
        let version_of = Request::get("/r4/Patient/p1/_history/1").bearer(&token);
        let answer = world.send(&client, version_of).await;
        assert_eq!((answer.status, answer.header("signature")), (200, None));
    }
    world.close().await;
}
