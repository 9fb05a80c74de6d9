//! Whose certificate it must be: pins, ties, and what the server is told.

use fhir_guard_harness::client::{Client, Version};
use fhir_guard_harness::pki::rcgen::{DnType, DnValue};
use fhir_guard_harness::pki::{ClientCertificate, Pki};
use serde_json::{Value, json};

use super::read;
use crate::table::{FORGED, Table};
use crate::world::{Setting, World, tells_certificates};

/// A world with these certificates and this `client_certificate`, beside what the Envoy needs.
async fn world(pki: Pki, rules: Value) -> World {
    World::shared(setting(pki, rules)).await
}

fn setting(pki: Pki, rules: Value) -> Setting {
    Setting {
        policy: Some(Box::new(move |policy| {
            for (key, value) in rules.as_object().expect("an object") {
                policy["client_certificate"][key] = value.clone();
            }
        })),
        pki: Some(pki),
        ..Setting::default()
    }
}

fn caller(world: &World, certificate: &ClientCertificate) -> Client {
    world.client_of(Some(certificate), Version::Http2, "secure")
}

/// A good token of this OAuth client, bound to this certificate.
fn token(world: &World, client: &str, certificate: &ClientCertificate) -> String {
    let claims = world.claims().scope("patient/*.rs").client_id(client);
    world.issuer.token(&claims.bound_to(certificate))
}

