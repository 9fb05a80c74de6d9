//! `dpop`, `secrets`, and which proofs an issuer's tokens are taken with.

use serde_json::json;

use super::*;

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The complete configuration after these changes, where `KEY` and `SHORT` are set.
fn with(changes: &[(&str, Value)]) -> Result<Policy, Mistakes> {
    let mut document = complete();
    for (pointer, value) in changes {
        set(&mut document, pointer, value.clone());
    }
    let environment = |name: &str| match name {
        "KEY" => Some(KEY.to_owned()),
        "SHORT" => Some("c2VjcmV0".to_owned()),
        _ => None,
    };
    read_with(document.to_string().as_bytes(), &environment)
}

#[test]
fn an_issuer_names_the_proofs_that_it_takes() {
    let check = |proofs: Value, expected: Option<Proof>| {
        let found = with(&[("/issuers/0/proof", proofs.clone())]).ok();
        assert_eq!(
            found.map(|policy| policy.issuers[0].proof),
            expected,
            "{proofs}"
        );
    };
    check(json!(["certificate"]), Some(Proof::Certificate));
    check(json!(["dpop"]), Some(Proof::Dpop));
    check(json!(["certificate", "dpop"]), Some(Proof::Either));
    check(json!(["dpop", "certificate"]), Some(Proof::Either));
    check(json!(["none"]), Some(Proof::None));
    for proofs in [
        json!([]),
        json!(["dpop", "dpop"]),
        json!(["none", "dpop"]),
        json!(["certificate", "dpop", "none"]),
        json!(["DPoP"]),
    ] {
        check(proofs, None);
    }
}

#[test]
fn proofs_are_judged_as_the_operator_wrote() {
    let policy = with(&[]).expect("good");
    assert_eq!(policy.dpop.algorithms, Algorithm::ALL);
    assert_eq!((policy.dpop.window, policy.dpop.clock_skew), (60, 5));
    assert!(policy.dpop.nonces.is_none() && policy.warnings.is_empty());
    assert_eq!(policy.dpop.quarantine, None, "nobody is shut out");
    let section = json!({"algorithms": ["ES256", "EdDSA"], "window": "2m", "clock_skew": "0s", "nonce": "required", "quarantine": "15m"});
    let secrets = json!({"nonce_key": {"env": "KEY"}});
    let changes = [("/dpop", section), ("/secrets", secrets)];
    let policy = with(&changes).expect("good");
    assert_eq!(policy.dpop.algorithm_names(), "ES256 EdDSA");
    assert_eq!((policy.dpop.window, policy.dpop.clock_skew), (120, 0));
    assert!(policy.dpop.nonces.is_some() && policy.warnings.is_empty());
    assert_eq!(policy.dpop.quarantine, Some(900));
    // A key that nobody needs is no mistake: the switch alone decides.
    let policy = with(&changes[1..]).expect("good");
    assert!(policy.dpop.nonces.is_none());
}

#[test]
fn clients_are_told_which_proofs_are_taken() {
    let told = |proofs: Value| -> Value {
        let changes = [
            ("/issuers/0/proof", proofs),
            ("/dpop", json!({"algorithms": ["ES256", "EdDSA"]})),
        ];
        let discovery = with(&changes).expect("good").discovery;
        serde_json::from_slice(&discovery.expect("told").document).expect("JSON")
    };
    for (proofs, certificate, dpop) in [
        (json!(["certificate"]), true, None),
        (json!(["none"]), false, None),
        (json!(["dpop"]), false, Some(true)),
        (json!(["certificate", "dpop"]), true, Some(false)),
    ] {
        let told = told(proofs.clone());
        let bound = "tls_client_certificate_bound_access_tokens";
        assert_eq!(told[bound], certificate, "{proofs}");
        let only = told.get("dpop_bound_access_tokens_required");
        assert_eq!(only.and_then(Value::as_bool), dpop, "{proofs}");
        let algorithms = told.get("dpop_signing_alg_values_supported").cloned();
        let expected = dpop.map(|_| json!(["ES256", "EdDSA"]));
        assert_eq!(algorithms, expected, "{proofs}");
    }
}

#[test]
fn a_secret_in_the_configuration_is_warned_of() {
    let secrets = json!({"nonce_key": {"inline": KEY}});
    let policy = with(&[
        ("/dpop", json!({"nonce": "required"})),
        ("/secrets", secrets),
    ]);
    let policy = policy.expect("good");
    assert!(policy.dpop.nonces.is_some());
    let [warning] = policy.warnings.as_slice() else {
        panic!("{:?}", policy.warnings)
    };
    assert!(
        warning.starts_with("/secrets/nonce_key/inline: "),
        "{warning}"
    );
    assert!(!warning.contains(KEY) && !format!("{policy:?}").contains(KEY));
}

