//! How exact limits are over the two workers of a real Envoy: for one key that all ask with, and for many.
//!
//! What may be admitted follows from when the first request of a key began and the last one ended; what must
//! be, from when the first ended and the last began, where there was always one more who asked. So the figures
//! hold on a machine of any speed, and only too many admitted is a failure.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::client::{Client, Request, Version};
use crate::envoy::{Envoy, Manifest, Spec, module};
use crate::fhir::{self, FhirServer};
use crate::pki::{ClientCertificate, Pki};
use crate::tokens::{Claims, Issuer, now};

/// The external base of the guarded API.
const BASE: &str = "https://fhir.example.org/r4";

/// Connections that ask at once, each on the worker that the kernel chose.
const CONNECTIONS: usize = 16;

/// Of the one key: at once, and in a second.
const HOT: (u32, f64) = (200, 100.0);

/// Of each of many keys: at once, and in a second.
const EACH: (u32, f64) = (3, 1.0 / 60.0);

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long the one key is asked with.
    pub seconds: u64,
    /// How many keys there are besides.
    pub keys: usize,
}

impl Options {
    /// From the command line.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            seconds: 30,
            keys: 10_000,
        };
        for argument in arguments {
            let wrong = || format!("expected --seconds=N or --keys=N, found {argument}");
            let (name, value) = argument.split_once('=').ok_or_else(wrong)?;
            match name {
                "--seconds" => options.seconds = value.parse().map_err(|_| wrong())?,
                "--keys" => options.keys = value.parse().map_err(|_| wrong())?,
                _ => return Err(wrong()),
            }
        }
        Ok(options)
    }
}

/// What was asked with one key.
#[derive(Clone, Copy, Debug)]
struct Tally {
    admitted: u64,
    refused: u64,
    /// Began, and ended.
    first: (Instant, Instant),
    last: (Instant, Instant),
}

impl Tally {
    fn of(began: Instant, ended: Instant, admitted: bool) -> Tally {
        Tally {
            admitted: admitted.into(),
            refused: (!admitted).into(),
            first: (began, ended),
            last: (began, ended),
        }
    }

    fn and(self, other: Tally) -> Tally {
        let first =
            |one: (Instant, Instant), two: (Instant, Instant)| (one.0.min(two.0), one.1.min(two.1));
        let last =
            |one: (Instant, Instant), two: (Instant, Instant)| (one.0.max(two.0), one.1.max(two.1));
        Tally {
            admitted: self.admitted + other.admitted,
            refused: self.refused + other.refused,
            first: first(self.first, other.first),
            last: last(self.last, other.last),
        }
    }

    /// The fewest and the most that an exact limit admits.
    fn bounds(&self, (burst, rate): (u32, f64)) -> (u64, u64) {
        let admits = |time: Duration| (f64::from(burst) + rate * time.as_secs_f64()).floor() as u64;
        let least = self.last.0.saturating_duration_since(self.first.1);
        let most = self.last.1.saturating_duration_since(self.first.0);
        (admits(least), admits(most))
    }
}

/// Measures both and prints the figures; whether nobody was admitted too often.
///
/// # Errors
/// Envoy does not start, or does not answer.
pub async fn run(options: Options) -> Result<bool, String> {
    let stage = Stage::set_up().await?;
    let hot = stage.hot(Duration::from_secs(options.seconds)).await?;
    let good = report("one key", HOT, &[hot]);
    let many = stage.many(options.keys).await?;
    Ok(report(&format!("{} keys", many.len()), EACH, &many) && good)
}

fn report(name: &str, limit: (u32, f64), tallies: &[Tally]) -> bool {
    let (mut least, mut most, mut over) = (0, 0, 0);
    for tally in tallies {
        let bounds = tally.bounds(limit);
        least += bounds.0;
        most += bounds.1;
        over += usize::from(tally.admitted > bounds.1);
    }
    let admitted: u64 = tallies.iter().map(|own| own.admitted).sum();
    let refused: u64 = tallies.iter().map(|own| own.refused).sum();
    let share = |of: u64| 100.0 * (admitted as f64 / of.max(1) as f64 - 1.0);
    println!(
        "{name}: admitted {admitted}, refused {refused}; an exact limit admits {least} to {most}: {:+.2} % of the \
         least, {:+.2} % of the most; keys with more than may be: {over}",
        share(least),
        share(most),
    );
    over == 0
}

struct Stage {
    envoy: Envoy,
    pki: Pki,
    certificate: ClientCertificate,
    issuer: Issuer,
    _fhir: FhirServer,
    _directory: TempDir,
}

