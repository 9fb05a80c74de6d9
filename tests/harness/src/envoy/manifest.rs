//! The shipped Envoy manifest, changed in the few places where a test differs from production.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::tokens::Algorithm;

const WASM_FILTER: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const FILE_ACCESS_LOG: &str =
    "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";
const STRUCT: &str = "type.googleapis.com/google.protobuf.Struct";
const STRING_VALUE: &str = "type.googleapis.com/google.protobuf.StringValue";
const STDOUT: &str = "/dev/stdout";

/// Envoy keeps integers as doubles and gives up on those that are not exact.
const LARGEST_INTEGER: u64 = 1 << 53;

/// An Envoy bootstrap configuration to be patched. What a patch does not find is remembered, and
/// [`Manifest::build`] tells all of it at once.
#[derive(Clone, Debug)]
pub struct Manifest {
    config: Value,
    problems: Vec<String>,
}

impl Manifest {
    /// Reads a YAML file.
    ///
    /// # Errors
    /// The file with the reason it cannot be read or the place where it is not YAML.
    pub fn load(path: impl AsRef<Path>) -> Result<Manifest, String> {
        let path = path.as_ref();
        let text = fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Manifest::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Reads YAML text as Envoy reads it, which is not quite YAML 1.2: a plain `yes` or `off` is a
    /// boolean, and a plain number with a fraction or beyond 2^53 is a **string**. Quoted scalars
    /// stay strings. Other spellings of numbers (`1e3`, `1_000`, `0o17`) are not for manifests.
    ///
    /// # Errors
    /// The place where it is not YAML, or not a mapping.
    pub fn parse(text: &str) -> Result<Manifest, String> {
        let mut config: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        as_envoy_reads(&mut config);
        match config.is_object() {
            true => Ok(Manifest {
                config,
                problems: Vec::new(),
            }),
            false => Err("the manifest is not a mapping".to_owned()),
        }
    }

    /// Sets the port of the listener of this name; 0 lets [`super::Envoy::start`] choose.
    #[must_use]
    pub fn port(mut self, listener: &str, port: u16) -> Manifest {
        let socket = listeners_mut(&mut self.config)
            .iter_mut()
            .find(|other| other["name"] == listener)
            .and_then(|listener| listener.pointer_mut("/address/socket_address"));
        match socket {
            Some(Value::Object(socket)) => {
                socket.insert("port_value".to_owned(), json!(port));
            }
            _ => self.miss(format!("no listener {listener:?} with a socket address")),
        }
        self
    }

    /// Sets the port of the admin interface; 0 lets [`super::Envoy::start`] choose.
    #[must_use]
    pub fn admin_port(mut self, port: u16) -> Manifest {
        match self.config.pointer_mut("/admin/address/socket_address") {
            Some(Value::Object(socket)) => {
                socket.insert("port_value".to_owned(), json!(port));
            }
            _ => self.miss("no admin interface with a socket address".to_owned()),
        }
        self
    }

    /// Sets the first endpoint of the cluster `fhir_server`.
    #[must_use]
    pub fn upstream(self, host: &str, port: u16) -> Manifest {
        self.cluster("fhir_server", host, port)
    }

    /// Sets the first endpoint of the cluster of this name.
    #[must_use]
    pub fn cluster(mut self, name: &str, host: &str, port: u16) -> Manifest {
        let clusters = self.config.pointer_mut("/static_resources/clusters");
        let socket = clusters
            .and_then(Value::as_array_mut)
            .and_then(|clusters| clusters.iter_mut().find(|cluster| cluster["name"] == name))
            .and_then(|cluster| {
                cluster.pointer_mut(
                    "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address",
                )
            });
        match socket {
            Some(Value::Object(socket)) => {
                socket.insert("address".to_owned(), json!(host));
                socket.insert("port_value".to_owned(), json!(port));
            }
            _ => self.miss(format!("no cluster {name:?} with an endpoint")),
        }
        self
    }

    /// Puts this directory in place of a path prefix such as `/etc/fhir-guard/`, in every string
    /// of the configuration that starts with it. The longer of two prefixes goes first.
    #[must_use]
    pub fn files(mut self, prefix: &str, directory: &Path) -> Manifest {
        let mut found = false;
        strings(&mut self.config, &mut |text| {
            if let Some(rest) = text.strip_prefix(prefix) {
                *text = directory.join(rest).display().to_string();
                found = true;
            }
        });
        if !found {
            self.miss(format!("no string that starts with {prefix:?}"));
        }
        self
    }

    /// Edits the plugin's configuration, the value of its `google.protobuf.Struct`, in the wasm
    /// filter of every listener.
    #[must_use]
    pub fn plugin(mut self, mut edit: impl FnMut(&mut Value)) -> Manifest {
        let mut found = false;
        plugin_configurations(&mut self.config, &mut |configuration| {
            if configuration["@type"] == STRUCT
                && let Some(value) = configuration.get_mut("value")
            {
                edit(value);
                found = true;
            }
        });
        if !found {
            self.miss("no wasm filter with a Struct as its configuration".to_owned());
        }
        self
    }

    /// Sets the server, and the keys and algorithms of the first issuer. Where this Envoy does not say itself that a
    /// certificate is valid (`validity`; it does from 1.39 on), the operator's word for it.
    #[must_use]
    pub fn serving(self, upstream: SocketAddr, jwks: &Value, validity: bool) -> Manifest {
        let manifest = self.upstream("127.0.0.1", upstream.port());
        manifest.plugin(|policy| {
            let base = format!("http://127.0.0.1:{}/fhir", upstream.port());
            policy["fhir"]["upstream"]["base"] = json!(base);
            policy["issuers"][0]["keys"] = json!({ "inline": jwks });
            policy["issuers"][0]["algorithms"] = json!(Algorithm::ALL.map(Algorithm::name));
            if !validity {
                policy["client_certificate"]["validated_by"] = json!("listener");
            }
        })
    }

    /// Replaces the plugin's configuration by this text (`google.protobuf.StringValue`), which
    /// need not be JSON, in the wasm filter of every listener.
    #[must_use]
    pub fn plugin_json_text(mut self, text: impl Into<String>) -> Manifest {
        let text = text.into();
        let mut found = false;
        plugin_configurations(&mut self.config, &mut |configuration| {
            *configuration = json!({ "@type": STRING_VALUE, "value": text });
            found = true;
        });
        if !found {
            self.miss("no wasm filter with a configuration".to_owned());
        }
        self
    }

    /// Sends every file access log to this file.
    #[must_use]
    pub fn access_log(mut self, path: &Path) -> Manifest {
        let mut found = false;
        typed(&mut self.config, FILE_ACCESS_LOG, &mut |log| {
            log.insert("path".to_owned(), json!(path.display().to_string()));
            found = true;
        });
        if !found {
            self.miss("no file access log".to_owned());
        }
        self
    }

    /// Lets every listener listen on 127.0.0.1 only: the keys of tests are for nobody else.
    #[must_use]
    pub fn local_only(mut self) -> Manifest {
        for listener in listeners_mut(&mut self.config) {
            listener["address"]["socket_address"]["address"] = json!("127.0.0.1");
        }
        self
    }

    /// Changes anything.
    #[must_use]
    pub fn edit(mut self, edit: impl FnOnce(&mut Value)) -> Manifest {
        edit(&mut self.config);
        self
    }

    /// The patched configuration.
    ///
    /// # Errors
    /// Everything that a patch did not find.
    pub fn build(self) -> Result<Value, String> {
        match self.problems.is_empty() {
            true => Ok(self.config),
            false => Err(format!(
                "the envoy manifest has {}",
                self.problems.join("; ")
            )),
        }
    }

    fn miss(&mut self, problem: String) {
        self.problems.push(problem);
    }
}

/// Chooses a port wherever the admin interface or a listener has port 0 or none.
pub(super) fn fill_ports(
    config: &mut Value,
    mut free_port: impl FnMut() -> Result<u16, String>,
) -> Result<(), String> {
    let mut fill = |holder: &mut Value| {
        if let Some(Value::Object(socket)) = holder.pointer_mut("/address/socket_address")
            && socket
                .get("port_value")
                .is_none_or(|port| port.as_u64() == Some(0))
        {
            socket.insert("port_value".to_owned(), json!(free_port()?));
        }
        Ok::<_, String>(())
    };
    if let Some(admin) = config.get_mut("admin") {
        fill(admin)?;
    }
    listeners_mut(config).iter_mut().try_for_each(fill)
}

/// Sends every access log on the standard output to this file.
pub(super) fn redirect_access_logs(config: &mut Value, file: &Path) {
    typed(config, FILE_ACCESS_LOG, &mut |log| {
        if log.get("path").is_some_and(|path| path == STDOUT) {
            log.insert("path".to_owned(), json!(file.display().to_string()));
        }
    });
}

pub(super) fn admin_address(config: &Value) -> Result<SocketAddr, String> {
    socket_address(&config["admin"])
        .ok_or_else(|| "the envoy configuration has no admin address on an ip and port".to_owned())
}

/// The addresses of the named listeners, `0.0.0.0` as the `127.0.0.1` a test calls.
pub(super) fn listener_addresses(config: &Value) -> Result<BTreeMap<String, SocketAddr>, String> {
    let listeners = config.pointer("/static_resources/listeners");
    let listeners = listeners.and_then(Value::as_array).into_iter().flatten();
    listeners
        .filter_map(|listener| Some((listener["name"].as_str()?, listener)))
        .map(|(name, listener)| {
            let address = socket_address(listener)
                .ok_or_else(|| format!("the envoy listener {name:?} has no ip and port"))?;
            Ok((name.to_owned(), address))
        })
        .collect()
}

/// The file of the first file access log.
pub(super) fn access_log(config: &Value) -> Option<PathBuf> {
    let mut path = None;
    typed(&mut config.clone(), FILE_ACCESS_LOG, &mut |log| {
        path = path
            .take()
            .or_else(|| Some(PathBuf::from(log.get("path")?.as_str()?)));
    });
    path
}

fn socket_address(holder: &Value) -> Option<SocketAddr> {
    let socket = holder.pointer("/address/socket_address")?;
    let mut address = SocketAddr::new(
        socket["address"].as_str()?.parse().ok()?,
        u16::try_from(socket["port_value"].as_u64()?).ok()?,
    );
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    Some(address)
}

fn listeners_mut(config: &mut Value) -> &mut [Value] {
    let listeners = config.pointer_mut("/static_resources/listeners");
    match listeners.and_then(Value::as_array_mut) {
        Some(listeners) => listeners,
        None => &mut [],
    }
}

fn plugin_configurations(config: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    typed(config, WASM_FILTER, &mut |filter| {
        let plugin = filter.get_mut("config");
        if let Some(configuration) = plugin.and_then(|plugin| plugin.get_mut("configuration")) {
            visit(configuration);
        }
    });
}

/// Turns numbers that Envoy's YAML reader does not take for numbers into strings.
fn as_envoy_reads(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let integer = number.as_i64().map(i64::unsigned_abs);
            if integer.is_none_or(|integer| integer > LARGEST_INTEGER) {
                *value = Value::String(number.to_string());
            }
        }
        Value::Object(object) => object.values_mut().for_each(as_envoy_reads),
        Value::Array(items) => items.iter_mut().for_each(as_envoy_reads),
        _ => (),
    }
}

/// Visits every object with this `@type`.
fn typed(value: &mut Value, kind: &str, visit: &mut dyn FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            if object.get("@type").is_some_and(|other| other == kind) {
                visit(object);
            }
            object
                .values_mut()
                .for_each(|value| typed(value, kind, visit));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| typed(value, kind, visit)),
        _ => (),
    }
}

/// Visits every string that is a value.
fn strings(value: &mut Value, visit: &mut dyn FnMut(&mut String)) {
    match value {
        Value::String(text) => visit(text),
        Value::Object(object) => object.values_mut().for_each(|value| strings(value, visit)),
        Value::Array(items) => items.iter_mut().for_each(|value| strings(value, visit)),
        _ => (),
    }
}

#[cfg(test)]
mod tests;
