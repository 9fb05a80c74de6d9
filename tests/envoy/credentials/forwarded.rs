//! A hop in front that ends TLS, and tells of its callers' certificates in
//! `x-forwarded-client-cert`.

use fhir_guard_harness::client::Version;
use fhir_guard_harness::pki::{ClientCertificate, Pki};
use serde_json::{Value, json};

use super::read;
use crate::table::{FORGED, MALFORMED, Table};
use crate::world::{Setting, World, tells_certificates};

pub(super) const HEADER: &str = "x-forwarded-client-cert";

/// The rule of a refusal, with how it looks.
pub(super) const NOBODY: (crate::table::Refusal, &str) = (FORGED, "token.certificate");
pub(super) const UNREADABLE: (crate::table::Refusal, &str) =
    (MALFORMED, "request.malformed.x-forwarded-client-cert");

/// How the filter knows the hop: by its name, where this Envoy tells all of them.
fn hop_rule() -> Value {
    match tells_certificates() {
        true => json!("spiffe://example.org/gateway"),
        false => json!({ "subject_dn": "CN=gateway,O=Clinic" }),
    }
}

pub(super) fn setting(pki: Pki, rules: Value, envoy: impl FnOnce(&mut Value) + 'static) -> Setting {
    Setting {
        policy: Some(Box::new(move |policy| {
            policy["client_certificate"]["source"] =
                json!({ "xfcc": { "trusted_hops": [hop_rule()], "earlier_elements": "ignored" } });
            for (key, value) in rules.as_object().expect("an object") {
                policy["client_certificate"][key] = value.clone();
            }
        })),
        envoy: Some(Box::new(|config| {
            // What the hop wrote must reach the filter as it is.
            for listener in ["secure", "open"] {
                manager(config, listener)["forward_client_cert_details"] = json!("FORWARD_ONLY");
            }
            envoy(config);
        })),
        pki: Some(pki),
        ..Setting::default()
    }
}

/// What a listener does with HTTP.
pub(super) fn manager<'a>(config: &'a mut Value, name: &str) -> &'a mut Value {
    listener(config, name)
        .pointer_mut("/filter_chains/0/filters/0/typed_config")
        .expect("a connection manager")
}

pub(super) fn listener<'a>(config: &'a mut Value, name: &str) -> &'a mut Value {
    let listeners = config["static_resources"]["listeners"].as_array_mut();
    let mut listeners = listeners.into_iter().flatten();
    listeners
        .find(|listener| listener["name"] == name)
        .expect("the listener")
}

/// The header's value for a certificate, as a hop writes it.
pub(super) fn element(certificate: &ClientCertificate) -> String {
    format!(
        "By=spiffe://example.org/gateway;Hash={}",
        certificate.thumbprint_hex
    )
}

