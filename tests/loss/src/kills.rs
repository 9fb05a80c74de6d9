//! What a kill of Envoy can have taken along: the lines that it had in memory, which are those behind the last one that
//! it had written, of its last seconds, and no more than it keeps.

use crate::load::Millis;
use crate::sinks::Line;

/// How long Envoy keeps lines of a file in memory: its default, and what docs/sinks.md says.
pub(crate) const FLUSH: Millis = 10_000;

/// What it keeps of a file: it writes when 64 KiB are full, and what comes while it does waits for the next time.
pub(crate) const HELD: u64 = 2 * (64 << 10);

/// How much later a client of a busy machine may have noted an answer, or Envoy have printed a line, than the record
/// says.
pub(crate) const SLACK: Millis = 2_000;

/// The kills, in their order.
pub(crate) struct Kills(Vec<Kill>);

/// One of them, and what it took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kill {
    at: Millis,
    /// When the last line was written that the log has of that process.
    last: Millis,
}

/// What is missing, by what took it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lost {
    /// Lines and bytes, by kill.
    pub(crate) kills: Vec<(u64, u64)>,
    /// Which no kill can have taken.
    pub(crate) unexplained: u64,
    /// The longest time from a line to the kill that took it.
    pub(crate) oldest: Millis,
}

impl Kills {
    /// Kills at these times, beside a log with these lines.
    pub(crate) fn new<'l>(times: &[Millis], lines: impl Iterator<Item = &'l Line>) -> Kills {
        let kill = |at: &Millis| Kill {
            at: *at,
            last: Millis::MIN,
        };
        let mut kills: Vec<Kill> = times.iter().map(kill).collect();
        kills.sort_unstable_by_key(|kill| kill.at);
        for line in lines {
            let own = kills.partition_point(|kill| kill.at < line.written);
            if let Some(kill) = kills.get_mut(own) {
                kill.last = kill.last.max(line.written);
            }
        }
        Kills(kills)
    }

    /// The first that can have taken what was written at some time from the one to the other.
    pub(crate) fn taking(&self, from: Millis, to: Millis) -> Option<usize> {
        self.0.iter().position(|kill| {
            let first = kill.last.max(kill.at - FLUSH).saturating_sub(SLACK);
            to >= first && from <= kill.at + SLACK
        })
    }

    /// What is missing; of each when it was written, at the earliest and at the latest, and how many lines and bytes.
    pub(crate) fn lost(
        &self,
        missing: impl Iterator<Item = ((Millis, Millis), (u64, u64))>,
    ) -> Lost {
        let mut lost = Lost {
            kills: vec![(0, 0); self.0.len()],
            ..Lost::default()
        };
        for ((from, to), (lines, bytes)) in missing {
            let own = self.taking(from, to);
            let own = own.and_then(|own| lost.kills.get_mut(own).zip(self.0.get(own)));
            let Some((sum, kill)) = own else {
                lost.unexplained += lines;
                continue;
            };
            *sum = (sum.0 + lines, sum.1 + bytes);
            lost.oldest = lost.oldest.max(kill.at.saturating_sub(from));
        }
        lost
    }
}

impl Lost {
    /// How many are missing.
    pub(crate) fn count(&self) -> u64 {
        let known = self.kills.iter().map(|(lines, _)| lines);
        known.sum::<u64>() + self.unexplained
    }

    pub(crate) fn line(&self) -> String {
        let lines = self.kills.iter().map(|(lines, _)| *lines);
        format!(
            "{}, at most {} by one kill, the oldest of them {:.1} s before it; {} by no kill",
            self.count(),
            lines.max().unwrap_or(0),
            self.oldest as f64 / 1000.0,
            self.unexplained,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_kill_can_have_taken_is_explained() {
        const AT: Millis = 1_000_000;
        let lines = [
            Line {
                written: AT - 20_000,
                bytes: 1,
            },
            Line {
                written: AT + 30_000,
                bytes: 1,
            },
        ];
        let busy = [
            lines[0],
            Line {
                written: AT - 3000,
                bytes: 1,
            },
        ];
        for (name, lines, from, to, explained) in [
            ("just before", &lines, AT - 1, AT - 1, true),
            (
                "as long ago as Envoy keeps it",
                &lines,
                AT - 12_000,
                AT - 12_000,
                true,
            ),
            ("longer ago", &lines, AT - 12_001, AT - 12_001, false),
            ("long ago", &lines, AT - 400_000, AT - 400_000, false),
            ("noted late", &lines, AT + 2000, AT + 2000, true),
            ("after it", &lines, AT + 2001, AT + 2001, false),
            ("between", &lines, AT - 50_000, AT + 50_000, true),
            ("the log has later ones", &busy, AT - 5001, AT - 5001, false),
            (
                "it has none that is later",
                &busy,
                AT - 5000,
                AT - 5000,
                true,
            ),
        ] {
            let kills = Kills::new(&[AT, AT + 500_000], lines.iter());
            assert_eq!(kills.taking(from, to).is_some(), explained, "{name}");
            assert_eq!(
                Kills::new(&[], lines.iter()).taking(from, to),
                None,
                "{name}"
            );
            let lost = kills.lost([((from, to), (3, 700))].into_iter());
            assert_eq!(
                (lost.count(), lost.unexplained == 0),
                (3, explained),
                "{name}"
            );
            let taken: u64 = lost.kills.iter().map(|(_, bytes)| bytes).sum();
            assert_eq!(taken, if explained { 700 } else { 0 }, "{name}");
        }
    }
}
