//! What something must be labelled with for a rule to be about it.

use std::rc::Rc;

use super::wanted::{INLINE, Wanted};
use super::{Kind, LabelPolicy};
use crate::fhir::Confidentiality;
use crate::json::Node;

/// A condition on labels. It holds for what carries such a label, and for what may: a label that is not
/// understood counts as carried.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Carried {
    /// How labels are read.
    pub policy: Rc<LabelPolicy>,
    /// What is at least this confidential.
    pub confidentiality: Option<Confidentiality>,
    /// What is of one of these kinds, of a narrower one, or of a wider one, which may be it.
    pub kinds: Vec<Kind>,
}

impl Carried {
    /// Whether a resource carries such a label: itself, a resource that it contains, or an element.
    pub fn by_resource(&self, resource: Node<'_>) -> bool {
        let wanted = Wanted::of(resource, &self.policy);
        if wanted.is_none_or(|wanted| self.is_among(&wanted)) {
            return true;
        }
        // Nearly no resource has any on its elements.
        let mut urls = resource.all_named("url");
        urls.any(|url| url.is_str(INLINE)) && self.is_within(resource)
    }

    /// Whether an element carries such a label itself, as an extension.
    pub fn by_element(&self, element: Node<'_>) -> bool {
        Wanted::of_element(element).is_some_and(|wanted| self.is_among(&wanted))
    }

    /// Whether a Bundle carries such a label in its `meta`.
    pub fn by_meta(&self, meta: Node<'_>) -> bool {
        Wanted::of_meta(meta).is_none_or(|wanted| self.is_among(&wanted))
    }

    fn is_within(&self, value: Node<'_>) -> bool {
        self.by_element(value)
            || value.members().any(|member| self.is_within(member.value))
            || value.items().any(|item| self.is_within(item))
    }

