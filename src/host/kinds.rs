//! Which of the host's maps and buffers is meant.

/// Which header map (`proxy_header_map_type_t`).
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub enum Map {
    /// Request header fields.
    Request = 0,
    /// Response header fields.
    Response = 2,
    /// Response trailer fields.
    ResponseTrailers = 3,
    /// Header fields of the answer to a call.
    CallAnswer = 6,
    /// Trailer fields of the answer to a call.
    CallAnswerTrailers = 7,
}

/// Which buffer (`proxy_buffer_type_t`).
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub enum Buffer {
    /// The request body.
    Request = 0,
    /// The response body.
    Response = 1,
    /// The body of the answer to a call.
    CallAnswer = 4,
    /// The configuration of the filter.
    Configuration = 7,
}
