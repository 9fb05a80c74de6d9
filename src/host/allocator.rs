//! The allocator of the module. That of the C library took a seventh of the time that the module spent on
//! a request, most of it on the small pieces that header fields and claims are.

use talc::wasm::{WasmDynamicTalc, new_wasm_dynamic_allocator};

#[global_allocator]
static ALLOCATOR: WasmDynamicTalc = new_wasm_dynamic_allocator();
