//! Modifiers, reductions, amounts and dates.

use super::*;
use crate::fhir::{ResourceType, search_parameter};

const PARAMETER: &str = "request.not-supported.parameter";
const REFERENCE: &str = "request.malformed.reference";

/// What becomes of a search below the base under this policy.
fn read(search: &SearchPolicy, path: &str) -> Result<String, String> {
    let policy = FhirPolicy {
        search: search.clone(),
        ..policy()
    };
    let head = head("GET", &format!("/r4{path}"), &[]).expect(path);
    let request = Request::parse(&head, &policy).map_err(|denial| denial.rule())?;
    let target = request.interaction.target();
    let again = format!("{}{target}", policy.base.as_str());
    if target.contains('?') {
        // It is a page of itself.
        let page = page_of(&again, &request.interaction, &policy);
        assert_eq!(page, Some(again), "{path}");
    }
    Ok(target)
}

fn check(search: &SearchPolicy, path: &str, expected: Result<&str, &str>) {
    let expected = expected.map(str::to_owned).map_err(str::to_owned);
    assert_eq!(read(search, path), expected, "{path}");
}

#[test]
fn modifiers_are_a_closed_table_bypass_12() {
    let plain = SearchPolicy::default();
    let wide = SearchPolicy {
        contains: true,
        ..SearchPolicy::default()
    };
    for (path, expected) in [
        ("/Patient?family:exact=M", Ok("/Patient?family:exact=M")),
        ("/Observation?code:not=a,b", Ok("/Observation?code:not=a,b")),
        (
            "/Observation?code:missing=true",
            Ok("/Observation?code:missing=true"),
        ),
        (
            "/Observation?_lastUpdated:missing=false",
            Ok("/Observation?_lastUpdated:missing=false"),
        ),
        (
            "/Observation?encounter:missing=true",
            Ok("/Observation?encounter:missing=true"),
        ),
        // The type of a reference goes up within it.
        (
            "/Observation?patient:Patient=p1",
            Ok("/Observation?patient=Patient/p1"),
        ),
        (
            "/Observation?subject:Patient=p1,Patient/p2",
            Ok("/Observation?subject=Patient/p1,Patient/p2"),
        ),
        (
            "/Observation?performer:Practitioner=a",
            Ok("/Observation?performer=Practitioner/a"),
        ),
        (
            "/Observation?subject:Group=https://fhir.example.org/r4/Group/g",
            Ok("/Observation?subject=Group/g"),
        ),
        ("/Observation?subject:Patient=Group/g", Err(REFERENCE)),
        ("/Observation?subject:Patient=Group/p1", Err(REFERENCE)),
        ("/Observation?patient:Group=g", Err(REFERENCE)),
        ("/Observation?patient:Practitioner=p1", Err(REFERENCE)),
        (
            "/Observation?subject:Patient=https://b.example/Patient/p1",
            Err(REFERENCE),
        ),
        (
            "/Observation?subject:Patient=p1&subject=p2",
            Err("request.malformed.repeated-parameter"),
        ),
        ("/PlanDefinition?depends-on:Library=l", Err(REFERENCE)),
        (
            "/Observation?code:missing=yes",
            Err("request.malformed.missing"),
        ),
        (
            "/Observation?code:missing=true,false",
            Err("request.malformed.missing"),
        ),
        // Who a resource is about is no question of whether anybody is named.
        ("/Observation?patient:missing=true", Err(PARAMETER)),
        ("/Observation?subject:missing=false", Err(PARAMETER)),
        ("/Observation?performer:missing=false", Err(PARAMETER)),
        ("/Encounter?participant:missing=true", Err(PARAMETER)),
        ("/Observation?patient:not=p2", Err(PARAMETER)),
        ("/Patient?_id:not=p1", Err(PARAMETER)),
        ("/Patient?_id:missing=true", Err(PARAMETER)),
        ("/Patient?family:contains=a", Err(PARAMETER)),
        ("/Patient?family:not=a", Err(PARAMETER)),
        ("/Observation?code:exact=a", Err(PARAMETER)),
        ("/Observation?code:in=http://a", Err(PARAMETER)),
        ("/Observation?code:above=a", Err(PARAMETER)),
        ("/Observation?code:text=a", Err(PARAMETER)),
        ("/Patient?identifier:of-type=a", Err(PARAMETER)),
        ("/Observation?patient:identifier=x", Err(PARAMETER)),
        ("/Observation?date:exact=2020", Err(PARAMETER)),
        ("/Observation?subject:patient=p1", Err(PARAMETER)),
        ("/Observation?code:not:not=a", Err(PARAMETER)),
        ("/Observation?code:=a", Err(PARAMETER)),
        ("/Observation?_sort:desc=date", Err(PARAMETER)),
        ("/Observation?_count:exact=5", Err(PARAMETER)),
    ] {
        check(&plain, path, expected);
    }
    check(
        &wide,
        "/Patient?family:contains=a",
        Ok("/Patient?family:contains=a"),
    );
    check(&wide, "/Observation?code:contains=a", Err(PARAMETER));
}

