//! The process around the workers: what they share, and the faults a test plants.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::OnceLock;

use wasmi::{Engine, ExternType, Module};

use crate::imports;
use crate::memory::{Bytes, status};
use crate::vm::Vm;

/// One proxy process with one plugin configuration. Its virtual machines share everything that
/// the workers of one Envoy share, and nothing else.
pub struct Host {
    engine: Engine,
    module: Module,
    world: Rc<RefCell<World>>,
}

/// The shared data of all virtual machines: key to value and version.
///
/// As in proxy-wasm-cpp-host: a missing key takes any version; an existing one takes 0 or its own;
/// versions come from one counter for all keys, which is never 0. Nothing is ever removed.
#[derive(Default)]
pub struct Shared {
    entries: BTreeMap<Bytes, (Bytes, u32)>,
    version: u32,
}

/// What a host call does instead of its duty.
#[derive(Clone)]
pub enum Fault {
    /// Returns this status and does nothing; 0 is an Ok that hands nothing over.
    Status(u32),
    /// Returns Ok and hands over these bytes; a call that fills a fixed place gets as many of them
    /// as fit there.
    Bytes(Bytes),
    /// Returns Ok with a null pointer and this size.
    Null(u32),
    /// Does not return: the virtual machine is lost, and the exchanges in it.
    Trap,
    /// Another worker comes first: this runs on the shared data, then the call does its duty.
    Race(Rc<dyn Fn(&mut Shared)>),
}

/// One line of the proxy's application log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// 0 trace, 1 debug, 2 info, 3 warn, 4 error, 5 critical.
    pub level: u32,
    /// The text; bytes that are not UTF-8 are replaced.
    pub message: String,
    /// The virtual machine that wrote it, counted from 1.
    pub vm: u32,
}

/// A foreign function: its argument to a status and its result.
pub type ForeignFunction = Rc<dyn Fn(&[u8]) -> (u32, Bytes)>;

/// A metric the guest defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// 0 counter, 1 gauge, 2 histogram.
    pub kind: u32,
    /// The sum of a counter, the level of a gauge, the last record of a histogram.
    pub value: u64,
}

/// Everything the host calls read and write that belongs to the process.
pub struct World {
    /// Nanoseconds since 1970; stands still until a test moves it.
    pub clock: u64,
    /// The shared data.
    pub shared: Shared,
    /// The application log.
    pub logs: Vec<Log>,
    /// The log level the guest is told.
    pub log_level: u32,
    /// Attributes that every context sees, path segments joined with NUL.
    pub attributes: BTreeMap<Bytes, Bytes>,
    /// Environment variables of the virtual machines.
    pub environment: Vec<(String, String)>,
    /// `vm_config.configuration`.
    pub vm_configuration: Bytes,
    /// `configuration` of the plugin.
    pub plugin_configuration: Bytes,
    /// Clusters a callout may name.
    pub clusters: BTreeSet<Bytes>,
    /// Foreign functions by name.
    pub foreign: HashMap<Bytes, ForeignFunction>,
    /// Metrics by name.
    pub metrics: BTreeMap<String, Metric>,
    /// Metric names by the id the guest knows.
    pub metric_ids: BTreeMap<u32, String>,
    /// Envoy's `per_connection_buffer_limit_bytes`.
    pub buffer_limit: usize,
    /// The plugin option of that name: body callbacks come while headers are paused.
    pub allow_on_headers_stop_iteration: bool,
    /// How often each host call was made.
    pub calls: BTreeMap<String, u64>,
    faults: Vec<Planted>,
    vms: u32,
}

struct Planted {
    function: String,
    /// The number of the call, counted over the life of the host; `None` is every call.
    nth: Option<u64>,
    fault: Fault,
    fired: u64,
}

impl Host {
    /// A host for this module. It has the configuration `{}`, a clock at 2026-01-01 and a buffer
    /// limit of 1 MiB; headers may be paused while bodies come.
    pub fn new(module: &[u8]) -> Self {
        let engine = Engine::default();
        let module =
            Module::new(&engine, module).unwrap_or_else(|why| panic!("not a module: {why}"));
        Self::from_parts(engine, module)
    }

    /// A host for the module this repository ships, from `dist/`, where `make wasm` puts it, or the
    /// file named by `FHIR_GUARD_WASM`. Read and compiled once for all tests.
    pub fn release() -> Self {
        static COMPILED: OnceLock<(Engine, Module)> = OnceLock::new();
        let (engine, module) = COMPILED.get_or_init(|| {
            let path = fhir_guard_harness::envoy::module().unwrap_or_else(|why| panic!("{why}"));
            let bytes = std::fs::read(&path)
                .unwrap_or_else(|why| panic!("cannot read {}: {why}", path.display()));
            let engine = Engine::default();
            let module = Module::new(&engine, &bytes)
                .unwrap_or_else(|why| panic!("{} is not a module: {why}", path.display()));
            (engine, module)
        });
        Self::from_parts(engine.clone(), module.clone())
    }

    fn from_parts(engine: Engine, module: Module) -> Self {
        let world = World {
            clock: 1_767_225_600_000_000_000,
            shared: Shared::default(),
            logs: Vec::new(),
            log_level: 2,
            attributes: BTreeMap::new(),
            environment: Vec::new(),
            vm_configuration: Bytes::new(),
            plugin_configuration: b"{}".to_vec(),
            clusters: BTreeSet::new(),
            foreign: HashMap::new(),
            metrics: BTreeMap::new(),
            metric_ids: BTreeMap::new(),
            buffer_limit: 1 << 20,
            allow_on_headers_stop_iteration: true,
            calls: BTreeMap::new(),
            faults: Vec::new(),
            vms: 0,
        };
        let world = Rc::new(RefCell::new(world));
        Self {
            engine,
            module,
            world,
        }
    }

