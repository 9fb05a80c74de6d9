//! Bulk exports: whoever may start one gets links of ours to the job and its files, and what leaves of those is
//! what he may see.

mod faults;
mod hidden;
mod links;

use fhir_guard::wire::Pair;

use super::*;
use driver::{Answer, NOW, slug};

const KEY: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const BASE: &str = "https://fhir.example.org";
const JOB: &str = "http://fhir/base/jobs/7?x=y";

fn deployment() -> Deployment {
    Deployment::with(|config| {
        config["secrets"] = json!({"page_key": {"inline": KEY}});
        config["fhir"]["export"] = json!({
            "levels": ["system", "patient", "group"], "files": ["/files/"], "lifetime": "1h",
        });
    })
}

/// What comes of a request: what goes upstream, or the rule of the refusal.
type Asked = Result<(Exchange, String, String), String>;

fn ask_with(world: &mut Deployment, head: Vec<Pair>, now: u64) -> Asked {
    let mut exchange = Exchange::default();
    match world.ask_at(&mut exchange, head, true, now * 1_000_000_000) {
        Step::Forward(fields) => {
            let text = |wanted: &str| {
                let found = fields.iter().find(|(name, _)| name == wanted.as_bytes());
                found.map_or_else(String::new, |(_, value)| {
                    String::from_utf8(value.clone()).expect("text")
                })
            };
            Ok((exchange, text(":method"), text(":path")))
        }
        Step::Reply(reply) => {
            let challenge = reply
                .headers
                .iter()
                .find(|(name, _)| *name == "www-authenticate");
            let needed =
                challenge.and_then(|(_, value)| value.split_once("scope=\"")?.1.split_once('"'));
            let rule = slug(&world.record(&mut exchange)["rule"]).to_owned();
            Err(match needed {
                Some((needed, _)) => format!("{rule}.{needed}"),
                None => rule,
            })
        }
        step => panic!("{step:?}"),
    }
}

fn ask(world: &mut Deployment, scope: &str, target: &str) -> Asked {
    let head = world.head(scope, target, &[]);
    ask_with(world, head, NOW)
}

/// The server's answer to what was asked, and what leaves of it.
fn answered(
    world: &mut Deployment,
    asked: Asked,
    head: &[(&str, &str)],
    body: &str,
) -> (Answer, Value) {
    let (mut exchange, ..) = asked.expect("it is forwarded");
    let mut pieces: Vec<&[u8]> = body.as_bytes().chunks(7).collect();
    // Over HTTP/1.1 the end always comes by itself.
    if !pieces.is_empty() {
        pieces.push(b"");
    }
    let answer = world.answer(&mut exchange, head, &pieces, false);
    for name in ["etag", "last-modified"] {
        let told = answer.head.is_some() && field(&answer, name).is_some();
        assert!(
            !told,
            "{name} tells when something changed that need not leave"
        );
    }
    (answer, world.record(&mut exchange))
}

fn field(answer: &Answer, name: &str) -> Option<String> {
    let head = answer.head.as_ref().expect("a head");
    let found = head.iter().find(|(own, _)| own == name.as_bytes());
    found.map(|(_, value)| String::from_utf8(value.clone()).expect("text"))
}

/// Our link to a job that this caller started.
fn started(world: &mut Deployment, scope: &str, target: &str) -> String {
    let asked = ask(world, scope, target);
    let head = [(":status", "202"), ("content-location", JOB)];
    let (answer, record) = answered(world, asked, &head, "");
    assert_eq!(
        (&record["interaction"], &record["status"]),
        (&json!("export"), &json!(202))
    );
    let link = field(&answer, "content-location").expect("a link");
    link.strip_prefix(BASE).expect("our base").to_owned()
}

fn manifest(files: &[(&str, &str)]) -> String {
    let output = files
        .iter()
        .map(|(of, url)| json!({"type": of, "url": url, "count": 2}));
    json!({
        "transactionTime": "2026-11-22T10:00:00Z", "request": "http://fhir/base/$export",
        "requiresAccessToken": false, "output": output.collect::<Vec<_>>(), "error": [],
    })
    .to_string()
}

