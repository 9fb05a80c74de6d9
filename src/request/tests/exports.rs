//! Bulk exports, as clients and attackers ask for them.

use super::*;
use crate::fhir::ResourceType;

fn exporting() -> FhirPolicy {
    let mut policy = policy();
    policy.export = Some(ExportPolicy {
        levels: vec![ExportAt::System, ExportAt::Patient, ExportAt::Group],
        files: vec!["/files/".to_owned()],
        lifetime: 60,
    });
    policy
}

fn asked(policy: &FhirPolicy, method: &str, path: &str) -> Result<Request, Denial> {
    let head = head(
        method,
        &format!("/r4{path}"),
        &[("prefer", "respond-async")],
    )?;
    Request::parse(&head, policy)
}

/// The canonical target of an export, which reads as itself again; or the rule of the refusal.
fn check(path: &str, expected: Result<&str, &str>) {
    let policy = exporting();
    let found = asked(&policy, "GET", path).map(|request| {
        let target = request.interaction.target();
        assert_eq!(request.interaction.code(), "export", "{path}");
        let again = asked(&policy, "GET", &target).expect("the canonical form");
        assert_eq!(again, request, "{path}");
        target
    });
    let found = found.map_err(|denial| denial.rule());
    let expected = expected.map(str::to_owned).map_err(str::to_owned);
    assert_eq!(found, expected, "{path}");
}

#[test]
fn an_export_has_one_form_bypass_34() {
    let date = "2026-01-01T00:00:00Z";
    for (path, expected) in [
        ("/$export", "/$export"),
        ("/Patient/$export", "/Patient/$export"),
        ("/Group/g1/$export", "/Group/g1/$export"),
        (
            "/$export?_outputFormat=application/fhir%2Bndjson&_type=Patient,Observation",
            "/$export?_type=Patient,Observation",
        ),
        ("/$export?_outputFormat=application/fhir+ndjson", "/$export"),
        ("/$export?_outputFormat=ndjson", "/$export"),
        (
            &format!("/Patient/$export?_since={date}&_until={date}"),
            &format!("/Patient/$export?_since={date}&_until={date}"),
        ),
        (
            "/$export?_typeFilter=Observation?code=http://loinc.org|1&_typeFilter=Patient%3Fgender%3Dmale",
            "/$export?_typeFilter=Observation%3Fcode%3Dhttp://loinc.org%7C1&_typeFilter=Patient%3Fgender%3Dmale",
        ),
        (
            "/$export?_type=Observation&_typeFilter=Observation?code=a,b%26status=final",
            "/$export?_type=Observation&_typeFilter=Observation%3Fcode%3Da,b%26status%3Dfinal",
        ),
    ] {
        check(path, Ok(expected));
    }
}

