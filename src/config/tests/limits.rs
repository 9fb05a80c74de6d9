//! `limits`: what is read, and what is said about what is wrong.

use std::num::NonZeroU32;

use super::*;
use crate::limit::{
    AddressPrefix, Budget, Cap, Cost, KeyPart, Measure, Period, Priority, Quota, Right,
};
use crate::response::Egress;

/// Every key of a limit.
pub fn complete() -> Value {
    json!([{"name": "per-client", "key": ["client", "address"], "rate": "50/s", "burst": 100,
        "address_prefix": {"ipv4": 24, "ipv6": 48}, "cost": {"request": 2, "interactions": {"read": 1, "operation": 20},
        "resources_asked": 50, "inclusion": 3, "resources_returned": 10, "bytes_returned": "64KiB", "debt": 200}, "when": "'partner' in principal.roles",
        "priority": {"when": "'BTG' in principal.purposes", "routes": ["emergency"], "reserve": 10}},
        {"name": "at-once", "key": ["client"], "concurrent": 20, "lease": "30s", "priority": {"routes": ["emergency"], "bypass": true}},
        {"name": "charts", "key": ["subject"], "patients": 500, "window": "24h"}])
}

/// What is read of it.
pub fn check_complete(policy: &Policy) {
    let [limit, at_once, charts] = &policy.limits[..] else {
        panic!("{:?}", policy.limits)
    };
    assert_eq!(limit.name, "per-client");
    assert_eq!(limit.key, [KeyPart::Client, KeyPart::Address]);
    let quota = Quota::new(50, Period::Second, 100).unwrap();
    let quota = quota.with_debt(200).unwrap();
    let cost = Cost {
        request: 2,
        // Members come in the order of their names.
        interactions: vec![("operation", 20), ("read", 1)],
        resources_asked: NonZeroU32::new(50),
        inclusion: 3,
        resources_returned: NonZeroU32::new(10),
        bytes_returned: NonZeroU32::new(64 << 10),
    };
    assert_eq!(limit.measure, Measure::Rate { quota, cost });
    let cap = Cap::new(20, 30).unwrap();
    assert_eq!(at_once.measure, Measure::Concurrent(cap));
    assert_eq!(limit.address, AddressPrefix { v4: 24, v6: 48 });
    let emergency = |right| {
        let routes = vec!["emergency".to_owned()];
        Some(Priority { routes, right })
    };
    assert_eq!(limit.priority, emergency(Right::Reserve(10)));
    assert_eq!(at_once.priority, emergency(Right::Bypass));
    let conditions: Vec<bool> = policy.rules.priority.iter().map(Option::is_some).collect();
    assert_eq!(conditions, [true, false, false]);
    let budget = Budget::new(500, 86_400).unwrap();
    assert_eq!(charts.measure, Measure::Patients(budget));
    // Somebody has to tell whom answers are about.
    assert!(policy.egress.contains(&Egress::telling().into()));
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
fn a_debt_is_the_burst_unless_something_else_is_said() {
    let quota = |cost: Value| {
        let mut document = super::complete();
        set(&mut document, "/limits/0/cost", cost);
        let policy = read(document.to_string().as_bytes()).expect("a policy");
        match &policy.limits[0].measure {
            Measure::Rate { quota, cost } => (*quota, cost.clone()),
            measure => panic!("{measure:?}"),
        }
    };
    let own = Quota::new(50, Period::Second, 100).unwrap();
    assert_eq!(quota(json!({})), (own, Cost::default()));
    let (found, _) = quota(json!({"resources_returned": 1}));
    assert_eq!(found, own.with_debt(100).unwrap());
    let (found, _) = quota(json!({"bytes_returned": "1KiB", "debt": 0}));
    assert_eq!(found, own);
}

#[test]
#[rustfmt::skip]
fn a_wrong_limit_is_said_to_be_wrong() {
    let rows: Vec<(&str, &str, Value, String)> = vec![
        ("a limit's name twice", "/limits/-", complete()[0].clone(), "/limits/3/name: expected a name of its own, found that of /limits/0".into()),
        ("a limit in upper case", "/limits/0/name", json!("Clients"), "/limits/0/name: expected a name of the characters a-z 0-9 -, found other text".into()),
        ("a limit without parts", "/limits/0/key", json!([]), "/limits/0/key: expected a list of 1 to 12 parts of a key, found 0".into()),
        ("a part twice", "/limits/0/key/-", json!("client"), "/limits/0/key/2: expected each word once, found one for the second time".into()),
        ("a rate as a number", "/limits/0/rate", json!(50), "/limits/0/rate: expected a rate such as 50/s, a whole number from 1 on with /s, /m, /h or /d, found a number (write it in quotes, with its unit)".into()),
        ("half a burst", "/limits/0/burst", json!(0.5), "/limits/0/burst: expected a whole number from 1 to 4294967295, found a fraction".into()),
        ("a prefix of too many bits", "/limits/0/address_prefix/ipv4", json!(33), "/limits/0/address_prefix/ipv4: expected a whole number from 0 to 32, found another number".into()),
        ("the same of IPv6", "/limits/0/address_prefix/ipv6", json!(129), "/limits/0/address_prefix/ipv6: expected a whole number from 0 to 128, found another number".into()),
        ("one number for both", "/limits/0/address_prefix", json!(24), "/limits/0/address_prefix: expected an object with ipv4 or ipv6, found a number".into()),
        ("a cost as a number", "/limits/0/cost", json!(3), "/limits/0/cost: expected an object that says what costs more than 1, found a number".into()),
        ("an interaction misspelt", "/limits/0/cost/interactions", json!({"serach-type": 3}), "/limits/0/cost/interactions/serach-type: expected the code of an interaction as its key, found \"serach-type\" (did you mean \"search-type\"?)".into()),
        ("more than is ever admitted", "/limits/0/cost/interactions/read", json!(101), "/limits/0/cost/interactions/read: expected at most burst, because more is never admitted, found more".into()),
        ("the same of each request", "/limits/0/cost/request", json!(101), "/limits/0/cost/request: expected at most burst, because more is never admitted, found more".into()),
        ("a cost beyond all", "/limits/0/cost/inclusion", json!(1_000_001), "/limits/0/cost/inclusion: expected a whole number from 0 to 1000000, found another number".into()),
        ("no resources", "/limits/0/cost/resources_asked", json!(0), "/limits/0/cost/resources_asked: expected a whole number from 1 to 4294967295, found another number".into()),
        ("bytes as a number", "/limits/0/cost/bytes_returned", json!(1024), "/limits/0/cost/bytes_returned: expected a size from 1B to 1024MiB, a whole number with B, KB, KiB, MB or MiB, found a number (write it in quotes, with its unit)".into()),
        ("a debt of nothing", "/limits/0/cost", json!({"debt": 3}), "/limits/0/cost/debt: expected nothing where nothing is charged afterwards, found something".into()),
        ("a debt of more than 31 days", "/limits/0/cost/debt", json!(133_920_000), "/limits/0: debt: at this rate it takes, with burst, more than 31 days to come back".into()),
        ("an unknown cost", "/limits/0/cost/records", json!(1), "/limits/0/cost/records: expected one of the keys request, interactions, resources_asked, inclusion, resources_returned, bytes_returned, debt, found the unknown key \"records\"".into()),
        ("a reserve of all", "/limits/0/priority/reserve", json!(100), "/limits/0: priority/reserve: expected less than the limit itself".into()),
        ("a reserve of nothing", "/limits/0/priority/reserve", json!(0), "/limits/0/priority/reserve: expected a whole number from 1 to 4294967295, found another number".into()),
        ("both at once", "/limits/0/priority/bypass", json!(true), "/limits/0/priority: expected reserve or bypass, found both".into()),
        ("neither", "/limits/0/priority", json!({"routes": ["a"]}), "/limits/0/priority: expected reserve or bypass, found neither".into()),
        ("all go first", "/limits/0/priority", json!({"bypass": true}), "/limits/0/priority: expected when or routes, for not all can go first, found neither".into()),
        ("no bypass", "/limits/1/priority/bypass", json!(false), "/limits/1/priority/bypass: expected true, or no bypass at all, found false".into()),
        ("no routes", "/limits/1/priority/routes", json!([]), "/limits/1/priority/routes: expected a list of 1 to 16 names of routes, found 0".into()),
        ("a route without a name", "/limits/1/priority/routes/0", json!(""), "/limits/1/priority/routes/0: expected the name of a route of 1 to 256 bytes, found 0 bytes".into()),
        ("a condition that is none", "/limits/0/priority/when", json!("denied"), "/limits/0/priority/when: line 1, column 1: expected a variable, found \"denied\"".into()),
        ("no patients", "/limits/2/patients", json!(0), "/limits/2/patients: expected a whole number from 1 to 10000, found another number".into()),
        ("too many patients", "/limits/2/patients", json!(10_001), "/limits/2/patients: expected a whole number from 1 to 10000, found another number".into()),
        ("a window of 59 seconds", "/limits/2/window", json!("59s"), "/limits/2/window: expected a duration from 1m to 744h, a whole number with ms, s, m or h, found \"59s\"".into()),
        ("a window of fractions", "/limits/2/window", json!("60500ms"), "/limits/2/window: expected a duration of whole seconds, found other text".into()),
        ("two measures", "/limits/2/concurrent", json!(5), "/limits/2/patients: expected nothing beside concurrent, found something".into()),
        ("none at once", "/limits/1/concurrent", json!(0), "/limits/1/concurrent: expected a whole number from 1 to 10000, found another number".into()),
        ("too many at once", "/limits/1/concurrent", json!(10_001), "/limits/1/concurrent: expected a whole number from 1 to 10000, found another number".into()),
        ("a lease of 9 seconds", "/limits/1/lease", json!("9s"), "/limits/1/lease: expected a duration from 10s to 1h, a whole number with ms, s, m or h, found \"9s\"".into()),
        ("a lease of an hour and a second", "/limits/1/lease", json!("3601s"), "/limits/1/lease: expected a duration from 10s to 1h, a whole number with ms, s, m or h, found \"3601s\"".into()),
        ("half a second", "/limits/1/lease", json!("10500ms"), "/limits/1/lease: expected a duration of whole seconds, found other text".into()),
        ("how often and how many at once", "/limits/1/rate", json!("1/s"), "/limits/1/rate: expected one of the keys name, key, address_prefix, concurrent, patients, lease, when, priority, global, found the unknown key \"rate\"".into()),
        ("a lease of a rate", "/limits/0/lease", json!("30s"), "/limits/0/lease: expected one of the keys name, key, address_prefix, concurrent, patients, rate, burst, cost, when, priority, global, found the unknown key \"lease\"".into()),
    ];
    for (row, pointer, value, expected) in rows {
        assert_eq!(said(&[(pointer, value)]), expected, "{row}");
    }
}