#[test]
fn reductions_are_known_by_name_bypass_19_20() {
    let plain = SearchPolicy::default();
    let repeated = Err("request.malformed.repeated-parameter");
    let summary = Err("request.malformed.summary");
    let elements = Err("request.not-supported.elements");
    for (path, expected) in [
        (
            "/Observation?_elements=code,value",
            Ok("/Observation?_elements=code,value"),
        ),
        (
            "/Observation?_elements=code,code&code=a",
            Ok("/Observation?code=a&_elements=code"),
        ),
        (
            "/Observation?_elements=id,meta",
            Ok("/Observation?_elements=id,meta"),
        ),
        (
            "?_type=Observation,Patient&_elements=code,birthDate",
            Ok("?_type=Observation,Patient&_elements=code,birthDate"),
        ),
        ("/Observation?_elements=birthDate", elements),
        ("/Observation?_elements=Code", elements),
        ("/Observation?_elements=code.text", elements),
        ("/Observation?_elements=valueQuantity", elements),
        ("/Observation?_elements=value[x]", elements),
        ("/Observation?_elements=*", elements),
        ("/Observation?_elements=", elements),
        ("/Observation?_elements=code,", elements),
        ("/Observation?_elements=code&_elements=status", repeated),
        ("/Observation?_elements:exclude=code", Err(PARAMETER)),
        (
            "/Observation?_summary=true",
            Ok("/Observation?_summary=true"),
        ),
        (
            "/Observation?_summary=data",
            Ok("/Observation?_summary=data"),
        ),
        (
            "/Observation?_summary=text",
            Ok("/Observation?_summary=text"),
        ),
        (
            "/Observation?_summary=count",
            Ok("/Observation?_summary=count"),
        ),
        ("/Observation?_summary=false", Ok("/Observation")),
        ("/Observation?_summary=yes", summary),
        ("/Observation?_summary=data,text", summary),
        ("/Observation?_summary=false&_summary=count", repeated),
        ("/Observation?_summary=data&_elements=code", summary),
        (
            "/Observation?_total=accurate",
            Ok("/Observation?_total=accurate"),
        ),
        (
            "/Observation?_total=estimate",
            Ok("/Observation?_total=estimate"),
        ),
        ("/Observation?_total=none", Ok("/Observation")),
        ("/Observation?_total=all", Err("request.malformed.total")),
        ("/Observation?_total=none&_total=accurate", repeated),
        ("/Observation/_history?_elements=code", Err(PARAMETER)),
        ("/Observation/_history?_summary=count", Err(PARAMETER)),
    ] {
        check(&plain, path, expected);
    }
}

