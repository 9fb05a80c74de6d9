//! A short form of what `make loss` does to every sink, to the workers and to Envoy: each kind of fault once.

use fhir_guard_loss::{Format, Mode, Options, run};

async fn check(mode: Mode, format: Format, deaths: bool) {
    // Its process lies outside of our reach.
    if std::env::var("FHIR_GUARD_ENVOY").is_ok_and(|form| form == "compose") {
        return;
    }
    let options = Options {
        exchanges: 1000,
        seconds: None,
        seed: 1,
        modes: vec![mode],
        format,
        deaths,
        brief: true,
    };
    let kept = run(options).await.expect("the campaign can be set up");
    assert!(kept, "the verdict above names the promise");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_strict_mode_no_answer_is_without_a_record_whoever_dies() {
    check(Mode::Strict, Format::Records, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_but_what_a_killed_envoy_had_in_memory() {
    check(Mode::Relaxed, Format::Records, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_strict_mode_no_answer_is_without_its_events_whoever_dies() {
    check(Mode::Strict, Format::Events, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_dies_the_repository_has_every_event_however_often_the_listener_is_taken_anew()
 {
    check(Mode::Relaxed, Format::Events, false).await;
}
