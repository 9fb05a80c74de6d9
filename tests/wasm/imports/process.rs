//! Host calls that belong to the process and the virtual machine: log, clock, shared data,
//! metrics, foreign functions, callouts, contexts.

use super::Call;
use crate::host::{Log, Metric};
use crate::memory::{Guest, Stop, decode_pairs, status, values};
use crate::vm::Callout;

/// The call of this name.
pub fn find(name: &str) -> Option<Call> {
    let call: Call = match name {
        "proxy_log" => log,
        "proxy_get_log_level" => get_log_level,
        "proxy_set_tick_period_milliseconds" => set_tick_period,
        "proxy_get_current_time_nanoseconds" => get_current_time,
        "proxy_get_shared_data" => get_shared_data,
        "proxy_set_shared_data" => set_shared_data,
        "proxy_call_foreign_function" => call_foreign_function,
        "proxy_define_metric" => define_metric,
        "proxy_increment_metric" => increment_metric,
        "proxy_record_metric" => record_metric,
        "proxy_get_metric" => get_metric,
        "proxy_http_call" => http_call,
        "proxy_set_effective_context" => set_effective_context,
        "proxy_done" => done,
        _ => return None,
    };
    Some(call)
}

fn log(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let level = arguments[0] as u32;
    if level > 5 {
        return Err(Stop::Status(status::BAD_ARGUMENT));
    }
    let message = guest.read(arguments[1], arguments[2])?;
    write_log(guest, level, &message);
    Ok(())
}

/// Adds a line to the application log; WASI's standard streams end there too.
pub fn write_log(guest: &mut Guest<'_, '_>, level: u32, message: &[u8]) {
    let state = guest.state();
    let line = Log {
        level,
        message: String::from_utf8_lossy(message).into_owned(),
        vm: state.number,
    };
    state.world.borrow_mut().logs.push(line);
}

fn get_log_level(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let level = guest.state().world.borrow().log_level;
    guest.write_u32(arguments[0], level)
}

fn set_tick_period(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let state = guest.state();
    let root = match state.roots.contains(&state.current) {
        true => state.current,
        false => state.root,
    };
    state.tick_periods.insert(root, arguments[0] as u32);
    Ok(())
}

fn get_current_time(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let clock = guest.state().world.borrow().clock;
    guest.write(arguments[0], &clock.to_le_bytes())
}

fn get_shared_data(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let key = guest.read(arguments[0], arguments[1])?;
    let found = guest.state().world.borrow().shared.get(&key);
    let (value, version) = found.ok_or(Stop::Status(status::NOT_FOUND))?;
    guest.hand_over(&value, arguments[2], arguments[3])?;
    guest.write_u32(arguments[4], version)
}

fn set_shared_data(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let key = guest.read(arguments[0], arguments[1])?;
    let value = guest.read(arguments[2], arguments[3])?;
    let version = arguments[4] as u32;
    let mut world = guest.state().world.borrow_mut();
    match world.shared.set(&key, &value, version) {
        status::OK => Ok(()),
        refused => Err(Stop::Status(refused)),
    }
}

fn call_foreign_function(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let name = guest.read(arguments[0], arguments[1])?;
    let argument = guest.read(arguments[2], arguments[3])?;
    let function = guest.state().world.borrow().foreign.get(&name).cloned();
    let function = function.ok_or(Stop::Status(status::NOT_FOUND))?;
    let (code, result) = function(&argument);
    guest.hand_over(&result, arguments[4], arguments[5])?;
    match code {
        status::OK => Ok(()),
        code => Err(Stop::Status(code)),
    }
}

/// The two low bits of a metric's id are its kind, as in Envoy.
const METRIC_KIND: u32 = 3;

fn define_metric(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let kind = arguments[0] as u32;
    if kind > 2 {
        return Err(Stop::Status(status::BAD_ARGUMENT));
    }
    let name = guest.read(arguments[1], arguments[2])?;
    let name = String::from_utf8_lossy(&name).into_owned();
    let id = {
        let mut world = guest.state().world.borrow_mut();
        // Each definition is a new id for the same metric: defining once per exchange would leak.
        let id = (world.metric_ids.len() as u32 + 1) * 4 + kind;
        world.metric_ids.insert(id, name.clone());
        let metric = Metric { kind, value: 0 };
        world.metrics.entry(name).or_insert(metric);
        id
    };
    guest.write_u32(arguments[3], id)
}

fn increment_metric(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let offset = arguments[1] as i64;
    change_metric(guest, arguments[0] as u32, |metric| match metric.kind {
        0 if offset <= 0 => Err(Stop::Status(status::BAD_ARGUMENT)),
        0 | 1 => {
            metric.value = metric.value.wrapping_add_signed(offset);
            Ok(())
        }
        _ => Err(Stop::Status(status::BAD_ARGUMENT)),
    })
}

fn record_metric(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let value = arguments[1];
    change_metric(guest, arguments[0] as u32, |metric| {
        metric.value = match metric.kind {
            0 => metric.value.wrapping_add(value),
            _ => value,
        };
        Ok(())
    })
}

fn get_metric(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let id = arguments[0] as u32;
    if id & METRIC_KIND >= 2 {
        return Err(Stop::Status(status::BAD_ARGUMENT));
    }
    let mut value = 0;
    change_metric(guest, id, |metric| {
        value = metric.value;
        Ok(())
    })?;
    guest.write(arguments[1], &value.to_le_bytes())
}

fn change_metric(
    guest: &mut Guest<'_, '_>,
    id: u32,
    change: impl FnOnce(&mut Metric) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut world = guest.state().world.borrow_mut();
    let name = world.metric_ids.get(&id).cloned();
    let metric = name.and_then(|name| world.metrics.get_mut(&name));
    change(metric.ok_or(Stop::Status(status::NOT_FOUND))?)
}

fn http_call(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let cluster = guest.read(arguments[0], arguments[1])?;
    let headers = guest.read(arguments[2], arguments[3])?;
    let body = guest.read(arguments[4], arguments[5])?;
    let trailers = guest.read(arguments[6], arguments[7])?;
    let malformed = || Stop::fatal("proxy_http_call was given a map that is not the wire form");
    let headers = decode_pairs(&headers).ok_or_else(malformed)?;
    let trailers = decode_pairs(&trailers).ok_or_else(malformed)?;
    let complete = [":method", ":path", ":authority"]
        .iter()
        .all(|name| !values(&headers, name).is_empty());
    let state = guest.state();
    if !complete || !state.world.borrow().clusters.contains(&cluster) {
        return Err(Stop::Status(status::BAD_ARGUMENT));
    }
    state.last_token += 1;
    let token = state.last_token;
    let callout = Callout {
        token,
        cluster: String::from_utf8_lossy(&cluster).into_owned(),
        headers,
        body,
        trailers,
        timeout: arguments[8] as u32,
        root: state.root,
    };
    state.callouts.push(callout);
    guest.write_u32(arguments[9], token)
}

fn set_effective_context(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let context = arguments[0] as u32;
    let state = guest.state();
    if !state.roots.contains(&context) && !state.exchanges.contains_key(&context) {
        return Err(Stop::Status(status::BAD_ARGUMENT));
    }
    state.effective = context;
    Ok(())
}

fn done(guest: &mut Guest<'_, '_>, _: &[u64]) -> Result<(), Stop> {
    guest.state().done_called = true;
    Ok(())
}
