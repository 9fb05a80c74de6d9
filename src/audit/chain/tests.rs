use std::collections::HashSet;

use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;

/// An Ed25519 key, as openssl writes it.
const ED: &str = "MC4CAQAwBQYDK2VwBCIEIPhKIBuDQZ719C1mcc8/lbJFdq18kNZ+Yvz/TA4EMdRd";

const SECOND: u64 = 1_000_000_000;

fn policy(signed: bool, records: u32) -> ChainPolicy {
    let der = STANDARD.decode(ED).expect("base64");
    ChainPolicy {
        signer: signed.then(|| Rc::new(Signer::read(&der, "audit-1".into()).expect("a key"))),
        records,
        time: 60 * SECOND,
    }
}

fn seal(chain: &mut Chain, line: &str, ticket: Option<u64>, others: Vec<Head>, now: u64) -> String {
    let others = chain.publishing(now).map(|_| others);
    let sealed = chain.seal(line.to_owned(), ticket.map(Ticket::Given), others, now);
    let line = sealed.line.clone();
    chain.commit(sealed);
    line
}

fn member(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).expect("JSON");
    value["chain"].clone()
}

fn hash(line: &str) -> String {
    let mut out = String::new();
    hex(&mut out, &Sha256::digest(line.as_bytes()));
    out
}