const JSON: [(&str, &str); 3] = [
    (":status", "200"),
    ("content-type", "application/json"),
    ("etag", "W/\"7\""),
];
const LINES: [(&str, &str); 4] = [
    (":status", "200"),
    ("content-type", "application/fhir+ndjson"),
    ("etag", "W/\"7\""),
    ("last-modified", "Fri, 20 Nov 2026 08:00:00 GMT"),
];

/// Our links to the files of a job.
fn files(world: &mut Deployment, scope: &str, job: &str, told: &[(&str, &str)]) -> Vec<Value> {
    let asked = ask(world, scope, &format!("GET {job}"));
    let (answer, _) = answered(world, asked, &JSON, &manifest(told));
    let manifest: Value = serde_json::from_slice(&answer.body).expect("a manifest");
    manifest["output"].as_array().expect("files").clone()
}

fn path(file: &Value) -> String {
    let url = file["url"].as_str().expect("a url");
    url.strip_prefix(BASE).expect("our base").to_owned()
}

const ALL: &str = "system/*.rs";

#[test]
fn an_export_goes_from_its_start_to_its_files_bypass_34() {
    let mut world = deployment();
    let asked = ask(&mut world, ALL, "GET /r4/$export?_type=Patient,Observation");
    let (_, method, path_up) = asked.as_ref().expect("it may start");
    assert_eq!(
        (method.as_str(), path_up.as_str()),
        ("GET", "/base/$export?_type=Patient,Observation")
    );
    let head = [
        (":status", "202"),
        ("content-location", JOB),
        ("x-any", "CANARY"),
    ];
    let (answer, record) = answered(&mut world, asked, &head, "CANARY");
    assert_eq!(
        (answer.body.as_slice(), answer.end),
        (&b""[..], End::Complete)
    );
    assert_eq!(record["outcome"], "allowed");

    let job = started(&mut world, ALL, "GET /r4/$export?_type=Patient,Observation");
    assert!(
        job.starts_with("/r4/_export/job/") && !job.contains("jobs"),
        "{job}"
    );

    // It is under way.
    let asked = ask(&mut world, ALL, &format!("GET {job}"));
    let (_, method, path_up) = asked.as_ref().expect("its client asks");
    assert_eq!(
        (method.as_str(), path_up.as_str()),
        ("GET", "/base/jobs/7?x=y")
    );
    let head = [
        (":status", "202"),
        ("retry-after", "30"),
        ("x-progress", "CANARY 42% done"),
    ];
    let (answer, record) = answered(&mut world, asked, &head, "CANARY");
    assert_eq!(answer.body, b"");
    assert_eq!(field(&answer, "retry-after").as_deref(), Some("30"));
    assert_eq!(field(&answer, "x-progress").as_deref(), Some("42%"));
    assert_eq!(record["interaction"], "export-status");

    // It is done.
    let told = [
        ("Patient", "http://fhir/base/files/p?sig=1"),
        ("Observation", "http://elsewhere/files/o.ndjson"),
        ("Condition", "http://fhir/base/files/c"),
    ];
    let asked = ask(&mut world, ALL, &format!("GET {job}"));
    let (answer, record) = answered(&mut world, asked, &JSON, &manifest(&told));
    let left: Value = serde_json::from_slice(&answer.body).expect("a manifest");
    assert_eq!(
        left["request"],
        format!("{BASE}/r4/$export?_type=Patient,Observation")
    );
    assert_eq!(left["requiresAccessToken"], true);
    let types: Vec<_> = left["output"]
        .as_array()
        .expect("files")
        .iter()
        .map(|file| &file["type"])
        .collect();
    assert_eq!(
        types,
        ["Patient", "Observation"],
        "what was not asked for is not told of"
    );
    assert_eq!(
        (&record["passed"], &record["removed"]),
        (&json!(2), &json!(1)),
        "{record}"
    );

    // And the files.
    let (patients, observations) = (path(&left["output"][0]), path(&left["output"][1]));
    let asked = ask(&mut world, ALL, &format!("GET {patients}"));
    let (_, method, path_up) = asked.as_ref().expect("its client asks");
    assert_eq!(
        (method.as_str(), path_up.as_str()),
        ("GET", "/base/files/p?sig=1")
    );
    let lines = format!("{}\n{}\n", patient("a", 1), patient("b", 700));
    let (answer, record) = answered(&mut world, asked, &LINES, &lines);
    assert_eq!(answer.end, End::Complete);
    let expected = [redacted("a", 1), redacted("b", 700), Vec::new()].join(&b'\n');
    assert_eq!(
        String::from_utf8(answer.body.clone()),
        String::from_utf8(expected)
    );
    assert_eq!(
        field(&answer, "content-type").as_deref(),
        Some("application/fhir+ndjson")
    );
    assert_eq!(
        (&record["interaction"], &record["type"]),
        (&json!("export-file"), &json!("Patient")),
        "{record}"
    );
    let (_, _, path_up) = ask(&mut world, ALL, &format!("GET {observations}")).expect("its client");
    assert_eq!(path_up, "/files/o.ndjson");
    let asked = ask(&mut world, ALL, &format!("GET {observations}"));
    let (answer, _) = answered(&mut world, asked, &LINES, "");
    assert_eq!(
        (answer.body.as_slice(), answer.end),
        (&b""[..], End::Complete),
        "an empty file"
    );

    // It is not wanted any more.
    let asked = ask(&mut world, ALL, &format!("DELETE {job}"));
    let (_, method, path_up) = asked.as_ref().expect("its client asks");
    assert_eq!(
        (method.as_str(), path_up.as_str()),
        ("DELETE", "/base/jobs/7?x=y")
    );
    let (answer, record) = answered(&mut world, asked, &[(":status", "202")], "CANARY");
    assert_eq!(
        (answer.body.as_slice(), answer.end),
        (&b""[..], End::Complete)
    );
    assert_eq!(record["interaction"], "export-cancel");
}

