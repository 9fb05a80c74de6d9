//! Granular scopes: what becomes of requests.

use super::*;
use crate::fhir::Searched;
use crate::json::{Document, Limits};

/// The canonical target of what is forwarded, or why it is refused.
fn forwarded(scope: &str, target: &str) -> String {
    let permit = match decided(&principal(scope, &[]), target) {
        Ok(permit) => permit,
        Err(denial) => return format!("refused: {}", denial.rule()),
    };
    let target = permit.request().interaction.target();
    // Decided on what is forwarded, the decision is the same.
    let again = decided(&principal(scope, &[]), &format!("GET {target}"));
    let again = again.expect("a permit").request().interaction.target();
    assert_eq!(again, target, "{scope}");
    target
}

#[test]
fn a_granular_scope_narrows_searches() {
    let laboratory = "user/Observation.rs?category=http://c|lab";
    let both =
        "user/Observation.rs?category=http://c|lab user/Observation.s?category=survey,http://c|lab";
    for (scope, query, expected) in [
        (laboratory, "", "?category=http://c%7Clab"),
        (
            laboratory,
            "?code=x&_count=5",
            "?code=x&category=http://c%7Clab&_count=5",
        ),
        // The search says it already.
        (
            laboratory,
            "?category=http://c|lab",
            "?category=http://c%7Clab",
        ),
        (both, "?category=survey", "?category=survey"),
        (
            both,
            "?category=http://d|survey,http://c|lab",
            "?category=http://d%7Csurvey,http://c%7Clab",
        ),
        // It says something else, or more.
        (
            laboratory,
            "?category=lab",
            "?category=lab&category=http://c%7Clab",
        ),
        (
            laboratory,
            "?category=http://c|lab,b",
            "?category=http://c%7Clab,b&category=http://c%7Clab",
        ),
        (
            laboratory,
            "?category=http://c|lab%5C,",
            "?category=http://c%7Clab%5C,&category=http://c%7Clab",
        ),
        (both, "", "?category=http://c%7Clab,survey"),
        // Several parameters of one scope are one condition each.
        (
            "user/Observation.s?category=a&status=final",
            "?status=final",
            "?status=final&category=a",
        ),
        // What no condition can say is left to the answer.
        (
            "user/Observation.s?category=a user/Observation.s?status=final",
            "?code=x",
            "?code=x",
        ),
        (
            "user/Observation.s?category=a user/Observation.s?category=b&status=final",
            "",
            "",
        ),
        ("user/Observation.s?_tag=t", "?code=x", "?code=x&_tag=t"),
        // A scope without parameters makes the others superfluous, in the letter that it has.
        ("user/Observation.s?category=a user/Observation.rs", "", ""),
        (
            "user/Observation.s?category=a user/*.s",
            "?code=x",
            "?code=x",
        ),
        (
            "user/Observation.s?category=a user/Observation.r",
            "",
            "?category=a",
        ),
        (
            "user/Observation.s?category=a user/Condition.s?category=b",
            "",
            "?category=a",
        ),
        (
            "user/Observation.r?category=b user/Observation.s?category=a",
            "",
            "?category=a",
        ),
    ] {
        let found = forwarded(scope, &format!("GET /Observation{query}"));
        let query = query.replace('|', "%7C");
        let name = format!("{scope}: {query}");
        assert_eq!(found, format!("/Observation{expected}"), "{name}");
    }
    let patient = "patient/Observation.rs?category=lab";
    for (query, expected) in [
        ("patient=p1", "/Observation?patient=Patient/p1&category=lab"),
        (
            "category=lab",
            "/Observation?category=lab&patient=Patient/p1",
        ),
        (
            "code=x",
            "/Observation?code=x&patient=Patient/p1&category=lab",
        ),
        ("patient=p2", "refused: compartment"),
    ] {
        let found = forwarded(patient, &format!("GET /Observation?{query}"));
        assert_eq!(found, expected, "{query}");
    }
}

#[test]
fn a_condition_that_does_not_fit_is_left_to_the_answer() {
    // Each of 7 bytes, with the comma 8: 128 of them are one byte shorter than the longest value.
    let values = |count: usize| vec!["abcdefg"; count].join(",");
    for (count, last, narrowed) in [(127, "abcdefgh", true), (127, "abcdefghi", false)] {
        let scope = format!("user/Observation.s?category={},{last}", values(count));
        let found = forwarded(&scope, "GET /Observation");
        assert_eq!(found.len() > 1000, narrowed, "{}", found.len());
    }
    // As many parameters as a query may have.
    let query = |count: usize| vec!["code=x"; count].join("&");
    for (count, narrowed) in [(63, true), (64, false)] {
        let target = format!("GET /Observation?{}", query(count));
        let found = forwarded("user/Observation.s?category=a", &target);
        assert_eq!(found.contains("category=a"), narrowed, "{count}");
    }
}

