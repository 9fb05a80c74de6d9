//! What an export would tell by what it chooses: by filters, by groups, and by how much there is.

use super::*;

/// The same with these redactions.
fn hiding(redactions: Value) -> Deployment {
    deployment().changed(|config| config["redaction"] = redactions)
}

fn hidden(resource: &str, element: &str, when: Option<&str>) -> Value {
    let mut rule =
        json!({"name": "hidden", "resource": resource, "elements": [element], "action": "remove"});
    if let Some(when) = when {
        rule["when"] = json!(when);
    }
    json!([rule])
}

#[test]
fn no_filter_looks_at_what_the_export_hides_bypass_34() {
    let parameter = Some("request.not-supported.parameter");
    let in_exports = Some("fhir.interaction == 'export'");
    for (name, rule, target, expected) in [
        (
            "always",
            hidden("Patient", "gender", None),
            "/$export?_typeFilter=Patient?gender=male",
            parameter,
        ),
        (
            "in exports only",
            hidden("Patient", "gender", in_exports),
            "/$export?_typeFilter=Patient?gender=male",
            parameter,
        ),
        (
            "in exports of the type only",
            hidden(
                "Patient",
                "gender",
                Some("fhir.interaction == 'export' && fhir.type == 'Patient'"),
            ),
            "/$export?_type=Observation,Patient&_typeFilter=Patient?gender=male",
            parameter,
        ),
        (
            "another element",
            hidden("Patient", "gender", in_exports),
            "/$export?_typeFilter=Patient?active=true",
            None,
        ),
        (
            "another type",
            hidden("Patient", "gender", in_exports),
            "/$export?_typeFilter=Practitioner?gender=male",
            None,
        ),
    ] {
        let mut world = hiding(rule);
        let found = ask(&mut world, ALL, &format!("GET /r4{target}")).err();
        assert_eq!(found.as_deref(), expected, "{name}");
    }
}

#[test]
fn no_group_tells_whose_it_is_where_that_is_hidden_bypass_34() {
    let group = Some("request.not-supported.group");
    let in_exports = Some("fhir.interaction == 'export'");
    for (name, rule, target, expected) in [
        (
            "the members",
            hidden("Group", "member", None),
            "/Group/g1/$export?_type=Patient",
            group,
        ),
        (
            "the members, in exports",
            hidden("Group", "member.entity", in_exports),
            "/Group/g1/$export?_type=Patient",
            group,
        ),
        (
            "whose a resource is",
            hidden("Observation", "subject", None),
            "/Group/g1/$export?_type=Observation",
            group,
        ),
        (
            "whose another is",
            hidden("Observation", "subject", None),
            "/Group/g1/$export?_type=Condition",
            None,
        ),
        (
            "something else",
            hidden("Group", "name", None),
            "/Group/g1/$export?_type=Patient",
            None,
        ),
        (
            "of all patients that is no news",
            hidden("Observation", "subject", None),
            "/Patient/$export?_type=Observation",
            None,
        ),
    ] {
        let mut world = hiding(rule);
        let found = ask(&mut world, ALL, &format!("GET /r4{target}")).err();
        assert_eq!(found.as_deref(), expected, "{name}");
    }
}

/// That there is a file, and how many, would tell of what no scope opens.
#[test]
fn a_filter_is_as_narrow_as_the_scopes() {
    let vital = "system/Observation.rs?category=vital-signs";
    for (scopes, filter, expected) in [
        (
            vital,
            "Observation?code=x",
            "Observation%3Fcode%3Dx%26category%3Dvital-signs",
        ),
        (
            vital,
            "Observation?category=vital-signs",
            "Observation%3Fcategory%3Dvital-signs",
        ),
        (ALL, "Observation?code=x", "Observation%3Fcode%3Dx"),
    ] {
        let mut world = deployment();
        let target = format!("/$export?_type=Observation&_typeFilter={filter}");
        let (.., path) = ask(&mut world, scopes, &format!("GET /r4{target}")).expect(filter);
        let sent = format!("/base/$export?_type=Observation&_typeFilter={expected}");
        assert_eq!(path, sent, "{scopes}");
        let job = started(&mut world, scopes, &format!("GET /r4{target}"));
        let found = ask(&mut world, scopes, &format!("GET {job}"));
        assert_eq!(
            found.map(|(.., path)| path),
            Ok("/base/jobs/7?x=y".to_owned())
        );
    }
}

