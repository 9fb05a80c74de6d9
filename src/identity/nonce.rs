//! Nonces that a proof must have (RFC 9449 section 9): made from a key and the time, and kept nowhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use super::MacKey;

/// The key of the nonces. Every Envoy with the same key takes the nonces of the others.
#[derive(Clone, Debug)]
pub struct NonceKey(MacKey);

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
    /// How long a nonce is the newest, in seconds; it is taken for as long again.
    pub const STEP: u64 = 300;

    /// The nonces of this key.
    pub fn new(key: MacKey) -> Self {
        NonceKey(key)
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
        let mac = self.0.tag("fhir-guard dpop nonce v1", &step.to_be_bytes());
        URL_SAFE_NO_PAD.encode(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(byte: &str) -> NonceKey {
        NonceKey::new(MacKey::read(&byte.repeat(32)).expect("a key"))
    }

    #[test]
    fn a_nonce_is_taken_for_its_own_time_and_the_next() {
        let key = of("01");
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
        let other = of("02");
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
        assert_eq!(format!("{key:?}"), "NonceKey(MacKey)");
    }

    #[test]
    fn a_nonce_is_the_hmac_of_its_step() {
        // Python: hmac.new(b"\x01"*32, b"fhir-guard dpop nonce v1" + (6000000).to_bytes(8, "big"), "sha256")
        let key = of("01");
        assert_eq!(
            key.current(6_000_000 * NonceKey::STEP),
            "XzRm76t0-GMlU1tdba_fKQ"
        );
    }
}
