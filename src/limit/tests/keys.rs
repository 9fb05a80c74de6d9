//! What is counted by.

use super::super::place::Place;
use super::*;

#[test]
fn parts_have_one_name_each() {
    for part in KeyPart::ALL {
        assert_eq!(KeyPart::parse(part.name()), Some(part));
    }
    for name in ["", "Client", "client ", "clients", "types"] {
        assert_eq!(KeyPart::parse(name), None, "{name:?}");
    }
}

/// A caller whose every part is made of this; `own` only in one part, `rest` in all others.
fn caller_with(
    part: KeyPart,
    own: Option<&'static str>,
    rest: Option<&'static str>,
) -> Caller<'static> {
    let field = |of: KeyPart| if of == part { own } else { rest };
    // Each text is another address.
    let address = |text: &str| IpAddr::from([192, 0, 2, text.as_bytes()[0]]);
    Caller {
        address: field(KeyPart::Address).map(address),
        certificate: field(KeyPart::Certificate),
        client: field(KeyPart::Client),
        interaction: field(KeyPart::Interaction),
        issuer: field(KeyPart::Issuer),
        operation: field(KeyPart::Operation),
        patient: field(KeyPart::Patient),
        resource_type: field(KeyPart::Type),
        route: field(KeyPart::Route),
        subject: field(KeyPart::Subject),
        tenant: field(KeyPart::Tenant),
        token: field(KeyPart::Token).map(str::as_bytes),
    }
}

#[test]
fn each_part_counts_by_its_own_field() {
    let quota = Quota::new(1, Period::Second, 1).unwrap();
    for part in KeyPart::ALL {
        let limit = Limit::new("a", &[part], Measure::rate(quota)).unwrap();
        let place = |own, rest| Place::new(&limit, &caller_with(part, own, rest)).fingerprint;
        let one = place(Some("x"), None);
        // The issuer is among the others.
        let same = one == place(Some("x"), Some("y"));
        assert_eq!(same, !part.is_named_by_issuer(), "{part:?}");
        assert_ne!(one, place(Some("z"), None), "{part:?}");
        assert_ne!(one, place(None, Some("x")), "{part:?}");
        // Absent is no value, and not any.
        assert_eq!(place(None, None), place(None, None), "{part:?}");
        assert_ne!(one, place(None, None), "{part:?}");
    }
}

#[test]
fn what_two_issuers_name_alike_is_counted_apart() {
    let quota = Quota::new(1, Period::Second, 1).unwrap();
    for part in KeyPart::ALL {
        let limit = Limit::new("a", &[part], Measure::rate(quota)).unwrap();
        let place = |issuer| {
            let caller = caller_with(KeyPart::Issuer, issuer, Some("x"));
            Place::new(&limit, &caller).fingerprint
        };
        let shared = !matches!(
            part,
            KeyPart::Client | KeyPart::Issuer | KeyPart::Patient | KeyPart::Subject
        );
        assert_eq!(place(Some("a")) == place(Some("b")), shared, "{part:?}");
        assert_eq!(place(Some("a")) == place(None), shared, "{part:?}");
        assert_eq!(place(Some("a")), place(Some("a")), "{part:?}");
    }
}

#[test]
fn addresses_of_one_network_are_one_caller() {
    #[track_caller]
    fn check(prefix: (u8, u8), one: &str, other: &str, shared: bool) {
        let quota = Quota::new(1, Period::Second, 1).unwrap();
        let mut limit = Limit::new("a", &[KeyPart::Address], Measure::rate(quota)).unwrap();
        limit.address = AddressPrefix {
            v4: prefix.0,
            v6: prefix.1,
        };
        let place = |text: &str| {
            let caller = Caller {
                address: text.parse().ok(),
                ..Caller::default()
            };
            Place::new(&limit, &caller).fingerprint
        };
        assert_eq!(place(one) == place(other), shared, "{one} {other}");
    }
    let AddressPrefix { v4, v6 } = AddressPrefix::default();
    let own = (v4, v6);
    assert_eq!(own, (32, 64));
    check(own, "192.0.2.1", "192.0.2.1", true);
    check(own, "192.0.2.1", "192.0.2.2", false);
    check(own, "192.0.2.1", "::ffff:192.0.2.1", true);
    check(own, "2001:db8::1", "2001:db8::ffff", true);
    check(own, "2001:db8::1", "2001:db8:0:1::1", false);
    check((24, 128), "192.0.2.1", "192.0.2.255", true);
    check((24, 128), "192.0.2.255", "192.0.3.0", false);
    check((24, 128), "2001:db8::1", "2001:db8::2", false);
    check((24, 48), "2001:db8:0:1::", "2001:db8:0:2::", true);
    check((24, 48), "2001:db8:1::", "2001:db8:2::", false);
    check((31, 127), "192.0.2.2", "192.0.2.3", true);
    check((31, 127), "192.0.2.1", "192.0.2.2", false);
    check((31, 127), "::2", "::3", true);
    check((31, 127), "::1", "::2", false);
    // All of one kind are one, and no network of the other.
    check((0, 0), "0.0.0.0", "255.255.255.255", true);
    check((0, 0), "::", "ffff::", true);
    check((0, 0), "0.0.0.0", "::", false);
    check((32, 128), "0.0.0.1", "::1", false);
    // No address is none of them.
    check((0, 0), "0.0.0.0", "", false);
    check((0, 0), "::", "", false);
}

