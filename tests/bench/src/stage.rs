//! Everything that runs: one Envoy for each variant, one upstream behind them all.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fhir_guard_harness::envoy::{Envoy, Manifest, Spec};
use fhir_guard_harness::pki::{ClientCertificate, Pki};
use fhir_guard_harness::tokens::{Algorithm, Claims, Issuer, now};
use hyper::Uri;
use hyper::header::HeaderValue;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::case::{CLIENTS, Case, IN_FLIGHT, Tokens};
use crate::data::{self, Documents};
use crate::load::Load;
use crate::process::{self, Cores, Processor};
use crate::sink::Sink;
use crate::upstream;
use crate::variant::{Beside, Variant};

/// The external base, and that of the upstream as the shipped manifest has it.
const BASE: &str = "https://fhir.example.org/r4";
const UPSTREAM_BASE: &str = "http://fhir.internal/fhir";

/// A caller: its certificate, and its tokens as header values.
pub type Caller = (ClientCertificate, Vec<HeaderValue>);

/// The running deployment.
pub struct Stage {
    /// What the upstream answers.
    pub documents: Documents,
    /// The repository of audit records.
    pub sink: Sink,
    pki: Pki,
    issuer: Issuer,
    envoys: Vec<(Variant, Envoy)>,
    processor: Processor,
    configurations: Vec<(Variant, Value)>,
    cores: Cores,
    // Until the end: the Envoys read their files from it.
    _directory: TempDir,
    tokens_made: u64,
}

impl Stage {
    /// Starts the upstream and every Envoy.
    pub async fn start(cores: Cores, modules: &Modules) -> Result<Stage, String> {
        let pki = Pki::new();
        for number in 0..CLIENTS {
            pki.client(&client(number));
        }
        let issuer = Issuer::new("https://as.example.org");
        let (listener, address) = upstream::bind().await?;
        let documents = data::documents(UPSTREAM_BASE).await?;
        upstream::serve(listener, &documents);
        let directory = tempfile::tempdir()
            .map_err(|error| format!("cannot make a temporary directory: {error}"))?;
        pki.write_to(&directory.path().join("tls"))?;
        modules.copy_to(directory.path())?;
        let processor = Processor::start(&modules.processor)?;
        let sink = Sink::start().await?;
        let beside = Beside {
            processor: processor.address(),
            sink: sink.address(),
        };
        let jwks = json!({ "keys": [
            issuer.jwk(Algorithm::Es256), issuer.jwk(Algorithm::Rs256),
        ] });
        let mut stage = Stage {
            documents,
            sink,
            pki,
            issuer,
            envoys: Vec::new(),
            processor,
            configurations: Vec::new(),
            cores,
            _directory: directory,
            tokens_made: 0,
        };
        for variant in Variant::ALL {
            let directory = stage._directory.path();
            let manifest = Manifest::load(root().join("envoy/envoy.yaml"))?
                .port("secure", 0)
                .port("open", 0)
                .admin_port(0)
                .upstream("127.0.0.1", address.port())
                .local_only();
            let config = variant
                .apply(manifest, directory, &jwks, beside)
                .files("/etc/fhir-guard/", directory)
                .build()?;
            stage.configurations.push((variant, config.clone()));
            let (envoy, _) = stage.launch(config).await?;
            stage.envoys.push((variant, envoy));
        }
        Ok(stage)
    }

    /// Gives the Envoys one core and this process another.
    pub fn bind(&self) -> Result<(), String> {
        for (_, envoy) in &self.envoys {
            self.cores.bind_envoy(envoy.pid())?;
        }
        self.cores.bind_envoy(self.processor.pid())?;
        self.cores.bind_generator()
    }

    /// How long another Envoy of this variant takes until it is ready.
    pub async fn start_time(&self, variant: Variant) -> Result<Duration, String> {
        let found = self.configurations.iter().find(|(own, _)| *own == variant);
        let (_, config) = found.ok_or("no such variant")?;
        self.launch(config.clone()).await.map(|(_, took)| took)
    }

    /// The Envoy of a variant.
    pub fn envoy(&self, variant: Variant) -> Result<&Envoy, String> {
        let found = self.envoys.iter().find(|(own, _)| *own == variant);
        found.map(|(_, envoy)| envoy).ok_or("no such Envoy".into())
    }

