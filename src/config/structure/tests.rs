use super::encode::{field, object, value};
use super::*;
use serde_json::json;

#[test]
fn a_struct_gives_back_what_was_written() {
    for (name, document) in [
        ("no fields", json!({})),
        (
            "every kind",
            json!({"n": null, "d": 1.5, "s": "text", "t": true, "f": false, "o": {}, "l": []}),
        ),
        (
            "nested",
            json!({"a": [{"b": [[], [1.0, "x", null]]}], "c": {"d": {"e": {"": ""}}}}),
        ),
        ("not ASCII", json!({"Größe": "日本"})),
        (
            "long enough for two-byte lengths",
            json!({"k": "x".repeat(300), "l": vec!["y"; 200]}),
        ),
        (
            "extremes",
            json!({"a": f64::MAX, "b": f64::MIN_POSITIVE, "c": -0.0}),
        ),
    ] {
        let bytes = object(&document);
        assert_eq!(decode(&bytes, 32), Ok(document), "{name}");
        // No proper part of a Struct that ends inside a field is one.
        for cut in 1..bytes.len() {
            if let Ok(part) = decode(&bytes[..cut], 32) {
                assert_eq!(object(&part), bytes[..cut], "{name} cut at {cut}");
            }
        }
    }
}

#[test]
fn what_is_no_struct_is_refused_with_its_place() {
    let entry = |content: &[u8]| field(1, &[field(1, b"k"), field(2, content)].concat());
    let number = |number: f64| [&[0x11], &number.to_le_bytes()[..]].concat();
    let twice = [entry(&[0x08, 0]), entry(&[0x20, 1])].concat();
    let inside = object(&json!({"a": {"b/c": [0.0, {"x": 1.0}]}}));
    let broken_inside = replace(&inside, &number(1.0), &number(f64::NAN));
    let rows: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        (
            "unknown field of a Struct",
            field(2, b""),
            "",
            "an unknown field in a Struct",
        ),
        (
            "field number 0",
            field(0, b""),
            "",
            "a field number out of range",
        ),
        (
            "field number of 30 bits",
            vec![0x82, 0x80, 0x80, 0x80, 0x10, 0],
            "",
            "a field number out of range",
        ),
        (
            "a varint where an entry belongs",
            vec![0x08, 1],
            "",
            "a Struct field of the wrong wire type",
        ),
        ("a group", vec![0x0b], "", "an unknown wire type"),
        (
            "32 bits",
            vec![0x0d, 0, 0, 0, 0],
            "",
            "an unknown wire type",
        ),
        (
            "length beyond the end",
            vec![0x0a, 5, 0],
            "",
            "a length beyond the end",
        ),
        (
            "length of 2^64 - 1",
            [&[0x0a][..], &[0xff; 9], &[1]].concat(),
            "",
            "a length beyond the end",
        ),
        (
            "length of 65 bits",
            [&[0x0a][..], &[0xff; 9], &[2]].concat(),
            "",
            "an integer of more than 64 bits",
        ),
        (
            "length of eleven bytes",
            [&[0x0a][..], &[0x80; 10], &[1]].concat(),
            "",
            "an integer of more than 64 bits",
        ),
        (
            "length of two bytes for one",
            vec![0x0a, 0x80, 0],
            "",
            "an integer in more bytes than it needs",
        ),
        (
            "tag of two bytes for one",
            vec![0x8a, 0, 0],
            "",
            "an integer in more bytes than it needs",
        ),
        ("tag cut short", vec![0x8a], "", "an integer cut short"),
        ("length cut short", vec![0x0a], "", "an integer cut short"),
        (
            "entry without a value",
            field(1, &field(1, b"k")),
            "/k",
            "a key without a value",
        ),
        (
            "entry with nothing",
            field(1, b""),
            "/",
            "a key without a value",
        ),
        (
            "entry with two keys",
            field(1, &[field(1, b"k"), field(1, b"k")].concat()),
            "",
            "a map entry with a part twice",
        ),
        (
            "entry with a third part",
            field(1, &field(3, b"k")),
            "",
            "an unknown field in a map entry",
        ),
        (
            "key as a number",
            field(1, &[0x08, 1]),
            "",
            "a map entry part of the wrong wire type",
        ),
        (
            "key not UTF-8",
            field(1, &field(1, &[0xff])),
            "",
            "text that is not UTF-8",
        ),
        ("a key twice", twice, "/k", "the same key twice"),
        ("no kind", entry(b""), "/k", "a value without a kind"),
        (
            "two kinds",
            entry(&[0x08, 0, 0x20, 1]),
            "/k",
            "a value of two kinds",
        ),
        (
            "the same kind twice",
            entry(&[0x20, 1, 0x20, 1]),
            "/k",
            "a value of two kinds",
        ),
        (
            "unknown kind",
            entry(&field(7, b"")),
            "/k",
            "an unknown field in a value",
        ),
        (
            "null 1",
            entry(&[0x08, 1]),
            "/k",
            "a null other than NULL_VALUE",
        ),
        (
            "boolean 2",
            entry(&[0x20, 2]),
            "/k",
            "a boolean other than 0 and 1",
        ),
        (
            "number as a varint",
            entry(&[0x10, 2]),
            "/k",
            "a value of the wrong wire type",
        ),
        (
            "string as a varint",
            entry(&[0x18, 2]),
            "/k",
            "a value of the wrong wire type",
        ),
        (
            "number cut short",
            entry(&number(1.0)[..8]),
            "/k",
            "a number cut short",
        ),
        (
            "not a number",
            entry(&number(f64::NAN)),
            "/k",
            "a number that is not finite",
        ),
        (
            "infinity",
            entry(&number(f64::INFINITY)),
            "/k",
            "a number that is not finite",
        ),
        (
            "minus infinity",
            entry(&number(f64::NEG_INFINITY)),
            "/k",
            "a number that is not finite",
        ),
        (
            "text not UTF-8",
            entry(&field(3, &[0xc3])),
            "/k",
            "text that is not UTF-8",
        ),
        (
            "surrogate in text",
            entry(&field(3, &[0xed, 0xa0, 0x80])),
            "/k",
            "text that is not UTF-8",
        ),
        (
            "unknown field of a list",
            entry(&field(6, &field(2, b""))),
            "/k",
            "an unknown field in a list",
        ),
        (
            "list item as a varint",
            entry(&field(6, &[0x08, 1])),
            "/k",
            "a list item of the wrong wire type",
        ),
        (
            "list item without a kind",
            entry(&field(6, &field(1, b""))),
            "/k/0",
            "a value without a kind",
        ),
        (
            "deep inside",
            broken_inside,
            "/a/b~1c/1/x",
            "a number that is not finite",
        ),
    ];
    for (name, bytes, pointer, found) in rows {
        let fault = decode(&bytes, 32).expect_err(name);
        assert_eq!(
            (fault.pointer.as_str(), fault.found),
            (pointer, found),
            "{name}"
        );
        assert!(
            fault.at <= bytes.len(),
            "{name}: {} of {}",
            fault.at,
            bytes.len()
        );
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize, wrap: fn(Value) -> Value| {
        object(&json!({"k": (1..levels).fold(Value::Null, |inner, _| wrap(inner))}))
    };
    for wrap in [|inner| json!({"k": inner}), |inner| json!([inner])] as [fn(Value) -> Value; 2] {
        assert!(decode(&nested(32, wrap), 32).is_ok());
        let fault = decode(&nested(33, wrap), 32).unwrap_err();
        assert_eq!(fault.found, "objects and lists nested too deep");
        assert!(decode(&nested(300, wrap), 32).is_err());
    }
    // Siblings do not add up.
    let wide = json!({"k": vec![json!({"a": [1.0]}); 100]});
    assert!(decode(&object(&wide), 4).is_ok());
    assert!(decode(&object(&wide), 3).is_err());
}

#[test]
fn no_bytes_make_it_panic() {
    let seed = object(&json!({"a": [{"b": "text", "c": 2.5}, true], "d": {"e": null}}));
    for at in 0..seed.len() {
        for byte in 0..=u8::MAX {
            let mut bytes = seed.clone();
            bytes[at] = byte;
            let _ = decode(&bytes, 32);
        }
    }
    assert_eq!(value(&Value::Null), [0x08, 0]);
}

fn replace(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = bytes
        .windows(old.len())
        .position(|window| window == old)
        .unwrap();
    [&bytes[..at], new, &bytes[at + old.len()..]].concat()
}
