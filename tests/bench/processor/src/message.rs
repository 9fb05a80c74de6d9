//! What is needed of `envoy.service.ext_proc.v3`: the body of an answer, and another one in its place.

use prost::Message;

/// `ProcessingRequest`, as far as it is asked for here.
#[derive(Clone, PartialEq, Message)]
pub struct ProcessingRequest {
    /// The body of an answer, whole in the mode `BUFFERED`.
    #[prost(message, optional, tag = "5")]
    pub response_body: Option<HttpBody>,
}

/// `HttpBody`.
#[derive(Clone, PartialEq, Message)]
pub struct HttpBody {
    /// Its bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub body: Vec<u8>,
    /// Whether nothing follows.
    #[prost(bool, tag = "2")]
    pub end_of_stream: bool,
}

/// `ProcessingResponse`, as far as it is used here.
#[derive(Clone, PartialEq, Message)]
pub struct ProcessingResponse {
    /// What becomes of the body of an answer.
    #[prost(message, optional, tag = "4")]
    pub response_body: Option<BodyResponse>,
}

/// `BodyResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct BodyResponse {
    /// How it goes on.
    #[prost(message, optional, tag = "1")]
    pub response: Option<CommonResponse>,
}

/// `CommonResponse`; its status is left at `CONTINUE`.
#[derive(Clone, PartialEq, Message)]
pub struct CommonResponse {
    /// What is changed of the body.
    #[prost(message, optional, tag = "3")]
    pub body_mutation: Option<BodyMutation>,
}

/// `BodyMutation`.
#[derive(Clone, PartialEq, Message)]
pub struct BodyMutation {
    /// The bytes in the place of the others.
    #[prost(bytes = "vec", tag = "1")]
    pub body: Vec<u8>,
}

impl ProcessingResponse {
    /// This body in the place of the one that came.
    pub fn body(body: Vec<u8>) -> ProcessingResponse {
        let common = CommonResponse {
            body_mutation: Some(BodyMutation { body }),
        };
        ProcessingResponse {
            response_body: Some(BodyResponse {
                response: Some(common),
            }),
        }
    }
}
