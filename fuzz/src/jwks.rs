//! Key sets that an authorization server may send.

use fhir_guard::exchange::Guard;
use fhir_guard::identity::{Algorithm, HostAlgorithms, KeySet, Verdict};
use serde_json::{Value, json};

use crate::exchange::cold_policy;
use crate::input::Input;

/// One byte that says which algorithms the issuer may use; then the text of the set. Says whether it was
/// taken.
///
/// # Panics
/// Where another key is taken than the strict reader would take alone, or one that two keys could be, and
/// where the whole way of an answer comes to another end.
pub fn check(bytes: &[u8]) -> bool {
    let mut input = Input(bytes);
    let choice = input.byte();
    let allowed: Vec<Algorithm> = Algorithm::ALL
        .into_iter()
        .enumerate()
        .filter(|(index, _)| choice == 0 || choice >> (index % 8) & 1 == 1)
        .map(|(_, algorithm)| algorithm)
        .collect();
    let text = input.0;
    let set: Option<Value> = serde_json::from_slice(text).ok();
    let found = set.as_ref().map(|set| KeySet::read_fetched(set, &allowed));
    let taken = matches!(found, Some(Ok(_)));
    if let (Some(set), Some(found)) = (&set, found) {
        if KeySet::read(set, &allowed).is_ok() {
            assert!(found.is_ok(), "what an operator may write");
        }
        if let Ok(found) = found {
            keys(set, &found, &allowed);
        }
    }
    // The whole way: only one well-formed document without doubled names goes it.
    let mut guard = Guard::new(cold_policy(&allowed), HostAlgorithms::default());
    let answered = guard.answered(0, Some((200, text)));
    assert!(taken || answered.is_err(), "taken by the way: {answered:?}");
    if let Err(found) = answered {
        assert!(found.len() < 500, "{found}");
    }
    taken
}

/// Every key of the set, against the strict reader.
fn keys(set: &Value, found: &KeySet, allowed: &[Algorithm]) {
    let items = set["keys"].as_array().expect("a list");
    assert!(items.len() <= 64, "{} keys", items.len());
    let alone = |item: &Value| KeySet::read(&json!({ "keys": [item] }), allowed).is_ok();
    let good: Vec<&Value> = items.iter().filter(|item| alone(item)).collect();
    let host = HostAlgorithms::default();
    let known = |algorithm, id: Option<&str>| {
        !matches!(
            found.verify(algorithm, id, b"a", b"b", &host),
            Verdict::NoKey
        )
    };
    for id in items.iter().filter_map(|item| item["kid"].as_str()) {
        let same = good.iter().filter(|item| item["kid"] == id).count();
        assert_eq!(
            known(Algorithm::Es256, Some(id)),
            same == 1,
            "{same} of {id:?}"
        );
    }
    assert!(
        !known(Algorithm::Es256, Some("\u{0}nobody")),
        "a key that is not there"
    );
    let usable = Algorithm::ALL
        .into_iter()
        .filter(|algorithm| known(*algorithm, None));
    assert!(usable.clone().all(|algorithm| allowed.contains(&algorithm)));
    assert!(!good.is_empty(), "taken without a key");
}