#[test]
fn what_is_no_export_is_refused_bypass_34() {
    let parameter = Err("request.not-supported.parameter");
    let filter = Err("request.malformed.type-filter");
    let unfit = Err("request.not-supported.type-filter");
    let long = format!("/$export?_typeFilter=Observation?code={}", "x,".repeat(600));
    // Written out, each is a reference: more than a value may be.
    let longer = format!(
        "/$export?_typeFilter=Observation?patient={}",
        "1,".repeat(120) + "1"
    );
    let many = format!("/$export?{}", "_typeFilter=Observation?code=x&".repeat(9));
    for (path, expected) in [
        ("/Observation/$export", Err("request.path")),
        ("/Patient/p1/$export", Err("request.path")),
        ("/Group/$export", Err("request.path")),
        ("/Group/g1/x/$export", Err("request.path")),
        (
            "/$export?_type=Patient,Nothing",
            Err("request.malformed.type"),
        ),
        (
            "/$export?_type=Patient,Patient",
            Err("request.malformed.type"),
        ),
        ("/$export?_type=", Err("request.malformed.type")),
        ("/$export?_since=2026", Err("request.malformed.date")),
        ("/$export?_since=yesterday", Err("request.malformed.date")),
        (
            "/$export?_since=2026-01-01T00:00:00Z&_since=2026-01-02T00:00:00Z",
            Err("request.malformed.repeated-parameter"),
        ),
        ("/$export?_outputFormat=text/csv", Err("request.accept")),
        (
            "/$export?_outputFormat=application/fhir%2Bparquet",
            Err("request.accept"),
        ),
        ("/$export?patient=Patient/p1", parameter),
        ("/$export?_elements=id", parameter),
        (
            "/$export?includeAssociatedData=LatestProvenanceResources",
            parameter,
        ),
        ("/$export?organizeOutputBy=Patient", parameter),
        ("/$export?allowPartialManifests=true", parameter),
        ("/$export?_count=1", parameter),
        ("/$export?_typeFilter=Observation", filter),
        ("/$export?_typeFilter=Nothing?code=x", filter),
        // To one server another filter, to another the second alternative of the first.
        (
            "/$export?_typeFilter=Observation?code=a,Patient?birthdate=1970",
            filter,
        ),
        (
            "/$export?_type=Patient&_typeFilter=Observation?code=x",
            filter,
        ),
        ("/$export?_typeFilter=Observation?", unfit),
        ("/$export?_typeFilter=Observation?_count=1", unfit),
        (
            "/$export?_typeFilter=Observation?code=x%26_sort=date",
            unfit,
        ),
        (
            "/$export?_typeFilter=Observation?code=x%26_include=Observation:subject",
            Err("request.not-supported.include"),
        ),
        (
            "/$export?_typeFilter=Observation?patient.name=x",
            Err("request.not-supported.parameter"),
        ),
        ("/$export?_typeFilter=Observation?code=x%26y=z", parameter),
        ("/$export?_typeFilter=Patient?name=a%20b", unfit),
        ("/$export?_typeFilter=Patient?name=a%3Db", unfit),
        (
            "/$export?_typeFilter=Patient?name=a%2525",
            Err("request.malformed.query"),
        ),
        (long.as_str(), Err("request.malformed.query")),
        (longer.as_str(), Err("request.too-costly.type-filter")),
        (
            many.trim_end_matches('&'),
            Err("request.too-costly.type-filter"),
        ),
    ] {
        check(path, expected);
    }
    let rule = |found: Result<Request, Denial>| found.err().map(|denial| denial.rule());
    for method in ["HEAD", "POST", "PUT", "DELETE"] {
        let found = rule(asked(&exporting(), method, "/$export"));
        assert_eq!(found.as_deref(), Some("request.method"), "{method}");
    }
    let found = rule(asked(&policy(), "GET", "/$export"));
    assert_eq!(found.as_deref(), Some("request.path"), "not configured");
    let mut patients = exporting();
    if let Some(export) = &mut patients.export {
        export.levels = vec![ExportAt::Patient];
    }
    for (path, expected) in [
        ("/$export", Some("request.path")),
        ("/Group/g1/$export", Some("request.path")),
        ("/Patient/$export", None),
    ] {
        assert_eq!(
            rule(asked(&patients, "GET", path)).as_deref(),
            expected,
            "{path}"
        );
    }
}

