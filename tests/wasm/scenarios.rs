//! What the module must do.

mod allowed;
mod bodies;
mod certificates;
mod configuration;
mod current;
mod dpop;
mod faults;
mod handover;
mod hostile;
mod introspection;
mod keyless;
mod keys;
mod order;
mod quarantine;
mod shared;
mod signatures;
mod strict;
mod trail;

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

#[test]
fn the_module_is_built_with_the_instructions_that_make_it_fast() {
    let path = fhir_guard_harness::envoy::module().expect("the module");
    let bytes = std::fs::read(&path).expect("the module");
    // The compiler writes what it was allowed to use into a section of the module.
    assert!(
        bytes.windows(7).any(|window| window == b"simd128"),
        "{} was built without simd128, expected the flags of .cargo/config.toml: RUSTFLAGS in the \
         environment takes their place",
        path.display()
    );
}
