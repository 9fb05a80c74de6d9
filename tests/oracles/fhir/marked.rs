//! What a resource is with the mark of its recipient, and without that of another.

use std::rc::Rc;

use fhir_guard::identity::MacKey;
use fhir_guard::response::{Cover, Recipient, Watermark, Watermarking};
use serde_json::{Value, json};

use super::examples::{Example, published, synthetic};
use super::identity::nests;
use super::structure::found;
use super::{cuts, read, screened};
use crate::account::{Account, Decision, Suite};
use crate::vectors::Vectors;

const SYSTEM: &str = "https://fhir.example.org/recipient";
const NESTED: &str =
    "no read answers it: it has no id, is a Bundle, or holds a resource outside `contained`";

/// Rows of each resource: marked it is what it was with a tag more, and valid; marked for another recipient,
/// that one's; and not marked, what it was. To be refused: with such a tag in the place of the list.
pub fn marked(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "FHIR, marks of recipients",
        rules: &[(NESTED, 20)],
        corrections: &[],
        accepted: 2397,
        refused: 799,
    });
    let mut all = published(vectors);
    all.extend(synthetic(vectors).into_iter().flatten());
    for example in &all {
        let readable = example.id().is_some()
            && example.resource_type() != "Bundle"
            && !nests(&example.value, true);
        match readable {
            true => resource(&mut account, example),
            false => account.leave(NESTED),
        }
    }
    account.close();
}

fn resource(account: &mut Account, example: &Example) {
    let left = |watermark: &Watermark, body: &str| {
        let cover = read(example.resource_type(), example.id(), &[]);
        let cover = Rc::new(Cover {
            watermark: Some(watermark.clone()),
            ..(*cover).clone()
        });
        let pieces = cuts(body.len() as u64, body.len());
        let out = screened(&cover, body, &pieces).unwrap_or_default();
        let value: Option<Value> = serde_json::from_str(&out).ok();
        (out, value)
    };
    let (one, other) = (of("alice"), of("bob"));
    let none = Watermark {
        mark: None,
        ..one.clone()
    };
    let (text, first) = left(&one, &example.text);
    let (_, second) = left(&other, &text);
    let (_, third) = left(&none, &text);
    let valid = first.as_ref().is_some_and(|left| {
        found(&example.value) == Decision::Refuse || found(left) == Decision::Accept
    });
    for (name, holds) in [
        (
            "marked",
            valid && first == Some(tagged(&example.value, &one)),
        ),
        (
            "for another",
            second == Some(tagged(&example.value, &other)),
        ),
        ("without", third.as_ref() == Some(&example.value)),
    ] {
        let id = format!("{}, {name}", example.name);
        account.judge(&id, Decision::Accept, Decision::accept_if(holds));
    }
    let mut strange = example.value.clone();
    strange["meta"]["tag"] = json!({"system": SYSTEM});
    let found = left(&none, &strange.to_string()).1.is_some();
    let id = format!("{}, a tag that is no list", example.name);
    account.judge(&id, Decision::Refuse, Decision::accept_if(found));
}

fn of(subject: &str) -> Watermark {
    let watermarking = Watermarking {
        system: SYSTEM.into(),
        key: MacKey::read(&"ab".repeat(32)).expect("a key"),
        above: 0,
    };
    let mark = watermarking.mark(&Recipient {
        issuer: "https://as.example.org",
        tenant: None,
        client: "app",
        subject,
        patient: None,
        request_id: "1",
    });
    Watermark {
        system: SYSTEM.into(),
        mark: Some(mark),
    }
}

fn tagged(resource: &Value, watermark: &Watermark) -> Value {
    let mut resource = resource.clone();
    let members = resource.as_object_mut().expect("a resource");
    let meta = members.entry("meta").or_insert(json!({}));
    let tags = meta.as_object_mut().expect("meta").entry("tag");
    let tags = tags.or_insert(json!([])).as_array_mut().expect("tags");
    let mark = watermark.mark.as_ref().expect("a mark");
    tags.push(json!({"system": SYSTEM, "code": mark.code}));
    resource
}
