//! A server of the Envoy rate limit protocol: each question is judged as the test says, and remembered.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Bytes;
use prost::Message;

use crate::grpc::{Answering, GrpcServer, framed};

/// A server on a loopback port of its own; it ends with this value, and its connections too.
pub struct RateLimitServer {
    server: GrpcServer,
    state: Arc<State>,
}

/// A question, as it came.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The path of the call.
    pub path: String,
    /// Whose rules are meant.
    pub domain: String,
    /// Keys and values of each descriptor.
    pub descriptors: Vec<Vec<(String, String)>>,
    /// What each descriptor costs, where it says so itself.
    pub own_hits: Vec<Option<u64>>,
    /// What each of the others costs.
    pub hits: u32,
}

/// What comes back.
#[derive(Clone, Debug)]
pub enum Judgement {
    /// An answer with this overall code and these statuses.
    Code(i32, Vec<Status>),
    /// The call fails with this status of gRPC.
    Failed(u32),
    /// 200, these bytes, and trailers that say that all is well.
    Bytes(Vec<u8>),
    /// The other, after a while.
    After(Duration, Box<Judgement>),
}

/// What is said of one descriptor: its code, what remains of so many in a minute, and seconds until it begins anew.
#[derive(Clone, Debug)]
pub struct Status {
    /// 1: admitted, 2: refused.
    pub code: i32,
    /// What remains.
    pub remaining: u32,
    /// Seconds until it begins anew.
    pub reset: i64,
}

type Judge = Arc<dyn Fn(&Asked) -> Judgement + Send + Sync>;

struct State {
    judge: Mutex<Judge>,
    asked: Mutex<Vec<Asked>>,
}

impl RateLimitServer {
    /// A server that admits everything, and knows no rule.
    pub async fn start() -> Self {
        Self::start_on(0).await
    }

    /// The same on this port; 0 is any that is free.
    pub async fn start_on(port: u16) -> Self {
        let state = Arc::new(State {
            judge: Mutex::new(Arc::new(|_: &Asked| Judgement::Code(1, Vec::new()))),
            asked: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let answering: Answering = Arc::new(move |path, message| {
            let state = Arc::clone(&shared);
            Box::pin(async move { state.judged(read(path, message)).await })
        });
        let server = GrpcServer::start_on(port, answering).await;
        RateLimitServer { server, state }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// From now on it judges so.
    pub fn judge(&self, judgement: Judgement) {
        self.judge_with(move |_| judgement.clone());
    }

    /// From now on it judges as the function says.
    pub fn judge_with(&self, judge: impl Fn(&Asked) -> Judgement + Send + Sync + 'static) {
        *self.state.judge.lock().expect("no judge panics") = Arc::new(judge);
    }

    /// The questions so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().expect("no judge panics").clone()
    }
}

impl State {
    async fn judged(&self, asked: Asked) -> (Vec<u8>, u32) {
        let all = self.asked.lock();
        all.expect("no judge panics").push(asked.clone());
        let judge = Arc::clone(&self.judge.lock().expect("no judge panics"));
        let mut judgement = judge(&asked);
        while let Judgement::After(time, then) = judgement {
            tokio::time::sleep(time).await;
            judgement = *then;
        }
        match judgement {
            Judgement::Code(code, statuses) => (answer(code, &statuses), 0),
            Judgement::Failed(status) => (Vec::new(), status),
            Judgement::Bytes(bytes) => (bytes, 0),
            Judgement::After(..) => unreachable!("waited for above"),
        }
    }
}

fn read(path: String, message: Option<Bytes>) -> Asked {
    let message = message.and_then(|text| Question::decode(text).ok());
    let Some(question) = message else {
        return Asked {
            path,
            ..Asked::default()
        };
    };
    let own_hits = question.descriptors.iter();
    let own_hits = own_hits.map(|one| one.hits_addend.as_ref().map(|hits| hits.value));
    let entries = |one: &Descriptor| {
        let pairs = one.entries.iter();
        pairs
            .map(|entry| (entry.key.clone(), entry.value.clone()))
            .collect()
    };
    Asked {
        path,
        domain: question.domain.clone(),
        descriptors: question.descriptors.iter().map(entries).collect(),
        own_hits: own_hits.collect(),
        hits: question.hits_addend,
    }
}

fn answer(code: i32, statuses: &[Status]) -> Vec<u8> {
    let status = |own: &Status| Told {
        code: own.code,
        current_limit: Some(Limit {
            requests_per_unit: 60,
            unit: 2,
        }),
        limit_remaining: own.remaining,
        duration_until_reset: Some(Seconds { seconds: own.reset }),
    };
    framed(&Answer {
        overall_code: code,
        statuses: statuses.iter().map(status).collect(),
    })
}

#[derive(Clone, PartialEq, Message)]
struct Question {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(message, repeated, tag = "2")]
    descriptors: Vec<Descriptor>,
    #[prost(uint32, tag = "3")]
    hits_addend: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Descriptor {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Entry>,
    #[prost(message, optional, tag = "3")]
    hits_addend: Option<Hits>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Hits {
    #[prost(uint64, tag = "1")]
    value: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(int32, tag = "1")]
    overall_code: i32,
    #[prost(message, repeated, tag = "2")]
    statuses: Vec<Told>,
}

#[derive(Clone, PartialEq, Message)]
struct Told {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(message, optional, tag = "2")]
    current_limit: Option<Limit>,
    #[prost(uint32, tag = "3")]
    limit_remaining: u32,
    #[prost(message, optional, tag = "4")]
    duration_until_reset: Option<Seconds>,
}

#[derive(Clone, PartialEq, Message)]
struct Limit {
    #[prost(uint32, tag = "1")]
    requests_per_unit: u32,
    #[prost(int32, tag = "2")]
    unit: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Seconds {
    #[prost(int64, tag = "1")]
    seconds: i64,
}
