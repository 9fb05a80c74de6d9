//! The messages of one call, in pieces as they come, and the answer to each.

use std::rc::Rc;

use hyper::body::Bytes;
use prost::Message as _;

use crate::edit::Edit;
use crate::message::{ProcessingRequest, ProcessingResponse};

/// Before every message of gRPC: one byte of flags, four of length.
const PREFIX: usize = 5;

/// What came and is not answered yet.
pub struct Exchange {
    received: Vec<u8>,
    edit: Rc<Edit>,
}

impl Exchange {
    /// Nothing yet, and what is to be made of what comes.
    pub fn new(edit: Rc<Edit>) -> Exchange {
        Exchange {
            received: Vec::new(),
            edit,
        }
    }

    /// Takes a piece.
    pub fn take(&mut self, piece: &[u8]) {
        self.received.extend_from_slice(piece);
    }

    /// The answer to the next message. Absent while none is whole; an error where it is none, or not the body of
    /// an answer.
    pub fn answer(&mut self) -> Option<Result<Bytes, String>> {
        let (prefix, rest) = self.received.split_first_chunk::<PREFIX>()?;
        let [_, length @ ..] = *prefix;
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
        let answer = self.edited(rest.get(..length)?);
        self.received.drain(..PREFIX + length);
        Some(answer)
    }

    fn edited(&self, message: &[u8]) -> Result<Bytes, String> {
        let request = ProcessingRequest::decode(message).map_err(|error| error.to_string())?;
        let came = request
            .response_body
            .ok_or("expected the body of an answer")?;
        let body = self.edit.apply(&came.body).ok_or("expected JSON")?;
        let response = ProcessingResponse::body(body);
        let length = u32::try_from(response.encoded_len()).map_err(|error| error.to_string())?;
        let mut out = Vec::with_capacity(PREFIX + response.encoded_len());
        out.push(0);
        out.extend_from_slice(&length.to_be_bytes());
        response
            .encode(&mut out)
            .map_err(|error| error.to_string())?;
        Ok(out.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::HttpBody;

    const EDIT: &str =
        r#"{"remove":{"Patient":["name","address.line"]},"year":{"Patient":["birthDate"]}}"#;
    const TAG: &str = r#"{"security":[{"code":"REDACTED","system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue"},{"code":"MASKED","system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue"}],"tag":[{"code":"SUBSETTED","system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue"}]}"#;

    fn message(body: &str) -> Vec<u8> {
        let response_body = Some(HttpBody {
            body: body.into(),
            end_of_stream: true,
        });
        let request = ProcessingRequest { response_body };
        let length = u32::try_from(request.encoded_len()).unwrap();
        let mut out = vec![0];
        out.extend_from_slice(&length.to_be_bytes());
        request.encode(&mut out).unwrap();
        out
    }

    fn body(answer: &[u8]) -> String {
        let response = ProcessingResponse::decode(&answer[PREFIX..]).unwrap();
        let common = response.response_body.unwrap().response.unwrap();
        String::from_utf8(common.body_mutation.unwrap().body).unwrap()
    }

    #[test]
    fn what_is_answered_is_edited() {
        let patient = format!(r#"{{"meta":{TAG},"resourceType":"Patient"}}"#);
        let rows = [
            (
                "another type stays",
                r#"{"name":1,"resourceType":"Group"}"#,
                r#"{"name":1,"resourceType":"Group"}"#.to_owned(),
            ),
            (
                "an element",
                r#"{"name":[1],"resourceType":"Patient","text":{}}"#,
                patient.clone(),
            ),
            (
                "a part of each",
                r#"{"address":[{"city":"a","line":[1]},{"line":2}],"resourceType":"Patient"}"#,
                format!(
                    r#"{{"address":[{{"city":"a"}},{{}}],"meta":{TAG},"resourceType":"Patient"}}"#
                ),
            ),
            (
                "a year",
                r#"{"birthDate":"1961-02-03","resourceType":"Patient"}"#,
                format!(r#"{{"birthDate":"1961","meta":{TAG},"resourceType":"Patient"}}"#),
            ),
            (
                "in a Bundle",
                r#"{"entry":[{"resource":{"name":1,"resourceType":"Patient"}},{}],"resourceType":"Bundle"}"#,
                format!(r#"{{"entry":[{{"resource":{patient}}},{{}}],"resourceType":"Bundle"}}"#),
            ),
        ];
        for (name, came, expected) in rows {
            let message = message(came);
            for cut in 0..message.len() {
                let mut exchange = Exchange::new(Rc::new(Edit::parse(EDIT.as_bytes()).unwrap()));
                exchange.take(&message[..cut]);
                assert!(exchange.answer().is_none(), "{name}, cut at {cut}");
                exchange.take(&message[cut..]);
                let answer = exchange.answer().unwrap().unwrap();
                assert_eq!(body(&answer), expected, "{name}, cut at {cut}");
                assert!(exchange.answer().is_none(), "{name}: once");
            }
        }
    }

    #[test]
    fn what_is_no_body_of_an_answer_is_an_error() {
        let mut of_a_request = vec![0, 0, 0, 0, 2];
        of_a_request.extend([0x22, 0]);
        let rows = [
            ("no JSON", message("<html>")),
            ("no message", vec![0, 0, 0, 0, 1, 0xff]),
            ("the body of a request", of_a_request),
        ];
        for (name, message) in rows {
            let mut exchange = Exchange::new(Rc::new(Edit::parse(EDIT.as_bytes()).unwrap()));
            exchange.take(&message);
            assert!(exchange.answer().unwrap().is_err(), "{name}");
        }
    }
}