#[test]
fn the_target_of_an_export_is_bounded() {
    // Each value is short; together they are more than a link of ours can carry.
    let filter = |length: usize| format!("_typeFilter=Observation?code={}", "x".repeat(length));
    let fits = |count: usize, rest: usize| {
        let mut filters = vec![filter(500); count];
        filters.push(filter(rest));
        let path = format!("/$export?{}", filters.join("&"));
        let found = asked(&exporting(), "GET", &path);
        found.map(|request| request.interaction.target().len())
    };
    let short = fits(4, 1).expect("it fits");
    assert_eq!(fits(4, 1 + 2560 - short), Ok(2560));
    assert_eq!(
        fits(4, 2 + 2560 - short),
        Err(Denial::TooCostly("query".into()))
    );
    // So is a filter, written out.
    let references = |first: usize| {
        let path = format!(
            "/$export?_typeFilter=Observation?patient={},{}",
            "1".repeat(first),
            vec!["1"; 98].join(",")
        );
        let found = asked(&exporting(), "GET", &path)?;
        asked(&exporting(), "GET", &found.interaction.target())
    };
    assert!(references(16).is_ok());
    let found = references(17).err();
    assert_eq!(found, Some(Denial::TooCostly("type-filter".into())));
    // An export of all types but one is asked for by the others, and read again.
    let request = asked(&exporting(), "GET", "/Patient/$export").expect("an export");
    let Interaction::Export(export) = request.interaction else {
        panic!("no export");
    };
    let all = Types::All.within(None);
    let (_, others) = all.split_first().expect("types");
    let reduced = export.of_types(others.to_vec());
    assert_eq!(reduced.check_length(), Ok(()));
    let again = asked(&exporting(), "GET", &reduced.target()).expect("it is read again");
    assert_eq!(again.interaction.target(), reduced.target());
    for (length, rule) in [
        (2560, "request.malformed.type"),
        (2561, "request.malformed.query"),
    ] {
        let found = asked(
            &exporting(),
            "GET",
            &format!("/$export?_type={}", "x".repeat(length)),
        );
        assert_eq!(
            found.err().map(|denial| denial.rule()).as_deref(),
            Some(rule)
        );
    }
}

#[test]
fn what_may_be_deleted_is_a_job_and_no_resource_bypass_34() {
    for (url, kept) in [
        ("/base/$export-poll-status?_jobId=1", true),
        ("/base/bulkstatus/1", true),
        ("/base/Patient/$export-status/1", true),
        ("/base/Patient/$export-status", true),
        ("/base/Group/g1/$export-status/1", true),
        ("/files/Patient/p1", true),
        ("http://fhir/base/Patient/p1", false),
        ("https://fhir.example.org/r4/Patient/p1", false),
        ("/base//Patient/p1", false),
        ("/base/Patient;x/p1", false),
        ("/base/Patient/p1?x=y", false),
        ("/base/Patient?identifier=x", false),
        ("/base/Patient/p1/_history/1", false),
        ("https://bucket.example.org/x", false),
    ] {
        let found = JobLink::upstream_of_job(url, &exporting());
        assert_eq!(found.is_some(), kept, "{url}");
        // A file may be one: who reads it says its type.
        let file = JobLink::upstream_of(url, &exporting());
        assert_eq!(file.is_some(), !url.contains("bucket"), "{url}");
    }
}

#[test]
fn a_link_of_ours_has_one_form_bypass_34() {
    let policy = exporting();
    let longest = "x".repeat(ExportLink::MOST);
    let read = |method: &str, path: &str| {
        let head = head(method, &format!("/r4{path}"), &[]).expect(path);
        let found = ExportLink::parse(&head, &policy).map_err(|denial| denial.rule());
        found.map(|link| link.map(|link| link.target()))
    };
    let longest = format!("/_export/job/{longest}");
    for (method, path) in [
        ("GET", "/_export/job/Aa0-_"),
        ("DELETE", "/_export/job/x"),
        ("GET", "/_export/file/x"),
        ("GET", longest.as_str()),
    ] {
        assert_eq!(read(method, path), Ok(Some(path.to_owned())), "{method}");
    }
    let longer = format!("{longest}x");
    for (method, path, rule) in [
        ("DELETE", "/_export/file/x", "request.method"),
        ("HEAD", "/_export/file/x", "request.method"),
        ("POST", "/_export/job/x", "request.method"),
        ("GET", "/_export/job", "request.path"),
        ("GET", "/_export/job/", "request.malformed.path"),
        ("GET", "/_export/other/x", "request.path"),
        ("GET", "/_export/job/x/y", "request.path"),
        ("GET", "/_export/job/x.y", "request.path"),
        (
            "GET",
            "/_export/job/x?_format=json",
            "request.malformed.path",
        ),
        ("GET", longer.as_str(), "request.path"),
    ] {
        assert_eq!(read(method, path), Err(rule.to_owned()), "{method} {path}");
    }
    assert_eq!(read("GET", "/Observation/x"), Ok(None));
}

