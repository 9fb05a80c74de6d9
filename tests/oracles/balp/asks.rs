//! Exchanges of every kind: succeeded, refused, failed, and in the steps of an export.

use serde_json::{Value, json};

use super::world::{Ask, Done, World};

const LIST: &str = r#"{"resourceType":"List","id":"ex-list","meta":{"versionId":"1"},"status":"current","mode":"working","subject":{"reference":"Patient/ex-patient"}}"#;
const DOCUMENT: &str = r#"{"resourceType":"DocumentReference","id":"ex-documentreference","meta":{"versionId":"1"},"status":"current","content":[{"attachment":{"title":"x"}}],"subject":{"reference":"Patient/ex-patient"}}"#;
const REPORT: &str = r#"{"resourceType":"MeasureReport","status":"complete","type":"summary","measure":"http://example.org/Measure/1","period":{"start":"2020"}}"#;
const PATIENT: &str = r#"{"resourceType":"Patient","id":"ex-patient"}"#;
const OWN: &str = r#"{"resource":{"resourceType":"Observation","id":"1","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/ex-patient"}},"search":{"mode":"match"}}"#;
const OTHERS: &str = r#"{"resource":{"resourceType":"Observation","id":"2","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/other"}},"search":{"mode":"match"}}"#;
const HISTORY: &str = r#"{"resourceType":"Bundle","type":"history"}"#;
const DENIED: &str = r#"{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Consent","id":"ex-consent","status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},"patient":{"reference":"Patient/ex-patient"},"provision":{"type":"deny"}}}]}"#;

/// What is asked for of one patient, and of nobody, as the published examples ask.
const QUERY: &str = "_lastUpdated=gt2020-11-06T21:52:30.300Z&_sort=_lastUpdated&_count=10";

/// Those that do not succeed, and how.
pub const FAILED: [(&str, &str); 16] = [
    ("no scope", "8"),
    ("an old token", "4"),
    ("another login is needed", "4"),
    ("no such type", "8"),
    ("not there", "8"),
    ("the server fails", "12"),
    ("another resource", "12"),
    ("no consent", "8"),
    ("beyond a limit", "4"),
    ("broken off", "4"),
    ("ended by a guardrail", "4"),
    ("a transaction that is refused", "8"),
    ("a batch of which nothing is permitted", "8"),
    ("a transaction that fails", "12"),
    ("no bundle", "4"),
    ("without a head", "4"),
];

/// What each of them asks for.
struct Asking(Vec<Ask>);

impl Asking {
    /// By a user who may everything.
    fn add(
        &mut self,
        name: &'static str,
        asked: (&'static str, &str),
        status: u16,
        answer: &str,
    ) -> &mut Ask {
        let (method, path) = asked;
        self.0.push(Ask {
            name,
            claims: json!({"scope": "user/*.cruds", "fhirUser": "Practitioner/7"}),
            method,
            path: path.to_owned(),
            body: None,
            before: "",
            status,
            fields: Vec::new(),
            answer: answer.to_owned(),
            broken: None,
        });
        self.0.last_mut().expect("it was added")
    }
}

impl Ask {
    fn claiming(&mut self, claims: Value) -> &mut Ask {
        self.claims = claims;
        self
    }

    fn with(&mut self, body: impl ToString) -> &mut Ask {
        self.body = Some(body.to_string());
        self
    }

    fn at(&mut self, location: &'static str) -> &mut Ask {
        self.fields.push(("location", location));
        self
    }

    fn after(&mut self, before: &'static str) -> &mut Ask {
        self.before = before;
        self
    }
}

/// One exchange of every kind.
pub fn asks() -> Vec<Ask> {
    let mut all = Asking(Vec::new());
    reads(&mut all);
    writes(&mut all);
    bundles(&mut all);
    failures(&mut all);
    all.0
}

fn machine() -> Value {
    json!({"scope": "system/*.cruds", "sub": "app"})
}

fn of_patient() -> Value {
    json!({"scope": "patient/*.cruds", "patient": "ex-patient", "fhirUser": "Patient/ex-patient"})
}

fn machine_of_patient() -> Value {
    json!({"scope": "patient/*.cruds", "patient": "ex-patient", "sub": "app"})
}

fn found(entries: &[&str]) -> String {
    let entries = entries.join(",");
    format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{entries}]}}"#)
}