/// Rows of an OAuth client, its certificate, and whether it may come with it.
async fn rows(world: &World, rows: &[(&str, &str, &ClientCertificate, bool)]) {
    let mut table = Table::new(world);
    // Several times each, so that both workers are asked, for what they know and do not know yet.
    for (name, client, certificate, good) in rows {
        for time in 0..4 {
            let name = format!("{name}, {time}");
            let token = token(world, client, certificate);
            let caller = caller(world, certificate);
            match good {
                true => drop(table.answered(&name, &caller, read(&token), 200).await),
                false => {
                    let rule = "token.pin";
                    table
                        .refused(&name, &caller, read(&token), FORGED, rule)
                        .await;
                }
            }
        }
    }
    table.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_client_comes_with_its_own_certificates() {
    let pki = Pki::new();
    let (old, new, other) = (pki.client("lab"), pki.renewed("lab"), pki.renewed("lab"));
    let ward = pki.client("ward");
    let rules = json!({ "clients": [
        { "client_id": "lab", "issuer": "https://as.example.org", "certificates": [
            { "thumbprint": old.thumbprint_hex }, { "thumbprint": new.thumbprint_hex },
        ] },
        { "client_id": "ward", "certificates": [{ "subject_dn": "CN=ward,O=Clinic" }] },
    ] });
    let world = world(pki, rules).await;
    rows(
        &world,
        &[
            ("the old one", "lab", &old, true),
            ("the new one, beside it", "lab", &new, true),
            ("of the same names, but none of them", "lab", &other, false),
            ("another client's", "lab", &ward, false),
            ("by its subject", "ward", &ward, true),
            ("another subject", "ward", &old, false),
            ("a client that is not listed", "clinic-a", &other, true),
        ],
    )
    .await;
    world.close().await;
}

/// Envoy's attributes tell the first name of each kind; what the rule is about is the second.
#[tokio::test(flavor = "multi_thread")]
async fn every_name_of_a_certificate_counts() {
    let pki = Pki::new();
    let own = pki.client_named(
        "lab",
        &["spiffe://example.org/first", "spiffe://example.org/lab"],
        &["first.example.org", "lab.example.org"],
    );
    let wrong = pki.client_named(
        "lab",
        &["spiffe://example.org/first", "spiffe://example.org/lab2"],
        &["first.example.org", "*.example.org"],
    );
    let rules = json!({
        "clients": [
            { "client_id": "by-uri", "certificates": [{ "san_uri": "spiffe://example.org/lab" }] },
            { "client_id": "by-dns", "certificates": [{ "san_dns": "lab.example.org", "issuer_dn": "CN=Test CA,O=Clinic" }] },
            { "client_id": "by-another-issuer", "certificates": [{ "san_dns": "lab.example.org", "issuer_dn": "CN=CA" }] },
        ],
        "forward": ["hash", "subject", "uri", "dns"],
    });
    if !tells_certificates() {
        let error = World::refuses(setting(pki, rules)).await;
        for place in [
            "clients/0/certificates/0",
            "clients/2/certificates/0",
            "forward/2",
        ] {
            let mistake = format!(
                "/client_certificate/{place}: all names and the issuer of the connection's certificate need Envoy 1.38"
            );
            assert!(error.contains(&mistake), "{error}");
        }
        return;
    }
    let world = world(pki, rules).await;
    rows(
        &world,
        &[
            ("the second URI", "by-uri", &own, true),
            ("another second URI", "by-uri", &wrong, false),
            ("the second DNS name", "by-dns", &own, true),
            ("a wildcard is no name", "by-dns", &wrong, false),
            ("another issuer", "by-another-issuer", &own, false),
        ],
    )
    .await;
    world.fhir.forget_requests();
    let token = token(&world, "by-uri", &own);
    let forged = read(&token).header("x-forwarded-client-cert", "Hash=00");
    world.send(&caller(&world, &own), forged).await;
    let seen = world.fhir.requests();
    let told: Vec<String> = seen
        .iter()
        .flat_map(|request| &request.headers)
        .filter(|(name, _)| name == "x-forwarded-client-cert")
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect();
    let expected = format!(
        "Hash={};Subject=\"CN=lab,O=Clinic\";URI=spiffe://example.org/first;URI=spiffe://example.org/lab;\
         DNS=first.example.org;DNS=lab.example.org",
        own.thumbprint_hex
    );
    assert_eq!(told, [expected]);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_tied_to_the_name_in_its_certificate() {
    for (tie, needs_certificate) in [("san_uri", true), ("san_dns", true), ("subject_cn", false)] {
        let pki = Pki::new();
        let lab = pki.client_named(
            "lab",
            &["spiffe://example.org/x", "urn:lab"],
            &["x", "lab.example.org"],
        );
        let legacy = pki.client("legacy");
        let rules = json!({
            "unlisted_clients": tie,
            "clients": [{ "client_id": "old-system", "certificates": [{ "thumbprint": legacy.thumbprint_hex }] }],
        });
        if needs_certificate && !tells_certificates() {
            let error = World::refuses(setting(pki, rules)).await;
            assert!(
                error.contains("/client_certificate/unlisted_clients: "),
                "{error}"
            );
            continue;
        }
        let id = match tie {
            "san_uri" => "urn:lab",
            "san_dns" => "lab.example.org",
            _ => "lab",
        };
        let world = world(pki, rules).await;
        rows(
            &world,
            &[
                (tie, id, &lab, true),
                ("another's certificate", id, &legacy, false),
                ("another client", "urn:lab2", &lab, false),
                ("listed, so by its list", "old-system", &legacy, true),
                ("listed, with another's", "old-system", &lab, false),
            ],
        )
        .await;
        world.close().await;
    }
}

/// Subjects that need escapes: a rule is written as Envoy writes them.
#[tokio::test(flavor = "multi_thread")]
async fn a_subject_is_compared_as_envoy_writes_it() {
    let pki = Pki::new();
    let names = [
        (
            " a, b+c \"d\" \\e <f>; ",
            r#"CN=\ a\, b\+c \"d\" \\e \<f\>\;\ ,O=Clinic"#,
        ),
        ("#Zoë", r"CN=\#Zo\C3\AB,O=Clinic"),
        ("a\0b", r"CN=a\00b,O=Clinic"),
    ];
    let certificates: Vec<ClientCertificate> = names
        .iter()
        .map(|(name, _)| {
            pki.client_with("lab", |params| {
                let value = DnValue::Utf8String((*name).to_owned());
                params.distinguished_name.push(DnType::CommonName, value);
            })
        })
        .collect();
    let clients: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(index, (_, subject))| {
            json!({ "client_id": format!("client-{index}"), "certificates": [{ "subject_dn": subject }] })
        })
        .collect();
    let world = world(pki, json!({ "clients": clients })).await;
    for (index, (_, subject)) in names.iter().enumerate() {
        for (shown, certificate) in certificates.iter().enumerate() {
            let client = format!("client-{index}");
            rows(&world, &[(subject, &client, certificate, shown == index)]).await;
        }
    }
    world.close().await;
}
