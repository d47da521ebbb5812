# Run `make` or `make help` for what there is.
PULUMI_VERSION := 3.256.0
PULUMI_YAML_VERSION := 1.30.0
GOLANGCI_VERSION := v2.15.0
GOFUMPT_VERSION := v0.12.0
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X github.com/pipelinetui/pipelinetui/internal/version.Version=$(VERSION)
TOOLS := $(CURDIR)/.bin
RACE := ./internal/app/... ./internal/clock/... ./internal/executions/... ./internal/sandbox/... ./internal/stack/... ./internal/tui/...

.DEFAULT_GOAL := help
.PHONY: help acceptance build pulumi language-yaml demo demo-clean test race race-build lint tools fmt generate docs screenshots bench iris clean dist hooks ci FORCE

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

# Without -trimpath: with it nothing of what the tests compile could be used again.
build: bin/pipelinetui ## build bin/pipelinetui

bin/pipelinetui: FORCE
	@mkdir -p bin
	go build -ldflags '$(LDFLAGS)' -o bin/pipelinetui ./cmd/pipelinetui

pulumi: ## build bin/pulumi from its Go module, unless the right version is found
	@sh scripts/pulumi.sh $(PULUMI_VERSION)

language-yaml: ## build bin/pulumi-language-yaml, which runs ejected projects in tests
	@sh scripts/language-yaml.sh $(PULUMI_YAML_VERSION)

demo: pulumi build ## the main job end to end on the embedded sandbox
	@sh scripts/demo.sh

demo-clean: ## remove everything that the demo made
	@sh scripts/demo.sh clean

# Each sandbox of a test asks python3 where it is: a wrapper on PATH, such as pyenv's, takes
# half a second for the answer.
DIRECT_PYTHON = p=$$(python3 -c 'import os, sys; print(os.path.dirname(sys.executable))' 2>/dev/null) && PATH="$$p:$$PATH";

test: pulumi language-yaml build ## all tests, end to end ones included
	@$(DIRECT_PYTHON) PIPELINETUI_BINARY=$(CURDIR)/bin/pipelinetui go test $(TESTFLAGS) -timeout 30m ./...

# Without vet, which `make test` and `make lint` run: under -race it would look at all
# that is imported once more.
race: pulumi ## the packages with goroutines under the race detector
	@$(DIRECT_PYTHON) go test -race -short -vet=off -timeout 30m $(RACE)

race-build: ## compile what `make race` needs, and run nothing
	go build -race $(RACE)

acceptance: pulumi build ## against the real Terraform provider: BRIDGE=folder PROVIDER=file [ALL=1]
	@BRIDGE='$(BRIDGE)' PROVIDER='$(PROVIDER)' ALL='$(ALL)' sh scripts/acceptance.sh

lint: $(TOOLS)/golangci-lint ## static analysis and formatting, as CI runs them
	$(TOOLS)/golangci-lint run ./...
	@$(MAKE) --no-print-directory docs && git diff --exit-code -- docs || { echo 'docs are stale: run `make docs` and commit'; exit 1; }

tools: $(TOOLS)/golangci-lint ## build the linter into .bin

fmt: $(TOOLS)/gofumpt ## format the Go code
	$(TOOLS)/gofumpt -w $$(git ls-files '*.go')

docs: build ## generate the pages of docs/ that say what the code says
	@bin/pipelinetui docs --dir docs

screenshots: pulumi build ## draw docs/screenshots from the real program on a sandbox
	go run ./e2e/screenshots -bin bin/pipelinetui -out docs/screenshots

bench: pulumi language-yaml build ## benchmarks, with ratios to plain Pulumi
	go test -run '^$$' -bench . -benchtime 1x ./...

iris: ## train the example's model again from its data
	python3 examples/iris/train.py

dist: ## cross-compile releases with checksums into dist/
	@sh scripts/dist.sh '$(LDFLAGS)'

hooks: ## install the git pre-commit hook
	install -m 755 scripts/pre-commit .git/hooks/pre-commit

clean: ## remove what make built
	rm -rf bin dist .bin

ci: ## what CI runs
	bash .ci/run

$(TOOLS)/golangci-lint:
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

$(TOOLS)/gofumpt:
	GOBIN=$(TOOLS) go install mvdan.cc/gofumpt@$(GOFUMPT_VERSION)