impl Stage {
    async fn set_up() -> Result<Stage, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let directory = tempfile::Builder::new()
            .prefix("fhir-guard-limits-")
            .tempdir()
            .map_err(|error| format!("cannot make a directory: {error}"))?;
        let pki = Pki::new();
        let certificate = pki.client("clinic-a");
        pki.write_to(&directory.path().join("tls"))?;
        let module = module()?;
        std::fs::copy(&module, directory.path().join("fhir_guard.wasm")).map_err(|error| {
            format!("cannot copy the filter from {}: {error}", module.display())
        })?;
        let issuer = Issuer::new("https://as.example.org");
        let server = FhirServer::try_start(fhir::Options::default()).await?;
        let (upstream, jwks, version) = (server.address(), issuer.jwks(), Envoy::version()?);
        let config = Manifest::load(root.join("envoy/envoy.yaml"))?
            .port("secure", 0)
            .port("open", 0)
            .admin_port(0)
            .serving(upstream, &jwks, version >= [1, 39, 0])
            .files("/etc/fhir-guard/", directory.path())
            .access_log(&directory.path().join("audit.log"))
            .plugin(|policy| {
                policy["limits"] = json!([
                    {"name": "hot", "key": ["client"], "rate": "100/s", "burst": HOT.0, "when": "principal.client == 'hot'"},
                    {"name": "each", "key": ["subject"], "rate": "1/m", "burst": EACH.0, "when": "principal.client != 'hot'"},
                ]);
            })
            .local_only()
            .build()?;
        Ok(Stage {
            envoy: Envoy::start(Spec::new(config)).await?,
            pki,
            certificate,
            issuer,
            _fhir: server,
            _directory: directory,
        })
    }

    fn caller(&self) -> Client {
        let address = self.envoy.address("secure");
        Client::new(&self.pki, Some(&self.certificate), Version::Http1, address)
            .authority("fhir.example.org")
            .reuse(true)
    }

    fn token(&self, client: &str, subject: &str) -> String {
        let claims = Claims::new(now())
            .audience(BASE)
            .bound_to(&self.certificate);
        let claims = claims.client_id(client).subject(subject);
        self.issuer.token(&claims.expires_at(now() + 3600))
    }

    /// One key, over every connection, for so long.
    async fn hot(&self, time: Duration) -> Result<Tally, String> {
        let token = self.token("hot", "hot");
        let until = Instant::now() + time;
        let asking = (0..CONNECTIONS).map(|_| {
            let (caller, token) = (self.caller(), token.clone());
            tokio::spawn(async move {
                let mut all = ask(&caller, &token).await?;
                while Instant::now() < until {
                    all = all.and(ask(&caller, &token).await?);
                }
                Ok(all)
            })
        });
        let found = all(asking.collect()).await?;
        let found = found.into_iter().reduce(Tally::and);
        found.ok_or_else(|| "nobody asked".to_owned())
    }

    /// Many keys: each is used up, and again once something of it has come back.
    async fn many(&self, keys: usize) -> Result<Vec<Tally>, String> {
        let tokens: Vec<String> = (0..keys)
            .map(|key| self.token("many", &format!("s{key}")))
            .collect();
        let tokens = Arc::new(tokens);
        let began = Instant::now();
        let before = self.use_up(&tokens).await?;
        // The first that was asked with has one again, and the others as soon as their turn comes.
        tokio::time::sleep(Duration::from_secs(61).saturating_sub(began.elapsed())).await;
        let after = self.use_up(&tokens).await?;
        let both = before.into_iter().zip(after);
        Ok(both.map(|(before, after)| before.and(after)).collect())
    }

    /// Asks with each key until it is refused; the tallies, in the order of the keys.
    async fn use_up(&self, tokens: &Arc<Vec<String>>) -> Result<Vec<Tally>, String> {
        let next = Arc::new(AtomicUsize::new(0));
        let asking = (0..CONNECTIONS).map(|_| {
            let (caller, tokens, next) = (self.caller(), Arc::clone(tokens), Arc::clone(&next));
            tokio::spawn(async move {
                let mut tallies = Vec::new();
                loop {
                    let key = next.fetch_add(1, Ordering::Relaxed);
                    let Some(token) = tokens.get(key) else {
                        return Ok(tallies);
                    };
                    let mut all = ask(&caller, token).await?;
                    while all.refused == 0 {
                        all = all.and(ask(&caller, token).await?);
                    }
                    tallies.push((key, all));
                }
            })
        });
        let mut tallies: Vec<(usize, Tally)> =
            all(asking.collect()).await?.into_iter().flatten().collect();
        tallies.sort_by_key(|(key, _)| *key);
        Ok(tallies.into_iter().map(|(_, tally)| tally).collect())
    }
}

async fn all<T>(tasks: Vec<tokio::task::JoinHandle<Result<T, String>>>) -> Result<Vec<T>, String> {
    let mut found = Vec::new();
    for task in tasks {
        found.push(task.await.map_err(|error| error.to_string())??);
    }
    Ok(found)
}

/// One request.
async fn ask(caller: &Client, token: &str) -> Result<Tally, String> {
    let began = Instant::now();
    let answer = caller
        .send(Request::get("/r4/Patient/p1").bearer(token))
        .await?;
    let ended = Instant::now();
    match answer.status {
        200 => Ok(Tally::of(began, ended, true)),
        429 => Ok(Tally::of(began, ended, false)),
        status => Err(format!(
            "expected 200 or 429, found {status}: {}",
            answer.text()
        )),
    }
}
