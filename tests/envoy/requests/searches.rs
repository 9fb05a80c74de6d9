//! Searches: what is not wholly understood is refused, and what is hidden cannot be searched for.

use serde_json::Value;

use super::ask;
use crate::table::{ABSENT, MALFORMED, NOT_ACCEPTABLE, NOT_SUPPORTED, Table};
use crate::world::{Setting, World};

const PATIENT: &str = "patient/*.rs";
const SYSTEM: &str = "system/*.rs";

#[tokio::test(flavor = "multi_thread")]
async fn a_search_asks_only_for_what_may_be_told() {
    let world = World::shared(Setting::default()).await;
    let mut table = Table::new(&world);
    own(&mut table).await;
    others(&mut table).await;
    not_understood(&mut table).await;
    malformed(&mut table).await;
    hidden(&mut table).await;
    table.finish().await;
    world.close().await;
}

/// Searches of the own patient, and how each goes upstream.
async fn own(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    for (path, upstream) in [
        ("Observation?patient=p1", "Observation?patient=Patient/p1"),
        (
            "Observation?patient=Patient/p1",
            "Observation?patient=Patient/p1",
        ),
        (
            "Observation?patient=Patient%2Fp1",
            "Observation?patient=Patient/p1",
        ),
        (
            "Observation?patient=%50atient/p%31",
            "Observation?patient=Patient/p1",
        ),
        (
            "Observation?patient=https://fhir.example.org/r4/Patient/p1",
            "Observation?patient=Patient/p1",
        ),
        ("Observation?subject=p1", "Observation?subject=Patient/p1"),
        (
            "Observation?patient=p1&subject=p1,Patient/p1",
            "Observation?patient=Patient/p1&subject=Patient/p1,Patient/p1",
        ),
        (
            "Observation?patient=p1&_format=json",
            "Observation?patient=Patient/p1",
        ),
        (
            "Observation?patient=p1&_format=application/fhir%2Bjson&_pretty=true",
            "Observation?patient=Patient/p1",
        ),
        (
            "Observation?_count=3&patient=p1",
            "Observation?patient=Patient/p1&_count=3",
        ),
        (
            "Observation?patient=p1&_count=99999",
            "Observation?patient=Patient/p1&_count=1000",
        ),
        (
            "Observation?patient=p1&_sort=-date",
            "Observation?patient=Patient/p1&_sort=-date",
        ),
        (
            "Observation?patient=p1&date=ge2020-01-01&date=lt2030-01-01",
            "Observation?patient=Patient/p1&date=ge2020-01-01&date=lt2030-01-01",
        ),
        (
            "Observation?patient=p1&code=8867-4,http://loinc.org%7C718-7",
            "Observation?patient=Patient/p1&code=8867-4,http://loinc.org%7C718-7",
        ),
        ("Patient?_id=p1", "Patient?_id=p1"),
        ("Patient?_id=p1&gender=male", "Patient?_id=p1&gender=male"),
    ] {
        world.fhir.forget_requests();
        let request = ask(world, PATIENT, "GET", &format!("/r4/{path}"));
        // The test server does not sort, and says so where it is asked to be strict.
        let status = if path.contains("_sort") { 400 } else { 200 };
        let answer = table.answered(path, &client, request, status).await;
        let sent: Vec<String> = world
            .fhir
            .requests()
            .into_iter()
            .map(|request| request.path_and_query)
            .collect();
        if sent != [format!("/fhir/{upstream}")] {
            table.fault(path, &format!("{sent:?} went upstream"));
        }
        if status != 200 {
            continue;
        }
        let bundle = answer
            .and_then(|answer| answer.json().ok())
            .unwrap_or(Value::Null);
        if bundle["type"] != "searchset" || bundle.get("total").is_some() {
            table.fault(path, &format!("{bundle}"));
        }
        if bundle.to_string().contains("Patient/p2") {
            table.fault(path, "another patient is in it");
        }
    }
}