#[test]
fn an_export_is_for_systems_with_all_that_it_needs_bypass_34() {
    let mut world = deployment();
    let scope = |needed: &str| Err(format!("scope.{needed}"));
    for (scopes, target, expected) in [
        ("system/*.rs", "/$export", Ok("/base/$export")),
        ("system/*.read", "/$export", Ok("/base/$export")),
        (
            "system/*.cruds",
            "/Patient/$export",
            Ok("/base/Patient/$export"),
        ),
        (
            "system/Patient.rs system/Observation.rs",
            "/Patient/$export",
            Ok("/base/Patient/$export?_type=Observation,Patient"),
        ),
        (
            "system/Observation.rs?category=vital-signs",
            "/$export",
            Ok("/base/$export?_type=Observation"),
        ),
        (
            "system/Group.rs system/Patient.rs system/Observation.rs",
            "/Group/g1/$export?_type=Observation",
            Ok("/base/Group/g1/$export?_type=Observation"),
        ),
        ("system/*.r", "/$export", scope("system/*.rs")),
        ("system/*.s", "/$export", scope("system/*.rs")),
        ("system/*.cud", "/$export", scope("system/*.rs")),
        ("user/*.rs", "/$export", scope("system/*.rs")),
        ("patient/*.rs", "/$export", scope("system/*.rs")),
        ("patient/*.rs", "/Patient/$export", scope("system/*.rs")),
        (
            "system/Observation.rs",
            "/$export?_type=Observation,Patient",
            scope("system/Patient.rs"),
        ),
        (
            "system/Observation.rs",
            "/Patient/$export",
            scope("system/Patient.rs"),
        ),
        (
            "system/Patient.r system/Observation.rs",
            "/Patient/$export",
            scope("system/Patient.rs"),
        ),
        (
            "system/Patient.rs system/Observation.rs",
            "/Group/g1/$export",
            scope("system/Group.rs"),
        ),
        (
            "system/Group.rs system/Observation.rs",
            "/Group/g1/$export",
            scope("system/Patient.rs"),
        ),
        (
            "system/Group.rs?code=x system/Patient.rs",
            "/Group/g1/$export",
            Err("request.not-supported.group".to_owned()),
        ),
        (
            "system/*.rs",
            "/$export?_type=Binary",
            scope("system/Binary.rs"),
        ),
        (
            "system/*.rs",
            "/$export?_type=Bundle",
            scope("system/Bundle.rs"),
        ),
        (
            "system/Observation.rs",
            "/$export?_typeFilter=Condition?code=x",
            Err("request.malformed.type-filter".to_owned()),
        ),
    ] {
        let name = format!("{scopes}: {target}");
        let found = ask(&mut world, scopes, &format!("GET /r4{target}")).map(|(.., path)| path);
        assert_eq!(found, expected.map(str::to_owned), "{name}");
    }
    // What is hidden is not searched by a filter either.
    let hidden = ask(
        &mut world,
        ALL,
        "GET /r4/$export?_typeFilter=Patient?birthdate=1970",
    );
    assert_eq!(
        hidden.err().as_deref(),
        Some("request.not-supported.parameter")
    );
    // A token that nobody has to prove is not for everything at once.
    let mut open = world.changed(|config| config["issuers"][0]["proof"] = json!(["none"]));
    let claims = fhir_guard_harness::tokens::Claims::new(NOW).scope(ALL);
    let token = open.token(&claims);
    let head = open.head_with(&token, "GET /r4/$export", &[]);
    assert_eq!(
        ask_with(&mut open, head, NOW).err().as_deref(),
        Some("export.unbound")
    );
    // In a Bundle of requests it has no place.
    for target in ["GET /r4/Patient", "GET /r4/metadata"] {
        let head = world.head(ALL, target, &[("prefer", "respond-async")]);
        assert_eq!(
            ask_with(&mut world, head, NOW).err().as_deref(),
            Some("request.not-supported.prefer")
        );
    }
}

