//! Patterns of the operator.

use super::super::text::{LOOKED, PLACES};
use super::*;

#[test]
fn own_patterns_are_read_or_explained() {
    for (text, expected) in [
        ("MRN-[0-9]{8}", None),
        ("", Some("it matches the empty text")),
        ("a*", Some("it matches the empty text")),
        ("(", Some("")),
        ("a{1,", Some("")),
        ("[0-9]{40}", None),
        ("(a{100}){100}", Some("")),
        (r"\p{Lu}", Some("")),
    ] {
        let found = Own::read(text).err();
        match (&found, expected) {
            (None, None) => {}
            (Some(found), Some(expected)) => assert!(found.contains(expected), "{text}: {found}"),
            _ => panic!("{text}: {found:?}"),
        }
    }
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Own::read(&nested(15)).is_ok());
    assert!(Own::read(&nested(17)).is_err());
}

#[test]
fn own_patterns_are_found_and_never_cost_more_than_so_many_looks() {
    let mrn = [own("MRN-[0-9]{3}"), known("card")];
    for (text, expected) in [
        ("MRN-123", "*******"),
        ("see MRN-123, MRN-4567!", "see *******, *******7!"),
        ("ümrn MRN-12", "ümrn MRN-12"),
        ("MRN-123 4111111111111111", "******* ****************"),
    ] {
        assert_eq!(masked(&mrn, text), expected);
    }
    let letter = [own("a.*b|a")];
    assert_eq!(masked(&letter, "xax"), "x*x");
    let below = "ax".repeat(PLACES - 1);
    assert_eq!(masked(&letter, &below), "*x".repeat(PLACES - 1));
    let many = "ax".repeat(PLACES) + "rest";
    let expected = "*x".repeat(PLACES - 1) + &"*".repeat(6);
    assert_eq!(masked(&letter, &many), expected, "the rest counts as one");
}

#[test]
fn an_own_pattern_is_looked_for_in_bounds() {
    // One that is nowhere but between words.
    let edges = [own(r"\b")];
    assert_eq!(masked(&edges, "one two"), "one two");
    let words = "a ".repeat(PLACES);
    assert!(masked(&edges, &words).ends_with('*'));
    // Fewer places in a long text: each may cost a look at all of it.
    for (length, places) in [(LOOKED / PLACES, PLACES), (2 * LOOKED / PLACES, PLACES / 2)] {
        let text = "ax".repeat(length / 2);
        let found = masked(&[own("a.|a")], &text);
        assert_eq!(found, stars(&text), "all of it");
        let found = masked(&[own("a")], &text);
        let rest = "*".repeat(text.len() - 2 * (places - 1));
        assert!(found == "*x".repeat(places - 1) + &rest, "{length}");
    }
    assert_eq!(masked(&[own("a")], "x"), "x");
    // A byte of a text costs as much as a pattern is large.
    for (text, fits) in [
        (".{0,20}[0-9]{3}", true),
        (r"(?i)(patient|name|mrn|record)[: #]*[0-9]{5,10}", true),
        (".{0,100}[0-9]{3}", false),
        ("[ab]{0,30}c", true),
        ("[ab]{0,60}c", false),
    ] {
        assert_eq!(Own::read(text).is_ok(), fits, "{text}");
    }
}
