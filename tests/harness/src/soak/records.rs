//! The audit records, read while they are written: there are too many to keep.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use serde_json::Value;

/// What stands at the beginning of every JWS in compact form.
const TOKEN: &str = "eyJ";

/// What was read so far.
pub(super) struct Records {
    path: PathBuf,
    read: u64,
    rest: Vec<u8>,
    /// Records by outcome.
    pub(super) outcomes: BTreeMap<String, u64>,
    /// Lines that are no record, or hold what no record may.
    pub(super) bad: u64,
}

impl Records {
    pub(super) fn new(path: PathBuf) -> Records {
        Records {
            path,
            read: 0,
            rest: Vec::new(),
            outcomes: BTreeMap::new(),
            bad: 0,
        }
    }

    /// Reads what was written since.
    ///
    /// # Errors
    /// When the file cannot be read; one that is not there yet is empty.
    pub(super) fn read(&mut self) -> Result<(), String> {
        let failed =
            |error: std::io::Error| format!("cannot read {}: {error}", self.path.display());
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            file => file.map_err(failed)?,
        };
        let mut new = Vec::new();
        file.seek(SeekFrom::Start(self.read)).map_err(failed)?;
        file.read_to_end(&mut new).map_err(failed)?;
        self.read += new.len() as u64;
        self.take(&new);
        Ok(())
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.outcomes.values().sum::<u64>() + self.bad
    }

    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return;
        };
        let lines: Vec<u8> = self.rest.drain(..=end).collect();
        for line in lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            match outcome(line) {
                Some(outcome) => *self.outcomes.entry(outcome).or_default() += 1,
                None => self.bad += 1,
            }
        }
    }
}

fn outcome(line: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(line).ok()?;
    if text.contains(TOKEN) {
        return None;
    }
    let record: Value = serde_json::from_str(text).ok()?;
    Some(record["outcome"].as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::Records;

    #[test]
    fn whole_lines_are_counted_wherever_they_are_cut() {
        let text = "{\"outcome\":\"allowed\"}\n{\"outcome\":\"refused\"}\nrubbish\n{\"outcome\":\"eyJ\"}\n";
        for cut in 0..=text.len() {
            let mut records = Records::new(PathBuf::new());
            records.take(&text.as_bytes()[..cut]);
            records.take(&text.as_bytes()[cut..]);
            assert_eq!(records.outcomes.get("allowed"), Some(&1), "{cut}");
            assert_eq!(records.outcomes.get("refused"), Some(&1), "{cut}");
            assert_eq!((records.bad, records.count()), (2, 4), "{cut}");
        }
    }
}
