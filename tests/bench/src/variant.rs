//! What is measured against what: the shipped manifest, with other filters in the filter's place.

use std::net::SocketAddr;
use std::path::Path;

use fhir_guard_harness::envoy::Manifest;
use serde_json::{Map, Value, json};

use crate::case::{Case, Document, Field, HIDDEN, Rules};
use crate::policy;
use crate::sink;

/// One Envoy of the run.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Variant {
    /// No filter but the router.
    Bare,
    /// `jwt_authn`, `rbac` and `local_ratelimit`.
    Native,
    /// The same with `jwt_cache`.
    NativeCached,
    /// A wasm filter that does nothing.
    Empty,
    /// A wasm filter with twelve host calls and a record of 700 bytes.
    Calls,
    /// A wasm filter that takes every piece of the answer and puts it back.
    Copy,
    /// A wasm filter that edits the answer as a tree of serde_json.
    Tree,
    /// The native chain with `jwt_cache`, and the same tree in a process of its own, which Envoy asks by gRPC
    /// (`ext_proc`): what decides and edits without the filter.
    External,
    /// The filter, as shipped.
    Ours,
    /// The filter with all that a careful operator switches on.
    Everything,
    /// The filter with its records in a chain and in a repository.
    Recorded,
    /// The same, and nothing goes on before the repository knows of it.
    Strict,
}

/// The servers beside the upstream.
#[derive(Clone, Copy, Debug)]
pub struct Beside {
    /// Where the external processor listens.
    pub processor: SocketAddr,
    /// Where the repository of audit records listens.
    pub sink: SocketAddr,
}

impl Variant {
    /// In the order in which they take turns.
    pub const ALL: [Variant; 12] = [
        Variant::Bare,
        Variant::Native,
        Variant::NativeCached,
        Variant::Empty,
        Variant::Calls,
        Variant::Copy,
        Variant::Tree,
        Variant::External,
        Variant::Ours,
        Variant::Everything,
        Variant::Recorded,
        Variant::Strict,
    ];

    /// Its name in every output.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Bare => "bare",
            Variant::Native => "native",
            Variant::NativeCached => "native cached",
            Variant::Empty => "wasm empty",
            Variant::Calls => "wasm 12 calls",
            Variant::Copy => "wasm copy",
            Variant::Tree => "wasm serde_json",
            Variant::External => "native + ext_proc",
            Variant::Ours => "fhir-guard",
            Variant::Everything => "all on",
            Variant::Recorded => "repository",
            Variant::Strict => "strict",
        }
    }

    /// Whether it is measured in this case. Copies tell something of sizes only, and the edits of others are
    /// those of the rule for Observations.
    pub fn takes(self, case: &Case) -> bool {
        match case.field {
            Field::Others => self.takes_beside_others(case),
            Field::Everything => matches!(
                self,
                Variant::Bare | Variant::NativeCached | Variant::Ours | Variant::Everything
            ),
            Field::Strict => matches!(self, Variant::Bare | Variant::Recorded | Variant::Strict),
        }
    }

    fn takes_beside_others(self, case: &Case) -> bool {
        let observations = matches!(case.document, Document::Observations(_));
        match self {
            Variant::Copy => observations,
            Variant::Tree | Variant::External => observations && self.edits(case),
            Variant::Everything | Variant::Recorded | Variant::Strict => false,
            _ => true,
        }
    }

    /// Whether it is the filter.
    pub fn guards(self) -> bool {
        self == Variant::Ours || self.reports()
    }

    /// Whether it has a repository.
    pub fn reports(self) -> bool {
        matches!(
            self,
            Variant::Everything | Variant::Recorded | Variant::Strict
        )
    }

    /// Whether what it answers is not what the upstream sent.
    pub fn edits(self, case: &Case) -> bool {
        let editor = matches!(self, Variant::Tree | Variant::External);
        (editor || self.guards()) && case.rules == Rules::Typical
    }

    /// Whether it is there for the sake of its CPU time alone, with fewer requests: it is slow, and how slow is
    /// soon known.
    pub fn briefly(self) -> bool {
        matches!(self, Variant::Tree | Variant::External)
    }

    /// Puts its filters and its access log into the shipped manifest.
    pub fn apply(
        self,
        manifest: Manifest,
        modules: &Path,
        jwks: &Value,
        beside: Beside,
    ) -> Manifest {
        let calls = || wasm(modules, "calls");
        match self {
            Variant::Ours => manifest.plugin(|policy| policy::shipped(policy, jwks)),
            Variant::Everything => {
                let alerts = policy::alert_log();
                let manifest = reporting(manifest, beside.sink).edit(|config| {
                    each_manager(config, |manager| {
                        let logs = manager.get_mut("access_log");
                        if let Some(logs) = logs.and_then(Value::as_array_mut) {
                            logs.push(alerts.clone());
                        }
                    });
                });
                manifest.plugin(|policy| {
                    policy::shipped(policy, jwks);
                    policy::everything(policy);
                })
            }
            Variant::Recorded | Variant::Strict => {
                let strict = self == Variant::Strict;
                reporting(manifest, beside.sink).plugin(|policy| {
                    policy::shipped(policy, jwks);
                    policy::recorded(policy, strict);
                })
            }
            // The same record in the same place as ours, hence the shipped access log.
            Variant::Calls => replace(manifest, vec![calls()], None),
            Variant::Bare => replace(manifest, Vec::new(), Some(access_log(false))),
            Variant::Native | Variant::NativeCached => {
                let chain = native(jwks, self == Variant::NativeCached);
                replace(manifest, chain, Some(access_log(true)))
            }
            Variant::Empty => {
                let filters = vec![wasm(modules, "empty")];
                replace(manifest, filters, Some(access_log(false)))
            }
            Variant::Copy => {
                let filters = vec![wasm(modules, "copy")];
                replace(manifest, filters, Some(access_log(false)))
            }
            Variant::Tree => {
                let filters = vec![wasm(modules, &edit())];
                replace(manifest, filters, Some(access_log(false)))
            }
            Variant::External => external(manifest, jwks, beside.processor),
        }
    }
}