    fn is_among(&self, wanted: &Wanted) -> bool {
        self.confidentiality
            .is_some_and(|level| wanted.is_at_least(level))
            || wanted.may_be(&self.kinds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::PolicyCode;
    use crate::json::{Document, Limits};

    const ACT: &str = PolicyCode::SYSTEM;
    const LEVELS: &str = Confidentiality::SYSTEM;

    /// `R SUD,http://x|y`: a level, or `-`, and sensitivities.
    fn condition(text: &str, unlabelled: Confidentiality) -> Carried {
        let (level, kinds) = text.split_once(' ').unwrap_or((text, ""));
        let kinds = kinds.split(',').filter(|kind| !kind.is_empty());
        let kind = |text: &str| match text.split_once('|') {
            Some((system, code)) => Kind::of(system, code),
            None => Kind::Policy(PolicyCode::parse(text).expect(text)),
        };
        Carried {
            policy: Rc::new(LabelPolicy {
                unlabelled,
                codes: Vec::new(),
            }),
            confidentiality: Confidentiality::parse(level),
            kinds: kinds.map(kind).collect(),
        }
    }

    fn labels(labels: &[(&str, &str)]) -> String {
        let coding =
            |(system, code): &(&str, &str)| format!(r#"{{"system":"{system}","code":"{code}"}}"#);
        let labels: Vec<String> = labels.iter().map(coding).collect();
        format!(r#""meta":{{"security":[{}]}}"#, labels.join(","))
    }

    fn check(condition: &Carried, members: &str, expected: bool) {
        let text = format!(r#"{{"resourceType":"Observation",{members}}}"#);
        let document = Document::parse(text.as_bytes(), &Limits::default()).expect(&text);
        let found = condition.by_resource(document.root());
        assert_eq!(found, expected, "{condition:?}: {text}");
    }

    #[test]
    fn what_carries_a_label_or_may_is_found() {
        let other = "http://other.example";
        for (asked, own, expected) in [
            ("- SUD", &[][..], false),
            ("- SUD", &[(ACT, "SUD")], true),
            ("- SUD", &[(ACT, "OPIOIDUD")], true),
            // Some of it may be about opioids.
            ("- OPIOIDUD", &[(ACT, "SUD")], true),
            ("- OPIOIDUD", &[(ACT, "ETHUD")], false),
            ("- SUD", &[(ACT, "HIV")], false),
            ("- SUD", &[(ACT, "42CFRPart2")], false),
            ("- SUD", &[(ACT, "MASK")], false),
            ("- MASK", &[(ACT, "MASK")], true),
            ("- SUD", &[(ACT, "PROCESSINLINELABEL")], false),
            ("- SUD", &[(ACT, "A-LATER-CODE")], true),
            ("R", &[(ACT, "A-LATER-CODE")], false),
            ("- SUD", &[(LEVELS, "V")], false),
            ("R", &[(LEVELS, "N")], false),
            ("R", &[(LEVELS, "R")], true),
            ("R", &[(LEVELS, "V")], true),
            ("R", &[(LEVELS, "N"), (LEVELS, "R")], true),
            ("R", &[(LEVELS, "PSY")], true),
            ("R", &[(LEVELS, "x")], true),
            ("R SUD", &[(LEVELS, "N"), (ACT, "HIV")], false),
            ("R SUD", &[(LEVELS, "N"), (ACT, "SUD")], true),
            // Nobody knows what it means: perhaps the same, under an older name.
            ("- SUD", &[(other, "x")], true),
            (
                "R",
                &[("http://hl7.org/fhir/v3/Confidentiality", "R")],
                true,
            ),
            ("- SUD,http://other.example|x", &[(other, "x")], true),
            ("- SUD,http://other.example|x", &[(other, "y")], false),
            (
                "- SUD",
                &[(
                    "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
                    "MASKED",
                )],
                false,
            ),
        ] {
            let asked = condition(asked, Confidentiality::Unrestricted);
            check(&asked, &labels(own), expected);
        }
    }

    #[test]
    fn a_label_counts_wherever_it_stands() {
        let sud = labels(&[(ACT, "SUD")]);
        let inline =
            format!(r#"{{"url":"{INLINE}","valueCoding":{{"system":"{ACT}","code":"SUD"}}}}"#);
        let many = vec![r#"{"system":"x","code":"y"}"#; 1001].join(",");
        for (members, expected) in [
            (r#""status":"final""#.to_owned(), false),
            (
                format!(r#""contained":[{{"resourceType":"Device",{sud}}}]"#),
                true,
            ),
            (format!(r#""extension":[{inline}]"#), true),
            (
                format!(r#""note":[{{"extension":[{inline}],"text":"x"}}]"#),
                true,
            ),
            (
                format!(r#""status":"final","_status":{{"extension":[{inline}]}}"#),
                true,
            ),
            (
                format!(r#""component":[{{"note":[{{"modifierExtension":[{inline}]}}]}}]"#),
                true,
            ),
            (format!(r#""extension":[{{"url":"{INLINE}"}}]"#), true),
            (r#""extension":[{"url":"http://other"}]"#.to_owned(), false),
            (r#""meta":null"#.to_owned(), true),
            (r#""meta":{"security":null}"#.to_owned(), true),
            (r#""meta":{"security":{}}"#.to_owned(), true),
            (r#""meta":{"security":[null]}"#.to_owned(), true),
            (r#""meta":{"security":[{"code":"SUD"}]}"#.to_owned(), true),
            (r#""meta":{"security":[]}"#.to_owned(), false),
            (format!(r#""meta":{{"security":[{many}]}}"#), true),
        ] {
            check(
                &condition("- SUD", Confidentiality::Unrestricted),
                &members,
                expected,
            );
        }
        let unlabelled = condition("R", Confidentiality::Restricted);
        check(&unlabelled, r#""status":"final""#, true);
        check(&unlabelled, &labels(&[(LEVELS, "N")]), false);
    }
}
