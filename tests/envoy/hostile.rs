//! A FHIR server that lies, in every way it knows, to callers of both versions of HTTP: what comes
//! out is what a rule says, and never a word about anybody else.

use fhir_guard_harness::client::{End, Request, Response, Version};
use fhir_guard_harness::fhir::Misbehaviour;
use serde_json::Value;

use crate::wire::{check, check_refusal, resources};
use crate::world::{Setting, World, http2_upstream, is_cut};

/// The interactions that are asked for, all as a caller confined to p1.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asked {
    Read,
    Search,
    History,
}

/// What must come out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    /// 200 with exactly the resources of the upstream's answer that the caller may see.
    Screened,
    /// The filter's own answer.
    Refused(u16, &'static str),
    /// A head, perhaps a part of the body, and then the end of the stream.
    Cut,
    /// Envoy answers when the upstream breaks off while the head is held, and leaves the filter no
    /// word in it.
    Proxy,
    /// The same after the document had closed: all of it was decided, and may have left.
    BrokenOff,
}

const UNINSPECTABLE: Expected = Expected::Refused(502, "exception");

/// The rule.
fn expected(misbehaviour: Misbehaviour, asked: Asked) -> Expected {
    use Misbehaviour as M;
    match misbehaviour {
        // How the bytes are framed changes nothing.
        M::Chunked | M::NoContentLength | M::SlowChunks | M::Trailers => Expected::Screened,
        // Nor how member names are written, nor fields and links, which are made anew.
        M::EscapedKeys | M::HeaderFlood | M::LeakyLinks | M::OpaquePages => Expected::Screened,
        // One strict JSON document in the clear, with 200, or nothing.
        M::BadUtf8
        | M::Bom
        | M::Deep
        | M::DuplicateKeys
        | M::Empty200
        | M::GzipUnasked
        | M::Html200
        | M::Ndjson
        | M::NoResourceType
        | M::NotJson
        | M::Redirect302
        | M::Status204
        | M::Status206
        | M::Status304
        | M::Status500
        | M::TrailingGarbage
        | M::TruncatedJson
        | M::TwoRoots
        | M::Xml => UNINSPECTABLE,
        // The shape that was asked for, or nothing.
        M::Parameters => UNINSPECTABLE,
        M::EntryFirst if asked != Asked::Read => UNINSPECTABLE,
        M::EntryFirst => Expected::Screened,
        // What is not the caller's goes entry by entry; one resource goes whole: it is as absent as
        // any other (404) when it is about somebody else, and no answer at all (502) when it is not
        // what was asked for.
        M::IgnoreFilters | M::LieSelf | M::ForeignInclude => Expected::Screened,
        M::ForeignContained if asked == Asked::Read => Expected::Refused(404, "not-found"),
        M::NestedBundle | M::WrongId | M::WrongType if asked == Asked::Read => UNINSPECTABLE,
        M::ForeignContained | M::NestedBundle | M::WrongId | M::WrongType => Expected::Screened,
        // Large searchsets stream. In the place of a history they are seen to be none at once; in
        // the place of a resource only when they are whole, and by then the head has left.
        M::Big20Mb | M::ManySmall => match asked {
            Asked::Search => Expected::Screened,
            Asked::History => UNINSPECTABLE,
            Asked::Read => Expected::Cut,
        },
        // Above `resource_limit`, and found to be so behind the head.
        M::BigResource9Mb => Expected::Cut,
        M::Cut => Expected::Proxy,
        M::ContentLengthTooLong => Expected::BrokenOff,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_uninspected_comes_out_of_a_lying_server() {
    every_misbehaviour(Setting::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_uninspected_comes_out_of_a_lying_wire() {
    every_misbehaviour(Setting {
        raw_upstream: true,
        ..Setting::default()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_uninspected_comes_out_of_a_lying_http2_server() {
    every_misbehaviour(Setting {
        envoy: Some(Box::new(http2_upstream)),
        ..Setting::default()
    })
    .await;
}

async fn every_misbehaviour(setting: Setting) {
    let world = World::shared(setting).await;
    let mut outcomes = Vec::new();
    for misbehaviour in Misbehaviour::ALL.iter().copied() {
        for asked in [Asked::Read, Asked::Search, Asked::History] {
            world.fhir.misbehave(Some(misbehaviour.name()));
            let told = match expected(misbehaviour, asked) {
                Expected::Screened => world.direct(asked.path()).await,
                _ => Vec::new(),
            };
            for version in [Version::Http1, Version::Http2] {
                let name = format!("{misbehaviour} {asked:?} {version:?}");
                let expected = expected(misbehaviour, asked);
                let (outcome, status) = one(&world, &name, expected, asked, version, &told).await;
                outcomes.push((name, outcome, status));
            }
        }
    }
    world.fhir.misbehave(None);
    for (record, (name, outcome, status)) in world.records().await.iter().zip(outcomes) {
        assert_eq!(record["outcome"], outcome, "{name}: {record}");
        assert_eq!(record["status"], status, "{name}: {record}");
    }
    world.close().await;
}

impl Asked {
    fn path(self) -> &'static str {
        match self {
            Asked::Read => "/Patient/p1",
            Asked::Search => "/Observation?patient=Patient/p1&_count=5",
            Asked::History => "/Patient/p1/_history",
        }
    }
}

/// One exchange; the outcome and the status that its record must name.
async fn one(
    world: &World,
    name: &str,
    expected: Expected,
    asked: Asked,
    version: Version,
    told: &[u8],
) -> (&'static str, u16) {
    let client = world.client_of(Some(&world.pki.client("clinic-a")), version, "secure");
    let token = world.token("patient/Patient.rs patient/Observation.rs");
    world.expect_records(1);
    let answer = client
        .send(Request::get(&format!("/r4{}", asked.path())).bearer(&token))
        .await;
    match (expected, answer) {
        (Expected::BrokenOff, Err(_)) => ("allowed", 200),
        (_, Err(error)) => panic!("{name}: {error}"),
        (Expected::Proxy, Ok(answer)) => {
            // 502 where HTTP/1.1 broke its word about the length, 503 where HTTP/2 reset a stream.
            assert!([502, 503].contains(&answer.status), "{name}");
            check_refusal(name, &answer, answer.status, "transient");
            ("cut", answer.status)
        }
        (Expected::BrokenOff, Ok(answer)) => {
            check(name, &answer);
            assert!(is_cut(&answer, version, true), "{name}: {}", answer.text());
            ("allowed", 200)
        }
        (Expected::Screened, Ok(answer)) => {
            check_screened(name, &answer, told, asked);
            ("allowed", 200)
        }
        (Expected::Refused(status, code), Ok(answer)) => {
            assert_eq!(answer.end, End::Complete, "{name}");
            check_refusal(name, &answer, status, code);
            ("withheld", status)
        }
        (Expected::Cut, Ok(answer)) => {
            check(name, &answer);
            let status = answer.status;
            assert!(is_cut(&answer, version, false), "{name}: {status}");
            assert_eq!(answer.status, 200, "{name}");
            // Of a resource nothing leaves before it is whole, of a Bundle no undecided entry.
            assert!(answer.body.len() < 1000, "{name}: {}", answer.text());
            ("cut", 200)
        }
    }
}

/// What came out is what may be seen of what the upstream said, all of it and in its order.
fn check_screened(name: &str, answer: &Response, told: &[u8], asked: Asked) {
    check(name, answer);
    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    assert_eq!(answer.end, End::Complete, "{name}");
    let came = answer.json().expect(name);
    let told: Value = serde_json::from_slice(told).expect(name);
    if asked == Asked::Read {
        assert_eq!(came, redacted(told), "{name}");
        return;
    }
    let told: Vec<Value> = resources(&told)
        .into_iter()
        .filter(|resource| is_own(resource, asked))
        .map(redacted)
        .collect();
    // Not shown whole: some are of 20 MB.
    let mut pairs = resources(&came).into_iter().zip(&told);
    let other = pairs.find(|(came, told)| came != *told);
    let other = other.map(|(came, _)| came.to_string().chars().take(500).collect::<String>());
    assert_eq!(other, None, "{name}");
    assert_eq!(resources(&came).len(), told.len(), "{name}");
    assert!(came.get("total").is_none(), "{name}: total");
    let entries = came.get("entry").and_then(Value::as_array);
    assert!(entries.is_none_or(|all| !all.is_empty()), "{name}: []");
    assert_eq!(
        came["link"][0]["url"],
        format!("{}{}", crate::world::BASE, asked.path()),
        "{name}: self"
    );
}

/// Of the type that was asked for, about p1 and nobody else; said differently than the filter does.
fn is_own(resource: &Value, asked: Asked) -> bool {
    let text = resource.to_string();
    let others = (2..=36).any(|number| text.contains(&format!("\"Patient/p{number}\"")));
    let contains_patient = resource["contained"].to_string().contains(r#""Patient""#);
    let own = match asked {
        Asked::Search => {
            resource["resourceType"] == "Observation"
                && resource["subject"]["reference"] == "Patient/p1"
        }
        _ => resource["resourceType"] == "Patient" && resource["id"] == "p1",
    };
    own && !others && !contains_patient
}

/// What the shipped configuration leaves of a resource.
pub fn redacted(mut resource: Value) -> Value {
    let hidden: &[&str] = match resource["resourceType"].as_str() {
        Some("Patient") => &[
            "address",
            "telecom",
            "birthDate",
            "_birthDate",
            "contact",
            "photo",
            "text",
            // Of the data set, the only one is the race.
            "extension",
        ],
        _ => &[],
    };
    let members = resource.as_object_mut().expect("a resource");
    for element in hidden {
        members.remove(*element);
    }
    // Also where nothing was there to hide: else its absence would tell that.
    if !hidden.is_empty() {
        let of = |code: &str| {
            let system = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
            serde_json::json!([{"system": system, "code": code}])
        };
        resource["meta"]["security"] = of("REDACTED");
        resource["meta"]["tag"] = of("SUBSETTED");
    }
    resource
}
