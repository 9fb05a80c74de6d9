//! Tokens that are shut out because a proof of theirs came a second time.

use fhir_guard::shared::{Step as Share, Work as _};
use fhir_guard_harness::pki::Pki;
use fhir_guard_harness::tokens::{Algorithm, Claims, DpopClient, DpopProof};

use super::driver::{NOW, slug};
use super::waiting::{SECOND, T};
use super::*;

const URI: &str = "https://fhir.example.org/r4/Patient/p1";

/// A deployment that shuts tokens out for a minute.
pub fn world() -> Deployment {
    world_with(|_| ())
}

fn world_with(edit: impl FnOnce(&mut Value)) -> Deployment {
    Deployment::with(|config| {
        config["issuers"][0]["proof"] = json!(["certificate", "dpop"]);
        config["client_certificate"] = json!({ "required": false });
        config["dpop"] = json!({ "quarantine": "1m" });
        edit(config);
    })
}

fn client() -> DpopClient {
    DpopClient::new("client", Algorithm::Es256)
}

/// A token of this id for the client, or for the client and whoever has a certificate besides.
fn token(world: &Deployment, id: &str, confirmation: Value) -> String {
    let claims = Claims::new(NOW).jti(id).expires_at(NOW + 3600);
    world.token(&claims.claim("cnf", confirmation))
}

fn own_token(world: &Deployment, id: &str) -> String {
    token(world, id, client().confirmation())
}

fn proof(token: &str, now: u64) -> String {
    client().sign(&DpopProof::new("GET", URI, token, now / SECOND))
}

/// The rule by which a read with these credentials is decided.
fn ask(world: &mut Deployment, token: &str, proof: &str, now: u64) -> String {
    let head = world.head_as(
        &format!("DPoP {token}"),
        "GET /r4/Patient/p1",
        &[("dpop", proof)],
    );
    let mut exchange = Exchange::default();
    let step = world.ask_at(&mut exchange, head, true, now);
    let record = world.record(&mut exchange);
    match &step {
        Step::Forward(_) => {}
        Step::Reply(reply) => assert_eq!(reply.status, 401, "{record}"),
        step => panic!("{step:?}"),
    }
    slug(&record["rule"]).to_owned()
}

/// The same with a proof of its own.
fn fresh(world: &mut Deployment, token: &str, now: u64) -> String {
    ask(world, token, &proof(token, now), now)
}

/// A tick; whether it looked.
fn look(world: &mut Deployment, now: u64) -> bool {
    let Some(mut look) = world.guard.look_at_quarantine(now) else {
        return false;
    };
    let found = world.carry_out(&mut look);
    world.guard.quarantined(found, now);
    true
}

const PASSES: &str = "scope:patient/*.rs";

#[test]
fn a_proof_that_comes_again_shuts_its_token_out_on_all_workers_for_a_time() {
    let mut world = world();
    let mut other = world.worker();
    let (stolen, fine) = (own_token(&world, "stolen"), own_token(&world, "fine"));
    for world in [&mut world, &mut other] {
        for token in [&stolen, &fine] {
            assert_eq!(fresh(world, token, T), PASSES);
        }
    }
    assert!(look(&mut other, T), "nothing is there yet");
    let used = proof(&stolen, T);
    assert_eq!(ask(&mut world, &stolen, &used, T), PASSES);
    assert_eq!(ask(&mut world, &stolen, &used, T), "dpop.replay");
    // Here at once, there with the next look.
    let out = "token.quarantined";
    assert_eq!(fresh(&mut world, &stolen, T), out);
    assert_eq!(fresh(&mut other, &stolen, T), PASSES);
    assert!(!look(&mut other, T + SECOND / 2), "it has just looked");
    assert!(look(&mut other, T + SECOND));
    // Coming again and again does not make it longer.
    for second in [1, 30, 59] {
        let now = T + second * SECOND;
        for world in [&mut world, &mut other] {
            let used = proof(&stolen, now);
            assert_eq!(ask(world, &stolen, &used, now), out, "{second}");
            assert_eq!(ask(world, &stolen, &used, now), out, "{second}");
            assert_eq!(fresh(world, &fine, now), PASSES, "{second}");
        }
    }
    for world in [&mut world, &mut other] {
        assert_eq!(fresh(world, &stolen, T + 60 * SECOND), PASSES);
    }
    // A worker that has just begun looks at once.
    let used = proof(&stolen, T + 60 * SECOND);
    assert_eq!(ask(&mut world, &stolen, &used, T + 60 * SECOND), PASSES);
    let again = ask(&mut other, &stolen, &used, T + 60 * SECOND);
    assert_eq!(again, "dpop.replay");
    let mut late = world.worker();
    assert!(look(&mut late, T + 61 * SECOND));
    assert_eq!(fresh(&mut late, &stolen, T + 61 * SECOND), out);
}

