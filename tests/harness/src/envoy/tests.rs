use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::client::{Client, End, Request, Version};
use crate::pki::Pki;

fn fixture() -> Manifest {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Manifest::load(root.join("fixtures/direct.yaml")).unwrap()
}

pub struct Running {
    pub pki: Pki,
    pub envoy: Envoy,
    /// Its certificates.
    #[expect(dead_code, reason = "kept as long as Envoy runs")]
    pub files: TempDir,
}

/// The fixture as a running Envoy whose upstream is at this port.
async fn start(upstream: u16) -> Running {
    let pki = Pki::new();
    let (config, files) = configuration(&pki, upstream);
    Running {
        pki,
        envoy: Envoy::start(Spec::new(config)).await.unwrap(),
        files,
    }
}

/// The fixture with this upstream, and the folder with its certificates.
pub fn configuration(pki: &Pki, upstream: u16) -> (Value, TempDir) {
    let files = tempfile::tempdir().unwrap();
    pki.write_to(files.path()).unwrap();
    let config = fixture()
        .files("/etc/fhir-guard/tls/", files.path())
        .admin_port(0)
        .port("secure", 0)
        .port("open", free_port().unwrap())
        .upstream("127.0.0.1", upstream)
        .build()
        .unwrap();
    (config, files)
}

#[tokio::test]
async fn each_listener_asks_for_certificates_as_it_should() {
    let running = start(free_port().unwrap()).await;
    let Running { pki, envoy, .. } = &running;
    let (known, stranger) = (pki.client("clinic-a"), pki.stranger());
    let mut expected = Vec::new();
    for (name, listener, certificate, welcome) in [
        ("with", "secure", Some(&known), true),
        ("without", "secure", None, false),
        ("stranger", "secure", Some(&stranger), false),
        ("with", "open", Some(&known), true),
        ("without", "open", None, true),
        ("stranger", "open", Some(&stranger), false),
    ] {
        for (version, protocol) in [(Version::Http1, "HTTP/1.1"), (Version::Http2, "HTTP/2")] {
            let name = format!("{name} a certificate on {listener} over {protocol}");
            let client = Client::new(pki, certificate, version, envoy.address(listener));
            let path = format!("/{}", expected.len());
            let answer = client.send(Request::get(&path)).await;
            assert_eq!(answer.is_ok(), welcome, "{name}: {answer:?}");
            let Ok(answer) = answer else { continue };
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (200, "direct"),
                "{name}"
            );
            assert_eq!(answer.end, End::Complete, "{name}");
            let shown = |value: &str| certificate.map(|_| value.to_owned());
            expected.push(json!({
                "path": path,
                "protocol": protocol,
                "status": 200,
                "peer_subject": shown("CN=clinic-a,O=Clinic"),
                "peer_uri_san": shown("spiffe://example.org/clinic-a"),
                "peer_sha256": shown(&known.thumbprint_hex),
            }));
        }
    }
    let mut audit = envoy.audit_of(expected.len()).await.unwrap();
    // Two workers: the lines come in any order.
    audit.sort_by_key(|record| record["path"].to_string());
    assert_eq!(audit, expected);
}

#[tokio::test]
async fn hostile_bytes_reach_envoy() {
    let running = start(free_port().unwrap()).await;
    let Running { pki, envoy, .. } = &running;
    let certificate = pki.client("clinic-a");
    let quiet = Duration::from_millis(200);
    let client = Client::new(
        pki,
        Some(&certificate),
        Version::Http2,
        envoy.address("secure"),
    )
    .quiet(quiet);
    for (name, bytes, start) in [
        (
            "well-formed",
            &b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"[..],
            "HTTP/1.1 200",
        ),
        (
            "not UTF-8",
            b"GET / HTTP/1.1\r\nhost: a\r\nx: \xff\r\nconnection: close\r\n\r\n",
            "HTTP/1.1 200",
        ),
        (
            "HTTP/1.0",
            b"GET / HTTP/1.0\r\nhost: a\r\n\r\n",
            "HTTP/1.1 426",
        ),
        (
            "two lengths",
            b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "HTTP/1.1 400",
        ),
    ] {
        let answer = String::from_utf8_lossy(&client.raw(bytes).await.unwrap()).into_owned();
        assert!(answer.starts_with(start), "{name}: {answer}");
    }
}

#[tokio::test]
async fn a_body_cut_behind_envoy_is_seen_in_front_of_it() {
    let upstream = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = upstream.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = upstream.accept().await {
            let mut chunk = [0; 4096];
            let _ = stream.read(&mut chunk).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab")
                .await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let running = start(port).await;
    let Running { pki, envoy, .. } = &running;
    for version in [Version::Http1, Version::Http2] {
        let client = Client::new(pki, None, version, envoy.address("open"));
        let answer = client.send(Request::get("/fhir/Patient/p1")).await.unwrap();
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "ab"),
            "{version:?}"
        );
        assert!(
            matches!(answer.end, End::Cut(_)),
            "{version:?}: {:?}",
            answer.end
        );
    }
}

