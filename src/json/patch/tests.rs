//! The operations of RFC 6902, and what they may cost.

use serde_json::json;

use super::*;

fn check(name: &str, document: Value, patch: Value, expected: Result<Value, PatchFault>) {
    let before = document.clone();
    assert_eq!(apply(&document, &patch), expected, "{name}");
    assert_eq!(document, before, "{name}: the document itself");
}

const TARGET: Result<Value, PatchFault> = Err(PatchFault::Target);
const MALFORMED: Result<Value, PatchFault> = Err(PatchFault::Malformed);

/// Cases after RFC 6902 appendix A, in its order.
#[test]
fn operations_do_what_the_rfc_says() {
    let one =
        |op: &str, path: &str, value: Value| json!([{"op": op, "path": path, "value": value}]);
    let moved = |op: &str, from: &str, path: &str| json!([{"op": op, "from": from, "path": path}]);
    let removed = |path: &str| json!([{"op": "remove", "path": path}]);
    for (name, document, patch, expected) in [
        (
            "A.1 a member is added",
            json!({"code": 1}),
            one("add", "/note", json!("x")),
            Ok(json!({"code": 1, "note": "x"})),
        ),
        (
            "A.2 an item is added",
            json!({"a": [1, 3]}),
            one("add", "/a/1", json!(2)),
            Ok(json!({"a": [1, 2, 3]})),
        ),
        (
            "A.3 a member is removed",
            json!({"a": 1, "b": 2}),
            removed("/a"),
            Ok(json!({"b": 2})),
        ),
        (
            "A.4 an item is removed",
            json!({"a": [1, 2, 3]}),
            removed("/a/1"),
            Ok(json!({"a": [1, 3]})),
        ),
        (
            "A.5 a value is replaced",
            json!({"a": {"b": 1}, "c": 2}),
            one("replace", "/a/b", json!([])),
            Ok(json!({"a": {"b": []}, "c": 2})),
        ),
        (
            "A.6 a value is moved",
            json!({"a": {"b": 1, "c": 2}, "d": {}}),
            moved("move", "/a/b", "/d/e"),
            Ok(json!({"a": {"c": 2}, "d": {"e": 1}})),
        ),
        (
            "A.7 an item is moved",
            json!({"a": [1, 2, 3, 4]}),
            moved("move", "/a/1", "/a/3"),
            Ok(json!({"a": [1, 3, 4, 2]})),
        ),
        (
            "A.8 a test holds",
            json!({"a": [1, "x", {"b": null}]}),
            json!([
                {"op": "test", "path": "/a/1", "value": "x"},
                {"op": "test", "path": "/a", "value": [1.0, "x", {"b": null}]},
            ]),
            Ok(json!({"a": [1, "x", {"b": null}]})),
        ),
        (
            "A.9 a test does not hold",
            json!({"a": "x"}),
            one("test", "/a", json!("y")),
            TARGET,
        ),
        (
            "A.10 an object in an object",
            json!({"a": 1}),
            one("add", "/b", json!({"c": {}})),
            Ok(json!({"a": 1, "b": {"c": {}}})),
        ),
        (
            "A.11 other members are ignored",
            json!({}),
            json!([{"op": "add", "path": "/a", "value": 1, "xyz": 2}]),
            Ok(json!({"a": 1})),
        ),
        (
            "A.12 the parent is not there",
            json!({"a": 1}),
            one("add", "/b/c", json!(1)),
            TARGET,
        ),
        (
            "A.14 escapes are taken in order",
            json!({"/": 9, "~1": 10}),
            one("test", "/~01", json!(10)),
            Ok(json!({"/": 9, "~1": 10})),
        ),
        (
            "A.15 a text is no number",
            json!({"a": 10}),
            one("test", "/a", json!("10")),
            TARGET,
        ),
        (
            "A.16 a list at the end of a list",
            json!({"a": [1]}),
            one("add", "/a/-", json!([2, 3])),
            Ok(json!({"a": [1, [2, 3]]})),
        ),
        (
            "4.1 what is there is replaced",
            json!({"a": 1}),
            one("add", "/a", json!(2)),
            Ok(json!({"a": 2})),
        ),
        (
            "4.1 the whole document",
            json!({"a": 1}),
            one("add", "", json!([])),
            Ok(json!([])),
        ),
        (
            "4.1 behind the end",
            json!([1]),
            one("add", "/1", json!(2)),
            Ok(json!([1, 2])),
        ),
        (
            "4.1 beyond the end",
            json!([1]),
            one("add", "/2", json!(2)),
            TARGET,
        ),
        (
            "4.1 into a text",
            json!({"a": "x"}),
            one("add", "/a/0", json!(2)),
            TARGET,
        ),
        (
            "4.2 nothing to remove",
            json!({"a": 1}),
            removed("/b"),
            TARGET,
        ),
        ("4.2 the end of a list", json!([1]), removed("/-"), TARGET),
        ("4.2 the document", json!([1]), removed(""), TARGET),
        (
            "4.3 nothing to replace",
            json!({"a": 1}),
            one("replace", "/b", json!(1)),
            TARGET,
        ),
        (
            "4.3 the whole document",
            json!({"a": 1}),
            one("replace", "", json!({})),
            Ok(json!({})),
        ),
        (
            "4.3 the end of a list",
            json!([1]),
            one("replace", "/-", json!(1)),
            TARGET,
        ),
        (
            "4.4 into itself",
            json!({"a": {"b": 1}}),
            moved("move", "/a", "/a/b"),
            TARGET,
        ),
        (
            "4.4 to where it is",
            json!({"a": {"b": 1}}),
            moved("move", "/a", "/a"),
            Ok(json!({"a": {"b": 1}})),
        ),
        (
            "4.4 nothing to where it is not",
            json!({}),
            moved("move", "/a", "/a"),
            TARGET,
        ),
        (
            "4.4 another name that begins alike",
            json!({"a": 1, "ab": {}}),
            moved("move", "/a", "/ab/c"),
            Ok(json!({"ab": {"c": 1}})),
        ),
        (
            "4.5 a copy",
            json!({"a": {"b": 1}}),
            moved("copy", "/a", "/a/c"),
            Ok(json!({"a": {"b": 1, "c": {"b": 1}}})),
        ),
        (
            "4.5 nothing to copy",
            json!({"a": 1}),
            moved("copy", "/b", "/c"),
            TARGET,
        ),
        (
            "4.6 another order of members",
            json!({"a": {"b": 1, "c": 2}}),
            one("test", "/a", json!({"c": 2, "b": 1})),
            Ok(json!({"a": {"b": 1, "c": 2}})),
        ),
        (
            "4.6 another order of items",
            json!([1, 2]),
            one("test", "", json!([2, 1])),
            TARGET,
        ),
        (
            "4.6 nothing to test",
            json!({}),
            one("test", "/a", json!(null)),
            TARGET,
        ),
        (
            "4.6 numbers beside each other",
            json!([9_007_199_254_740_993_u64]),
            one("test", "/0", json!(9_007_199_254_740_992_u64)),
            TARGET,
        ),
        (
            "the first failure ends all",
            json!({"a": 1}),
            json!([{"op": "remove", "path": "/a"}, {"op": "remove", "path": "/a"}]),
            TARGET,
        ),
        (
            "no operation",
            json!({"a": 1}),
            json!([]),
            Ok(json!({"a": 1})),
        ),
    ] {
        check(name, document, patch, expected);
    }
}

