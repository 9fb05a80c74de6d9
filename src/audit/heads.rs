//! How far each chain has come, in shared data: what one worker says of itself, others put on record.

use crate::shared::{Answer, Step, Swap, Work};

/// The key of shared data.
const KEY: &str = "fhir-guard.audit.v1.heads";

/// Chains that are told of. The one that has said nothing for longest gives way.
pub(super) const HEADS: usize = 64;

const MAGIC: [u8; 4] = *b"FGA\x01";

/// Bytes of one of them: id, number, hash, time.
const ENTRY: usize = 16 + 8 + 32 + 8;

/// How far a chain has come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// Which chain.
    pub id: [u8; 16],
    /// The number of its last record; 0 before the first.
    pub seq: u64,
    /// The hash of that record; zeros before the first.
    pub hash: [u8; 32],
    /// When it said so, in milliseconds since 1970.
    pub at: u64,
}

/// Work that tells how far a chain has come, and finds how far all others have.
#[derive(Debug)]
pub struct Publishing {
    own: Head,
    swap: Swap<Vec<Head>>,
}

impl Publishing {
    pub(super) fn new(own: Head) -> Self {
        Publishing {
            own,
            swap: Swap::new(KEY),
        }
    }
}

impl Work for Publishing {
    /// The other chains; absent where shared data failed, or other workers were faster 8 times: nobody was told
    /// then.
    type Outcome = Option<Vec<Head>>;

    fn step(&self) -> Step<'_, Self::Outcome> {
        match self.swap.step().outcome() {
            Ok(swapped) => Step::Done(swapped.stored().cloned()),
            Err(step) => step,
        }
    }

    fn answer(&mut self, answer: Answer) {
        let own = &self.own;
        self.swap.answer(answer, |bytes| {
            let (others, value) = with(own, &bytes);
            (others, Some(value))
        });
    }
}

/// The other chains in these bytes, and the bytes with this one.
fn with(own: &Head, bytes: &[u8]) -> (Vec<Head>, Vec<u8>) {
    let mut heads = heads(bytes);
    heads.retain(|head| head.id != own.id);
    let others = heads.clone();
    if heads.len() >= HEADS {
        let quiet = (0..).zip(&heads).min_by_key(|(_, head)| head.at);
        if let Some(place) = quiet.map(|(place, _)| place) {
            heads.swap_remove(place);
        }
    }
    heads.push(own.clone());
    let mut value = Vec::with_capacity(MAGIC.len() + heads.len() * ENTRY);
    value.extend(MAGIC);
    for head in &heads {
        value.extend(head.id);
        value.extend(head.seq.to_be_bytes());
        value.extend(head.hash);
        value.extend(head.at.to_be_bytes());
    }
    (others, value)
}

/// The chains in these bytes; none in bytes that nobody here wrote.
fn heads(bytes: &[u8]) -> Vec<Head> {
    let (chunks, rest) = match bytes.strip_prefix(&MAGIC) {
        Some(bytes) => bytes.as_chunks::<ENTRY>(),
        None => return Vec::new(),
    };
    match rest.is_empty() && chunks.len() <= HEADS {
        true => chunks.iter().filter_map(|chunk| head(chunk)).collect(),
        false => Vec::new(),
    }
}

fn head(bytes: &[u8]) -> Option<Head> {
    let (id, rest) = bytes.split_first_chunk()?;
    let (seq, rest) = rest.split_first_chunk()?;
    let (hash, rest) = rest.split_first_chunk()?;
    Some(Head {
        id: *id,
        seq: u64::from_be_bytes(*seq),
        hash: *hash,
        at: u64::from_be_bytes(*rest.first_chunk()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: u8, at: u64) -> Head {
        Head {
            id: [id; 16],
            seq: u64::from(id) + 1,
            hash: [id; 32],
            at,
        }
    }

    /// What one finds, and what stands there afterwards.
    fn publish(own: Head, there: Option<Vec<u8>>) -> (Option<Vec<Head>>, Vec<u8>) {
        let mut work = Publishing::new(own);
        let mut value = there.clone().unwrap_or_default();
        loop {
            let answer = match work.step() {
                Step::Read { key } => {
                    assert_eq!(key, KEY);
                    Answer::Value {
                        bytes: there.clone(),
                        version: there.as_ref().map(|_| 1),
                    }
                }
                Step::Write { value: bytes, .. } => {
                    value = bytes.to_vec();
                    Answer::Written
                }
                Step::Done(others) => return (others, value),
            };
            work.answer(answer);
        }
    }

    #[test]
    fn each_finds_the_others_and_never_itself() {
        let (others, value) = publish(of(1, 10), None);
        assert_eq!(others, Some(vec![]));
        let (others, value) = publish(of(2, 20), Some(value));
        assert_eq!(others, Some(vec![of(1, 10)]));
        let (others, value) = publish(of(1, 30), Some(value));
        assert_eq!(others, Some(vec![of(2, 20)]));
        assert_eq!(heads(&value), [of(2, 20), of(1, 30)]);
    }

    #[test]
    fn there_are_never_more_than_the_bound_and_the_quietest_gives_way() {
        let mut value = None;
        for id in 0..u8::try_from(HEADS).expect("small") {
            value = Some(publish(of(id, 1000 - u64::from(id)), value).1);
        }
        assert_eq!(heads(value.as_deref().expect("bytes")).len(), HEADS);
        let (others, value) = publish(of(200, 5), value);
        assert_eq!(others.expect("others").len(), HEADS);
        let kept = heads(&value);
        assert_eq!(kept.len(), HEADS);
        assert!(kept.contains(&of(200, 5)) && !kept.iter().any(|head| head.id == [63; 16]));
    }

    #[test]
    fn rubbish_is_nothing_and_nothing_faults() {
        let (_, good) = publish(of(1, 1), None);
        for bytes in [
            &b""[..],
            b"FGA",
            b"FGA\x01x",
            b"FGA\x02",
            &good[..good.len() - 1],
        ] {
            let (others, value) = publish(of(7, 7), Some(bytes.to_vec()));
            assert_eq!(others, Some(vec![]), "{bytes:?}");
            assert_eq!(heads(&value), [of(7, 7)], "{bytes:?}");
        }
        let long = [&MAGIC[..], &vec![0; ENTRY * (HEADS + 1)]].concat();
        assert!(heads(&long).is_empty());
    }

    #[test]
    fn whoever_is_never_fast_enough_finds_nothing() {
        for (answer, reads) in [(Answer::Conflict, 8), (Answer::Failed, 1)] {
            let mut work = Publishing::new(of(1, 1));
            let mut seen = 0;
            loop {
                let next = match work.step() {
                    Step::Read { .. } => {
                        seen += 1;
                        Answer::Value {
                            bytes: None,
                            version: None,
                        }
                    }
                    Step::Write { .. } => answer.clone(),
                    Step::Done(others) => {
                        assert_eq!(others, None);
                        break;
                    }
                };
                work.answer(next);
            }
            assert_eq!(seen, reads, "{answer:?}");
        }
    }
}
