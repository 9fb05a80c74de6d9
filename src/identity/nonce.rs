//! Nonces that a proof must have (RFC 9449 section 9): made from a key and the time, and kept nowhere.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// The key of the nonces. Every Envoy with the same key takes the nonces of the others.
#[derive(Clone)]
pub struct NonceKey(Hmac<Sha256>);

/// The key is not shown.
impl std::fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NonceKey")
    }
}

/// What a nonce was found to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Age {
    /// The newest.
    Current,
    /// The one before: still good, and a new one is due.
    Previous,
    /// None of these.
    Unknown,
}

impl NonceKey {
    /// The fewest and the most bytes of a key.
    pub const BYTES: std::ops::RangeInclusive<usize> = 32..=256;

    /// How long a nonce is the newest, in seconds; it is taken for as long again.
    pub const STEP: u64 = 300;

    /// Reads a key: hexadecimal digits, or base64 of either alphabet, with padding or without. `None`
    /// where it is neither, or has not 32 to 256 bytes.
    pub fn read(text: &str) -> Option<Self> {
        Hmac::new_from_slice(&bytes(text.trim())?)
            .map(NonceKey)
            .ok()
    }

    /// The newest nonce; `now` is in seconds since 1970.
    pub(super) fn current(&self, now: u64) -> String {
        self.of(now / Self::STEP)
    }

    /// How old this nonce is.
    pub(super) fn age(&self, nonce: &str, now: u64) -> Age {
        let step = now / Self::STEP;
        let is = |step| bool::from(self.of(step).as_bytes().ct_eq(nonce.as_bytes()));
        match step.checked_sub(1) {
            _ if is(step) => Age::Current,
            Some(before) if is(before) => Age::Previous,
            _ => Age::Unknown,
        }
    }

    /// 128 bits of an HMAC over the number of the step.
    fn of(&self, step: u64) -> String {
        let mut mac = self.0.clone();
        mac.update(b"fhir-guard dpop nonce v1");
        mac.update(&step.to_be_bytes());
        let bytes = mac.finalize().into_bytes();
        URL_SAFE_NO_PAD.encode(bytes.first_chunk::<16>().copied().unwrap_or_default())
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let bytes = match text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => from_hex(text)?,
        false => from_base64(text)?,
    };
    NonceKey::BYTES.contains(&bytes.len()).then_some(bytes)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.filter(|_| rest.is_empty())
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let lax = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [&alphabet::STANDARD, &alphabet::URL_SAFE]
        .into_iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, lax).decode(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_hexadecimal_or_base64_of_32_bytes_or_more() {
        let key = |bytes: usize| Some(vec![0xfb; bytes]);
        for (name, text, expected) in [
            ("hexadecimal", "fb".repeat(32), key(32)),
            ("upper case", "FB".repeat(32), key(32)),
            ("with a line break behind", "fb".repeat(32) + "\n", key(32)),
            ("the longest", "fb".repeat(256), key(256)),
            ("a byte more", "fb".repeat(257), None),
            ("a byte less", "fb".repeat(31), None),
            ("half a byte more", "fb".repeat(32) + "f", None),
            ("base64", "+/v7".repeat(10) + "+/v7+/s=", None),
            ("33 bytes", "+/v7".repeat(11), key(33)),
            ("of the other alphabet", "-_v7".repeat(11), key(33)),
            ("of both", "-_v7".repeat(10) + "+/v7", None),
            ("with padding", "+/v7".repeat(10) + "+/s=", key(32)),
            ("without padding", "+/v7".repeat(10) + "+/s", key(32)),
            ("stray bits", "+/v7".repeat(10) + "+/t=", None),
            ("too short", "+/v7".repeat(10), None),
            ("nothing", String::new(), None),
            (
                "other text",
                "a password that is long enough, or so it seems".to_owned(),
                None,
            ),
        ] {
            let found = bytes(text.trim());
            assert_eq!(NonceKey::read(&text).is_some(), found.is_some(), "{name}");
            match name {
                "base64" => assert_eq!(found.map(|bytes| bytes.len()), Some(35), "{name}"),
                _ => assert_eq!(found, expected, "{name}"),
            }
        }
    }

    #[test]
    fn a_nonce_is_taken_for_its_own_time_and_the_next() {
        let key = NonceKey::read(&"01".repeat(32)).expect("a key");
        let start = 1_800_000_000 / NonceKey::STEP * NonceKey::STEP;
        let nonce = key.current(start);
        assert_eq!(nonce.len(), 22);
        for (name, now, expected) in [
            ("at once", start, Age::Current),
            ("its last second", start + 299, Age::Current),
            ("a second later", start + 300, Age::Previous),
            ("the last second of the next", start + 599, Age::Previous),
            ("gone", start + 600, Age::Unknown),
            ("before its time", start - 1, Age::Unknown),
            ("the beginning of time", 0, Age::Unknown),
            ("the end of time", u64::MAX, Age::Unknown),
        ] {
            assert_eq!(key.age(&nonce, now), expected, "{name}");
            assert_eq!(key.age(&key.current(now), now), Age::Current, "{name}");
        }
        let now = start;
        let other = NonceKey::read(&"02".repeat(32)).expect("a key");
        assert_eq!(other.age(&nonce, now), Age::Unknown, "of another key");
        for (name, nonce) in [
            ("nothing", String::new()),
            ("cut", nonce.chars().take(21).collect()),
            ("longer", nonce.clone() + "A"),
            ("padded", nonce.clone() + "=="),
            ("rubbish", "x".repeat(4096)),
        ] {
            assert_eq!(key.age(&nonce, now), Age::Unknown, "{name}");
        }
        assert_eq!(format!("{key:?}"), "NonceKey");
    }

    #[test]
    fn a_nonce_is_the_hmac_of_its_step() {
        // Python: hmac.new(b"\x01"*32, b"fhir-guard dpop nonce v1" + (6000000).to_bytes(8, "big"), "sha256")
        let key = NonceKey::read(&"01".repeat(32)).expect("a key");
        assert_eq!(
            key.current(6_000_000 * NonceKey::STEP),
            "XzRm76t0-GMlU1tdba_fKQ"
        );
    }
}
