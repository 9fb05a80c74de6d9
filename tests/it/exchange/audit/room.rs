//! Whose records have room in the queue of a repository.

use fhir_guard_harness::pki::Pki;
use fhir_guard_harness::tokens::Claims;

use super::*;

/// Bytes of records with which a queue of 64 KiB is half full.
const HALF: usize = 32 << 10;

/// `Authorization`, or nothing.
type Token<'t> = &'t dyn Fn(&Deployment) -> String;

const AT: u64 = NOW * 1_000_000_000;

/// What a request comes to, and its record, which the guard has.
fn asked(world: &mut Deployment, token: Token<'_>, target: &str) -> (u16, String) {
    let mut head = world.head_as(&token(world), target, &[]);
    head.retain(|(name, value)| name != b"authorization" || !value.is_empty());
    let mut exchange = Exchange::default();
    let status = match world.ask(&mut exchange, head, true) {
        Step::Forward(_) => {
            let body = br#"{"resourceType":"Patient","id":"p1"}"#;
            world.answer(&mut exchange, &OK, &[body, b""], false);
            200
        }
        Step::Reply(reply) => reply.status,
        step => panic!("{target}: {step:?}"),
    };
    exchange.end();
    let line = exchange.record(AT, None);
    world.guard.keep_record(&exchange, &line, AT, None);
    (status, line)
}

#[test]
fn whoever_shows_no_token_of_his_own_leaves_room_for_others() {
    const READ: &str = "GET /r4/Patient/p1";
    const PUBLIC: &str = "GET /r4/metadata";
    const DISCOVERY: &str = "GET /.well-known/oauth-protected-resource/r4";
    let own = |world: &Deployment, claims: Claims| format!("Bearer {}", world.token(&claims));
    let claims = |world: &Deployment| world.claims().scope("system/*.rs");
    let stranger = Pki::new().client("clinic-b");
    let none: Token<'_> = &|_| String::new();
    let rubbish: Token<'_> = &|_| "Bearer x".to_owned();
    let expired: Token<'_> = &|world| own(world, claims(world).expires_at(NOW - 600));
    let stolen: Token<'_> = &|world| own(world, claims(world).bound_to(&stranger));
    let narrow: Token<'_> = &|world| own(world, world.claims().scope("system/Observation.rs"));
    let good: Token<'_> = &|world| own(world, claims(world));
    for (name, token, target, status, known) in [
        ("no token", none, READ, 401, false),
        ("what is no FHIR", none, "GET /r4/none", 404, false),
        ("rubbish", rubbish, READ, 401, false),
        ("expired", expired, READ, 401, false),
        ("of another certificate", stolen, READ, 401, false),
        ("public", none, PUBLIC, 200, false),
        ("public, with a token", good, PUBLIC, 200, false),
        ("discovery", none, DISCOVERY, 200, false),
        ("not permitted", narrow, READ, 403, true),
        ("permitted", good, READ, 200, true),
    ] {
        for full in ["refuse", "access-log"] {
            let mut world = taking(|config| {
                config["discovery"] = json!({});
                config["limits"] = json!([]);
                config["audit"]["repository"] = json!({"cluster": "audit", "uri": "https://audit/r",
                    "format": "records", "queue": "64KiB", "full": full});
            });
            let all: Vec<_> = (0..400).map(|_| asked(&mut world, token, target)).collect();
            // Whoever is known, and whoever would get something of which no record came.
            let waits = full == "refuse" && (known || status == 200);
            for (found, line) in &all {
                let fits = *found == status || (*found == 503 && waits);
                assert!(fits, "{name}, {full}: {line}");
            }
            let last = all.last().map(|(status, _)| *status);
            assert_eq!(last == Some(503), waits, "{name}, {full}: {last:?}");
            let (found, line) = asked(&mut world, good, READ);
            let room = full == "access-log" || !known;
            assert_eq!(found == 200, room, "{name}, {full}: {line}");
            let mut sent = 0;
            while let Some((batch, call)) = world.guard.next_batch(AT) {
                sent += call.body.len();
                let _ = world.guard.batch_answered(batch, Some((200, b"")), AT);
            }
            // Each takes some bytes beside its own.
            let expected = match known {
                true => HALF * 3 / 2..2 * HALF,
                false => HALF * 3 / 4..HALF + 1024,
            };
            assert!(expected.contains(&sent), "{name}, {full}: {sent}");
        }
    }
}
