//! What the shell is to do.

use crate::denial::Reply;
use crate::wire::Pair;

/// What the shell is to do after a callback.
#[derive(Debug, Eq, PartialEq)]
pub enum Step {
    /// Ask the host whether a signature holds, of the token or of its proof: [`verifying`](super::Exchange::verifying),
    /// then call [`verified`](super::Exchange::verified).
    Verify,
    /// Note the proof as used: carry out [`noting`](super::Exchange::noting), then call [`noted`](super::Exchange::noted).
    Note,
    /// Shut somebody out on all workers: carry out [`shutting_out`](super::Exchange::shutting_out), then call
    /// [`shut_out`](super::Exchange::shut_out).
    ShutOut,
    /// Keep the request back, with what comes of its body: [`wake`](super::Exchange::wake) is to be called when
    /// something new is known, and every now and then. Where there is an [`intent`](super::Exchange::intent) or a
    /// [`call`](super::Exchange::call), it is to be made.
    Wait,
    /// Charge the caller's limits: carry out [`charging`](super::Exchange::charging), then call
    /// [`charged`](super::Exchange::charged).
    Charge,
    /// See in shared data whether the server of global limits is asked, or note what came of it: carry out
    /// [`consulting`](super::Exchange::consulting), then call [`consulted`](super::Exchange::consulted).
    Consult,
    /// Let it go on as it is.
    Continue,
    /// Put these fields in the place of the request's head and let it go on.
    Forward(Vec<Pair>),
    /// As [`Step::Forward`], and put these bytes in the place of the whole body, which is in the proxy's
    /// buffer and has this length.
    Rewrite {
        /// The fields of the head.
        headers: Vec<Pair>,
        /// The length of what came, in bytes.
        came: usize,
        /// What goes on.
        body: Vec<u8>,
    },
    /// Put these fields in the place of the head and keep it back; pieces of the body come in the
    /// meantime.
    HoldHead(Vec<Pair>),
    /// Take the piece out of the proxy's buffer and wait for more.
    Hold,
    /// Put these fields in the place of the answer's head and let it go on.
    Release(Vec<Pair>),
    /// Put these bytes in the place of the piece and let it go on.
    Write(Vec<u8>),
    /// Put these fields in the place of the answer's head, which was kept back, and these bytes in the place
    /// of the piece, and let both go on.
    Finish {
        /// The fields of the head.
        headers: Vec<Pair>,
        /// The whole body.
        body: Vec<u8>,
    },
    /// Answer with this instead; nothing else follows.
    Reply(Reply),
    /// Cut the stream: a part has left, the rest must not.
    Reset,
    /// Let the trailers go on empty.
    DropTrailers,
}
