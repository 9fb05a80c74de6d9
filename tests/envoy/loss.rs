//! A short form of what `make loss` does to every sink, to the workers and to Envoy: each fault once.

use fhir_guard_loss::{Mode, Options, run};

async fn check(mode: Mode) {
    // Its process lies outside of our reach.
    if std::env::var("FHIR_GUARD_ENVOY").is_ok_and(|form| form == "compose") {
        return;
    }
    let options = Options {
        exchanges: 2000,
        seconds: None,
        seed: 1,
        modes: vec![mode],
    };
    let kept = run(options).await.expect("the campaign can be set up");
    assert!(kept, "the verdict above names the promise");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_strict_mode_no_answer_is_without_a_record_whoever_dies() {
    check(Mode::Strict).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_but_what_a_killed_envoy_had_in_memory() {
    check(Mode::Relaxed).await;
}
