//! Texts that a client carries for us: nobody else can read, change or make one, nor use that of another.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::MacKey;

/// What a text is sealed for. Whoever opens it must say the same.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a> {
    /// What it is. A change of its form takes another number.
    pub purpose: &'static str,
    /// For whom. Each is told with its length, so that no two are one.
    pub bound: &'a [&'a str],
}

/// Bytes of the nonce (draft-irtf-cfrg-xchacha-03 section 2.3).
const NONCE: usize = 24;

impl Sealed<'_> {
    /// The text in base64url, good before this time, in seconds since 1970. It is 48 bytes longer than the
    /// text, before base64url.
    ///
    /// XChaCha20-Poly1305 under a key made for the purpose. There is no randomness here, so the nonce is a code
    /// of all that is sealed: it comes again for the same text only.
    pub fn seal(&self, key: &MacKey, until: u64, text: &str) -> Option<String> {
        let plain = [&until.to_be_bytes(), text.as_bytes()].concat();
        let bound = self.bound();
        let nonce = key.code(self.purpose, &[b"nonce", &*bound, &*plain].concat());
        let nonce: [u8; NONCE] = nonce.first_chunk().copied()?;
        let payload = Payload {
            msg: &plain,
            aad: &bound,
        };
        let covered = self.cipher(key).encrypt(&XNonce::from(nonce), payload);
        Some(URL_SAFE_NO_PAD.encode([&nonce[..], &covered.ok()?].concat()))
    }

    /// The text, if it was sealed for the same and is still good; `now` is in seconds since 1970.
    pub fn open(&self, key: &MacKey, now: u64, sealed: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, covered) = bytes.split_first_chunk::<NONCE>()?;
        let payload = Payload {
            msg: covered,
            aad: &self.bound(),
        };
        let plain = self.cipher(key).decrypt(&XNonce::from(*nonce), payload);
        let plain = plain.ok()?;
        let (until, text) = plain.split_first_chunk::<8>()?;
        let good = now < u64::from_be_bytes(*until);
        String::from_utf8(text.to_vec()).ok().filter(|_| good)
    }

    fn cipher(&self, key: &MacKey) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&key.code(self.purpose, b"key").into())
    }

    fn bound(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for part in self.bound {
            all.extend((part.len() as u64).to_be_bytes());
            all.extend(part.as_bytes());
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: &str) -> MacKey {
        MacKey::read(&byte.repeat(32)).expect("a key")
    }

    const OWN: Sealed<'static> = Sealed {
        purpose: "one",
        bound: &["ab", "c"],
    };

    #[test]
    fn what_is_sealed_opens_for_the_same_only() {
        for text in ["", "a", "Observation?_cursor=1", &"long ".repeat(800)] {
            let sealed = OWN.seal(&key("01"), 100, text).expect("it can be sealed");
            assert_eq!(
                sealed.len(),
                (text.len() + 48).div_ceil(3) * 4 - (3 - (text.len() + 48) % 3) % 3
            );
            let other = |purpose, bound| Sealed { purpose, bound };
            for (name, how, secret, now, opens) in [
                ("the same", OWN, "01", 99, true),
                ("too late", OWN, "01", 100, false),
                ("another key", OWN, "02", 99, false),
                (
                    "another purpose",
                    other("two", &["ab", "c"]),
                    "01",
                    99,
                    false,
                ),
                (
                    "bound to others",
                    other("one", &["a", "bc"]),
                    "01",
                    99,
                    false,
                ),
                ("bound to less", other("one", &["ab"]), "01", 99, false),
            ] {
                let found = how.open(&key(secret), now, &sealed);
                assert_eq!(found.as_deref(), opens.then_some(text), "{name}");
            }
            // It tells nothing but its length.
            let bytes = URL_SAFE_NO_PAD.decode(&sealed).expect("base64url");
            let tells = bytes
                .windows(8)
                .any(|part| text.as_bytes().windows(8).any(|own| own == part));
            assert!(!tells, "{text}");
        }
    }

    #[test]
    fn no_byte_of_it_can_be_another() {
        let sealed = OWN.seal(&key("01"), 100, "text").expect("it can be sealed");
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).expect("base64url");
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut forged = bytes.clone();
                forged[at] ^= 1 << bit;
                let forged = URL_SAFE_NO_PAD.encode(&forged);
                assert_eq!(OWN.open(&key("01"), 1, &forged), None, "byte {at}");
            }
        }
        for length in 0..sealed.len() {
            let short = sealed.get(..length).expect("ASCII");
            assert_eq!(OWN.open(&key("01"), 1, short), None, "{length} of it");
        }
        for other in [
            "",
            "=",
            "\u{fc}",
            &format!("{sealed}="),
            &format!("{sealed}A"),
        ] {
            assert_eq!(OWN.open(&key("01"), 1, other), None, "{other}");
        }
    }
}
