//! Tokens that do not hold, and the ones next to them that do.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fhir_guard_harness::client::Client;
use fhir_guard_harness::tokens::{Algorithm, Claims, Forgery};
use serde_json::{Value, json};

use super::{claims, read};
use crate::table::{EXPIRED, FORGED, Table};
use crate::world::{Setting, World};

pub(super) struct Tokens<'w> {
    pub(super) table: Table<'w>,
    pub(super) client: Client,
}

impl Tokens<'_> {
    /// A token that must open the door.
    pub(super) async fn good(&mut self, name: &str, claims: Claims) {
        let token = self.table.world.issuer.token(&claims);
        self.good_text(name, &token).await;
    }

    async fn good_text(&mut self, name: &str, token: &str) {
        let answer = self.table.answered(name, &self.client, read(token), 200);
        answer.await;
    }

    /// A token that must not, with the fault that only the record tells.
    pub(super) async fn bad(&mut self, name: &str, claims: Claims, fault: &str) {
        let token = self.table.world.issuer.token(&claims);
        self.bad_text(name, &token, fault).await;
    }

    pub(super) async fn bad_text(&mut self, name: &str, token: &str, fault: &str) {
        let refusal = if fault == "expired" { EXPIRED } else { FORGED };
        let rule = format!("token.{fault}");
        self.table
            .refused(name, &self.client, read(token), refusal, &rule)
            .await;
    }

    pub(super) fn claims(&self) -> Claims {
        self.table.world.claims().scope("patient/*.rs")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_judged_by_its_every_part() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["issuers"][0]["claims"] = json!({ "patient": ["/patient", "/launch/patient"] });
        })),
        ..Setting::default()
    })
    .await;
    let mut tokens = Tokens {
        table: Table::new(&world),
        client: world.client().reuse(true),
    };
    algorithms(&mut tokens).await;
    headers(&mut tokens).await;
    signatures(&mut tokens).await;
    claims::identities(&mut tokens).await;
    claims::times(&mut tokens).await;
    claims::claims(&mut tokens).await;
    claims::patients(&mut tokens).await;
    forms(&mut tokens).await;
    sizes(&mut tokens).await;
    tokens.table.finish().await;
    world.close().await;
}

async fn algorithms(tokens: &mut Tokens<'_>) {
    for algorithm in Algorithm::ALL {
        let name = algorithm.name();
        let claims = tokens.claims().algorithm(algorithm);
        tokens.good(name, claims.clone()).await;
        let unsigned = claims.clone().forged(Forgery::Unsigned);
        tokens
            .bad(&format!("{name}, unsigned"), unsigned, "algorithm")
            .await;
        for forgery in [Forgery::HmacOfPublicKeyDer, Forgery::HmacOfPublicKeyPem] {
            let name = format!("{name}, {forgery:?}");
            tokens
                .bad(&name, claims.clone().forged(forgery), "algorithm")
                .await;
        }
        for other in Algorithm::ALL {
            if other == algorithm {
                continue;
            }
            let named = claims.clone().header("alg", json!(other.name()));
            let name = format!("{name} key, {} named", other.name());
            tokens.bad(&name, named, "algorithm").await;
            let signed = claims.clone().forged(Forgery::KeyOf(other));
            let name = format!("{name}, {} signed", other.name());
            tokens.bad(&name, signed, "signature").await;
        }
    }
    for alg in [
        "none", "None", "NONE", "nOnE", "", "es256", "HS256", "HS384", "HS512", "ES256K", "RS1",
        "dir",
    ] {
        let claims = tokens.claims().header("alg", json!(alg));
        tokens
            .bad(&format!("alg {alg:?}"), claims, "algorithm")
            .await;
    }
    for alg in [json!(null), json!(1), json!(["ES256"]), json!({"ES256": 1})] {
        let claims = tokens.claims().header("alg", alg.clone());
        tokens.bad(&format!("alg {alg}"), claims, "algorithm").await;
    }
    let claims = tokens.claims().without("alg");
    tokens.bad("no alg", claims, "algorithm").await;
}

