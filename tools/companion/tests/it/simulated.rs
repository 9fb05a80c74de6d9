//! Honest logs, as several workers write them with the filter's own code: concurrent exchanges, workers that end, and
//! workers that die.

use std::collections::HashMap;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir_guard::audit::{
    Chain, ChainPolicy, Concerned, Format, Outcome, Publishing, Record, Ticket, event,
};
use fhir_guard::response::Signer;
use fhir_guard::shared::{Answer, Step, Work as _};

/// An Ed25519 key, as openssl writes it, and its public half.
const KEY: &str = "MC4CAQAwBQYDK2VwBCIEIPhKIBuDQZ719C1mcc8/lbJFdq18kNZ+Yvz/TA4EMdRd";

/// The name of the key.
pub const KEY_ID: &str = "audit-1";

/// The public key, as a JWK set.
pub fn jwks() -> String {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let der = STANDARD.decode(KEY).expect("base64");
    let seed = ed25519_compact::Seed::from_slice(&der[16..]).expect("a seed");
    let public = ed25519_compact::KeyPair::from_seed(seed).pk;
    let x = URL_SAFE_NO_PAD.encode(*public);
    format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{KEY_ID}","x":"{x}"}}]}}"#)
}

/// What signs with the key.
pub fn signer() -> Rc<Signer> {
    let der = STANDARD.decode(KEY).expect("base64");
    Signer::read(&der, KEY_ID.into())
        .map(Rc::new)
        .expect("a key")
}

/// Numbers that a seed repeats (xorshift64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).expect("small")).expect("small")
    }
}

/// A line, and what stands in it.
#[derive(Clone, Debug)]
pub struct Line {
    pub text: String,
    /// Its chain and its number there; no number for an early copy.
    pub chain: usize,
    pub seq: Option<u64>,
    /// Nothing vouches for it: the last one of a worker that died.
    pub last_words: bool,
}

/// What a repository was told: the line, the chain and the ticket of each.
pub type Repository = Vec<(String, usize, u64)>;

/// What a worker is configured to.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Strict {
    /// It has no repository.
    No,
    /// Another repository is told, of which nothing is known here.
    Elsewhere,
    /// This one is.
    Here(Format),
}

struct Worker {
    chain: Chain,
    number: usize,
    seq: u64,
    under_way: Vec<(u64, Record)>,
    strict: Strict,
}

/// Where workers write.
struct Sinks {
    shared: HashMap<String, (Vec<u8>, u32)>,
    lines: Vec<Line>,
    repository: Repository,
}

/// A log of this many records. The ends of chains stand in it, as if the proxy's own log were the same file.
pub fn log(records: usize, every: u32, signed: bool, random: &mut Random) -> Vec<Line> {
    logs(records, every, signed, &|_| Strict::No, random).0
}

/// The same, and what the repository has of the chains that are strict, by their numbers: intents, and events of what
/// became of them.
pub fn logs(
    records: usize,
    every: u32,
    signed: bool,
    strict: &dyn Fn(usize) -> Strict,
    random: &mut Random,
) -> (Vec<Line>, Repository) {
    let mut sinks = Sinks {
        shared: HashMap::new(),
        lines: Vec::new(),
        repository: Vec::new(),
    };
    let (mut chains, mut written) = (0, 0);
    let worker = |chains: &mut usize, random: &mut Random| {
        let own = worker(every, signed, chains, random);
        let strict = strict(own.number);
        Worker { strict, ..own }
    };
    let mut workers: Vec<Worker> = (0..3).map(|_| worker(&mut chains, random)).collect();
    let mut now = 1_770_000_000_000_000_000;
    while written < records {
        now += 1_000_000 * (1 + random.next() % 40);
        let place = random.below(workers.len());
        let own = &mut workers[place];
        match random.below(1000) {
            0 => {
                while let Some(exchange) = own.under_way.pop() {
                    keep(own, Some(exchange), now, &mut sinks, random);
                    written += 1;
                }
                let fresh = worker(&mut chains, random);
                end(
                    std::mem::replace(&mut workers[place], fresh),
                    now,
                    &mut sinks,
                );
            }
            1 => {
                let fresh = worker(&mut chains, random);
                let dead = std::mem::replace(&mut workers[place], fresh);
                die(dead, &mut sinks.lines);
            }
            2..400 if own.under_way.len() < 8 => {
                let ticket = own.chain.ticket();
                let mut record = record(random, now);
                record.place = Some(own.chain.place(ticket));
                announce(own, ticket, &record, &mut sinks.repository);
                own.under_way.push((ticket, record));
            }
            _ => {
                let exchange = match own.under_way.len() {
                    0 => None,
                    many => Some(own.under_way.swap_remove(random.below(many))),
                };
                keep(own, exchange, now, &mut sinks, random);
                written += 1;
            }
        }
    }
    for mut worker in workers {
        while let Some(exchange) = worker.under_way.pop() {
            keep(&mut worker, Some(exchange), now, &mut sinks, random);
        }
        end(worker, now, &mut sinks);
    }
    (sinks.lines, sinks.repository)
}

