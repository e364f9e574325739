# Everyday commands. `make` lists them, with the text after ##.

MAKEFLAGS += --no-print-directory

CARGO_DENY     := 0.20.2
CARGO_LLVM_COV := 0.9.1
CARGO_MACHETE  := 0.9.2
CARGO_MUTANTS  := 27.1.0
TOOLS          := target/tools

test_command = scripts/with-services cargo test --locked --workspace $(ARGS)
# Unoptimised, which takes a third of the time to build: they work for seconds.
install_tool = cargo install --locked --debug --root $(TOOLS)
with_tools   = PATH="$$PATH:$(CURDIR)/$(TOOLS)/bin"

.PHONY: help run test snapshots lint fmt clippy doc deny audit ci bench bench-quick bench-instructions bench-soak bench-idle bench-data bench-slow bench-churn bench-files \
	chaos fuzz-api generators browser client-ts web web-test web-measure screenshots metrics-check autobahn coverage mutants machete dist package operations balancers rolling \
	cargo-deny cargo-llvm-cov cargo-machete cargo-mutants

help: ## list the commands
	@echo 'Targets (with ARGS="…" where mentioned):'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14 | sed 's/^/  /'

run: web ## build the web client and run the optimised server; ARGS goes to runserver
	cargo run --release --locked -- runserver $(ARGS)

test: ## run all tests, on SQLite and on a temporary PostgreSQL; ARGS goes to cargo test
	$(test_command)

snapshots: ## run the tests and accept their output as the new snapshots and the new .env.example; ARGS as above
	INSTA_UPDATE=always UPDATE_ENV_EXAMPLE=1 $(test_command)

lint: fmt clippy doc ## check formatting, clippy and documentation links; warnings are errors

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --locked --workspace --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --workspace --document-private-items

deny: cargo-deny ## check licences, banned crates and sources of the dependencies (deny.toml)
	$(with_tools) cargo deny --locked check bans licenses sources

audit: cargo-deny ## check the dependencies for known vulnerabilities; downloads their list
	$(with_tools) cargo deny --locked check advisories

machete: cargo-machete ## list the dependencies that nothing uses
	$(with_tools) cargo machete

