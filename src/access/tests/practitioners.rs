//! What `user/` scopes open to a Practitioner who is confined to the own compartment.

use super::*;
use crate::fhir::PatientCompartment;
use crate::request::UserAccess;

fn confining() -> FhirPolicy {
    FhirPolicy {
        user_access: UserAccess::Compartment,
        compartment: Rc::new(PatientCompartment {
            added: Vec::new(),
            universal: ResourceType::parse("Organization").into_iter().collect(),
        }),
        ..fhir()
    }
}

fn caller(scope: &str, user: &str) -> Rc<Principal> {
    principal_of(Claims::new(NOW).scope(scope).fhir_user(user))
}

/// What goes upstream, or the rule that refuses it.
fn decide(caller: &Rc<Principal>, target: &str) -> Result<String, String> {
    let policy = confining();
    let terms = Terms {
        fhir: &policy,
        ..terms()
    };
    let request = request_to(target, &policy);
    let found = request.and_then(|request| authorize(caller, &request, &terms));
    let permit = found.map_err(|denial| match denial {
        Denial::Scope(lacking) => format!("lacks {lacking}"),
        other => other.rule(),
    })?;
    assert_eq!(permit.practitioner(), Some("d1"), "{target}");
    assert_eq!(permit.patient(), None, "{target}");
    if permit.request().interaction.search().is_some() {
        let again = authorize(caller, permit.request(), &terms).expect("what was permitted");
        assert_eq!(again.request(), permit.request(), "{target}");
    }
    Ok(permit.request().interaction.target())
}

#[test]
fn a_practitioner_may_be_confined_to_the_own_compartment() {
    let caller = caller("user/*.cruds", "Practitioner/d1");
    let absent = Err("compartment");
    let parameter = Err("request.not-supported.parameter");
    let interaction = Err("request.not-supported.interaction");
    let write = Err("request.not-supported.user-write");
    for (target, expected) in [
        // Whose these are is decided on the answer.
        ("GET /Observation/o1", Ok("/Observation/o1")),
        (
            "GET /Observation/o1/_history/1",
            Ok("/Observation/o1/_history/1"),
        ),
        (
            "GET /Observation/o1/_history",
            Ok("/Observation/o1/_history"),
        ),
        ("GET /Patient/p2", Ok("/Patient/p2")),
        ("GET /Practitioner/d1", Ok("/Practitioner/d1")),
        ("GET /Practitioner/d2", absent),
        ("GET /Practitioner/d12/_history", absent),
        ("GET /Organization/o1", Ok("/Organization/o1")),
        ("GET /Location/l1", absent),
        ("GET /Task/t1", absent),
        // Searches are narrowed by what names a practitioner.
        (
            "GET /Observation?code=x",
            Ok("/Observation?code=x&performer=Practitioner/d1"),
        ),
        (
            "GET /Observation?patient=p2",
            Ok("/Observation?patient=Patient/p2&performer=Practitioner/d1"),
        ),
        (
            "GET /Patient?family=x",
            Ok("/Patient?family=x&general-practitioner=Practitioner/d1"),
        ),
        ("GET /Practitioner", Ok("/Practitioner?_id=d1")),
        ("GET /Organization?name=x", Ok("/Organization?name=x")),
        (
            "GET /Observation?performer=Practitioner/d1",
            Ok("/Observation?performer=Practitioner/d1"),
        ),
        // Others are no reason to refuse, but confine nothing.
        (
            "GET /Encounter?participant=Practitioner/d2",
            Ok("/Encounter?participant=Practitioner/d2&practitioner=Practitioner/d1"),
        ),
        ("GET /Observation?performer=Practitioner/d2", parameter),
        (
            "GET /Encounter?practitioner=Practitioner/d1,Practitioner/d2",
            parameter,
        ),
        ("GET /Practitioner?_id=d2", parameter),
        ("GET /Location?name=x", parameter),
        (
            "GET /Practitioner/d1/Observation",
            Ok("/Practitioner/d1/Observation"),
        ),
        ("GET /Practitioner/d1/*", Ok("/Practitioner/d1/*")),
        (
            "GET /Patient/p2/Observation",
            Ok("/Patient/p2/Observation?performer=Practitioner/d1"),
        ),
        (
            "GET /Practitioner/d2/Observation",
            Ok("/Practitioner/d2/Observation?performer=Practitioner/d1"),
        ),
        (
            "GET ?_type=Observation,DiagnosticReport",
            Ok("?_type=Observation,DiagnosticReport&performer=Practitioner/d1"),
        ),
        ("GET ?_type=Observation,Patient", parameter),
        ("GET ", parameter),
        ("GET /_history", interaction),
        ("GET /Observation/_history", interaction),
        (
            "GET /Observation?_summary=count",
            Err("request.not-supported.total"),
        ),
        (
            "GET /Observation?_summary=text",
            Err("request.not-supported.summary"),
        ),
        (
            "GET /Encounter?_elements=status",
            Ok(
                "/Encounter?practitioner=Practitioner/d1&_elements=status,id,meta,subject,participant,contained",
            ),
        ),
        // The last of two counts for one server, and either of them for another.
        (
            "GET /Encounter?practitioner=Practitioner/d1&practitioner=Practitioner/d2",
            Err("request.malformed.repeated-parameter"),
        ),
        ("POST /Observation", write),
        ("PUT /Observation/o1", write),
        ("PATCH /Practitioner/d1", write),
        ("DELETE /Observation/o1", write),
    ] {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(decide(&caller, target), expected, "{target}");
    }
}

#[test]
fn who_has_no_compartment_is_opened_nothing() {
    let policy = confining();
    let terms = Terms {
        fhir: &policy,
        ..terms()
    };
    for (user, lacks) in [
        ("Practitioner/d1", false),
        ("PractitionerRole/d1", true),
        ("Patient/p1", true),
        ("RelatedPerson/r1", true),
    ] {
        let caller = caller("user/*.cruds", user);
        let found = authorize(&caller, &request("GET /Observation/o1"), &terms);
        let refusal = lacks.then(|| Denial::Scope("user/Observation.r".to_owned()));
        assert_eq!(found.err(), refusal, "{user}");
    }
    // The other levels are what they were.
    for (scope, target, expected) in [
        (
            "system/*.rs",
            "GET /Observation?code=x",
            "/Observation?code=x",
        ),
        (
            "patient/*.rs",
            "GET /Observation?code=x",
            "/Observation?code=x&patient=Patient/p1",
        ),
    ] {
        let permit = authorize(&principal(scope, &[]), &request(target), &terms);
        let permit = permit.expect("a permit");
        assert_eq!(permit.practitioner(), None);
        assert_eq!(permit.request().interaction.target(), expected);
    }
}