#[test]
fn amounts_are_the_operators_bypass_26_27() {
    let small = SearchPolicy {
        default_count: Some(20),
        max_count: 50,
        max_values: 3,
        ..SearchPolicy::default()
    };
    let costly = Err("request.too-costly.values");
    for (path, expected) in [
        ("/Observation", Ok("/Observation?_count=20")),
        ("/Observation?_count=5", Ok("/Observation?_count=5")),
        ("/Observation?_count=50", Ok("/Observation?_count=50")),
        ("/Observation?_count=51", Ok("/Observation?_count=50")),
        (
            "/Observation/_history",
            Ok("/Observation/_history?_count=20"),
        ),
        ("/_history?_count=999", Ok("/_history?_count=50")),
        ("/Patient/p1/*", Ok("/Patient/p1/*?_count=20")),
        (
            "/Observation?code=a,b,c&_count=1",
            Ok("/Observation?code=a,b,c&_count=1"),
        ),
        ("/Observation?code=a,b,c,d", costly),
        ("/Observation?code=a,b&status=c,d", costly),
        ("/Observation?code=a&code=b&code=c&code=d", costly),
    ] {
        check(&small, path, expected);
    }
    // What is added must be read again, too.
    let (free, counted) = (
        SearchPolicy::default(),
        SearchPolicy {
            default_count: Some(20),
            ..SearchPolicy::default()
        },
    );
    let many = |count: usize| format!("/Observation?{}", vec!["code=a"; count].join("&"));
    check(&free, &many(64), Ok(&many(64)));
    check(&counted, &many(63), Ok(&format!("{}&_count=20", many(63))));
    check(&counted, &many(64), Err("request.malformed.query"));
}

#[test]
fn dates_are_asked_for_where_the_operator_wants_them_bypass_27() {
    let observation = ResourceType::parse("Observation").expect("a type");
    let dated = SearchPolicy {
        date_ranges: vec![DateRange {
            resource_type: observation,
            parameters: vec![search_parameter(observation, "date").expect("a parameter")],
            days: 366,
        }],
        ..SearchPolicy::default()
    };
    let costly = Err("request.too-costly.date-range");
    for (path, expected) in [
        ("/Observation?date=2024", Ok("/Observation?date=2024")),
        (
            "/Observation?date=ge2024-01-01&date=lt2024-07-01",
            Ok("/Observation?date=ge2024-01-01&date=lt2024-07-01"),
        ),
        ("/Observation?code=x", costly),
        ("/Observation", costly),
        ("/Observation?date=ge2024", costly),
        ("/Observation?date=ge2020&date=lt2024", costly),
        ("/Observation?date:missing=false", costly),
        ("/Patient/p1/Observation", costly),
        ("?_type=Observation,Condition", costly),
        (
            "?_type=Observation&date=2024",
            Ok("?_type=Observation&date=2024"),
        ),
        ("/Observation?_id=a,b", Ok("/Observation?_id=a,b")),
        ("/Condition?code=x", Ok("/Condition?code=x")),
        ("/Observation/_history", Ok("/Observation/_history")),
    ] {
        check(&dated, path, expected);
    }
}

/// Without a bound, and read again for every type, a path of a kilobyte would keep a worker busy for a
/// second.
#[test]
fn elements_are_bounded_and_read_once_bypass_27() {
    let of = |name: &str| crate::fhir::elements(ResourceType::parse(name).expect("a type"));
    let types = ["Observation", "Encounter", "Claim", "Patient"];
    let mut names: Vec<&str> = types.into_iter().flat_map(of).collect();
    names.sort_unstable();
    names.dedup();
    let asked = |count: usize| {
        let names: Vec<&str> = names.iter().take(count).copied().collect();
        format!("?_type={}&_elements={}", types.join(","), names.join(","))
    };
    for (path, expected) in [
        (asked(64), true),
        (asked(65), false),
        (format!("?_elements={}", vec!["for"; 200].join(",")), true),
    ] {
        let head = head("GET", &format!("/r4{path}"), &[]).expect(&path);
        assert_eq!(Request::parse(&head, &policy()).is_ok(), expected, "{path}");
    }
}