#[test]
fn what_is_no_json_patch_is_refused() {
    let document = || json!({"a": [1, 2], "": {"": 3}, "a/b": 4, "m~n": 5});
    for (name, patch) in [
        ("an object", json!({"op": "remove", "path": "/a"})),
        ("no object in it", json!(["remove"])),
        ("no op", json!([{"path": "/a"}])),
        ("an op of no kind", json!([{"op": "Remove", "path": "/a"}])),
        ("no path", json!([{"op": "remove"}])),
        (
            "a path without a slash",
            json!([{"op": "remove", "path": "a"}]),
        ),
        ("a fragment", json!([{"op": "remove", "path": "#/a"}])),
        ("no value", json!([{"op": "add", "path": "/b"}])),
        ("no from", json!([{"op": "move", "path": "/b"}])),
        (
            "an escape of nothing",
            json!([{"op": "remove", "path": "/m~n"}]),
        ),
        (
            "an escape at the end",
            json!([{"op": "remove", "path": "/m~"}]),
        ),
        (
            "an escape of more than ASCII",
            json!([{"op": "remove", "path": "/m~é"}]),
        ),
    ] {
        check(name, document(), patch, MALFORMED);
    }
    for at in [
        "01",
        "+1",
        "-1",
        "1.0",
        "1e0",
        " 1",
        "",
        "00",
        "18446744073709551616",
    ] {
        let patch = json!([{"op": "replace", "path": format!("/a/{at}"), "value": 9}]);
        check(at, document(), patch, TARGET);
    }
    for path in ["//", "/a~1b", "/m~0n", "/a/1"] {
        let patch = json!([{"op": "replace", "path": path, "value": 9}]);
        assert!(apply(&document(), &patch).is_ok(), "{path}");
    }
}

