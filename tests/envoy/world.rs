//! One Envoy with the shipped manifest and the release module, a FHIR server behind it, and callers
//! in front of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use fhir_guard_harness::client::{Client, End, Request, Response, Version};
use fhir_guard_harness::envoy::{Envoy, Manifest, Spec, free_port};
use fhir_guard_harness::fhir::{FhirServer, Hostile, Options};
use fhir_guard_harness::pki::{ClientCertificate, Pki};
pub use fhir_guard_harness::tokens::now;
use fhir_guard_harness::tokens::{Claims, Issuer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::pool::{self, Kept, Place};

/// The external base in every scenario.
pub const BASE: &str = "https://fhir.example.org/r4";

/// A running deployment. [`World::close`] asserts what must hold after every scenario.
pub struct World {
    pub pki: Pki,
    pub issuer: Issuer,
    pub fhir: FhirServer,
    pub envoy: Envoy,
    /// Exchanges that must each have left one record.
    exchanges: Mutex<usize>,
    /// Those of them that Envoy refused before the filter saw them.
    pub unseen: Mutex<usize>,
    directory: PathBuf,
    port: u16,
    /// Records of scenarios before.
    records: usize,
    is_shared: bool,
}

/// An edit of the filter's configuration, for every listener.
pub type EditPolicy = Box<dyn FnMut(&mut Value)>;

/// An edit of Envoy's configuration.
pub type EditEnvoy = Box<dyn FnOnce(&mut Value)>;

/// How a world differs from the shipped manifest.
#[derive(Default)]
pub struct Setting {
    /// Edits the filter's configuration.
    pub policy: Option<EditPolicy>,
    /// Edits Envoy's.
    pub envoy: Option<EditEnvoy>,
    /// Sends the traffic to the raw port of the FHIR server, which can lie on the wire.
    pub raw_upstream: bool,
    /// Sends the traffic here instead of to the FHIR server.
    pub upstream: Option<SocketAddr>,
    /// Certificates that the configuration knows of.
    pub pki: Option<Pki>,
}

impl World {
    pub async fn start() -> World {
        World::with(Setting::default()).await
    }

    /// In an Envoy of its own.
    pub async fn with(mut setting: Setting) -> World {
        let (world, config) = Prepared::new(Place::new(setting.pki.take(), 0), setting).await;
        let envoy = Envoy::start(Spec::new(config)).await.expect("Envoy starts");
        World::of(world, envoy)
    }

    /// In an Envoy that had other scenarios before and will have others: not for those that read its log, count its
    /// statistics, use up a limit, or whose workers remember something.
    pub async fn shared(mut setting: Setting) -> World {
        let pki = setting.pki.take();
        let kept = pool::take().await;
        let Some(Kept {
            mut place,
            mut envoy,
        }) = kept
        else {
            let place = Place::new(pki, free_port().expect("a free port"));
            let (world, config) = Prepared::new(place, setting).await;
            let envoy = Envoy::start_replaceable(Spec::new(config)).await;
            let envoy = envoy.expect("Envoy starts");
            pool::remove_at_the_end([&world.place.directory, envoy.directory()]);
            return World {
                is_shared: true,
                ..World::of(world, envoy)
            };
        };
        if let Some(pki) = pki {
            place.is_of(pki);
        }
        let records = envoy.audit().expect("records").len();
        let (world, config) = Prepared::new(place, setting).await;
        let taken = envoy.replace(config).await;
        taken.expect("Envoy takes listeners and clusters");
        World {
            records,
            is_shared: true,
            ..World::of(world, envoy)
        }
    }

    fn of(world: Prepared, envoy: Envoy) -> World {
        World {
            pki: world.place.pki,
            issuer: world.issuer,
            fhir: world.fhir,
            envoy,
            exchanges: Mutex::new(0),
            unseen: Mutex::new(0),
            directory: world.place.directory,
            port: world.place.port,
            records: 0,
            is_shared: false,
        }
    }

    /// What Envoy says when it does not start with this setting, which it must not.
    pub async fn refuses(mut setting: Setting) -> String {
        let (world, config) = Prepared::new(Place::new(setting.pki.take(), 0), setting).await;
        let started = Envoy::start(Spec::new(config)).await;
        let _ = std::fs::remove_dir_all(&world.place.directory);
        match started {
            Ok(_) => panic!("Envoy starts"),
            Err(error) => error,
        }
    }

    /// A client with the certificate of `clinic-a`, over HTTP/2, on the listener that requires it.
    pub fn client(&self) -> Client {
        self.client_of(Some(&self.pki.client("clinic-a")), Version::Http2, "secure")
    }

    pub fn client_of(
        &self,
        certificate: Option<&ClientCertificate>,
        version: Version,
        listener: &str,
    ) -> Client {
        let address = self.envoy.address(listener);
        Client::new(&self.pki, certificate, version, address).authority("fhir.example.org")
    }

    /// A good token of `clinic-a` for patient p1, bound to its certificate.
    pub fn claims(&self) -> Claims {
        Claims::new(now())
            .audience(BASE)
            .bound_to(&self.pki.client("clinic-a"))
    }

    pub fn token(&self, scope: &str) -> String {
        self.issuer.token(&self.claims().scope(scope))
    }

    /// Sends a request and expects one record of it.
    pub async fn send(&self, client: &Client, request: Request) -> Response {
        self.expect_records(1);
        client.send(request).await.expect("an answer")
    }

    /// `GET` with the certificate of `clinic-a` and a token of this scope.
    pub async fn get(&self, scope: &str, path: &str) -> Response {
        self.send(
            &self.client(),
            Request::get(path).bearer(&self.token(scope)),
        )
        .await
    }

    /// Puts a resource into the FHIR server, past Envoy.
    pub async fn put(&self, resource: &Value) {
        let path = format!(
            "/fhir/{}/{}",
            resource["resourceType"].as_str().expect("a type"),
            resource["id"].as_str().expect("an id")
        );
        let body = resource.to_string();
        let head = format!(
            "PUT {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nprefer: return=minimal\r\ncontent-type: application/fhir+json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let answer = self.plain(&[head.as_bytes(), body.as_bytes()]).await;
        assert!(answer.starts_with(b"HTTP/1.1 20"), "the server took {path}");
    }

    /// The body of an answer of the FHIR server, past Envoy.
    pub async fn direct(&self, path: &str) -> Vec<u8> {
        let head =
            format!("GET /fhir{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = self.plain(&[head.as_bytes()]).await;
        let end = answer
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        let body = &answer[end + 4..];
        if head.contains("transfer-encoding: chunked") {
            unchunked(body)
        } else {
            body.to_vec()
        }
    }

    async fn plain(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.fhir.address())
            .await
            .expect("the server listens");
        for part in parts {
            stream.write_all(part).await.expect("the server reads");
        }
        let mut answer = Vec::new();
        stream
            .read_to_end(&mut answer)
            .await
            .expect("the server answers");
        answer
    }

    /// Says that `count` exchanges were made which [`World::send`] does not know of.
    pub fn expect_records(&self, count: usize) {
        *self.exchanges.lock().expect("no test has failed inside") += count;
    }

    /// The records so far, once all of them are there, in the order of their time.
    pub async fn records(&self) -> Vec<Value> {
        let expected = *self.exchanges.lock().expect("no test has failed inside");
        let records = self.envoy.audit_of(self.records + expected).await;
        let mut records = records
            .expect("one JSON record for each exchange")
            .split_off(self.records);
        assert_eq!(records.len(), expected, "one record for each exchange");
        records.sort_by_key(|record| record["time"].as_str().map(str::to_owned));
        records
    }

    /// What must hold after every scenario: one record for each exchange, no trap, both workers used.
    pub async fn close(self) {
        // Traffic for both workers, if the scenario itself had little; the kernel spreads
        // connections by itself, so this ends when it has.
        for _ in 0..200 {
            if self.workers_used().await >= 2 {
                break;
            }
            // Public, so that no limit stands in the way.
            let request = Request::get("/r4/metadata");
            self.send(&self.client(), request).await;
        }
        assert!(self.workers_used().await >= 2, "both workers were used");
        self.records().await;
        let stats = self.envoy.stats().await.expect("statistics");
        for (name, value) in &stats {
            assert!(
                !(name.contains("vm_reload") && *value > 0),
                "{name} is {value}: the module trapped"
            );
        }
        let log = self.envoy.log();
        assert!(!log.contains("panicked"), "the module panicked");
        if !self.is_shared {
            let _ = std::fs::remove_dir_all(&self.directory);
            return;
        }
        let place = Place {
            pki: self.pki,
            directory: self.directory,
            port: self.port,
        };
        let envoy = self.envoy;
        self.fhir.stop().await;
        pool::give_back(Kept { place, envoy });
    }

    /// Its listeners have ports, and hence statistics, of their own.
    async fn workers_used(&self) -> usize {
        let stats = self.envoy.stats().await.expect("statistics");
        let own = |name: &str| {
            let mut all = self.envoy.addresses();
            !self.is_shared || all.any(|own| name.contains(&format!("_{}.worker_", own.port())))
        };
        let used = stats
            .iter()
            .filter(|(name, count)| {
                name.ends_with("downstream_cx_total") && own(name) && **count > 0
            })
            .filter_map(|(name, _)| name.split('.').find(|part| part.starts_with("worker_")));
        used.collect::<std::collections::BTreeSet<_>>().len()
    }
}

/// Everything but Envoy itself.
struct Prepared {
    issuer: Issuer,
    fhir: FhirServer,
    place: Place,
}

impl Prepared {
    async fn new(place: Place, setting: Setting) -> (Prepared, Value) {
        let issuer = issuer();
        let fhir = fhir_server(place.port).await;
        let upstream = setting.upstream.unwrap_or(if setting.raw_upstream {
            fhir.raw_address()
        } else {
            fhir.address()
        });
        let jwks = issuer.jwks();
        let mut edit = setting.policy.unwrap_or_else(|| Box::new(|_| ()));
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let config = Manifest::load(root.join("envoy/envoy.yaml"))
            .expect("the shipped manifest can be read")
            .port("secure", 0)
            .port("open", 0)
            .admin_port(0)
            .serving(upstream, &jwks, tells_validity())
            .files("/etc/fhir-guard/", &place.directory)
            .plugin(|policy| {
                policy["limits"][0]["burst"] = json!(1000);
                edit(policy);
            })
            .local_only()
            .edit(setting.envoy.unwrap_or_else(|| Box::new(|_| ())))
            .build()
            .expect("every patch finds its place");
        let prepared = Prepared {
            issuer,
            fhir,
            place,
        };
        (prepared, config)
    }
}

fn issuer() -> Issuer {
    Issuer::new("https://as.example.org")
}

async fn fhir_server(port: u16) -> FhirServer {
    FhirServer::start(Options {
        port,
        hostile: Some(Hostile::OnRequest),
        ..Options::default()
    })
    .await
}

/// Edits Envoy's configuration: HTTP/2 to the FHIR server.
pub fn http2_upstream(config: &mut Value) {
    config["static_resources"]["clusters"][0]["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}}
        }
    });
}

