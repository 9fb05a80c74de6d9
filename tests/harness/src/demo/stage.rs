//! The work folder, certificates, tokens, the FHIR server and Envoy: everything that stands before
//! the first step.

use std::env;
use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::composed::{self, Composed};
use super::options::{Options, OwnServer};
use super::show::Show;
use crate::client::get_plain;
use crate::envoy::{Envoy, Manifest, Spec, free_port};
use crate::fhir::{self, FhirServer};
use crate::pki::Pki;
use crate::tokens::{Algorithm, Claims, Issuer, now};

/// The name of the limit that the tour uses up.
pub(super) const LIMIT: &str = "per-client";

/// What that limit lets through at once; it comes back with five a second.
pub(super) const BURST: u32 = 20;

/// The path of the guarded API.
pub(super) const BASE_PATH: &str = "/fhir";

/// How long the tokens hold: a tour stays up for a working day.
const TOKEN_SECONDS: u64 = 12 * 60 * 60;

/// How long a person's own server may take to be there.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The ports that people are used to, tried first.
pub(super) const SECURE_PORT: u16 = 8443;
pub(super) const OPEN_PORT: u16 = 8444;

/// Tokens by file name: what they hold, and whom they serve.
const TOKENS: [(&str, &str, &str); 3] = [
    ("patient-app", "patient/*.rs", "a patient's app"),
    (
        "lab-app",
        "patient/Observation.rs",
        "an app for laboratory results",
    ),
    ("clinician", "user/*.rs", "a practitioner"),
];

/// Everything that runs, and where it is.
pub(super) struct Stage {
    // First, so that Envoy is gone before what it talks to.
    pub(super) envoy: Guard,
    /// The tour's own FHIR server in this process; nothing when it is elsewhere.
    pub(super) server: Option<FhirServer>,
    /// The data is the tour's own, so that it is known what must come.
    pub(super) own_data: bool,
    pub(super) pki: Pki,
    /// Where the FHIR server itself is, past the filter: base URL and address.
    pub(super) direct: String,
    pub(super) direct_address: SocketAddr,
    pub(super) direct_path: String,
    /// The base URL on the listener that requires a certificate.
    pub(super) secure: String,
    /// The base URL on the listener that does not.
    pub(super) open: String,
    pub(super) patient: String,
    /// The work folder, from the repository's root.
    pub(super) folder: &'static str,
    pub(super) _lock: File,
}

/// Envoy with the filter: a process of the tour, or a container.
pub(super) enum Guard {
    Process(Box<Envoy>),
    Composed(Composed),
}

impl Guard {
    /// The address of this listener.
    pub(super) fn address(&self, listener: &str) -> SocketAddr {
        match self {
            Guard::Process(envoy) => envoy.address(listener),
            Guard::Composed(composed) => composed.address(listener),
        }
    }

    /// The audit records, once there are this many.
    pub(super) async fn audit_of(&self, records: usize) -> Result<Vec<Value>, String> {
        match self {
            Guard::Process(envoy) => envoy.audit_of(records).await,
            Guard::Composed(composed) => composed.audit_of(records).await,
        }
    }

    /// Whether Envoy still lives.
    pub(super) fn is_running(&mut self) -> bool {
        match self {
            Guard::Process(envoy) => envoy.is_running(),
            Guard::Composed(composed) => composed.is_running(),
        }
    }

    /// Envoy's own log.
    pub(super) fn log(&self) -> String {
        match self {
            Guard::Process(envoy) => envoy.log(),
            Guard::Composed(composed) => composed.log(),
        }
    }

    /// Where the admin interface is.
    pub(super) fn admin(&self) -> String {
        match self {
            Guard::Process(envoy) => format!("http://{}", envoy.admin_address()),
            Guard::Composed(_) => "inside its container".to_owned(),
        }
    }
}

