//! `limits`: what is read, and what is said about what is wrong.

use super::*;
use crate::limit::{AddressPrefix, KeyPart, Period, Quota};

/// Every key of a limit.
pub fn complete() -> Value {
    json!([{"name": "per-client", "key": ["client", "address"], "rate": "50/s", "burst": 100,
        "address_prefix": {"ipv4": 24, "ipv6": 48}, "when": "'partner' in principal.roles"}])
}

/// What is read of it.
pub fn check_complete(policy: &Policy) {
    let [limit] = &policy.limits[..] else {
        panic!("{:?}", policy.limits)
    };
    assert_eq!(limit.name, "per-client");
    assert_eq!(limit.key, [KeyPart::Client, KeyPart::Address]);
    assert_eq!(limit.quota, Quota::new(50, Period::Second, 100).unwrap());
    assert_eq!(limit.address, AddressPrefix { v4: 24, v6: 48 });
}

#[test]
fn every_part_is_known_by_its_name() {
    let names = KeyPart::ALL.map(KeyPart::name);
    assert_eq!(said(&[("/limits/0/key", json!(names))]), "");
    let (part, prefix) = (json!(["client"]), json!({"ipv4": 0, "ipv6": 0}));
    assert_eq!(said(&[("/limits/0/address_prefix", prefix)]), "");
    assert_eq!(
        said(&[("/limits/0/key", part)]),
        "/limits/0/address_prefix: expected nothing where key has no address, found something"
    );
}

#[test]
#[rustfmt::skip]
fn a_wrong_limit_is_said_to_be_wrong() {
    let rows: Vec<(&str, &str, Value, String)> = vec![
        ("a limit's name twice", "/limits/-", complete()[0].clone(), "/limits/1/name: expected a name of its own, found that of /limits/0".into()),
        ("a limit in upper case", "/limits/0/name", json!("Clients"), "/limits/0/name: expected a name of the characters a-z 0-9 -, found other text".into()),
        ("a limit without parts", "/limits/0/key", json!([]), "/limits/0/key: expected a list of 1 to 12 parts of a key, found 0".into()),
        ("a part twice", "/limits/0/key/-", json!("client"), "/limits/0/key/2: expected each word once, found one for the second time".into()),
        ("a rate as a number", "/limits/0/rate", json!(50), "/limits/0/rate: expected a rate such as 50/s, a whole number from 1 on with /s, /m, /h or /d, found a number (write it in quotes, with its unit)".into()),
        ("half a burst", "/limits/0/burst", json!(0.5), "/limits/0/burst: expected a whole number from 1 to 4294967295, found a fraction".into()),
        ("a prefix of too many bits", "/limits/0/address_prefix/ipv4", json!(33), "/limits/0/address_prefix/ipv4: expected a whole number from 0 to 32, found another number".into()),
        ("the same of IPv6", "/limits/0/address_prefix/ipv6", json!(129), "/limits/0/address_prefix/ipv6: expected a whole number from 0 to 128, found another number".into()),
        ("one number for both", "/limits/0/address_prefix", json!(24), "/limits/0/address_prefix: expected an object with ipv4 or ipv6, found a number".into()),
    ];
    for (row, pointer, value, expected) in rows {
        assert_eq!(said(&[(pointer, value)]), expected, "{row}");
    }
}
