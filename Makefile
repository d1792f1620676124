# The few commands that a person, CI and a packager need. Each says what it does in `make help`.

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo

bindir = $(DESTDIR)$(PREFIX)/bin
mandir = $(DESTDIR)$(PREFIX)/share/man
unitdir = $(DESTDIR)$(PREFIX)/lib/systemd/system
sysusersdir = $(DESTDIR)$(PREFIX)/lib/sysusers.d
tmpfilesdir = $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
sharedir = $(DESTDIR)$(PREFIX)/share/swarm
libdir = $(DESTDIR)$(PREFIX)/lib/updater
# journalctl reads them nowhere else.
catalogdir = $(DESTDIR)/usr/lib/systemd/catalog
bashdir = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
zshdir = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
fishdir = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

.DEFAULT_GOAL := help
.PHONY: help demo first-page test lint crash fuzz programs load long bench build package install tools

help:
	@echo 'make demo      build, then show a fleet on this machine from nothing to a rolled-back bad release'
	@echo 'make test      install what the tests need, then lint, build and run every test'
	@echo 'make first-page  type docs/getting-started.md on three booted hosts as it is written, and say how long it took'
	@echo 'make lint      format, clippy, cargo-deny, units, rustdoc'
	@echo 'make crash     kill the updater at every checkpoint, twice, and disturb its every call on the disk'
	@echo 'make fuzz      fuzz what reads bytes from outside, each target for FUZZ_SECONDS (60)'
	@echo 'make programs  push, upgrade and roll back 37 programs that others wrote, got from where they are published'
	@echo 'make load      what clients see of updates, by each way in which one release follows another, as a table'
	@echo 'make long      these four: what takes hours, and is run before a release'
	@echo 'make bench     measure against tar and sync; writes bench.json'
	@echo 'make build     release binaries in target/release'
	@echo 'make package   Debian and rpm packages of both programs, in packages/ (TARGET: for another processor)'
	@echo 'make install   binaries, units, man pages and completions (PREFIX, DESTDIR)'

build:
	tests/tools.sh build
	$(CARGO) build --release --locked --package master --package updater

demo: build
	target/release/swarm demo

tools:
	tests/tools.sh

test: tools lint
	CARGO='$(CARGO)' tests/run.sh

first-page: tools
	FIRST_PAGE_AS_WRITTEN=1 $(CARGO) nextest run --workspace --locked --no-capture -E 'test(the_first_page_works_as_it_is_typed)'

lint: tools
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) deny --locked check licenses bans sources
	tests/advisories.sh
	tests/units.sh
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked

crash: tools
	tests/crash.sh $(ARGS)

long: crash fuzz programs load

load: tools
	tests/load.sh $(ARGS)

programs: tools
	tests/real-programs.sh $(ARGS)

fuzz: tools
	tests/fuzz.sh

bench: tools build
	$(CARGO) run --release --locked --package fleet-tests --bin bench

package: tools
	packaging/package.sh release packages
	! command -v lintian || lintian --allow-root --display-info packages/*.deb

install: build
	install -d $(bindir) $(unitdir) $(sysusersdir) $(tmpfilesdir) $(sharedir)/drop-ins $(libdir) $(catalogdir) \
	  $(bashdir) $(zshdir) $(fishdir)
	install -m 0755 target/release/swarm target/release/updater $(bindir)
	sed -E 's#^(Exec[A-Za-z]+=-?)/usr/#\1$(PREFIX)/#' systemd/updater.service > $(unitdir)/updater.service
	install -m 0644 systemd/updater.socket $(unitdir)
	install -m 0755 systemd/rescue $(libdir)
	install -m 0644 systemd/sysusers.d/updater.conf $(sysusersdir)
	install -m 0644 systemd/catalog/updater.catalog $(catalogdir)
	install -m 0644 systemd/tmpfiles.d/updater.conf $(tmpfilesdir)
	install -m 0644 systemd/drop-ins/*.conf $(sharedir)/drop-ins
	rm -rf target/release/man
	target/release/swarm man --out-dir target/release/man
	target/release/updater man --out-dir target/release/man
	for section in 1 5 8; do \
	  install -D -m 0644 -t $(mandir)/man$$section target/release/man/*.$$section || exit 1; done
	for program in swarm updater; do \
	  target/release/$$program completions bash > $(bashdir)/$$program && \
	  target/release/$$program completions zsh > $(zshdir)/_$$program && \
	  target/release/$$program completions fish > $(fishdir)/$$program.fish || exit 1; done
