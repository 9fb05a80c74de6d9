//! The core by itself, natively: `cargo bench`. What it costs inside Envoy is another question,
//! which `make bench` answers; these tell where in the core a change made a difference.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot begin has nothing better to do than to stop"
)]

use std::collections::HashMap;
use std::hint::black_box;
use std::rc::Rc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fhir_guard::access::Granted;
use fhir_guard::audit::{Outcome, Record};
use fhir_guard::cel::{self, Condition, Environment, Facts, Timestamp, Type, Value, Variable};
use fhir_guard::config::{self, Policy};
use fhir_guard::exchange::{Exchange, Guard, Step};
use fhir_guard::fhir::ResourceType;
use fhir_guard::identity::{
    self, ConnectionAttributes, HostAlgorithms, KeyRing, Scopes, TokenCache,
};
use fhir_guard::json::{Document, Limits};
use fhir_guard::limit::{self, Caller, Charging, Verdict};
use fhir_guard::request::{Request, RequestHead};
use fhir_guard::response::{self, Action, BundleKind, Cover, Expected, Redaction, Screen};
use fhir_guard::shared::{Answer, Step as Charge, Work as _};
use fhir_guard::wire::{self, Pair};
use fhir_guard_harness::pki::{ClientCertificate, Pki};
use fhir_guard_harness::tokens::{Algorithm, Claims, Issuer};
use serde_json::json;

/// The time of every bench, in seconds since 1970.
const NOW: u64 = 1_800_000_000;
const BASE: &str = "https://fhir.example.org/r4";

criterion_group!(
    benches, lexer, screen, token, scopes, request, condition, limit, record
);
criterion_main!(benches);

fn lexer(criterion: &mut Criterion) {
    let text = bundle(100);
    let mut group = criterion.benchmark_group("json");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("syntax", |bencher| {
        bencher.iter(|| Document::parse_syntax(black_box(&text), &Limits::default()).unwrap());
    });
    group.bench_function("strict", |bencher| {
        bencher.iter(|| Document::parse(black_box(&text), &Limits::default()).unwrap());
    });
    group.finish();
}

fn screen(criterion: &mut Criterion) {
    let text = bundle(1000);
    let mut group = criterion.benchmark_group("screen");
    group.throughput(Throughput::Bytes(text.len() as u64));
    for (name, hidden) in [
        ("rules that touch nothing", "Patient"),
        ("typical rules", "Observation"),
    ] {
        let cover = Rc::new(cover(hidden));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut screen = Screen::new(Rc::clone(&cover), response::Limits::default());
                let mut left = 0;
                // As large as the pieces in which Envoy hands over an answer.
                for piece in text.chunks(64 << 10) {
                    screen.push(piece).unwrap();
                    left += screen.take().len();
                }
                screen.finish().unwrap();
                left + screen.take().len()
            });
        });
    }
    group.finish();
}

fn token(criterion: &mut Criterion) {
    let world = World::new();
    let policy = world.policy();
    let (nobody, keys) = (HostAlgorithms::default(), KeyRing::new(&policy.issuers));
    let mut group = criterion.benchmark_group("token");
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let text = world.token(algorithm);
        group.bench_function(format!("verify {}", algorithm.name()), |bencher| {
            bencher.iter(|| {
                let (issuers, base) = (&policy.issuers, &policy.fhir.base);
                identity::verify(black_box(&text), issuers, &keys, base, NOW, &nobody).unwrap()
            });
        });
    }
    let text = world.token(Algorithm::Es256);
    group.bench_function("key of the cache", |bencher| {
        bencher.iter(|| TokenCache::key(black_box(&text)));
    });
    group.finish();
}

