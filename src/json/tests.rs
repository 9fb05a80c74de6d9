//! Tables for the strict reader.

mod keys;

use super::*;

fn check(name: &str, bytes: &[u8], expected: Result<(), (usize, FaultKind)>) {
    let found = Document::parse(bytes, &Limits::default());
    let found = found.map(|_| ()).map_err(|fault| (fault.at, fault.kind));
    assert_eq!(found, expected, "{name}");
}

#[test]
fn documents_are_strict() {
    use FaultKind::*;
    for good in [
        "0",
        "-0",
        "1.5e+3",
        "1E5",
        "\"\"",
        "null",
        "true",
        "false",
        "[]",
        "{}",
        " [ 1 , 2 ] ",
        "{\"a\":{\"a\":1},\"b\":[{}]}",
        "\"\\ud83d\\ude00\"",
        "\"\\u0000\"",
        "\"é\u{10ffff}\u{7f}\"",
        "[[],[{}],\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]",
    ] {
        check(good, good.as_bytes(), Ok(()));
    }
    for (bad, at, kind) in [
        ("", 0, Truncated),
        (" ", 1, Truncated),
        ("\u{feff}1", 0, ByteOrderMark),
        ("01", 1, Number),
        ("1.", 2, Truncated),
        ("1.x", 2, Number),
        ("-", 1, Truncated),
        ("+1", 0, ExpectedValue),
        (".5", 0, ExpectedValue),
        ("1e", 2, Truncated),
        ("1ex", 2, Number),
        ("0x1", 1, Number),
        ("NaN", 0, ExpectedValue),
        ("tru", 3, Truncated),
        ("trux", 3, ExpectedValue),
        ("truee", 4, ExpectedEnd),
        ("nul,", 3, ExpectedValue),
        ("[1 2]", 3, ExpectedCommaOrEnd),
        ("[1,]", 3, ExpectedValue),
        ("[,1]", 1, ExpectedValue),
        ("[1}", 2, ExpectedCommaOrEnd),
        ("{1:2}", 1, ExpectedKey),
        ("{\"a\" 1}", 5, ExpectedColon),
        ("{\"a\":}", 5, ExpectedValue),
        ("{\"a\":1,}", 7, ExpectedKey),
        ("{\"a\":1]", 6, ExpectedCommaOrEnd),
        ("{\"a\":1", 6, Truncated),
        ("{}{}", 2, ExpectedEnd),
        ("1 2", 2, ExpectedEnd),
        ("{}\0", 2, ExpectedEnd),
        ("'a'", 0, ExpectedValue),
        ("/**/1", 0, ExpectedValue),
        ("\"\t\"", 1, ControlCharacter),
        ("\"abcdefgh\n\"", 9, ControlCharacter),
        ("\"a", 2, Truncated),
        ("\"\\", 2, Truncated),
        ("\"\\x\"", 1, Escape),
        ("\"\\u12g4\"", 1, Escape),
        ("\"\\u12g4", 1, Escape),
        ("\"\\u12", 5, Truncated),
        ("\"\\ud800\"", 1, LoneSurrogate),
        ("\"\\udc00\"", 1, LoneSurrogate),
        ("\"\\ud800\\u0041\"", 1, LoneSurrogate),
        ("\"\\ud800\\ud800\"", 1, LoneSurrogate),
        ("{\"a\":1,\"a\":2}", 7, DuplicateKey),
        ("{\"a\":1,\"\\u0061\":2}", 7, DuplicateKey),
        ("[{\"b\":{\"a\":1,\"c\":0,\"a\":2}}]", 19, DuplicateKey),
    ] {
        check(bad, bad.as_bytes(), Err((at, kind)));
    }
    check("bad utf-8", b"\"a\xff\"", Err((2, NotUtf8)));
    check("overlong", b"\"\xc0\xaf\"", Err((1, NotUtf8)));
    check(
        "utf-8 of a surrogate",
        b"\"\xed\xa0\x80\"",
        Err((1, NotUtf8)),
    );
    check("utf-16", b"\xff\xfe{\0}\0", Err((0, NotUtf8)));
}

