//! A short soak. The long one is `make soak`.

use fhir_guard_harness::soak::{Options, run};

#[tokio::test(flavor = "multi_thread")]
async fn twenty_seconds_of_everything_at_once_keep_every_promise() {
    let options = Options {
        seconds: 20,
        seed: 1,
    };
    let kept = run(options).await.expect("the soak can be set up");
    assert!(kept, "the verdict above names the promise");
}
