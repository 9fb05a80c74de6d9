//! The port served by hand: HTTP/1.1, one request per connection, for what hyper would not write.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::serve::accept_with;
use super::wire::{Framing, Wire};
use super::{LONGEST_BODY, Recorded, Shared};

/// Longest request head.
const LONGEST_HEAD: usize = 256 * 1024;
/// Time a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// Accepts connections until it is dropped, which drops the connections too.
pub async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    accept_with(listener, shared, connection).await;
}

async fn connection(mut stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    if let Ok(Some(request)) = timeout(PATIENCE, receive(&mut stream)).await {
        let wire = shared.respond(request);
        // A caller that hangs up is no news.
        let _ = send(&mut stream, &wire).await;
        let _ = stream.shutdown().await;
    }
}

async fn receive(stream: &mut TcpStream) -> Option<Recorded> {
    let mut buffer = Vec::new();
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if buffer.len() > LONGEST_HEAD || stream.read_buf(&mut buffer).await.ok()? == 0 {
            return None;
        }
    };
    let mut slots = [httparse::EMPTY_HEADER; 256];
    let mut head = httparse::Request::new(&mut slots);
    head.parse(buffer.get(..end)?).ok()?;
    let mut request = Recorded {
        method: head.method?.to_owned(),
        path_and_query: head.path?.to_owned(),
        headers: head
            .headers
            .iter()
            .map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec()))
            .collect(),
        body: Bytes::new(),
    };
    buffer.drain(..end);
    request.body = if request.header("transfer-encoding").is_some() {
        chunks(stream, buffer).await?
    } else {
        let length: usize = request
            .header("content-length")
            .unwrap_or_else(|| "0".into())
            .parse()
            .ok()?;
        fill(stream, &mut buffer, length).await?;
        buffer.truncate(length);
        Bytes::from(buffer)
    };
    Some(request)
}

/// Reads until the buffer holds at least `length` bytes.
async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>, length: usize) -> Option<()> {
    if length > LONGEST_BODY {
        return None;
    }
    while buffer.len() < length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    Some(())
}

/// The body of a chunked request, trailers dropped.
async fn chunks(stream: &mut TcpStream, mut buffer: Vec<u8>) -> Option<Bytes> {
    let mut body = Vec::new();
    loop {
        match httparse::parse_chunk_size(&buffer).ok()? {
            httparse::Status::Complete((_, 0)) => return Some(Bytes::from(body)),
            httparse::Status::Complete((line, size)) => {
                let end = line
                    .checked_add(usize::try_from(size).ok()?)?
                    .checked_add(2)?;
                fill(stream, &mut buffer, end).await?;
                body.extend_from_slice(buffer.get(line..end - 2)?);
                buffer.drain(..end);
                if body.len() > LONGEST_BODY {
                    return None;
                }
            }
            httparse::Status::Partial => {
                let more = buffer.len() + 1;
                fill(stream, &mut buffer, more).await?;
            }
        }
    }
}

async fn send(stream: &mut TcpStream, wire: &Wire) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Whatever\r\nconnection: close\r\n", wire.status);
    for (name, value) in &wire.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match wire.framing {
        Framing::Length if wire.status == 204 || wire.status == 304 => {}
        Framing::Length => head.push_str(&format!("content-length: {}\r\n", wire.length())),
        Framing::Claimed(length) => head.push_str(&format!("content-length: {length}\r\n")),
        Framing::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    let chunked = wire.framing == Framing::Chunked;
    for piece in &wire.pieces {
        if chunked {
            let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
            chunk.extend_from_slice(piece);
            chunk.extend_from_slice(b"\r\n");
            stream.write_all(&chunk).await?;
        } else {
            stream.write_all(piece).await?;
        }
        if !wire.pause.is_zero() {
            sleep(wire.pause).await;
        }
    }
    if chunked {
        let trailers: String = wire
            .trailers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        stream
            .write_all(format!("0\r\n{trailers}\r\n").as_bytes())
            .await?;
    }
    stream.flush().await
}
