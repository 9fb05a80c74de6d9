//! The messages of the foreign function `verify_signature`, two protobufs
//! (`source/extensions/common/wasm/foreign.cc` of Envoy, since 1.30):
//!
//! ```text
//! VerifySignatureArguments { string hash_function = 1; bytes public_key = 2; bytes signature = 3;
//!                            bytes text = 4; }
//! VerifySignatureResult    { bool result = 1; string error = 2; }
//! ```

/// The name of the function.
pub const FUNCTION: &str = "verify_signature";

/// The longest answer that is read, in bytes. The text of an error is short, and nobody reads it.
const MAX_ANSWER: usize = 1024;

/// Writes the arguments: a hash function by name, a public key in DER, a signature in the form that
/// goes with the key, and what was signed.
pub fn arguments(hash: &str, key: &[u8], signature: &[u8], text: &[u8]) -> Vec<u8> {
    let fields = [hash.as_bytes(), key, signature, text];
    let size: usize = fields.iter().map(|field| field.len() + 11).sum();
    let mut out = Vec::with_capacity(size);
    for (number, field) in (1_u8..).zip(fields) {
        out.push(number << 3 | LENGTH_DELIMITED);
        push_varint(&mut out, field.len());
        out.extend_from_slice(field);
    }
    out
}

/// Reads an answer: whether the signature holds. `None`: it is not exactly a message that the function
/// writes. An empty one, though a protobuf, is what a host hands over that has done nothing; and one
/// that says both that the signature holds and what was wrong says neither.
pub fn answer(bytes: &[u8]) -> Option<bool> {
    if bytes.len() > MAX_ANSWER {
        return None;
    }
    let (holds, error) = match bytes {
        [RESULT, 1, rest @ ..] => (true, rest),
        // A field of its default value is left out, and may be written.
        [RESULT, 0, rest @ ..] => (false, rest),
        [_, ..] => (false, bytes),
        [] => return None,
    };
    match error {
        [] => Some(holds),
        [ERROR, text @ ..] if !holds => whole(text).then_some(false),
        _ => None,
    }
}

/// Wire type of texts and bytes.
const LENGTH_DELIMITED: u8 = 2;

/// Tag of `result`.
const RESULT: u8 = 1 << 3;

/// Tag of `error`.
const ERROR: u8 = 2 << 3 | LENGTH_DELIMITED;

fn push_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Whether these are a length and that many bytes of UTF-8, and no more. Two bytes of length are enough
/// for [`MAX_ANSWER`].
fn whole(field: &[u8]) -> bool {
    let (length, text) = match field {
        [low @ 0..0x80, text @ ..] => (usize::from(*low), text),
        [low, high @ 1..0x80, text @ ..] => {
            (usize::from(*low & 0x7f) | usize::from(*high) << 7, text)
        }
        _ => return false,
    };
    text.len() == length && std::str::from_utf8(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_four_fields_in_order() {
        let check = |name: &str, fields: [&[u8]; 4], expected: &[u8]| {
            let [hash, key, signature, text] = fields;
            let hash = std::str::from_utf8(hash).expect("text");
            assert_eq!(arguments(hash, key, signature, text), expected, "{name}");
        };
        check(
            "short",
            [b"sha256", b"k", b"si", b"txt"],
            b"\x0a\x06sha256\x12\x01k\x1a\x02si\x22\x03txt",
        );
        check(
            "empty",
            [b"", b"", b"", b""],
            &[0x0a, 0, 0x12, 0, 0x1a, 0, 0x22, 0],
        );
        let long = |size: usize, length: &[u8]| {
            let text = vec![7; size];
            let expected = [&[0x0a, 0, 0x12, 0, 0x1a, 0, 0x22], length, &text].concat();
            check(&size.to_string(), [b"", b"", b"", &text], &expected);
        };
        long(127, &[0x7f]);
        long(128, &[0x80, 0x01]);
        long(8192, &[0x80, 0x40]);
        long(16_384, &[0x80, 0x80, 0x01]);
    }

    #[test]
    fn an_answer_is_read_exactly_or_not_at_all() {
        let check = |name: &str, bytes: &[u8], expected: Option<bool>| {
            assert_eq!(answer(bytes), expected, "{name}");
        };
        let error = |text: &[u8]| {
            let mut out = vec![0x12];
            push_varint(&mut out, text.len());
            out.extend(text);
            out
        };
        check("it holds", &[8, 1], Some(true));
        check("it does not", &[8, 0], Some(false));
        check("why not", &error(b"no"), Some(false));
        check("both", &[&[8, 0][..], &error(b"no")].concat(), Some(false));
        check("no reason", &error(b""), Some(false));
        check("a long reason", &error(&[b'x'; 1021]), Some(false));
        check("a longer reason", &error(&[b'x'; 1022]), None);
        check("nothing", b"", None);
        check("a tag alone", &[8], None);
        check("another boolean", &[8, 2], None);
        check("a wide boolean", &[8, 0x81, 0], None);
        check("twice", &[8, 1, 8, 1], None);
        check("no, then yes", &[8, 0, 8, 1], None);
        check("something behind", &[8, 1, 0], None);
        check("it holds, and why not", &[8, 1, 0x12, 1, b'x'], None);
        check("it holds, and an empty reason", &[8, 1, 0x12, 0], None);
        check("the reason first", &[0x12, 1, b'x', 8, 1], None);
        check("an unknown field", &[0x18, 1], None);
        check("another wire type", &[9, 1, 0, 0, 0, 0, 0, 0, 0], None);
        check("a reason cut short", &[0x12, 2, b'x'], None);
        check("a reason that goes on", &[0x12, 1, b'x', b'y'], None);
        check("no length", &[0x12], None);
        check("a length cut short", &[0x12, 0x80], None);
        check("a length in too many bytes", &[0x12, 0x81, 0, b'x'], None);
        check("no text", &[0x12, 1, 0xff], None);
        check("text", b"true", None);
        check("one byte", &[1], None);
        check("rubbish", &[0xff; 64], None);
    }
}
