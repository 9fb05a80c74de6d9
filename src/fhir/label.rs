//! Security labels that the standard defines (<https://hl7.org/fhir/R4/security-labels.html>).

use super::tables::labels::{POLICY_CODES, POLICY_PARENTS};

/// How confidential something is, from the least
/// (<https://terminology.hl7.org/CodeSystem-v3-Confidentiality.html>).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Confidentiality {
    /// `U`
    Unrestricted,
    /// `L`
    Low,
    /// `M`
    Moderate,
    /// `N`
    Normal,
    /// `R`
    Restricted,
    /// `V`
    VeryRestricted,
}

impl Confidentiality {
    /// The code system.
    pub const SYSTEM: &'static str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

    /// Every level with its code.
    pub const ALL: [(&'static str, Confidentiality); 6] = [
        ("U", Confidentiality::Unrestricted),
        ("L", Confidentiality::Low),
        ("M", Confidentiality::Moderate),
        ("N", Confidentiality::Normal),
        ("R", Confidentiality::Restricted),
        ("V", Confidentiality::VeryRestricted),
    ];

    /// The level of a code. The system has others, of how and by whom something is seen; they are no level.
    pub fn parse(code: &str) -> Option<Confidentiality> {
        let mut all = Confidentiality::ALL.into_iter();
        all.find_map(|(own, level)| (own == code).then_some(level))
    }
}

/// A code that says how data is to be handled: a sensitivity, a law, an obligation, ...
/// (<https://terminology.hl7.org/CodeSystem-v3-ActCode.html>, below its policies).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PolicyCode(u8);

impl PolicyCode {
    /// The code system.
    pub const SYSTEM: &'static str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

    /// The code of this name, as R4 has it.
    pub fn parse(code: &str) -> Option<PolicyCode> {
        let place = POLICY_CODES.binary_search(&code).ok()?;
        u8::try_from(place).ok().map(PolicyCode)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        POLICY_CODES
            .get(usize::from(self.0))
            .copied()
            .unwrap_or_default()
    }

    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        POLICY_CODES.into_iter()
    }

    /// Whether it is this code or one below it: what is about opioids is about the use of substances.
    pub fn is_within(self, wider: PolicyCode) -> bool {
        let mut own = self;
        loop {
            if own == wider {
                return true;
            }
            match own.parent() {
                Some(parent) => own = parent,
                None => return false,
            }
        }
    }

    fn parent(self) -> Option<PolicyCode> {
        let parent = POLICY_PARENTS.get(usize::from(self.0)).copied()?;
        (parent != self.0).then_some(PolicyCode(parent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_an_order() {
        let all = Confidentiality::ALL.map(|(_, level)| level);
        assert!(all.is_sorted());
        assert_eq!(
            Confidentiality::parse("R"),
            Some(Confidentiality::Restricted)
        );
        for no_level in ["PSY", "B", "r", "", "_Confidentiality"] {
            assert_eq!(Confidentiality::parse(no_level), None, "{no_level}");
        }
    }

    #[test]
    fn codes_have_wider_ones() {
        assert!(POLICY_CODES.is_sorted());
        for code in PolicyCode::names() {
            let root = PolicyCode::parse("_ActPolicyType").expect("the root");
            let code = PolicyCode::parse(code).expect("a code of the table");
            assert!(code.is_within(root), "{}", code.name());
        }
        for (narrow, wide, expected) in [
            ("OPIOIDUD", "OPIOIDUD", true),
            ("OPIOIDUD", "SUD", true),
            ("OPIOIDUD", "SPI", true),
            ("OPIOIDUD", "BH", false),
            ("SUD", "OPIOIDUD", false),
            ("COGN", "BH", true),
            ("HIV", "SPI", false),
            ("HIV", "_InformationSensitivityPolicy", true),
            ("MASK", "ObligationPolicy", true),
            ("NODSCLCD", "ObligationPolicy", false),
        ] {
            let [narrow, wide] = [narrow, wide].map(|code| PolicyCode::parse(code).expect(code));
            let found = narrow.is_within(wide);
            assert_eq!(found, expected, "{} {}", narrow.name(), wide.name());
        }
        assert_eq!(PolicyCode::parse("PROCESSINLINELABEL"), None);
        assert_eq!(PolicyCode::parse("opioidud"), None);
    }
}
