//! One worker: an instance of the module with its contexts, and the calls into it.

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

use wasmi::{AsContext, Engine, Extern, Instance, Linker, Module, Store, Val};

use crate::exchange::Exchange;
use crate::host::World;
use crate::imports;
use crate::memory::{Bytes, Headers};
use crate::stream::Stream;

/// A worker's virtual machine. Clones are the same machine.
#[derive(Clone)]
pub struct Vm {
    worker: Rc<RefCell<Worker>>,
}

/// A call to a cluster, as the guest asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callout {
    /// What the answer is known by.
    pub token: u32,
    /// The cluster's name.
    pub cluster: String,
    /// The header map, pseudo-headers included.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
    /// The trailers.
    pub trailers: Headers,
    /// Milliseconds; 0 is none.
    pub timeout: u32,
    /// The root context the answer goes to.
    pub root: u32,
}

/// The answer to a callout while it is delivered.
pub struct Answer {
    /// The header map; empty for a call that failed.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
    /// The trailers.
    pub trailers: Headers,
}

/// Why a call into the module did not come back.
#[derive(Debug)]
pub enum Interruption {
    /// A planted [`crate::host::Fault::Trap`].
    Planted,
    /// The test is over: what happened must not happen.
    Fatal(String),
}

impl fmt::Display for Interruption {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Planted => out.write_str("planted trap"),
            Self::Fatal(what) => out.write_str(what),
        }
    }
}

impl wasmi::errors::HostError for Interruption {}

/// What the host knows about one virtual machine; its calls find it here.
pub struct State {
    /// The process.
    pub world: Rc<RefCell<World>>,
    /// The machine's number in its process, from 1.
    pub number: u32,
    /// The context of the running callback.
    pub current: u32,
    /// The context `proxy_set_effective_context` chose; 0 is none.
    pub effective: u32,
    /// The root context of new exchanges.
    pub root: u32,
    /// All root contexts.
    pub roots: BTreeSet<u32>,
    /// Exchanges by context.
    pub exchanges: BTreeMap<u32, Exchange>,
    /// Exchanges whose context is gone, for the test to look at.
    pub finished: BTreeMap<u32, Exchange>,
    /// Callouts without an answer.
    pub callouts: Vec<Callout>,
    /// The answer being delivered.
    pub answer: Option<Answer>,
    /// The last callout's token.
    pub last_token: u32,
    /// The last host call's name.
    pub last_call: String,
    /// Milliseconds between ticks, for each root context that asked for any.
    pub tick_periods: BTreeMap<u32, u32>,
    /// The state of the random numbers.
    pub random: u64,
    /// The configure callback runs.
    pub configuring: bool,
    /// The guest called `proxy_done`.
    pub done_called: bool,
    /// The machine was lost in this callback.
    pub failed: Option<&'static str>,
    /// A trap of the guest loses the machine like a planted one, instead of failing the test.
    pub may_trap: bool,
}

impl State {
    /// The exchange that host calls mean now.
    pub fn exchange(&mut self) -> Option<&mut Exchange> {
        let context = match self.effective {
            0 => self.current,
            effective => effective,
        };
        self.exchanges.get_mut(&context)
    }
}

/// The machine itself; [`Vm`] and [`Stream`] share it.
pub struct Worker {
    /// wasmi's store, with what the host knows.
    pub store: Store<State>,
    instance: Instance,
    next_context: u32,
}