# The LLVM tools must match the compiler's LLVM: Debian's llvm-NN, or rustup's component llvm-tools.
llvm = $(shell rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
llvm_tool = $(shell command -v llvm-$(1)-$(llvm))
llvm_tools = $(if $(call llvm_tool,cov),LLVM_COV=$(call llvm_tool,cov) LLVM_PROFDATA=$(call llvm_tool,profdata))
not_ours = (^|/)(tests|bench|examples|crates/testing)/|_(fuzz|tests)\.rs$$|/(fuzz|tests)\.rs$$

coverage: cargo-llvm-cov ## run all tests and print how many lines they run; ARGS goes to cargo test
	$(with_tools) $(llvm_tools) scripts/with-services cargo llvm-cov test --locked --workspace --ignore-run-fail \
		--ignore-filename-regex '$(not_ours)' $(ARGS)

mutants: cargo-mutants ## change the code of src/domain, src/hub and src/auth, and list the changes that no unit test notices; ARGS as in `--file src/hub/feed.rs`
	$(with_tools) cargo mutants --package meowsenger --timeout 60 --jobs 1 --cargo-arg=--lib --output target \
		$(or $(ARGS),--file 'src/domain/**' --file 'src/hub/**' --file 'src/auth/**')

cargo-llvm-cov:
	@$(with_tools) command -v cargo-llvm-cov >/dev/null \
		|| $(install_tool) cargo-llvm-cov@$(CARGO_LLVM_COV)

cargo-mutants:
	@$(with_tools) command -v cargo-mutants >/dev/null \
		|| $(install_tool) cargo-mutants@$(CARGO_MUTANTS)

cargo-machete:
	@$(with_tools) command -v cargo-machete >/dev/null \
		|| $(install_tool) cargo-machete@$(CARGO_MACHETE)

cargo-deny:
	@$(with_tools) command -v cargo-deny >/dev/null \
		|| $(install_tool) cargo-deny@$(CARGO_DENY)

generators: ## generate clients from the OpenAPI and AsyncAPI documents, and run them against a server; needs Node and Python 3
	tests/generators/run

dist: ## make the package of a release in target/dist, and try it
	rm -rf target/dist
	scripts/try-package "$$(scripts/dist target/dist)"

# With the features that the tests build: otherwise many dependencies would be built again with others.
debug_program = cargo build --locked --quiet --workspace --bins --test cli

package: ## the same with the debug build in target/package: tries how a package is made, in seconds
	$(debug_program)
	rm -rf target/package
	scripts/try-package "$$(scripts/dist target/package target/debug/meowsenger)"

operations: package ## run every command of docs/operations.md on a disposable copy of this machine; needs Debian and root
	scripts/walk-operations target/package/*.tar.gz

balancers: ## try the configurations of Caddy and nginx with two nodes; ARGS="--idle 100 --program PATH"
	$(debug_program)
	for kind in caddy nginx; do scripts/with-services python3 scripts/balancer $$kind $(ARGS) || exit; done

rolling: ## replace two nodes behind Caddy, then behind nginx, under load: no request may fail; ARGS="--seconds 30 --program PATH"
	$(debug_program)
	for kind in caddy nginx; do scripts/with-services python3 scripts/balancer $$kind --rolling $(ARGS) || exit; done

ci: ## run what must pass before a merge (.ci/run)
	.ci/run

# Each by itself: built together, the server's crates would get the load generator's features as well.
define bench_programs
	cargo build --release --locked
	cargo build --release --locked -p meowsenger-bench
endef
bench_run = MEOW_DURABLE=1 scripts/with-services target/release/meowsenger-bench run

bench: ## measure everything on both databases and write the figures into docs/performance.md; 15 minutes on a quiet machine; ARGS goes to `meowsenger-bench run`
	$(bench_programs)
	$(bench_run) --json target/performance.json $(ARGS)
	target/release/meowsenger-bench page target/performance.json

bench-quick: ## measure everything with less data, without writing; 3 minutes; ARGS as in `--only send --against PATH`
	$(bench_programs)
	$(bench_run) --quick $(ARGS)

bench-instructions: ## count the instructions of hot paths with valgrind and compare them with benches/instructions/counts.tsv; ARGS=--accept writes it
	cargo bench --locked --workspace --profile dev --bench instructions -- $(ARGS)

bench-soak: ## put a moderate load on each database for ten minutes: memory, open files and logs must not grow; ARGS as in `--seconds 120`
	$(bench_programs)
	target/release/meowsenger-bench soak $(ARGS)
	MEOW_DURABLE=1 scripts/with-services sh -c 'target/release/meowsenger-bench soak \
		--postgres "$$MEOW_TEST_POSTGRES_URL" $(ARGS)'

bench-idle: ## measure the memory of idle connections; ARGS goes to the load generator
	cargo build --release --locked
	cargo run --release --locked -p meowsenger-bench -- idle $(ARGS)

bench-data: ## measure calls with a million stored messages against a thousand; ARGS as above
	cargo build --release --locked
	cargo run --release --locked -p meowsenger-bench -- data $(ARGS)

bench-slow: ## measure a group of 200 with and without a slow consumer; ARGS as above
	cargo build --release --locked
	cargo run --release --locked -p meowsenger-bench -- slow $(ARGS)

bench-churn: ## measure latency with and without 5,000 connects and disconnects; ARGS as above
	cargo build --release --locked
	cargo run --release --locked -p meowsenger-bench -- churn $(ARGS)

bench-files: ## measure the memory of uploads, and downloads beside nginx; ARGS as above
	cargo build --release --locked
	cargo run --release --locked -p meowsenger-bench -- files $(ARGS)

chaos: ## break nodes, databases, networks, disks and clocks under load (docs/reliability.md); a quarter of an hour; ARGS="failover disk MEOW_CHAOS_SECONDS=600"
	scripts/chaos $(ARGS)

fuzz-api: ## run schemathesis against a fresh server; ARGS goes to `schemathesis run`
	scripts/fuzz-api $(ARGS)

browser: ## run the code of docs/browser.md in headless Chromium, against a server that is killed; needs Node 20
	tests/browser/run

client-ts: ## check and test the TypeScript client (clients/typescript) against the server; needs Node 20; ARGS goes to vitest, as in `--project unit`
	clients/typescript/scripts/test $(ARGS)

web: ## build the web client (web), which the next build of the server embeds; without Node 20 there is none
	web/scripts/build

web-test: ## check the web client and use it in headless Chromium, against the debug build of the server; needs Node 20; ARGS is a test file, as in `e2e/chat.test.mjs`
	web/scripts/test $(ARGS)

web-measure: web ## measure the first load of the web client, opening a chat, and scrolling through 10,000 messages; MEOW_PROGRAM is the server
	cd web && node scripts/measure.mjs

screenshots: web ## photograph the web client for the README, into docs/images; needs Node 20 and Chromium, and the debug build of the server
	cd web && node scripts/screenshots.mjs

metrics-check: ## check the alert rules, and let a real Prometheus scrape two nodes
	$(debug_program)
	scripts/with-services scripts/metrics-check

autobahn: ## run the Autobahn test suite against the WebSocket layer (docs/websocket.md); ARGS are cases, such as '6.*'
	scripts/autobahn $(ARGS)
