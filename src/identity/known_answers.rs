//! Which signatures the host verifies: only those of which it knew every answer at start-up.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Algorithm;
use super::signature::{HostCheck, host_check};

/// The algorithms whose signatures the host verifies. Empty unless [`HostAlgorithms::of`] was shown
/// right answers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HostAlgorithms(Vec<Algorithm>);

/// A question to the host whose answer is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnownAnswer {
    algorithm: Algorithm,
    check: HostCheck,
    holds: bool,
}

/// Every question: for each algorithm that a host may have, one signature as it is, and three that do
/// not hold, because of a bit of the signature, a bit of the text, or another key.
pub fn known_answers() -> Vec<KnownAnswer> {
    VECTORS.iter().flat_map(Vector::questions).collect()
}

impl HostAlgorithms {
    /// What a host is trusted with that answers these questions so; see [`HostAlgorithms::of`].
    pub fn asking(
        questions: Vec<KnownAnswer>,
        mut host: impl FnMut(&HostCheck) -> Option<bool>,
    ) -> Self {
        let questions = questions.into_iter();
        let answers: Vec<_> = questions
            .map(|question| {
                let answer = host(&question.check);
                (question, answer)
            })
            .collect();
        HostAlgorithms::of(&answers)
    }

    /// The algorithms of which every question was answered, and rightly; `None` is a call that failed,
    /// which is as good as `false` where the signature does not hold. A host that says `true` to
    /// everything, or `false`, verifies nothing.
    pub fn of(answers: &[(KnownAnswer, Option<bool>)]) -> Self {
        let right = |(question, answer): &&(KnownAnswer, Option<bool>)| {
            (*answer == Some(true)) == question.holds
        };
        let all_right = |vector: &&Vector| {
            let asked = vector.questions();
            let all = asked.iter().all(|question| {
                let mut own = answers.iter().filter(|(other, _)| other == question);
                own.next().is_some_and(|own| right(&own)) && own.next().is_none()
            });
            all && asked.len() == QUESTIONS
        };
        let found = VECTORS.iter().filter(all_right);
        HostAlgorithms(found.map(|vector| vector.algorithm).collect())
    }

    /// Whether the host verifies signatures of this algorithm.
    pub fn has(&self, algorithm: Algorithm) -> bool {
        self.0.contains(&algorithm)
    }

    /// Their registered names, for the log.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|algorithm| algorithm.name()).collect()
    }
}

impl KnownAnswer {
    /// What the host is asked.
    pub fn check(&self) -> &HostCheck {
        &self.check
    }
}

/// Questions about one vector.
const QUESTIONS: usize = 4;

/// A signature of [`TEXT`]: keys as SubjectPublicKeyInfo and the signature as JWS has it, in base64.
struct Vector {
    algorithm: Algorithm,
    key: &'static str,
    other_key: &'static str,
    signature: &'static str,
}

impl Vector {
    /// One that holds, and three that do not; fewer for a vector that cannot be read, which then is
    /// never right.
    fn questions(&self) -> Vec<KnownAnswer> {
        let read = |text: &str| STANDARD.decode(text).unwrap_or_default();
        let signature = read(self.signature);
        let other_signature = altered(&signature);
        let key: Rc<[u8]> = read(self.key).into();
        let other_key: Rc<[u8]> = read(self.other_key).into();
        let other_text = altered(TEXT);
        let rows = [
            (&key, &signature, TEXT, true),
            (&key, &other_signature, TEXT, false),
            (&key, &signature, other_text.as_slice(), false),
            (&other_key, &signature, TEXT, false),
        ];
        let question = |(key, signature, text, holds): (&Rc<[u8]>, &Vec<u8>, &[u8], bool)| {
            Some(KnownAnswer {
                algorithm: self.algorithm,
                check: host_check(self.algorithm, key, text, signature)?,
                holds,
            })
        };
        rows.into_iter().filter_map(question).collect()
    }
}

/// The same bytes with the last bit turned over: the signature stays as long, and r and s numbers.
fn altered(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    bytes
}

/// What is signed.
const TEXT: &[u8] = b"fhir-guard";

