//! Host calls that belong to one exchange: header maps, buffers, properties, and what is done with
//! the stream. A call that does not fit the phase is answered as Envoy answers it.

use super::Call;
use crate::exchange::{Deferred, Exchange, LocalReply, Side};
use crate::memory::{Bytes, Guest, Headers, Stop, decode_pairs, encode_pairs, status, values};

/// The call of this name.
pub fn find(name: &str) -> Option<Call> {
    let call: Call = match name {
        "proxy_get_property" => get_property,
        "proxy_set_property" => set_property,
        "proxy_get_buffer_bytes" => get_buffer_bytes,
        "proxy_set_buffer_bytes" => set_buffer_bytes,
        "proxy_get_header_map_pairs" => get_header_map_pairs,
        "proxy_set_header_map_pairs" => set_header_map_pairs,
        "proxy_get_header_map_value" => get_header_map_value,
        "proxy_replace_header_map_value" => replace_header_map_value,
        "proxy_add_header_map_value" => add_header_map_value,
        "proxy_remove_header_map_value" => remove_header_map_value,
        "proxy_send_local_response" => send_local_response,
        "proxy_continue_stream" => continue_stream,
        "proxy_close_stream" => close_stream,
        _ => return None,
    };
    Some(call)
}

/// The last header map type of the ABI.
const LAST_MAP: u64 = 7;
/// The last buffer type of the ABI.
const LAST_BUFFER: u64 = 8;

fn get_property(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let mut path = guest.read(arguments[0], arguments[1])?;
    // A path may end with the separator.
    if path.last() == Some(&0) {
        path.pop();
    }
    let state = guest.state();
    let of_stream = state.exchange().and_then(|exchange| {
        let attribute = exchange.attributes.get(&path);
        let fact = || exchange.facts.get(&path);
        let own = || {
            exchange
                .filter_state
                .get(&path)
                .filter(|_| !path.contains(&0))
        };
        attribute.or_else(fact).or_else(own).cloned()
    });
    let value = of_stream.or_else(|| state.world.borrow().attributes.get(&path).cloned());
    let value = value.ok_or(Stop::Status(status::NOT_FOUND))?;
    guest.hand_over(&value, arguments[2], arguments[3])
}

fn set_property(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let path = guest.read(arguments[0], arguments[1])?;
    let value = guest.read(arguments[2], arguments[3])?;
    let exchange = guest.state().exchange();
    let exchange = exchange.ok_or(Stop::Status(status::NOT_FOUND))?;
    exchange.filter_state.insert(path, value);
    Ok(())
}

fn get_buffer_bytes(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let kind = arguments[0];
    if kind > LAST_BUFFER {
        return Err(Stop::Status(status::BAD_ARGUMENT));
    }
    let state = guest.state();
    let configuring = state.configuring;
    let bytes: Bytes = match kind {
        0 | 1 => {
            let side = if kind == 0 {
                Side::Request
            } else {
                Side::Response
            };
            let exchange = state.exchange();
            exchange.map_or_else(Bytes::new, |exchange| exchange.way(side).body().to_vec())
        }
        4 => match &state.answer {
            Some(answer) => answer.body.clone(),
            None => return Err(Stop::Status(status::NOT_FOUND)),
        },
        6 => state.world.borrow().vm_configuration.clone(),
        7 if configuring => state.world.borrow().plugin_configuration.clone(),
        7 => return Err(Stop::Status(status::NOT_FOUND)),
        _ => Bytes::new(),
    };
    let (start, length) = (arguments[1] as usize, arguments[2] as usize);
    // The real host subtracts without looking here; nobody should rely on what follows.
    let rest = bytes
        .get(start..)
        .ok_or(Stop::Status(status::BAD_ARGUMENT))?;
    let part = &rest[..rest.len().min(length)];
    if part.is_empty() {
        // Ok, and pointer and size of the guest stay as they were.
        return Ok(());
    }
    guest.hand_over(part, arguments[3], arguments[4])
}

