//! A real gateway before the filter: another listener of Envoy, which ends TLS and calls ours.

use fhir_guard_harness::client::{Client, Request, Version};
use fhir_guard_harness::envoy::free_port;
use fhir_guard_harness::pki::{ClientCertificate, Pki};
use serde_json::{Value, json};

use super::forwarded::{HEADER, NOBODY, UNREADABLE, element, listener, setting};
use super::read;
use crate::table::{FORGED, Table};
use crate::world::{Setting, World};

/// What a gateway does with the elements of its callers.
const APPEND: &str = "APPEND_FORWARD";
const START_ANEW: &str = "SANITIZE_SET";

/// A real gateway: another listener of Envoy that ends TLS and calls ours, with its own
/// certificate.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_appends_speaks_for_its_callers() {
    let pki = Pki::new();
    pki.client("gateway");
    pki.client("other-gateway");
    let own = pki.client_named(
        "clinic-a",
        &[
            "spiffe://example.org/first",
            "spiffe://example.org/clinic-a",
        ],
        &["first.example.org", "clinic-a.example.org"],
    );
    let (other, pinned) = (pki.client("clinic-b"), pki.client("clinic-c"));
    let rules = json!({
        "clients": [
            { "client_id": "by-uri", "certificates": [{ "san_uri": "spiffe://example.org/clinic-a" }] },
            { "client_id": "by-hash", "certificates": [{ "thumbprint": pinned.thumbprint_hex }] },
        ],
        "forward": ["hash", "subject", "uri", "dns"],
    });
    let world = World::with(setting(pki, rules, |config| {
        let port = free_port().expect("a free port");
        listener(config, "secure")["address"]["socket_address"]["port_value"] = json!(port);
        // One tells the certificate, one its names only; and one is not trusted.
        let names = json!({ "subject": true, "uri": true, "dns": true });
        let all = json!({ "subject": true, "uri": true, "dns": true, "cert": true });
        gateway(config, "gateway", "gateway", port, (APPEND, all.clone()));
        gateway(config, "terse", "gateway", port, (APPEND, names));
        gateway(config, "untrusted", "other-gateway", port, (APPEND, all));
    }))
    .await;
    let token = |client: &str, certificate: &ClientCertificate| {
        let claims = world.claims().scope("patient/*.rs").client_id(client);
        world.issuer.token(&claims.bound_to(certificate))
    };
    let of = |certificate: &ClientCertificate, listener: &str| -> Client {
        world.client_of(Some(certificate), Version::Http2, listener)
    };
    let mut table = Table::new(&world);
    for door in ["gateway", "terse"] {
        let at = |name: &str| format!("{name}, {door}");
        let spoofs = [
            None,
            Some(element(&own)),
            Some(format!("{},{}", element(&own), element(&own))),
        ];
        for spoof in &spoofs {
            let ask = |token: &str| -> Request {
                let request = read(token);
                match spoof {
                    Some(spoof) => request.header(HEADER, spoof),
                    None => request,
                }
            };
            let request = ask(&token("clinic-a", &own));
            table
                .answered(&at("its own"), &of(&own, door), request, 200)
                .await;
            let request = ask(&token("by-uri", &own));
            table
                .answered(&at("by its second URI"), &of(&own, door), request, 200)
                .await;
            let request = ask(&token("by-hash", &pinned));
            table
                .answered(&at("by its thumbprint"), &of(&pinned, door), request, 200)
                .await;
            for (name, client, bound_to, shown, rule) in [
                ("a stolen token", "clinic-a", &own, &other, "token.binding"),
                (
                    "not the pinned certificate",
                    "by-uri",
                    &other,
                    &other,
                    "token.pin",
                ),
                (
                    "not the pinned thumbprint",
                    "by-hash",
                    &own,
                    &own,
                    "token.pin",
                ),
            ] {
                let request = ask(&token(client, bound_to));
                table
                    .refused(&at(name), &of(shown, door), request, FORGED, rule)
                    .await;
            }
        }
        // Quotes of a client's that would swallow what the gateway writes behind them.
        for spoof in [
            "Subject=\"",
            "Subject=\"x",
            "Subject=\"\\",
            "URI=x;",
            "x",
            "Hash",
        ] {
            let request = read(&token("clinic-a", &own)).header(HEADER, spoof);
            let (refusal, rule) = UNREADABLE;
            table
                .refused(&at(spoof), &of(&own, door), request, refusal, rule)
                .await;
        }
        // What the server is told is what was decided on.
        world.fhir.forget_requests();
        let request = read(&token("by-uri", &own)).header(HEADER, element(&other));
        table
            .answered(&at("told"), &of(&own, door), request, 200)
            .await;
        let requests = world.fhir.requests();
        let told: Vec<_> = requests
            .iter()
            .map(|request| request.header(HEADER))
            .collect();
        let expected = format!(
            "Hash={};Subject=\"CN=clinic-a,O=Clinic\";URI=spiffe://example.org/first;URI=spiffe://example.org/clinic-a;\
             DNS=first.example.org;DNS=clinic-a.example.org",
            own.thumbprint_hex
        );
        assert_eq!(told, [Some(expected)], "{door}");
    }
    let request = read(&token("clinic-a", &own));
    let (refusal, rule) = NOBODY;
    table
        .refused(
            "an untrusted gateway",
            &of(&own, "untrusted"),
            request,
            refusal,
            rule,
        )
        .await;
    table.finish().await;
    world.close().await;
}