const VECTORS: [Vector; 6] = [
    Vector {
        algorithm: Algorithm::Rs256,
        key: RSA,
        other_key: OTHER_RSA,
        signature: RS256,
    },
    Vector {
        algorithm: Algorithm::Rs384,
        key: RSA,
        other_key: OTHER_RSA,
        signature: RS384,
    },
    Vector {
        algorithm: Algorithm::Rs512,
        key: RSA,
        other_key: OTHER_RSA,
        signature: RS512,
    },
    Vector {
        algorithm: Algorithm::Es256,
        key: P256,
        other_key: OTHER_P256,
        signature: ES256,
    },
    Vector {
        algorithm: Algorithm::Es384,
        key: P384,
        other_key: OTHER_P384,
        signature: ES384,
    },
    Vector {
        algorithm: Algorithm::Es512,
        key: P521,
        other_key: OTHER_P521,
        signature: ES512,
    },
];

// Made once with OpenSSL by way of Python; the private keys are gone.
const RSA: &str = "\
    MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuKIV1IiCIrxGscDAHSmcxFYYEj8eYg893xBiQeOXnFhP\
    Ip0VakqA5H4LZQi8/f80B9dt+i43zNm7uJ34OStfZVhso/Rl6HULXGiaYzH2eJtxiWTqYROje0qPDs335X3i6olK\
    1lBp9qXe6pGYIv6WdGwpjW+5s5ce7GBeSFzoO7H2xfV9a9sKpNRPCvyAdfstWjTiUxbnhmdZtTbLyFCAqJPJQQIV\
    8QfHwT56OdTN79cy6591jLA1f0AjNmxSaWB1dniQzZOG0g6IU5K7FvrMbcyVq4Hwtpw8wXWs6v7T7cxocTzS/Qbh\
    zQDpd9cgDaLLwQj0ksPJF/isZ3k7TjrZrQIDAQAB";
const OTHER_RSA: &str = "\
    MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqx6gX8bbFeIRWWpeG+XaMP+qOX8acssP15kTSgQQdTV5\
    3HUX90mD0rOJpAO0MoYof1DmV0Q3Kh1xScuOgPM+M5pfQtpBsnvxiogleQi1RY3pvRHsydUrGw758/paGpKMVS6R\
    ihfMV7pwyf7rPOzG03kZ8QZQT62b87dh1JvpJypZT4NY0iBm/C0bp3BFiNMm7nCuNv2V4BAVmlJQXSaWOIFWen9r\
    JF0jx6nvuszBmGN9HGWhbi6Cyovu+DRyLRj/0zmS4Wp8ReuiKXuLNsUdjodHUqTvnwQ4NpZBQg94qGCOxshtNqhJ\
    pxIT3ZZn/McOxQppoA0xDOU09KMuG4ahdQIDAQAB";
const RS256: &str = "\
    aPpErYdpx1vA20BQf7OK01o4EkGxGaME6Yqj4JQnHKIisT2CypQnvhzz2CVEN0nUWM7m3aGNBj8LhB+4tJsyX+V7\
    uhngWMrJDDGz9LmWZz+5GFUzZdh2KOGzXxA5w1OwfE+gXIIuMopWeha7aWtjfhWjsSt8LFV4rE8AvhRXuNP12V/L\
    U+488BZbYg/bNGGFzVOUO+dLwsM9mjwAWEFNzkC14KunhRJfc309BSLQ7JxH/0FJyNGcpIZdnuffZgDEpF3GSqNf\
    WC/JFtQWL5Zlj8puQzaRaNmrh6vZ6CN3IM7WnoaRBpKnHCCpJkqMUtwPBNG0yUy/LrpdHBxxCtJHEA==";
const RS384: &str = "\
    Xh7MHzeqvEOAbcJ44j83oShi8jOAXXG0fcNq9IfXQu7cTmcWfiJi733Yx8grq2I/0f8Ck+OpwTP8YRVxxI7VkDg5\
    wKwx95u3vgKA510q4U52d6mbzc9A4LLVlfZCrEetoXFTwfx3n6wJFYc1vWEg/pmpN85uH/q6Yw+ydcAXvy8O9A+y\
    UGUiXYH1KzfrsHcGsczsgzz4NJjIzDTnt5vOSBJ5OxVFfM689M31eDqCkBsmrjJTAPPrVSPkLAjNl0bimYC3vcW6\
    IkvbC/FcrGhcc4NBDsnIe1hWHbMErzp+oV2alT/q8OI57U5w5wutBcGShJyqMjSShQdi2+8XaSmpPQ==";
