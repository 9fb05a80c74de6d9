use super::*;
use serde_json::json;

/// Reads one field, gives what was read and what was said.
fn check<T: std::fmt::Debug>(
    name: &str,
    document: Value,
    read: impl Fn(&Node<'_>, &mut Mistakes) -> Option<T>,
    expected: Result<&str, &str>,
) {
    let mut mistakes = Mistakes::default();
    let mut object = Node::root(&document)
        .object("an object", &mut mistakes)
        .unwrap();
    let field = object.required("k", "it", &mut mistakes);
    let read = field.and_then(|field| read(&field, &mut mistakes));
    object.finish(&mut mistakes);
    match expected {
        Ok(value) => assert_eq!(
            (
                read.map(|read| format!("{read:?}")).as_deref(),
                mistakes.to_string().as_str()
            ),
            (Some(value), ""),
            "{name}"
        ),
        Err(text) => {
            assert!(read.is_none(), "{name}: {read:?}");
            assert_eq!(mistakes.to_string(), text, "{name}");
        }
    }
}

#[test]
fn strings() {
    for (name, value, expected) in [
        ("text", json!("ab"), Ok("\"ab\"")),
        ("at the upper bound", json!("abcd"), Ok("\"abcd\"")),
        (
            "too long",
            json!("abcde"),
            Err("/k: expected a name of 1 to 4 bytes, found 5 bytes"),
        ),
        (
            "empty",
            json!(""),
            Err("/k: expected a name of 1 to 4 bytes, found 0 bytes"),
        ),
        (
            "number",
            json!(123.0),
            Err("/k: expected a name, found a number (write it in quotes)"),
        ),
        (
            "no",
            json!(false),
            Err("/k: expected a name, found false (write it in quotes)"),
        ),
        ("null", json!(null), Err("/k: expected a name, found null")),
        ("list", json!([]), Err("/k: expected a name, found a list")),
        (
            "object",
            json!({}),
            Err("/k: expected a name, found an object"),
        ),
    ] {
        check(
            name,
            json!({"k": value}),
            |node, m| node.text("a name", 1..=4, m).map(str::to_owned),
            expected,
        );
    }
    check(
        "missing",
        json!({}),
        |node, m| node.bool(m),
        Err("/k: expected it, found nothing"),
    );
}

#[test]
fn booleans_and_integers() {
    for (name, value, expected) in [
        ("true", json!(true), Ok("true")),
        (
            "quoted",
            json!("true"),
            Err("/k: expected true or false, found a string (write it without quotes)"),
        ),
        (
            "number",
            json!(1),
            Err("/k: expected true or false, found a number"),
        ),
    ] {
        check(name, json!({"k": value}), |node, m| node.bool(m), expected);
    }
    let expected =
        |found: &str| format!("/k: expected a whole number from 1 to 100, found {found}");
    for (name, value, found) in [
        ("integer", json!(3), Ok("3")),
        ("a Struct's integer", json!(3.0), Ok("3")),
        ("lower bound", json!(1.0), Ok("1")),
        ("upper bound", json!(100), Ok("100")),
        ("below", json!(0), Err("another number")),
        ("above", json!(101.0), Err("another number")),
        ("negative", json!(-1), Err("another number")),
        ("huge", json!(1e300), Err("another number")),
        ("of 64 bits", json!(u64::MAX), Err("another number")),
        ("fraction", json!(3.5), Err("a fraction")),
        (
            "quoted",
            json!("3"),
            Err("a string (write the number without quotes)"),
        ),
        ("boolean", json!(true), Err("true")),
    ] {
        let found = found.map_err(expected);
        let found = found.as_ref().map(|value| *value).map_err(String::as_str);
        check(
            name,
            json!({"k": value}),
            |node, m| node.integer(1..=100, m),
            found,
        );
    }
}

#[test]
fn keywords() {
    let words = [("remove", 1), ("mask", 2)];
    for (name, value, expected) in [
        ("known", json!("mask"), Ok("2")),
        (
            "near",
            json!("Masc"),
            Err("/k: expected \"remove\" or \"mask\", found \"Masc\" (did you mean \"mask\"?)"),
        ),
        (
            "far",
            json!("hide"),
            Err("/k: expected \"remove\" or \"mask\", found \"hide\""),
        ),
        (
            "empty",
            json!(""),
            Err("/k: expected \"remove\" or \"mask\", found empty text"),
        ),
        (
            "perhaps a secret",
            json!("s3cr3t!"),
            Err("/k: expected \"remove\" or \"mask\", found other text"),
        ),
        (
            "no word",
            json!("x".repeat(25)),
            Err("/k: expected \"remove\" or \"mask\", found other text"),
        ),
        (
            "yes",
            json!(true),
            Err("/k: expected \"remove\" or \"mask\", found true (write it in quotes)"),
        ),
    ] {
        check(
            name,
            json!({"k": value}),
            |node, m| node.keyword(&words, m),
            expected,
        );
    }
}

#[test]
fn units_with_bounds() {
    let minute = Duration::from_secs(60);
    let expected = |found| {
        format!(
            "/k: expected a duration from 0s to 1m, a whole number with ms, s, m or h, found {found}"
        )
    };
    for (name, value, found) in [
        ("seconds", json!("30s"), Ok("30s")),
        ("upper bound", json!("1m"), Ok("60s")),
        ("above", json!("61s"), Err("\"61s\"")),
        ("no unit", json!("30"), Err("\"30\"")),
        (
            "number",
            json!(30.0),
            Err("a number (write it in quotes, with its unit)"),
        ),
    ] {
        let found = found.map_err(expected);
        let found = found.as_ref().map(|value| *value).map_err(String::as_str);
        check(
            name,
            json!({"k": value}),
            |node, m| node.duration(Duration::ZERO..=minute, m),
            found,
        );
    }
    let expected = |found| {
        format!(
            "/k: expected a size from 1KiB to 1MiB, a whole number with B, KB, KiB, MB or MiB, found {found}"
        )
    };
    for (name, value, found) in [
        ("lower bound", json!("1KiB"), Ok("1024")),
        ("upper bound", json!("1MiB"), Ok("1048576")),
        ("below", json!("1KB"), Err("\"1KB\"")),
        ("above", json!("1048577B"), Err("\"1048577B\"")),
        (
            "number",
            json!(1024),
            Err("a number (write it in quotes, with its unit)"),
        ),
    ] {
        let found = found.map_err(expected);
        let found = found.as_ref().map(|value| *value).map_err(String::as_str);
        check(
            name,
            json!({"k": value}),
            |node, m| node.size(1024..=1 << 20, m),
            found,
        );
    }
    let refused = "/k: expected a rate such as 50/s, a whole number from 1 on with /s, /m, /h or /d, found \"0/s\"";
    check(
        "rate",
        json!({"k": "50/s"}),
        |node, m| node.rate(m),
        Ok("(50, Second)"),
    );
    check(
        "rate of none",
        json!({"k": "0/s"}),
        |node, m| node.rate(m),
        Err(refused),
    );
}

#[test]
fn lists_objects_and_unknown_keys() {
    let read = |node: &Node<'_>, m: &mut Mistakes| {
        let items = node.list("names", 1..=2, m)?;
        Some(
            items
                .iter()
                .map(|item| item.pointer().to_owned())
                .collect::<Vec<_>>(),
        )
    };
    for (name, document, expected) in [
        ("two", json!({"k": [1, 2]}), Ok("[\"/k/0\", \"/k/1\"]")),
        (
            "three",
            json!({"k": [1, 2, 3]}),
            Err("/k: expected a list of 1 to 2 names, found 3"),
        ),
        (
            "none",
            json!({"k": []}),
            Err("/k: expected a list of 1 to 2 names, found 0"),
        ),
        (
            "one alone",
            json!({"k": "a"}),
            Err("/k: expected a list of names, found a string"),
        ),
        (
            "unknown keys, one near",
            json!({"K": 1, "other\n": 2}),
            Err(
                "/K: expected the key \"k\" alone, found the unknown key \"K\" (did you mean \"k\"?)\n\
                 /k: expected it, found nothing\n\
                 /other\u{fffd}: expected the key \"k\" alone, found the unknown key \"other\u{fffd}\"",
            ),
        ),
    ] {
        check(name, document, read, expected);
    }
}

#[test]
fn bounds_are_shown_in_their_own_units() {
    for (milliseconds, text) in [
        (0, "0s"),
        (1, "1ms"),
        (1500, "1500ms"),
        (60_000, "1m"),
        (90_000, "90s"),
        (3_600_000, "1h"),
    ] {
        assert_eq!(
            units::show_duration(Duration::from_millis(milliseconds)),
            text
        );
        assert_eq!(
            units::duration(text),
            Some(Duration::from_millis(milliseconds))
        );
    }
    for (bytes, text) in [
        (0, "0B"),
        (1000, "1000B"),
        (1024, "1KiB"),
        (3 << 20, "3MiB"),
    ] {
        assert_eq!(units::show_size(bytes), text);
        assert_eq!(units::size(text), Some(bytes));
    }
}