fn set_buffer_bytes(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let kind = arguments[0];
    if kind > LAST_BUFFER {
        return Err(Stop::Status(status::BAD_ARGUMENT));
    }
    let data = guest.read(arguments[3], arguments[4])?;
    let state = guest.state();
    let limit = state.world.borrow().buffer_limit;
    let side = match kind {
        0 => Side::Request,
        1 => Side::Response,
        4 if state.answer.is_none() => return Err(Stop::Status(status::NOT_FOUND)),
        7 if !state.configuring => return Err(Stop::Status(status::NOT_FOUND)),
        // Configuration, answers of callouts, network data: Ok, and nothing is changed.
        _ => return Ok(()),
    };
    let Some(exchange) = state.exchange() else {
        return Ok(());
    };
    let way = exchange.way(side);
    let (start, length) = (arguments[1] as usize, arguments[2] as usize);
    way.write(start, length, &data)
        .ok_or(Stop::Status(status::BAD_ARGUMENT))?;
    match way.excess(limit) {
        Some(kept) if side == Side::Response => Err(Stop::fatal(format!(
            "envoy would have died: {kept} bytes in the paused response buffer, its limit is \
             {limit}; it answers `too large` inside this call and enters the module again"
        ))),
        _ => Ok(()),
    }
}

fn get_header_map_pairs(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let pairs = if arguments[0] > LAST_MAP {
        return Err(Stop::Status(status::BAD_ARGUMENT));
    } else {
        // As in Envoy: a map that is not at hand is an empty one here, unlike in all other calls.
        map(guest, arguments[0]).unwrap_or_default()
    };
    guest.hand_over(&encode_pairs(&pairs), arguments[1], arguments[2])
}

fn get_header_map_value(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let name = guest.read(arguments[1], arguments[2])?;
    let Some(map) = map(guest, arguments[0]) else {
        let logging = guest
            .state()
            .exchange()
            .is_some_and(|exchange| exchange.logging);
        let known = arguments[0] <= LAST_MAP;
        return Err(Stop::Status(if logging && known {
            status::NOT_FOUND
        } else {
            status::BAD_ARGUMENT
        }));
    };
    let name = String::from_utf8_lossy(&name).into_owned();
    let found = values(&map, &name);
    let first = found.first().ok_or(Stop::Status(status::NOT_FOUND))?;
    guest.hand_over(first, arguments[3], arguments[4])
}

fn set_header_map_pairs(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let pairs = given_pairs(
        guest,
        "proxy_set_header_map_pairs",
        arguments[1],
        arguments[2],
    )?;
    change_map(guest, arguments[0], |map| {
        map.clear();
        for (name, value) in pairs {
            add(map, name, value);
        }
    })
}

fn replace_header_map_value(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let (name, value) = given_line(guest, arguments)?;
    change_map(guest, arguments[0], |map| {
        map.retain(|(key, _)| *key != name);
        add(map, name, value);
    })
}

fn add_header_map_value(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let (name, value) = given_line(guest, arguments)?;
    change_map(guest, arguments[0], |map| add(map, name, value))
}

fn remove_header_map_value(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let name = guest.read(arguments[1], arguments[2])?.to_ascii_lowercase();
    change_map(guest, arguments[0], |map| {
        map.retain(|(key, _)| *key != name)
    })
}

fn send_local_response(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let details = guest.read(arguments[1], arguments[2])?;
    let reply = LocalReply {
        status: arguments[0] as u32,
        body: guest.read(arguments[3], arguments[4])?,
        headers: given_pairs(
            guest,
            "proxy_send_local_response",
            arguments[5],
            arguments[6],
        )?,
        // White space becomes `_`: the details are one word of the access log.
        details: details
            .iter()
            .map(|byte| {
                if byte.is_ascii_whitespace() {
                    b'_'
                } else {
                    *byte
                }
            })
            .collect(),
    };
    if !(200..600).contains(&reply.status) {
        let message = format!("local reply with status {}", reply.status);
        return Err(Stop::fatal(message));
    }
    if let Some(exchange) = guest.state().exchange() {
        exchange.deferred.push(Deferred::Reply(reply));
    }
    Ok(())
}