#[test]
fn operators_rules_are_for_exports_too() {
    let mut world = deployment().changed(|config| {
        config["rules"] = json!([
            {"name": "no-goals", "effect": "deny", "types": ["Goal"]},
            {"name": "office", "effect": "deny", "interactions": ["export"], "types": ["Condition"]},
        ]);
    });
    for (target, expected) in [
        (
            "/$export?_type=Observation",
            Ok("/base/$export?_type=Observation"),
        ),
        ("/$export?_type=Goal,Observation", Err("deny.no-goals")),
        ("/$export?_type=Condition", Err("deny.office")),
    ] {
        let found = ask(&mut world, ALL, &format!("GET /r4{target}")).map(|(.., path)| path);
        assert_eq!(
            found,
            expected.map(str::to_owned).map_err(str::to_owned),
            "{target}"
        );
    }
    let scopes = "system/Goal.rs system/Condition.rs system/Observation.rs";
    let found = ask(&mut world, scopes, "GET /r4/$export").map(|(.., path)| path);
    assert_eq!(found, Ok("/base/$export?_type=Observation".to_owned()));
    // Links that were made before say what was permitted then; what is permitted now decides.
    let mut before = deployment();
    before.issuer = world.issuer.clone();
    before.certificate = world.certificate.clone();
    let mut before = world.changed(|config| config["rules"] = json!([]));
    let job = started(&mut before, ALL, "GET /r4/$export?_type=Goal,Observation");
    let found = ask(&mut world, ALL, &format!("GET {job}")).err();
    assert_eq!(found.as_deref(), Some("deny.no-goals"));
    // Nobody can ask so many patients.
    let mut asking = world.changed(|config| {
        config["rules"] =
            json!([{"name": "consent", "effect": "require", "require": {"consent": true}}]);
    });
    let found = ask(&mut asking, ALL, "GET /r4/Patient/$export")
        .err()
        .expect("it is refused");
    assert!(found.starts_with("consent.consent"), "{found}");
}