async fn headers(tokens: &mut Tokens<'_>) {
    let world = tokens.table.world;
    let jwk = world.issuer.impostor().jwk(Algorithm::Es256);
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("jku", json!("https://evil.example.org/jwks")),
        ("x5u", json!("https://evil.example.org/cert")),
        ("jwk", jwk.clone()),
        ("x5c", json!(["MIIB"])),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
        ("jku", json!(null)),
    ] {
        let claims = tokens.claims().header(name, value.clone());
        tokens
            .bad(&format!("{name}: {value}"), claims, "header")
            .await;
    }
    let claims = tokens.claims().header("jwk", jwk);
    let own_key = world.issuer.impostor().token(&claims);
    tokens
        .bad_text("signed with the key it brings", &own_key, "header")
        .await;
    for media_type in [
        json!("JWT"),
        json!("jwt"),
        json!(""),
        json!("at+jwt;x"),
        json!("dpop+jwt"),
        json!("logout+jwt"),
        json!(1),
        json!(["at+jwt"]),
        json!("text/at+jwt"),
    ] {
        let claims = tokens.claims().header("typ", media_type.clone());
        tokens
            .bad(&format!("typ {media_type}"), claims, "type")
            .await;
    }
    let claims = tokens.claims().without("typ");
    tokens.bad("no typ", claims, "type").await;
    for media_type in ["application/at+jwt", "AT+JWT"] {
        let claims = tokens.claims().header("typ", json!(media_type));
        tokens.good(media_type, claims).await;
    }
    // A kid is a name in our own list, never a place to look at.
    for kid in [
        "es256-1",
        "",
        "../../../dev/null",
        "' OR 1=1",
        "https://evil.example.org/",
        "es256-0 ",
    ] {
        let claims = tokens.claims().header("kid", json!(kid));
        tokens.bad(&format!("kid {kid:?}"), claims, "key").await;
    }
    for kid in [json!(0), json!(null), json!(["es256-0"])] {
        let claims = tokens.claims().header("kid", kid.clone());
        tokens.bad(&format!("kid {kid}"), claims, "header").await;
    }
    let claims = tokens.claims().header("kid", json!("es384-0"));
    tokens
        .bad("the kid of another algorithm", claims, "algorithm")
        .await;
    let claims = tokens.claims().without("kid");
    tokens
        .good("no kid, and one key of the algorithm", claims)
        .await;
}

async fn signatures(tokens: &mut Tokens<'_>) {
    let world = tokens.table.world;
    for algorithm in Algorithm::ALL {
        let claims = tokens.claims().algorithm(algorithm);
        let token = world.issuer.impostor().token(&claims);
        let name = algorithm.name();
        tokens
            .bad_text(&format!("{name} of an impostor"), &token, "signature")
            .await;
        for forgery in [
            Forgery::FlippedBit(0),
            Forgery::FlippedBit(300),
            Forgery::FlippedBit(usize::MAX),
            Forgery::Truncated(0),
            Forgery::Truncated(63),
            Forgery::Bytes(vec![0; 64]),
            Forgery::Bytes(vec![0; 96]),
            Forgery::Bytes(vec![0xff; 256]),
            Forgery::Bytes(vec![1; 65]),
        ] {
            let name = format!("{name} {forgery:?}");
            let claims = claims.clone().forged(forgery);
            tokens.bad(&name, claims, "signature").await;
        }
    }
    // The signature of one token under the claims of another.
    let good = world.issuer.token(&tokens.claims());
    let other = world.issuer.token(&tokens.claims().scope("system/*.cruds"));
    let (message, _) = other.rsplit_once('.').expect("three parts");
    let (_, signature) = good.rsplit_once('.').expect("three parts");
    tokens
        .bad_text(
            "another token's signature",
            &format!("{message}.{signature}"),
            "signature",
        )
        .await;
}