    /// The CPU time so far of all processes that a variant is made of.
    pub fn cpu_time(&self, variant: Variant) -> Result<Duration, String> {
        let own = process::cpu_time(self.envoy(variant)?.pid())?;
        Ok(match variant {
            Variant::External => own + process::cpu_time(self.processor.pid())?,
            _ => own,
        })
    }

    /// The access log of a variant.
    pub fn log(&self, variant: Variant) -> Result<PathBuf, String> {
        Ok(self.envoy(variant)?.directory().join("audit.log"))
    }

    /// The callers of a case, with tokens that no Envoy has seen yet: enough for this many requests.
    pub fn callers(&mut self, case: &Case, requests: usize) -> Result<Vec<Caller>, String> {
        let (algorithm, each) = match case.tokens {
            Tokens::Repeated => (Algorithm::Es256, 1),
            // The lanes of the closed loop are not served evenly.
            Tokens::New(algorithm) => (algorithm, requests / case.clients + 4 * IN_FLIGHT),
        };
        let mut callers = Vec::with_capacity(case.clients);
        for number in 0..case.clients {
            let certificate = self.pki.client(&client(number));
            let mut tokens = Vec::with_capacity(each);
            for _ in 0..each {
                self.tokens_made += 1;
                let claims = Claims::new(now())
                    .audience(BASE)
                    .algorithm(algorithm)
                    .client_id(&client(number))
                    .bound_to(&certificate)
                    .scope(case.scope())
                    .jti(&format!("bench-{}", self.tokens_made))
                    .expires_at(now() + 3600);
                let token = format!("Bearer {}", self.issuer.token(&claims));
                tokens.push(HeaderValue::try_from(token).map_err(|error| error.to_string())?);
            }
            callers.push((certificate, tokens));
        }
        Ok(callers)
    }

    /// Connects the callers of a case to a variant.
    pub async fn connect(
        &self,
        variant: Variant,
        case: &Case,
        callers: &[Caller],
    ) -> Result<Load, String> {
        let uri = format!("{BASE}{}", case.document.path());
        let uri: Uri = uri.parse().map_err(|error| format!("{uri}: {error}"))?;
        let address = self.envoy(variant)?.address("secure");
        Load::connect(&self.pki, address, &uri, callers).await
    }

    async fn launch(&self, config: Value) -> Result<(Envoy, Duration), String> {
        let began = Instant::now();
        let spec = Spec {
            concurrency: 1,
            ..Spec::new(config)
        };
        let envoy = Envoy::start(spec).await?;
        Ok((envoy, began.elapsed()))
    }
}

/// The two modules of the run, and the external processor.
pub struct Modules {
    guard: PathBuf,
    floor: PathBuf,
    processor: PathBuf,
}

impl Modules {
    /// The release module, the one that only shows the platform's floor, and the processor.
    ///
    /// # Errors
    /// Which is missing, and how it is built.
    pub fn find() -> Result<Modules, String> {
        let find = |variable: &str, file: &str| {
            let path = std::env::var_os(variable)
                .map_or_else(|| root().join("dist").join(file), PathBuf::from);
            match path.is_file() {
                true => Ok(path),
                false => Err(format!("nothing at {}: run `make bench`", path.display())),
            }
        };
        Ok(Modules {
            guard: find("FHIR_GUARD_WASM", "fhir_guard.wasm")?,
            floor: find("FHIR_GUARD_FLOOR_WASM", "bench_filter.wasm")?,
            processor: find("FHIR_GUARD_BENCH_PROCESSOR", "bench_processor")?,
        })
    }

    /// The size of the filter in bytes.
    pub fn size(&self) -> Result<u64, String> {
        let metadata = std::fs::metadata(&self.guard);
        let metadata = metadata.map_err(|error| format!("{}: {error}", self.guard.display()))?;
        Ok(metadata.len())
    }

    fn copy_to(&self, directory: &Path) -> Result<(), String> {
        for (from, to) in [
            (&self.guard, "fhir_guard.wasm"),
            (&self.floor, "floor.wasm"),
        ] {
            std::fs::copy(from, directory.join(to))
                .map_err(|error| format!("cannot copy {}: {error}", from.display()))?;
        }
        Ok(())
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn client(number: usize) -> String {
    format!("clinic-{number}")
}
