//! The main way of a request, there and back.

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_read_comes_back_redacted_and_recorded() {
    let world = World::start().await;
    let answer = world.get("patient/*.rs", "/r4/Patient/p1").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let patient = answer.json().expect("JSON");
    assert_eq!(patient["id"], "p1");
    assert!(patient.get("birthDate").is_none(), "{patient}");
    let records = world.records().await;
    assert_eq!(records[0]["outcome"], "allowed", "{records:?}");
    world.close().await;
}