/// `levels` lists within each other.
fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

#[test]
fn a_patch_cannot_make_a_document_too_deep() {
    let add = |path: &str, value: Value| json!([{"op": "add", "path": path, "value": value}]);
    let depth = Limits::default().depth;
    let document = || json!({"a": nested(depth - 1)});
    assert!(apply(&document(), &add("/b", nested(depth - 1))).is_ok());
    let costly = Err(PatchFault::Costly);
    check(
        "one more",
        document(),
        add("/b", nested(depth)),
        costly.clone(),
    );
    let replace = json!([{"op": "replace", "path": "/a", "value": nested(depth)}]);
    check("replaced", document(), replace, costly.clone());
    // Each step is allowed for itself, and together they would be a tower.
    for op in ["move", "copy"] {
        let tower = json!([
            {"op": "add", "path": "/b", "value": nested(3)},
            {"op": op, "from": "/a", "path": "/b/-"},
        ]);
        check(op, document(), tower, costly.clone());
    }
    let long = "/a".repeat(10_000);
    check("a long path", document(), add(&long, json!(1)), costly);
}

#[test]
fn a_patch_cannot_make_a_document_too_large() {
    let doubling: Vec<Value> = (0..40)
        .map(|_| json!({"op": "copy", "from": "/a", "path": "/a/-"}))
        .collect();
    let costly = Err(PatchFault::Costly);
    check(
        "each copy doubles",
        json!({"a": [1]}),
        json!(doubling),
        costly.clone(),
    );
    let text = "x".repeat(100_000);
    let copies = |number: usize| -> Vec<Value> {
        (0..number)
            .map(|at| json!({"op": "copy", "from": "/a", "path": format!("/b{at}")}))
            .collect()
    };
    let most = apply(&json!({"a": text}), &json!(copies(19)));
    assert!(most.is_ok_and(|document| document["b18"] == json!(text)));
    check(
        "a long text",
        json!({"a": text}),
        json!(copies(20)),
        costly.clone(),
    );
    let shifts = vec![json!({"op": "add", "path": "/a/0", "value": 1}); 1000];
    assert!(apply(&json!({"a": [1, 2, 3]}), &json!(shifts)).is_ok());
    let long = vec![json!(1); 100_000];
    check(
        "a list that makes room",
        json!({"a": long}),
        json!(shifts),
        costly.clone(),
    );
    let tests = vec![json!({"op": "test", "path": "/a", "value": long}); 20];
    check(
        "a long comparison",
        json!({"a": long}),
        json!(tests),
        costly,
    );
}