const RS512: &str = "\
    E9dwtSvjCzjvaSJ3OKger09iI4OPJ7Sny7ducfOCthNgSrz538eoQqZuZb4ZlH0g5dlFP9UsN2M1+FWpWDVTYC6A\
    masnCCmc8qyNs815Uctqt/oWZXOx8mcnWCR3Gh4TUZHCTodfftgCO99EuzJEkmUy6jGpM/NmsxYZt2WsaWKrTYoi\
    vvIOpf3ZJHUg7TkeStWOZr4l9Yf+pULkoBVpsYOUbYuvi0RI5B/yv4ZqIWf1DinOPhSCaosA7yjSCZDZO+yYpGjs\
    pzB8b1v/hMYm1kyBxVyxj4kJxNJQiPl15NQPwAE7/E6zUzYJR+caKxKvmg+tgzKaMbwdSHIdN5eCUQ==";
const P256: &str = "\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEwh4FgD2D541KxA+yGxX2pOVtZ/tJbiOnQKOdQvxoxiRxybMpYj9F\
    j/W2xzCFSgdnu9R9QW0qFUnBZ8A8B8yrTw==";
const OTHER_P256: &str = "\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEA5tq2SAk3XurQd+uHen3akYKltu+azG/egmTwcjikEHgoCIRm57K\
    WlEVCO+v4CLqTE1cOh3cfS+RAIbXR+9S9g==";
const ES256: &str = "\
    GAnRbgbbBxivnOGvGG8v25yb376FHlAh5H7lsYB4bzA5FGqUdG+M4Zj2/EDDFaTkLRnzQAvNh/jZrIPuM3gEYA==";
const P384: &str = "\
    MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE95dfLb3ddk3oyE56SYKc4YUuk3V1CyHthuRw/8YXXKfWddYOB0W1rBpO\
    7/pWhyrLaAKBLcOtF4Ef6KKwd/5ymh+Q2dtrqpdcwcoM8NW2+5f2PfgoDsJqiie4zvC4fmCp";
const OTHER_P384: &str = "\
    MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEAruuMidjRomUMX6anTLZn/ik24ffGRVPIoWcIujS5LO+qHNKKKFXXXvG\
    0fMiTpKMsXq82sg3yntgCUs/5BIPDT8vWdz9Qyq2x2ylcOWUnwaB68BBvq/5JXUgq1tUMPRg";
const ES384: &str = "\
    JXNzi0qFoShk0FW/JuK/pfR6VLSlmeWJ/1AD5GV9ZcuzKjo+cGDQ3OKapNy2Y1OUr85nBfls8zzU2RSR0csQQHYy\
    OXXhQ9vix2KhzUr4D09/wvpDgPc1qR6dAXPeyhqP";
const P521: &str = "\
    MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAKW2bTGrLepBFSyKmUvJjpJ5DZOKkLYwENAQFyWQLuFeypRwoDjZz\
    2YU/4YpB5JDWVRoVPEDb9xgL0iJwUzNl6HgB7bkcFLoYDT08fNJY7xrvIIk1bvBh1X2ql3oq875SLZUf3wu9O+7I\
    4pm8QoNi+gT75PeYmACesRr57Ll4Jo2S8NI=";
const OTHER_P521: &str = "\
    MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBaDJq3Rk4j0QYLkeGRkcoKARnucggeq02XPzcVLL8rnxLd1UI7ya3\
    0orz5PZVnLwF0/bs0NMPYdqk+nR56Eqz/R0AzO2S/ggCu7s4QRSMT6xNw8SBJMDJiLIvPnsmI0PiTPj1wuVEBRYC\
    VmBbc4J2KIcTBl8B5aWHfJjy9gBWZekzyEE=";
const ES512: &str = "\
    ASYGVEjJQFOPQK2H6UaoIqZfQ2qRpyx2LxE6wTFGC5YFKpzusW4k5ZJYpr/Fa6DIwpQeN8lzc2T0RvxardoKQgj8\
    AfWJn7LTcu6rj996z9ADIHh2Bf5iZ/4emFPKAoG3DSdqaPfQ9byD3SEVS8s0TrIK+LMM4/g0LceFtKpJu2Qc9GHO";