#[test]
fn a_secret_is_in_one_place_and_long_enough() {
    let check = |name: &str, secrets: Value, expected: &str| {
        let found = with(&[
            ("/secrets", secrets),
            ("/dpop", json!({"nonce": "required"})),
        ]);
        let text = found.expect_err(name).to_string();
        assert_eq!(text, expected, "{name}");
        assert!(!text.contains(KEY), "{name}");
    };
    let env = "/secrets/nonce_key/env: expected ";
    let unset = format!(
        "{env}a variable of vm_config.environment_variables, found one that is not set there"
    );
    check("not set", json!({"nonce_key": {"env": "OTHER"}}), &unset);
    check("another case", json!({"nonce_key": {"env": "key"}}), &unset);
    let length = "32 to 256 bytes, in hexadecimal or base64, found other text";
    check(
        "short",
        json!({"nonce_key": {"env": "SHORT"}}),
        &format!("{env}{length}"),
    );
    let inline = format!("/secrets/nonce_key/inline: expected {length}");
    check(
        "short, inline",
        json!({"nonce_key": {"inline": "00"}}),
        &inline,
    );
    check(
        "password",
        json!({"nonce_key": {"inline": "correct horse battery staple"}}),
        &inline,
    );
    check(
        "no name",
        json!({"nonce_key": {"env": KEY.to_owned() + "="}}),
        &format!(
            "{env}the name of an environment variable, of the characters A-Z a-z 0-9 _, found other text"
        ),
    );
    check(
        "both",
        json!({"nonce_key": {"env": "KEY", "inline": KEY}}),
        "/secrets/nonce_key: expected env or inline, found both",
    );
    check(
        "neither",
        json!({"nonce_key": {}}),
        "/secrets/nonce_key: expected {env: NAME}, the name of an environment variable of this VM, found neither env nor inline",
    );
    check(
        "text",
        json!({"nonce_key": KEY}),
        "/secrets/nonce_key: expected {env: NAME}, the name of an environment variable of this VM, found a string",
    );
    check(
        "none",
        json!({}),
        "/dpop/nonce: expected a key for nonces, {env: NAME} at /secrets/nonce_key, found nothing",
    );
}

#[test]
fn the_section_has_its_bounds() {
    let check = |name: &str, section: Value, expected: Result<(), &str>| {
        let found = with(&[("/dpop", section)]);
        match expected {
            Ok(()) => assert!(found.is_ok(), "{name}: {}", found.unwrap_err()),
            Err(text) => {
                let found = found.expect_err(name).to_string();
                assert!(found.contains(text), "{name}: {found}");
            }
        }
    };
    check("empty", json!({}), Ok(()));
    check("no nonce", json!({"nonce": "none"}), Ok(()));
    for window in ["1s", "5m"] {
        check(window, json!({"window": window}), Ok(()));
    }
    for window in ["0s", "301s", "1500ms"] {
        check(
            window,
            json!({"window": window}),
            Err("/dpop/window: expected a duration"),
        );
    }
    for skew in ["0s", "30s"] {
        check(skew, json!({"clock_skew": skew}), Ok(()));
    }
    for skew in ["31s", "500ms"] {
        check(
            skew,
            json!({"clock_skew": skew}),
            Err("/dpop/clock_skew: expected a duration"),
        );
    }
    for time in ["10s", "24h"] {
        check(time, json!({"quarantine": time}), Ok(()));
    }
    for time in ["9s", "86401s", "10500ms"] {
        check(
            time,
            json!({"quarantine": time}),
            Err("/dpop/quarantine: expected a duration"),
        );
    }
    check(
        "a switch",
        json!({"quarantine": true}),
        Err("/dpop/quarantine: expected a duration"),
    );
    check(
        "off",
        json!({"nonce": false}),
        Err("/dpop/nonce: expected \"required\" or \"none\""),
    );
    check(
        "symmetric",
        json!({"algorithms": ["HS256"]}),
        Err("/dpop/algorithms/0: expected \"RS256\""),
    );
    check(
        "no algorithms",
        json!({"algorithms": []}),
        Err("/dpop/algorithms: expected a list of 1 to 10"),
    );
    check(
        "unknown",
        json!({"nonces": "required"}),
        Err(
            "/dpop/nonces: expected one of the keys algorithms, window, clock_skew, nonce, quarantine",
        ),
    );
}
