# make alone lists the targets.

GO ?= go
BIN := bin
PCAP ?=
ONCE ?=

.DEFAULT_GOAL := help
.PHONY: help build run test check hwtest rig media sweep bench soak lossy truth fuzz generate captures

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 14

build: ## bin/taproot and bin/taproot-query
	@scripts/install-deps build
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/taproot ./cmd/taproot
	$(GO) build -trimpath -o $(BIN)/taproot-query ./cmd/taproot-query

run: build ## a sensor in QEMU, its collector, live; ONCE=1 ends by itself, PCAP=file plays yours
	@scripts/install-deps run
	@$(GO) build -o $(BIN)/firstlight ./hwtest/firstlight
	@$(BIN)/firstlight $(if $(ONCE),-once) $(if $(PCAP),-pcap "$(PCAP)")

test: build ## every test, the QEMU scenarios included
	@scripts/install-deps test
	TAPROOT_HWTEST=1 $(GO) test -timeout 40m ./...

check: build ## gofmt, vet, race tests (no QEMU), staticcheck
	@scripts/install-deps test
	@test -z "$$(gofmt -l .)" || { echo "gofmt -l:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) test -race -short ./...
	$(GO) tool -modfile=tools/go.mod staticcheck ./...

hwtest: build ## every QEMU scenario, those that take minutes too, with their measurements
	@scripts/install-deps test
	TAPROOT_HWTEST=all $(GO) test -count=1 -timeout 60m -v ./hwtest/...

rig: build ## the scenarios on a real board: RIG=board.toml says what it hangs on (docs/rig.md)
	@test -n "$(RIG)" || { echo 'make rig RIG=board.toml; docs/rig.md says what is in that file'; exit 2; }
	TAPROOT_RIG=$(abspath $(RIG)) $(GO) test -count=1 -timeout 60m -v -run '^TestRig(FirstLight|TapPort|Collector|Power)' ./hwtest

media: build ## the pc board from disk, CD and stick, by UEFI and by BIOS, and installed at its console
	@scripts/install-deps test
	TAPROOT_HWTEST=1 TAPROOT_MEDIA=1 $(GO) test -count=1 -timeout 60m -v -run 'Media|Install' ./hwtest

sweep: build ## power cuts at every point of an update, on every boot chain; 100 x kill -9, 2000 lives on a bad disk, the whole model, a journal of 10 GB
	@scripts/install-deps test
	TAPROOT_SWEEP=1 $(GO) test -count=1 -timeout 120m -v -run 'Sweep|Model' ./hwtest/powercut
	TAPROOT_SWEEP=1 $(GO) test -count=1 -timeout 60m -v ./collector/journal ./collector/ledger ./hwtest/shared
	TAPROOT_SWEEP=1 TAPROOT_HWTEST=1 $(GO) test -count=1 -timeout 30m -v -run 'TestBadReleases$$' ./hwtest

bench: build ## the engine and the wire beside their peers, bytes, memory, a live port, the fleet, the flood (root)
	@scripts/install-deps bench
	$(GO) run ./hwtest/bench
	$(GO) run ./hwtest/bench/wire
	$(BIN)/taproot bench fleet --sensors 10000
	$(BIN)/taproot bench fleet --sensors 10000 --codec none --records 250

soak: build ## a fleet on a collector for an hour: memory must stay flat; FOR=5m is shorter, RATE=2000 slower
	$(BIN)/taproot bench fleet --sensors 2000 --rate $(or $(RATE),10000) --for $(or $(FOR),1h)

lossy: ## 10 min on a road that loses 30 %, and beside TCP (root); FOR=1m is shorter
	@scripts/install-deps test
	TAPROOT_LOSSY=$(or $(FOR),10m) $(GO) test -count=1 -timeout 30m -v -run 'Lossy|Fair' ./hwtest/wan

benchmarks: build ## benchmarks of the wire, the engine, the journal and the lake
	$(GO) test -run '^$$' -bench . -benchmem ./wire/... ./firmware/... ./collector/...

truth: ## how much the engine finds of what other programs find in real captures
	@mkdir -p $(BIN)
	@TAPROOT_TRUTH=1 $(GO) test -count=1 -timeout 30m -run Truth -v ./firmware/... >$(BIN)/truth.log; code=$$?; \
		grep 'truth:\|^--- FAIL\|^FAIL' $(BIN)/truth.log; exit $$code

fuzz: ## every parser for 30 s each
	scripts/fuzz-all 30s

generate: ## write docs/records.md anew from the definitions
	$(GO) test ./wire/record -run Reference -update

captures: ## record testdata/captures anew (root)
	@scripts/install-deps captures
	scripts/make-captures