async fn others(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    for path in [
        "Observation?patient=p2",
        "Observation?patient=Patient/p2",
        "Observation?subject=https://fhir.example.org/r4/Patient/p2",
        "Observation?patient=p1,p2",
        "Observation?patient=p2,p1",
        "Observation?patient=p1%2Cp2",
        "Observation?patient=P1",
        "Patient?_id=p2",
        "Patient?_id=p1,p2",
        "Observation?patient=p1&subject=p2",
        "Observation?subject=p2&patient=p1",
        "Observation?patient=p1&performer=Patient/p2",
        "Observation?performer=Practitioner/a,Patient/p2&patient=p1",
        "Patient?_id=p1&link=Patient/p2",
    ] {
        let request = ask(world, PATIENT, "GET", &format!("/r4/{path}"));
        table
            .refused(path, &client, request, ABSENT, "compartment")
            .await;
    }
    for path in [
        "Observation?performer=Patient/p1,Practitioner/practitioner-1",
        "Task?patient=p1",
        "Task",
        "Group?member=Device/d",
        "Practitioner",
        "Practitioner?name=x",
        "Organization?name=x",
    ] {
        let request = ask(world, PATIENT, "GET", &format!("/r4/{path}"));
        let rule = "request.not-supported.parameter";
        table
            .refused(path, &client, request, NOT_SUPPORTED, rule)
            .await;
    }
}

async fn not_understood(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    for parameter in [
        "patient:identifier=x",
        "patient:missing=true",
        "patient:not=p2",
        "patient.name=x",
        "subject:Patient.name=x",
        "patient.identifier=x",
        "_has:Observation:patient:code=x",
        "_include:recurse=Observation:patient",
        "_filter=birthdate%20gt%202000",
        "_text=x",
        "_content=x",
        "_contained=true",
        "_containedType=contained",
        "_query=x",
        "_list=x",
        "_type=Patient,Observation",
        "_since=2020-01-01",
        "_score=1",
        "_cursor=x",
        "_maxresults=5",
        "_limit=5",
        "count=5",
        "_getpages=x",
        "code:in=x",
        "code:text=x",
        "code-value-quantity=x",
        "combo-code-value-concept=x$y",
        "Patient=p2",
        "PATIENT=p2",
        "unknown=x",
        "-=x",
    ] {
        for scope in [PATIENT, SYSTEM] {
            let path = format!("/r4/Observation?patient=p1&{parameter}");
            let name = format!("{scope} {parameter}");
            let rule = "request.not-supported.parameter";
            let request = ask(world, scope, "GET", &path);
            table
                .refused(&name, &client, request, NOT_SUPPORTED, rule)
                .await;
        }
    }
    for sort in [
        "code",
        "_id",
        "patient",
        "value-quantity",
        "-",
        "",
        "date:asc",
        "date,,date",
    ] {
        let path = format!("/r4/Observation?patient=p1&_sort={sort}");
        let rule = "request.not-supported.sort";
        let request = ask(world, PATIENT, "GET", &path);
        table
            .refused(
                &format!("_sort={sort}"),
                &client,
                request,
                NOT_SUPPORTED,
                rule,
            )
            .await;
    }
    for format in [
        "xml",
        "application/fhir%2Bxml",
        "text/html",
        "ttl",
        "",
        "json;x",
        "html/json",
    ] {
        let path = format!("/r4/Observation?patient=p1&_format={format}");
        let request = ask(world, PATIENT, "GET", &path);
        table
            .refused(
                &format!("_format={format}"),
                &client,
                request,
                NOT_ACCEPTABLE,
                "request.accept",
            )
            .await;
    }
    for accept in [
        "application/fhir+xml",
        "text/html",
        "application/json;q=0",
        "image/*",
        "",
        "\u{e9}",
    ] {
        let request = ask(world, PATIENT, "GET", "/r4/Patient/p1").header("accept", accept);
        table
            .refused(
                &format!("accept {accept:?}"),
                &client,
                request,
                NOT_ACCEPTABLE,
                "request.accept",
            )
            .await;
    }
}