#[tokio::test]
async fn the_admin_interface_counts() {
    let running = start(free_port().unwrap()).await;
    let Running { pki, envoy, .. } = &running;
    let stat = "http.fhir.downstream_rq_2xx";
    assert_eq!(envoy.stat(stat).await.unwrap(), 0);
    let client = Client::new(pki, None, Version::Http2, envoy.address("open")).reuse(true);
    for _ in 0..3 {
        client.send(Request::get("/")).await.unwrap();
    }
    assert_eq!(envoy.stat(stat).await.unwrap(), 3);
    assert_eq!(envoy.stats().await.unwrap()["server.concurrency"], 2);
    assert_eq!(envoy.stat("no.such.stat").await.unwrap(), 0);
    let error = envoy.admin("/nothing").await.unwrap_err();
    assert!(error.contains("404"), "{error}");
    assert!(envoy.admin_post("/logging?level=info").await.is_ok());
    let log = envoy.log_with("starting main dispatch loop").await.unwrap();
    assert!(log.contains("initializing epoch 0"), "{log}");
}

#[tokio::test]
async fn nothing_is_left_when_envoy_goes() {
    let mut running = start(free_port().unwrap()).await;
    let process = PathBuf::from(format!("/proc/{}", running.envoy.pid()));
    let directory = running.envoy.directory().to_owned();
    assert!(running.envoy.is_running() && process.exists() && directory.exists());
    drop(running.envoy);
    assert!(!process.exists(), "the process is still there");
    assert_eq!(directory.exists(), env::var_os("KEEP").is_some());
}

/// Not a test of its own: what [`envoy_dies_with_a_killed_test`] kills.
#[test]
fn start_envoy_and_wait_to_be_killed() {
    if env::var_os(TO_BE_KILLED).is_none() {
        return;
    }
    // On a thread that ends first, as a test's thread does in a process with many tests.
    let start = || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(start(free_port().unwrap()))
    };
    let running = std::thread::spawn(start).join().unwrap();
    println!("envoy {}.", running.envoy.pid());
    std::thread::sleep(Duration::from_secs(60));
}

const TO_BE_KILLED: &str = "FHIR_GUARD_HARNESS_TO_BE_KILLED";

#[test]
fn envoy_dies_with_a_killed_test() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    // What the killed test cannot remove goes with this directory.
    let directory = tempfile::tempdir().unwrap();
    let mut test = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "envoy::tests::start_envoy_and_wait_to_be_killed",
        ])
        .env(TO_BE_KILLED, "1")
        .env("TMPDIR", directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(test.stdout.take().unwrap()).lines();
    let line = lines
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("envoy ")?.1.to_owned()))
        .expect("the other test started envoy");
    let process = PathBuf::from(format!("/proc/{}", line.trim_end_matches('.')));
    std::thread::sleep(Duration::from_millis(200));
    let alive = process.exists();
    test.kill().unwrap();
    test.wait().unwrap();
    let gone = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        // A process that is dead but not yet collected by init has no command line.
        fs::read(process.join("cmdline"))
            .unwrap_or_default()
            .is_empty()
    });
    assert!(alive, "envoy died with the thread that started it");
    assert!(gone, "envoy outlived the test that started it");
}

#[tokio::test]
async fn a_refused_configuration_says_why() {
    for (name, config, part) in [
        (
            "certificates that are not there",
            fixture().admin_port(0).build().unwrap(),
            "/etc/fhir-guard/tls/",
        ),
        (
            "unknown field",
            fixture()
                .edit(|config| config["no_such_field"] = json!(1))
                .build()
                .unwrap(),
            "no_such_field",
        ),
        ("no admin", json!({}), "no admin address"),
    ] {
        let error = Envoy::start(Spec::new(config)).await.err().unwrap();
        assert!(error.contains(part), "{name}: {error}");
    }
}

#[test]
fn envoy_is_found_or_the_way_to_it_is_told() {
    let root = tempfile::tempdir().unwrap();
    let installed = root.path().join(".tools/envoy/envoy/_bin/envoy");
    let missing = root.path().join("missing");
    let find = |variable: Option<&Path>| find_in(variable.map(OsString::from), root.path());
    assert!(find(None).unwrap_err().contains("run make tools"));
    assert!(
        find(Some(&missing))
            .unwrap_err()
            .contains("the environment variable ENVOY")
    );
    fs::create_dir_all(installed.parent().unwrap()).unwrap();
    fs::write(&installed, "").unwrap();
    assert_eq!(find(None), Ok(installed.clone()));
    assert_eq!(find(Some(&installed)), Ok(installed.clone()));
    assert!(
        find(Some(&missing)).is_err(),
        "a wrong variable is not passed over"
    );
}

#[test]
fn ports_are_given_out_once() {
    let mut ports: Vec<u16> = (0..50).map(|_| free_port().unwrap()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 50);
}

#[test]
fn the_access_log_is_read_line_by_line() {
    for (name, text, expected) in [
        ("empty", "", Ok(vec![])),
        (
            "two",
            "{\"a\":1}\n{}\n",
            Ok(vec![json!({"a": 1}), json!({})]),
        ),
        ("half a line", "{}\n{\"a\"", Ok(vec![json!({})])),
        ("only half a line", "{\"a\"", Ok(vec![])),
        (
            "not JSON",
            "{}\nsecret\n",
            Err("line 2 of the access log is not JSON"),
        ),
        (
            "empty line",
            "\n{}\n",
            Err("line 1 of the access log is not JSON"),
        ),
    ] {
        match (parse_audit(text.as_bytes()), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{name}"),
            (Err(error), Err(part)) => {
                assert!(
                    error.contains(part) && !error.contains("secret"),
                    "{name}: {error}"
                );
            }
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
}