impl Stage {
    /// Sets everything up, telling each part before it begins.
    pub(super) async fn set_up(options: &Options, show: &Show) -> Result<Stage, String> {
        if options.compose {
            return composed::set_up(show).await;
        }
        Envoy::find()?;
        go_to_the_root()?;
        let folder = if options.check { ".run/check" } else { ".run" };
        let lock = claim(folder)?;

        show.progress(
            1,
            "certificates: an authority, the server, clinic-a and clinic-b",
        );
        let pki = Pki::new();
        pki.client("clinic-a");
        pki.client("clinic-b");
        write_certificates(&pki, folder)?;

        let (server, direct, direct_address, direct_path) = match &options.own_server {
            None => {
                show.progress(2, "a FHIR R4 server with invented patients");
                let server = FhirServer::try_start(fhir::Options::default()).await?;
                let (base, address) = (server.base(), server.address());
                let path = base
                    .trim_start_matches(&format!("http://{address}"))
                    .to_owned();
                (Some(server), base, address, path)
            }
            Some(own) => {
                show.progress(2, &format!("your FHIR server at {}", own.base));
                let address = reach(own, show).await?;
                (None, own.base.clone(), address, own.path.clone())
            }
        };
        let patient = match &options.own_server {
            None => "p1".to_owned(),
            Some(own) => own.patient.clone(),
        };

        // A check may run beside a tour that stays up.
        let port = |usual| match options.check {
            true => free_port(),
            false => usual_or_free(usual, show),
        };
        let (secure_port, open_port) = (port(SECURE_PORT)?, port(OPEN_PORT)?);
        let secure = format!("https://localhost:{secure_port}{BASE_PATH}");
        let open = format!("https://localhost:{open_port}{BASE_PATH}");

        show.progress(3, "access tokens bound to the certificate of clinic-a");
        let issuer = Issuer::new("https://as.example.org");
        write_tokens(&pki, &issuer, &secure, &patient, folder)?;
        write(
            folder,
            "observation.json",
            observation(&patient).to_string().as_bytes(),
        )?;

        show.progress(
            4,
            "Envoy configuration: envoy/envoy.yaml with the ports and files of this folder",
        );
        copy_filter(folder)?;
        let here =
            fs::canonicalize(folder).map_err(|error| format!("cannot find {folder}: {error}"))?;
        let config = Manifest::load("envoy/envoy.yaml")?
            .port("secure", secure_port)
            .port("open", open_port)
            .admin_port(free_port()?)
            .upstream(&direct_address.ip().to_string(), direct_address.port())
            .files("/etc/fhir-guard/", &here)
            .access_log(&here.join("audit.log"))
            .plugin(|plugin| configure(plugin, &secure, &direct, &issuer))
            .local_only()
            .build()?;
        let pretty = serde_json::to_vec_pretty(&config)
            .map_err(|error| format!("cannot write the envoy configuration: {error}"))?;
        write(folder, "envoy.json", &pretty)?;

        show.progress(5, "Envoy with the filter");
        let envoy = Envoy::start(Spec::new(config)).await?;
        show.progress(
            6,
            &format!("ready: {secure} (certificate required) and {open} (certificate optional)"),
        );
        Ok(Stage {
            envoy: Guard::Process(Box::new(envoy)),
            own_data: server.is_some(),
            server,
            pki,
            direct,
            direct_address,
            direct_path,
            secure,
            open,
            patient,
            folder,
            _lock: lock,
        })
    }

    /// The command that shows the audit records.
    pub(super) fn audit_command(&self) -> String {
        match self.envoy {
            Guard::Process(_) => format!("cat {}", self.shown("audit.log")),
            Guard::Composed(_) => {
                "docker compose -f envoy/docker-compose.yaml logs envoy".to_owned()
            }
        }
    }

    /// A file of the work folder as a person types it.
    pub(super) fn shown(&self, file: &str) -> String {
        format!("{}/{file}", self.folder)
    }

    /// The token of this name.
    pub(super) fn token(&self, name: &str) -> Result<String, String> {
        let file = self.shown(&format!("tokens/{name}.jwt"));
        let text =
            fs::read_to_string(&file).map_err(|error| format!("cannot read {file}: {error}"))?;
        Ok(text.trim().to_owned())
    }
}

/// All paths of the tour are from the repository's root.
pub(super) fn go_to_the_root() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    env::set_current_dir(&root).map_err(|error| format!("cannot go to {}: {error}", root.display()))
}

