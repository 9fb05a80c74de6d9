//! The host calls: linking by the module's own import list, counting, and planted faults.

mod http;
mod process;
mod wasi;

use wasmi::{Caller, ExternType, Linker, Module, Val};

use crate::host::Fault;
use crate::memory::{Guest, Stop, status};
use crate::vm::{Interruption, State};

/// A host call: arguments as unsigned words; Ok is status 0.
type Call = fn(&mut Guest<'_, '_>, &[u64]) -> Result<(), Stop>;

/// Where a call puts what it hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Fresh guest memory; these arguments say where pointer and size go.
    Allocated {
        /// Index of the argument that says where the pointer goes.
        pointer: usize,
        /// Index of the argument that says where the size goes.
        size: usize,
    },
    /// A place of the guest's own.
    Fixed {
        /// Index of the argument that is the place.
        place: usize,
        /// Bytes of the place.
        width: usize,
    },
}

/// Defines every function the module imports: the known ones with their duty, the others of `env`
/// as Unimplemented (12), the others of WASI as not supported (`ENOSYS`, 52).
pub fn link(linker: &mut Linker<State>, module: &Module) {
    for import in module.imports() {
        let ExternType::Func(ty) = import.ty() else {
            panic!(
                "the module imports {}.{}, which is not a function",
                import.module(),
                import.name()
            );
        };
        let name = import.name().to_owned();
        let (call, absent) = match import.module() {
            "env" => (
                http::find(&name).or_else(|| process::find(&name)),
                status::UNIMPLEMENTED,
            ),
            "wasi_snapshot_preview1" => (wasi::find(&name), wasi::ENOSYS),
            other => panic!("the module imports {name} from {other}, which no proxy provides"),
        };
        let defined = linker.func_new(
            import.module(),
            import.name(),
            ty.clone(),
            move |mut caller, arguments, results| {
                let arguments: Vec<u64> = arguments.iter().map(word).collect();
                let status = invoke(&mut caller, &name, call, absent, &arguments)?;
                if let Some(result) = results.first_mut() {
                    *result = Val::I32(status as i32);
                }
                Ok(())
            },
        );
        // The same function can be imported twice; the first definition serves both.
        drop(defined);
    }
}

/// What `function` hands over, if anything.
pub fn output(function: &str) -> Option<Output> {
    let (pointer, size) = match function {
        "proxy_get_property" | "proxy_get_shared_data" | "proxy_resolve_shared_queue" => (2, 3),
        "proxy_get_buffer_bytes" | "proxy_get_header_map_value" => (3, 4),
        "proxy_get_header_map_pairs" | "proxy_get_status" | "proxy_dequeue_shared_queue" => (1, 2),
        "proxy_call_foreign_function" => (4, 5),
        _ => {
            let (place, width) = match function {
                "proxy_get_current_time_nanoseconds" => (0, 8),
                "proxy_get_log_level" => (0, 4),
                "proxy_define_metric" => (3, 4),
                "proxy_get_metric" => (1, 8),
                "proxy_http_call" => (9, 4),
                "proxy_grpc_call" => (11, 4),
                "clock_time_get" => (2, 8),
                _ => return None,
            };
            return Some(Output::Fixed { place, width });
        }
    };
    Some(Output::Allocated { pointer, size })
}

/// One host call, with the fault planted for it if there is one; gives the status.
fn invoke(
    caller: &mut Caller<'_, State>,
    name: &str,
    call: Option<Call>,
    absent: u32,
    arguments: &[u64],
) -> Result<u32, wasmi::Error> {
    let fault = {
        let state = caller.data_mut();
        name.clone_into(&mut state.last_call);
        state.world.borrow_mut().count(name)
    };
    let mut guest = Guest::new(caller)?;
    let done = match fault {
        Some(fault) => match fail(&mut guest, name, &fault, arguments) {
            Err(Stop::Status(status::OK)) if matches!(fault, Fault::Race(_)) => {
                duty(&mut guest, call, absent, arguments)
            }
            done => done,
        },
        None => duty(&mut guest, call, absent, arguments),
    };
    match done {
        Ok(()) => Ok(status::OK),
        Err(Stop::Status(status)) => Ok(status),
        Err(Stop::Trap(why)) => Err(why),
    }
}

fn duty(
    guest: &mut Guest<'_, '_>,
    call: Option<Call>,
    absent: u32,
    arguments: &[u64],
) -> Result<(), Stop> {
    match call {
        Some(call) => call(guest, arguments),
        None => Err(Stop::Status(absent)),
    }
}

fn fail(
    guest: &mut Guest<'_, '_>,
    name: &str,
    fault: &Fault,
    arguments: &[u64],
) -> Result<(), Stop> {
    match fault {
        Fault::Status(status) => Err(Stop::Status(*status)),
        Fault::Trap => Err(Stop::Trap(wasmi::Error::host(Interruption::Planted))),
        Fault::Race(other) => {
            other(&mut guest.state().world.borrow_mut().shared);
            Err(Stop::Status(status::OK))
        }
        Fault::Bytes(bytes) => match output(name) {
            Some(Output::Allocated { pointer, size }) => {
                guest.hand_over(bytes, arguments[pointer], arguments[size])?;
                if name == "proxy_get_shared_data" {
                    guest.write_u32(arguments[4], 1)?;
                }
                Ok(())
            }
            Some(Output::Fixed { place, width }) => {
                guest.write(arguments[place], &bytes[..bytes.len().min(width)])
            }
            None => Err(Stop::fatal(format!("{name} hands nothing over"))),
        },
        Fault::Null(length) => match output(name) {
            Some(Output::Allocated { pointer, size }) => {
                guest.write_u32(arguments[pointer], 0)?;
                guest.write_u32(arguments[size], *length)
            }
            _ => Err(Stop::fatal(format!("{name} hands no pointer over"))),
        },
    }
}

fn word(value: &Val) -> u64 {
    match value {
        Val::I32(value) => u64::from(*value as u32),
        Val::I64(value) => *value as u64,
        // No call of either interface takes a float, a vector or a reference.
        _ => 0,
    }
}