#[test]
fn each_record_has_the_hash_of_the_one_before_it() {
    let mut chain = Chain::new(policy(false, 1000), [0xab; 16]);
    let mut before = "0".repeat(64);
    for seq in 1..=5 {
        let line = seal(&mut chain, r#"{"v":1,"us":3}"#, None, vec![], 7 * SECOND);
        assert!(
            line.starts_with(r#"{"v":1,"us":3,"chain":{"v":1,"id":"abab"#),
            "{line}"
        );
        let found = member(&line);
        assert_eq!(found["id"], "ab".repeat(16));
        assert_eq!(
            (&found["seq"], &found["prev"]),
            (&json!(seq), &json!(before))
        );
        assert_eq!(found.get("links").is_some(), seq == 1, "{line}");
        before = hash(&line);
    }
}

#[test]
fn a_record_that_was_not_taken_leaves_no_gap() {
    let mut chain = Chain::new(policy(false, 2), [1; 16]);
    let first = seal(&mut chain, "{\"v\":1}", None, vec![], 0);
    let lost = chain.seal("{\"lost\":1}".to_owned(), None, None, 0);
    assert_eq!(member(&lost.line)["seq"], 2);
    drop(lost);
    let second = member(&seal(&mut chain, "{\"us\":1}", None, vec![], 0));
    assert_eq!(
        (&second["seq"], &second["prev"]),
        (&json!(2), &json!(hash(&first)))
    );
}

#[test]
fn checkpoints_come_by_number_and_by_time() {
    let with_links = |records: u32, times: &[u64]| -> Vec<usize> {
        let mut chain = Chain::new(policy(false, records), [1; 16]);
        let lines = times
            .iter()
            .map(|now| seal(&mut chain, "{\"v\":1}", None, vec![], *now));
        let lines: Vec<_> = lines.collect();
        let found = lines.iter().enumerate();
        let found = found.filter(|(_, line)| member(line).get("links").is_some());
        found.map(|(place, _)| place + 1).collect()
    };
    for (name, records, times, expected) in [
        ("each", 1, &[0, 0, 0][..], &[1, 2, 3][..]),
        ("every third", 3, &[0; 8], &[1, 4, 7]),
        ("by time", 100, &[0, 59, 60, 61, 119, 120], &[1, 3, 6]),
        (
            "a clock that steps back",
            100,
            &[100, 99, 100, 101],
            &[1, 2],
        ),
    ] {
        let times: Vec<u64> = times.iter().map(|second| second * SECOND).collect();
        assert_eq!(with_links(records, &times), expected, "{name}");
    }
}

#[test]
fn what_is_known_of_others_is_told_once() {
    let other = |id: u8, seq: u64| Head {
        id: [id; 16],
        seq,
        hash: [id; 32],
        at: 1_700_000_000_123,
    };
    let mut chain = Chain::new(policy(false, 1), [9; 16]);
    let mut told = |others: Vec<Head>| {
        member(&seal(&mut chain, "{\"v\":1}", None, others, 0))["links"].clone()
    };
    let first = told(vec![other(1, 5), other(2, 0)]);
    assert_eq!(
        first,
        json!([
            {"id": "01".repeat(16), "seq": 5, "hash": "01".repeat(32), "at": "2023-11-14T22:13:20.123Z"},
            {"id": "02".repeat(16), "seq": 0, "hash": "02".repeat(32), "at": "2023-11-14T22:13:20.123Z"},
        ])
    );
    assert_eq!(told(vec![other(1, 5), other(2, 0)]), json!([]));
    let third = told(vec![other(1, 6), other(2, 0)]);
    assert_eq!(
        (third.as_array().map(Vec::len), &third[0]["seq"]),
        (Some(1), &json!(6))
    );
}

#[test]
fn where_shared_data_failed_nothing_is_said_and_nothing_forgotten() {
    let other = Head {
        id: [1; 16],
        seq: 4,
        hash: [1; 32],
        at: 0,
    };
    let mut chain = Chain::new(policy(false, 1), [9; 16]);
    seal(&mut chain, "{\"v\":1}", None, vec![other.clone()], 0);
    let failed = chain.seal("{\"v\":1}".to_owned(), None, None, 0);
    assert_eq!(member(&failed.line)["links"], json!([]));
    chain.commit(failed);
    assert_eq!(
        member(&seal(&mut chain, "{\"v\":1}", None, vec![other], 0))["links"],
        json!([])
    );
}

#[test]
fn a_checkpoint_is_signed_up_to_its_signature() {
    let der = STANDARD.decode(ED).expect("base64");
    let seed = ed25519_compact::Seed::from_slice(&der[16..]).expect("a seed");
    let public = ed25519_compact::KeyPair::from_seed(seed).pk;
    let mut chain = Chain::new(policy(true, 2), [9; 16]);
    let mut lines: Vec<String> = (0..4)
        .map(|_| seal(&mut chain, r#"{"v":1}"#, None, vec![], 5))
        .collect();
    lines.push(chain.end(6).expect("an end").0);
    for (line, signed) in lines.iter().zip([true, false, true, false, true]) {
        let found = member(line);
        assert_eq!(found.get("sig").is_some(), signed, "{line}");
        let Some((text, _)) = line.split_once(",\"sig\":\"") else {
            continue;
        };
        assert_eq!(
            (&found["key"], &found["alg"]),
            (&json!("audit-1"), &json!("EdDSA"))
        );
        let bytes = URL_SAFE_NO_PAD.decode(found["sig"].as_str().expect("text"));
        let signature = ed25519_compact::Signature::from_slice(&bytes.expect("base64"));
        public
            .verify(text.as_bytes(), &signature.expect("64 bytes"))
            .expect("it holds");
    }
}

#[test]
fn an_early_copy_has_the_ticket_of_its_record_and_no_number() {
    let mut chain = Chain::new(policy(true, 10), [9; 16]);
    assert_eq!((chain.ticket(), chain.ticket()), (1, 2));
    let early = chain.early(r#"{"v":1}"#.to_owned(), 2);
    assert_eq!(
        early,
        format!(
            r#"{{"v":1,"chain":{{"v":1,"id":"{}","ticket":2}}}}"#,
            "09".repeat(16)
        )
    );
    let record = member(&seal(&mut chain, "{\"v\":1}", Some(2), vec![], 0));
    assert_eq!((&record["seq"], &record["ticket"]), (&json!(1), &json!(2)));
}

#[test]
fn an_intent_is_told_from_an_early_copy_and_its_record_from_others() {
    let mut chain = Chain::new(policy(false, 10), [9; 16]);
    let ticket = chain.ticket();
    let intent = member(&chain.place(ticket).intent(r#"{"v":1}"#.to_owned()));
    assert_eq!(
        intent,
        json!({"v": 1, "id": "09".repeat(16), "intent": ticket})
    );
    let sealed = chain.seal(
        "{\"v\":1}".to_owned(),
        Some(Ticket::Announced(ticket)),
        None,
        0,
    );
    let record = member(&sealed.line);
    assert_eq!(
        (&record["seq"], &record["intent"], record.get("ticket")),
        (&json!(1), &json!(ticket), None)
    );
}

#[test]
fn the_end_is_the_last_and_says_how_many_tickets_there_were() {
    let mut chain = Chain::new(policy(false, 10), [9; 16]);
    assert!(chain.end(5).is_none(), "nothing was written");
    let ticket = chain.ticket();
    let record = seal(&mut chain, "{\"v\":1}", Some(ticket), vec![], 5);
    let (end, _) = chain.end(6).expect("an end");
    let found = member(&end);
    assert!(
        end.starts_with(r#"{"v":1,"time":"1970-01-01T00:00:00.000Z","chain":"#),
        "{end}"
    );
    assert_eq!((&found["seq"], &found["end"]), (&json!(2), &json!(1)));
    assert_eq!(found["prev"], json!(hash(&record)));
    assert!(chain.end(7).is_none(), "one end");
}

#[test]
fn what_comes_after_the_end_is_another_chain() {
    let mut ids = HashSet::new();
    let mut chain = Chain::new(policy(false, 10), [9; 16]);
    for _ in 0..3 {
        let found = member(&seal(&mut chain, "{\"v\":1}", None, vec![], 5));
        assert_eq!(found["seq"], 1);
        assert!(ids.insert(found["id"].to_string()), "{found}");
        chain.end(6).expect("an end");
    }
}

/// The bounds of the page docs/audit.md.
#[test]
fn a_chain_member_has_a_bounded_length() {
    let mut chain = Chain::new(policy(true, 100_000), [9; 16]);
    chain.seq = u64::MAX - 2;
    chain.checked = 0;
    let plain = seal(&mut chain, "{\"v\":1}", Some(u64::MAX), vec![], 1);
    assert!(plain.len() < 400, "{}", plain.len());
    let others = (0..64).map(|id| Head {
        id: [id; 16],
        seq: u64::MAX,
        hash: [id; 32],
        at: u64::MAX,
    });
    let full = seal(
        &mut chain,
        "{\"v\":1}",
        Some(u64::MAX),
        others.collect(),
        90 * SECOND,
    );
    assert!(full.len() < 400 + 64 * 190 + 300, "{}", full.len());
}

/// The example of docs/audit.md is what this code writes.
#[test]
fn the_example_of_the_documentation_is_what_is_written() {
    let page = include_str!("../../../docs/audit.md");
    let mut id = [0; 16];
    id.iter_mut()
        .zip(0..)
        .for_each(|(byte, number)| *byte = number);
    let mut chain = Chain::new(policy(true, 2), id);
    let record = |outcome: &str, second: u64| {
        format!(
            r#"{{"v":1,"time":"2026-01-31T12:00:0{second}.000Z","outcome":"{outcome}","rule":"public","passed":1,"removed":0,"redacted":0,"us":1500}}"#
        )
    };
    let noon = 1_769_860_800;
    let mut lines = vec![seal(
        &mut chain,
        &record("allowed", 0),
        None,
        vec![],
        noon * SECOND,
    )];
    let ticket = chain.ticket();
    let early = chain.early(record("forwarded", 1), ticket);
    assert!(page.contains(&format!("```text\n{early}\n```")), "{early}");
    lines.push(seal(
        &mut chain,
        &record("allowed", 1),
        Some(ticket),
        vec![],
        (noon + 1) * SECOND,
    ));
    let other = Head {
        id: [0xff; 16],
        seq: 5,
        hash: [0x11; 32],
        at: (noon + 2) * 1000,
    };
    lines.push(seal(
        &mut chain,
        &record("allowed", 2),
        None,
        vec![other],
        (noon + 2) * SECOND,
    ));
    lines.push(chain.end((noon + 3) * SECOND).expect("an end").0);
    let whole = format!("```text\n{}\n```", lines.join("\n"));
    assert!(page.contains(&whole), "{whole}");
}