fn announce(own: &Worker, ticket: u64, record: &Record, repository: &mut Repository) {
    let Strict::Here(format) = own.strict else {
        return;
    };
    let told = match format {
        Format::Events => events(record, Outcome::Announced, 0, record.began),
        Format::Records => {
            let line = record.line_of(Outcome::Announced, 0, record.began);
            vec![own.chain.place(ticket).intent(line)]
        }
    };
    repository.extend(told.into_iter().map(|text| (text, own.number, ticket)));
}

/// The events of an exchange, a line each.
pub fn events(record: &Record, outcome: Outcome, status: u16, now: u64) -> Vec<String> {
    let events = event::events(record, outcome, status, now);
    events.iter().map(ToString::to_string).collect()
}

fn worker(every: u32, signed: bool, chains: &mut usize, random: &mut Random) -> Worker {
    let policy = ChainPolicy {
        signer: signed.then(signer),
        records: every,
        time: 60_000_000_000,
    };
    let mut id = [0; 16];
    id[..8].copy_from_slice(&random.next().to_be_bytes());
    id[8..].copy_from_slice(&random.next().to_be_bytes());
    *chains += 1;
    Worker {
        chain: Chain::new(policy, id),
        number: *chains,
        seq: 0,
        under_way: Vec::new(),
        strict: Strict::No,
    }
}

fn record(random: &mut Random, now: u64) -> Record {
    let id = random.next() % 500;
    Record {
        began: now,
        request_id: format!("{:016x}-{id}", random.next()),
        trace: Some(format!(
            "00-{:032x}-{:016x}-01",
            random.next(),
            random.next()
        )),
        status: 200,
        outcome: Outcome::Allowed,
        rule: "scope:patient/*.rs".to_owned(),
        issuer: Some("https://as.example.org".to_owned()),
        client: Some("clinic-a".to_owned()),
        subject: Some(format!("user-\"{id}\",\"chain\":{{")),
        certificate: Some(format!("{:064x}", random.next())),
        // A search leaves an event for each patient.
        interaction: Some(["read", "search-type"][usize::from(id.is_multiple_of(4))]),
        resource_type: Some("Patient"),
        refs: vec![format!("Patient/{id}")],
        concerned: Concerned {
            patients: vec![format!("Patient/{id}"), "Patient/next".to_owned()],
            more: 0,
        },
        passed: 1,
        limits: vec![("per-client".to_owned(), 17)],
        ..Record::default()
    }
}

fn keep(
    worker: &mut Worker,
    exchange: Option<(u64, Record)>,
    now: u64,
    sinks: &mut Sinks,
    random: &mut Random,
) {
    let (ticket, record) = match exchange {
        Some((ticket, record)) => (Some(ticket), record),
        None => (None, record(random, now)),
    };
    let chain = &mut worker.chain;
    let shared = &mut sinks.shared;
    let others = chain.publishing(now).and_then(|work| share(work, shared));
    let of = match worker.strict {
        Strict::No => Ticket::Given,
        _ => Ticket::Announced,
    };
    let sealed = chain.seal(record.line(now + 5_000_000), ticket.map(of), others, now);
    worker.seq += 1;
    if let (Strict::Here(Format::Events), Some(ticket)) = (worker.strict, ticket) {
        let told = events(&record, Outcome::Allowed, 200, now).into_iter();
        let told = told.map(|text| (text, worker.number, ticket));
        sinks.repository.extend(told);
    }
    sinks.lines.push(Line {
        text: sealed.line.clone(),
        chain: worker.number,
        seq: Some(worker.seq),
        last_words: false,
    });
    chain.commit(sealed);
}

fn end(mut worker: Worker, now: u64, sinks: &mut Sinks) {
    if let Some((text, work)) = worker.chain.end(now) {
        share(work, &mut sinks.shared);
        sinks.lines.push(Line {
            text,
            chain: worker.number,
            seq: Some(worker.seq + 1),
            last_words: false,
        });
    }
}

/// What is under way has its early copies printed, and nothing else.
fn die(worker: Worker, lines: &mut Vec<Line>) {
    let mut own = lines.iter_mut().rev();
    if let Some(last) = own.find(|line| line.chain == worker.number && line.seq.is_some()) {
        last.last_words = !last.text.contains("\"sig\":");
    }
    for (ticket, record) in worker.under_way {
        let text = record.line_of(Outcome::Forwarded, 0, record.began);
        lines.push(Line {
            text: worker.chain.early(text, ticket),
            chain: worker.number,
            seq: None,
            last_words: true,
        });
    }
}

fn share(
    mut work: Publishing,
    shared: &mut HashMap<String, (Vec<u8>, u32)>,
) -> Option<Vec<fhir_guard::audit::Head>> {
    loop {
        let answer = match work.step() {
            Step::Read { key } => Answer::Value {
                bytes: shared.get(key).map(|(bytes, _)| bytes.clone()),
                version: shared.get(key).map(|(_, version)| *version),
            },
            Step::Write { key, value, .. } => {
                let version = shared.get(key).map_or(1, |(_, version)| version + 1);
                shared.insert(key.to_owned(), (value.to_vec(), version));
                Answer::Written
            }
            Step::Done(others) => return others,
        };
        work.answer(answer);
    }
}
