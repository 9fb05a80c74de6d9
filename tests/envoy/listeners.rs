//! The two doors, what is public behind them, and configurations that open none.

use fhir_guard_harness::client::{Request, Version};
use serde_json::{Value, json};

use crate::reload::Reload;
use crate::table::{
    ABSENT, BEFORE_ID, FORGED, METHOD, NO_CREDENTIALS, NOT_ACCEPTABLE, NOT_SUPPORTED, Table,
};
use crate::world::{Setting, World};

const PUBLIC: [&str; 2] = ["/r4/metadata", "/r4/.well-known/smart-configuration"];

#[tokio::test(flavor = "multi_thread")]
async fn public_paths_need_nothing_and_open_nothing_else() {
    let world = World::shared(Setting::default()).await;
    let mut table = Table::new(&world);
    let certificate = world.pki.client("clinic-a");
    for (listener, certificate) in [
        ("secure", Some(&certificate)),
        ("open", Some(&certificate)),
        ("open", None),
    ] {
        for version in [Version::Http1, Version::Http2] {
            let client = world.client_of(certificate, version, listener);
            let at = |name: &str| format!("{name}, {listener}, {version:?}");
            for path in PUBLIC {
                for method in ["GET", "HEAD"] {
                    let request = Request::new(method, path);
                    table.answered(&at(path), &client, request, 200).await;
                }
                for token in ["x", &world.token("patient/*.rs")] {
                    let request = Request::get(path).bearer(token);
                    table
                        .answered(&at("with a token"), &client, request, 200)
                        .await;
                }
                for method in ["POST", "PUT", "DELETE", "PATCH"] {
                    let name = at(&format!("{method} {path}"));
                    let request = Request::new(method, path).body("application/fhir+json", "{}");
                    table
                        .refused(&name, &client, request, METHOD, "request.method")
                        .await;
                }
                let format = Request::get(&format!("{path}?_format=json"));
                table.answered(&at("_format"), &client, format, 200).await;
                for (query, refusal, rule) in [
                    (
                        "_elements=rest",
                        NOT_SUPPORTED,
                        "request.not-supported.parameter",
                    ),
                    (
                        "mode=terminology",
                        NOT_SUPPORTED,
                        "request.not-supported.parameter",
                    ),
                    (
                        "patient=p1",
                        NOT_SUPPORTED,
                        "request.not-supported.parameter",
                    ),
                    ("_format=xml", NOT_ACCEPTABLE, "request.accept"),
                ] {
                    let request = Request::get(&format!("{path}?{query}"));
                    table
                        .refused(&at(query), &client, request, refusal, rule)
                        .await;
                }
                let xml = Request::get(path).header("accept", "application/fhir+xml");
                table
                    .refused(&at("XML"), &client, xml, NOT_ACCEPTABLE, "request.accept")
                    .await;
            }
            for path in [
                "/r4/metadata/x",
                "/r4/Metadata",
                "/r4/.well-known/other",
                "/metadata",
                "/r4/metadata.json",
            ] {
                let name = at(path);
                table
                    .refused(&name, &client, Request::get(path), ABSENT, "request.path")
                    .await;
            }
            for path in [
                "/r4/Patient/p1",
                "/r4/Patient",
                "/r4/metadata/../Patient/p1",
            ] {
                let rule = "credentials.missing";
                table
                    .refused(&at(path), &client, Request::get(path), NO_CREDENTIALS, rule)
                    .await;
            }
            if certificate.is_none() {
                // Whoever has no certificate does not learn what a token is worth.
                for token in ["x", &world.token("patient/*.rs")] {
                    let request = Request::get("/r4/Patient/p1").bearer(token);
                    let name = at("a token without a certificate");
                    table
                        .refused(&name, &client, request, FORGED, "token.certificate")
                        .await;
                }
            }
        }
    }
    // A public answer is inspected like every other: nothing of it but the one document.
    let answer = world.send(&world.client(), Request::get(PUBLIC[0])).await;
    assert_eq!(
        answer.json().expect("JSON")["resourceType"],
        "CapabilityStatement"
    );
    let client = world.client().quiet(std::time::Duration::from_millis(200));
    let raw = b"GET /r4/metadata%2f..%2fPatient HTTP/1.1\r\nhost: x\r\n\r\n";
    table
        .raw_refused(
            "an escaped slash",
            &client,
            raw,
            crate::table::MALFORMED,
            BEFORE_ID,
        )
        .await;
    table.finish().await;
    world.close().await;
}

/// What Istio sends: the same document as JSON text.
#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_may_be_json_text() {
    let world = World::shared(Setting {
        envoy: Some(Box::new(|config| {
            each_plugin(config, &mut |plugin| {
                let text = plugin["value"].to_string();
                *plugin = string(&text);
            })
        })),
        ..Setting::default()
    })
    .await;
    let answer = world.get("patient/*.rs", "/r4/Patient/p1").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let patient = answer.json().expect("JSON");
    assert!(patient.get("birthDate").is_none(), "{patient}");
    assert_eq!(
        world.get("patient/*.rs", "/r4/Patient/p2").await.status,
        404
    );
    world.close().await;
}