/// The edit of the rule for Observations, as the tree of serde_json wants it.
pub fn edit() -> String {
    json!({ "remove": { "Observation": HIDDEN } }).to_string()
}

/// The whole answer goes to the processor, and what it makes of it comes back; nothing else is sent to it.
fn external(manifest: Manifest, jwks: &Value, processor: SocketAddr) -> Manifest {
    let types = "type.googleapis.com/envoy.extensions";
    let skipped = [
        "request_header_mode",
        "response_header_mode",
        "request_trailer_mode",
        "response_trailer_mode",
    ];
    let mut mode = json!({ "response_body_mode": "BUFFERED" });
    for name in skipped {
        mode[name] = json!("SKIP");
    }
    let filter = json!({
        "name": "envoy.filters.http.ext_proc",
        "typed_config": {
            "@type": format!("{types}.filters.http.ext_proc.v3.ExternalProcessor"),
            "grpc_service": { "envoy_grpc": { "cluster_name": "processor" } },
            "message_timeout": "20s",
            "processing_mode": mode,
        },
    });
    let mut chain = native(jwks, true);
    chain.push(filter);
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let mut cluster = cluster("processor", processor);
    cluster["typed_extension_protocol_options"] = json!({ options: {
        "@type": format!("type.googleapis.com/{options}"),
        "explicit_http_config": { "http2_protocol_options": {} },
    } });
    with_cluster(replace(manifest, chain, Some(access_log(true))), cluster)
}

/// The shipped chain, and the way to the repository.
fn reporting(manifest: Manifest, sink: SocketAddr) -> Manifest {
    with_cluster(manifest, cluster(sink::CLUSTER, sink))
}

fn cluster(name: &str, server: SocketAddr) -> Value {
    let address = json!({ "address": "127.0.0.1", "port_value": server.port() });
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [
            { "endpoint": { "address": { "socket_address": address } } },
        ] }] },
    })
}

fn with_cluster(manifest: Manifest, cluster: Value) -> Manifest {
    manifest.edit(|config| {
        let clusters = config.pointer_mut("/static_resources/clusters");
        if let Some(clusters) = clusters.and_then(Value::as_array_mut) {
            clusters.push(cluster);
        }
    })
}

