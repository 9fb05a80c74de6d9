//! The seeds, natively.

use super::*;

/// Every property holds for every seed; and of the seeds enough are accepted and enough refused:
/// where everything is refused, or everything accepted, the search is blind.
#[test]
fn the_properties_hold_for_the_seeds() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        let accepted = seeds.iter().filter(|seed| (target.check)(seed)).count();
        let refused = seeds.len() - accepted;
        println!("{}: {accepted} accepted, {refused} refused", target.name);
        assert!(accepted >= 10, "{}: {accepted} accepted", target.name);
        assert!(refused >= 10, "{}: {refused} refused", target.name);
    }
}

/// Where a search stopped because the property was wrong, not the product.
#[test]
fn the_properties_hold_where_a_search_once_stopped() {
    let rows: [(&str, &[u8]); 3] = [
        ("configuration", b"{}"),
        (
            "host",
            b"\x00\x02\x00\x400123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\x01\x00",
        ),
        (
            "request",
            b"\x02/r4/Patient\n{\"resourceType\":\"Patient\",\"id\":\"1\",\"link\"\t:\t\t\t\t77777777777777777777771e999777777777}",
        ),
    ];
    for (name, bytes) in rows {
        let target = TARGETS.iter().find(|target| target.name == name);
        (target.expect(name).check)(bytes);
    }
}

/// Cut short, and with one byte changed: what a fuzzer tries first.
#[test]
fn the_properties_hold_near_the_seeds() {
    for target in TARGETS {
        for (number, seed) in (target.seeds)().into_iter().enumerate().step_by(7) {
            let mut numbers = input::Numbers(number as u64);
            for _ in 0..4 {
                (target.check)(&seed[..numbers.below(seed.len() + 1)]);
                let mut other = seed.clone();
                if !other.is_empty() {
                    let place = numbers.below(other.len());
                    other[place] ^= 1 << numbers.below(8);
                }
                (target.check)(&other);
            }
        }
    }
}

#[test]
fn every_property_has_its_program() {
    let manifest = include_str!("../Cargo.toml");
    for target in TARGETS {
        let name = target.name;
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")));
        let path = format!("{}/fuzz_targets/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        let program = std::fs::read_to_string(&path).expect(&path);
        assert!(program.contains(&format!("fhir_guard_fuzz::{name}::check(bytes)")));
        assert!(program.contains(&format!("write_seeds(\"{name}\")")));
    }
    let programs = manifest.matches("path = \"fuzz_targets/").count();
    assert_eq!(programs, TARGETS.len());
}
