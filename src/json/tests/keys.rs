//! Tables for keys: that none stands twice, and that each is found where it is.

use super::super::tape::Tag;
use super::*;

#[test]
fn wide_objects_are_read_to_the_last_key() {
    let object = |last: &str| {
        let members: Vec<String> = (0..200_000).map(|at| format!("\"k{at}\":0")).collect();
        format!("{{{},\"{last}\":0}}", members.join(","))
    };
    assert!(Document::parse(object("x").as_bytes(), &Limits::default()).is_ok());
    for twice in ["k77", "k199999", "\\u006b0"] {
        let text = object(twice);
        let found = Document::parse(text.as_bytes(), &Limits::default()).unwrap_err();
        let last = text.rfind(&format!("\"{twice}\"")).unwrap();
        assert_eq!((found.at, found.kind), (last, FaultKind::DuplicateKey));
    }
}

#[test]
fn a_key_that_stands_twice_is_found_wherever_it_stands() {
    // Objects of 0 to 60 members, narrow and wide ones in one another, from a small generator of
    // numbers; the same key is put in twice, or none.
    let mut state = 1_u64;
    let mut below = |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    for round in 0..4000 {
        let mut twice = None;
        let mut text = "0".to_owned();
        for depth in 0..1 + below(5) {
            let most = if below(4) == 0 { 60 } else { 8 };
            let width = below(most);
            // Short and long keys, of which many begin and end alike.
            let mut keys: Vec<String> = (0..=width)
                .map(|at| match below(3) {
                    0 => format!("k{at}"),
                    1 => format!("a rather long key {at} of an object"),
                    _ => format!("{at}{}", "é".repeat(at % 9)),
                })
                .collect();
            if round % 2 == 1 && depth == 0 && width > 0 {
                let (from, to) = (below(width), width);
                keys[to] = keys[from].clone();
                twice = Some(depth);
            }
            let nested = below(keys.len());
            let members = keys.iter().enumerate().map(|(at, key)| {
                let value = if at == nested { text.as_str() } else { "[{}]" };
                format!("\"{key}\":{value}")
            });
            text = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        }
        let found = Document::parse(text.as_bytes(), &Limits::default());
        let found = found.err().map(|fault| fault.kind);
        let expected = twice.map(|_| FaultKind::DuplicateKey);
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn names_that_look_alike_are_told_apart() {
    // Among so many names two have the same tag.
    let mut names: Vec<_> = (0..40_000)
        .map(|at| format!("n{at}"))
        .map(|name| (format!("{:?}", Tag::name(&name)), name))
        .collect();
    names.sort();
    let pairs: Vec<_> = names
        .windows(2)
        .filter(|pair| pair[0].0 == pair[1].0)
        .map(|pair| (pair[0].1.clone(), pair[1].1.clone()))
        .collect();
    assert!(!pairs.is_empty());
    for (one, other) in pairs {
        let text = format!("{{\"{one}\":1,\"x\":{{\"{other}\":2}},\"{other}\":3}}");
        let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        let root = document.root();
        assert_eq!(root.get(&other).map(Node::raw), Some("3"));
        let all: Vec<_> = root.all_named(&other).map(Node::raw).collect();
        assert_eq!(all, ["2", "3"]);
    }
}

#[test]
fn members_are_found_at_every_depth_whether_noted_or_not() {
    let text =
        r#"{"other":1,"a":[{"text":{"text":2},"t\u0065xt2":0}],"t\u0065xt":3,"texts":4} rest"#;
    let limits = Limits::default();
    let noting = Memory::noting(["text", "other", "no", "none", "never"]);
    let (noted, end) = Document::parse_first(text.as_bytes(), &limits, noting).unwrap();
    let scanned = Document::parse(&text.as_bytes()[..end], &limits).unwrap();
    let found = |node: Node<'_>, name| node.all_named(name).map(|n| n.raw().to_owned()).collect();
    for name in ["text", "other", "texts", "text2", ""] {
        let own: Vec<String> = found(noted.root(), name);
        assert_eq!(own, found(scanned.root(), name), "{name}");
    }
    let all: Vec<String> = found(noted.root(), "text");
    assert_eq!(all, ["{\"text\":2}", "2", "3"]);
    for document in [&noted, &scanned] {
        let (root, inner) = (document.root(), document.root().get("a").unwrap());
        assert!(root.has_named(&["no", "other"]) && !inner.has_named(&["no", "other"]));
        assert!(inner.has_named(&["none", "text"]) && inner.has_named(&["text", "text2"]));
        assert!(!root.has_named(&["texts2", "none"]));
    }
    let below: Vec<String> = found(noted.root().get("a").unwrap(), "text");
    assert_eq!(below, ["{\"text\":2}", "2"]);
    // The next reading with the same memory notes its own keys, and no others.
    let read = Document::parse_first(b"{\"a\":{\"text\":5}}", &limits, noted.into_memory());
    let (next, _) = read.unwrap();
    assert_eq!(found(next.root(), "text"), ["5"]);
    // Also where a reading failed between.
    let (_, memory) =
        Document::parse_first(b"{\"text\":0,", &limits, next.into_memory()).unwrap_err();
    let (last, _) = Document::parse_first(b"{\"text\":6}", &limits, memory).unwrap();
    assert_eq!(found(last.root(), "text"), ["6"]);
}

#[test]
fn a_member_belongs_to_its_object_alone() {
    let text = r#"{"a":{"x":1},"b":2,"c":[],"d":{}}"#;
    let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    let root = document.root();
    for (object, name, expected) in [
        ("a", "x", Some("1")),
        ("a", "b", None),
        ("b", "c", None),
        ("c", "d", None),
        ("d", "a", None),
    ] {
        let found = root.get(object).and_then(|object| object.get(name));
        assert_eq!(found.map(Node::raw), expected, "{name} of {object}");
    }
    let below: Vec<_> = root.get("a").unwrap().all_named("b").collect();
    assert!(below.is_empty(), "{below:?}");
}

#[test]
fn the_first_byte_of_a_name_is_that_of_its_text() {
    for (name, expected) in [
        ("name", Some(b'n')),
        ("n", Some(b'n')),
        ("_name", Some(b'_')),
        ("", None),
        ("\\u006eame", Some(b'n')),
        ("\\u005fname", Some(b'_')),
        ("é", Some(0xC3)),
        ("\\u00e9", Some(0xC3)),
        ("n\\u0061me", Some(b'n')),
        ("\\\"", Some(b'"')),
    ] {
        // Something else stands before and behind it.
        let text = format!("[[\"z\"],{{\"{name}\":\"y\"}}]");
        let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        let object = document.root().items().nth(1).unwrap();
        let member = object.members().next().unwrap();
        assert_eq!(member.initial(), expected, "{name}");
    }
}