impl Vm {
    /// Instantiates the module and takes it through its start: `_initialize` or `_start`, root
    /// context, `proxy_on_vm_start`, `proxy_on_configure`. The error is the callback that returned
    /// false.
    pub fn start(
        engine: &Engine,
        module: &Module,
        world: Rc<RefCell<World>>,
        number: u32,
    ) -> Result<Self, &'static str> {
        let state = State {
            world,
            number,
            current: 0,
            effective: 0,
            root: 1,
            roots: BTreeSet::new(),
            exchanges: BTreeMap::new(),
            finished: BTreeMap::new(),
            callouts: Vec::new(),
            answer: None,
            last_token: 0,
            last_call: String::new(),
            tick_periods: BTreeMap::new(),
            random: u64::from(number),
            configuring: false,
            done_called: false,
            failed: None,
            may_trap: false,
        };
        let mut store = Store::new(engine, state);
        let mut linker = Linker::new(engine);
        imports::link(&mut linker, module);
        let instance = linker
            .instantiate_and_start(&mut store, module)
            .unwrap_or_else(|why| panic!("the module cannot be instantiated: {why}"));
        let mut worker = Worker {
            store,
            instance,
            next_context: 1,
        };
        for start in ["_initialize", "_start"] {
            worker.enter(start, &[]);
        }
        let vm_configuration = worker.world().vm_configuration.len() as u32;
        let root = worker.create_root();
        if worker.enter("proxy_on_vm_start", &[root, vm_configuration]) == Some(0) {
            return Err("proxy_on_vm_start");
        }
        if !worker.configure(root) {
            return Err("proxy_on_configure");
        }
        worker.settle();
        let worker = Rc::new(RefCell::new(worker));
        Ok(Self { worker })
    }

    /// A new exchange.
    pub fn stream(&self) -> Stream {
        let mut worker = self.worker();
        let id = worker.next_context;
        worker.next_context += 1;
        let exchange = Exchange::default();
        worker.store.data_mut().exchanges.insert(id, exchange);
        drop(worker);
        Stream::new(self.clone(), id)
    }

    /// Takes a new configuration as Envoy does for the same code: a new root context, to which new
    /// exchanges belong. False if the module refuses it; the old one then stays.
    pub fn configure(&self, configuration: &[u8]) -> bool {
        let mut worker = self.worker();
        let old = worker.world().plugin_configuration.clone();
        worker.world().plugin_configuration = configuration.to_vec();
        let root = worker.create_root();
        let taken = worker.configure(root);
        if taken {
            worker.store.data_mut().root = root;
        } else {
            worker.world().plugin_configuration = old;
        }
        worker.settle();
        taken
    }

    /// One tick of every root context's timer: one that was replaced lives for as long as its exchanges.
    /// Panics if the guest asked for none.
    pub fn tick(&self) {
        assert!(self.tick_period() > Some(0), "the guest set no tick period");
        let mut worker = self.worker();
        for root in worker.store.data().roots.clone() {
            if worker.store.data().tick_periods.get(&root) > Some(&0) {
                worker.enter("proxy_on_tick", &[root]);
                worker.settle();
            }
        }
    }

    /// From now on a trap of the guest loses the machine, as it does in the proxy.
    pub fn may_trap(&self) {
        self.worker().store.data_mut().may_trap = true;
    }

    /// Milliseconds between ticks, if the guest asked for any.
    pub fn tick_period(&self) -> Option<u32> {
        let worker = self.worker();
        let state = worker.store.data();
        state.tick_periods.get(&state.root).copied()
    }

    /// The callouts that wait for an answer, oldest first.
    pub fn callouts(&self) -> Vec<Callout> {
        self.worker().store.data().callouts.clone()
    }

    /// Answers a callout.
    pub fn answer(&self, token: u32, headers: Headers, body: &[u8], trailers: Headers) {
        let mut worker = self.worker();
        let callouts = &mut worker.store.data_mut().callouts;
        let known = callouts.iter().position(|callout| callout.token == token);
        let known = known.unwrap_or_else(|| panic!("no callout has the token {token}"));
        let callout = callouts.remove(known);
        let sizes = [headers.len(), body.len(), trailers.len()].map(|size| size as u32);
        let arguments = [callout.root, token, sizes[0], sizes[1], sizes[2]];
        worker.store.data_mut().answer = Some(Answer {
            headers,
            body: body.to_vec(),
            trailers,
        });
        worker.enter("proxy_on_http_call_response", &arguments);
        worker.store.data_mut().answer = None;
        worker.settle();
    }

    /// Lets a callout fail: time-out, reset, too large. The guest sees no headers and no body.
    pub fn fail_callout(&self, token: u32) {
        self.answer(token, Headers::new(), b"", Headers::new());
    }

    /// Bytes of the guest's linear memory.
    pub fn memory_bytes(&self) -> usize {
        let worker = self.worker();
        let memory = worker.instance.get_export(&worker.store, "memory");
        let memory = memory.and_then(Extern::into_memory);
        memory.map_or(0, |memory| memory.data_size(worker.store.as_context()))
    }

    /// The callback in which a planted trap took the machine, if one did.
    pub fn failed(&self) -> Option<&'static str> {
        self.worker().store.data().failed
    }

    /// The end of the configurations that were replaced, whose exchanges are over: done and delete for their root
    /// contexts, and nobody waits for what they have asked.
    pub fn end_replaced(&self) {
        let mut worker = self.worker();
        let current = worker.store.data().root;
        let mut roots = worker.store.data().roots.clone();
        roots.remove(&current);
        worker.end(roots);
    }

    /// The end of the machine: done and delete for its root contexts.
    pub fn shut_down(self) {
        let mut worker = self.worker();
        let roots = worker.store.data().roots.clone();
        worker.end(roots);
    }

    /// The machine itself.
    pub fn worker(&self) -> RefMut<'_, Worker> {
        self.worker.borrow_mut()
    }
}