#[test]
fn what_is_no_evidence_shuts_nobody_out() {
    let check = |name: &str,
                 mut world: Deployment,
                 confirmation: &dyn Fn(&Deployment) -> Value,
                 present: &dyn Fn(&mut Deployment, &str),
                 afterwards: &str| {
        let token = token(&world, "t1", confirmation(&world));
        present(&mut world, &token);
        let found = fresh(&mut world, &token, T);
        assert_eq!(found, afterwards, "{name}");
    };
    let by_key = |_: &Deployment| client().confirmation();
    let twice = |world: &mut Deployment, token: &str, now: u64, rule: &str| {
        let used = proof(token, T);
        assert_eq!(ask(world, token, &used, T), PASSES);
        assert_eq!(ask(world, token, &used, now), rule);
    };
    let replayed = |world: &mut Deployment, token: &str| twice(world, token, T, "dpop.replay");
    check("a replay", world(), &by_key, &replayed, "token.quarantined");
    let off = world_with(|config| config["dpop"] = json!({}));
    check("where it is off", off, &by_key, &replayed, PASSES);
    check(
        "an old proof",
        world(),
        &by_key,
        &|world, token| twice(world, token, T + 66 * SECOND, "dpop.iat"),
        PASSES,
    );
    check(
        "a proof that may have been used",
        world(),
        &by_key,
        &|world, token| {
            let used = proof(token, T);
            assert_eq!(ask(world, token, &used, T), PASSES);
            world.damage("fhir-guard.proof.v1.");
            assert_eq!(ask(world, token, &used, T), "dpop.replay-table");
        },
        PASSES,
    );
    check(
        "a proof for something else",
        world(),
        &by_key,
        &|world, token| {
            let elsewhere =
                DpopProof::new("GET", "https://fhir.example.org/r4/Patient/p2", token, NOW);
            for _ in 0..2 {
                let found = ask(world, token, &client().sign(&elsewhere), T);
                assert_eq!(found, "dpop.htu");
            }
        },
        PASSES,
    );
    check(
        "the id of a used proof under another key, and altered",
        world(),
        &by_key,
        &|world, token| {
            let made = DpopProof::new("GET", URI, token, NOW);
            assert_eq!(ask(world, token, &client().sign(&made), T), PASSES);
            let thief = DpopClient::new("thief", Algorithm::Es256);
            for (proof, rule) in [
                (thief.sign(&made), "token.binding"),
                (client().sign(&made.flipped_bit(9)), "dpop.signature"),
            ] {
                assert_eq!(ask(world, token, &proof, T), rule);
            }
        },
        PASSES,
    );
}

#[test]
fn whoever_could_not_come_in_anyway_neither_uses_up_a_proof_nor_shuts_anybody_out() {
    let stranger = || Pki::new().client("clinic-b");
    let pinned = |config: &mut Value| {
        config["client_certificate"]["clients"] =
            json!([{"client_id": "clinic-a", "certificates": [{"thumbprint": "0".repeat(64)}]}]);
    };
    let pin = |world: &mut Deployment, thumbprint: &str| {
        let shown = world.certificate.thumbprint_hex.clone();
        world.certificate.thumbprint_hex = thumbprint.to_owned();
        shown
    };
    // Bound to a certificate as well, and another one comes.
    let mut world = world();
    let own = world.certificate.clone();
    let both = json!({
        "x5t#S256": own.thumbprint_sha256_base64url,
        "jkt": client().thumbprint(),
    });
    let bound = token(&world, "t1", both);
    let used = proof(&bound, T);
    world.certificate = stranger();
    for _ in 0..2 {
        assert_eq!(ask(&mut world, &bound, &used, T), "token.binding");
    }
    world.certificate = own.clone();
    assert_eq!(ask(&mut world, &bound, &used, T), PASSES, "still fresh");
    world.certificate = stranger();
    assert_eq!(ask(&mut world, &bound, &used, T), "token.binding", "used");
    world.certificate = own;
    assert_eq!(fresh(&mut world, &bound, T), PASSES);
    // Of a client that may use one certificate only.
    let mut world = world_with(pinned);
    let bound = own_token(&world, "t1");
    let used = proof(&bound, T);
    for _ in 0..2 {
        assert_eq!(ask(&mut world, &bound, &used, T), "token.pin");
    }
    let shown = pin(&mut world, &"0".repeat(64));
    assert_eq!(ask(&mut world, &bound, &used, T), PASSES, "still fresh");
    pin(&mut world, &shown);
    assert_eq!(ask(&mut world, &bound, &used, T), "token.pin", "used");
    pin(&mut world, &"0".repeat(64));
    assert_eq!(fresh(&mut world, &bound, T), PASSES);
}

