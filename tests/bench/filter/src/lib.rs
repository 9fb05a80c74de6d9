//! What any wasm filter costs in Envoy, before it decides anything. The text of its configuration
//! says which: `empty` does nothing, `calls` makes twelve host calls and leaves a record of 700
//! bytes, `copy` takes every piece of the answer into the VM and puts it back, and `{...}` takes the whole
//! answer, edits it as a tree of serde_json, and writes it again.

#[cfg(target_arch = "wasm32")]
mod edit;

#[cfg(target_arch = "wasm32")]
mod wasm {
    use std::rc::Rc;

    use proxy_wasm::traits::{Context, HttpContext, RootContext};
    use proxy_wasm::types::{Action, ContextType, LogLevel};

    use crate::edit::Edit;

    /// Where the shipped access log looks for the record.
    const RECORD: &str = "fhir_guard.audit";
    const RECORD_BYTES: usize = 700;

    proxy_wasm::main! {{
        proxy_wasm::set_log_level(LogLevel::Warn);
        proxy_wasm::set_root_context(|_| Box::new(Root(Mode::Empty)));
    }}

    #[derive(Clone)]
    enum Mode {
        Empty,
        Calls,
        Copy,
        Edit(Rc<Edit>),
    }

    struct Root(Mode);

    impl Context for Root {}

    impl RootContext for Root {
        fn on_configure(&mut self, _size: usize) -> bool {
            self.0 = match self.get_plugin_configuration().as_deref() {
                Some(b"empty") => Mode::Empty,
                Some(b"calls") => Mode::Calls,
                Some(b"copy") => Mode::Copy,
                Some(text) => match Edit::parse(text) {
                    Some(edit) => Mode::Edit(Rc::new(edit)),
                    None => return false,
                },
                None => return false,
            };
            true
        }

        fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
            Some(match &self.0 {
                Mode::Empty => Box::new(Empty),
                Mode::Calls => Box::new(Calls),
                Mode::Copy => Box::new(Copy),
                Mode::Edit(edit) => Box::new(Tree {
                    edit: Rc::clone(edit),
                    held: Vec::new(),
                }),
            })
        }

        fn get_type(&self) -> Option<ContextType> {
            Some(ContextType::HttpContext)
        }
    }

    struct Empty;

    impl Context for Empty {}

    impl HttpContext for Empty {}

    /// The calls that any filter makes which knows its caller, counts, and leaves a record.
    struct Calls;

    impl Context for Calls {}

    impl HttpContext for Calls {
        // Nine calls.
        fn on_http_request_headers(&mut self, _count: usize, _ended: bool) -> Action {
            let headers = self.get_http_request_headers_bytes();
            let _ = self.get_property(vec!["connection", "mtls"]);
            let _ = self.get_property(vec!["connection", "sha256_peer_certificate_digest"]);
            let _ = self.get_property(vec!["connection", "peer_certificate_valid"]);
            let _ = self.get_property(vec!["source", "address"]);
            let _ = self.get_current_time();
            let (value, version) = self.get_shared_data("bucket");
            let value = value.unwrap_or_else(|| vec![0; 36]);
            // A lost race loses a count, which nobody needs here.
            let _ = self.set_shared_data("bucket", Some(&value), version);
            let headers = headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_slice()));
            self.set_http_request_headers_bytes(headers.collect());
            Action::Continue
        }

        // One call.
        fn on_http_response_headers(&mut self, _count: usize, _ended: bool) -> Action {
            let _ = self.get_http_response_headers_bytes();
            Action::Continue
        }

        // Two calls.
        fn on_log(&mut self) {
            let _ = self.get_current_time();
            let record = [b'r'; RECORD_BYTES];
            self.set_property(vec![RECORD], Some(&record));
        }
    }

    struct Copy;

    impl Context for Copy {}

    impl HttpContext for Copy {
        fn on_http_response_body(&mut self, size: usize, _ended: bool) -> Action {
            if let Some(bytes) = self.get_http_response_body(0, size) {
                self.set_http_response_body(0, size, &bytes);
            }
            Action::Continue
        }
    }
    /// Swallows the pieces, and writes all at the end.
    struct Tree {
        edit: Rc<Edit>,
        held: Vec<u8>,
    }

    impl Context for Tree {}

    impl HttpContext for Tree {
        fn on_http_response_headers(&mut self, _count: usize, _ended: bool) -> Action {
            self.set_http_response_header("content-length", None);
            Action::Continue
        }

        fn on_http_response_body(&mut self, size: usize, ended: bool) -> Action {
            if let Some(bytes) = self.get_http_response_body(0, size) {
                self.held.extend_from_slice(&bytes);
            }
            let edited = match ended {
                true => self.edit.apply(&self.held).unwrap_or_default(),
                false => Vec::new(),
            };
            self.set_http_response_body(0, size, &edited);
            Action::Continue
        }
    }
}
