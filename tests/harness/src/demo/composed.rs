//! The tour in containers: `envoy/docker-compose.yaml` as it is shipped, with its own FHIR server.

use std::env;
use std::fs::{self, DirBuilder, Permissions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::id;
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::show::Show;
use super::stage::{self, BASE_PATH, OPEN_PORT, SECURE_PORT, Stage};
use crate::envoy::compose::{self, Project, docker};
use crate::envoy::{Manifest, free_port, parse_audit};
use crate::pki::Pki;
use crate::tokens::Issuer;

/// Where the compose file's FHIR server is, in the compose file's network.
const UPSTREAM: (&str, u16) = ("fhir-server", 8080);

/// The variables of the compose file for the ports of this machine.
const PORTS: [&str; 2] = ["FHIR_GUARD_PORT", "FHIR_GUARD_OPEN_PORT"];

/// How long the containers may take until their health checks say that all is well.
const HEALTHY_WITHIN: Duration = Duration::from_secs(60);

/// How long records may take to the log: Envoy writes every second.
const AUDIT_WITHIN: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(250);

/// Two containers, ended when this is dropped.
pub(super) struct Composed {
    project: Project,
    envoy: String,
    secure: SocketAddr,
    open: SocketAddr,
}

impl Composed {
    /// The address of this listener on this machine.
    pub(super) fn address(&self, listener: &str) -> SocketAddr {
        match listener {
            "open" => self.open,
            _ => self.secure,
        }
    }

    /// The audit records, once there are this many: what Envoy wrote to its standard output.
    pub(super) async fn audit_of(&self, records: usize) -> Result<Vec<Value>, String> {
        let mut found = Vec::new();
        for _ in 0..AUDIT_WITHIN.as_millis() / POLL.as_millis() {
            found = parse_audit(compose::logs(&self.envoy)?.0.as_bytes())?;
            if found.len() >= records {
                return Ok(found);
            }
            sleep(POLL).await;
        }
        Err(format!(
            "envoy's container has {} records after {AUDIT_WITHIN:?}, expected {records}",
            found.len()
        ))
    }

    /// What Envoy wrote to its standard error.
    pub(super) fn log(&self) -> String {
        compose::logs(&self.envoy).map_or_else(|error| error, |(_, log)| log)
    }

    /// Whether Envoy's container runs.
    pub(super) fn is_running(&self) -> bool {
        docker(&["inspect", "--format", "{{.State.Running}}", &self.envoy])
            .is_ok_and(|text| text.trim() == "true")
    }

    async fn wait_until_healthy(&self) -> Result<(), String> {
        let mut state = String::new();
        for _ in 0..HEALTHY_WITHIN.as_millis() / POLL.as_millis() {
            let format = "{{.State.Health.Status}} {{.RestartCount}}";
            state = docker(&["inspect", "--format", format, &self.envoy])?;
            match state.trim() {
                "healthy 0" => return Ok(()),
                "starting 0" => sleep(POLL).await,
                _ => break,
            }
        }
        Err(format!(
            "envoy's container is {:?} (health, restarts), expected \"healthy 0\"; its log: {}",
            state.trim(),
            self.log()
        ))
    }
}

impl Drop for Composed {
    fn drop(&mut self) {
        if let Err(error) = self.project.down() {
            eprintln!("{error}");
        }
    }
}

/// Makes `.run/compose` ready for `docker compose up`, and tells how to go on.
pub(super) fn prepare(show: &Show) -> Result<(), String> {
    stage::go_to_the_root()?;
    let folder = ".run/compose";
    let lock = stage::claim(folder)?;
    let ports = [
        port_of(PORTS[0], SECURE_PORT)?,
        port_of(PORTS[1], OPEN_PORT)?,
    ];
    write_files(folder, ports, show)?;
    drop(lock);
    let compose = match compose::flavour() {
        Ok(words) => words.join(" "),
        Err(_) => "docker compose".to_owned(),
    };
    let curl = |options: &str| {
        format!(
            "curl -i --cacert {folder}/tls/ca.pem{options} https://localhost:{}{BASE_PATH}/Patient/p1",
            if options.is_empty() {
                ports[1]
            } else {
                ports[0]
            }
        )
    };
    println!("\n{folder} is ready. Now:\n");
    show.command(&format!("{compose} -f envoy/docker-compose.yaml up -d"));
    println!("\n# after some seconds: Up (healthy)");
    show.command(&format!("{compose} -f envoy/docker-compose.yaml ps"));
    println!("\n# 200: the bound token with its certificate");
    show.command(&curl(&format!(
        " --cert {folder}/tls/clinic-a.pem --key {folder}/tls/clinic-a.key -H @{folder}/tokens/patient-app.header"
    )));
    println!("\n# 401: neither certificate nor token");
    show.command(&curl(""));
    println!("\n# the audit records, and the end");
    show.command(&format!(
        "{compose} -f envoy/docker-compose.yaml logs envoy"
    ));
    show.command(&format!("{compose} -f envoy/docker-compose.yaml down"));
    Ok(())
}

/// Brings the compose file up on free ports, for steps that are asserted.
pub(super) async fn set_up(show: &Show) -> Result<Stage, String> {
    stage::go_to_the_root()?;
    let folder = ".run/compose-check";
    let lock = stage::claim(folder)?;
    let ports = [free_port()?, free_port()?];
    let (pki, [secure, open]) = write_files(folder, ports, show)?;
    show.progress(
        5,
        "envoy/docker-compose.yaml: Envoy with the filter, and a FHIR server",
    );
    let mounted = fs::canonicalize(format!("{folder}/mounted"))
        .map_err(|error| format!("cannot find {folder}/mounted: {error}"))?;
    let mut variables = vec![("FHIR_GUARD_FILES".to_owned(), mounted.display().to_string())];
    for (name, port) in PORTS.iter().zip(ports) {
        variables.push(((*name).to_owned(), port.to_string()));
    }
    let name = format!("fhir-guard-tour-{}", id());
    compose::remove_when_gone(&format!("com.docker.compose.project={name}"))?;
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // Before the start, so that what is half up is taken down too.
    let mut composed = Composed {
        project: Project::shipped(name, variables),
        envoy: String::new(),
        secure: local(ports[0]),
        open: local(ports[1]),
    };
    composed.project.up()?;
    composed.envoy = composed.project.container("envoy")?;
    composed.wait_until_healthy().await?;
    let direct_address = server_address(&composed.project)?;
    show.progress(
        6,
        &format!("ready: {secure} (certificate required) and {open} (certificate optional)"),
    );
    Ok(Stage {
        envoy: stage::Guard::Composed(composed),
        server: None,
        own_data: true,
        pki,
        direct: format!("http://{direct_address}{BASE_PATH}"),
        direct_address,
        direct_path: BASE_PATH.to_owned(),
        secure,
        open,
        patient: "p1".to_owned(),
        folder,
        _lock: lock,
    })
}

/// Everything that the containers and a person with curl need.
fn write_files(
    folder: &'static str,
    ports: [u16; 2],
    show: &Show,
) -> Result<(Pki, [String; 2]), String> {
    show.progress(
        1,
        "certificates: an authority, the server, clinic-a and clinic-b",
    );
    let pki = Pki::new();
    pki.client("clinic-a");
    pki.client("clinic-b");
    stage::write_certificates(&pki, folder)?;
    show.progress(2, "the filter");
    // The containers run as nobody: what they read is open to all. The folder around it is not, also
    // where it was there before.
    fs::set_permissions(folder, Permissions::from_mode(0o700))
        .map_err(|error| format!("cannot close {folder} to others: {error}"))?;
    for part in ["mounted", "mounted/tls"] {
        let path = format!("{folder}/{part}");
        let failed = |error: std::io::Error| format!("cannot make {path}: {error}");
        DirBuilder::new()
            .recursive(true)
            .create(&path)
            .map_err(failed)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755)).map_err(failed)?;
    }
    for file in ["tls/ca.pem", "tls/server.pem", "tls/server.key"] {
        put(
            &format!("{folder}/{file}"),
            &format!("{folder}/mounted/{file}"),
        )?;
    }
    stage::copy_filter(folder)?;
    let filter = "fhir_guard.wasm";
    put(
        &format!("{folder}/{filter}"),
        &format!("{folder}/mounted/{filter}"),
    )?;

    show.progress(3, "access tokens bound to the certificate of clinic-a");
    let base = |port| format!("https://localhost:{port}{BASE_PATH}");
    let [secure, open] = ports.map(base);
    let issuer = Issuer::new("https://as.example.org");
    stage::write_tokens(&pki, &issuer, &secure, "p1", folder)?;
    let observation = stage::observation("p1").to_string();
    stage::write(folder, "observation.json", observation.as_bytes())?;

    show.progress(4, "Envoy configuration: envoy/envoy.yaml with these keys");
    let (host, port) = UPSTREAM;
    let upstream = format!("http://{host}:{port}{BASE_PATH}");
    let config = Manifest::load("envoy/envoy.yaml")?
        .upstream(host, port)
        .plugin(|plugin| stage::configure(plugin, &secure, &upstream, &issuer))
        .build()?;
    let pretty = serde_json::to_vec_pretty(&config)
        .map_err(|error| format!("cannot write the envoy configuration: {error}"))?;
    stage::write(folder, "envoy.json", &pretty)?;
    put(
        &format!("{folder}/envoy.json"),
        &format!("{folder}/mounted/envoy.json"),
    )?;
    Ok((pki, [secure, open]))
}

/// Copies a file for the containers.
fn put(from: &str, to: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot copy {from} to {to}: {error}");
    fs::copy(from, to).map_err(failed)?;
    fs::set_permissions(Path::new(to), Permissions::from_mode(0o644)).map_err(failed)
}

/// Where this machine reaches the FHIR server: its address in the network of the containers.
fn server_address(project: &Project) -> Result<SocketAddr, String> {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let id = project.container("fhir-server")?;
    let address = docker(&["inspect", "--format", format, &id])?;
    let address = address
        .trim()
        .parse()
        .map_err(|_| format!("the FHIR server's container has address {address:?}"))?;
    Ok(SocketAddr::new(address, UPSTREAM.1))
}

fn port_of(variable: &str, usual: u16) -> Result<u16, String> {
    match env::var(variable) {
        Err(_) => Ok(usual),
        Ok(text) => match text.parse() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(format!("{variable} is {text:?}, expected 1 to 65535")),
        },
    }
}
