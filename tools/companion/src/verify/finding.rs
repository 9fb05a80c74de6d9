//! What is wrong with a log, and where.

use crate::line::{Id, hex};

/// A line of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Which of the files, in the order in which they are read.
    pub file: usize,
    /// From 1.
    pub line: u64,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The signature of a checkpoint does not hold.
    BadSignature,
    /// A record is not what was written.
    Changed,
    /// A record that other chains tell of is another here.
    Contradicted,
    /// Two lines for one exchange.
    Doubled,
    /// Records are missing.
    Gap,
    /// An exchange was forwarded, and nothing tells of it.
    Lost,
    /// The end of a line is not what this version writes.
    Malformed,
    /// All of a chain is missing.
    MissingChain,
    /// Too many records without a checkpoint.
    NoCheckpoint,
    /// A record stands behind one that came after it.
    Reordered,
    /// A second record of the same number.
    Repeated,
    /// The last records of a chain are missing.
    Truncated,
    /// A record says that its intent was acknowledged, and no file has that.
    Unannounced,
    /// An intent without a record.
    Unfinished,
    /// The key of a checkpoint is not known.
    UnknownKey,
    /// Nothing shows whether a record is what was written.
    Unproved,
    /// A checkpoint that should be signed.
    Unsigned,
}

impl Kind {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::BadSignature => "bad-signature",
            Kind::Changed => "changed",
            Kind::Contradicted => "contradicted",
            Kind::Doubled => "doubled",
            Kind::Gap => "gap",
            Kind::Lost => "lost",
            Kind::Malformed => "malformed",
            Kind::MissingChain => "missing-chain",
            Kind::NoCheckpoint => "no-checkpoint",
            Kind::Reordered => "reordered",
            Kind::Repeated => "repeated",
            Kind::Truncated => "truncated",
            Kind::Unannounced => "unannounced",
            Kind::Unfinished => "unfinished",
            Kind::UnknownKey => "unknown-key",
            Kind::Unproved => "unproved",
            Kind::Unsigned => "unsigned",
        }
    }
}

/// Something that is wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// In which line, where there is one.
    pub place: Option<Place>,
    /// In which chain.
    pub chain: Option<Id>,
    /// Which records of it, first and last.
    pub seqs: Option<(u64, u64)>,
    /// In words.
    pub text: String,
}

/// All that is wrong, of which the first [`KEPT`] are told.
#[derive(Debug, Default)]
pub struct Findings {
    /// In the order in which they were found.
    pub kept: Vec<Finding>,
    /// How many there are.
    pub count: u64,
    /// The names of the files.
    pub files: Vec<String>,
}

/// Findings that are told one by one.
pub const KEPT: usize = 100_000;

impl Findings {
    pub(super) fn add(
        &mut self,
        kind: Kind,
        place: Option<Place>,
        chain: Option<Id>,
        seqs: Option<(u64, u64)>,
        text: String,
    ) {
        self.count = self.count.saturating_add(1);
        if self.kept.len() < KEPT {
            self.kept.push(Finding {
                kind,
                place,
                chain,
                seqs,
                text,
            });
        }
    }

    /// The place in words, `file:line`.
    pub fn name(&self, place: Place) -> String {
        let file = self.files.get(place.file).map_or("-", String::as_str);
        format!("{file}:{}", place.line)
    }

    /// One finding as a line.
    pub fn line(&self, finding: &Finding) -> String {
        let mut out = format!("{}:", finding.kind.name());
        if let Some(place) = finding.place {
            out = format!("{out} {}:", self.name(place));
        }
        if let Some(chain) = &finding.chain {
            out = format!("{out} chain {}", hex(chain));
        }
        match finding.seqs {
            Some((from, to)) if from == to => out = format!("{out} record {from}"),
            Some((from, to)) => out = format!("{out} records {from} to {to}"),
            None => {}
        }
        format!("{out}: {}", finding.text)
    }
}
