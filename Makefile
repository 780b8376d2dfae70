# dynofa: every target sets up what it needs. `make demo` and `make test` are all that a fresh
# machine needs (Go 1.26, a C compiler, make, npm).
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

GO ?= go
RUNTIME := .cache/onnxruntime
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION)

# What builds and passes without cgo, SQLite and ONNX Runtime.
IMPURE := lut/sqlite|store|deploy/ort|deploy/eval|deploy/bundle|deploy/runner|docs/studies/(runtime|accuracy|fidelity|soak)|cmd/
PURE = $$($(GO) list ./... | grep -vE '/($(IMPURE))')
# What runs without the race detector in `make test`: the commands, which take minutes with it while
# what runs at the same time in them is tested elsewhere, and a study of memory.
UNRACED := cmd/dynofa|docs/studies/runtime
# What the race detector has nothing to find in, since nothing runs at the same time there, tests included: `make test` runs
# these once, as pure packages, and `make test-race` with it.
SERIAL := sim/oracle|lut/formats|datasets/supernet|datasets/traffic|deploy/policy

.PHONY: all build runtime demo test bench-kernel test-pure test-reference lint bench study-search fuzz clean
all: build

build: ## bin/dynofa and bin/dynofa-run
	$(GO) build -ldflags "$(LDFLAGS)" -o bin/ ./cmd/...

runtime: ## ONNX Runtime for this machine, in the cache folder
	@sh deploy/ort/fetch.sh $(RUNTIME)

# Cross-building for a board. Debian's gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user-static have the tools.
ARM64_CC ?= aarch64-linux-gnu-gcc
ARM64_QEMU ?= qemu-aarch64-static
ARM64_OUT ?= bin/linux-arm64
.PHONY: runner-arm64 runtime-arm64 test-arm64
runner-arm64: ## bin/linux-arm64/dynofa-run, for a board with 64-bit Arm
	@command -v $(firstword $(ARM64_CC)) >/dev/null || { echo "runner-arm64: there is no $(firstword $(ARM64_CC)); on Debian: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross"; exit 1; }
	CGO_ENABLED=1 GOOS=linux GOARCH=arm64 CC="$(ARM64_CC)" $(GO) build -tags netgo,osusergo -ldflags "$(LDFLAGS)" -o $(ARM64_OUT)/ ./cmd/dynofa-run
	@! command -v aarch64-linux-gnu-objdump >/dev/null || echo "$(ARM64_OUT)/dynofa-run wants a board with glibc $$(aarch64-linux-gnu-objdump -T $(ARM64_OUT)/dynofa-run | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1 | cut -d_ -f2) or newer"

runtime-arm64: ## ONNX Runtime for 64-bit Arm, in the cache folder, to be copied to a board
	@sh deploy/ort/fetch.sh $(RUNTIME)/arm64 arm64

.PHONY: runtime-older
runtime-older: ## bin/older/libonnxruntime.so.1, through which OLDER=LIBRARY, an ONNX Runtime of 1.18 to 1.23, can be used (docs/xavier-nx.md)
	@[ -f "$(OLDER)" ] || { echo "runtime-older: name the library: make runtime-older OLDER=/path/libonnxruntime.so.1.18.0"; exit 1; }
	mkdir -p bin/older
	$(CC) -O2 -Wall -Wextra -shared -fPIC -fvisibility=hidden -o bin/older/libonnxruntime.so.1 deploy/ort/older/older.c -ldl -lpthread
	ln -sfn "$(abspath $(OLDER))" bin/older/libonnxruntime_older.so

test-arm64: runtime ## decisions and inference on emulated arm64 against this machine's; says so and does nothing without compiler or emulator
	@if command -v $(firstword $(ARM64_CC)) >/dev/null && command -v $(ARM64_QEMU) >/dev/null; then \
		sh deploy/ort/fetch.sh $(RUNTIME)/arm64 arm64; \
		DYNOFA_REQUIRE_ARM64=1 $(GO) test -count=1 -run '^TestArm64' -v ./cmd/dynofa-run; \
	else echo "test-arm64: skipped: there is no $(ARM64_CC) or no $(ARM64_QEMU)"; fi

demo: build runtime ## the whole path on built-in data; leaves demo/
	bin/dynofa demo --dir demo $(DEMO_FLAGS)

test: runtime test-pure ## every test, with the race detector but for UNRACED and SERIAL
	DYNOFA_REQUIRE_RUNTIME=1 $(GO) test -race $$($(GO) list ./... | grep -vE '/($(UNRACED)|$(SERIAL))$$')
	DYNOFA_REQUIRE_RUNTIME=1 $(GO) test $$($(GO) list ./... | grep -E '/($(UNRACED))$$')

