//! Two issuers beside each other: what one of them can do to the other's callers.

use fhir_guard_harness::tokens::{Algorithm, Claims, Issuer};

use super::*;

const OUR_AUDIENCE: &str = "https://fhir.example.org";
const THEIR_AUDIENCE: &str = "https://fhir.example.org/theirs";

/// Ours and theirs: other keys under the same `kid`, another audience, another place of the patient,
/// fewer clients and algorithms.
struct Tenants {
    world: Deployment,
    ours: Issuer,
    theirs: Issuer,
}

impl Tenants {
    fn new() -> Tenants {
        let (ours, theirs) = (
            Issuer::new("https://as.example.org"),
            Issuer::new("https://theirs.example.org"),
        );
        let own = theirs.clone();
        let world = Deployment::with(move |config| {
            config["issuers"][0]["tenant"] = json!("ours");
            config["issuers"][0]["algorithms"] = json!(["ES256", "ES384"]);
            let keys = [Algorithm::Es256, Algorithm::Es384].map(ours_jwk);
            config["issuers"][0]["keys"] = json!({"inline": {"keys": keys}});
            let second = json!({
                "issuer": own.name(),
                "tenant": "theirs",
                "audiences": [THEIR_AUDIENCE],
                "clients": ["clinic-a"],
                "algorithms": ["ES256"],
                "keys": {"inline": {"keys": [own.jwk(Algorithm::Es256)]}},
                "claims": {"patient": ["/launch/patient"]},
            });
            config["issuers"]
                .as_array_mut()
                .expect("a list")
                .push(second);
            config["limits"] =
                json!([{"name": "few", "key": ["client"], "rate": "1/d", "burst": 2}]);
        });
        Tenants {
            world,
            ours,
            theirs,
        }
    }

    fn our_claims(&self) -> Claims {
        self.world.claims().audience(OUR_AUDIENCE)
    }

    /// The same subject, client, token id and scopes as ours.
    fn their_claims(&self) -> Claims {
        let claims = self.world.claims().audience(THEIR_AUDIENCE);
        claims.claim("launch", json!({"patient": "p1"}))
    }

    /// How a read of this patient ends, and as whose it is recorded.
    fn ask(&mut self, token: &str, patient: &str) -> (String, Value) {
        let mut exchange = Exchange::default();
        let target = format!("GET /r4/Patient/{patient}");
        let head = self.world.head_with(token, &target, &[]);
        let step = self.world.ask(&mut exchange, head, true);
        let forwarded = matches!(step, Step::Forward(_));
        let record = self.world.record(&mut exchange);
        let rule = record["rule"].as_str().expect("a rule").to_owned();
        assert_eq!(forwarded, rule.starts_with("scope:"), "{record}");
        (rule, record["tenant"].clone())
    }
}

fn ours_jwk(algorithm: Algorithm) -> Value {
    Issuer::new("https://as.example.org").jwk(algorithm)
}

#[test]
fn nothing_of_one_issuer_reaches_another() {
    let allowed = "scope:patient/*.rs";
    let mut tenants = Tenants::new();
    let (ours, theirs) = (tenants.ours.clone(), tenants.theirs.clone());
    assert_eq!(
        ours.kid(Algorithm::Es256),
        theirs.kid(Algorithm::Es256),
        "the same kid"
    );
    let (our_name, their_name) = (ours.name().to_owned(), theirs.name().to_owned());
    let (our, their) = (tenants.our_claims(), tenants.their_claims());
    let rows: Vec<(&str, String, &str, &str)> = vec![
        ("ours", ours.token(&our), "p1", allowed),
        ("theirs", theirs.token(&their), "p1", allowed),
        (
            "their key, our name",
            theirs.token(&our.clone().claim("iss", json!(our_name))),
            "p1",
            "token.signature",
        ),
        (
            "our key, their name",
            ours.token(&their.clone().claim("iss", json!(their_name))),
            "p1",
            "token.signature",
        ),
        (
            "theirs, for our audience",
            theirs.token(&their.clone().audience(OUR_AUDIENCE)),
            "p1",
            "token.audience",
        ),
        (
            "ours, for their audience",
            ours.token(&our.clone().audience(THEIR_AUDIENCE)),
            "p1",
            "token.audience",
        ),
        (
            "theirs, by an algorithm of ours",
            theirs.token(&their.clone().algorithm(Algorithm::Es384)),
            "p1",
            "token.algorithm",
        ),
        (
            "ours, by that algorithm",
            ours.token(&our.clone().algorithm(Algorithm::Es384).jti("other")),
            "p1",
            allowed,
        ),
        (
            "theirs, of a client that only we have",
            theirs.token(&their.clone().client_id("clinic-b")),
            "p1",
            "token.client",
        ),
        (
            "ours, of that client",
            ours.token(&our.clone().client_id("clinic-b")),
            "p1",
            allowed,
        ),
        (
            "theirs, with the patient in our place",
            theirs.token(&their.clone().without("launch").patient("p2")),
            "p2",
            "scope",
        ),
        (
            "ours, with the patient in their place",
            ours.token(
                &our.clone()
                    .without("patient")
                    .claim("launch", json!({"patient": "p2"})),
            ),
            "p2",
            "scope",
        ),
        (
            "theirs, for a patient in both places",
            theirs.token(&their.clone().patient("p2")),
            "p2",
            "compartment",
        ),
        (
            "a name that differs in case",
            ours.token(&our.clone().claim("iss", json!("https://AS.example.org"))),
            "p1",
            "token.issuer",
        ),
        (
            "both names",
            ours.token(&our.clone().claim("iss", json!([our_name, their_name]))),
            "p1",
            "token.issuer",
        ),
    ];
    for (name, token, patient, expected) in rows {
        // Twice: the second time what was verified is remembered. With a limit of its own each time.
        for turn in ["new", "again"] {
            if turn == "new" {
                tenants.world.forget_limits();
            }
            let (rule, tenant) = tenants.ask(&token, patient);
            assert_eq!(rule, expected, "{name}, {turn}");
            let whose = match name.starts_with("theirs") {
                _ if expected.starts_with("token.") => Value::Null,
                true => json!("theirs"),
                false => json!("ours"),
            };
            assert_eq!(tenant, whose, "{name}, {turn}");
        }
    }
}

#[test]
fn the_same_client_of_two_issuers_is_counted_apart() {
    let mut tenants = Tenants::new();
    let our = tenants.ours.token(&tenants.our_claims());
    let their = tenants.theirs.token(&tenants.their_claims());
    let allowed = "scope:patient/*.rs";
    for (name, token, expected) in [
        ("ours", &our, allowed),
        ("theirs", &their, allowed),
        ("theirs, the last", &their, allowed),
        ("theirs, used up", &their, "limit.few"),
        ("ours, which is not", &our, allowed),
        ("ours, used up", &our, "limit.few"),
    ] {
        let (rule, _) = tenants.ask(token, "p1");
        assert_eq!(rule, expected, "{name}");
    }
}