impl Worker {
    /// The process.
    pub fn world(&self) -> RefMut<'_, World> {
        self.store.data().world.borrow_mut()
    }

    /// Calls an export, with the context first where it takes one. `None` if the machine is lost.
    /// An export the module lacks counts as returning what lets everything go on. Panics, with the
    /// callback's name, when the guest traps: no input may ever do that.
    pub fn enter(&mut self, name: &'static str, arguments: &[u32]) -> Option<u32> {
        if self.store.data().failed.is_some() {
            return None;
        }
        let export = self.instance.get_export(&self.store, name);
        let Some(function) = export.and_then(Extern::into_func) else {
            let agrees = ["proxy_on_vm_start", "proxy_on_configure", "proxy_on_done"];
            return Some(u32::from(agrees.contains(&name)));
        };
        let state = self.store.data_mut();
        state.current = arguments.first().copied().unwrap_or(0);
        state.effective = 0;
        let inputs: Vec<Val> = arguments
            .iter()
            .map(|word| Val::I32(*word as i32))
            .collect();
        let types = function.ty(&self.store);
        let mut outputs: Vec<Val> = types
            .results()
            .iter()
            .map(|ty| Val::default_for_ty(*ty))
            .collect();
        let done = function.call(&mut self.store, &inputs, &mut outputs);
        if let Err(why) = done {
            // What the emulated host holds against the guest is never borne.
            let fatal = matches!(why.downcast_ref(), Some(Interruption::Fatal(_)));
            let trapped = self.store.data().may_trap && !fatal;
            if trapped || matches!(why.downcast_ref(), Some(Interruption::Planted)) {
                self.store.data_mut().failed = Some(name);
                return None;
            }
            let state = self.store.data();
            let world = state.world.borrow();
            let tail: Vec<&str> = world
                .logs
                .iter()
                .rev()
                .take(5)
                .map(|log| &*log.message)
                .collect();
            panic!(
                "{name}{arguments:?} of machine {} did not return: {why}; last host call: {}; \
                 last log lines, newest first: {tail:#?}",
                state.number, state.last_call
            );
        }
        match outputs.first() {
            Some(Val::I32(value)) => Some(*value as u32),
            _ => Some(0),
        }
    }

    fn end(&mut self, roots: BTreeSet<u32>) {
        for root in roots {
            self.enter("proxy_on_done", &[root]);
            self.enter("proxy_on_delete", &[root]);
            let state = self.store.data_mut();
            state.roots.remove(&root);
            state.callouts.retain(|callout| callout.root != root);
        }
    }

    fn create_root(&mut self) -> u32 {
        let root = self.next_context;
        self.next_context += 1;
        self.store.data_mut().roots.insert(root);
        self.enter("proxy_on_context_create", &[root, 0]);
        root
    }

    fn configure(&mut self, root: u32) -> bool {
        let length = self.world().plugin_configuration.len() as u32;
        self.store.data_mut().configuring = true;
        let taken = self.enter("proxy_on_configure", &[root, length]);
        self.store.data_mut().configuring = false;
        taken.is_some_and(|taken| taken != 0)
    }
}