fn reads(all: &mut Asking) {
    let nothing = &found(&[]);
    all.add("read", ("GET", "/List/ex-list"), 200, LIST);
    all.add("vread", ("GET", "/List/ex-list/_history/1"), 200, LIST);
    all.add(
        "search",
        ("GET", "/Observation?code=x"),
        200,
        &found(&[OWN, OTHERS]),
    );
    all.add(
        "search that finds nothing",
        ("GET", "/Observation?code=x"),
        200,
        nothing,
    );
    all.add(
        "search in a compartment",
        ("GET", "/Patient/ex-patient/Observation"),
        200,
        nothing,
    );
    let several = "?_type=Observation,DiagnosticReport&patient=ex-patient";
    all.add("search of several types", ("GET", several), 200, nothing);
    let of_one = format!("/Observation?patient=ex-patient&{QUERY}");
    all.add(
        "query about a patient",
        ("GET", &of_one),
        200,
        &found(&[OWN]),
    );
    let of_nobody = format!("/MeasureReport?{QUERY}");
    all.add("query about nobody", ("GET", &of_nobody), 200, nothing);
    let form = format!("patient=ex-patient&{QUERY}");
    all.add(
        "query by POST",
        ("POST", "/Observation/_search"),
        200,
        &found(&[OWN]),
    )
    .with(form);
    all.add("history", ("GET", "/List/ex-list/_history"), 200, HISTORY);
    all.add("history of the system", ("GET", "/_history"), 200, HISTORY);
    all.add("the head of a read", ("HEAD", "/List/ex-list"), 200, LIST);
    all.add(
        "what is public",
        ("GET", "/metadata"),
        200,
        r#"{"resourceType":"CapabilityStatement"}"#,
    );
    all.add("history of a type", ("GET", "/List/_history"), 200, HISTORY);
    all.add(
        "operation",
        ("GET", "/Patient/ex-patient/$everything"),
        200,
        nothing,
    );
    all.add("break glass", ("GET", "/List/ex-list"), 200, LIST)
        .claiming(json!({
            "scope": "user/*.cruds",
            "fhirUser": "Practitioner/7",
            "roles": [{"system": "urn:roles", "code": "nurse"}, "ward 3"],
            "purpose": "http://terminology.hl7.org/CodeSystem/v3-ActReason|BTG",
        }));
    all.add("read by a machine", ("GET", "/List/ex-list"), 200, LIST)
        .claiming(machine());
    all.add(
        "read by a patient",
        ("GET", "/Patient/ex-patient"),
        200,
        PATIENT,
    )
    .claiming(json!({"scope": "patient/*.rs", "patient": "ex-patient"}));
}