#[test]
fn what_is_hidden_is_not_asked_for() {
    let hidden =
        |_: &Permit, _: ResourceType, searched: Searched| searched.to_string() == "category";
    let terms = Terms {
        hidden: &hidden,
        ..terms()
    };
    let caller = principal("user/Observation.s?category=a", &[]);
    let permit = authorize(&caller, &request("GET /Observation?code=x"), &terms);
    let permit = permit.expect("a permit");
    assert_eq!(permit.request().interaction.target(), "/Observation?code=x");
    assert!(!permit.is_for_all());
}

/// What is visible of an answer to a request: all, what matches, or nothing.
fn visible(scope: &str, target: &str) -> Result<&'static str, String> {
    let permit = decided(&principal(scope, &[]), target).map_err(|denial| match denial {
        Denial::Scope(lacking) => format!("lacks {lacking}"),
        other => other.rule(),
    })?;
    Ok(match permit.visible() {
        None => "nothing",
        Some(Granted::All) => "all",
        Some(Granted::Matching(_)) => "matching",
        Some(Granted::Seen(..)) => "seen",
    })
}

#[test]
fn granular_scopes_are_held_against_reads_writes_and_histories() {
    let matching = "user/Observation.cruds?category=a";
    let plain = "user/Observation.cruds";
    let granular = Err("request.not-supported.granular-write".to_owned());
    for (target, of_matching) in [
        ("GET /Observation/o1", Ok("matching")),
        ("HEAD /Observation/o1", Ok("matching")),
        ("GET /Observation/o1/_history/1", Ok("matching")),
        ("GET /Observation/o1/_history", Ok("matching")),
        ("GET /Observation/_history", Ok("matching")),
        ("GET /Observation", Ok("matching")),
        ("POST /Observation", Ok("matching")),
        // What is there already is not known.
        ("PUT /Observation/o1", granular.clone()),
        ("PATCH /Observation/o1", granular.clone()),
        ("DELETE /Observation/o1", granular.clone()),
    ] {
        assert_eq!(visible(matching, target), of_matching, "{target}");
        assert_eq!(visible(plain, target), Ok("all"), "{target}");
        let both = format!("{matching} {plain}");
        assert_eq!(visible(&both, target), Ok("all"), "{target}");
        let other = visible(matching, &target.replace("Observation", "Condition"));
        assert!(
            other.is_err_and(|why| why.starts_with("lacks user/Condition.")),
            "{target}"
        );
    }
    for (scope, target, expected) in [
        // A granular scope for one letter, a plain one for another.
        (
            "user/Observation.r?category=a user/Observation.s",
            "GET /Observation",
            Ok("all"),
        ),
        (
            "user/Observation.r?category=a user/Observation.s",
            "GET /Observation/o1",
            Ok("matching"),
        ),
        // After a write, what may be read counts.
        (
            "user/Observation.c user/Observation.r?category=a",
            "POST /Observation",
            Ok("matching"),
        ),
        (
            "user/Observation.c?category=a user/Observation.r",
            "POST /Observation",
            Ok("all"),
        ),
        (
            "user/Observation.c?category=a",
            "POST /Observation",
            Ok("nothing"),
        ),
        (
            "user/Observation.u user/Observation.r?category=a",
            "PUT /Observation/o1",
            Ok("matching"),
        ),
        (
            "user/Observation.u user/Observation.cud?category=a",
            "PUT /Observation/o1",
            Ok("nothing"),
        ),
        (
            "user/Observation.rs?category=a",
            "POST /Observation",
            Err("lacks user/Observation.c"),
        ),
        (
            "user/Observation.s?category=a",
            "GET /Observation/o1",
            Err("lacks user/Observation.r"),
        ),
        (
            "user/Observation.rs?date=2020",
            "GET /Observation",
            Err("lacks user/Observation.s"),
        ),
        (
            "user/*.rs?_tag=a",
            "GET /Observation",
            Err("lacks user/Observation.s"),
        ),
    ] {
        let expected = expected.map_err(str::to_owned);
        assert_eq!(visible(scope, target), expected, "{scope}: {target}");
    }
}