/// Granular scopes: read once for a token, held against every resource.
fn scopes(criterion: &mut Criterion) {
    let category = "http://terminology.hl7.org/CodeSystem/observation-category";
    let plain = [
        "patient/Patient.r",
        "patient/Condition.rs",
        "launch/patient",
    ];
    let granular = ["laboratory", "vital-signs", "survey", "social-history"]
        .map(|code| format!("patient/Observation.rs?category={category}|{code}"));
    let texts: Vec<String> = plain
        .map(str::to_owned)
        .into_iter()
        .chain(granular)
        .collect();
    let mut group = criterion.benchmark_group("scopes");
    group.bench_function("read a token's", |bencher| {
        bencher.iter(|| Scopes::read(black_box(texts.clone())));
    });
    let scopes = Scopes::read(texts.clone());
    let scopes = scopes.data().filter(|scope| scope.is_granular());
    let granted = Granted::Matching(scopes.cloned().collect());
    let observation = format!(
        r#"{{"resourceType":"Observation","id":"o1","status":"final","category":[{{"coding":[{{"system":"{category}","code":"social-history"}}]}}]}}"#
    );
    let document = Document::parse(observation.as_bytes(), &Limits::default()).unwrap();
    group.bench_function("match a resource", |bencher| {
        bencher.iter(|| granted.covers(black_box(document.root())));
    });
    group.finish();
}

fn request(criterion: &mut Criterion) {
    let world = World::new();
    let policy = world.policy();
    let mut guard = Guard::new(world.policy(), HostAlgorithms::default());
    let head = world.head();
    let map = wire::encode(&head).unwrap();
    let attributes = world.attributes();
    let mut group = criterion.benchmark_group("request");
    group.bench_function("header map", |bencher| {
        bencher.iter(|| wire::view(black_box(&map)).unwrap());
    });
    group.bench_function("parse", |bencher| {
        bencher.iter(|| {
            let (_, parsed) = RequestHead::parse(black_box(&head));
            Request::parse(&parsed.unwrap(), &policy.fhir).unwrap()
        });
    });
    group.bench_function("decide, remembered token", |bencher| {
        bencher.iter(|| {
            let mut exchange = Exchange::default();
            let pairs = black_box(&head);
            let now = NOW * 1_000_000_000;
            let step = exchange.request_headers(&mut guard, pairs, &attributes, now, true);
            assert!(step == Step::Charge);
            exchange
        });
    });
    group.finish();
}

/// The values of a request, as far as the conditions here are about them.
struct Known {
    roles: Vec<String>,
    claims: serde_json::Value,
}

impl Facts for Known {
    fn value(&self, variable: usize) -> Option<Value<'_>> {
        match variable {
            0 => Some(Value::Strings(&self.roles)),
            1 => Some(Value::of(&self.claims)),
            2 => Some(Value::Ip([10, 1, 2, 3].into())),
            3 => Timestamp::from_nanoseconds(i128::from(NOW) * 1_000_000_000).map(Value::Timestamp),
            _ => Some(Value::String("north")),
        }
    }
}

fn condition(criterion: &mut Criterion) {
    let variables = [
        ("principal.roles", Type::Strings),
        ("token.claims", Type::Map),
        ("source.address", Type::Ip),
        ("request.time", Type::Timestamp),
        ("principal.tenant", Type::String),
    ]
    .map(|(name, kind)| Variable {
        name,
        kind,
        words: Vec::new(),
    });
    let zone = cel::Zone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let environment = Environment {
        variables: &variables,
        zones: Some(&[("Europe/Berlin".to_owned(), zone)]),
    };
    let known = Known {
        roles: ["nurse", "physician"].map(str::to_owned).to_vec(),
        claims: json!({"unit": "icu", "level": 3}),
    };
    let mut group = criterion.benchmark_group("condition");
    for (name, text) in [
        ("role", "'physician' in principal.roles"),
        (
            "role, tenant, claim and network",
            "'physician' in principal.roles && principal.tenant == 'north' && has(token.claims.unit) \
             && token.claims.unit in ['er', 'icu'] && cidr('10.0.0.0/8').containsIP(source.address)",
        ),
        (
            "office hours",
            "request.time.getDayOfWeek('Europe/Berlin') in [0, 6] || \
             request.time.getHours('Europe/Berlin') < 8 || request.time.getHours('Europe/Berlin') >= 18",
        ),
    ] {
        let condition = Condition::read(text, &environment).unwrap();
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(&condition).holds(&known))
        });
    }
    group.bench_function("read", |bencher| {
        let text = "'physician' in principal.roles && principal.tenant == 'north'";
        bencher.iter(|| Condition::read(black_box(text), &environment));
    });
    group.finish();
}