fn writes(all: &mut Asking) {
    let new = |text: &str| {
        let mut resource: Value = serde_json::from_str(text).expect("JSON");
        let members = resource.as_object_mut().expect("an object");
        members.retain(|name, _| !["id", "meta"].contains(&name.as_str()));
        resource
    };
    let list = "http://fhir/List/ex-list/_history/1";
    let document = "http://fhir/DocumentReference/ex-documentreference/_history/1";
    let report = "http://fhir/MeasureReport/ex-measurereport/_history/1";
    all.add("create", ("POST", "/List"), 201, "")
        .with(new(LIST))
        .at(list);
    all.add("create that is shown", ("POST", "/List"), 201, LIST)
        .with(new(LIST))
        .at(list);
    all.add("create about nobody", ("POST", "/MeasureReport"), 201, "")
        .with(REPORT)
        .at(report);
    all.add(
        "create by a machine",
        ("POST", "/DocumentReference"),
        201,
        DOCUMENT,
    )
    .with(new(DOCUMENT))
    .at(document)
    .claiming(machine());
    all.add("update", ("PUT", "/List/ex-list"), 200, LIST)
        .with(LIST);
    all.add("update by a machine", ("PUT", "/List/ex-list"), 200, LIST)
        .with(LIST)
        .claiming(machine());
    let path = "/DocumentReference/ex-documentreference";
    all.add("update of a document", ("PUT", path), 200, DOCUMENT)
        .with(DOCUMENT)
        .claiming(machine());
    all.add("update that is not shown", ("PUT", path), 200, "")
        .with(DOCUMENT)
        .claiming(machine());
    all.add("patch", ("PATCH", "/List/ex-list"), 200, LIST)
        .with(json!([{"op": "replace", "path": "/title", "value": "x"}]));
    let condition = "/List?identifier=x";
    all.add("conditional update", ("PUT", condition), 200, LIST)
        .with(LIST);
    all.add("conditional patch", ("PATCH", condition), 200, LIST)
        .with(json!([{"op": "replace", "path": "/title", "value": "x"}]));
    all.add("conditional delete", ("DELETE", condition), 204, "");
    all.add("delete", ("DELETE", "/Patient/ex-patient"), 204, "");
    all.add("delete by a patient", ("DELETE", "/List/ex-list"), 204, "")
        .claiming(of_patient())
        .after(LIST);
    all.add("delete by a machine", ("DELETE", "/List/ex-list"), 204, "")
        .claiming(machine_of_patient())
        .after(LIST);
    all.add("delete of a document", ("DELETE", path), 204, "")
        .claiming(machine_of_patient())
        .after(DOCUMENT);
}

fn bundle(kind: &str, entries: &[Value]) -> Value {
    json!({"resourceType": "Bundle", "type": kind, "entry": entries})
}

fn entry(method: &str, url: &str) -> Value {
    json!({"request": {"method": method, "url": url}})
}

