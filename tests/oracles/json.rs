//! JSONTestSuite, at the level of the lexer, and a document of the wild, byte for byte.

use fhir_guard::json::{Document, Kind, Limits, Node};
use serde_json::Value;

use crate::account::{Account, Decision, Suite};
use crate::vectors::Vectors;

const FREE: &str = "the suite leaves it to the implementation";

/// Keys that stand twice are the grammar's, so the filter's check for them is not asked here.
pub fn parsing(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "JSONTestSuite, and a document of nativejson-benchmark",
        rules: &[(FREE, 0)],
        corrections: &[],
        accepted: 42,
        refused: 199,
    });
    for path in vectors.list("jsontestsuite/test_parsing", ".json") {
        let name = path.rsplit('/').next().expect("a name");
        let bytes = vectors.bytes(&path);
        let found = Document::parse_syntax(&bytes, &Limits::default()).is_ok();
        let found = Decision::accept_if(found);
        match name.get(..2) {
            Some("y_") => account.judge(name, Decision::Accept, found),
            Some("n_") => account.judge(name, Decision::Refuse, found),
            _ => account.leave(FREE),
        }
    }
    corpus(vectors, &mut account);
    account.close();
}

/// What the filter reads in a document is what an independent reader reads, and every byte of it
/// stands where the filter says; cut anywhere, it is no document.
fn corpus(vectors: &Vectors, account: &mut Account) {
    let bytes = vectors.bytes("json-corpora/twitter.json");
    let document = Document::parse(&bytes, &Limits::default());
    let expected: Value = serde_json::from_slice(&bytes).expect("JSON");
    let same = document.is_ok_and(|document| same(document.root(), &expected));
    account.judge("twitter.json", Decision::Accept, Decision::accept_if(same));
    for length in (1..bytes.len() - 2).step_by(bytes.len() / 100) {
        let found = Document::parse(&bytes[..length], &Limits::default()).is_ok();
        let id = format!("twitter.json, the first {length} bytes");
        account.judge(&id, Decision::Refuse, Decision::accept_if(found));
    }
}

fn same(node: Node<'_>, expected: &Value) -> bool {
    let raw: Result<Value, _> = serde_json::from_str(node.raw());
    let own = match (node.kind(), expected) {
        (Kind::Object, Value::Object(members)) => {
            node.members().count() == members.len()
                && node.members().all(|member| {
                    let other = members.get(member.name().as_ref());
                    other.is_some_and(|other| same(member.value, other))
                })
        }
        (Kind::Array, Value::Array(items)) => {
            node.items().count() == items.len()
                && node.items().zip(items).all(|(node, item)| same(node, item))
        }
        (Kind::String, Value::String(text)) => node.is_str(text),
        (Kind::Boolean, Value::Bool(value)) => node.bool() == Some(*value),
        (Kind::Number, Value::Number(_)) | (Kind::Null, Value::Null) => true,
        _ => false,
    };
    // What has members was compared by them.
    let scalar = !matches!(node.kind(), Kind::Object | Kind::Array);
    own && (!scalar || raw.is_ok_and(|raw| raw == *expected))
}
