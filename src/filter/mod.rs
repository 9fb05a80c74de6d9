//! The contexts of proxy-wasm.

mod ending;
mod logger;
mod meters;
mod owed;
mod stream;
mod trail;
mod worker;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::config;
use crate::exchange::Guard;
use crate::host::{self, Buffer};
use crate::identity::HostAlgorithms;
use stream::StreamContext;
use trail::Trail;
use worker::{Asker, Worker};

/// How often statistics are told at least, in milliseconds.
const STATISTICS: u32 = 1000;

/// Registers the root context, once there is a log.
pub fn register() {
    logger::start();
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}

/// One configuration on one worker.
#[derive(Default)]
struct Root {
    worker: Worker,
}

impl Context for Root {
    fn on_http_call_response(&mut self, call: u32, _headers: usize, size: usize, trailers: usize) {
        if self.worker.answered(call, size, trailers) {
            self.worker.wake(Asker::Root);
        }
    }

    fn on_done(&mut self) -> bool {
        // Another configuration takes over, or the proxy ends: nobody knows which. Should it be the latter, nothing can
        // be sent any more, and to ask for more time would only keep the machine from its end.
        self.worker.leave_records();
        self.worker.tell();
        self.worker.trail.end();
        // The machine may live on, and the proxy would tick for nobody.
        host::set_tick_period(0);
        true
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let configuration = host::buffer(Buffer::Configuration, size).unwrap_or_default();
        let environment = |name: &str| std::env::var(name).ok();
        let fitting = config::read_with(&configuration, &environment).and_then(|policy| {
            config::fits(&policy, host::envoy_version())?;
            let algorithms = HostAlgorithms::asking(policy.questions(), host::verify_signature);
            Ok((policy, algorithms))
        });
        match fitting {
            Ok((policy, algorithms)) => {
                let names = match algorithms.names().as_slice() {
                    [] => "none".to_owned(),
                    names => names.join(" "),
                };
                for warning in &policy.warnings {
                    log::warn!("fhir-guard: {warning}");
                }
                let Some(trail) = Trail::new(policy.audit.chain.clone()) else {
                    log::error!(
                        "fhir-guard: the proxy gives no random bytes, and without them records cannot be chained"
                    );
                    return false;
                };
                let mut guard = Guard::new(policy, algorithms);
                let needed = guard.tick_period();
                if !host::set_tick_period(needed.unwrap_or(STATISTICS)) && needed.is_some() {
                    log::error!(
                        "fhir-guard: the proxy gives no ticks, and without them nothing can be fetched and nobody shut out"
                    );
                    return false;
                }
                guard.meters().configured(host::now());
                self.worker = Worker::new(guard, trail);
                self.worker.tell();
                // Who is shut out stays out while a configuration takes over from another.
                self.worker.look_at_quarantine(host::now());
                log::info!(
                    "fhir-guard {} configured; signatures verified by Envoy: {names}",
                    env!("CARGO_PKG_VERSION")
                );
                true
            }
            Err(mistakes) => {
                log::error!("fhir-guard: the configuration is refused:\n{mistakes}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        self.worker.look();
        self.worker.send_records();
        self.worker.wake(Asker::Root);
        self.worker.tell();
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        let context = StreamContext::new(context_id, self.worker.clone());
        Some(Box::new(context))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