fn limit(criterion: &mut Criterion) {
    let policy = World::new().policy();
    let caller = Caller {
        client: Some("clinic-a"),
        ..Caller::default()
    };
    let mut shared = HashMap::new();
    let mut now = NOW * 1_000_000_000;
    criterion.bench_function("limit/charge one", |bencher| {
        bencher.iter(|| {
            now += 1_000_000_000;
            let charges = policy.limits.iter().map(|limit| limit::Charge {
                limit,
                caller,
                count: 1,
                priority: false,
            });
            let mut charging = Charging::new(charges, now);
            assert!(charge(&mut charging, &mut shared).allowed);
        });
    });
}

fn record(criterion: &mut Criterion) {
    let text = |text: &str| Some(text.to_owned());
    let record = Record {
        began: NOW * 1_000_000_000,
        request_id: "6c1b6f3e-7c43-4a2b-9a67-0f2a35e1f0aa".to_owned(),
        outcome: Outcome::Allowed,
        status: 200,
        rule: "scope:patient/*.rs".to_owned(),
        tenant: text("clinic-a"),
        issuer: text("https://as.example.org"),
        client: text("clinic-a"),
        subject: text("practitioner-1"),
        certificate: Some("0f".repeat(32)),
        interaction: Some("read"),
        resource_type: Some("Patient"),
        refs: vec!["Patient/p1".to_owned()],
        passed: 1,
        redacted: 1,
        limits: vec![("per-client".to_owned(), 99)],
        ..Record::default()
    };
    criterion.bench_function("audit/line", |bencher| {
        bencher.iter(|| black_box(&record).line(NOW * 1_000_000_000 + 700_000));
    });
}

/// A deployment with one issuer and one client.
struct World {
    issuer: Issuer,
    certificate: ClientCertificate,
}

impl World {
    fn new() -> World {
        World {
            issuer: Issuer::new("https://as.example.org"),
            certificate: Pki::new().client("clinic-a"),
        }
    }