/// Puts these filters in the place of the guard, and this access log in the place of the shipped.
fn replace(manifest: Manifest, filters: Vec<Value>, log: Option<Value>) -> Manifest {
    manifest.edit(|config| {
        each_manager(config, |manager| {
            if let Some(log) = &log {
                manager.insert("access_log".to_owned(), log.clone());
            }
            let chain = manager.get_mut("http_filters");
            if let Some(chain) = chain.and_then(Value::as_array_mut) {
                chain.splice(..1, filters.iter().cloned());
            }
        });
    })
}

/// The connection manager of each listener.
fn each_manager(config: &mut Value, mut edit: impl FnMut(&mut Map<String, Value>)) {
    let listeners = config.pointer_mut("/static_resources/listeners");
    let listeners = listeners.and_then(Value::as_array_mut);
    for listener in listeners.into_iter().flatten() {
        let manager = listener.pointer_mut("/filter_chains/0/filters/0/typed_config");
        if let Some(Value::Object(manager)) = manager {
            edit(manager);
        }
    }
}

/// Fields like those of our record, as far as Envoy knows them.
fn access_log(token: bool) -> Value {
    let mut fields = json!({
        "v": 1,
        "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "trace": "%REQ(TRACEPARENT)%",
        "outcome": "%RESPONSE_FLAGS%",
        "status": "%RESPONSE_CODE%",
        "rule": "%RESPONSE_CODE_DETAILS%",
        "certificate": "%DOWNSTREAM_PEER_FINGERPRINT_256%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(:PATH)%",
        "duration": "%DURATION%",
    });
    if token {
        for (key, claim) in [
            ("issuer", "iss"),
            ("client", "client_id"),
            ("subject", "sub"),
        ] {
            let field = format!("%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:jwt:{claim})%");
            fields[key] = json!(field);
        }
    }
    json!([{
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": "/dev/stdout",
            "log_format": {"json_format": fields},
        },
    }])
}

fn native(jwks: &Value, cached: bool) -> Vec<Value> {
    let filters = "type.googleapis.com/envoy.extensions.filters.http";
    let mut provider = json!({
        "issuer": "https://as.example.org",
        "audiences": ["https://fhir.example.org/r4"],
        "local_jwks": {"inline_string": jwks.to_string()},
        "payload_in_metadata": "jwt",
    });
    if cached {
        provider["jwt_cache_config"] = json!({"jwt_cache_size": 1000});
    }
    let percent = json!({
        "runtime_key": "bench",
        "default_value": {"numerator": 100, "denominator": "HUNDRED"},
    });
    vec![
        json!({
            "name": "envoy.filters.http.jwt_authn",
            "typed_config": {
                "@type": format!("{filters}.jwt_authn.v3.JwtAuthentication"),
                "providers": {"as": provider},
                "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "as"}}],
            },
        }),
        json!({
            "name": "envoy.filters.http.rbac",
            "typed_config": {
                "@type": format!("{filters}.rbac.v3.RBAC"),
                "rules": {"action": "ALLOW", "policies": {"clients": {
                    "permissions": [{"url_path": {"path": {"prefix": "/r4/"}}}],
                    "principals": [{"and_ids": {"ids": [
                        {"authenticated": {}},
                        {"metadata": {
                            "filter": "envoy.filters.http.jwt_authn",
                            "path": [{"key": "jwt"}, {"key": "scope"}],
                            "value": {"string_match": {"prefix": "patient/"}},
                        }},
                    ]}}],
                }}},
            },
        }),
        json!({
            "name": "envoy.filters.http.local_ratelimit",
            "typed_config": {
                "@type": format!("{filters}.local_ratelimit.v3.LocalRateLimit"),
                "stat_prefix": "bench",
                "token_bucket": {
                    "max_tokens": 1_000_000, "tokens_per_fill": 1_000_000, "fill_interval": "1s",
                },
                "filter_enabled": percent,
                "filter_enforced": percent,
            },
        }),
    ]
}

fn wasm(modules: &Path, mode: &str) -> Value {
    json!({
        "name": "bench",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "bench",
                "root_id": "bench",
                "vm_config": {
                    "vm_id": "bench",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": modules.join("floor.wasm")}},
                },
                "failure_policy": "FAIL_RELOAD",
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": mode,
                },
            },
        },
    })
}
