//! RFC 8705: a token is worth something only on a connection of its own certificate.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use fhir_guard_harness::client::Version;
use fhir_guard_harness::pki::ClientCertificate;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::read;
use crate::table::{EXPIRED, FORGED, Table};
use crate::world::{Setting, World, now, tells_validity};

/// Enough new connections that both workers have had some: the kernel spreads them.
const BOTH_WORKERS: usize = 24;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_only_with_its_certificate() {
    let world = World::shared(Setting::default()).await;
    confirmations(&world).await;
    other_certificates(&world).await;
    cached(&world).await;
    untrusted_at_the_door(&world).await;
    world.close().await;
}

/// What `cnf` may be.
async fn confirmations(world: &World) {
    let mut table = Table::new(world);
    let client = world.client().reuse(true);
    let certificate = world.pki.client("clinic-a");
    let thumbprint = &certificate.thumbprint_sha256_base64url;
    let authority: [u8; 32] = Sha256::digest(world.pki.authority_der()).into();
    let bytes = URL_SAFE_NO_PAD.decode(thumbprint).expect("base64url");
    for (name, confirmation) in [
        ("empty", json!({})),
        ("null", json!(null)),
        ("a string", json!(thumbprint)),
        ("a list", json!([{ "x5t#S256": thumbprint }])),
        ("jkt as well", json!({ "x5t#S256": thumbprint, "jkt": "x" })),
        ("jwk as well", json!({ "x5t#S256": thumbprint, "jwk": {} })),
        ("jkt alone", json!({ "jkt": thumbprint })),
        ("another name", json!({ "x5t#s256": thumbprint })),
        ("SHA-1", json!({ "x5t": thumbprint })),
        (
            "in hexadecimal",
            json!({ "x5t#S256": certificate.thumbprint_hex }),
        ),
        ("padded", json!({ "x5t#S256": URL_SAFE.encode(&bytes) })),
        ("cut", json!({ "x5t#S256": thumbprint.split_at(42).0 })),
        (
            "31 bytes",
            json!({ "x5t#S256": URL_SAFE_NO_PAD.encode(&bytes[..31]) }),
        ),
        (
            "33 bytes",
            json!({ "x5t#S256": URL_SAFE_NO_PAD.encode([&bytes[..], &[0]].concat()) }),
        ),
        ("nothing", json!({ "x5t#S256": "" })),
        ("a list of thumbprints", json!({ "x5t#S256": [thumbprint] })),
        (
            "zeros",
            json!({ "x5t#S256": URL_SAFE_NO_PAD.encode([0; 32]) }),
        ),
        (
            "of the authority",
            json!({ "x5t#S256": URL_SAFE_NO_PAD.encode(authority) }),
        ),
        (
            "of the other client",
            json!({ "x5t#S256": world.pki.client("clinic-b").thumbprint_sha256_base64url }),
        ),
    ] {
        let claims = world.claims().claim("cnf", confirmation);
        let token = world.issuer.token(&claims);
        table
            .refused(
                &format!("cnf {name}"),
                &client,
                read(&token),
                FORGED,
                "token.binding",
            )
            .await;
    }
    let unbound = world.issuer.token(&world.claims().without("cnf"));
    table
        .refused("no cnf", &client, read(&unbound), FORGED, "token.binding")
        .await;
    table
        .answered("its own", &client, read(&world.token("patient/*.rs")), 200)
        .await;
    table.finish().await;
}

/// A stolen token.
async fn other_certificates(world: &World) {
    let mut table = Table::new(world);
    let token = world.token("patient/*.rs");
    let renewed = world.pki.renewed("clinic-a");
    for (name, certificate) in [
        ("the other client's", world.pki.client("clinic-b")),
        ("the same subject's next one", renewed),
    ] {
        for listener in ["secure", "open"] {
            for version in [Version::Http1, Version::Http2] {
                let client = world.client_of(Some(&certificate), version, listener);
                let name = format!("{name}, {listener}, {version:?}");
                table
                    .refused(&name, &client, read(&token), FORGED, "token.binding")
                    .await;
            }
        }
    }
    for version in [Version::Http1, Version::Http2] {
        let client = world.client_of(None, version, "open");
        table
            .refused(
                "no certificate",
                &client,
                read(&token),
                FORGED,
                "token.certificate",
            )
            .await;
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "open");
        table
            .answered("its own on the open listener", &client, read(&token), 200)
            .await;
    }
    // What a proxy in front might say counts for nothing here.
    let client = world.client_of(
        Some(&world.pki.client("clinic-b")),
        Version::Http2,
        "secure",
    );
    let hash = world.pki.client("clinic-a").thumbprint_hex;
    let request = read(&token)
        .header(
            "x-forwarded-client-cert",
            format!("Hash={hash};Subject=\"CN=clinic-a\""),
        )
        .header("x-ssl-client-cert", "x")
        .header("ssl-client-fingerprint", hash);
    table
        .refused(
            "a certificate in a header",
            &client,
            request,
            FORGED,
            "token.binding",
        )
        .await;
    table.finish().await;
}

/// A token that both workers know is judged anew on every connection, and at every moment.
async fn cached(world: &World) {
    let mut table = Table::new(world);
    let (own, other) = (world.pki.client("clinic-a"), world.pki.client("clinic-b"));
    let expires = now() - 30 + 8;
    let brief = world.issuer.token(&world.claims().expires_at(expires));
    for certificate in [&own, &other] {
        for number in 0..BOTH_WORKERS {
            let client = world.client_of(Some(certificate), Version::Http2, "secure");
            if certificate.name == own.name {
                let name = format!("connection {number}");
                table.answered(&name, &client, read(&brief), 200).await;
            } else {
                let name = format!("stolen, connection {number}");
                table
                    .refused(&name, &client, read(&brief), FORGED, "token.binding")
                    .await;
            }
        }
    }
    assert!(
        now() < expires + 30,
        "the machine is too slow for this test"
    );
    while now() < expires + 30 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    for number in 0..BOTH_WORKERS {
        let client = world.client_of(Some(&own), Version::Http2, "secure");
        let name = format!("expired, connection {number}");
        table
            .refused(&name, &client, read(&brief), EXPIRED, "token.expired")
            .await;
    }
    table.finish().await;
}