#[test]
fn limits_are_refused_beyond_their_bounds() {
    fn check(name: &str, key: &[KeyPart], expected: Result<(), &str>) {
        let quota = Quota::new(1, Period::Second, 1).unwrap();
        let found = Limit::new(name, key, Measure::rate(quota));
        match expected {
            Ok(()) => assert_eq!(found.expect(name).name, name),
            Err(part) => assert!(found.expect_err(name).starts_with(part), "{name}"),
        }
    }
    check("per-client", &[KeyPart::Client], Ok(()));
    check("0", &[], Ok(()));
    check(&"a".repeat(32), &KeyPart::ALL, Ok(()));
    check(&"a".repeat(33), &[], Err("name"));
    check("", &[], Err("name"));
    check("Client", &[], Err("name"));
    check("a_b", &[], Err("name"));
    check("a\"b", &[], Err("name"));
    check("\u{e9}", &[], Err("name"));
    // The record says these where no limit refused.
    check("contended", &[], Err("name"));
    check("upstream", &[], Err("name"));
    check("twice", &[KeyPart::Client, KeyPart::Client], Err("key"));
}

#[test]
fn no_two_callers_share_a_place() {
    let quota = Quota::new(1, Period::Second, 1).unwrap();
    let limit = |name: &str, key: &[KeyPart]| Limit::new(name, key, Measure::rate(quota)).unwrap();
    let caller = |client, subject| Caller {
        client,
        subject,
        ..Caller::default()
    };
    let both = limit("a", &[KeyPart::Client, KeyPart::Subject]);
    let rows = [
        ("present", Place::new(&both, &caller(Some("x"), Some("y")))),
        (
            "exchanged",
            Place::new(&both, &caller(Some("y"), Some("x"))),
        ),
        (
            "moved border",
            Place::new(&both, &caller(Some("xy"), Some(""))),
        ),
        (
            "moved border back",
            Place::new(&both, &caller(Some(""), Some("xy"))),
        ),
        (
            "absent subject",
            Place::new(&both, &caller(Some("xy"), None)),
        ),
        (
            "absent client",
            Place::new(&both, &caller(None, Some("xy"))),
        ),
        ("both absent", Place::new(&both, &caller(None, None))),
        ("both empty", Place::new(&both, &caller(Some(""), Some("")))),
        (
            "named absent",
            Place::new(&both, &caller(Some("absent"), Some("absent"))),
        ),
        (
            "client only",
            Place::new(&limit("a", &[KeyPart::Client]), &caller(Some("x"), None)),
        ),
        (
            "subject only",
            Place::new(&limit("a", &[KeyPart::Subject]), &caller(None, Some("x"))),
        ),
        (
            "other limit",
            Place::new(&limit("b", &[KeyPart::Client]), &caller(Some("x"), None)),
        ),
        (
            "no parts",
            Place::new(&limit("a", &[]), &caller(Some("x"), None)),
        ),
    ];
    for (index, (name, place)) in rows.iter().enumerate() {
        assert!(place.key().len() == 23 && place.key().starts_with("fhir-guard.limit.v2."));
        assert_ne!(place.fingerprint, [0; 16], "{name}");
        for (other, twin) in rows.iter().skip(index + 1) {
            assert_ne!(place.fingerprint, twin.fingerprint, "{name} and {other}");
        }
    }
    let again = Place::new(&both, &caller(Some("x"), Some("y")));
    assert_eq!(again.fingerprint, rows[0].1.fingerprint);
    assert_eq!(again.key(), rows[0].1.key());
    // A part that the key does not name makes no difference.
    let one = limit("a", &[KeyPart::Client]);
    let (with, without) = (caller(Some("x"), Some("y")), caller(Some("x"), None));
    assert_eq!(
        Place::new(&one, &with).fingerprint,
        Place::new(&one, &without).fingerprint
    );
}