/// Texts that two readers would read in two ways.
async fn forms(tokens: &mut Tokens<'_>) {
    let world = tokens.table.world;
    let good = payload(tokens, "x", "1");
    let inside = |member: &str| good.replacen('{', &format!("{{{member},"), 1);
    for (name, payload) in [
        ("patient twice", inside(r#""patient":"p2""#)),
        ("an escaped name twice", inside(r#""p\u0061tient":"p2""#)),
        ("a nested name twice", inside(r#""y":{"a":1,"a":1}"#)),
        ("empty", String::new()),
        ("a list", format!("[{good}]")),
        ("a string", "\"x\"".to_owned()),
        ("null", "null".to_owned()),
        ("two values", format!("{good}{good}")),
        ("something behind", format!("{good}x")),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("a trailing comma", good.replace('}', ",}")),
        ("a comment", format!("/**/{good}")),
        ("single quotes", good.replace('"', "'")),
        ("cut", good.trim_end_matches('}').to_owned()),
        (
            "deep",
            inside(&format!("\"y\":{}{}", "[".repeat(100), "]".repeat(100))),
        ),
        (
            "very deep",
            inside(&format!("\"y\":{}{}", "[".repeat(2000), "]".repeat(2000))),
        ),
        ("a lone surrogate", inside(r#""y":"\ud800""#)),
        ("NaN", inside(r#""y":NaN"#)),
    ] {
        let claims = tokens.claims().raw_payload(payload);
        tokens
            .bad(&format!("payload: {name}"), claims, "malformed")
            .await;
    }
    let claims = tokens
        .claims()
        .raw_payload(b"{\"x\":\"\xff\xfe\"}".as_slice());
    tokens.bad("payload: not UTF-8", claims, "malformed").await;
    for (name, header) in [
        (
            "alg twice",
            r#"{"alg":"none","alg":"ES256","kid":"es256-0","typ":"at+jwt"}"#,
        ),
        (
            "kid twice",
            r#"{"alg":"ES256","kid":"x","kid":"es256-0","typ":"at+jwt"}"#,
        ),
        ("empty", ""),
        ("a list", r#"[{"alg":"ES256"}]"#),
        (
            "a byte order mark",
            "\u{feff}{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}",
        ),
    ] {
        let claims = tokens.claims().raw_header(header);
        tokens
            .bad(&format!("header: {name}"), claims, "malformed")
            .await;
    }

    let token = world.issuer.token(&tokens.claims());
    let [header, payload, signature]: [&str; 3] = token
        .split('.')
        .collect::<Vec<_>>()
        .try_into()
        .expect("three parts");
    let standard = |text: &str| text.replace('-', "+").replace('_', "/");
    let wrong = |text: &str| format!("{text}~");
    for (name, text) in [
        ("one part", header.to_owned()),
        ("two parts", format!("{header}.{payload}")),
        ("four parts", format!("{token}.{signature}")),
        (
            "five parts",
            format!("{header}..{payload}.{payload}.{signature}"),
        ),
        ("only dots", "..".to_owned()),
        ("no header", format!(".{payload}.{signature}")),
        ("no payload", format!("{header}..{signature}")),
        ("a dot before", format!(".{token}")),
        ("a dot behind", format!("{token}.")),
        ("an opaque token", "2YotnFZFEjr1zCsicMWpAA".to_owned()),
        (
            "not base64url",
            format!("{}.{payload}.{signature}", wrong(header)),
        ),
        (
            "a payload encoded twice",
            format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(payload)),
        ),
    ] {
        tokens.bad_text(name, &text, "malformed").await;
    }
    for (name, text) in [
        ("no signature", format!("{header}.{payload}.")),
        (
            "a cut signature",
            token.split_at(token.len() - 1).0.to_owned(),
        ),
        ("a padded signature", format!("{token}==")),
        (
            "a signature encoded twice",
            format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(signature)),
        ),
        (
            "a signature not in base64url",
            format!("{header}.{payload}.{}", wrong(signature)),
        ),
        ("stray bits behind the signature", stray_bits(&token)),
    ] {
        tokens.bad_text(name, &text, "signature").await;
    }
    let mut other = tokens.claims();
    for number in 0.. {
        let token = world.issuer.token(&other);
        let signature = token.rsplit('.').next().expect("a part");
        if standard(signature) != signature {
            let (message, signature) = token.rsplit_once('.').expect("three parts");
            let text = format!("{message}.{}", standard(signature));
            tokens
                .bad_text("the other base64 alphabet", &text, "signature")
                .await;
            break;
        }
        other = other.jti(&format!("token-{number}"));
    }
}

/// At most 8 KiB.
async fn sizes(tokens: &mut Tokens<'_>) {
    let world = tokens.table.world;
    let padded = |length: usize| {
        let claims = world.claims().scope("patient/*.rs");
        world
            .issuer
            .token(&claims.claim("pad", Value::from("x".repeat(length))))
    };
    // Four characters of base64 hold three bytes, so that not every length can be met.
    let largest = (5000..6200)
        .rev()
        .map(padded)
        .find(|token| token.len() <= 8192);
    let largest = largest.expect("a token that fits");
    assert!(largest.len() > 8188, "{}", largest.len());
    tokens.good_text("the largest token", &largest).await;
    let smallest = (5000..6200).map(padded).find(|token| token.len() > 8192);
    let smallest = smallest.expect("a token that does not fit");
    assert!(smallest.len() < 8197, "{}", smallest.len());
    tokens
        .bad_text("a token just too large", &smallest, "size")
        .await;
    tokens
        .bad_text("a much too large token", &padded(15_000), "size")
        .await;
    tokens
        .bad_text("8193 letters", &"a".repeat(8193), "size")
        .await;
}

/// The claims of a good token as JSON, with one more.
pub(super) fn payload(tokens: &Tokens<'_>, name: &str, value: &str) -> String {
    let value: Value = serde_json::from_str(value).expect("JSON");
    let token = tokens
        .table
        .world
        .issuer
        .token(&tokens.claims().claim(name, value));
    let payload = token.split('.').nth(1).expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    String::from_utf8(bytes).expect("UTF-8")
}

/// The same bytes in base64url that is not canonical: 86 characters carry 64 bytes and 4 bits.
fn stray_bits(token: &str) -> String {
    let (rest, last) = token.split_at(token.len() - 1);
    let last = match last {
        "A" => "B",
        "Q" => "R",
        "g" => "h",
        "w" => "x",
        other => panic!("{other} cannot end 64 bytes"),
    };
    format!("{rest}{last}")
}
