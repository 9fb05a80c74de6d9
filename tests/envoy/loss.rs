//! A short form of what `make loss` does to every sink, to the workers and to Envoy.

use fhir_guard_loss::{Mode, Options, run};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_but_what_a_killed_envoy_had_in_memory_and_nothing_in_strict_mode() {
    // Its process lies outside of our reach.
    if std::env::var("FHIR_GUARD_ENVOY").is_ok_and(|form| form == "compose") {
        return;
    }
    let options = Options {
        exchanges: 20_000,
        seconds: Some(20),
        seed: 1,
        modes: vec![Mode::Strict, Mode::Relaxed],
    };
    let kept = run(options).await.expect("the campaign can be set up");
    assert!(kept, "the verdict above names the promise");
}
