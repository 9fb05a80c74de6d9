//! What is said about conditions that are wrong, and where it is.

use super::*;

/// The place, the message and the unknown word of a mistake.
fn said(text: &str) -> String {
    match condition(text) {
        Ok(_) => String::new(),
        Err(mistake) => {
            let word = mistake.word.map(|(word, _)| format!(" [{word}]"));
            let (line, column) = (mistake.line, mistake.column);
            format!(
                "{line}:{column} {}{}",
                mistake.message,
                word.unwrap_or_default()
            )
        }
    }
}

#[test]
fn a_mistake_has_its_place_and_says_what_was_expected() {
    for (text, expected) in [
        ("", "1:1 expected a value, found the end of the condition"),
        (
            "true true",
            "1:6 expected an operator, or the end of the condition, found \"true\"",
        ),
        (
            "true &&",
            "1:8 expected a value, found the end of the condition",
        ),
        (
            "(true",
            "1:6 expected \")\", found the end of the condition",
        ),
        (
            "true\n  && é",
            "2:6 expected a condition in CEL, found a character that it does not have",
        ),
        (
            "'é' == 'a' 1",
            "1:12 expected an operator, or the end of the condition, found a number",
        ),
        ("1", "1:1 expected bool as a condition, found int"),
        (
            "principal.roles",
            "1:1 expected bool as a condition, found list(string)",
        ),
        ("1 && true", "1:1 expected bool beside \"&&\", found int"),
        (
            "true || 'a'",
            "1:9 expected bool beside \"||\", found string",
        ),
        ("!1", "1:2 expected bool after \"!\", found int"),
        (
            "-'a' == 1",
            "1:2 expected int or double after \"-\", found string",
        ),
        (
            "1 ? true : false",
            "1:1 expected bool before \"?\", found int",
        ),
        (
            "true ? 1 : 'a'",
            "1:12 expected int after \":\" as before it, found string",
        ),
        ("'a' == 1", "1:8 expected string as on the left, found int"),
        (
            "source.address == '10.1.2.3'",
            "1:19 expected net.IP as on the left, found string",
        ),
        (
            "principal.roles == 'a'",
            "1:20 expected two values of one type, found a list and a string: is \"in\" meant?",
        ),
        (
            "[1] < [2]",
            "1:1 expected values that have an order, found list",
        ),
        (
            "null < null",
            "1:1 expected values that have an order, found null",
        ),
        (
            "3 in principal.roles",
            "1:1 expected string before \"in\", found int",
        ),
        (
            "'a' in principal.tenant",
            "1:8 expected list or map after \"in\", found string",
        ),
        (
            "1 + 1.0 == 2.0",
            "1:3 expected numbers of one type, or times and durations, found int and double",
        ),
        (
            "1.5 % 1.0 == 0.5",
            "1:5 expected numbers of one type, or times and durations, found double and double",
        ),
        (
            "'a' + 'b' == 'ab'",
            "1:5 expected numbers of one type, or times and durations, found string and string; strings are not joined, compare their parts",
        ),
        (
            "duration('1s') - request.time > duration('1s')",
            "1:16 expected numbers of one type, or times and durations, found duration and timestamp",
        ),
        (
            "principal.role == 'a'",
            "1:1 expected a variable [principal.role]",
        ),
        (
            "principal == 'a'",
            "1:1 expected a member of principal [principal]",
        ),
        (
            "principle.roles == 'a'",
            "1:1 expected a variable [principle]",
        ),
        (
            "fhir.interaction == 'raed'",
            "1:21 expected a value that fhir.interaction can have [raed]",
        ),
        (
            "fhir.interaction in ['read', 'Create']",
            "1:21 expected a value that fhir.interaction can have [Create]",
        ),
        (
            "'writes' == fhir.interaction",
            "1:1 expected a value that fhir.interaction can have [writes]",
        ),
        (
            "principal.tenant.name == 'a'",
            "1:1 expected map before \".name\", found string",
        ),
        (
            "principal.roles['a'] == 'a'",
            "1:17 expected int as an index, found string",
        ),
        (
            "token.claims[0] == 'a'",
            "1:14 expected string as an index, found int",
        ),
        (
            "token.claims.if == 'a'",
            "1:14 expected a name after \".\", found \"if\"",
        ),
        ("for == 1", "1:1 expected a value, found \"for\""),
        (
            "principal.roles.exists(r, r == 'a')",
            "1:17 loops over lists are not supported; expected in, == or an index",
        ),
        (
            "principal.roles.all(r, r == 'a')",
            "1:17 loops over lists are not supported; expected in, == or an index",
        ),
        (
            "principal.tenant.matches('a')",
            "1:18 regular expressions are not supported; expected ==, in, startsWith, endsWith or contains",
        ),
        (
            "principal.tenant.startWith('a')",
            "1:18 expected a function [startWith]",
        ),
        ("string(1) == '1'", "1:1 expected a function [string]"),
        (
            "has('a')",
            "1:5 expected a variable or a member, such as token.claims.department",
        ),
        (
            "has(token.claims['a'])",
            "1:5 expected a variable or a member, such as token.claims.department",
        ),
        (
            "cidr('10.0.0.0/33').containsIP(source.address)",
            "1:6 expected a network such as \"192.0.2.0/24\", found another value",
        ),
        (
            "cidr('10.0.0.0/+8').containsIP(source.address)",
            "1:6 expected a network such as \"192.0.2.0/24\", found another value",
        ),
        (
            "cidr('::ffff:10.0.0.0/104').containsIP(source.address)",
            "1:6 expected a network such as \"192.0.2.0/24\", found another value",
        ),
        (
            "ip('10.0.0.256') == source.address",
            "1:4 expected an IP address such as \"192.0.2.1\", found another value",
        ),
        (
            "request.time > timestamp('yesterday')",
            "1:26 expected a time such as \"2026-01-31T08:00:00Z\", found another value",
        ),
        (
            "request.time > timestamp('0000-01-01T00:00:00Z')",
            "1:26 expected a time such as \"2026-01-31T08:00:00Z\", found another value",
        ),
        (
            "duration('5 minutes') > duration('1s')",
            "1:10 expected a duration such as \"1h30m\", found another value",
        ),
        (
            "request.time.getHours('Europe/Paris') > 1",
            "1:23 expected UTC, an offset such as +01:00, or one of time_zones [Europe/Paris]",
        ),
        (
            "request.time.getHours(principal.tenant) > 1",
            "1:23 expected a time zone between quotation marks",
        ),
        (
            "principal.tenant.getHours() > 1",
            "1:1 expected timestamp before \".getHours\", found string",
        ),
        (
            "principal.tenant in [principal.tenant]",
            "1:22 expected a literal, or ip, cidr, timestamp or duration of one, as an item of a list, found something else",
        ),
        (
            "1u == 1u",
            "1:2 unsigned numbers are not supported; expected one without u",
        ),
        (
            "1a == 1",
            "1:2 expected an operator after a number, found a letter",
        ),
        (
            "9223372036854775808 == 1",
            "1:1 expected a number within the range of int, found another one",
        ),
        (
            "99999999999999999999 == 1",
            "1:1 expected a number within the range of its type, found another one",
        ),
        (
            "1e999 == 1.0",
            "1:1 expected a number within the range of its type, found another one",
        ),
        ("1e == 1.0", "1:3 expected the digits of an exponent"),
        (
            "'a",
            "1:1 expected the end of a string, found that of the condition or of the line",
        ),
        (
            "'a\n' == ''",
            "1:1 expected the end of a string, found that of the condition or of the line",
        ),
        (
            "'\\q' == ''",
            "1:2 expected an escape of CEL after a backslash",
        ),
        (
            "'\\ud800' == ''",
            "1:2 expected an escape of CEL after a backslash",
        ),
        (
            "'\\x4' == ''",
            "1:2 expected an escape of CEL after a backslash",
        ),
        (
            "'\\400' == ''",
            "1:2 expected an escape of CEL after a backslash",
        ),
        ("{} == {}", "1:1 expected a value, found \"{\""),
        ("b'a' == b'a'", "1:1 expected a variable [b]"),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn a_message_is_bounded() {
    let of = |length: usize| said(&format!("true {}", "x".repeat(length)));
    let expected = "1:6 expected an operator, or the end of the condition, found \"";
    let room = 240 - (expected.len() - 4);
    let whole = |length: usize| format!("{expected}{}\"", "x".repeat(length));
    assert_eq!(of(room - 1), whole(room - 1));
    assert_eq!(of(room), format!("{expected}{}...", "x".repeat(room)));
    assert_eq!(of(4000), of(room));
}

#[test]
fn a_condition_is_bounded() {
    let nested = |depth: usize| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
    let choices = |count: usize| format!("{}true", "true ? true : ".repeat(count));
    let lists = |depth: usize| format!("{}{} == []", "[".repeat(depth), "]".repeat(depth));
    let all = |count: usize| vec!["true"; count].join(" && ");
    let sum = |count: usize| format!("{} > 0", vec!["1"; count].join(" + "));
    let list = |count: usize| format!("1 in [{}]", vec!["1"; count].join(","));
    let members = |count: usize| format!("has(token.claims{})", ".a".repeat(count));
    let long = |length: usize| format!("true{}", " ".repeat(length - 4));
    let bound = |text: &str| said(text).split_once(' ').map(|(_, said)| said.to_owned());
    let deep = "expected at most 32 levels inside each other, found more";
    let wide = "expected at most 256 operators, calls, names and literals, found more";
    let items = "expected at most 256 items in a list, found more";
    let bytes = "expected a condition of at most 4096 bytes, found 4097 bytes";
    for (within, beyond, expected) in [
        (nested(DEPTH - 1), nested(DEPTH), deep),
        (choices(DEPTH - 1), choices(DEPTH), deep),
        (lists(DEPTH), lists(DEPTH + 1), deep),
        (all(NODES - 1), all(NODES), wide),
        (sum(NODES / 2 - 1), sum(NODES / 2 + 1), wide),
        (members(NODES - 2), members(NODES - 1), wide),
        (list(ITEMS), list(ITEMS + 1), items),
        (long(LENGTH), long(LENGTH + 1), bytes),
    ] {
        assert_eq!(bound(&within), None, "{within}");
        assert_eq!(bound(&beyond).as_deref(), Some(expected), "{beyond}");
    }
    // As many as the specification asks for (section Syntax), and signs that cost nothing.
    for text in [
        "true || ".repeat(31) + "true",
        format!("{}true", "!".repeat(4000)),
        format!("{}1 == 1", "--".repeat(1000)),
    ] {
        assert_eq!(outcome(&text), Ok(true), "{text}");
    }
    // Whatever it is cut into, it is read or refused.
    let text =
        "fhir.interaction in ['read', \"vread\"] && request.time.getHours('+01:00') >= 0x7 // é";
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        for begin in (0..end).filter(|begin| text.is_char_boundary(*begin)) {
            let part = text.get(begin..end).expect("whole characters");
            if let Ok(condition) = condition(part) {
                let _ = condition.holds(&known());
            }
        }
    }
}
