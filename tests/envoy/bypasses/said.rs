//! What a form, a body and the fields of a head say beside what was asked for.

use fhir_guard_harness::client::{Request, Version};
use serde_json::{Value, json};

use super::{ALL, FHIR, PATIENT, ask, reference};
use crate::table::{
    ABSENT, MALFORMED, MEDIA_TYPE, METHOD, NOT_SUPPORTED, Refusal, TWO_CREDENTIALS, Table, refusal,
};
use crate::world::{Setting, World};

const FORM: &str = "application/x-www-form-urlencoded";
const FORBIDDEN: Refusal = refusal(403, "forbidden", None);
const QUERY: &str = "request.malformed.query";

#[tokio::test(flavor = "multi_thread")]
async fn a_form_hides_nothing_bypass_17_18_79_81() {
    let world = World::shared(Setting::default()).await;
    let mut table = Table::new(&world);
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world
            .client_of(Some(&certificate), version, "secure")
            .reuse(true);
        let token = world.token(PATIENT);
        let stolen = format!("patient=p1&access_token={token}");
        let search = "/r4/Observation/_search";
        for (name, path, form, expected, rule) in [
            (
                "a token in the form",
                search,
                stolen.as_str(),
                TWO_CREDENTIALS,
                "credentials.malformed",
            ),
            (
                "a method in the form",
                search,
                "patient=p1&_method=DELETE",
                MALFORMED,
                "request.malformed.method-override",
            ),
            (
                "a method in the query",
                "/r4/Observation/_search?_method=PUT",
                "patient=p1",
                MALFORMED,
                "request.malformed.method-override",
            ),
            (
                "a name that is escaped",
                search,
                "patient=p1&%5fhas:Observation:patient:code=x",
                MALFORMED,
                QUERY,
            ),
            (
                "another's behind an own one",
                "/r4/Observation/_search?subject=p1",
                "patient=p2",
                ABSENT,
                "compartment",
            ),
        ] {
            let name = format!("{name}, {version:?}");
            let request = ask(&world, PATIENT, "POST", path).body(FORM, form);
            table.refused(&name, &client, request, expected, rule).await;
        }
        for media_type in [
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded; charset=utf-16",
            "application/x-www-form-urlencoded, application/json",
            "text/plain",
            FHIR,
        ] {
            let name = format!("a form of {media_type}, {version:?}");
            let request = ask(&world, PATIENT, "POST", search).body(media_type, "patient=p1");
            table
                .refused(&name, &client, request, MEDIA_TYPE, "request.media-type")
                .await;
        }
        // With the proof of a key that the token is not bound to.
        let request = ask(&world, PATIENT, "GET", "/r4/Patient/p1").header("dpop", "x.y.z");
        let answer = world.send(&client, request).await;
        let sent = world.fhir.requests().pop();
        let goes_on = sent.is_some_and(|sent| sent.header("dpop").is_some());
        assert!(!goes_on, "{version:?}: {answer:?}");
    }
    // Neither chunks nor a body of nothing make a GET one with a body.
    let client = world.client().quiet(std::time::Duration::from_millis(200));
    let token = world.token(PATIENT);
    let head = format!(
        "GET /r4/Patient/p1 HTTP/1.1\r\nhost: fhir.example.org\r\nauthorization: Bearer {token}\r\ntransfer-encoding: chunked\r\n"
    );
    for (name, body) in [
        ("chunks", "1\r\nx\r\n0\r\n\r\n"),
        (
            "a second request in chunks",
            "30\r\nGET /r4/Patient/p2 HTTP/1.1\r\nhost: localhost\r\n\r\n\r\n0\r\n\r\n",
        ),
    ] {
        let bytes = format!("{head}content-type: {FHIR}\r\n\r\n{body}");
        let rule = "request.malformed.body";
        table
            .raw_refused(name, &client, bytes.as_bytes(), MALFORMED, rule)
            .await;
    }
    table.finish().await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_body_brings_along_is_refused_bypass_28_47_52() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["fhir"]["bundles"] = json!({"types": ["batch", "transaction"]});
        })),
        ..Setting::default()
    })
    .await;
    let client = world.client().reuse(true);
    let mut table = Table::new(&world);
    let condition = |edit: &dyn Fn(&mut Value)| {
        let mut body =
            json!({"resourceType": "Condition", "id": "new", "subject": reference("Patient/p1")});
        edit(&mut body);
        body
    };
    let label = json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "U"}]);
    let search = "Patient?identifier=http://a.example|1";
    for (name, body, expected, rule) in [
        (
            "a reference that is a search",
            condition(&|body| body["subject"] = reference(search)),
            NOT_SUPPORTED,
            "request.not-supported.conditional-reference",
        ),
        (
            "deep inside",
            condition(&|body| body["stage"] = json!([{"assessment": [reference(search)]}])),
            NOT_SUPPORTED,
            "request.not-supported.conditional-reference",
        ),
        (
            "a label",
            condition(&|body| body["meta"] = json!({"security": label})),
            NOT_SUPPORTED,
            "request.not-supported.label",
        ),
        (
            "a tag",
            condition(&|body| body["meta"] = json!({"tag": [{"code": "x"}]})),
            NOT_SUPPORTED,
            "request.not-supported.label",
        ),
        (
            "a name of another language",
            condition(&|body| body["__proto__"] = json!({"id": "p2"})),
            MALFORMED,
            "request.malformed.body-structure",
        ),
    ] {
        let text = body.to_string();
        let request = ask(&world, ALL, "PUT", "/r4/Condition/new").body(FHIR, text);
        table.refused(name, &client, request, expected, rule).await;
        let entry = json!({"request": {"method": "PUT", "url": "Condition/new"}, "resource": body});
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
        let request = ask(&world, ALL, "POST", "/r4").body(FHIR, bundle.to_string());
        let name = format!("{name}, in a transaction");
        table.refused(&name, &client, request, expected, rule).await;
    }
    table.finish().await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_says_more_than_the_token_bypass_45_80_93_95_96() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["rules"] = json!([{"name": "emergency", "effect": "allow", "types": ["Observation"],
                "when": "has(token.claims.purpose) && 'ETREAT' in token.claims.purpose"}]);
        })),
        ..Setting::default()
    })
    .await;
    let said = [
        ("x-purpose-of-use", "ETREAT"),
        ("purpose", "ETREAT"),
        ("x-break-glass", "true"),
        ("x-security-context", "{\"purpose\":[\"ETREAT\"]}"),
        ("x-consent-id", "c1"),
        ("x-consent-active", "true"),
        ("x-authorization-subject", "root"),
        ("x-cascade", "delete"),
        ("x-cascade-delete", "true"),
        ("x-original-host", "evil.example.org"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization"),
        ("origin", "https://evil.example.org"),
    ];
    let with = |mut request: Request| {
        for (name, value) in said {
            request = request.header(name, value);
        }
        request
    };
    let mut table = Table::new(&world);
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        let name = |what: &str| format!("{what}, {version:?}");
        let search = || ask(&world, PATIENT, "GET", "/r4/Observation?patient=p1");
        let rule = "allow.emergency";
        let forged = with(search());
        table
            .refused(
                &name("a purpose in a header"),
                &client,
                forged,
                FORBIDDEN,
                rule,
            )
            .await;
        let claims = world
            .claims()
            .scope(PATIENT)
            .claim("purpose", json!(["ETREAT"]));
        let told = Request::get("/r4/Observation?patient=p1").bearer(&world.issuer.token(&claims));
        table
            .answered(&name("a purpose in the token"), &client, told, 200)
            .await;
        // Nobody is asked first whether it may be asked.
        let preflight = with(Request::new("OPTIONS", "/r4/Patient/p1"));
        table
            .refused(
                &name("a preflight"),
                &client,
                preflight,
                METHOD,
                "request.method",
            )
            .await;
        let preflight = with(ask(&world, ALL, "OPTIONS", "/r4/Patient"));
        table
            .refused(
                &name("a preflight with a token"),
                &client,
                preflight,
                METHOD,
                "request.method",
            )
            .await;
        let id = format!("o-p3-{}", if version == Version::Http1 { 1 } else { 2 });
        world.fhir.forget_requests();
        let delete = with(ask(&world, ALL, "DELETE", &format!("/r4/Condition/{id}")));
        let answer = world.send(&client, delete).await;
        let requests = world.fhir.requests();
        let [sent] = requests.as_slice() else {
            panic!("{answer:?}: {requests:?}");
        };
        for (field, _) in said {
            if sent.header(field).is_some() {
                table.fault(&name(field), "went upstream");
            }
        }
        // Whatever host a client names, there is one API behind, and it has one name.
        for host in [
            "evil.example.org",
            "127.0.0.1:9901",
            "fhir.example.org:444",
            "localhost",
        ] {
            let other = world
                .client_of(Some(&certificate), version, "secure")
                .authority(host);
            world.fhir.forget_requests();
            let read = ask(&world, PATIENT, "GET", "/r4/Patient/p1");
            let answer = table.answered(&name(host), &other, read, 200).await;
            let text = answer.map(|answer| answer.text()).unwrap_or_default();
            let sent = world.fhir.requests().pop().expect("a request");
            let named = sent
                .headers
                .iter()
                .any(|(_, value)| value == host.as_bytes());
            if named || text.contains(host) {
                table.fault(&name(host), "the client's word for the host goes on");
            }
        }
    }
    table.finish().await;
    world.close().await;
}