/// Envoy writes names into the header as they are, and a CA may sign a URI with a comma in it. A
/// gateway that tells no names, or one that starts anew before a filter that takes one element, gives
/// such a name nothing to end.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_a_certificate_makes_no_element() {
    for earlier in ["ignored", "left out"] {
        let pki = Pki::new();
        pki.client("gateway");
        let own = pki.client("clinic-a");
        let uri = format!("x:a,Hash={}", own.thumbprint_hex);
        let forged = pki.client_named("clinic-b", &[&uri], &[]);
        let setting = setting(pki, json!({}), move |config| {
            let port = free_port().expect("a free port");
            listener(config, "secure")["address"]["socket_address"]["port_value"] = json!(port);
            let certificate = json!({ "cert": true, "subject": true });
            gateway(
                config,
                "certificates",
                "gateway",
                port,
                (APPEND, certificate),
            );
            let names = json!({ "uri": true });
            gateway(config, "names", "gateway", port, (START_ANEW, names));
        });
        let world = World::with(Setting {
            policy: setting.policy.map(|mut edit| -> crate::world::EditPolicy {
                Box::new(move |policy| {
                    edit(policy);
                    if earlier == "left out" {
                        let xfcc = policy["client_certificate"]["source"]["xfcc"].as_object_mut();
                        xfcc.expect("an object").remove("earlier_elements");
                    }
                })
            }),
            ..setting
        })
        .await;
        let token = world.token("patient/*.rs");
        let of =
            |certificate, listener| world.client_of(Some(certificate), Version::Http2, listener);
        let mut table = Table::new(&world);
        for door in ["certificates", "names"] {
            let name = format!("its own, {door}, {earlier}");
            table
                .answered(&name, &of(&own, door), read(&token), 200)
                .await;
        }
        let (client, rule) = (of(&forged, "certificates"), "token.binding");
        table
            .refused("certificates", &client, read(&token), FORGED, rule)
            .await;
        let client = of(&forged, "names");
        match earlier {
            // What the documentation warns of: two elements, as a gateway that appends has them.
            "ignored" => drop(table.answered("names", &client, read(&token), 200).await),
            _ => {
                let (refusal, rule) = UNREADABLE;
                table
                    .refused("names", &client, read(&token), refusal, rule)
                    .await;
            }
        }
        // A client's element before the gateway's own.
        let request = read(&token).header(HEADER, element(&own));
        let client = of(&own, "certificates");
        match earlier {
            "ignored" => drop(table.answered("appended", &client, request, 200).await),
            _ => {
                let (refusal, rule) = UNREADABLE;
                table
                    .refused("appended", &client, request, refusal, rule)
                    .await;
            }
        }
        let request = read(&token).header(HEADER, element(&forged));
        table
            .answered("started anew", &of(&own, "names"), request, 200)
            .await;
        table.finish().await;
        world.close().await;
    }
}

/// Adds a listener that ends TLS as ours does, appends what it knows of the caller's certificate, and
/// calls ours on this port with this certificate.
fn gateway(config: &mut Value, name: &str, certificate: &str, port: u16, forward: (&str, Value)) {
    let mut door = listener(config, "open").clone();
    let context = door
        .pointer("/filter_chains/0/transport_socket/typed_config/common_tls_context")
        .expect("a context of TLS");
    let authority = context["validation_context"]["trusted_ca"]["filename"].clone();
    let files = authority
        .as_str()
        .expect("a file")
        .replace("ca.pem", certificate);
    let cluster = json!({
        "name": format!("guard-{name}"),
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": format!("guard-{name}"),
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": {
                "socket_address": { "address": "127.0.0.1", "port_value": port }
            } } }] }],
        },
        "transport_socket": {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": "fhir.example.org",
                "common_tls_context": {
                    "tls_certificates": [{
                        "certificate_chain": { "filename": format!("{files}.pem") },
                        "private_key": { "filename": format!("{files}.key") },
                    }],
                    "validation_context": { "trusted_ca": { "filename": authority } },
                },
            },
        },
    });
    door["name"] = json!(name);
    door["address"]["socket_address"]["port_value"] = json!(0);
    door["filter_chains"][0]["filters"] = json!([{
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "server_header_transformation": "PASS_THROUGH",
            "forward_client_cert_details": forward.0,
            "set_current_client_cert_details": forward.1,
            "http_filters": [{
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    "suppress_envoy_headers": true,
                },
            }],
            "route_config": { "virtual_hosts": [{
                "name": "guard",
                "domains": ["*"],
                "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": format!("guard-{name}") } }],
            }] },
        },
    }]);
    let resources = &mut config["static_resources"];
    resources["listeners"]
        .as_array_mut()
        .expect("listeners")
        .push(door);
    resources["clusters"]
        .as_array_mut()
        .expect("clusters")
        .push(cluster);
}