fn bundles(all: &mut Asking) {
    let batch = [
        entry("GET", "Patient/ex-patient"),
        entry("DELETE", "List/ex-list"),
        entry("GET", "Nonsense/1"),
        entry("GET", "Observation?code=x"),
        entry("GET", "List/ex-list"),
    ];
    let answers = format!(
        r#"{{"resource":{PATIENT},"response":{{"status":"200"}}}},{{"response":{{"status":"204"}}}},{{"resource":{},"response":{{"status":"200"}}}},{{"resource":{LIST},"response":{{"status":"200"}}}}"#,
        found(&[OWN, OTHERS])
    );
    let answer = |kind: &str, entries: &str| {
        format!(r#"{{"resourceType":"Bundle","type":"{kind}-response","entry":[{entries}]}}"#)
    };
    all.add("batch", ("POST", ""), 200, &answer("batch", &answers))
        .with(bundle("batch", &batch));
    let list: Value = serde_json::from_str(LIST).expect("JSON");
    let mut put = entry("PUT", "List/ex-list");
    put["resource"] = list;
    let written = [put, entry("DELETE", "Patient/ex-patient")];
    let answers = format!(
        r#"{{"resource":{LIST},"response":{{"status":"200"}}}},{{"response":{{"status":"204"}}}}"#
    );
    all.add(
        "transaction",
        ("POST", ""),
        200,
        &answer("transaction", &answers),
    )
    .with(bundle("transaction", &written));
    all.add("no bundle", ("POST", ""), 200, "").with("{}");
    all.add("a transaction that fails", ("POST", ""), 500, "")
        .with(bundle("transaction", &written));
    all.add("a transaction that is refused", ("POST", ""), 200, "")
        .with(bundle("transaction", &written))
        .claims["scope"] = json!("user/*.rs");
    all.add(
        "a batch of which nothing is permitted",
        ("POST", ""),
        200,
        "",
    )
    .with(bundle("batch", &written))
    .claims["scope"] = json!("user/*.rs");
}

fn failures(all: &mut Asking) {
    all.add("no scope", ("GET", "/List/ex-list"), 200, LIST)
        .claims["scope"] = json!("user/Patient.rs");
    all.add("an old token", ("GET", "/List/ex-list"), 200, LIST)
        .claims["exp"] = json!(1);
    all.add("another login is needed", ("GET", "/Condition/1"), 200, "");
    all.add("no such type", ("GET", "/Nonsense/1"), 200, "");
    all.add("not there", ("GET", "/List/ex-list"), 404, "");
    all.add("the server fails", ("GET", "/List/ex-list"), 500, "");
    all.add("another resource", ("GET", "/List/ex-list"), 200, PATIENT);
    all.add(
        "no consent",
        ("GET", "/Procedure?patient=ex-patient"),
        200,
        "",
    )
    .after(DENIED);
    let encounter = r#"{"resourceType":"Encounter","id":"1","status":"planned","class":{"code":"AMB"},"subject":{"reference":"Patient/ex-patient"}}"#;
    all.add("within a limit", ("GET", "/Encounter/1"), 200, encounter);
    all.add("beyond a limit", ("GET", "/Encounter/1"), 200, encounter);
    let device = |id: &str| {
        format!(
            r#"{{"resource":{{"resourceType":"Device","id":"{id}","patient":{{"reference":"Patient/ex-patient"}}}},"search":{{"mode":"match"}}}}"#
        )
    };
    let devices = found(&[&device("1"), &device("2")]);
    all.add(
        "ended by a guardrail",
        ("GET", "/Device?status=active"),
        200,
        &devices,
    );
    let long = found(&[OWN; 60]);
    all.add("broken off", ("GET", "/Observation?code=x"), 200, &long)
        .broken = Some(long.len() / 2);
}

/// The steps of an export, from its start to a file of it, and its end.
pub fn export(world: &mut World) -> Vec<(&'static str, Done)> {
    let mut asking = Asking(Vec::new());
    let mut step = |name, asked: (&'static str, &str), status, fields, answer: &str| {
        let ask = asking.add(name, asked, status, answer).claiming(json!({
            "scope": "system/*.rs",
            "sub": "app",
            "purpose": "http://terminology.hl7.org/CodeSystem/v3-ActReason|PATRQT",
        }));
        ask.fields = fields;
        (name, world.ask(ask))
    };
    let below = |url: &str| {
        let below = url.strip_prefix("https://fhir.example.org/r4");
        below.expect(url).to_owned()
    };
    let kick_off = ("GET", "/$export?_type=Observation");
    let job = vec![("content-location", "http://fhir/jobs/1")];
    let started = step("the start of an export", kick_off, 202, job, "");
    let mut head = started.1.head.iter();
    let job = head.find(|(name, _)| name == b"content-location");
    let job = String::from_utf8(job.expect("a link").1.clone()).expect("text");
    let json = vec![("content-type", "application/json")];
    let manifest = r#"{"transactionTime":"2026-11-22T10:00:00Z","request":"http://fhir/$export","requiresAccessToken":false,"output":[{"type":"Observation","url":"http://fhir/files/1"}],"error":[]}"#;
    let told = step(
        "the state of an export",
        ("GET", &below(&job)),
        200,
        json,
        manifest,
    );
    let manifest: Value = serde_json::from_slice(&told.1.body).expect("a manifest");
    let link = below(manifest["output"][0]["url"].as_str().expect("a file"));
    let lines = vec![("content-type", "application/fhir+ndjson")];
    let resource = |entry: &str| {
        let entry: Value = serde_json::from_str(entry).expect("JSON");
        format!("{}\n", entry["resource"])
    };
    let both = resource(OWN) + &resource(OTHERS);
    let file = step("a file of an export", ("GET", &link), 200, lines, &both);
    let ended = step(
        "the end of an export",
        ("DELETE", &below(&job)),
        202,
        vec![],
        "",
    );
    vec![started, told, file, ended]
}
