//! A short soak. The long one is `make soak`.

use std::time::Duration;

use fhir_guard_harness::client::{End, Request};
use fhir_guard_harness::soak::{Options, Sample, run};
use tokio::time::Instant;

use crate::exports::files::{LINES, Told, line, serving};

#[tokio::test(flavor = "multi_thread")]
async fn twenty_seconds_of_everything_at_once_keep_every_promise() {
    let options = Options {
        seconds: 20,
        seed: 1,
    };
    let kept = run(options).await.expect("the soak can be set up");
    assert!(kept, "the verdict above names the promise");
}

/// Megabytes of the large file; `FHIR_GUARD_FILE_MB` says another number.
const FILE: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_of_an_export_passes_in_flat_memory() {
    let wanted = std::env::var("FHIR_GUARD_FILE_MB");
    let megabytes = wanted.map_or(FILE, |text| {
        text.parse().expect("FHIR_GUARD_FILE_MB is a number")
    });
    let line = line("o", 1000);
    let times = (megabytes << 20) / line.len() / 100 * 100;
    let told = |times| Told {
        head: LINES,
        line: line.clone(),
        times,
        behind: String::new(),
    };
    let (world, links) = serving(vec![told(10_000), told(times)]).await;
    let token = world.token("system/*.rs");
    let client = world.client().timeout(Duration::from_secs(600));
    for (link, times) in links.iter().zip([10_000, times]) {
        let before = Sample::of(world.envoy.pid()).expect("Envoy runs");
        world.expect_records(1);
        let (mut bytes, began) = (0, Instant::now());
        let mut most = before.clone();
        let pid = world.envoy.pid();
        let mut each = |piece: &[u8]| {
            // Often enough to see the largest.
            if bytes >> 24 != (bytes + piece.len()) >> 24 {
                let now = Sample::of(pid).expect("Envoy runs");
                most.resident = most.resident.max(now.resident);
            }
            bytes += piece.len();
        };
        let request = Request::get(link).bearer(&token);
        let answer = client
            .send_through(request, &mut each)
            .await
            .expect("a file");
        assert_eq!((answer.status, &answer.end), (200, &End::Complete));
        assert_eq!(
            bytes,
            times * line.len(),
            "nothing is hidden, so nothing is changed"
        );
        let after = Sample::of(pid).expect("Envoy runs");
        let seconds = began.elapsed().as_secs_f64();
        println!(
            "{} MB in {seconds:.1} s: resident {} to at most {} kB, the largest VM {} to {} kB",
            bytes >> 20,
            before.resident >> 10,
            most.resident >> 10,
            before.largest_machine() >> 10,
            after.largest_machine() >> 10,
        );
        if times > 10_000 {
            let grown = after
                .largest_machine()
                .saturating_sub(before.largest_machine());
            assert!(grown < 4 << 20, "the VM has grown by {grown} bytes");
            let grown = most.resident.saturating_sub(before.resident);
            assert!(grown < 32 << 20, "Envoy has grown by {grown} bytes");
        }
    }
    world.close().await;
}