fn continue_stream(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    let side = match arguments[0] {
        0 => Side::Request,
        1 => Side::Response,
        2 => return Ok(()),
        3 => return Err(Stop::Status(status::UNIMPLEMENTED)),
        _ => return Err(Stop::Status(status::BAD_ARGUMENT)),
    };
    if let Some(exchange) = guest.state().exchange() {
        exchange.deferred.push(Deferred::Continue(side));
        // Whichever side goes on, Envoy takes the request's maps away.
        exchange.request.headers_open = false;
        exchange.request.trailers_open = false;
    }
    Ok(())
}

fn close_stream(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(), Stop> {
    match arguments[0] {
        0 | 1 => {
            if let Some(exchange) = guest.state().exchange() {
                exchange.deferred.push(Deferred::Close);
            }
            Ok(())
        }
        2 | 3 => Ok(()),
        _ => Err(Stop::Status(status::BAD_ARGUMENT)),
    }
}

/// A copy of a map the guest may read now.
fn map(guest: &mut Guest<'_, '_>, kind: u64) -> Option<Headers> {
    let state = guest.state();
    match kind {
        6 => state.answer.as_ref().map(|answer| answer.headers.clone()),
        7 => state.answer.as_ref().map(|answer| answer.trailers.clone()),
        kind => {
            let exchange: &Exchange = state.exchange()?;
            exchange.map(kind as u32).cloned()
        }
    }
}

fn change_map(
    guest: &mut Guest<'_, '_>,
    kind: u64,
    change: impl FnOnce(&mut Headers),
) -> Result<(), Stop> {
    let exchange = guest.state().exchange();
    let map = exchange.and_then(|exchange| exchange.map_mut(kind as u32));
    change(map.ok_or(Stop::Status(status::BAD_ARGUMENT))?);
    Ok(())
}

/// Adds a line; pseudo-headers stay before the others, as in Envoy.
fn add(map: &mut Headers, name: Bytes, value: Bytes) {
    let at = if name.starts_with(b":") {
        let ordinary = map.iter().position(|(key, _)| !key.starts_with(b":"));
        ordinary.unwrap_or(map.len())
    } else {
        map.len()
    };
    map.insert(at, (name, value));
}

fn given_line(guest: &mut Guest<'_, '_>, arguments: &[u64]) -> Result<(Bytes, Bytes), Stop> {
    let name = guest.read(arguments[1], arguments[2])?;
    let value = guest.read(arguments[3], arguments[4])?;
    checked(name, value)
}

fn given_pairs(
    guest: &mut Guest<'_, '_>,
    call: &str,
    address: u64,
    length: u64,
) -> Result<Headers, Stop> {
    let bytes = guest.read(address, length)?;
    let pairs = decode_pairs(&bytes)
        .ok_or_else(|| Stop::fatal(format!("{call} was given a map that is not the wire form")))?;
    pairs
        .into_iter()
        .map(|(name, value)| checked(name, value))
        .collect()
}

/// A header line the codecs take (RFC 9110, section 5.5): no line break, no NUL; the name lower
/// case, as Envoy makes it.
fn checked(name: Bytes, value: Bytes) -> Result<(Bytes, Bytes), Stop> {
    let broken = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
    if name.is_empty() || name.iter().chain(&value).any(broken) {
        let name = String::from_utf8_lossy(&name).into_owned();
        return Err(Stop::fatal(format!(
            "the header line {name:?} cannot be sent"
        )));
    }
    Ok((name.to_ascii_lowercase(), value))
}
