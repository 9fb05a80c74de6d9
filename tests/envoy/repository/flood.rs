//! Callers whom nobody knows, beside a repository that says nothing.

use super::*;

/// Envoy answers to so many of these on both workers, each over a connection of its own.
async fn flood(world: &World, request: impl Fn() -> Request, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(world.send(&world.client(), request()).await.status);
    }
    statuses
}

async fn lost(world: &World) -> u64 {
    let stats = world.envoy.stats().await.expect("statistics");
    let own = stats.iter().filter(|(name, _)| name.contains("audit_lost"));
    own.map(|(_, count)| count).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_no_token_of_his_own_leaves_room_for_others() {
    for (name, target, token, expected) in [
        ("without a token", "/r4/Patient/p1", None, 401),
        ("with another's words", "/r4/Patient/p1", Some("x.y.z"), 401),
        ("who asks for what is public", "/r4/metadata", None, 200),
    ] {
        let (world, server) = world(json!({"format": "records", "queue": "64KiB"})).await;
        server.answer(PATH, Answer::Close);
        let request = || match token {
            Some(token) => Request::get(target).bearer(token),
            None => Request::get(target),
        };
        // A record has more than 250 bytes: half of the queues of two workers have room for fewer than this.
        let statuses = flood(&world, request, 500).await;
        // What is public is refused then: it would leave no record at the repository.
        let refused = statuses.iter().filter(|status| **status == 503).count();
        let others = statuses
            .iter()
            .filter(|status| **status == expected)
            .count();
        assert_eq!(refused + others, 500, "{name}: {statuses:?}");
        assert_eq!(refused > 0, expected == 200, "{name}: {refused}");
        for _ in 0..20 {
            let answer = read(&world).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        }
        let taken = Taken::default();
        taken.take_on(&server);
        let records = world.records().await;
        let known = |record: &&Value| record["client"].is_string();
        let honest: Vec<Value> = records.iter().filter(known).cloned().collect();
        assert_eq!(honest.len(), 20, "{name}");
        taken.has(&honest).await;
        // Both workers have sent what they had.
        let began = Instant::now();
        let mut before = 0;
        while before != taken.lines().len() || before == 0 {
            before = taken.lines().len();
            assert!(
                began.elapsed() < Duration::from_secs(40),
                "{name}: it never ends"
            );
            tokio::time::sleep(Duration::from_secs(4)).await;
        }
        // Of those who were refused for want of place nothing was to be sent.
        let expected = (records.len() - refused - taken.lines().len()) as u64;
        assert_eq!(lost(&world).await, expected, "{name}");
        assert_eq!(expected > 0, refused == 0, "{name}");
        world.close().await;
    }
}