.PHONY: test-race
test-race: runtime ## every test with the race detector
	DYNOFA_REQUIRE_RUNTIME=1 $(GO) test -timeout 30m -race ./...

test-pure: ## the pure packages without cgo
	CGO_ENABLED=0 $(GO) build ./...
	CGO_ENABLED=0 $(GO) test $(PURE)

test-reference: runtime ## every test, and none may skip for want of reference data in ../shared
	CGO_ENABLED=0 DYNOFA_REQUIRE_REFERENCE=1 $(GO) test $(PURE)
	DYNOFA_REQUIRE_RUNTIME=1 DYNOFA_REQUIRE_REFERENCE=1 $(GO) test -race $$($(GO) list ./... | grep -E '/($(IMPURE))' | grep -vE '/($(UNRACED))$$')
	DYNOFA_REQUIRE_RUNTIME=1 DYNOFA_REQUIRE_REFERENCE=1 $(GO) test $$($(GO) list ./... | grep -E '/($(UNRACED))$$')

lint: ## gofmt, go vet, staticcheck, shell scripts
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

bench-kernel: ## the table of docs/performance.md: the kernel beside container/heap, C++ and SimPy
	$(GO) test -count=1 -timeout 1h -run "^TestPeers$$" ./sim/des -v -peers 15

bench: runtime ## benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

study-search: ## docs/studies/search: the searchers compared; a few CPU-minutes, DYNOFA_STUDY=long for more
	DYNOFA_REQUIRE_REFERENCE=1 DYNOFA_STUDY=$${DYNOFA_STUDY:-short} $(GO) test -count=1 -timeout 1h -run '^TestStudy$$' -v ./docs/studies/search

.PHONY: study-throughput
study-throughput: ## docs/studies/search/throughput.md: evaluations per second, beside the peers that are installed; a CPU-minute
	DYNOFA_REQUIRE_REFERENCE=1 DYNOFA_STUDY=short $(GO) test -count=1 -timeout 1h -run '^TestThroughput$$' -v ./docs/studies/search

FUZZTIME ?= 10s
fuzz: ## every fuzz target for FUZZTIME
	@for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

.PHONY: study-accuracy
study-accuracy: build runtime ## docs/studies/accuracy: sub-networks of the built-in supernet measured, its predictor fitted; half an hour of processor time
	DYNOFA_STUDY=1 $(GO) test -count=1 -timeout 3h -run '^TestStudy$$' -v ./docs/studies/accuracy

.PHONY: study-policies
study-policies: ## docs/studies/policies: runtime managers on simulated cells; rewrites results.csv and the tables, a few CPU-minutes
	$(GO) test -count=1 -timeout 1h -run '^TestStudy$$' ./docs/studies/policies -update

.PHONY: study-energy
study-energy: ## docs/studies/energy: clocks and levels against schedutil on simulated boards; rewrites results.csv and the tables, a CPU-minute
	$(GO) test -count=1 -timeout 1h -run '^TestStudy$$' ./docs/studies/energy -update

.PHONY: study-quiet
study-quiet: runtime ## docs/studies/profile: 20 profiles alone and 5 beside two CPU burners; rewrites quiet.csv and the README's table, some 10 minutes on a machine that nobody else uses (DYNOFA_STUDY=short: 8 and 3)
	DYNOFA_STUDY=$${DYNOFA_STUDY:-long} $(GO) test -count=1 -timeout 6h -run '^TestQuiet$$' -v ./docs/studies/profile

.PHONY: study-runtime
study-runtime: runtime ## docs/studies/runtime: memory, starts, switches and overhead on this machine; a CPU-minute
	DYNOFA_REQUIRE_RUNTIME=1 $(GO) test -count=1 -timeout 1h -run '^TestStudy$$' -v ./docs/studies/runtime -update

.PHONY: study-fidelity
study-fidelity: runtime ## docs/studies/fidelity: real runs beside co-running loads, and what the simulator predicts of them; five to six minutes
	DYNOFA_REQUIRE_RUNTIME=1 $(GO) test -count=1 -timeout 1h -run '^TestStudy$$' -v ./docs/studies/fidelity -update

MINUTES ?= 30
.PHONY: soak
soak: build runtime ## docs/studies/soak: a server at full load for MINUTES, with the slope of its memory and the growth of goroutines
	DYNOFA_REQUIRE_RUNTIME=1 $(GO) test -count=1 -timeout 24h -run '^TestSoak$$' -v ./docs/studies/soak -minutes $(MINUTES)

clean:
	rm -rf bin demo .cache
