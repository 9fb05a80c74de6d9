//! What is asked, what is made of answers, and when nobody asks.

use std::net::IpAddr;

use super::super::*;
use super::*;

mod answers;
mod asking;
mod breaker;

const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 1_700_000_000 * SECOND;

fn service() -> GlobalLimits {
    GlobalLimits {
        cluster: "ratelimit".to_owned(),
        authority: "limits.example.org".to_owned(),
        domain: "d".to_owned(),
        timeout: 50_000_000,
        required: false,
        breaker: BreakerPolicy {
            failures: 3,
            pause: 5 * SECOND,
        },
        key: MacKey::read(&"ab".repeat(32)),
    }
}

fn limit(name: &str, key: &[KeyPart]) -> Limit {
    let quota = Quota::new(50, Period::Second, 100).unwrap();
    Limit {
        global: true,
        ..Limit::new(name, key, Measure::rate(quota)).unwrap()
    }
}

fn caller() -> Caller<'static> {
    Caller {
        address: Some(IpAddr::from([192, 0, 2, 1])),
        certificate: Some("0123"),
        client: Some("app"),
        interaction: Some("read"),
        issuer: Some("https://as.example.org"),
        operation: None,
        patient: Some("p1"),
        resource_type: Some("Patient"),
        route: Some("fhir"),
        subject: Some("dr-7"),
        tenant: Some("clinic"),
        token: Some(b"the hash of a token"),
    }
}

fn charge<'a>(limit: &'a Limit, count: u32, priority: bool) -> Charge<'a> {
    Charge {
        limit,
        caller: caller(),
        count,
        priority,
    }
}

fn question(charges: Vec<Charge<'_>>) -> Question {
    let key = service().key;
    Charging::with_key(charges, NOW, key.as_ref()).question()
}