/// Whether this Envoy has `connection.peer_certificate_valid`, which the filter asks for by default.
pub fn tells_validity() -> bool {
    Envoy::version().expect("Envoy tells its version") >= [1, 39, 0]
}

/// Whether this Envoy has `connection.peer_certificate`, which rules about names need.
pub fn tells_certificates() -> bool {
    Envoy::version().expect("Envoy tells its version") >= [1, 38, 0]
}

/// Whether a client can tell that an answer was cut behind its head.
///
/// Before 1.37 an Envoy resets the stream with `NO_ERROR`, which clients of HTTP/2 take for its end:
/// there, what came before must not be whole JSON, or must be `whole` by right, because only its length
/// was a lie.
pub fn is_cut(answer: &Response, version: Version, whole: bool) -> bool {
    let silent = version == Version::Http2 && !tells_cuts();
    answer.end != End::Complete || (silent && answer.json().is_ok() == whole)
}

/// Whether this Envoy ends an answer over HTTP/2 that is cut with an error.
pub fn tells_cuts() -> bool {
    Envoy::version().expect("Envoy tells its version") >= [1, 37, 0]
}

/// The body behind chunked transfer coding (RFC 9112 section 7.1).
fn unchunked(mut coded: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = coded
            .windows(2)
            .position(|window| window == b"\r\n")
            .expect("the size of a chunk");
        let size = std::str::from_utf8(&coded[..end]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&coded[end + 2..end + 2 + size]);
        coded = &coded[end + 4 + size..];
    }
}