#[test]
fn what_is_there_is_read_where_the_server_is_trusted() {
    let trusting = FhirPolicy {
        writes: WritePolicy {
            patient_types: vec![ResourceType::parse("Observation").expect("a type")],
            subscriptions: vec![BaseUrl::parse("https://hook.example").expect("a URL")],
            if_match: true,
            ..WritePolicy::default()
        },
        ..fhir()
    };
    let terms = Terms {
        fhir: &trusting,
        ..terms()
    };
    let subscription = Some("request.not-supported.type");
    for (scope, target, expected, rests) in [
        ("user/*.cruds", "PUT /Observation/o1", None, false),
        (
            "user/Observation.u?category=a",
            "PUT /Observation/o1",
            None,
            true,
        ),
        (
            "user/Observation.u?category=a",
            "PATCH /Observation/o1",
            None,
            true,
        ),
        (
            "system/Observation.d?category=a",
            "DELETE /Observation/o1",
            None,
            true,
        ),
        (
            "user/Observation.c?category=a",
            "POST /Observation",
            None,
            false,
        ),
        (
            "user/Observation.r?category=a",
            "GET /Observation/o1",
            None,
            false,
        ),
        // The letters are those of the scope that has parameters, and a plain one beside it counts.
        (
            "user/Observation.u?category=a user/Observation.u",
            "PUT /Observation/o1",
            None,
            false,
        ),
        (
            "user/Observation.d user/Observation.u?category=a",
            "DELETE /Observation/o1",
            None,
            false,
        ),
        (
            "user/Observation.rs user/Observation.u?category=a",
            "DELETE /Observation/o1",
            Some("scope"),
            false,
        ),
        (
            "patient/Observation.u?category=a",
            "PUT /Observation/o1",
            None,
            true,
        ),
        (
            "patient/Condition.u?category=a",
            "PUT /Condition/c1",
            Some("request.not-supported.patient-write-type"),
            false,
        ),
        (
            "user/Subscription.u?status=active",
            "PUT /Subscription/s1",
            subscription,
            false,
        ),
        (
            "user/Subscription.d?status=active",
            "DELETE /Subscription/s1",
            subscription,
            false,
        ),
    ] {
        let found = authorize(&principal(scope, &[]), &request(target), &terms);
        let rests_on_current = found.as_ref().is_ok_and(Permit::rests_on_current);
        let rule = found.err().map(|denial| denial.rule());
        assert_eq!(
            (rule.as_deref(), rests_on_current),
            (expected, rests),
            "{scope}: {target}"
        );
    }
}

#[test]
fn what_is_written_must_match() {
    let of = |code: &str| {
        format!(
            r#"{{"resourceType":"Observation","category":[{{"coding":[{{"code":"{code}"}}]}}]}}"#
        )
    };
    for (scope, code, expected) in [
        ("user/Observation.c?category=a", "a", Ok(())),
        (
            "user/Observation.c?category=a",
            "b",
            Err("user/Observation.c"),
        ),
        (
            "system/Observation.c?category=a system/Observation.c?category=b",
            "b",
            Ok(()),
        ),
        (
            "system/Observation.c?category=a",
            "b",
            Err("system/Observation.c"),
        ),
        ("user/Observation.c?category=a user/*.c", "b", Ok(())),
    ] {
        let permit = decided(&principal(scope, &[]), "POST /Observation").expect(scope);
        let body = of(code);
        let document = Document::parse(body.as_bytes(), &Limits::default()).expect("JSON");
        let found = permit.check_written(document.root());
        let expected = expected.map_err(|lacking: &str| Denial::Scope(lacking.to_owned()));
        assert_eq!(found, expected, "{scope}: {code}");
    }
}

#[test]
fn a_partial_reader_may_read_but_not_all() {
    let of = |scope| {
        let permit = decided(&principal(scope, &[]), "PATCH /Observation/o1").expect(scope);
        (permit.may_read(), permit.may_read_all())
    };
    assert_eq!(of("user/Observation.u"), (false, false));
    assert_eq!(
        of("user/Observation.u user/Observation.r?category=a"),
        (true, false)
    );
    assert_eq!(of("user/Observation.ru"), (true, true));
    assert_eq!(
        of("user/Observation.ru user/Observation.r?category=a"),
        (true, true)
    );
}

#[test]
fn the_record_names_parameters_but_no_values() {
    for (scope, expected) in [
        (
            "user/Observation.rs?category=a&status=b",
            "scope:user/Observation.rs?category&status",
        ),
        (
            "user/Observation.rs?category=a user/Observation.s",
            "scope:user/Observation.s",
        ),
        (
            "user/Observation.r?category=a user/Observation.s?status=a",
            "scope:user/Observation.s?status",
        ),
        (
            "openid user/Observation.read",
            "scope:user/Observation.read",
        ),
    ] {
        let permit = decided(&principal(scope, &[]), "GET /Observation").expect(scope);
        assert_eq!(permit.rule(), expected, "{scope}");
    }
}
