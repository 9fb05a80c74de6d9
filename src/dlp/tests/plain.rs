//! Texts that are written in another way than their patterns, and read as if they were not.

use super::*;

/// What is masked in a string, and in the same as a narrative; each `*` stands for one character of `text` as
/// it is written.
fn written(pattern: &str, text: &str, expected: &str) {
    let pattern = [known(pattern)];
    for narrative in [false, true] {
        assert_eq!(masked_in(&pattern, text, narrative), expected, "{text}");
    }
}

#[test]
fn digits_spaces_hyphens_and_signs_are_read_in_any_of_their_forms() {
    for (pattern, text) in [
        ("card", "4111\u{a0}1111\u{a0}1111\u{a0}1111"),
        ("card", "4111\u{2009}1111\u{202f}1111\u{3000}1111"),
        ("card", "4111\u{2010}1111\u{2011}1111\u{2013}1111"),
        ("card", "４１１１１１１１１１１１１１１１"),
        ("card", "４１１１ 1111 1111 １１１１"),
        ("card", "٤١١١١١١١١١١١١١١١"),
        ("card", "𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏"),
        ("us-ssn", "123\u{2011}45\u{2011}6789"),
        ("us-ssn", "123\u{2212}45\u{fe63}6789"),
        ("us-ssn", "१२३-45-६७८९"),
        (
            "iban",
            "DE89\u{a0}3704\u{a0}0044\u{a0}0532\u{a0}0130\u{a0}00",
        ),
        ("iban", "ＤＥ89370400440532013000"),
        ("email", "jane＠example．org"),
        ("email", "jane\u{fe6b}example\u{2024}org"),
        ("phone", "＋1 415 555 0123"),
        ("phone", "+1\u{a0}415\u{2011}555\u{2011}0123"),
        ("phone", "+۱۴۱۵۵۵۵۰۱۲۳"),
    ] {
        written(pattern, text, &stars(text));
        let around = |text: &str| format!("é {text} ü");
        written(pattern, &around(text), &around(&stars(text)));
    }
    for (pattern, text) in [
        ("card", "4111\u{a0}1111\u{a0}1111\u{a0}1112"),
        ("card", "４１１１１１１１１１１１１１１２"),
        ("us-ssn", "000\u{2011}45\u{2011}6789"),
        ("email", "jane＠host"),
        ("phone", "１４１５５５５０１２３"),
    ] {
        written(pattern, text, text);
    }
}

#[test]
fn what_is_not_seen_is_passed_over() {
    let zero = "\u{200b}";
    for mark in [
        zero, "\u{ad}", "\u{2060}", "\u{feff}", "\u{200e}", "\u{fe0f}",
    ] {
        let spread = |text: &str| text.replace("-", &format!("{mark}-{mark}"));
        let stars = "***-**-****".replace('-', &format!("{mark}*{mark}"));
        written("us-ssn", &spread("123-45-6789"), &stars);
        let text = format!("41{mark}11111111111111");
        written("card", &text, &format!("**{mark}**************"));
        let text = format!("jane@{mark}example.{mark}org");
        written("email", &text, &format!("*****{mark}********{mark}***"));
    }
    // What it stands before and behind is looked at as it is written, too.
    let text = format!("see{zero}4111111111111111{zero}there");
    written(
        "card",
        &text,
        &format!("see{zero}****************{zero}there"),
    );
}

#[test]
fn references_to_characters_are_resolved() {
    for text in [
        "jane&#64;example.org",
        "jane&#x40;example&#46;org",
        "jane&#0064;example&period;org",
        "jane&commat;example.org",
        "&#106;ane@example.org",
    ] {
        written("email", text, &stars(text));
    }
    for text in [
        "4111&#160;1111&nbsp;1111&#xA0;1111",
        "&#52;111111111111111",
        "4111&#8209;1111&#x2011;1111&ndash;1111",
    ] {
        written("card", text, &stars(text));
    }
    written("card", "4111&shy;111111111111", "****&shy;************");
    for text in [
        "jane&64;example.org",
        "jane&#64 example.org",
        "jane&#;example.org",
        "jane&#x;example.org",
        "jane&#xd800;example.org",
        "jane&nothing;example.org",
        "jane&",
        "&",
        "4111&amp;111111111111",
        "4111&#99999999999999;111111111111",
    ] {
        written("email", text, text);
        written("card", text, text);
    }
}

#[test]
fn markup_within_a_word_is_passed_over_in_narratives() {
    for (pattern, text, expected) in [
        (
            "card",
            "<b>4111</b>1111<i>1111</i>1111",
            "<b>****</b>****<i>****</i>****",
        ),
        (
            "card",
            "4111 <span class=\"x\">1111</span> 1111 1111",
            "*****<span class=\"x\">****</span>**********",
        ),
        (
            "card",
            "4111<!-- x -->111111111111",
            "****<!-- x -->************",
        ),
        (
            "email",
            "<a href=\"x\">jane</a>@<b>example.org</b>",
            "<a href=\"x\">****</a>*<b>***********</b>",
        ),
        (
            "email",
            "jane&#64;<B>example</B>.org",
            "*********<B>*******</B>****",
        ),
        // Not within one.
        (
            "card",
            "<td>4111</td><td>1111</td><td>1111</td><td>1111</td>",
            "<td>4111</td><td>1111</td><td>1111</td><td>1111</td>",
        ),
        ("email", "jane<br/>@example.org", "jane<br/>@example.org"),
        ("email", "jane<bdx>@example.org", "jane<bdx>@example.org"),
        ("email", "jane< b>@example.org", "jane< b>@example.org"),
        // As it is written.
        (
            "card",
            "<a title=\"4111111111111111\">x</a>",
            "<a title=\"****************\">x</a>",
        ),
        ("card", "<b 4111111111111111", "<b ****************"),
        ("card", "a<4111111111111111", "a<****************"),
    ] {
        let found = masked_in(&[known(pattern)], text, true);
        assert_eq!(found, expected, "{text}");
    }
    let text = "<b>4111</b>1111<i>1111</i>1111";
    assert_eq!(masked_in(&[known("card")], text, false), text, "no markup");
}

#[test]
fn own_patterns_are_found_in_both_forms() {
    let mrn = [own("MRN-[0-9]{3}"), own("<b>x")];
    for (text, expected) in [
        ("MRN-123", "*******"),
        ("MRN\u{2011}１２３", "*******"),
        ("<b>MRN</b>-123", "<b>***</b>****"),
        ("<b>x</b>", "****</b>"),
    ] {
        assert_eq!(masked_in(&mrn, text, true), expected);
    }
}

#[test]
fn odd_texts_are_read_once() {
    // Read again from each place, each would take minutes.
    for part in [
        "<", "<b", "&", "&#", "&#1", "<b>", "<!--", "\u{200b}", "＠", "a@", "\"@", "<b>@", "１",
    ] {
        let text = part.repeat(200_000);
        let all: Vec<Pattern> = Known::ALL.iter().map(|(name, _)| known(name)).collect();
        let left = masked_in(&all, &text, true);
        assert_eq!(left.chars().count(), text.chars().count(), "{part}");
    }
}
