//! The account of a suite: what applied, what agreed, what did not.

use std::fmt::Write as _;

/// Why rows do not apply, and how many that are. Rules are asked in the order they stand in; the
/// first that fits counts.
pub type Rule = (&'static str, usize);

/// Rows on which the suite contradicts the specification, which is followed: the id and the reason.
pub type Correction = (&'static str, &'static str);

/// What a suite consists of. All counts are exact: a row more or less is a change of the material,
/// of a rule or of the filter, and somebody should look.
pub struct Suite {
    pub title: &'static str,
    pub rules: &'static [Rule],
    pub corrections: &'static [Correction],
    /// Rows that are to be accepted, and are.
    pub accepted: usize,
    /// Rows that are to be refused, and are.
    pub refused: usize,
}

/// A decision on a row: the suite's or ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    Accept,
    Refuse,
}

/// A suite while its rows are judged.
pub struct Account {
    suite: Suite,
    inapplicable: Vec<usize>,
    accepted: usize,
    refused: usize,
    corrected: Vec<&'static str>,
    disagreements: Vec<String>,
}

impl Decision {
    pub fn accept_if(accepted: bool) -> Self {
        if accepted {
            Decision::Accept
        } else {
            Decision::Refuse
        }
    }

    fn other(self) -> Self {
        Decision::accept_if(self == Decision::Refuse)
    }
}

impl Account {
    pub fn new(suite: Suite) -> Self {
        Account {
            inapplicable: vec![0; suite.rules.len()],
            suite,
            accepted: 0,
            refused: 0,
            corrected: Vec::new(),
            disagreements: Vec::new(),
        }
    }

    /// A row to which a rule does not let the suite apply.
    pub fn leave(&mut self, rule: &str) {
        let index = self.suite.rules.iter().position(|(text, _)| *text == rule);
        self.inapplicable[index.unwrap_or_else(|| panic!("no rule: {rule}"))] += 1;
    }

    /// A row about access to which a rule does not let the suite apply. It was asked all the same: what
    /// the suite refuses must not be permitted for that. A correction of it waits until it applies.
    pub fn leave_row(&mut self, id: &str, rule: &str, expected: Decision, found: Decision) {
        let correction = self
            .suite
            .corrections
            .iter()
            .find(|(known, _)| *known == id);
        if let Some((known, _)) = correction {
            self.corrected.push(known);
        } else if (expected, found) == (Decision::Refuse, Decision::Accept) {
            self.disagree(
                id,
                &format!("left out ({rule}), refused there, and permitted"),
            );
            return;
        }
        self.leave(rule);
    }

    /// A row that applies: what the suite expects, and what was found.
    pub fn judge(&mut self, id: &str, expected: Decision, found: Decision) {
        let correction = self
            .suite
            .corrections
            .iter()
            .find(|(known, _)| *known == id);
        let expected = match correction {
            Some((known, _)) => {
                self.corrected.push(known);
                expected.other()
            }
            None => expected,
        };
        match (expected, found) {
            (Decision::Accept, Decision::Accept) => self.accepted += 1,
            (Decision::Refuse, Decision::Refuse) => self.refused += 1,
            _ => self
                .disagreements
                .push(format!("{id}: expected {expected:?}, found {found:?}")),
        }
    }

    /// A row that applies and was decided in a way that is neither: always a disagreement.
    pub fn disagree(&mut self, id: &str, found: &str) {
        self.disagreements.push(format!("{id}: {found}"));
    }

    /// Prints the account, and fails where it is not the expected one. A build that refuses
    /// everything accepts no row, one that passes everything refuses none: both fail.
    pub fn close(self) {
        let account = self.text();
        println!("{account}");
        let suite = &self.suite;
        assert!(suite.accepted > 0 && suite.refused > 0, "proves nothing");
        assert!(self.disagreements.is_empty(), "{account}");
        assert_eq!(
            (self.accepted, self.refused),
            (suite.accepted, suite.refused),
            "{}: rows accepted and refused as expected",
            suite.title
        );
        for ((rule, expected), found) in suite.rules.iter().zip(&self.inapplicable) {
            assert_eq!(found, expected, "{}: {rule}", suite.title);
        }
        for (id, _) in suite.corrections {
            let count = self.corrected.iter().filter(|known| *known == id).count();
            assert_eq!(count, 1, "{}: rows {id}", suite.title);
        }
        let row = self.markdown();
        let page = include_str!("../../docs/oracles.md");
        assert!(page.contains(&row), "docs/oracles.md lacks\n{row}");
    }

    fn left(&self) -> usize {
        self.inapplicable.iter().sum()
    }

    fn applicable(&self) -> usize {
        self.accepted + self.refused + self.disagreements.len()
    }

    /// The row of the page of the newest accounts.
    fn markdown(&self) -> String {
        format!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            self.suite.title,
            self.applicable() + self.left(),
            self.applicable(),
            self.accepted,
            self.refused,
            self.disagreements.len(),
            self.left(),
        )
    }

    fn text(&self) -> String {
        let mut out = format!("\n{}\n", self.suite.title);
        let mut line = |indent: &str, count: usize, text: &str| {
            writeln!(out, "{indent}{count:>7}  {text}").expect("memory");
        };
        line("", self.applicable() + self.left(), "rows");
        line("", self.applicable(), "applicable");
        line("  ", self.accepted, "to be accepted, and accepted");
        line("  ", self.refused, "to be refused, and refused");
        line("  ", self.disagreements.len(), "disagreements");
        for disagreement in self.disagreements.iter().take(40) {
            writeln!(out, "             {disagreement}").expect("memory");
        }
        let mut line = |indent: &str, count: usize, text: &str| {
            writeln!(out, "{indent}{count:>7}  {text}").expect("memory");
        };
        line("", self.left(), "inapplicable by rule");
        for ((rule, _), count) in self.suite.rules.iter().zip(&self.inapplicable) {
            line("  ", *count, rule);
        }
        for (id, reason) in self.suite.corrections {
            writeln!(out, "         by the specification: {id}: {reason}").expect("memory");
        }
        out
    }
}
