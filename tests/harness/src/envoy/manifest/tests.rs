use super::*;

const YAML: &str = r#"
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 9901 } } }
static_resources:
  listeners:
    - name: secure
      address: { socket_address: { address: 0.0.0.0, port_value: 8443 } }
      filter_chains:
        - filters: &filters
            - typed_config:
                access_log:
                  - typed_config:
                      "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                      path: /dev/stdout
                http_filters:
                  - name: fhir_guard
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
                      config:
                        vm_config: { code: { local: { filename: /etc/fhir-guard/fhir_guard.wasm } } }
                        configuration:
                          "@type": type.googleapis.com/google.protobuf.Struct
                          value: { skew_seconds: 30, text: "30" }
                  - name: other
                    typed_config: { "@type": type.googleapis.com/other, config: { configuration: { value: 1 } } }
    - name: open
      address: { socket_address: { address: 127.0.0.1, port_value: 8444 } }
      filter_chains: [{ filters: *filters, tls: /etc/fhir-guard/tls/ca.pem, name: not/etc/fhir-guard/ }]
  clusters:
    - name: keys
    - name: fhir_server
      load_assignment: { endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: fhir, port_value: 80 } } } }] }] }
"#;

fn manifest() -> Manifest {
    Manifest::parse(YAML).unwrap()
}

fn plugin(listener: usize) -> String {
    format!(
        "/static_resources/listeners/{listener}/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config"
    )
}

#[test]
fn yaml_scalars_are_what_envoy_takes_them_for() {
    for (text, expected) in [
        ("30", json!(30)),
        ("\"30\"", json!("30")),
        ("'true'", json!("true")),
        ("true", json!(true)),
        ("false", json!(false)),
        ("null", json!(null)),
        ("~", json!(null)),
        ("\"null\"", json!("null")),
        ("''", json!("")),
        ("0.5", json!("0.5")),
        ("0.2s", json!("0.2s")),
        ("5s", json!("5s")),
        ("1.40.0", json!("1.40.0")),
        ("18446744073709551615", json!("18446744073709551615")),
        ("-1", json!(-1)),
        ("127.0.0.1", json!("127.0.0.1")),
        ("patient/*.rs", json!("patient/*.rs")),
        ("\"%REQ(:PATH)%\"", json!("%REQ(:PATH)%")),
        ("yes", json!(true)),
        ("off", json!(false)),
        ("\"off\"", json!("off")),
        ("2026-11-21", json!("2026-11-21")),
        ("|\n  a\n  b\n", json!("a\nb\n")),
        ("[1, \"1\"]", json!([1, "1"])),
        ("{ \"@type\": a.b/c }", json!({ "@type": "a.b/c" })),
    ] {
        let config = Manifest::parse(&format!("key: {text}"))
            .unwrap()
            .build()
            .unwrap();
        assert_eq!(config["key"], expected, "{text}");
    }
}

#[test]
fn yaml_mistakes_have_a_place() {
    for (name, text, part) in [
        ("not YAML", "a: [1\nb: 2", "line"),
        ("twice", "a: 1\na: 2", "duplicate"),
        ("a list", "- 1", "not a mapping"),
    ] {
        let error = Manifest::parse(text).err().unwrap();
        assert!(error.contains(part), "{name}: {error}");
    }
    let error = Manifest::load("/no/such/envoy.yaml").err().unwrap();
    assert!(error.contains("/no/such/envoy.yaml"), "{error}");
}