    fn policy(&self) -> Policy {
        let keys = [Algorithm::Es256, Algorithm::Rs256].map(|algorithm| self.issuer.jwk(algorithm));
        let policy = json!({
            "fhir": {"base": BASE, "upstream": {"cluster": "fhir", "base": "http://fhir/base"}},
            "issuers": [{
                "issuer": self.issuer.name(),
                "audiences": [BASE],
                "algorithms": ["ES256", "RS256"],
                "keys": {"inline": {"keys": keys}},
            }],
            "limits": [{"name": "per-client", "key": ["client"], "rate": "50/s", "burst": 100}],
            "audit": {"observer": "fhir.example.org"},
        });
        config::read(policy.to_string().as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    fn token(&self, algorithm: Algorithm) -> String {
        let claims = Claims::new(NOW)
            .audience(BASE)
            .algorithm(algorithm)
            .bound_to(&self.certificate);
        self.issuer.token(&claims)
    }

    fn head(&self) -> Vec<Pair> {
        let token = format!("Bearer {}", self.token(Algorithm::Es256));
        [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "fhir.example.org"),
            (":path", "/r4/Patient/p1"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "https"),
            ("x-request-id", "6c1b6f3e-7c43-4a2b-9a67-0f2a35e1f0aa"),
            ("authorization", token.as_str()),
        ]
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .to_vec()
    }

    fn attributes(&self) -> ConnectionAttributes {
        ConnectionAttributes {
            mtls: Some(vec![1]),
            digest: Some(self.certificate.thumbprint_hex.clone().into_bytes()),
            validated: Some(vec![1]),
            ..Default::default()
        }
    }
}

fn charge(charging: &mut Charging, shared: &mut HashMap<String, (Vec<u8>, u32)>) -> Verdict {
    loop {
        let answer = match charging.step() {
            Charge::Done(verdict) => return verdict,
            Charge::Read { key } => {
                let found = shared.get(key);
                Answer::Value {
                    bytes: found.map(|(bytes, _)| bytes.clone()),
                    version: found.map(|(_, version)| *version),
                }
            }
            Charge::Write {
                key,
                value,
                version,
            } => {
                let next = version.unwrap_or(0) + 1;
                shared.insert(key.to_owned(), (value.to_vec(), next));
                Answer::Written
            }
        };
        charging.answer(answer);
    }
}

/// What the screen enforces on a search for Observations of p1, with a rule for this type.
fn cover(hidden: &str) -> Cover {
    let elements = ["note", "performer", "interpretation"].map(str::to_owned);
    let resource_type = ResourceType::parse(hidden).unwrap();
    let redaction = Redaction::new(
        "details".to_owned(),
        resource_type,
        &elements,
        Action::Remove,
    )
    .unwrap();
    Cover {
        expected: Expected::Bundle {
            kind: BundleKind::Searchset,
            resource_type: ResourceType::parse("Observation").unwrap(),
            id: None,
        },
        patient: Some("p1".to_owned()),
        practitioner: None,
        consent: None,
        compartment: Default::default(),
        granted: Granted::All,
        others: Vec::new(),
        total: false,
        base: BASE.to_owned(),
        redactions: vec![Rc::new(redaction)],
        egress: Vec::new(),
        watermark: None,
        self_link: format!("{BASE}/Observation?patient=Patient/p1"),
        links: Rc::new(|_| None),
    }
}

/// A searchset Bundle of this many Observations, about 1.2 kB each.
fn bundle(observations: usize) -> Vec<u8> {
    let entry = |number: usize| {
        json!({
            "fullUrl": format!("http://fhir/base/Observation/o-{number}"),
            "resource": {
                "resourceType": "Observation",
                "id": format!("o-{number}"),
                "meta": {"versionId": "1", "lastUpdated": "2025-03-04T02:11:00.000Z"},
                "text": {
                    "status": "generated",
                    "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">Glucose of Ada Lindqvist</div>",
                },
                "status": "final",
                "category": [{"coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                    "code": "laboratory",
                    "display": "Laboratory",
                }]}],
                "code": {
                    "coding": [{
                        "system": "http://loinc.org", "code": "2339-0", "display": "Glucose",
                    }],
                    "text": "Glucose",
                },
                "subject": {"reference": "Patient/p1", "display": "Ada Lindqvist"},
                "encounter": {"reference": "Encounter/e-p1-1"},
                "effectiveDateTime": "2025-03-04T08:30:00+01:00",
                "issued": "2025-03-04T09:10:00.000+01:00",
                "performer": [{"reference": "Practitioner/practitioner-1"}],
                "valueQuantity": {
                    "value": 98.0, "unit": "mg/dL",
                    "system": "http://unitsofmeasure.org", "code": "mg/dL",
                },
                "note": [{"text": "Taken while fasting, the second sample of the day."}],
                "referenceRange": [{"low": {"value": 70}, "high": {"value": 99}}],
            },
            "search": {"mode": "match"},
        })
    };
    let entries: Vec<_> = (0..observations).map(entry).collect();
    format!(
        r#"{{"resourceType":"Bundle","type":"searchset","entry":{}}}"#,
        json!(entries)
    )
    .into_bytes()
}
