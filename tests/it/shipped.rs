//! The shipped manifest says what the filter understands.

use std::path::Path;

use fhir_guard::config;
use fhir_guard_harness::envoy::Manifest;
use fhir_guard_harness::tokens::{Algorithm, Issuer};
use serde_json::{Value, json};

/// The filter's configurations in the shipped manifest, one a listener.
fn shipped() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    Manifest::load(root.join("envoy/envoy.yaml"))
        .expect("the shipped manifest can be read")
        .plugin(|policy| found.push(policy.clone()))
        .build()
        .expect("the filter is in it");
    found
}

#[test]
fn all_that_is_missing_in_it_are_the_keys() {
    for policy in shipped() {
        let mistakes = config::read(policy.to_string().as_bytes()).expect_err("no keys, no start");
        assert_eq!(
            mistakes.to_string(),
            "/issuers/0/keys/inline/keys: expected 1 to 64 keys, found 0"
        );
    }
}

/// Where the module traps, Envoy must not go on without it.
#[test]
fn a_filter_that_fails_lets_nothing_through_bypass_97() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = Manifest::load(root.join("envoy/envoy.yaml")).and_then(Manifest::build);
    let manifest = manifest.expect("the shipped manifest");
    let mut plugins = 0;
    let mut values = vec![&manifest];
    while let Some(value) = values.pop() {
        if value.get("vm_config").is_some() {
            assert_eq!(value["failure_policy"], "FAIL_RELOAD");
            plugins += 1;
        }
        assert_ne!(value.get("fail_open"), Some(&json!(true)));
        match value {
            Value::Object(members) => values.extend(members.values()),
            Value::Array(items) => values.extend(items),
            _ => {}
        }
    }
    assert_eq!(plugins, 2, "one a listener");
}

/// What Envoy can print of an exchange beside the record has paths, queries and tokens in it.
#[test]
fn no_shipped_log_prints_what_a_request_says() {
    const PRINTED: [&str; 7] = [
        "FILTER_STATE(wasm.fhir_guard.alert:PLAIN)",
        "FILTER_STATE(wasm.fhir_guard.audit:PLAIN)",
        // In bodies of Envoy's own answers.
        "REQ(X-REQUEST-ID)",
        // Words of Envoy's, and of ours.
        "RESPONSE_CODE_DETAILS",
        "SPAN_ID",
        "START_TIME(",
        "TRACE_ID",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy");
    let mut found = 0;
    for folder in [root.clone(), root.join("sinks")] {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|kind| kind != "yaml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a file");
            let lines = text.lines().map(str::trim_start);
            for line in lines.filter(|line| !line.starts_with('#')) {
                let operators = line.split('%').filter(|word| {
                    let name = word.split(['(', ':']).next().unwrap_or_default();
                    name.len() > 1
                        && name
                            .bytes()
                            .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
                });
                for operator in operators {
                    let known = PRINTED.iter().any(|known| operator.starts_with(known));
                    assert!(known, "{}: %{operator}%", path.display());
                    found += 1;
                }
            }
        }
    }
    assert!(found >= PRINTED.len(), "{found}");
}

#[test]
fn with_keys_it_is_accepted_on_every_listener() {
    let policies = shipped();
    assert_eq!(policies.len(), 2, "two listeners");
    for mut policy in policies {
        policy["issuers"][0]["keys"] =
            json!({ "inline": Issuer::new("https://as.example.org").jwks() });
        policy["issuers"][0]["algorithms"] = json!(Algorithm::ALL.map(Algorithm::name));
        let read = config::read(policy.to_string().as_bytes());
        assert!(read.is_ok(), "{}", read.expect_err("mistakes"));
    }
}

/// The rules that stand in the documentation for operators to begin with.
#[test]
fn the_rules_of_the_documentation_are_rules() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let text = std::fs::read_to_string(path).expect("the documentation");
    let (_, section) = text.split_once("\n## `rules`\n").expect("a section");
    let (_, example) = section.split_once("```yaml\n").expect("an example");
    let (example, _) = example.split_once("```").expect("its end");
    let example = Manifest::parse(example).and_then(Manifest::build);
    let example = example.expect("YAML");
    let mut policy = shipped().remove(0);
    policy["issuers"][0]["keys"] =
        json!({ "inline": Issuer::new("https://as.example.org").jwks() });
    policy["issuers"][0]["algorithms"] = json!(Algorithm::ALL.map(Algorithm::name));
    for key in ["rules", "time_zones"] {
        policy[key] = example[key].clone();
    }
    assert_eq!(policy["rules"].as_array().map(Vec::len), Some(6));
    let read = config::read(policy.to_string().as_bytes());
    assert!(read.is_ok(), "{}", read.expect_err("mistakes"));
}

/// The lines that stand there for operators who have their keys fetched, without their marks.
#[test]
fn what_is_commented_out_for_fetched_keys_fits() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy/envoy.yaml");
    let text = std::fs::read_to_string(path).expect("the shipped manifest");
    let (before, cluster) = text
        .split_once("  # - name: authorization_server\n")
        .expect("the cluster at the end");
    let cluster: String = cluster
        .lines()
        .map(|line| {
            line.strip_prefix("  # ")
                .expect("all of it is commented out")
        })
        .map(|line| format!("  {line}\n"))
        .collect();
    let inline = "keys: { inline: { keys: [] } }";
    let fetched = "keys: { uri: \"https://as.example.org/jwks\", cluster: authorization_server }";
    assert!(before.contains(inline) && before.contains(&format!("# {fetched}")));
    let before = before.replace(inline, fetched);
    let text = format!("{before}  - name: authorization_server\n{cluster}");
    let mut policies = Vec::new();
    let manifest = Manifest::parse(&text)
        .expect("it is YAML")
        .plugin(|policy| policies.push(policy.clone()))
        .build()
        .expect("the filter is in it");
    for policy in policies {
        let read = config::read(policy.to_string().as_bytes());
        assert!(read.is_ok(), "{}", read.expect_err("mistakes"));
        let named = &policy["issuers"][0]["keys"]["cluster"];
        let clusters = manifest["static_resources"]["clusters"].as_array();
        let cluster = clusters
            .expect("clusters")
            .iter()
            .find(|one| one["name"] == *named);
        let tls = &cluster.expect("the cluster")["transport_socket"]["typed_config"];
        let checks = &tls["common_tls_context"]["validation_context"];
        assert!(checks["trusted_ca"].is_object(), "{checks}");
        assert!(
            checks["match_typed_subject_alt_names"].is_array(),
            "{checks}"
        );
        assert_eq!(tls["sni"], "as.example.org");
    }
}
