//! LinuxForHealth FHIR: which interaction a scope opens.

use std::rc::Rc;

use fhir_guard::access::{Circumstances, Rules, Terms, authorize};
use fhir_guard::request::body::BodyCheck;
use fhir_guard::request::{
    Authorization, BaseUrl, FhirPolicy, Request, RequestHead, Upstream, WritePolicy,
};
use serde_json::{Value, json};

use crate::account::{Account, Decision, Suite};
use crate::tokens::Mint;
use crate::vectors::{Vectors, list, text};

const PATIENT: &str =
    "its scopes are for `patient/`, and it is no read of a Patient: the filter opens little else";
const SYSTEM: &str =
    "it is about all types, a compartment or Binary, which the filter refuses whatever the scope";
const ENTRIES: &str =
    "it refuses a whole answer for an entry of another type, which the filter takes out";

/// What is judged is the request: whether it is permitted. The filter looks at answers later.
pub fn interactions(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "LinuxForHealth, interactions and scopes",
        rules: &[(PATIENT, 228), (SYSTEM, 22), (ENTRIES, 18)],
        corrections: &[(
            "527",
            "an update takes `u`, which `.write` is, and not `r` (SMART App Launch 2.2, scopes)",
        )],
        accepted: 82,
        refused: 88,
    });
    let mint = Mint::new(vectors);
    let table = vectors.json("fhir-authz/lfh_smart_cases.json");
    for row in list(&table, "cases") {
        let expected = Decision::accept_if(row["expected"] == "allow");
        match inapplicable(row) {
            Some(rule) => account.leave(rule),
            None => account.judge(&row["id"].to_string(), expected, decided(&mint, row)),
        }
    }
    account.close();
}

/// Why a row does not apply.
fn inapplicable(row: &Value) -> Option<&'static str> {
    let (method, path) = (
        text(&row["request"], "method"),
        text(&row["request"], "path"),
    );
    let path = path.split('?').next().unwrap_or(path);
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let reads_patient = method == "GET" && segments.len() > 1 && segments[0] == "Patient";
    let of_type = segments[0].starts_with(|first: char| first.is_ascii_uppercase());
    let beyond = segments.get(2).is_some_and(|third| *third != "_history");
    let entries = row["request"]["response"]["entry"].as_array();
    let mixed = entries.is_some_and(|entries| {
        let types = entries
            .iter()
            .map(|entry| &entry["resource"]["resourceType"]);
        let urls = entries.iter().filter_map(|entry| entry["fullUrl"].as_str());
        types
            .clone()
            .any(|name| name.is_string() && name != segments[0])
            || urls.clone().any(|url| !url.starts_with(segments[0]))
    });
    if text(row, "scope").contains("patient/") && !reads_patient {
        Some(PATIENT)
    } else if !of_type || beyond || segments[0] == "Binary" {
        Some(SYSTEM)
    } else if mixed && row["expected"] == "deny" {
        Some(ENTRIES)
    } else {
        None
    }
}

fn decided(mint: &Mint, row: &Value) -> Decision {
    let mut claims = json!({"scope": text(row, "scope"), "fhirUser": "Practitioner/d1"});
    if let Some(patient) = row["patient_context"][0].as_str() {
        claims["patient"] = json!(patient);
    }
    let caller = mint.caller(&claims, None).expect("a caller");
    let base = |text| BaseUrl::parse(text).expect("a base");
    let fhir = FhirPolicy {
        base: base("https://fhir.example.org/r4"),
        public: Vec::new(),
        upstream: Upstream {
            cluster: "fhir".to_owned(),
            base: base("http://fhir"),
            authorization: Authorization::Strip,
        },
        body_limit: 1024,
        body_check: BodyCheck::Structure,
        writes: WritePolicy::default(),
        compartment: Default::default(),
    };
    let path = format!("/r4{}", text(&row["request"], "path"));
    let pairs = [
        (":method", text(&row["request"], "method")),
        (":path", &path),
        ("content-type", "application/fhir+json"),
    ];
    let pairs = pairs.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let head = RequestHead::parse(pairs.to_vec()).1.expect(&path);
    let request = Request::parse(&head, &fhir).unwrap_or_else(|why| panic!("{path}: {why:?}"));
    let permit = authorize(
        &Rc::new(caller),
        &request,
        &Terms {
            fhir: &fhir,
            forbidden: false,
            hidden: &|_, _, _| false,
            step_up: &[],
            rules: &Rules::default(),
            circumstances: Circumstances::default(),
        },
    );
    Decision::accept_if(permit.is_ok())
}
