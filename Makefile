# `make` prints the targets. Everything builds without cgo, as any user.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

export CGO_ENABLED := 0
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT  ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
STAMP   := -X main.stampVersion=$(VERSION) -X main.stampCommit=$(COMMIT)
BUILD   := go build -trimpath -buildvcs=false
CROSS   := arm64 amd64 armv7 armv6 riscv64
EVENTS  ?= 300
SEED    ?= 1

.PHONY: help
help: ## print this list
	@grep -hE '^[a-z][a-z0-9-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | awk -F'\t' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: build
build: ## the binary for this machine, in bin/
	$(BUILD) -ldflags '$(STAMP)' -o bin/wayside ./cmd/wayside

.PHONY: demo
demo: build ## a simulated roadside cabinet on real measurements; nothing to set up
	bin/wayside demo

.PHONY: test
test: ## all tests; the reasons for skips are printed and counted
	go test -json ./... | go run ./scripts/testsummary

.PHONY: check
check: fmt-check vet lint test size cross goldens-check ## what must hold before a commit that matters

.PHONY: fmt
fmt: ## format all Go files
	gofmt -s -w $$(git ls-files '*.go')

.PHONY: fmt-check
fmt-check: ## fail if a Go file is not formatted or go.mod is not tidy
	@out=$$(gofmt -s -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not formatted, run make fmt:"; echo "$$out"; exit 1; }
	go mod tidy -diff

.PHONY: vet
vet: ## go vet for every architecture that we build for
	for a in amd64 arm64 arm riscv64; do GOOS=linux GOARCH=$$a go vet ./... || exit 1; done
	go vet -tags mutant ./...

.PHONY: lint
lint: ## staticcheck, at the version pinned in scripts/tools
	go tool -modfile=scripts/tools/go.mod staticcheck ./...

.PHONY: goldens
goldens: ## write the golden files anew: dependencies, operators, configuration reference
	go test ./cmd/wayside ./agent/config -run 'Golden|Reference' -count=1 -update

.PHONY: goldens-check
goldens-check: ## fail if a golden file is stale
	go test ./cmd/wayside ./agent/config -run 'Golden|Reference' -count=1

.PHONY: cross
cross: ## static binaries for every architecture, in dist/
	for a in $(CROSS); do \
	  case $$a in armv*) arch=arm arm=$${a#armv};; *) arch=$$a arm=;; esac; \
	  GOOS=linux GOARCH=$$arch GOARM=$$arm $(BUILD) -ldflags '-s -w $(STAMP)' -o dist/wayside-linux-$$a ./cmd/wayside; \
	done
	@ls -l dist | awk 'NR>1 {printf "  %-26s %.2f MB\n", $$NF, $$5/1e6}'

.PHONY: size
size: ## fail if the stripped arm64 binary is over its budget, or the linker cannot prune
	scripts/size.sh

.PHONY: test-arm64
test-arm64: ## kernels, graph and hal tests under qemu-user for three CPU models
	scripts/test-arm64.sh

.PHONY: test-arm
test-arm: ## kernels tests for 32-bit ARM under qemu-user, with NEON and without
	scripts/test-arm.sh

.PHONY: test-avx512
test-avx512: ## kernels tests in the tier avx512vnni, in the emulator Bochs where the CPU lacks it
	scripts/test-avx512.sh

.PHONY: cycles-arm64
cycles-arm64: ## fail if loops of the arm64 kernels take more cycles of llvm-mca's models than in scripts/bench/arm64/cycles.txt; wants llvm-19
	go run ./scripts/bench/arm64

.PHONY: count-arm64
count-arm64: ## fail if small models take more instructions under qemu-user than in scripts/bench/arm64/instructions.txt; wants qemu-user-static
	go run ./scripts/bench/arm64 -count

.PHONY: models
models: ## the models that engines are compared on, in scripts/bench/models/out; minutes, and network the first time
	scripts/bench/models/make.sh

.PHONY: peers
peers: ## compare the speed with LiteRT, ONNX Runtime and OpenVINO on this machine; ARGS="--rounds 2 --seconds 1"
	scripts/bench/peers/peers.sh $(ARGS)

.PHONY: chaos
chaos: ## the fault injection in full: EVENTS=300 SEED=1
	go test -json ./cmd/wayside -run '^TestChaos' -count=1 -timeout 40m -chaos.events=$(EVENTS) -chaos.seed=$(SEED) | go run ./scripts/testsummary

.PHONY: fuzz
fuzz: ## every fuzz target for a fixed number of executions
	scripts/fuzz.sh
