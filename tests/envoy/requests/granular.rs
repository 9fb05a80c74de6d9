//! Granular scopes: what of searches, reads and histories leaves, and what goes upstream.

use fhir_guard_harness::client::{Request, Response};
use serde_json::{Value, json};

use super::ask;
use crate::table::{NOT_SUPPORTED, Table, refusal};
use crate::wire::{check, check_head, resources, without_ids};
use crate::world::{BASE, Setting, World};

const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";

/// The scopes with `LAB` and `VITAL` written out.
fn written(scope: &str) -> String {
    let scope = scope.replace("=LAB", &format!("={CATEGORY}|laboratory"));
    scope.replace("=VITAL", &format!("={CATEGORY}|vital-signs"))
}

/// The ids of what a search or a history holds, in order.
fn ids(answer: &Response) -> Vec<String> {
    let bundle = answer.json().expect("a bundle");
    let id = |resource: &Value| resource["id"].as_str().expect("an id").to_owned();
    let mut ids: Vec<String> = resources(&bundle).iter().map(id).collect();
    ids.sort_by_key(|id| (id.len(), id.clone()));
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granular_scope_opens_what_it_matches() {
    let world = World::shared(Setting::default()).await;
    searches(&world).await;
    lies(&world).await;
    pages(&world).await;
    reads(&world).await;
    histories(&world).await;
    let mut table = Table::new(&world);
    writes(&mut table).await;
    table.finish().await;
    world.close().await;
}

async fn searches(world: &World) {
    let client = world.client().reuse(true);
    let laboratory = "o-p1-1 o-p1-2 o-p1-3 o-p1-4 o-p1-5 o-p1-6";
    let vital = "o-p1-7 o-p1-8 o-p1-9 o-p1-10 o-p1-11 o-p1-12";
    let all = format!("{laboratory} {vital}");
    let encoded = CATEGORY;
    for (scope, query, added, kept) in [
        (
            "patient/Observation.rs?category=LAB",
            "",
            format!("&category={encoded}%7Claboratory"),
            laboratory,
        ),
        (
            "patient/Observation.s?category=vital-signs",
            "&code=8867-4,718-7",
            "&category=vital-signs".to_owned(),
            "o-p1-8",
        ),
        (
            "patient/Observation.s?category=LAB patient/Observation.s?category=VITAL",
            "",
            format!("&category={encoded}%7Claboratory,{encoded}%7Cvital-signs"),
            &all,
        ),
        // The query itself asks for nothing more.
        (
            "patient/Observation.rs?category=LAB,survey",
            "&category=http://terminology.hl7.org/CodeSystem/observation-category%7Claboratory",
            String::new(),
            laboratory,
        ),
        // What no condition can say is taken out of the answer.
        (
            "patient/Observation.s?category=LAB patient/Observation.s?code=8867-4",
            "",
            String::new(),
            "o-p1-1 o-p1-2 o-p1-3 o-p1-4 o-p1-5 o-p1-6 o-p1-8",
        ),
        (
            "patient/Observation.s?_tag=nothing",
            "",
            "&_tag=nothing".to_owned(),
            "",
        ),
        // A union: beside a scope without parameters the others say nothing.
        (
            "patient/Observation.s?category=LAB patient/*.rs",
            "",
            String::new(),
            &all,
        ),
    ] {
        world.fhir.forget_requests();
        let path = format!("/r4/Observation?patient=p1{query}&_count=100");
        let request = ask(world, &written(scope), "GET", &path);
        let answer = world.send(&client, request).await;
        let name = format!("{scope} {query}");
        check(&name, &answer);
        let expected: Vec<&str> = kept.split_whitespace().collect();
        // The Observation with two patients is no one's.
        assert_eq!(ids(&answer), expected, "{name}");
        let sent = world.fhir.requests();
        let sent: Vec<&str> = sent.iter().map(|one| one.path_and_query.as_str()).collect();
        let query = query.replace('|', "%7C");
        let target = format!("Observation?patient=Patient/p1{query}{added}&_count=100");
        assert_eq!(sent, [format!("/fhir/{target}")], "{name}");
        // What was asked for is told.
        let own = &answer.json().expect("a bundle")["link"][0];
        let link = json!({"relation": "self", "url": format!("{BASE}/{target}")});
        assert_eq!(own, &link, "{name}");
    }
}

/// A server that drops conditions, and one that says it kept them.
async fn lies(world: &World) {
    let client = world.client().reuse(true);
    for lie in ["ignore-filters", "lie-self"] {
        world.fhir.misbehave(Some(lie));
        let request = ask(
            world,
            &written("user/Observation.s?category=LAB"),
            "GET",
            "/r4/Observation?_count=1000",
        );
        let answer = world.send(&client, request).await;
        world.fhir.misbehave(None);
        check_head(lie, &answer);
        assert!(ids(&answer).contains(&"o-p1-1".to_owned()), "{lie}");
        assert!(!answer.text().contains("vital-signs"), "{lie}");
    }
}

/// A link to the next page asks for the same, and is followed with the same token.
async fn pages(world: &World) {
    let client = world.client().reuse(true);
    let scope = written("patient/Observation.rs?category=VITAL");
    let mut path = "/r4/Observation?patient=p1&_count=4".to_owned();
    let mut found = Vec::new();
    for _ in 0..3 {
        let answer = world.send(&client, ask(world, &scope, "GET", &path)).await;
        check(&path, &answer);
        found.extend(ids(&answer));
        let bundle = answer.json().expect("a bundle");
        let links = bundle["link"].as_array().expect("links").clone();
        let next = links.iter().find(|link| link["relation"] == "next");
        let Some(next) = next else { break };
        let url = next["url"].as_str().expect("a url");
        let below = url.strip_prefix(BASE).expect("a link below the base");
        path = format!("/r4{below}");
        assert!(path.contains("category="), "{path}");
    }
    found.sort_by_key(|id| (id.len(), id.clone()));
    let expected: Vec<String> = (7..=12).map(|number| format!("o-p1-{number}")).collect();
    assert_eq!(found, expected);
}

async fn reads(world: &World) {
    let client = world.client().reuse(true);
    let scope = written("user/Observation.r?category=LAB user/Observation.r?code=8867-4");
    for (id, opened) in [
        ("o-p1-1", true),
        ("o-p2-1", true),
        ("o-p1-8", true),
        ("o-p1-7", false),
        ("o-p1-12", false),
        ("nothing", false),
    ] {
        for path in [
            format!("/r4/Observation/{id}"),
            format!("/r4/Observation/{id}/_history/1"),
        ] {
            for method in ["GET", "HEAD"] {
                let name = format!("{method} {path}");
                let answer = world.send(&client, ask(world, &scope, method, &path)).await;
                assert_eq!(answer.status, if opened { 200 } else { 404 }, "{name}");
                assert!(method == "GET" || answer.body.is_empty(), "{name}");
            }
        }
    }
    // What does not match, what does not exist, and what was deleted answer alike.
    let deleted = json!({"resourceType": "Observation", "id": "gone", "status": "final", "code": {"text": "x"}});
    world.put(&deleted).await;
    let everything = "system/Observation.cruds";
    let request = ask(world, everything, "DELETE", "/r4/Observation/gone");
    assert_eq!(world.send(&client, request).await.status, 204);
    let read = |scope: &str, id: &str| ask(world, scope, "GET", &format!("/r4/Observation/{id}"));
    let gone = world.send(&client, read(everything, "gone")).await;
    assert_eq!(gone.status, 410, "the data set has nothing deleted");
    let absent = without_ids(&world.send(&client, read(&scope, "nothing")).await);
    for id in ["o-p1-7", "gone"] {
        let answer = world.send(&client, read(&scope, id)).await;
        assert_eq!(without_ids(&answer), absent, "{id}");
    }
}

async fn histories(world: &World) {
    let client = world.client().reuse(true);
    let scope = written("user/Observation.rs?category=LAB");
    let get = |path: &str| ask(world, &scope, "GET", path);
    let answer = world
        .send(&client, get("/r4/Observation/o-p1-1/_history"))
        .await;
    check("a history", &answer);
    assert_eq!(ids(&answer), ["o-p1-1", "o-p1-1"]);
    let absent = world
        .send(&client, get("/r4/Observation/nothing/_history"))
        .await;
    let withheld = world
        .send(&client, get("/r4/Observation/o-p1-7/_history"))
        .await;
    assert_eq!(withheld.status, 404);
    assert_eq!(without_ids(&withheld), without_ids(&absent));
    let answer = world
        .send(&client, get("/r4/Observation/_history?_count=1000"))
        .await;
    check_head("the history of a type", &answer);
    let found = ids(&answer);
    assert!(found.contains(&"o-p2-1".to_owned()), "{found:?}");
    assert!(!found.contains(&"o-p1-7".to_owned()), "{found:?}");
    assert!(!answer.text().contains("vital-signs"));
}

async fn writes(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    let scope = written("user/Observation.cruds?category=LAB");
    let body = |code: &str| {
        let category = json!([{"coding": [{"system": CATEGORY, "code": code}]}]);
        json!({"resourceType": "Observation", "status": "final", "category": category, "code": {"text": "x"}})
    };
    let create = |code: &str| {
        let request = ask(world, &scope, "POST", "/r4/Observation");
        request.body("application/fhir+json", body(code).to_string())
    };
    let answer = table
        .answered("a match", &client, create("laboratory"), 201)
        .await;
    let answer = answer.and_then(|answer| answer.json().ok());
    if answer.is_none_or(|written| written["resourceType"] != "Observation") {
        table.fault("a match", "does not answer with what was written");
    }
    let challenge =
        r#"Bearer realm="fhir", error="insufficient_scope", scope="user/Observation.c""#;
    let lacking = refusal(403, "forbidden", Some(challenge));
    table
        .refused("no match", &client, create("vital-signs"), lacking, "scope")
        .await;
    // What may be created need not be readable.
    let scope = written("user/Observation.c user/Observation.r?category=VITAL");
    let request = ask(world, &scope, "POST", "/r4/Observation");
    let request = request.body("application/fhir+json", body("laboratory").to_string());
    let answer = table
        .answered("written blindly", &client, request, 201)
        .await;
    if answer.is_none_or(|answer| !answer.body.is_empty()) {
        table.fault("written blindly", "answers with what may not be read");
    }
    let scope = written("user/Observation.cruds?category=LAB");
    for (method, media_type, body) in [
        ("PUT", "application/fhir+json", "{}"),
        ("PATCH", "application/json-patch+json", "[]"),
        ("DELETE", "", ""),
    ] {
        let mut request = ask(world, &scope, method, "/r4/Observation/o-p1-1");
        if !body.is_empty() {
            request = request.body(media_type, body);
        }
        let rule = "request.not-supported.granular-write";
        table
            .refused(method, &client, request, NOT_SUPPORTED, rule)
            .await;
    }
}

/// Scopes as one server writes them: as URIs, with dots, and with one that nobody understands.
#[tokio::test(flavor = "multi_thread")]
async fn scopes_are_read_as_their_issuer_writes_them() {
    let uri = "http://smarthealthit.org/fhir/scopes/patient/*.rs";
    let vendor = "patient.Observation.rs?category=laboratory";
    let malformed = "patient/Patient.rs patient/Patient.sr";
    for (claims, uri_opens, vendor_opens, malformed_opens) in [
        (json!({}), 403, 403, 200),
        (
            json!({"scope_prefixes": ["http://smarthealthit.org/fhir/scopes/"], "scope_separator": ".", "malformed_scopes": "refuse"}),
            200,
            200,
            401,
        ),
    ] {
        let own = claims.clone();
        let world = World::shared(Setting {
            policy: Some(Box::new(move |policy: &mut Value| {
                policy["issuers"][0]["claims"] = own.clone();
            })),
            ..Setting::default()
        })
        .await;
        let mut table = Table::new(&world);
        let client = world.client();
        for (scope, path, status) in [
            (uri, "/r4/Patient/p1", uri_opens),
            (vendor, "/r4/Observation?patient=p1", vendor_opens),
            (malformed, "/r4/Patient/p1", malformed_opens),
        ] {
            let request = Request::get(path).bearer(&world.token(scope));
            let name = format!("{claims} {scope}");
            let challenge = match status {
                401 => {
                    r#"Bearer realm="fhir", error="invalid_token", resource_metadata="https://fhir.example.org/.well-known/oauth-protected-resource/r4""#
                }
                _ if path.contains("Observation") => {
                    r#"Bearer realm="fhir", error="insufficient_scope", scope="user/Observation.s""#
                }
                _ => r#"Bearer realm="fhir", error="insufficient_scope", scope="user/Patient.r""#,
            };
            match status {
                200 => {
                    table.answered(&name, &client, request, 200).await;
                }
                401 => {
                    let refused = refusal(401, "login", Some(challenge));
                    table
                        .refused(&name, &client, request, refused, "token.scope")
                        .await;
                }
                _ => {
                    let refused = refusal(403, "forbidden", Some(challenge));
                    table
                        .refused(&name, &client, request, refused, "scope")
                        .await;
                }
            }
        }
        table.finish().await;
        world.close().await;
    }
}