/// Certificates that the listener itself does not let in: no exchange, and so no record.
async fn untrusted_at_the_door(world: &World) {
    let expired = world.pki.client_with("clinic-a", |params| {
        params.not_after = params.not_before + std::time::Duration::from_secs(60);
    });
    for (name, certificate) in [
        ("none", None),
        ("a stranger's", Some(world.pki.stranger())),
        ("an expired one", Some(expired)),
    ] {
        for version in [Version::Http1, Version::Http2] {
            let token = world.token("patient/*.rs");
            for listener in ["secure", "open"] {
                if certificate.is_none() && listener == "open" {
                    continue;
                }
                let client = world.client_of(certificate.as_ref(), version, listener);
                let answer = client.send(read(&token)).await;
                assert!(
                    answer.is_err(),
                    "{name}, {listener}, {version:?}: {answer:?}"
                );
            }
        }
    }
}

/// A listener that lets every certificate in, and says so: the filter does not take it for one.
///
/// An Envoy that does not say so (before 1.39) gets no filter with `attribute`, and no client. With
/// `listener` it is then the operator's word that counts, which is false here: the certificate is
/// believed, and still opens nothing but tokens bound to itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_verified_counts_for_nothing() {
    for validated_by in ["attribute", "listener"] {
        let setting = Setting {
            policy: Some(Box::new(move |policy| {
                policy["client_certificate"]["validated_by"] = json!(validated_by);
            })),
            envoy: Some(Box::new(accept_untrusted)),
            ..Setting::default()
        };
        if validated_by == "attribute" && !tells_validity() {
            let error = World::refuses(setting).await;
            let mistake = "/client_certificate/validated_by: \"attribute\", which is the default, needs Envoy 1.39";
            assert!(error.contains(mistake), "{error}");
            continue;
        }
        let world = World::shared(setting).await;
        let mut table = Table::new(&world);
        let expired = world.pki.client_with("clinic-a", |params| {
            params.not_after = params.not_before + std::time::Duration::from_secs(60);
        });
        let own = world.pki.client("clinic-a");
        for (name, certificate) in [("a stranger's", world.pki.stranger()), ("expired", expired)] {
            for version in [Version::Http1, Version::Http2] {
                let client = world.client_of(Some(&certificate), version, "open");
                for bound_to in [&certificate, &own] {
                    let token = world.issuer.token(&world.claims().bound_to(bound_to));
                    let row = format!("{name}, bound to {}, {version:?}", bound_to.name);
                    let itself = bound_to.thumbprint_hex == certificate.thumbprint_hex;
                    match (tells_validity(), itself) {
                        (true, _) => {
                            let rule = "token.certificate";
                            table
                                .refused(&row, &client, read(&token), FORGED, rule)
                                .await;
                        }
                        (false, true) => {
                            table.answered(&row, &client, read(&token), 200).await;
                        }
                        (false, false) => {
                            let rule = "token.binding";
                            table
                                .refused(&row, &client, read(&token), FORGED, rule)
                                .await;
                        }
                    }
                }
            }
        }
        let client = world.client_of(Some(&own), Version::Http2, "open");
        let token = world.token("patient/*.rs");
        table
            .answered("a verified one", &client, read(&token), 200)
            .await;
        table.finish().await;
        world.close().await;
    }
}

/// An operator who wrote out that tokens need no proof: one that has a confirmation is held to it
/// all the same.
#[tokio::test(flavor = "multi_thread")]
async fn without_proof_a_confirmation_still_binds() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["issuers"][0]["proof"] = json!(["none"]);
            policy["client_certificate"]["required"] = json!(false);
        })),
        ..Setting::default()
    })
    .await;
    let mut table = Table::new(&world);
    let own = world.pki.client("clinic-a");
    let other = world.pki.client("clinic-b");
    let client = |certificate: Option<&ClientCertificate>| {
        world.client_of(certificate, Version::Http2, "open")
    };
    let unbound = world.issuer.token(&world.claims().without("cnf"));
    let bound = world.token("patient/*.rs");
    table
        .answered("unbound", &client(None), read(&unbound), 200)
        .await;
    table
        .answered(
            "unbound, any certificate",
            &client(Some(&other)),
            read(&unbound),
            200,
        )
        .await;
    table
        .answered("bound", &client(Some(&own)), read(&bound), 200)
        .await;
    for (name, certificate) in [("none", None), ("another", Some(&other))] {
        let name = format!("bound, and the certificate is {name}");
        table
            .refused(
                &name,
                &client(certificate),
                read(&bound),
                FORGED,
                "token.binding",
            )
            .await;
    }
    table.finish().await;
    world.close().await;
}

fn accept_untrusted(config: &mut Value) {
    let listeners = config["static_resources"]["listeners"].as_array_mut();
    let open = listeners
        .into_iter()
        .flatten()
        .find(|listener| listener["name"] == "open")
        .expect("the open listener");
    let context =
        "/filter_chains/0/transport_socket/typed_config/common_tls_context/validation_context";
    open.pointer_mut(context).expect("a validation context")["trust_chain_verification"] =
        json!("ACCEPT_UNTRUSTED");
}
