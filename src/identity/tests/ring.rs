//! Keys that come, change and go, and the tokens that were verified with them.

use fhir_guard_harness::tokens::{Algorithm as Signer, Issuer};
use serde_json::json;

use super::*;
use crate::remote::Source;

const UNTIL: u64 = NOW + 3600;

fn fetched(issuer: &Issuer) -> IssuerPolicy {
    let source = Source {
        cluster: "as".to_owned(),
        authority: "as.example.org".to_owned(),
        path: "/jwks".to_owned(),
        refresh: 1,
        max_age: 1,
        cooldown: 1,
        timeout: 1,
        limit: 1,
    };
    IssuerPolicy {
        keys: KeySource::Fetched(source),
        ..policy(&issuer.jwks())
    }
}

fn keys(issuer: &Issuer) -> KeySet {
    KeySet::read_fetched(&issuer.jwks(), &Algorithm::ALL).expect("good keys")
}

fn verified(token: &str, policies: &[IssuerPolicy], ring: &KeyRing) -> Verification {
    let base = BaseUrl::parse("https://fhir.example.org/r4").expect("a base");
    verify(
        token,
        policies,
        ring,
        &base,
        NOW,
        &HostAlgorithms::default(),
    )
    .expect("good claims")
}

fn missing(id: Option<&str>) -> MissingKey {
    MissingKey {
        issuer: 0,
        id: id.map(str::to_owned),
    }
}

#[test]
fn a_token_stands_as_long_as_its_key() {
    let (old, new) = (issuer(), issuer().rotated());
    let policies = [fetched(&old)];
    let token = old.token(&good());
    let mut ring = KeyRing::new(&policies);
    let Verification::Keyless(found) = verified(&token, &policies, &ring) else {
        panic!("a key before any was fetched")
    };
    assert_eq!(found, missing(None), "none at all");

    ring.put(0, keys(&old), UNTIL);
    let Verification::Verified(known) = verified(&token, &policies, &ring) else {
        panic!("a good token")
    };
    assert_eq!(ring.standing(&known, NOW), Standing::Good);
    assert_eq!(ring.standing(&known, UNTIL - 1), Standing::Good);
    assert_eq!(ring.standing(&known, UNTIL), Standing::NoKeys, "too old");
    assert!(ring.keys(0, UNTIL).is_none());

    let both = json!({"keys": [old.jwk(Signer::Es256), new.jwk(Signer::Es256)]});
    let both = KeySet::read_fetched(&both, &Algorithm::ALL).expect("good keys");
    ring.put(0, both, UNTIL + 10);
    assert_eq!(
        ring.standing(&known, UNTIL),
        Standing::Good,
        "beside a new key"
    );

    ring.put(0, keys(&new), UNTIL + 20);
    assert_eq!(ring.standing(&known, NOW), Standing::Retired);
    let Verification::Keyless(found) = verified(&token, &policies, &ring) else {
        panic!("the key is gone")
    };
    assert_eq!(found, missing(Some(&old.kid(Signer::Es256))));
    assert!(matches!(
        verified(&new.token(&good()), &policies, &ring),
        Verification::Verified(_)
    ));

    // The same name for another key: what stood with the old one does not stand.
    ring.put(0, keys(&old.impostor()), UNTIL);
    assert_eq!(ring.standing(&known, NOW), Standing::Retired);
    let renamed = {
        let mut key = old.jwk(Signer::Es256);
        key["kid"] = json!("renamed");
        json!({ "keys": [key] })
    };
    let renamed = KeySet::read_fetched(&renamed, &Algorithm::ALL).expect("good keys");
    ring.put(0, renamed, UNTIL);
    assert_eq!(
        ring.standing(&known, NOW),
        Standing::Good,
        "another name for the same key"
    );
}

#[test]
fn a_token_that_no_new_key_can_help_is_refused_at_once() {
    let issuer = issuer();
    let policies = [fetched(&issuer)];
    let mut ring = KeyRing::new(&policies);
    let base = BaseUrl::parse("https://fhir.example.org/r4").expect("a base");
    let found = |token: &str, ring: &KeyRing| {
        let host = HostAlgorithms::default();
        verify(token, &policies, ring, &base, NOW, &host).err()
    };
    let fault = |fault| Some(Denial::Token(fault));
    // Cheap checks come before any wait.
    let late = issuer.token(&good().expires_at(NOW - 100));
    assert_eq!(found(&late, &ring), fault(TokenFault::Expired));
    let elsewhere = issuer.token(&good().audience("https://elsewhere.example.org"));
    assert_eq!(found(&elsewhere, &ring), fault(TokenFault::Audience));
    ring.put(0, keys(&issuer), UNTIL);
    let mut forged = issuer.impostor().token(&good());
    assert_eq!(found(&forged, &ring), fault(TokenFault::Signature));
    forged.push('?');
    assert_eq!(
        found(&forged, &ring),
        fault(TokenFault::Signature),
        "no base64url"
    );
}

#[test]
fn keys_of_the_configuration_never_change() {
    let (ours, theirs) = (issuer(), issuer().impostor());
    let inline = policy(&ours.jwks());
    let policies = [fetched(&ours), inline];
    let mut ring = KeyRing::new(&policies);
    let mark = |ring: &KeyRing, issuer| {
        let keys = ring.keys(issuer, u64::MAX).expect("keys");
        let token = ours.token(&good());
        let (signed, signature) = token.rsplit_once('.').expect("dots");
        let signature =
            base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, signature);
        let (signed, signature) = (signed.as_bytes(), signature.expect("base64url"));
        let host = HostAlgorithms::default();
        matches!(
            keys.verify(Algorithm::Es256, None, signed, &signature, &host),
            Verdict::Holds(_)
        )
    };
    assert!(mark(&ring, 1));
    ring.put(1, keys(&theirs), u64::MAX);
    assert!(mark(&ring, 1), "still ours");
    // Nobody has such an issuer.
    ring.put(2, keys(&theirs), u64::MAX);
    assert!(ring.keys(2, NOW).is_none());
    assert!(
        ring.keys(0, NOW).is_none(),
        "nor were they put into another"
    );
}
