//! Further pages by links of the server's own form: whoever was given one may follow it, and nobody else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fhir_guard::wire::Pair;

use super::*;
use driver::{NOW, slug};

const KEY: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const BASE: &str = "https://fhir.example.org";

fn deployment() -> Deployment {
    Deployment::with(|config| config["secrets"] = json!({"page_key": {"inline": KEY}}))
}

/// The link to the next page that leaves where the upstream sends this one.
fn next(world: &mut Deployment, scope: &str, target: &str, url: &str) -> Option<String> {
    let mut exchange = world.forwarded(scope, target);
    next_of(world, &mut exchange, target, url)
}

fn next_of(world: &Deployment, exchange: &mut Exchange, target: &str, url: &str) -> Option<String> {
    let kind = if target.contains("_history") {
        "history"
    } else {
        "searchset"
    };
    let body = format!(
        r#"{{"resourceType":"Bundle","type":"{kind}","link":[{{"relation":"next","url":"{url}"}}]}}"#
    );
    let head = [
        (":status", "200"),
        ("content-type", "application/fhir+json"),
    ];
    let answer = world.answer(exchange, &head, &[body.as_bytes()], false);
    let bundle: Value = serde_json::from_slice(&answer.body).expect("a bundle");
    let links = bundle["link"].as_array().expect("links");
    let next = links.iter().find(|link| link["relation"] == "next");
    let next = next?["url"].as_str().expect("a url");
    Some(
        next.strip_prefix(BASE)
            .expect("the external base")
            .to_owned(),
    )
}

/// What comes of following a link: the path that goes upstream, or the rule of the refusal.
fn follow(world: &mut Deployment, head: Vec<Pair>, now: u64) -> Result<String, String> {
    let mut exchange = Exchange::default();
    match world.ask_at(&mut exchange, head, true, now * 1_000_000_000) {
        Step::Forward(fields) => {
            let path = fields.iter().find(|(name, _)| name == b":path");
            Ok(String::from_utf8(path.expect("a path").1.clone()).expect("text"))
        }
        Step::Reply(_) => Err(slug(&world.record(&mut exchange)["rule"]).to_owned()),
        step => panic!("{step:?}"),
    }
}

#[test]
fn a_link_of_the_servers_own_form_is_followed_by_its_holder_bypass_22() {
    let mut world = deployment();
    for (name, target, url, upstream) in [
        (
            "HAPI FHIR",
            "GET /r4/Observation?patient=p1",
            "http://fhir/base?_getpages=b7-1&_getpagesoffset=20",
            Some("/base?_getpages=b7-1&_getpagesoffset=20"),
        ),
        (
            "another host's name",
            "GET /r4/Observation?patient=p1",
            "https://internal:8443/base/?_getpages=b7-1",
            Some("/base/?_getpages=b7-1"),
        ),
        (
            "a cursor",
            "GET /r4/Observation?patient=p1",
            "http://fhir/base/Observation?ct=W3siQ0YiOjF9XQ%3D%3D",
            Some("/base/Observation?ct=W3siQ0YiOjF9XQ%3D%3D"),
        ),
        (
            "a cursor of a search by POST",
            "GET /r4/Observation?patient=p1",
            "http://fhir/base/Observation/_search?ct=x",
            Some("/base/Observation/_search?ct=x"),
        ),
        (
            "of a history",
            "GET /r4/Patient/p1/_history",
            "http://fhir/base?_getpages=b7-1",
            Some("/base?_getpages=b7-1"),
        ),
        (
            "of a search that named no patient",
            "GET /r4/Observation?code=x",
            "http://fhir/base?_getpages=b7-1",
            Some("/base?_getpages=b7-1"),
        ),
        (
            "understood, and without the patient that was added",
            "GET /r4/Observation?code=x",
            "http://fhir/base/Observation?code=x&_offset=20",
            None,
        ),
        (
            "another type's",
            "GET /r4/Observation?patient=p1",
            "http://fhir/base/Patient?ct=x",
            None,
        ),
        (
            "understood, and another selection",
            "GET /r4/Observation?patient=p1",
            "http://fhir/base/Observation?patient=p2&_offset=20",
            None,
        ),
        (
            "an operation",
            "GET /r4/Observation?patient=p1",
            "http://fhir/base/$export?x=1",
            None,
        ),
        (
            "an instance",
            "GET /r4/Observation?patient=p1",
            "http://fhir/base/Observation/o2?x=1",
            None,
        ),
        (
            "another base",
            "GET /r4/Observation?patient=p1",
            "http://fhir/admin?x=1",
            None,
        ),
        (
            "a space inside",
            "GET /r4/Observation?patient=p1",
            "http://fhir/base?x=1 /admin",
            None,
        ),
        (
            "no query",
            "GET /r4/Observation?patient=p1",
            "http://fhir/base",
            None,
        ),
    ] {
        let link = next(&mut world, "patient/*.rs", target, url).expect(name);
        let Some(upstream) = upstream else {
            assert!(link.ends_with("?_page=unavailable"), "{name}: {link}");
            continue;
        };
        assert!(!link.contains("getpages"), "{name}");
        for method in ["GET", "HEAD"] {
            let head = world.head("patient/*.rs", &format!("{method} {link}"), &[]);
            let found = follow(&mut world, head, NOW);
            assert_eq!(found, Ok(upstream.to_owned()), "{name}");
        }
        // The page's own link is the one that was followed, and the next one is of the same form.
        let mut exchange = world.forwarded("patient/*.rs", &format!("GET {link}"));
        let again = next_of(&world, &mut exchange, target, url).expect(name);
        let head = world.head("patient/*.rs", &format!("GET {again}"), &[]);
        assert_eq!(
            follow(&mut world, head, NOW),
            Ok(upstream.to_owned()),
            "{name}"
        );
        let record = world.record(&mut exchange);
        let code = if target.contains("_history") {
            "history-instance"
        } else {
            "search-type"
        };
        assert_eq!(record["interaction"], code, "{name}");
    }
    let mut plain = Deployment::new();
    let opaque = "http://fhir/base?_getpages=b7-1";
    let link = next(
        &mut plain,
        "patient/*.rs",
        "GET /r4/Observation?patient=p1",
        opaque,
    );
    assert_eq!(
        link.as_deref(),
        Some("/r4/Observation?_page=unavailable"),
        "without a key"
    );
}

