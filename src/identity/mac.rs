//! Keys of what this deployment says to itself: nonces, links that clients carry, and marks of recipients.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// A key for HMAC-SHA256 (RFC 2104).
#[derive(Clone)]
pub struct MacKey(Hmac<Sha256>);

/// The key is not shown.
impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey")
    }
}

impl MacKey {
    /// The fewest and the most bytes of a key.
    pub const BYTES: std::ops::RangeInclusive<usize> = 32..=256;

    /// Reads a key: hexadecimal digits, or base64 of either alphabet, with padding or without. `None`
    /// where it is neither, or has not 32 to 256 bytes.
    pub fn read(text: &str) -> Option<Self> {
        Hmac::new_from_slice(&bytes(text.trim())?).map(MacKey).ok()
    }

    /// 128 bits of the code for this message; the purpose, which keeps codes for one thing from being
    /// taken for another, stands before it.
    pub fn tag(&self, purpose: &'static str, message: &[u8]) -> [u8; 16] {
        let code = self.code(purpose, message);
        code.first_chunk().copied().unwrap_or_default()
    }

    /// All 256 bits of it.
    pub(super) fn code(&self, purpose: &'static str, message: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(purpose.as_bytes());
        mac.update(message);
        mac.finalize().into_bytes().into()
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let bytes = match text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => from_hex(text)?,
        false => from_base64(text)?,
    };
    MacKey::BYTES.contains(&bytes.len()).then_some(bytes)
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
            assert_eq!(MacKey::read(&text).is_some(), found.is_some(), "{name}");
            match name {
                "base64" => assert_eq!(found.map(|bytes| bytes.len()), Some(35), "{name}"),
                _ => assert_eq!(found, expected, "{name}"),
            }
        }
    }
}
