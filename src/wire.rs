//! Header maps in the form in which the host hands them over (proxy-wasm ABI 0.2.1).
//!
//! A count, then the lengths of every name and value, then the bytes, each with a NUL behind it;
//! numbers are 32 bits, little endian. The bytes come from outside: a length that leads beyond them
//! makes the whole map unreadable.

pub mod signature;

/// A name and a value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// The most pairs that are read or written: beyond it Envoy drops a written map without a word
/// (`limits.h` of proxy-wasm-cpp-host).
pub const MAX_PAIRS: usize = 1024;

/// Reads a map; `None` when it is not one.
pub fn decode(bytes: &[u8]) -> Option<Vec<Pair>> {
    let owned = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
    Some(view(bytes)?.into_iter().map(owned).collect())
}

/// As [`decode`], and nothing is copied.
pub fn view(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let (count, mut lengths) = number(bytes)?;
    if count > MAX_PAIRS {
        return None;
    }
    let mut data = lengths.get(count.checked_mul(8)?..)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let (name_length, rest) = number(lengths)?;
        let (value_length, rest) = number(rest)?;
        lengths = rest;
        let name = take(&mut data, name_length)?;
        let value = take(&mut data, value_length)?;
        pairs.push((name, value));
    }
    Some(pairs)
}

/// Writes a map; `None` when the host would not take it.
pub fn encode(pairs: &[Pair]) -> Option<Vec<u8>> {
    if pairs.len() > MAX_PAIRS {
        return None;
    }
    let size: usize = pairs
        .iter()
        .map(|(name, value)| name.len() + value.len() + 10)
        .sum();
    let mut out = Vec::with_capacity(size + 4);
    out.extend(u32::try_from(pairs.len()).ok()?.to_le_bytes());
    for (name, value) in pairs {
        out.extend(u32::try_from(name.len()).ok()?.to_le_bytes());
        out.extend(u32::try_from(value.len()).ok()?.to_le_bytes());
    }
    for (name, value) in pairs {
        for text in [name, value] {
            out.extend_from_slice(text);
            out.push(0);
        }
    }
    (out.len() <= MAX_BYTES).then_some(out)
}

/// The largest written map, in bytes; the same source.
const MAX_BYTES: usize = 1 << 20;

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

fn take<'a>(data: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (text, rest) = data.split_at_checked(length)?;
    let (nul, rest) = rest.split_first()?;
    *data = rest;
    (*nul == 0).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_survives_the_way_there_and_back() {
        let pairs: Vec<Pair> = vec![
            (b":path".to_vec(), b"/".to_vec()),
            (b"x".to_vec(), b"\xff\x00\n".to_vec()),
            (b"".to_vec(), b"".to_vec()),
        ];
        let bytes = encode(&pairs).expect("encodable");
        assert_eq!(decode(&bytes), Some(pairs));
        assert_eq!(decode(b""), Some(vec![]));
    }

    #[test]
    fn damaged_maps_are_unreadable() {
        let bytes = encode(&[(b"name".to_vec(), b"value".to_vec())]).expect("encodable");
        for end in 1..bytes.len() {
            assert_eq!(decode(&bytes[..end]), None, "cut at {end}");
        }
        for at in 0..12 {
            let mut damaged = bytes.clone();
            damaged[at] = 0xff;
            assert_eq!(decode(&damaged), None, "byte {at}");
        }
        assert_eq!(decode(&[0xff; 64]), None);
    }

    #[test]
    fn a_map_that_the_host_would_drop_is_not_written() {
        let pair: Pair = (b"n".to_vec(), b"v".to_vec());
        assert!(encode(&vec![pair.clone(); MAX_PAIRS]).is_some());
        assert!(encode(&vec![pair; MAX_PAIRS + 1]).is_none());
        assert!(encode(&[(b"n".to_vec(), vec![b'v'; MAX_BYTES])]).is_none());
    }
}