#[test]
fn bounds_hold_on_both_sides() {
    let limits = Limits {
        depth: 3,
        values: 7,
    };
    for (name, text, expected) in [
        ("deepest", "[[[1]]]", None),
        ("too deep", "[[[[]]]]", Some(FaultKind::TooDeep)),
        ("too deep object", "[[[{}]]]", Some(FaultKind::TooDeep)),
        ("wide", "[1,2,3,4,5,6]", None),
        ("too wide", "[1,2,3,4,5,6,7]", Some(FaultKind::TooLarge)),
        (
            "keys count",
            "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}",
            Some(FaultKind::TooLarge),
        ),
    ] {
        let found = Document::parse(text.as_bytes(), &limits).err();
        assert_eq!(found.map(|fault| fault.kind), expected, "{name}");
    }
    let deep = "[".repeat(1_000_000);
    let found = Document::parse(deep.as_bytes(), &Limits::default()).unwrap_err();
    assert_eq!((found.at, found.kind), (64, FaultKind::TooDeep));
}

#[test]
fn nodes_know_their_bytes() {
    let text = r#" {"a" : [1, -2.50 , "x\u00e9\n"], "\u0062": {"c": true}, "d": null} "#;
    let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    let root = document.root();
    assert_eq!(root.raw(), text.trim());
    let names: Vec<_> = root
        .members()
        .map(|member| member.name().into_owned())
        .collect();
    assert_eq!(names, ["a", "b", "d"]);
    let items: Vec<_> = root.get("a").unwrap().items().map(Node::raw).collect();
    assert_eq!(items, ["1", "-2.50", r#""x\u00e9\n""#]);
    assert_eq!(
        root.get("a")
            .unwrap()
            .items()
            .nth(2)
            .unwrap()
            .str()
            .unwrap(),
        "xé\n"
    );
    assert_eq!(
        root.get("b").and_then(|b| b.get("c")).and_then(Node::bool),
        Some(true)
    );
    assert_eq!(root.get("d").map(Node::kind), Some(Kind::Null));
    assert_eq!(document.text(), text);
    for (name, json, string, yes) in [
        ("string", r#""true""#, Some("true"), None),
        ("string with escapes", r#""tr\u0075e""#, Some("true"), None),
        ("another", r#""false""#, Some("false"), None),
        ("empty", r#""""#, Some(""), None),
        ("true", "true", None, Some(true)),
        ("false", "false", None, Some(false)),
        ("null", "null", None, None),
        ("number", "4", None, None),
        ("array", r#"["true"]"#, None, None),
        ("object", r#"{"true":true}"#, None, None),
    ] {
        let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
        let root = document.root();
        assert_eq!(root.str().as_deref(), string, "{name}");
        assert_eq!(root.bool(), yes, "{name}");
        for text in ["true", "false", "", "4", "tru", "truee"] {
            assert_eq!(root.is_str(text), string == Some(text), "{name} {text}");
        }
    }
    assert!(root.get("c").is_none());
    assert!(root.items().next().is_none());
    for member in root.members() {
        assert_eq!(text.get(member.value.span()), Some(member.value.raw()));
    }
}

#[test]
fn what_needs_attention_is_found_wherever_it_stands() {
    use super::block::Block;
    for length in 0..150 {
        for found in 0..=length {
            for byte in [b'"', b'\\', 0, 0x0A, 0x1F] {
                let mut bytes = vec![b'a'; length];
                // What is no attention is as near to it as can be.
                for (at, byte) in bytes.iter_mut().enumerate() {
                    *byte = [b'!', b'#', b' ', b']', b'[', 0x7F, 0x80, 0xFF, 0x82, 0xDC][at % 10];
                }
                if let Some(place) = bytes.get_mut(found) {
                    *place = byte;
                }
                let mut block = Block::NONE;
                for at in 0..=length {
                    let expected = if at <= found { found } else { length };
                    assert_eq!(block.attention(&bytes, at), expected, "{byte} of {length}");
                }
            }
        }
    }
}

#[test]
fn every_byte_needs_attention_or_none_wherever_it_stands() {
    use super::block::Block;
    for length in [1, 15, 16, 17, 63, 64, 65, 127, 128, 129] {
        for place in 0..length {
            for byte in 0..=255_u8 {
                let mut bytes = vec![b'a'; length];
                bytes[place] = byte;
                let mut block = Block::NONE;
                let found = block.attention(&bytes, 0);
                assert_eq!(found, plain_prefix(&bytes), "{byte} at {place} of {length}");
            }
        }
    }
}

#[test]
fn a_fault_says_where_and_what_and_nothing_of_the_text() {
    let fault = Document::parse(b"{\"secret\" 1}", &Limits::default()).unwrap_err();
    assert_eq!(fault.to_string(), "byte 10: expected ':' after a key");
    let fault = Document::parse(b"[\"\x01\"]", &Limits::default()).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "byte 2: found a control character in a string, expected it escaped"
    );
}

#[test]
fn strings_read_back_what_was_quoted() {
    for text in [
        "",
        "a",
        "\"\\/\n\r\t\u{8}\u{c}\u{0}\u{1f}",
        "é😀",
        "a long one without any escapes in it",
    ] {
        let quoted = quote(text);
        let document = Document::parse(quoted.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(document.root().str().unwrap(), text);
    }
    for (text, expected) in [
        ("abcdefgh\"", 8),
        ("abc\\", 3),
        ("éééééé\n", 12),
        ("", 0),
        ("abcdefghijklmnop", 16),
    ] {
        assert_eq!(plain_prefix(text.as_bytes()), expected, "{text}");
    }
    // Every byte at every position of a word.
    for at in 0..19 {
        for byte in 0..=255_u8 {
            let mut bytes = [b'a'; 19];
            bytes[at] = byte;
            let plain = byte >= 0x20 && byte != b'"' && byte != b'\\';
            assert_eq!(
                plain_prefix(&bytes),
                if plain { 19 } else { at },
                "{byte} at {at}"
            );
        }
    }
}

#[test]
fn a_pair_of_surrogates_is_the_character_it_stands_for() {
    for (escaped, expected) in [
        (r#""\ud800\udc00""#, '\u{10000}'),
        (r#""\ud800\udfff""#, '\u{103ff}'),
        (r#""\ud801\udc00""#, '\u{10400}'),
        (r#""\ud83d\ude00""#, '\u{1f600}'),
        (r#""\udbff\udfff""#, '\u{10ffff}'),
        (r#""\ud7ff""#, '\u{d7ff}'),
        (r#""\ue000""#, '\u{e000}'),
    ] {
        let document = Document::parse(escaped.as_bytes(), &Limits::default()).expect(escaped);
        let found = document.root().str().expect("a text").into_owned();
        assert_eq!(found, expected.to_string(), "{escaped}");
    }
}

#[test]
fn truncation_is_a_fault_at_every_byte() {
    let text = r#"{"a":[1,-2.5e3,"\ud83d\ude00é"],"b":{"c":true,"d":null}}"#;
    for length in 0..text.len() {
        let kind = Document::parse(&text.as_bytes()[..length], &Limits::default())
            .unwrap_err()
            .kind;
        let expected = [
            FaultKind::Truncated,
            FaultKind::NotUtf8,
            FaultKind::LoneSurrogate,
        ];
        assert!(expected.contains(&kind), "{length}: {kind:?}");
    }
}

#[test]
fn memory_is_used_again_and_large_ones_are_given_back() {
    for (name, values, kept) in [
        ("small", 10, true),
        ("largest", 4000, true),
        ("large", 5000, false),
    ] {
        let text = format!("[{}] and more", vec!["0"; values].join(","));
        let read = Document::parse_first(text.as_bytes(), &Limits::default(), Memory::default());
        let (document, length) = read.expect(name);
        assert_eq!(text.get(length..), Some(" and more"), "{name}");
        assert_eq!(document.root().items().count(), values, "{name}");
        let room = document.into_memory().values();
        assert_eq!(room > values, kept, "{name}: {room}");
        assert!(room <= 4096, "{name}: {room}");
        // The same of one that is cut.
        let cut = text.get(..values * 2).expect("digits and commas");
        let read = Document::parse_first(cut.as_bytes(), &Limits::default(), Memory::default());
        let (_, memory) = read.expect_err(name);
        let room = memory.values();
        assert_eq!(room > values, kept, "{name}, cut: {room}");
        assert!(room <= 4096, "{name}, cut: {room}");
    }
}
