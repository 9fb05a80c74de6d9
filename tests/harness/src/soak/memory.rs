//! What a process holds, as the kernel tells it.

use std::fs;

const KIB: u64 = 1024;

/// A wasm memory is followed by a reservation without access that no other mapping has: V8 catches
/// wild accesses with it. It is at least this large.
const GUARD_BYTES: u64 = 1 << 30;

/// One look at a process. Bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Resident memory.
    pub resident: u64,
    /// The linear memory of each running filter: one a worker and one of the main thread.
    pub machines: Vec<u64>,
    /// Open file descriptors.
    pub descriptors: usize,
}

impl Sample {
    /// # Errors
    /// When the process is gone.
    pub fn of(pid: u32) -> Result<Sample, String> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))
        };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))
            .map_err(|error| format!("cannot read /proc/{pid}/fd: {error}"))?;
        Ok(Sample {
            resident: resident(&read("status")?)
                .ok_or_else(|| format!("/proc/{pid}/status has no VmRSS: the process has ended"))?,
            machines: machines(&read("maps")?),
            descriptors: descriptors.count(),
        })
    }

    /// The largest linear memory.
    pub fn largest_machine(&self) -> u64 {
        self.machines.iter().copied().max().unwrap_or(0)
    }
}

fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(number * KIB)
}

/// The sizes of the anonymous writable mappings that end where such a reservation begins.
fn machines(maps: &str) -> Vec<u64> {
    let lines: Vec<(u64, u64, &str)> = maps.lines().filter_map(mapping).collect();
    lines
        .windows(2)
        .filter_map(|pair| match *pair {
            [(start, end, "rw-p"), (next, far, "---p")]
                if end == next && far - next >= GUARD_BYTES =>
            {
                Some(end - start)
            }
            _ => None,
        })
        .collect()
}

/// Start, end and permissions of an anonymous mapping.
fn mapping(line: &str) -> Option<(u64, u64, &str)> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let permissions = words.next()?;
    let number = |hex| u64::from_str_radix(hex, 16).ok();
    (words.nth(2)? == "0").then_some(())?;
    Some((number(start)?, number(end)?, permissions))
}

#[cfg(test)]
mod tests {
    use super::{machines, resident};

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(
            resident("Name:\tenvoy\nVmRSS:\t   1024 kB\n"),
            Some(1 << 20)
        );
        assert_eq!(resident("Name:\tenvoy\n"), None);
        let rows = [
            // A machine: 128 KiB and the reservation behind it.
            (
                "10000-30000 rw-p 00000000 00:00 0 \n30000-240030000 ---p 00000000 00:00 0 \n",
                vec![0x20000],
            ),
            // A stack with its small guard, a file, and a gap before the reservation.
            (
                "10000-30000 rw-p 00000000 00:00 0 \n30000-31000 ---p 00000000 00:00 0 \n",
                vec![],
            ),
            (
                "10000-30000 rw-p 00000000 08:01 77 /lib/x\n30000-240030000 ---p 00000000 00:00 0 \n",
                vec![],
            ),
            (
                "10000-30000 rw-p 00000000 00:00 0 \n31000-240030000 ---p 00000000 00:00 0 \n",
                vec![],
            ),
            ("rubbish\n", vec![]),
        ];
        for (maps, expected) in rows {
            assert_eq!(machines(maps), expected, "{maps}");
        }
    }
}
