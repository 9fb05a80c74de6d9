//! Labels, conditions and flags, of whoever writes.

use super::*;

#[test]
fn clients_set_no_labels_bypass_52() {
    let own = |meta: Value| {
        with(
            with(observation("Patient/p2"), "id", json!("o1")),
            "meta",
            meta,
        )
    };
    let (put, post, patch) = (
        "PUT /r4/Observation/o1",
        "POST /r4/Observation",
        "PATCH /r4/Observation/o1",
    );
    let operation =
        |op: &str, path: &str, value: Value| json!([{"op": op, "path": path, "value": value}]);
    let label = json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]);
    let refused: Vec<Row<'_>> = vec![
        (
            "row 52: security on update",
            put,
            own(json!({"security": label})),
            LABEL,
        ),
        (
            "row 52: security on create",
            post,
            own(json!({"security": label})),
            LABEL,
        ),
        ("row 52: tag", put, own(json!({"tag": label})), LABEL),
        ("none of them", put, own(json!({"security": []})), LABEL),
        (
            "contained",
            put,
            with(
                own(json!({})),
                "contained",
                json!([{"resourceType": "Device", "id": "d", "meta": {"security": label}}]),
            ),
            LABEL,
        ),
        (
            "a patch that adds one",
            patch,
            operation("add", "/meta/security/-", label[0].clone()),
            LABEL,
        ),
        (
            "a patch that takes one away",
            patch,
            operation("remove", "/meta/security/0", Value::Null),
            LABEL,
        ),
        (
            "a patch of all of meta",
            patch,
            operation("replace", "/meta", json!({})),
            LABEL,
        ),
    ];
    let taken: Vec<Row<'_>> = vec![
        (
            "profile",
            put,
            own(json!({"profile": ["http://hl7.org/fhir/StructureDefinition/vitalsigns"]})),
            None,
        ),
        (
            "what a server told",
            put,
            own(json!({"versionId": "3", "lastUpdated": "2026-01-01T00:00:00Z"})),
            None,
        ),
        (
            "source",
            put,
            own(json!({"source": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"})),
            None,
        ),
        (
            "a patch of a profile",
            patch,
            operation("add", "/meta/profile/-", json!("x")),
            None,
        ),
    ];
    let mut world = unbuilt(|config| config["redaction"] = json!([]));
    let mut kept = unbuilt(|config| {
        config["fhir"]["client_labels"] = json!("kept");
        config["redaction"] = json!([]);
    });
    for scope in ["system/*.cud", "user/*.cud"] {
        check_all(&mut world, scope, &refused);
        check_all(&mut world, scope, &taken);
        check_all(&mut kept, scope, &taken);
        for (name, target, body, _) in &refused {
            check_all(&mut kept, scope, &[(name, target, body.clone(), None)]);
        }
    }
    let rows = [(
        "of a patient",
        post,
        with(observation("Patient/p1"), "meta", json!({"tag": []})),
        LABEL,
    )];
    check_all(&mut world, "patient/*.c", &rows);
}

#[test]
fn what_is_marked_as_a_part_is_not_written_back_bypass_53() {
    for code in ["SUBSETTED", "REDACTED", "MASKED"] {
        for labels in ["refused", "kept"] {
            let mut world = unbuilt(|config| config["fhir"]["client_labels"] = json!(labels));
            let tagged = with(
                observation("Patient/p1"),
                "meta",
                json!({"tag": [{"code": code}]}),
            );
            let row = (
                code,
                "POST /r4/Observation",
                tagged,
                Some("request.malformed.body-redacted"),
            );
            for scope in ["patient/*.c", "system/*.c"] {
                check_all(&mut world, scope, std::slice::from_ref(&row));
            }
        }
    }
}

#[test]
fn conditions_are_refused_and_flags_stay_behind_bypass_45_46() {
    let mut world = unbuilt(|config| {
        config["fhir"]["upstream"]["trust"] = json!(["if_match"]);
    });
    let all = "patient/*.cruds";
    let body = observation("Patient/p1");
    let own = with(body.clone(), "id", json!("o1"));
    let mut check = |name: &str, target: &str, fields: &[(&str, &str)], rule: Option<&str>| {
        let body = match target {
            target if target.starts_with("POST") => Some(&body),
            target if target.starts_with("PUT") => Some(&own),
            _ => None,
        };
        let found = outcome(&mut world, all, target, fields, body);
        let found = found.map(|(_, rule)| rule);
        assert_eq!(found.as_deref(), rule, "{name}");
    };
    let condition = Some("request.not-supported.condition");
    check(
        "row 46: a conditional create",
        "POST /r4/Observation",
        &[("if-none-exist", "identifier=7")],
        condition,
    );
    check(
        "a create of a version",
        "POST /r4/Observation",
        &[("if-match", "W/\"1\"")],
        condition,
    );
    check(
        "an update of nothing",
        "PUT /r4/Observation/o1",
        &[("if-none-match", "*")],
        condition,
    );
    for target in [
        "PUT /r4/Observation",
        "PATCH /r4/Observation",
        "DELETE /r4/Observation",
    ] {
        check("no id", target, &[], Some("request.method"));
        let search = format!("{target}?identifier=7");
        check(
            "row 46: a search for it",
            &search,
            &[],
            Some("request.method"),
        );
    }
    for parameter in [
        "_cascade=delete",
        "_expunge=true",
        "_hardDelete=true",
        "_format=json&_cascade=delete",
    ] {
        let target = format!("DELETE /r4/Observation/o1?{parameter}");
        let name = format!("row 45: {parameter}");
        check(&name, &target, &[], Some("request.not-supported.parameter"));
    }
}

#[test]
fn flags_of_vendors_do_not_go_upstream() {
    let mut world = unbuilt(|_| ());
    let fields = [
        ("x-cascade", "delete"),
        ("x-cascade-delete", "true"),
        ("x-upsert-existence-check", "disabled"),
        ("x-rewrite-history", "true"),
        ("x-retry-on-version-conflict", "retry; max-retries=100"),
        ("x-bundle-processing-logic", "parallel"),
        ("prefer", "handling=lenient"),
    ];
    for target in [
        "DELETE /r4/Observation/o1",
        "GET /r4/Observation?patient=p1",
    ] {
        let head = world.head("system/*.cruds", target, &fields);
        let step = world.ask(&mut Exchange::default(), head, true);
        let Step::Forward(sent) = step else {
            panic!("{step:?}")
        };
        for (name, value) in &sent {
            let name = String::from_utf8_lossy(name);
            let flag = fields
                .iter()
                .any(|(flag, _)| *flag == name && name != "prefer");
            assert!(!flag, "{target}: {name}");
            assert!(!value.starts_with(b"handling=lenient"), "{target}: {name}");
        }
    }
    let head = world.head(
        "system/*.cruds",
        "DELETE /r4/Observation/o1",
        &[("prefer", "respond-async")],
    );
    let step = world.ask(&mut Exchange::default(), head, true);
    assert!(matches!(step, Step::Reply(_)), "{step:?}");
}

#[test]
fn a_version_goes_upstream_with_a_change_and_nothing_else() {
    let mut world = unbuilt(|_| ());
    for (target, expected) in [
        ("DELETE /r4/Observation/o1", true),
        ("GET /r4/Observation/o1", false),
        ("HEAD /r4/Observation/o1", false),
    ] {
        let head = world.head("system/*.cruds", target, &[("if-match", "W/\"7\"")]);
        let step = world.ask(&mut Exchange::default(), head, true);
        let Step::Forward(sent) = step else {
            panic!("{target}: {step:?}")
        };
        let tag = sent.iter().find(|(name, _)| name == b"if-match");
        assert_eq!(
            tag.is_some_and(|(_, tag)| tag == b"W/\"7\""),
            expected,
            "{target}"
        );
        assert_eq!(tag.is_some(), expected, "{target}");
    }
}

#[test]
fn the_mark_of_a_recipient_is_not_written_back() {
    const SYSTEM: &str = "https://fhir.example.org/watermark";
    const MARKED: Option<&str> = Some("request.malformed.body-watermarked");
    let mark = json!({"system": SYSTEM, "code": "x"});
    let own = |meta: Value| with(observation("Patient/p1"), "meta", meta);
    let contained = json!([{"resourceType": "Device", "id": "d", "meta": {"tag": [mark]}}]);
    let patch = |value: Value| json!([{"op": "add", "path": "/note", "value": value}]);
    let (post, patched) = ("POST /r4/Observation", "PATCH /r4/Observation/o1");
    for labels in ["refused", "kept"] {
        let mut world = unbuilt(|config| {
            config["fhir"]["client_labels"] = json!(labels);
            config["redaction"] = json!([]);
            config["secrets"] = json!({"watermark_key": {"inline": "ab".repeat(32)}});
            config["watermark"] = json!({"system": SYSTEM});
        });
        let rows = [
            ("a tag", post, own(json!({"tag": [mark]})), MARKED),
            (
                "one of several",
                post,
                own(json!({"tag": [{"code": "y"}, mark]})),
                MARKED,
            ),
            (
                "in what is contained",
                post,
                with(observation("Patient/p1"), "contained", contained.clone()),
                MARKED,
            ),
            ("a patch", patched, patch(mark.clone()), MARKED),
            (
                "a patch of the system alone",
                patched,
                patch(json!(SYSTEM)),
                MARKED,
            ),
            ("no mark", post, observation("Patient/p1"), None),
            (
                "a patch without",
                patched,
                patch(json!([{"text": "x"}])),
                None,
            ),
        ];
        check_all(&mut world, "system/*.cud", &rows);
    }
}