    /// Starts a worker's virtual machine; panics if the module refuses its configuration.
    pub fn vm(&self) -> Vm {
        self.start().unwrap_or_else(|callback| {
            panic!(
                "{callback} returned false; log: {:?}",
                self.world.borrow().logs
            )
        })
    }

    /// Starts a worker's virtual machine, or tells which callback returned false.
    pub fn start(&self) -> Result<Vm, &'static str> {
        let number = {
            let mut world = self.world.borrow_mut();
            world.vms += 1;
            world.vms
        };
        Vm::start(&self.engine, &self.module, Rc::clone(&self.world), number)
    }

    /// Everything of the process, to read and to change.
    pub fn world(&self) -> std::cell::RefMut<'_, World> {
        self.world.borrow_mut()
    }

    /// Sets the configuration of the plugin, for machines started or configured from now on.
    pub fn configuration(&self, bytes: &[u8]) {
        self.world().plugin_configuration = bytes.to_vec();
    }

    /// Moves the clock.
    pub fn advance(&self, by: std::time::Duration) {
        self.world().clock += u64::try_from(by.as_nanos()).expect("less than 584 years");
    }

    /// Sets an attribute that every context sees.
    pub fn attribute(&self, path: &[&str], value: &[u8]) {
        let path = path.join("\0").into_bytes();
        self.world().attributes.insert(path, value.to_vec());
    }

    /// Registers a foreign function; those not registered are NotFound.
    pub fn foreign(&self, name: &str, function: impl Fn(&[u8]) -> (u32, Bytes) + 'static) {
        let function: ForeignFunction = Rc::new(function);
        self.world().foreign.insert(name.into(), function);
    }

    /// The messages logged at `level` or above, oldest first.
    pub fn logged(&self, level: u32) -> Vec<String> {
        let world = self.world();
        let lines = world.logs.iter().filter(|line| line.level >= level);
        lines.map(|line| line.message.clone()).collect()
    }

    /// The functions the module imports, as (import module, name).
    pub fn imports(&self) -> Vec<(String, String)> {
        self.module
            .imports()
            .filter(|import| matches!(import.ty(), ExternType::Func(_)))
            .map(|import| (import.module().into(), import.name().into()))
            .collect()
    }

    /// The names the module exports.
    pub fn exports(&self) -> Vec<String> {
        self.module
            .exports()
            .map(|export| export.name().into())
            .collect()
    }

    /// How often the host call was made so far, by all machines.
    pub fn calls(&self, function: &str) -> u64 {
        self.world().calls.get(function).copied().unwrap_or(0)
    }

    /// Makes every call of `function` fail in this way, until [`Host::heal`]. Panics for a function
    /// the module does not import: such a fault would test nothing.
    pub fn fault(&self, function: &str, fault: Fault) {
        self.plant(function, None, fault);
    }

    /// Makes one call of `function` fail: the `nth` from now, counted from 1, over all machines.
    pub fn fault_at(&self, function: &str, nth: u64, fault: Fault) {
        assert!(nth > 0, "calls are counted from 1");
        let nth = self.calls(function) + nth;
        self.plant(function, Some(nth), fault);
    }

    /// Takes all faults away; returns how often they fired.
    pub fn heal(&self) -> u64 {
        let faults = std::mem::take(&mut self.world().faults);
        faults.iter().map(|planted| planted.fired).sum()
    }

    fn plant(&self, function: &str, nth: Option<u64>, fault: Fault) {
        let imports = self.imports();
        assert!(
            imports.iter().any(|(_, name)| name == function),
            "the module does not import {function}; it imports {imports:?}"
        );
        if matches!(fault, Fault::Bytes(_) | Fault::Null(_)) {
            let output = imports::output(function);
            assert!(output.is_some(), "{function} hands nothing over");
            assert!(
                !matches!(
                    (&fault, output),
                    (Fault::Null(_), Some(imports::Output::Fixed { .. }))
                ),
                "{function} hands no pointer over"
            );
        }
        self.world().faults.push(Planted {
            function: function.into(),
            nth,
            fault,
            fired: 0,
        });
    }
}

impl World {
    /// Counts a host call, and gives the fault planted for it. A fault for one call goes before
    /// one for all calls.
    pub fn count(&mut self, function: &str) -> Option<Fault> {
        let calls = self.calls.entry(function.into()).or_default();
        *calls += 1;
        let number = *calls;
        let mut matching: Vec<&mut Planted> = self
            .faults
            .iter_mut()
            .filter(|planted| planted.function == function)
            .filter(|planted| planted.nth.is_none_or(|nth| nth == number))
            .collect();
        matching.sort_by_key(|planted| planted.nth.is_none());
        let planted = matching.into_iter().next()?;
        planted.fired += 1;
        Some(planted.fault.clone())
    }
}

impl Shared {
    /// The value and version of a key.
    pub fn get(&self, key: &[u8]) -> Option<(Bytes, u32)> {
        self.entries.get(key).cloned()
    }

    /// Writes a value under the rule above; returns the status of the ABI.
    pub fn set(&mut self, key: &[u8], value: &[u8], version: u32) -> u32 {
        if let Some((_, current)) = self.entries.get(key)
            && version != 0
            && version != *current
        {
            return status::CAS_MISMATCH;
        }
        self.version = self.version.wrapping_add(1).max(1);
        self.entries
            .insert(key.to_vec(), (value.to_vec(), self.version));
        status::OK
    }

    /// All keys; nothing ever takes one away.
    pub fn keys(&self) -> Vec<Bytes> {
        self.entries.keys().cloned().collect()
    }
}
