//! Honest logs, as several workers write them with the filter's own code: concurrent exchanges, workers that end, and
//! workers that die.

use std::collections::HashMap;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir_guard::audit::{Chain, ChainPolicy, Outcome, Publishing, Record, Ticket};
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

struct Worker {
    chain: Chain,
    number: usize,
    seq: u64,
    under_way: Vec<(u64, Record)>,
}

/// A log of this many records. The ends of chains stand in it, as if the proxy's own log were the same file.
pub fn log(records: usize, every: u32, signed: bool, random: &mut Random) -> Vec<Line> {
    let mut shared: HashMap<String, (Vec<u8>, u32)> = HashMap::new();
    let (mut lines, mut chains, mut written) = (Vec::new(), 0, 0);
    let mut workers: Vec<Worker> = (0..3)
        .map(|_| worker(every, signed, &mut chains, random))
        .collect();
    let mut now = 1_770_000_000_000_000_000;
    while written < records {
        now += 1_000_000 * (1 + random.next() % 40);
        let place = random.below(workers.len());
        let worker = &mut workers[place];
        match random.below(1000) {
            0 => {
                while let Some(exchange) = worker.under_way.pop() {
                    keep(worker, Some(exchange), now, &mut shared, &mut lines, random);
                    written += 1;
                }
                let fresh = self::worker(every, signed, &mut chains, random);
                end(
                    std::mem::replace(&mut workers[place], fresh),
                    now,
                    &mut shared,
                    &mut lines,
                );
            }
            1 => {
                let fresh = self::worker(every, signed, &mut chains, random);
                die(std::mem::replace(&mut workers[place], fresh), &mut lines);
            }
            2..400 if worker.under_way.len() < 8 => {
                let ticket = worker.chain.ticket();
                worker.under_way.push((ticket, record(random, now)));
            }
            _ => {
                let exchange = match worker.under_way.len() {
                    0 => None,
                    many => Some(worker.under_way.swap_remove(random.below(many))),
                };
                keep(worker, exchange, now, &mut shared, &mut lines, random);
                written += 1;
            }
        }
    }
    for mut worker in workers {
        while let Some(exchange) = worker.under_way.pop() {
            keep(
                &mut worker,
                Some(exchange),
                now,
                &mut shared,
                &mut lines,
                random,
            );
        }
        end(worker, now, &mut shared, &mut lines);
    }
    lines
}

fn worker(every: u32, signed: bool, chains: &mut usize, random: &mut Random) -> Worker {
    let der = STANDARD.decode(KEY).expect("base64");
    let signer = Signer::read(&der, KEY_ID.into()).map(Rc::new);
    let policy = ChainPolicy {
        signer: signer.filter(|_| signed),
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
        interaction: Some("read"),
        resource_type: Some("Patient"),
        refs: vec![format!("Patient/{id}")],
        passed: 1,
        limits: vec![("per-client".to_owned(), 17)],
        ..Record::default()
    }
}

fn keep(
    worker: &mut Worker,
    exchange: Option<(u64, Record)>,
    now: u64,
    shared: &mut HashMap<String, (Vec<u8>, u32)>,
    lines: &mut Vec<Line>,
    random: &mut Random,
) {
    let (ticket, record) = match exchange {
        Some((ticket, record)) => (Some(ticket), record),
        None => (None, record(random, now)),
    };
    let chain = &mut worker.chain;
    let others = chain.publishing(now).and_then(|work| share(work, shared));
    let sealed = chain.seal(
        record.line(now + 5_000_000),
        ticket.map(Ticket::Given),
        others,
        now,
    );
    worker.seq += 1;
    lines.push(Line {
        text: sealed.line.clone(),
        chain: worker.number,
        seq: Some(worker.seq),
        last_words: false,
    });
    chain.commit(sealed);
}

fn end(
    mut worker: Worker,
    now: u64,
    shared: &mut HashMap<String, (Vec<u8>, u32)>,
    lines: &mut Vec<Line>,
) {
    if let Some((text, work)) = worker.chain.end(now) {
        share(work, shared);
        lines.push(Line {
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
