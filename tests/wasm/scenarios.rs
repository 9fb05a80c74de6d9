//! What the module must do.

mod allowed;
mod bodies;
mod configuration;
mod faults;
mod hostile;
mod order;
mod shared;

use crate::host::Host;

#[test]
fn the_module_speaks_the_abi_the_host_emulates() {
    let host = Host::release();
    let exports = host.exports();
    for name in [
        "memory",
        "proxy_abi_version_0_2_1",
        "proxy_on_context_create",
        "proxy_on_configure",
        "proxy_on_request_headers",
        "proxy_on_request_body",
        "proxy_on_response_headers",
        "proxy_on_response_body",
        "proxy_on_log",
        "proxy_on_delete",
    ] {
        assert!(
            exports.iter().any(|export| export == name),
            "the module does not export {name}; it exports {exports:?}"
        );
    }
    // Whether it takes the configuration is another matter; it must not trap on it.
    let _ = host.start();
}