/// The filter before a hop that this test plays.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_element_of_a_trusted_hop_is_the_callers_certificate() {
    let pki = Pki::new();
    let (hop, stranger) = (pki.client("gateway"), pki.client("other-gateway"));
    let (own, other) = (pki.client("clinic-a"), pki.client("clinic-b"));
    let world = World::shared(setting(pki, json!({}), |_| ())).await;
    let token = world.token("patient/*.rs");
    let (ours, theirs) = (element(&own), element(&other));
    let of = |certificate: Option<&ClientCertificate>, version| {
        world.client_of(certificate, version, "open")
    };
    let with = |value: &str| read(&token).header(HEADER, value);
    let mut table = Table::new(&world);
    for version in [Version::Http1, Version::Http2] {
        let client = of(Some(&hop), version);
        for (name, value) in [
            ("one element", ours.clone()),
            (
                "elements of others before it",
                format!("{theirs},{theirs},{ours}"),
            ),
            (
                "with names",
                format!("{ours};Subject=\"CN=x,O=a\\, b\";URI=spiffe://x;URI=;DNS=x"),
            ),
        ] {
            table.answered(name, &client, with(&value), 200).await;
        }
        let binding = (FORGED, "token.binding");
        let long = format!("{}{ours}", format!("{theirs},").repeat(150));
        for (name, request, (refusal, rule)) in [
            ("another's certificate", with(&theirs), binding),
            (
                "the caller's, and another's behind it",
                with(&format!("{ours},{theirs}")),
                binding,
            ),
            ("no header", read(&token), NOBODY),
            ("the hop itself", with(&element(&hop)), NOBODY),
            ("empty", with(""), UNREADABLE),
            (
                "no hash",
                with("URI=spiffe://example.org/clinic-a"),
                UNREADABLE,
            ),
            (
                "two hashes",
                with(&format!("{ours};Hash={}", own.thumbprint_hex)),
                UNREADABLE,
            ),
            (
                "an unknown key",
                with(&format!("{ours};Serial=1")),
                UNREADABLE,
            ),
            (
                "a quote that is not closed",
                with(&format!("{ours};Subject=\"x")),
                UNREADABLE,
            ),
            (
                "a quote that is opened before",
                with(&format!("Subject=\"x,{ours}")),
                UNREADABLE,
            ),
            ("a pair without end", with(&format!("{ours};")), UNREADABLE),
            (
                "another's whole certificate",
                with(&format!("{ours};Cert=\"{}\"", encoded(&other))),
                NOBODY,
            ),
            (
                "rubbish for a certificate",
                with(&format!("{ours};Cert=\"%00\"")),
                NOBODY,
            ),
        ] {
            let name = format!("{name}, {version:?}");
            table.refused(&name, &client, request, refusal, rule).await;
        }
        // Long, and good.
        table.answered("long", &client, with(&long), 200).await;
        let whole = format!("{ours};Cert=\"{}\"", encoded(&own));
        table
            .answered("a whole certificate", &client, with(&whole), 200)
            .await;
        // Whoever is not that hop has no word, and its own certificate is not taken for the
        // caller's either, whomever the token belongs to.
        for (name, certificate) in [
            ("another hop", Some(&stranger)),
            ("the caller itself", Some(&own)),
            ("nobody", None),
        ] {
            let client = of(certificate, version);
            for request in [with(&ours), read(&token)] {
                let name = format!("{name}, {version:?}");
                table
                    .refused(&name, &client, request, FORGED, NOBODY.1)
                    .await;
            }
        }
    }
    table.finish().await;
    world.close().await;
}

/// PEM as Envoy writes it into the header.
fn encoded(certificate: &ClientCertificate) -> String {
    let mut text = certificate.certificate_pem.clone();
    for (plain, coded) in [
        ("\n", "%0A"),
        (" ", "%20"),
        ("+", "%2B"),
        ("/", "%2F"),
        ("=", "%3D"),
    ] {
        text = text.replace(plain, coded);
    }
    text
}

/// With `source: connection` nobody's header counts.
#[tokio::test(flavor = "multi_thread")]
async fn the_header_is_ignored_where_nobody_asked_for_it() {
    let pki = Pki::new();
    let (hop, own) = (pki.client("gateway"), pki.client("clinic-a"));
    let setting = setting(pki, json!({ "source": "connection" }), |_| ());
    let world = World::shared(setting).await;
    let token = world.token("patient/*.rs");
    let mut table = Table::new(&world);
    let client = |certificate| world.client_of(Some(certificate), Version::Http2, "open");
    for value in [element(&own), element(&hop), "Subject=\"".to_owned()] {
        let request = || read(&token).header(HEADER, &value);
        table
            .answered("its own", &client(&own), request(), 200)
            .await;
        let rule = "token.binding";
        table
            .refused("another's", &client(&hop), request(), FORGED, rule)
            .await;
    }
    table.finish().await;
    for request in world.fhir.requests() {
        assert_eq!(request.header(HEADER), None, "nothing goes on");
    }
    world.close().await;
}

/// An Envoy that appends about its own peer writes of the hop what the hop was to write of the
/// caller: nobody takes that for the caller.
#[tokio::test(flavor = "multi_thread")]
async fn an_element_about_the_hop_itself_is_no_callers() {
    let pki = Pki::new();
    let (hop, own) = (pki.client("gateway"), pki.client("clinic-a"));
    let setting = setting(pki, json!({}), |config| {
        for listener in ["secure", "open"] {
            manager(config, listener)["forward_client_cert_details"] = json!("APPEND_FORWARD");
        }
    });
    let world = World::shared(setting).await;
    let mut table = Table::new(&world);
    let client = world.client_of(Some(&hop), Version::Http2, "open");
    let (refusal, rule) = NOBODY;
    for bound_to in [&hop, &own] {
        let token = world.issuer.token(&world.claims().bound_to(bound_to));
        let request = read(&token).header(HEADER, element(&own));
        table
            .refused("appended", &client, request, refusal, rule)
            .await;
        table
            .refused("appended to nothing", &client, read(&token), refusal, rule)
            .await;
    }
    table.finish().await;
    world.close().await;
}