/// Where a rule takes a type out of all of them, the others are listed, and the job can be followed.
#[test]
fn an_export_of_nearly_all_types_has_its_files() {
    let mut world = deployment().changed(|config| {
        config["rules"] = json!([{"name": "no-goals", "effect": "deny", "types": ["Goal"]}]);
    });
    let (.., path_up) = ask(&mut world, ALL, "GET /r4/$export").expect("it may start");
    assert!(
        path_up.len() > 1500 && !path_up.contains("Goal"),
        "{path_up}"
    );
    let job = started(&mut world, ALL, "GET /r4/$export");
    let told = [
        ("Goal", "http://fhir/files/g"),
        ("Patient", "http://fhir/files/p"),
    ];
    let files = files(&mut world, ALL, &job, &told);
    assert_eq!(files.len(), 1);
    let link = path(&files[0]);
    let (.., path_up) = ask(&mut world, ALL, &format!("GET {link}")).expect("its client");
    assert_eq!(path_up, "/files/p");
    // With filters it would be too long to be followed; then it does not start.
    let filter = format!("_typeFilter=Patient?identifier={}", "x".repeat(800));
    let found = ask(&mut world, ALL, &format!("GET /r4/$export?{filter}")).err();
    assert_eq!(found.as_deref(), Some("request.too-costly.query"));
}

/// The longest target with the longest link of a server.
#[test]
fn the_longest_export_can_be_followed() {
    let mut world = deployment();
    let filter = |length: usize| format!("_typeFilter=Patient?identifier={}", "x".repeat(length));
    let mut target = format!("/$export?_type=Patient&{0}&{0}", filter(900));
    let encoded = target.len() + 2 * 2 * 2;
    target = format!(
        "{target}&{}",
        filter(2560 - encoded - filter(0).len() - 1 - 2 * 2)
    );
    let (.., path_up) = ask(&mut world, ALL, &format!("GET /r4{target}")).expect("it may start");
    assert_eq!(path_up.len(), "/base".len() + 2560);
    let job = started(&mut world, ALL, &format!("GET /r4{target}"));
    let url = |length: usize| format!("http://fhir/files/{}", "x".repeat(length - 18));
    let files = files(&mut world, ALL, &job, &[("Patient", &url(1024))]);
    let link = path(&files[0]);
    let (.., path_up) = ask(&mut world, ALL, &format!("GET {link}")).expect("its client");
    assert_eq!(path_up.len(), 1024 - "http://fhir".len());
    let asked = ask(&mut world, ALL, &format!("GET {job}"));
    let (answer, _) = answered(
        &mut world,
        asked,
        &JSON,
        &manifest(&[("Patient", &url(1025))]),
    );
    assert_eq!((answer.body.as_slice(), answer.end), (&b""[..], End::Reset));
}

/// A link leads to where files are now.
#[test]
fn a_place_that_is_not_configured_any_more_is_gone() {
    let mut world = deployment();
    let job = started(&mut world, ALL, "GET /r4/$export?_type=Patient");
    let told = [
        ("Patient", "http://fhir/files/p"),
        ("Patient", "http://fhir/base/p"),
    ];
    let files = files(&mut world, ALL, &job, &told);
    let mut changed = world.changed(|config| config["fhir"]["export"]["files"] = json!([]));
    for (file, expected) in files.iter().zip([Some("compartment"), None]) {
        let found = ask(&mut changed, ALL, &format!("GET {}", path(file))).err();
        assert_eq!(found.as_deref(), expected);
    }
    // And a job is no resource.
    let asked = ask(&mut world, ALL, "GET /r4/$export");
    let head = [
        (":status", "202"),
        ("content-location", "http://fhir/base/Patient/p1"),
    ];
    let (answer, record) = answered(&mut world, asked, &head, "");
    assert!(
        matches!(answer.end, End::Reply(reply) if reply.status == 502),
        "{record}"
    );
}