#[test]
fn a_link_is_of_no_use_to_anybody_else_bypass_22_92() {
    let mut world = deployment();
    let scope = "patient/*.rs";
    let opaque = "http://fhir/base?_getpages=b7-1";
    let target = "GET /r4/Observation?patient=p1";
    let link = next(&mut world, scope, target, opaque).expect("a link");
    let (path, token) = link.split_once("?_page=").expect("a token");
    let page = Err("request.malformed.page".to_owned());
    let own = world.claims().scope(scope);
    let claims = || own.clone();
    let rows = [
        (
            "the same, with a new token",
            claims(),
            Ok("/base?_getpages=b7-1".to_owned()),
        ),
        ("another patient", claims().patient("p2"), page.clone()),
        (
            "another subject",
            claims().subject("somebody"),
            page.clone(),
        ),
        (
            "another client",
            claims().client_id("another"),
            page.clone(),
        ),
        (
            "another user",
            claims().fhir_user("Practitioner/8"),
            page.clone(),
        ),
        (
            "other scopes",
            claims().scope("patient/*.cruds"),
            page.clone(),
        ),
        (
            "fewer scopes",
            claims().scope("patient/Observation.r"),
            page.clone(),
        ),
    ];
    for (name, claims, expected) in rows {
        let token = world.token(&claims);
        let head = world.head_with(&token, &format!("GET {link}"), &[]);
        assert_eq!(follow(&mut world, head, NOW), expected, "{name}");
    }
    for (name, now, expected) in [
        (
            "the last second",
            NOW + 3599,
            Ok("/base?_getpages=b7-1".to_owned()),
        ),
        ("a second later", NOW + 3600, page.clone()),
    ] {
        let token = world.token(&claims().expires_at(NOW + 7200));
        let head = world.head_with(&token, &format!("GET {link}"), &[]);
        assert_eq!(follow(&mut world, head, now), expected, "{name}");
    }
    // Every byte counts: of the code, the time, the request and the upstream's link.
    let bytes = URL_SAFE_NO_PAD.decode(token).expect("base64url");
    // And none of them tells: a cursor names the last resource of a page, which may have been taken out of it.
    let shown = String::from_utf8_lossy(&bytes).into_owned();
    for part in ["Observation", "patient", "_getpages", "b7-1"] {
        assert!(!shown.contains(part), "{part} shows in {shown:?}");
    }
    for place in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[place] ^= 1;
        let altered = URL_SAFE_NO_PAD.encode(altered);
        let head = world.head(scope, &format!("GET {path}?_page={altered}"), &[]);
        assert_eq!(follow(&mut world, head, NOW), page, "byte {place}");
    }
    for (name, target) in [
        ("nothing", format!("GET {path}?_page=")),
        (
            "cut",
            format!("GET {path}?_page={}", token.split_at(token.len() - 4).0),
        ),
        ("with more", format!("GET {link}&_count=100")),
        (
            "with more in front",
            format!("GET {path}?_count=1&_page={token}"),
        ),
        ("another type", format!("GET /r4/Condition?_page={token}")),
        ("too long", format!("GET {path}?_page={}", "A".repeat(4097))),
        (
            "as long as may be",
            format!("GET {path}?_page={}", "A".repeat(4096)),
        ),
    ] {
        let head = world.head(scope, &target, &[]);
        let found = follow(&mut world, head, NOW);
        assert!(
            found.is_err_and(|rule| rule.starts_with("request.")),
            "{name}"
        );
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let head = world.head(scope, &format!("{method} {link}"), &[]);
        assert_eq!(
            follow(&mut world, head, NOW),
            Err("request.method".to_owned()),
            "{method}"
        );
    }
    // A deployment with another key, and one without.
    for (name, secrets) in [
        (
            "another key",
            json!({"page_key": {"inline": "02".repeat(32)}}),
        ),
        ("no key", json!({})),
    ] {
        let mut other = world.changed(|config| config["secrets"] = secrets);
        let head = other.head(scope, &format!("GET {link}"), &[]);
        assert_eq!(follow(&mut other, head, NOW), page, "{name}");
    }
}