#[test]
fn a_servers_link_leads_below_its_base_or_to_its_files_bypass_34() {
    let policy = exporting();
    let longest = format!("http://fhir/base/{}", "x".repeat(1024 - 17));
    let kept = |path: &str| Some(path.to_owned());
    for (url, expected) in [
        (
            "http://fhir/base/$export-poll-status?_jobId=1",
            kept("/base/$export-poll-status?_jobId=1"),
        ),
        ("https://fhir.example.org/r4/jobs/1", kept("/base/jobs/1")),
        ("/base/jobs/1", kept("/base/jobs/1")),
        ("http://fhir/files/a.ndjson", kept("/files/a.ndjson")),
        (
            "http://elsewhere:1/files/a%20b.ndjson?sig=x%2By",
            kept("/files/a%20b.ndjson?sig=x%2By"),
        ),
        (
            longest.as_str(),
            Some(longest.replacen("http://fhir", "", 1)),
        ),
        (&format!("{longest}x"), None),
        ("https://bucket.example.org/a.ndjson", None),
        ("http://fhir/files", None),
        ("http://fhir/filesystem/a", None),
        ("http://fhir/files/../admin", None),
        ("http://fhir/files/%2E%2e/admin", None),
        ("http://fhir/files/..;x/admin", None),
        ("http://fhir/files/..%2Fadmin", None),
        ("http://fhir/files/..%5cadmin", None),
        ("http://fhir/files/%252e%252e/admin", None),
        ("http://fhir/base/./x", None),
        ("http://fhir/files/a#b", None),
        ("http://fhir/files/a b", None),
        ("http://fhir/files\\a", None),
        ("files/a", None),
        ("", None),
        ("http://fhir", None),
    ] {
        assert_eq!(JobLink::upstream_of(url, &policy), expected, "{url}");
    }
}

#[test]
fn what_goes_up_says_what_is_wanted() {
    let policy = exporting();
    let sent = |request: &Request| {
        let head = head("GET", "/r4/$export", &[]).expect("a head");
        let fields = upstream_headers(&head, request, &policy, true);
        let text = |name: &str| {
            let mut own = fields.iter().filter(|(own, _)| own == name.as_bytes());
            let value = own
                .next()
                .map(|(_, value)| String::from_utf8_lossy(value).into_owned());
            assert!(own.next().is_none(), "{name} once");
            value.unwrap_or_default()
        };
        [":path", "accept", "prefer"].map(text)
    };
    let request = asked(&policy, "GET", "/Patient/$export").expect("an export");
    let json = "application/fhir+json";
    assert_eq!(
        sent(&request),
        ["/base/Patient/$export", json, "respond-async"]
    );
    let Interaction::Export(export) = &request.interaction else {
        panic!("no export");
    };
    let of = |export: Export| Request {
        interaction: Interaction::Export(Box::new(export)),
        ..request.clone()
    };
    let patient = ResourceType::parse("Patient").expect("a type");
    assert_eq!(
        sent(&of(export.of_types(vec![patient]))),
        [
            "/base/Patient/$export?_type=Patient",
            json,
            "respond-async, handling=lenient"
        ]
    );
    let link = |file| JobLink {
        link: ExportLink {
            file,
            token: "x".to_owned(),
        },
        upstream: "/files/x?y".to_owned(),
    };
    for (step, accept) in [
        (ExportStep::Status(link(false)), json),
        (ExportStep::Cancel(link(false)), json),
        (
            ExportStep::File(patient, link(true)),
            "application/fhir+ndjson",
        ),
    ] {
        assert_eq!(sent(&of(export.at(step))), ["/files/x?y", accept, ""]);
    }
}
