# The commands of everyday work. `make` lists them; the text after ## is the list.

MAKEFLAGS += --no-print-directory

CARGO_DENY := 0.20.2
TOOLS      := target/tools

test_command = scripts/with-services cargo test --locked --workspace $(ARGS)
with_tools   = PATH="$$PATH:$(CURDIR)/$(TOOLS)/bin"

.PHONY: help run test snapshots lint fmt clippy doc deny audit ci bench-idle bench-data bench-slow bench-churn \
	chaos fuzz-api autobahn cargo-deny

help: ## this list
	@echo 'Targets (ARGS="…" is passed on where it says so):'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14 | sed 's/^/  /'

run: ## the server, optimised; ARGS goes to runserver
	cargo run --release --locked -- runserver $(ARGS)

test: ## every test, on SQLite and on a throw-away PostgreSQL; ARGS goes to cargo test
	$(test_command)

snapshots: ## the tests, accepting what they print as the new snapshots and the new example .env; ARGS as above
	INSTA_UPDATE=always UPDATE_ENV_EXAMPLE=1 $(test_command)

lint: fmt clippy doc ## formatting, clippy and the documentation's links; a warning is an error

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --locked --workspace --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --workspace --document-private-items

deny: cargo-deny ## licences, banned crates and sources of the dependencies (deny.toml)
	$(with_tools) cargo deny --locked check bans licenses sources

audit: cargo-deny ## known vulnerabilities of the dependencies; fetches the list of them
	$(with_tools) cargo deny --locked check advisories

cargo-deny:
	@$(with_tools) command -v cargo-deny >/dev/null \
		|| cargo install --locked --root $(TOOLS) cargo-deny@$(CARGO_DENY)

ci: ## what has to pass before a merge: lint, deny, test
	.ci/run

bench-idle: ## the memory of idle connections; ARGS goes to the load generator
	cargo build --release --locked
	cargo run --release --locked -p meowsenger-bench -- idle $(ARGS)

bench-data: ## a thousand chats and a million messages against ten and a thousand; ARGS as above
	cargo build --release --locked
	cargo run --release --locked -p meowsenger-bench -- data $(ARGS)

bench-slow: ## a group of 200 with one who does not read, against the same without; ARGS as above
	cargo build --release --locked
	cargo run --release --locked -p meowsenger-bench -- slow $(ARGS)

bench-churn: ## people who talk while 5,000 sockets come and go, against the same without; ARGS as above
	cargo build --release --locked
	cargo run --release --locked -p meowsenger-bench -- churn $(ARGS)

chaos: ## three nodes, a NATS and thirty clients while all is killed and cut; ARGS="MEOW_CHAOS_SECONDS=600 MEOW_CHAOS_SEED=…"
	scripts/with-services env MEOW_CHAOS_SECONDS=120 $(ARGS) cargo test --locked --test chaos -- --nocapture

fuzz-api: ## schemathesis against a fresh server, by the OpenAPI document; ARGS goes to `schemathesis run`
	scripts/fuzz-api $(ARGS)

autobahn: ## the Autobahn suite against the layer under the sockets (docs/websocket.md); ARGS are cases, such as '6.*'
	scripts/autobahn $(ARGS)