#[test]
fn a_look_is_due_every_second_where_somebody_can_be_shut_out() {
    let (mut on, mut off) = (world(), Deployment::new());
    for (name, now, due) in [
        ("at first", T, true),
        ("at once", T, false),
        ("at 899 ms", T + 899_000_000, false),
        ("at 900 ms", T + 900_000_000, true),
        ("the clock has stepped back", T, true),
        ("and goes on", T + 100_000_000, false),
        ("to the end of time", u64::MAX, true),
    ] {
        assert_eq!(look(&mut on, now), due, "{name}");
        assert!(!look(&mut off, now), "{name}, off");
    }
    let fetched = |config: &mut Value| {
        config["revocation"] = json!([{"uri": "http://as/revoked", "cluster": "as"}]);
    };
    let asks = |config: &mut Value| {
        config["issuers"][0]["introspection"] = json!({"uri": "http://as/i", "cluster": "as"});
    };
    for (name, world, period) in [
        ("nothing", Deployment::new(), None),
        ("a quarantine", world(), Some(1000)),
        ("documents", Deployment::with(fetched), Some(100)),
        ("both", world_with(fetched), Some(100)),
        ("questions", Deployment::with(asks), Some(100)),
    ] {
        assert_eq!(world.guard.tick_period(), period, "{name}");
    }
}

#[test]
fn the_answer_waits_until_the_token_is_written_down() {
    let mut world = world();
    let token = own_token(&world, "t1");
    let used = proof(&token, T);
    assert_eq!(ask(&mut world, &token, &used, T), PASSES);
    let mut exchange = shutting_out_of(&mut world, &token, &used);
    let work = exchange.shutting_out().expect("somebody is shut out");
    assert!(matches!(work.step(), Share::Read { .. }));
    // Shared data that fails shuts it out on this worker at least.
    work.answer(fhir_guard::shared::Answer::Failed);
    let Share::Done(found) = work.step() else {
        panic!("it is done")
    };
    let step = exchange.shut_out(&mut world.guard, found);
    assert!(matches!(&step, Step::Reply(reply) if reply.status == 401));
    let record = world.record(&mut exchange);
    assert_eq!(
        (&record["rule"], &record["outcome"]),
        (&json!("dpop.replay"), &json!("refused"))
    );
    assert!(exchange.shutting_out().is_none());
    assert_eq!(fresh(&mut world, &token, T), "token.quarantined");
}

/// An exchange in which a token is being shut out.
pub fn shutting_out(world: &mut Deployment) -> Exchange {
    let token = own_token(world, "t1");
    let used = proof(&token, T);
    assert_eq!(ask(world, &token, &used, T), PASSES);
    shutting_out_of(world, &token, &used)
}

fn shutting_out_of(world: &mut Deployment, token: &str, used: &str) -> Exchange {
    let mut exchange = Exchange::default();
    let credentials = format!("DPoP {token}");
    let head = world.head_as(&credentials, "GET /r4/Patient/p1", &[("dpop", used)]);
    let attributes = world.attributes();
    let step = exchange.request_headers(&mut world.guard, &head, &attributes, T, true);
    assert_eq!(step, Step::Verify, "the proof's signature");
    let step = exchange.verified(&mut world.guard, Some(true));
    assert_eq!(step, Step::Note);
    let outcome = world.carry_out(exchange.noting().expect("a proof"));
    assert_eq!(exchange.noted(&world.guard, outcome), Step::ShutOut);
    exchange
}
