# TheEye's commands. Nothing needs installing beforehand but Go and make: see hack/setup.

.DEFAULT_GOAL := help
SHELL := /bin/sh

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X github.com/theeye-dev/theeye/services/internal/ops.Version=$(VERSION)
# What is stamped into a binary is VERSION alone: the same sources and version give the same bytes anywhere.
BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$(LDFLAGS)"
LOCAL := go run -buildvcs=false ./hack/local
# Tools are pinned in a module of their own, apart from what the services are built from.
TOOL := go tool -modfile=hack/tools/go.mod
LINT := go tool -modfile=../tools/go.mod golangci-lint
# What needs more than the services do is in modules of its own, whose tests have no data races to find.
MODULES := hack/alerts hack/chaos hack/chart hack/image
FUZZTIME ?= 30s
SEEDS ?= 1-3
DURATION ?= 20s

.PHONY: help
help: ## Print the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: up
up: ## Run TheEye on this machine, and try it; again: repair it
	@hack/setup
	@$(LOCAL) up

.PHONY: down
down: ## Stop what up started, keep its data
	@$(LOCAL) down

.PHONY: clean
clean: ## Stop what up started, remove its data
	@$(LOCAL) clean

.PHONY: test
test: ## Test everything, on real servers, with the race detector
	@hack/setup --test
	go test -race -timeout 30m ./...
	@for module in $(MODULES); do echo "go test -C $$module ./..." && go test -C $$module -timeout 20m ./... || exit 1; done

.PHONY: screenshots
screenshots: ## Take pictures of every page of the console, in light, dark and narrow, into .local/screenshots
	@hack/setup --test
	THEEYE_SCREENSHOTS="$(CURDIR)/.local/screenshots" go test -count=1 -run '^TestConsoleInABrowser$$' ./services
	@ls .local/screenshots

.PHONY: check
check: lint verify test ## All that a change must pass: lint, verify, test

.PHONY: lint
lint: ## Run the linters
	$(TOOL) golangci-lint run --allow-serial-runners
	@for module in $(MODULES); do \
		echo "golangci-lint run in $$module" && (cd $$module && $(LINT) run --allow-serial-runners) || exit 1; \
	done

.PHONY: fmt
fmt: ## Format the sources
	$(TOOL) golangci-lint fmt
	@for module in $(MODULES); do (cd $$module && $(LINT) fmt) || exit 1; done

.PHONY: generate
generate: ## Write the generated files again
	hack/generate

.PHONY: verify
verify: generate ## Fail when generated files, formatting or go.mod are not what they should be, or the tree is dirty
	@unformatted=$$(gofmt -l api hack services) && [ -z "$$unformatted" ] || { echo "not formatted:" $$unformatted; exit 1; }
	@for module in . $(MODULES); do echo "go mod tidy -C $$module -diff" && (cd $$module && go mod tidy -diff) || exit 1; done
	go mod verify
	@changed=$$(git status --porcelain) && [ -z "$$changed" ] || { echo "the tree is dirty:"; echo "$$changed"; git --no-pager diff --stat; exit 1; }

.PHONY: build
build: ## Build the services into bin
	$(BUILD) -o bin/ ./services/cmd/...

.PHONY: image
image: ## Build the images for amd64 and arm64 and push them to REGISTRY (default: the local one)
	@cd hack/image && go run -buildvcs=false . -version "$(VERSION)" $(if $(REGISTRY),-registry "$(REGISTRY)")

.PHONY: chart
chart: ## Check the chart and pack it, with the images of make image, into .local/chart
	@cd hack/chart && go run -buildvcs=false ./build package -version "$(VERSION)"

.PHONY: e2e
e2e: ## Make images and chart, and try TheEye's whole life on a cluster: KUBECONFIG's, else one by kind
	@cluster=$$(hack/cluster/find) && eval "$$cluster" && VERSION="$(VERSION)" $(if $(REGISTRY),REGISTRY="$(REGISTRY)") hack/chart/e2e/run

.PHONY: bench
bench: ## Measure TheEye beside the bare ceilings
	@hack/setup
	go run -buildvcs=false ./hack/bench

.PHONY: bench-operator
bench-operator: ## Measure what 2,000 Applications cost the operator
	@hack/setup
	@hack/setup --control-plane
	go run -buildvcs=false ./hack/bench/operator

.PHONY: bench-flood
bench-flood: ## Flood what make up started, and measure it and its good clients (ARGS: see hack/bench/flood -h)
	@hack/setup
	@$(LOCAL) up
	go run -buildvcs=false ./hack/bench/flood $(ARGS)

.PHONY: bench-reads
bench-reads: ## Measure every documented question at 10^5, 10^6 and 10^7 events (ARGS: see hack/bench/reads -h)
	@hack/setup
	go run -buildvcs=false ./hack/bench/reads $(ARGS)

.PHONY: chaos
chaos: ## Break everything around TheEye, and look that nothing is lost or kept twice: SEEDS (1-3), DURATION (20s), ARGS (-h: all)
	@hack/setup
	@cd hack/chaos && go run -buildvcs=false . -seeds "$(SEEDS)" -duration "$(DURATION)" $(ARGS)

.PHONY: real-input
real-input: ## Send several hundred real webhook payloads through, and compare what comes back
	@hack/setup
	@$(LOCAL) up
	go run -buildvcs=false ./hack/realinput

.PHONY: fuzz
fuzz: ## Fuzz every decoder for FUZZTIME (30s) each
	@grep -rl --include='*_test.go' '^func Fuzz' api hack services | xargs -r -n1 dirname | sort -u | while read -r package; do \
		for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' "$$package"/*_test.go | cut -c6-); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "./$$package" || exit 1; \
		done; \
	done

.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities in what the services use
	$(TOOL) govulncheck ./...