/// A filter that does not know what it guards guards nothing: Envoy must not start with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_refuses_to_start() {
    let text = |text: &'static str| -> Mistake { Box::new(move |plugin| *plugin = string(text)) };
    let edited =
        |edit: fn(&mut Value)| -> Mistake { Box::new(move |plugin| edit(&mut plugin["value"])) };
    let none: Mistake = Box::new(|plugin| *plugin = Value::Null);
    let empty_struct: Mistake = Box::new(|plugin| plugin["value"] = json!({}));
    let rows: Vec<(&str, Mistake, Vec<&str>)> = vec![
        ("nothing", none, vec!["configuration"]),
        ("an empty Struct", empty_struct, vec!["configuration"]),
        ("empty text", text(""), vec!["configuration"]),
        ("white space", text(" \n"), vec!["configuration"]),
        ("an empty object", text("{}"), vec!["/fhir", "/issuers"]),
        ("null", text("null"), vec!["configuration"]),
        ("not JSON", text("fhir: {}"), vec!["configuration"]),
        (
            "a key twice",
            text(r#"{"fhir":{},"fhir":{}}"#),
            vec!["fhir"],
        ),
        (
            "an unknown key",
            edited(|policy| policy["limit"] = json!([])),
            vec!["/limit", "limits"],
        ),
        (
            "no issuer",
            edited(|policy| policy["issuers"] = json!([])),
            vec!["/issuers"],
        ),
        (
            "many mistakes",
            edited(|policy| {
                policy["fhir"]["base"] = json!("fhir.example.org");
                policy["fhir"]["upstream"]["authorization"] = json!("drop");
                policy["client_certificate"]["required"] = json!("yes");
                policy["issuers"][0]["algorithms"] = json!(["HS256", "none"]);
                policy["issuers"][0]["proof"] = json!([]);
                policy["issuers"][0]["clock_skew"] = json!("1h");
                policy["limits"][0]["rate"] = json!("fast");
                policy["redaction"][0]["elements"] = json!(["birthdate"]);
                policy["response"]["hold_limit"] = json!("1GiB");
            }),
            vec![
                "/fhir/base",
                "/fhir/upstream/authorization",
                "/client_certificate/required",
                "/issuers/0/algorithms/0",
                "/issuers/0/algorithms/1",
                "/issuers/0/proof",
                "/issuers/0/clock_skew",
                "/limits/0/rate",
                "/redaction/0/elements/0",
                "/response/hold_limit",
            ],
        ),
        (
            "a private key",
            edited(|policy| {
                policy["issuers"][0]["keys"]["inline"]["keys"][0]["d"] = json!("c2VjcmV0LWtleQ");
            }),
            vec!["/issuers/0/keys/inline/keys/0", "secret"],
        ),
    ];
    // Each is refused by one that runs, and the shortest by one that starts; in a container all by those.
    let reload = Reload::new("mistakes");
    let running = match &reload {
        Some(reload) => {
            let envoy = Some(reload.edit(|_| ()));
            let setting = Setting {
                envoy,
                ..Setting::default()
            };
            Some(World::with(setting).await)
        }
        None => None,
    };
    for (name, mut mistake, said) in rows {
        let mut logs = Vec::new();
        if let (Some(reload), Some(world)) = (&reload, &running) {
            logs.push(reload.refused(world, &mut mistake).await);
        }
        if logs.is_empty() || ["nothing", "a private key"].contains(&name) {
            let log = World::refuses(Setting {
                envoy: Some(Box::new(move |config| each_plugin(config, &mut mistake))),
                ..Setting::default()
            })
            .await;
            assert!(log.contains("envoy ended while starting"), "{name}: {log}");
            logs.push(log);
        }
        for log in logs {
            check_refused(name, &log, &said);
        }
    }
    if let (Some(reload), Some(world)) = (&reload, &running) {
        // And goes on with what it had.
        let request = Request::get("/r4/Patient/p1").bearer(&world.token("patient/*.rs"));
        let answer = reload.client(world, Version::Http2).send(request).await;
        assert_eq!(answer.expect("an answer").status, 200);
    }
}

/// A change of what stands at `configuration`.
type Mistake = Box<dyn FnMut(&mut Value)>;

fn check_refused(name: &str, log: &str, said: &[&str]) {
    assert!(
        log.contains("the configuration is refused"),
        "{name}: {log}"
    );
    for place in said {
        assert!(log.contains(place), "{name}: {place} is not named in {log}");
    }
    assert!(!log.contains("c2VjcmV0"), "{name}: a secret is in the log");
    assert!(!log.contains("panicked"), "{name}: {log}");
}

fn string(text: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": text })
}

/// Edits the configuration of the filter on every listener.
fn each_plugin(config: &mut Value, edit: &mut dyn FnMut(&mut Value)) {
    let listeners = config["static_resources"]["listeners"].as_array_mut();
    for listener in listeners.into_iter().flatten() {
        let plugin = "/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config";
        let plugin = listener.pointer_mut(plugin).expect("a wasm filter");
        edit(&mut plugin["configuration"]);
        if plugin["configuration"].is_null() {
            plugin
                .as_object_mut()
                .expect("an object")
                .remove("configuration");
        }
    }
}