/// Makes the work folder anew, and keeps others out of it.
pub(super) fn claim(folder: &str) -> Result<File, String> {
    let failed = |error: std::io::Error| format!("cannot make the folder {folder}: {error}");
    for part in [
        folder.to_owned(),
        format!("{folder}/tls"),
        format!("{folder}/tokens"),
    ] {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(part)
            .map_err(failed)?;
    }
    let lock = File::create(format!("{folder}/lock")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => (),
        Err(TryLockError::WouldBlock) => {
            return Err(format!(
                "another tour uses the folder {folder}: end it (Ctrl-C where it runs), then start this one again"
            ));
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    // Envoy appends.
    match fs::remove_file(format!("{folder}/audit.log")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(lock),
    }
}

pub(super) fn write_certificates(pki: &Pki, folder: &str) -> Result<(), String> {
    pki.write_to(&PathBuf::from(folder).join("tls"))?;
    for key in ["server.key", "clinic-a.key", "clinic-b.key"] {
        let path = format!("{folder}/tls/{key}");
        fs::set_permissions(&path, Permissions::from_mode(0o600))
            .map_err(|error| format!("cannot close {path} to others: {error}"))?;
    }
    Ok(())
}

/// Each token twice: bare, and as the header line that `curl -H @file` reads, so that it is never
/// on a command line, where every process can read it.
pub(super) fn write_tokens(
    pki: &Pki,
    issuer: &Issuer,
    audience: &str,
    patient: &str,
    folder: &str,
) -> Result<(), String> {
    let now = now();
    for (name, scope, subject) in TOKENS {
        let claims = Claims::new(now)
            .bound_to(&pki.client("clinic-a"))
            .audience(audience)
            .scope(scope)
            .subject(&subject.replace([' ', '\''], "-"))
            .jti(&format!("{name}-{now}"))
            .expires_at(now + TOKEN_SECONDS);
        let claims = match scope.starts_with("patient/") {
            true => claims.patient(patient).without("fhirUser"),
            false => claims.without("patient"),
        };
        let token = issuer.token(&claims);
        write(folder, &format!("tokens/{name}.jwt"), token.as_bytes())?;
        let header = format!("Authorization: Bearer {token}\n");
        write(folder, &format!("tokens/{name}.header"), header.as_bytes())?;
    }
    Ok(())
}

/// Writes a file that only its owner reads.
pub(super) fn write(folder: &str, file: &str, bytes: &[u8]) -> Result<(), String> {
    let path = format!("{folder}/{file}");
    let failed = |error: std::io::Error| format!("cannot write {path}: {error}");
    // Closed to others before anything is in it.
    let made = File::create(&path).map_err(failed)?;
    made.set_permissions(Permissions::from_mode(0o600))
        .map_err(failed)?;
    fs::write(&path, bytes).map_err(failed)
}

pub(super) fn copy_filter(folder: &str) -> Result<(), String> {
    let built = env::var("FHIR_GUARD_WASM").unwrap_or_else(|_| "dist/fhir_guard.wasm".to_owned());
    fs::copy(&built, format!("{folder}/fhir_guard.wasm"))
        .map(|_| ())
        .map_err(|error| format!("cannot copy the filter from {built} ({error}): run make wasm"))
}

/// The filter's configuration where the tour differs from the shipped one.
pub(super) fn configure(plugin: &mut Value, base: &str, upstream: &str, issuer: &Issuer) {
    plugin["fhir"]["base"] = json!(base);
    plugin["fhir"]["upstream"]["base"] = json!(upstream);
    plugin["issuers"][0]["issuer"] = json!(issuer.name());
    plugin["issuers"][0]["audiences"] = json!([base]);
    plugin["issuers"][0]["algorithms"] = json!(["ES256"]);
    plugin["issuers"][0]["keys"] = json!({ "inline": { "keys": [issuer.jwk(Algorithm::Es256)] } });
    plugin["limits"] = json!([{ "name": LIMIT, "key": ["client"], "rate": "5/s", "burst": BURST }]);
}

/// What the step that writes tries to write.
pub(super) fn observation(patient: &str) -> Value {
    json!({
        "resourceType": "Observation",
        "status": "final",
        "code": { "coding": [{ "system": "http://loinc.org", "code": "8867-4", "display": "Heart rate" }] },
        "subject": { "reference": format!("Patient/{patient}") },
        "valueQuantity": { "value": 61, "unit": "/min" }
    })
}

/// The address at which a person's own server takes connections.
async fn reach(own: &OwnServer, show: &Show) -> Result<SocketAddr, String> {
    let OwnServer {
        host,
        port,
        base,
        path,
        ..
    } = own;
    let connect = timeout(CONNECT_WITHIN, TcpStream::connect((host.as_str(), *port)));
    let unreachable = |why: String| {
        format!(
            "cannot reach the FHIR server {base}: {why}; check that it runs and that UPSTREAM is its base URL"
        )
    };
    let stream = connect
        .await
        .map_err(|_| unreachable(format!("no connection within {CONNECT_WITHIN:?}")))?
        .map_err(|error| unreachable(error.to_string()))?;
    let address = stream
        .peer_addr()
        .map_err(|error| unreachable(error.to_string()))?;
    let metadata = get_plain(address, "GET", &format!("{path}/metadata")).await;
    let metadata = metadata.map_err(unreachable)?;
    if metadata.status != 200 {
        show.note(&format!(
            "{base}/metadata answers {}, a FHIR server answers 200: is UPSTREAM its base URL?",
            metadata.status
        ));
    }
    Ok(address)
}

fn usual_or_free(usual: u16, show: &Show) -> Result<u16, String> {
    if TcpListener::bind((Ipv4Addr::LOCALHOST, usual)).is_ok() {
        return Ok(usual);
    }
    let port = free_port()?;
    show.note(&format!(
        "port {usual} is taken by another process: using {port} instead"
    ));
    Ok(port)
}