async fn malformed(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    let long = format!("patient=p1&code={}", "x".repeat(1025));
    let many = format!("patient=p1{}", "&code=x".repeat(64));
    for (query, rule) in [
        ("patient=p1&patient=p1", "repeated-parameter"),
        ("patient=p1&patient=p2", "repeated-parameter"),
        ("patient=p2&patient=p1", "repeated-parameter"),
        ("patient=p1&_id=o-p1-1&_id=o-p2-1", "repeated-parameter"),
        ("patient=p1&_sort=date&_sort=date", "repeated-parameter"),
        ("patient=p1&_format=json&_format=json", "repeated-parameter"),
        ("patient=p1&_count=1&_count=2", "page"),
        ("patient=p1&_count=0", "page"),
        ("patient=p1&_count=-1", "page"),
        ("patient=p1&_count=1e3", "page"),
        ("patient=p1&_count=99999999999", "page"),
        ("patient=p1&_offset=-1", "page"),
        ("patient=p1&_offset=10000000", "page"),
        ("patient=", "query"),
        ("patient", "query"),
        ("patient=p1&", "query"),
        ("&patient=p1", "query"),
        ("=p1", "query"),
        ("patient=p1&code", "query"),
        ("patient=p1;patient=p2", "reference"),
        ("patient=p1&code=x%", "query"),
        ("patient=p1&code=%zz", "query"),
        ("patient=p1&code=%00", "query"),
        ("patient=p1&code=%0d%0ax", "query"),
        ("patient=p1&code=%ff", "query"),
        ("patient=p1&code=%c0%ae", "query"),
        ("patient=p1%2526patient=p2", "query"),
        ("patient=p%2531", "query"),
        ("p%61tient=p2&patient=p1", "query"),
        ("patient%20=p2&patient=p1", "query"),
        ("patient[]=p1", "query"),
        ("patient+=p2&patient=p1", "query"),
        ("patient=p1&code=a\\", "query"),
        ("patient=p1&code=,", "query"),
        ("patient=p1&code=a,,b", "query"),
        (&long, "query"),
        (&many, "query"),
        ("patient=Practitioner/p1", "reference"),
        (
            "patient=https://other.example.org/r4/Patient/p1",
            "reference",
        ),
        ("patient=http://fhir.example.org/r4/Patient/p1", "reference"),
        ("patient=Patient/p1/_history/1", "reference"),
        ("patient=Patient/p1%26subject=Patient/p2", "reference"),
        ("patient=p1%26patient=p2", "reference"),
        ("patient=p1%23x", "reference"),
        ("patient=*", "reference"),
        ("patient=p1%20", "reference"),
        ("patient=urn:uuid:x", "reference"),
        ("patient=p1%7Cx", "reference"),
        ("patient=p1&performer=p1", "reference"),
        ("patient=p1&encounter=Patient/p1", "reference"),
        ("patient=p1&value-quantity=x", "quantity"),
        ("patient=p1&_profile=a%20b", "uri"),
        ("patient=p1&date=x", "date"),
        ("patient=p1&date=gege2020", "date"),
        ("patient=p1&_id=a/b", "id"),
        ("patient=p1&_method=DELETE", "method-override"),
        ("_method=POST&patient=p1", "method-override"),
    ] {
        let request = ask(world, PATIENT, "GET", &format!("/r4/Observation?{query}"));
        let rule = format!("request.malformed.{rule}");
        let name: String = query.chars().take(60).collect();
        table
            .refused(&name, &client, request, MALFORMED, &rule)
            .await;
    }
}

/// The shipped redaction hides these of a Patient: a match, or an order, would tell them.
async fn hidden(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    let rule = "request.not-supported.parameter";
    for (scope, query) in [
        (SYSTEM, "birthdate=1980-01-01"),
        (SYSTEM, "birthdate=gt1980"),
        (SYSTEM, "_sort=birthdate"),
        (SYSTEM, "_sort=-birthdate"),
        (SYSTEM, "gender=male&_sort=_lastUpdated,birthdate"),
        (PATIENT, "_id=p1&birthdate=1980-01-01"),
        ("user/Patient.s", "birthdate=1980-01-01"),
        (SYSTEM, "address=x"),
        (SYSTEM, "address-city=x"),
        (SYSTEM, "telecom=x"),
        (SYSTEM, "phone=x"),
        (SYSTEM, "email=x"),
    ] {
        let request = ask(world, scope, "GET", &format!("/r4/Patient?{query}"));
        table
            .refused(query, &client, request, NOT_SUPPORTED, rule)
            .await;
    }
    // Who is spared may search.
    for scope in ["user/Patient.rs", "user/*.cruds"] {
        for query in ["birthdate=gt1900", "_sort=birthdate"] {
            let request = ask(world, scope, "GET", &format!("/r4/Patient?{query}"));
            let status = if query.contains("_sort") { 400 } else { 200 };
            let before = world.fhir.requests().len();
            table.answered(query, &client, request, status).await;
            if world.fhir.requests().len() != before + 1 {
                table.fault(query, "did not go upstream");
            }
        }
    }
}
