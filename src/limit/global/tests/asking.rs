//! What is asked.

use super::*;

#[test]
fn a_question_is_a_unary_call_of_the_protocol() {
    // By hand, from the field numbers of the published definitions.
    let plain = limit("a", &[]);
    let call = question(vec![charge(&plain, 1, false)]).call(&service());
    let expected = b"\x00\0\0\0\x13\x0a\x01d\x12\x0c\x0a\x0a\x0a\x05limit\x12\x01a\x18\x01";
    assert_eq!(call.body, expected);
    let fields: Vec<(&str, &str)> = call
        .headers
        .iter()
        .map(|(name, value)| (name.as_ref(), value.as_str()))
        .collect();
    assert_eq!(
        fields,
        [
            (":method", "POST"),
            (
                ":path",
                "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
            ),
            (":authority", "limits.example.org"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]
    );
    assert_eq!(
        (call.cluster.as_str(), call.timeout.as_millis()),
        ("ratelimit", 50)
    );
    // Costs that differ: each its own, and for servers that know but one the highest.
    let other = limit("b", &[]);
    let both = vec![charge(&plain, 2, false), charge(&other, 300, false)];
    let body = question(both).call(&service()).body;
    let expected = b"\x00\0\0\0\x2b\x0a\x01d\
        \x12\x10\x0a\x0a\x0a\x05limit\x12\x01a\x1a\x02\x08\x02\
        \x12\x11\x0a\x0a\x0a\x05limit\x12\x01b\x1a\x03\x08\xac\x02\
        \x18\xac\x02";
    assert_eq!(body, expected);
}

#[test]
fn a_descriptor_says_what_a_rule_can_match_and_hashes_who_somebody_is() {
    fn check(
        name: &str,
        limit: &Limit,
        count: u32,
        priority: bool,
        expected: Option<&[(&str, &str)]>,
    ) {
        let found = Descriptor::of(&charge(limit, count, priority), service().key.as_ref());
        let entries = found.as_ref().map(|one| {
            let pairs = one.entries.iter();
            pairs
                .map(|(key, value)| (*key, value.as_str()))
                .collect::<Vec<_>>()
        });
        assert_eq!(entries.as_deref(), expected, "{name}");
        assert_eq!(found.map(|one| one.hits), expected.map(|_| count), "{name}");
    }
    use KeyPart::*;
    let issuer = ("issuer", "https://as.example.org");
    check(
        "no key",
        &limit("l", &[]),
        1,
        false,
        Some(&[("limit", "l")]),
    );
    check(
        "what an issuer names has the issuer before it",
        &limit("l", &[Client, Interaction]),
        3,
        false,
        Some(&[
            ("limit", "l"),
            issuer,
            ("client", "app"),
            ("interaction", "read"),
        ]),
    );
    check(
        "the issuer once, wherever it stands",
        &limit("l", &[Client, Issuer]),
        1,
        false,
        Some(&[("limit", "l"), issuer, ("client", "app")]),
    );
    check(
        "as it is",
        &limit("l", &[Certificate, Operation, Route, Tenant, Type]),
        1,
        false,
        Some(&[
            ("limit", "l"),
            ("certificate", "0123"),
            ("operation", ""),
            ("route", "fhir"),
            ("tenant", "clinic"),
            ("type", "Patient"),
        ]),
    );
    let personal = limit("l", &[Address, Patient, Subject, Token]);
    let found = Descriptor::of(&charge(&personal, 1, false), service().key.as_ref()).unwrap();
    for (key, value) in &found.entries[1..] {
        assert_eq!(value.len(), 22, "{key}: {value}");
        assert!(!["p1", "dr-7", "192.0.2.1"].contains(&value.as_str()));
    }
    let mut other = charge(&personal, 1, false);
    other.caller.issuer = Some("https://other.example.org");
    let other = Descriptor::of(&other, service().key.as_ref()).unwrap();
    let same: Vec<bool> = found
        .entries
        .iter()
        .zip(&other.entries)
        .map(|(one, other)| one == other)
        .collect();
    assert_eq!(same, [true, true, false, false, true], "of another issuer");
    let mut absent = charge(&personal, 1, false);
    absent.caller.patient = None;
    let absent = Descriptor::of(&absent, service().key.as_ref()).unwrap();
    assert_eq!(absent.entries[2], ("patient", String::new()));

    let own = limit("l", &[]);
    let local = Limit {
        global: false,
        ..own.clone()
    };
    check("of this proxy alone", &local, 1, false, None);
    check("that costs nothing", &own, 0, false, None);
    let first = |right| Limit {
        priority: Some(Priority {
            routes: Vec::new(),
            right,
        }),
        ..own.clone()
    };
    check("bypass", &first(Right::Bypass), 1, true, None);
    check(
        "no bypass",
        &first(Right::Bypass),
        1,
        false,
        Some(&[("limit", "l")]),
    );
    check(
        "reserve",
        &first(Right::Reserve(5)),
        1,
        true,
        Some(&[("limit", "l"), ("priority", "reserve")]),
    );
    check(
        "nothing reserved",
        &first(Right::Reserve(5)),
        1,
        false,
        Some(&[("limit", "l")]),
    );

    let long = "x".repeat(descriptor::LONGEST);
    let mut caller = charge(&own, 1, false);
    let by_client = limit("l", &[Client]);
    caller.limit = &by_client;
    caller.caller.client = Some(&long);
    assert_eq!(Descriptor::of(&caller, None).unwrap().entries[2].1, long);
    let longer = format!("{long}x");
    caller.caller.client = Some(&longer);
    let value = Descriptor::of(&caller, None).unwrap().entries[2].1.clone();
    assert!(value.starts_with("blake3-") && value.len() == 71, "{value}");
}
