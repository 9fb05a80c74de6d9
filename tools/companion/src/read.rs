//! Files, line by line, on several threads, in order.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use flate2::bufread::MultiGzDecoder;

/// Bytes that are read at once.
const BLOCK: usize = 1 << 20;

/// Bytes of a line. What is longer is taken as several lines, none of which is a record.
pub const LONGEST: usize = 16 << 20;

/// Opens a file, `-` for standard input; what is compressed with gzip is unpacked.
///
/// # Errors
/// The file cannot be read.
pub fn open(name: &str) -> io::Result<Box<dyn Read + Send>> {
    let file: Box<dyn Read + Send> = match name {
        "-" => Box::new(io::stdin()),
        name => Box::new(File::open(name)?),
    };
    let mut file = BufReader::with_capacity(BLOCK, file);
    Ok(match file.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        true => Box::new(MultiGzDecoder::new(file)),
        false => Box::new(file),
    })
}

/// The first bytes of a file, at most `most`.
///
/// # Errors
/// The file cannot be read.
pub fn beginning(name: &str, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    open(name)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes something of every line, on `threads` threads, and hands it on in order, with the number of the line from 1.
/// Empty lines are counted and not looked at.
///
/// # Errors
/// The file cannot be read to its end.
pub fn each<T: Send>(
    file: Box<dyn Read + Send>,
    threads: usize,
    make: &(dyn Fn(&[u8]) -> T + Sync),
    take: &mut dyn FnMut(u64, T),
) -> io::Result<()> {
    if threads <= 1 {
        let (mut blocks, mut line) = (Blocks::new(file), 0);
        while let Some(block) = blocks.next()? {
            for bytes in lines(&block) {
                line += 1;
                if !bytes.is_empty() {
                    take(line, make(bytes));
                }
            }
        }
        return Ok(());
    }
    let (give, blocks) = sync_channel::<(u64, Vec<u8>)>(threads);
    let (done, made) = sync_channel(threads);
    let blocks = Mutex::new(blocks);
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let (mut file, mut number) = (Blocks::new(file), 0);
            while let Some(block) = file.next()? {
                if give.send((number, block)).is_err() {
                    break;
                }
                number += 1;
            }
            Ok(())
        });
        for _ in 0..threads {
            let (blocks, done) = (&blocks, done.clone());
            scope.spawn(move || work(blocks, &done, make));
        }
        drop(done);
        collect(&made, take);
        // A thread that is gone has nothing to say.
        reader.join().unwrap_or(Ok(()))
    })
}

/// What was made of the lines of a block.
type Made<T> = (u64, u64, Vec<(u64, T)>);

fn work<T: Send>(
    blocks: &Mutex<Receiver<(u64, Vec<u8>)>>,
    done: &SyncSender<Made<T>>,
    make: &(dyn Fn(&[u8]) -> T + Sync),
) {
    loop {
        let next = blocks.lock().map(|blocks| blocks.recv());
        let Ok(Ok((number, block))) = next else {
            return;
        };
        let (mut count, mut made) = (0, Vec::new());
        for bytes in lines(&block) {
            count += 1;
            if !bytes.is_empty() {
                made.push((count, make(bytes)));
            }
        }
        if done.send((number, count, made)).is_err() {
            return;
        }
    }
}

fn collect<T>(made: &Receiver<Made<T>>, take: &mut dyn FnMut(u64, T)) {
    let (mut waiting, mut next, mut before) = (BTreeMap::new(), 0, 0);
    while let Ok((number, count, facts)) = made.recv() {
        waiting.insert(number, (count, facts));
        while let Some((count, facts)) = waiting.remove(&next) {
            for (line, fact) in facts {
                take(before + line, fact);
            }
            before += count;
            next += 1;
        }
    }
}

fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let block = block.strip_suffix(b"\n").unwrap_or(block);
    block.split(|byte| *byte == b'\n')
}

/// A file in pieces of whole lines.
struct Blocks {
    file: Box<dyn Read + Send>,
    rest: Vec<u8>,
}

impl Blocks {
    fn new(file: Box<dyn Read + Send>) -> Self {
        let rest = Vec::new();
        Blocks { file, rest }
    }

    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut block = std::mem::take(&mut self.rest);
        loop {
            let before = block.len();
            let piece = u64::try_from(BLOCK).unwrap_or(u64::MAX);
            let read = self.file.by_ref().take(piece).read_to_end(&mut block)?;
            if read == 0 {
                return Ok((!block.is_empty()).then_some(block));
            }
            let end = memchr::memrchr(b'\n', block.get(before..).unwrap_or_default());
            if let Some(end) = end {
                self.rest = block.split_off(before + end + 1);
                return Ok(Some(block));
            }
            if block.len() >= LONGEST {
                return Ok(Some(block));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a file, with their numbers.
    fn read(text: &[u8], threads: usize) -> Vec<(u64, Vec<u8>)> {
        let mut found = Vec::new();
        let file = Box::new(io::Cursor::new(text.to_vec()));
        each(file, threads, &<[u8]>::to_vec, &mut |line, text| {
            found.push((line, text));
        })
        .expect("it is read");
        found
    }

    #[test]
    fn lines_keep_their_order_and_their_numbers_on_any_number_of_threads() {
        for (text, expected) in [
            (&b""[..], vec![]),
            (b"a", vec![(1, "a")]),
            (b"a\n\nb\n", vec![(1, "a"), (3, "b")]),
            (b"\n\n\na", vec![(4, "a")]),
        ] {
            for threads in 1..4 {
                let expected: Vec<_> = expected
                    .iter()
                    .map(|(line, text): &(u64, &str)| (*line, text.as_bytes().to_vec()))
                    .collect();
                assert_eq!(read(text, threads), expected, "{text:?}");
            }
        }
        let lines: Vec<String> = (0..40_000)
            .map(|line| format!("{line} {}", "x".repeat(line % 300)))
            .collect();
        for threads in 1..4 {
            let found = read(lines.join("\n").as_bytes(), threads);
            assert_eq!(found.len(), lines.len());
            for ((number, text), expected) in found.iter().zip(&lines) {
                assert_eq!(text, expected.as_bytes());
                assert!(text.starts_with(format!("{} ", number - 1).as_bytes()));
            }
        }
    }
}