#[test]
fn every_patch_lands_where_it_should() {
    let socket = |holder: &str| format!("{holder}/address/socket_address/port_value");
    let secure = socket("/static_resources/listeners/0");
    let open = socket("/static_resources/listeners/1");
    let endpoint = "/static_resources/clusters/1/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    let chain = "/static_resources/listeners/1/filter_chains/0";
    let log = "/static_resources/listeners/1/filter_chains/0/filters/0/typed_config/access_log/0/typed_config/path";
    let mut count = 0;
    let counting = manifest().plugin(|value| {
        count += 1;
        value["count"] = json!(count);
    });
    for (name, patched, path, expected) in [
        (
            "port",
            manifest().port("secure", 1),
            secure.clone(),
            json!(1),
        ),
        (
            "not the other port",
            manifest().port("secure", 1),
            open,
            json!(8444),
        ),
        (
            "admin",
            manifest().admin_port(2),
            socket("/admin"),
            json!(2),
        ),
        (
            "upstream",
            manifest().upstream("127.0.0.1", 3),
            endpoint.to_owned(),
            json!({ "address": "127.0.0.1", "port_value": 3 }),
        ),
        (
            "files",
            manifest().files("/etc/fhir-guard/", Path::new("/t")),
            format!("{chain}/tls"),
            json!("/t/tls/ca.pem"),
        ),
        (
            "files inside the plugin",
            manifest().files("/etc/fhir-guard/", Path::new("/t")),
            plugin(0) + "/vm_config/code/local/filename",
            json!("/t/fhir_guard.wasm"),
        ),
        (
            "files only at the start",
            manifest().files("/etc/fhir-guard/", Path::new("/t")),
            format!("{chain}/name"),
            json!("not/etc/fhir-guard/"),
        ),
        (
            "plugin",
            counting.clone(),
            plugin(0) + "/configuration/value",
            json!({ "skew_seconds": 30, "text": "30", "count": 1 }),
        ),
        (
            "plugin of the other listener",
            counting,
            plugin(1) + "/configuration/value/count",
            json!(2),
        ),
        (
            "plugin text",
            manifest().plugin_json_text("{"),
            plugin(1) + "/configuration",
            json!({ "@type": STRING_VALUE, "value": "{" }),
        ),
        (
            "access log",
            manifest().access_log(Path::new("/t/a")),
            log.to_owned(),
            json!("/t/a"),
        ),
        (
            "edit",
            manifest().edit(|config| config["admin"] = json!(1)),
            "/admin".to_owned(),
            json!(1),
        ),
    ] {
        let config = patched.build().unwrap();
        assert_eq!(config.pointer(&path), Some(&expected), "{name}");
    }
}

#[test]
fn every_patch_that_finds_nothing_is_told() {
    let empty = || Manifest::parse("{}").unwrap();
    let error = empty()
        .port("secure", 1)
        .admin_port(1)
        .upstream("127.0.0.1", 1)
        .files("/etc/", Path::new("/t"))
        .plugin(|_| ())
        .plugin_json_text("")
        .access_log(Path::new("/t"))
        .build()
        .unwrap_err();
    assert_eq!(
        error,
        "the envoy manifest has no listener \"secure\" with a socket address; no admin interface \
         with a socket address; no cluster \"fhir_server\" with an endpoint; no string that starts \
         with \"/etc/\"; no wasm filter with a Struct as its configuration; no wasm filter with a \
         configuration; no file access log"
    );
    let error = manifest()
        .plugin_json_text("{}")
        .plugin(|_| ())
        .build()
        .unwrap_err();
    assert!(error.contains("no wasm filter with a Struct"), "{error}");
}

#[test]
fn addresses_are_read_back() {
    let mut config = manifest().admin_port(0).port("secure", 0).build().unwrap();
    let mut next = 100;
    fill_ports(&mut config, || {
        next += 1;
        Ok(next)
    })
    .unwrap();
    assert_eq!(admin_address(&config).unwrap().to_string(), "127.0.0.1:101");
    let listeners = listener_addresses(&config).unwrap();
    assert_eq!(listeners["secure"].to_string(), "127.0.0.1:102");
    assert_eq!(listeners["open"].to_string(), "127.0.0.1:8444");
    redirect_access_logs(&mut config, Path::new("/t/audit.log"));
    assert_eq!(access_log(&config), Some(PathBuf::from("/t/audit.log")));
    redirect_access_logs(&mut config, Path::new("/other"));
    assert_eq!(
        access_log(&config),
        Some(PathBuf::from("/t/audit.log")),
        "only the console is redirected"
    );
}
