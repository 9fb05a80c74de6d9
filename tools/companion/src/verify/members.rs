//! What makes a record a checkpoint.

use super::chain::Chain;
use super::finding::{Findings, Kind, Place};
use crate::keys::Verdict;
use crate::line::Sealed;

/// Records among which there should be a checkpoint, as far as the files tell that were read.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The last checkpoint before, or the end of the span before.
    last: u64,
    /// The first record that is too far behind it.
    seq: u64,
    every: u64,
    place: Place,
}

impl Chain {
    /// What a checkpoint says of itself; whether its signature holds.
    pub fn signatures(&mut self, place: Place, record: &Sealed, f: &mut Findings) -> bool {
        let seq = record.seq;
        if let Some((last, every)) = self.checked
            && seq > last
            && seq.saturating_sub(last) > every
        {
            self.spans.push(Span {
                last,
                seq,
                every,
                place,
            });
            self.checked = Some((seq, every));
        }
        let Some(checkpoint) = &record.checkpoint else {
            return false;
        };
        let last = self.checked.map_or(0, |(last, _)| last);
        self.checked = Some((seq.max(last), checkpoint.every));
        let Some((key, verdict)) = &checkpoint.signature else {
            if self.is_signed && seq != 1 {
                self.say(
                    Kind::Unsigned,
                    place,
                    seq,
                    "a checkpoint without a signature in a chain that is signed",
                    f,
                );
            }
            return false;
        };
        match verdict {
            Verdict::Holds => {
                self.signed.insert(seq);
                self.tickets.vouch(seq);
                return true;
            }
            Verdict::NotChecked => {}
            Verdict::Broken => {
                let text = "the signature does not hold: this record was changed, or written by somebody else";
                self.say(Kind::BadSignature, place, seq, text, f);
            }
            Verdict::UnknownKey => {
                let text = format!("signed by \"{key}\", which is none of the keys given");
                f.add(
                    Kind::UnknownKey,
                    Some(place),
                    Some(self.id),
                    Some((seq, seq)),
                    text,
                );
                self.fault(seq);
            }
        }
        false
    }

    /// Tells of records without a checkpoint, when all files were read: what one of them lacks another may have.
    pub fn unchecked(&mut self, f: &mut Findings) {
        for span in std::mem::take(&mut self.spans) {
            let Span {
                last, seq, every, ..
            } = span;
            // By the number before it.
            let before = self.kept.range(..last).next_back();
            let mut at = before.map_or(last, |(before, _)| before.saturating_add(1));
            let mut wide = false;
            for found in self.kept.range(last..seq.saturating_sub(1)) {
                let own = found.0.saturating_add(1);
                wide |= own.saturating_sub(at) > every;
                at = own;
            }
            if !wide && seq.saturating_sub(at) <= every {
                continue;
            }
            let text = format!("none since record {last}, and there should be one every {every}");
            let seqs = Some((seq, seq));
            f.add(
                Kind::NoCheckpoint,
                Some(span.place),
                Some(self.id),
                seqs,
                text,
            );
            self.fault(last.saturating_add(1));
        }
    }
}
