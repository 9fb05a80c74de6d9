//! Purposes of use (<https://terminology.hl7.org/CodeSystem-v3-ActReason.html>).

use super::Match;

/// The system of purposes.
pub(super) const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";

/// The purposes that are told apart, each with the most general one that it is a kind of.
const FAMILIES: [(&str, &str); 10] = [
    ("BTG", "TREAT"),
    ("CLINTRCH", "HRESCH"),
    ("ETREAT", "TREAT"),
    ("HMARKT", "HMARKT"),
    ("HOPERAT", "HOPERAT"),
    ("HPAYMT", "HPAYMT"),
    ("HRESCH", "HRESCH"),
    ("PATRQT", "PATRQT"),
    ("PUBHLTH", "PUBHLTH"),
    ("TREAT", "TREAT"),
];

/// Whether one of the codes of a rule is for all that a caller asks for; `purposes` are `system|code`, or
/// a code of this system. Who says nothing may ask for anything.
pub(super) fn matches(codes: &[Option<String>], purposes: &[String]) -> Match {
    Match::alike(purposes.iter().map(|purpose| {
        let code = match purpose.rsplit_once('|') {
            None => Some(purpose.as_str()),
            Some((SYSTEM, code)) => Some(code),
            Some(_) => None,
        };
        Match::any(codes.iter().map(|wanted| match (wanted, code) {
            (Some(wanted), Some(code)) => compare(wanted, code),
            _ => Match::Unknown,
        }))
    }))
}

fn compare(wanted: &str, code: &str) -> Match {
    let family = |code: &str| {
        let known = FAMILIES.iter().find(|(known, _)| *known == code);
        known.map(|(_, family)| *family)
    };
    match (family(wanted), family(code)) {
        _ if wanted == code => Match::Yes,
        (_, Some(general)) if general == wanted => Match::Yes,
        (Some(one), Some(other)) if one != other => Match::No,
        _ => Match::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_is_compared_with_its_kind() {
        use Match::{No, Unknown, Yes};
        for (codes, purposes, expected) in [
            (&["TREAT"][..], &["TREAT"][..], Yes),
            (
                &["TREAT"],
                &["http://terminology.hl7.org/CodeSystem/v3-ActReason|TREAT"],
                Yes,
            ),
            (&["TREAT"], &["urn:other|TREAT"], Unknown),
            (&["TREAT"], &["ETREAT"], Yes),
            (&["ETREAT"], &["TREAT"], Unknown),
            (&["HRESCH"], &["TREAT"], No),
            (&["HRESCH"], &["CLINTRCH"], Yes),
            (&["HRESCH"], &["ETREAT"], No),
            (&["HRESCH"], &["CAREMGT"], Unknown),
            (&["CAREMGT"], &["CAREMGT"], Yes),
            (&["HRESCH"], &[], Unknown),
            (&["HRESCH", "TREAT"], &["BTG"], Yes),
            (&["TREAT"], &["TREAT", "HRESCH"], Unknown),
            (&["TREAT"], &["TREAT", "ETREAT"], Yes),
            (&["HMARKT"], &["TREAT", "HRESCH"], No),
            (&["treat"], &["TREAT"], Unknown),
        ] {
            let wanted: Vec<_> = codes.iter().map(|code| Some((*code).to_owned())).collect();
            let purposes: Vec<_> = purposes.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(
                matches(&wanted, &purposes),
                expected,
                "{codes:?} {purposes:?}"
            );
        }
        assert_eq!(matches(&[None], &["TREAT".to_owned()]), Unknown);
    }
}
