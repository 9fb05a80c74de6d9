//! What the module makes of a configuration.

use serde_json::{Value, json};

use crate::deployment::{Deployment, End, redacted, rubbish, shipped, with_keys};
use crate::host::Host;
use crate::structure;
use crate::vm::Vm;

/// A configuration as Envoy serialises it, the keys of the document in this order: a Struct's own
/// order is not fixed.
fn serialised(policy: &Value, order: &[&str]) -> Vec<u8> {
    assert_eq!(
        policy.as_object().map(serde_json::Map::len),
        Some(order.len())
    );
    let entry = |key: &&str| structure::object(&json!({ *key: policy[*key] }));
    order.iter().flat_map(entry).collect()
}

/// The keys of the shipped configuration. The last is one that must be there: without it every
/// prefix lacks something.
const ORDER: [&str; 7] = [
    "fhir",
    "client_certificate",
    "limits",
    "redaction",
    "response",
    "audit",
    "issuers",
];

fn started(configuration: &[u8]) -> Result<Vm, Vec<String>> {
    let host = Host::release();
    host.configuration(configuration);
    host.start().map_err(|callback| {
        assert_eq!(callback, "proxy_on_configure");
        host.logged(4)
    })
}

#[test]
fn the_shipped_configuration_lacks_keys_and_nothing_else() {
    let bytes = structure::object(&shipped());
    let mistakes = fhir_guard::config::read(&bytes).err().expect("no keys");
    let mistakes = mistakes.to_string();
    assert_eq!(mistakes.lines().count(), 1, "{mistakes}");
    assert!(
        mistakes.starts_with("/issuers/0/keys/inline/keys: "),
        "{mistakes}"
    );
    let logged = started(&bytes).err().expect("no keys").join("\n");
    assert!(logged.contains(&mistakes), "{logged}");
}

#[test]
fn the_shipped_configuration_is_accepted_in_every_form() {
    let policy = with_keys();
    let forms = [
        ("Struct", structure::object(&policy)),
        ("Struct in another order", serialised(&policy, &ORDER)),
        ("JSON text", policy.to_string().into_bytes()),
        (
            "JSON text over lines",
            serde_json::to_vec_pretty(&policy).expect("JSON"),
        ),
    ];
    for (name, bytes) in forms {
        if let Err(mistakes) = fhir_guard::config::read(&bytes) {
            panic!("{name}: {mistakes}");
        }
        if let Err(logged) = started(&bytes) {
            panic!("{name}: {logged:?}");
        }
    }
}

#[test]
fn both_forms_give_the_same_decisions() {
    let structured = Deployment::new();
    let text = Deployment::new();
    let policy = with_keys();
    text.host.configuration(policy.to_string().as_bytes());
    for script in [Deployment::read, Deployment::search, Deployment::update] {
        let one = script(&structured).drive(&structured.vm());
        let other = script(&text).drive(&text.vm());
        assert_eq!(one.upstream, other.upstream);
        assert_eq!(one.downstream, other.downstream);
        assert_eq!(one.status(), 200);
    }
}

#[test]
fn what_is_no_configuration_is_refused_with_a_reason() {
    let check = |name: &str, bytes: &[u8]| {
        let logged = started(bytes)
            .err()
            .unwrap_or_else(|| panic!("{name}: it was taken"));
        let [line] = logged.as_slice() else {
            panic!("{name}: one line is expected, found {logged:?}");
        };
        assert!(
            line.contains("the configuration is refused"),
            "{name}: {line}"
        );
        assert!(line.contains("expected"), "{name}: {line}");
    };
    check("empty", b"");
    check("white space", b" \n ");
    check("an empty object", b"{}");
    check("an empty list", b"[]");
    check("null", b"null");
    check("a text", b"\"fhir\"");
    check("bytes of no form", b"\xff\xfe");
    check(
        "YAML as text",
        b"fhir:\n  base: https://fhir.example.org/r4\n",
    );
    check("an unknown key", b"{\"fihr\":{}}");
    check("nested without end", &[b'['; 100_000]);
    check("objects without end", "{\"a\":".repeat(50_000).as_bytes());
    check("Structs without end", &[0x0a; 100_000]);
    check("too long", &vec![b' '; (1 << 20) + 1]);
}

#[test]
fn no_prefix_and_no_damage_of_a_configuration_traps() {
    let policy = with_keys();
    let bytes = serialised(&policy, &ORDER);
    let host = Host::release();
    host.configuration(&bytes);
    let vm = host.vm();
    for end in 0..bytes.len() {
        assert!(
            !vm.configure(&bytes[..end]),
            "the first {end} bytes were taken"
        );
    }
    let text = policy.to_string().into_bytes();
    for end in 0..text.len() {
        assert!(
            !vm.configure(&text[..end]),
            "the first {end} characters were taken"
        );
    }
    // A byte that changes may leave a document that is as good; it must not bring the worker down.
    for (index, byte) in rubbish(11, bytes.len()).into_iter().enumerate() {
        let mut damaged = bytes.clone();
        damaged[index] ^= byte | 1;
        vm.configure(&damaged);
    }
    for seed in 0..100 {
        assert!(
            !vm.configure(&rubbish(seed, 600)),
            "rubbish {seed} was taken"
        );
    }
    assert!(vm.configure(&bytes), "and the whole is still taken");
}

#[test]
fn a_running_exchange_keeps_the_configuration_it_began_with() {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    let script = deployment.read();
    let patient = &script.response_body[0];
    let bytes = deployment.host.world().plugin_configuration.clone();
    // Without redaction, so that the answer tells which configuration was at work.
    let open = {
        let other = Deployment::with(|policy| policy["redaction"] = json!([]));
        let bytes = other.host.world().plugin_configuration.clone();
        bytes
    };
    let streams: Vec<_> = (0..3).map(|_| vm.stream()).collect();
    let [asked, held, waiting] = streams.as_slice() else {
        panic!("three streams");
    };
    script.ask(asked);
    script.ask(held);
    held.on_response_headers(script.response.clone(), false);
    held.on_response_body(&patient[..50], false);

    assert!(vm.configure(&open), "a good configuration is taken");
    held.on_response_body(&patient[50..], true);
    asked.on_response_headers(script.response.clone(), false);
    asked.on_response_body(patient, true);
    for stream in [asked, held] {
        stream.finish();
        let body = End::of(stream).downstream.body;
        assert_eq!(String::from_utf8_lossy(&body), redacted("p1"));
    }
    let under_the_new = script.drive(&vm).downstream.body;
    assert_eq!(&under_the_new, patient);

    assert!(!vm.configure(b"{}"), "a bad configuration is refused");
    assert_eq!(
        &script.drive(&vm).downstream.body,
        patient,
        "the one before stays"
    );
    assert!(vm.configure(&bytes));
    assert_eq!(script.drive(&vm).downstream.body, redacted("p1").as_bytes());
    // Envoy creates the context with the headers; so this one is of the newest configuration.
    script.ask(waiting);
    script.answer(waiting);
    waiting.finish();
    assert_eq!(End::of(waiting).downstream.body, redacted("p1").as_bytes());
}
