//! Links to jobs and files: good for whoever started the export, and for nobody else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

#[test]
fn a_job_is_its_clients_alone_bypass_34() {
    let mut world = deployment();
    let job = started(&mut world, ALL, "GET /r4/$export?_type=Patient,Observation");
    let told = [
        ("Patient", "http://fhir/files/p"),
        ("Observation", "http://fhir/files/o"),
    ];
    let files = files(&mut world, ALL, &job, &told);
    let file = path(&files[0]);
    let absent = "compartment";
    // Whoever else shows them, with all that is needed, finds nothing.
    for (name, claims) in [
        (
            "another client",
            world.claims().claim("client_id", json!("other")),
        ),
        (
            "another subject",
            world.claims().claim("sub", json!("other")),
        ),
    ] {
        let token = world.token(&claims.scope(ALL));
        for (method, link) in [("GET", &job), ("DELETE", &job), ("GET", &file)] {
            let head = world.head_with(&token, &format!("{method} {link}"), &[]);
            let found = ask_with(&mut world, head, NOW).err();
            assert_eq!(found.as_deref(), Some(absent), "{name}: {method}");
        }
    }
    // What the client may not do any more, it may not go on doing.
    for (scopes, link, expected) in [
        ("system/Patient.rs system/Observation.rs", &job, None),
        (
            "system/Patient.rs",
            &job,
            Some("scope.system/Observation.rs"),
        ),
        ("user/*.rs", &job, Some("scope.system/*.rs")),
        (
            "system/Observation.rs",
            &file,
            Some("scope.system/Patient.rs"),
        ),
    ] {
        let found = ask(&mut world, scopes, &format!("GET {link}")).err();
        assert_eq!(found.as_deref(), expected, "{scopes}");
    }
    // They are good for an hour, and in each worker with the key.
    let mut other = world.worker();
    for (name, link) in [("the job", &job), ("the file", &file)] {
        for (late, expected) in [(3599, None), (3600, Some(absent))] {
            let head = other.head_with(
                &other.token(&other.claims().scope(ALL).claim("exp", json!(NOW + 9000))),
                &format!("GET {link}"),
                &[],
            );
            let found = ask_with(&mut other, head, NOW + late).err();
            assert_eq!(found.as_deref(), expected, "{name} after {late}");
        }
    }
    let mut rekeyed = world.changed(|config| {
        config["secrets"]["page_key"]["inline"] = json!(KEY.replace("01", "02"));
    });
    let found = ask(&mut rekeyed, ALL, &format!("GET {job}")).err();
    assert_eq!(found.as_deref(), Some(absent), "another key");
}

#[test]
fn no_link_can_be_made_up_bypass_34() {
    let mut world = deployment();
    let job = started(&mut world, ALL, "GET /r4/$export?_type=Patient");
    let file = path(&files(&mut world, ALL, &job, &[("Patient", "http://fhir/files/p")])[0]);
    let other_kind = |link: &str| match link.contains("/job/") {
        true => link.replace("/job/", "/file/"),
        false => link.replace("/file/", "/job/"),
    };
    for link in [&job, &file] {
        let found = ask(&mut world, ALL, &format!("GET {}", other_kind(link))).err();
        assert_eq!(
            found.as_deref(),
            Some("compartment"),
            "a link of the other kind"
        );
        let (place, token) = link.rsplit_once('/').expect("a token");
        let bytes = URL_SAFE_NO_PAD.decode(token).expect("base64url");
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            let forged = format!("GET {place}/{}", URL_SAFE_NO_PAD.encode(&forged));
            let found = ask(&mut world, ALL, &forged).err();
            assert_eq!(found.as_deref(), Some("compartment"), "byte {at}");
        }
        for length in 0..bytes.len() {
            let short = URL_SAFE_NO_PAD.encode(&bytes[..length]);
            let found = ask(&mut world, ALL, &format!("GET {place}/{short}")).err();
            assert!(found.is_some(), "{length} bytes");
        }
    }
    // The link to a page is none to a job.
    let mut exchange = world.forwarded(ALL, "GET /r4/Observation?code=x");
    let body = r#"{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"http://fhir/base?_getpages=1"}]}"#;
    let head = [
        (":status", "200"),
        ("content-type", "application/fhir+json"),
    ];
    let answer = world.answer(&mut exchange, &head, &[body.as_bytes()], false);
    let text = String::from_utf8(answer.body).expect("text");
    let (_, token) = text.split_once("_page=").expect("a page");
    let token = token.split('"').next().expect("a token");
    for place in ["job", "file"] {
        let found = ask(&mut world, ALL, &format!("GET /r4/_export/{place}/{token}")).err();
        assert_eq!(found.as_deref(), Some("compartment"), "{place}");
    }
}
