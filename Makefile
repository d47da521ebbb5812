# Run `make` or `make help` for what there is.
PULUMI_VERSION := 3.256.0
PULUMI_YAML_VERSION := 1.30.0
GOLANGCI_VERSION := v2.15.0
GOFUMPT_VERSION := v0.12.0
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X github.com/pipelinetui/pipelinetui/internal/version.Version=$(VERSION)
TOOLS := $(CURDIR)/.bin
# Packages with goroutines. Compiled once more under the race detector, the SDKs of the
# providers take minutes: what links them is apart, so that CI can leave it for the end.
RACE := ./internal/artifacts ./internal/clock ./internal/executions/... ./internal/fleet ./internal/outside/... ./internal/pipelines \
	./internal/preflight ./internal/results/... ./internal/stack ./internal/tui ./internal/tui/pages/... \
	$$(go list ./internal/sandbox/... | grep -v /provider)
RACE_SDKS := ./internal/app ./internal/sandbox/provider/... ./internal/tui/live

.DEFAULT_GOAL := help
.PHONY: help bare cross acceptance fleet site pages build pulumi language-yaml demo demo-clean test race race-most race-sdks race-build lint tools fmt generate docs screenshots bench iris clean dist hooks ci FORCE

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

fleet: pulumi build ## find, mend and verify what is wrong with a fleet, by commands [TENANTS=40 EXECUTIONS=5000]
	@TENANTS='$(TENANTS)' EXECUTIONS='$(EXECUTIONS)' sh scripts/fleet.sh

# Each sandbox of a test asks python3 where it is: a wrapper on PATH, such as pyenv's, takes
# half a second for the answer.
DIRECT_PYTHON = p=$$(python3 -c 'import os, sys; print(os.path.dirname(sys.executable))' 2>/dev/null) && PATH="$$p:$$PATH";

# Sixty test binaries are linked: without DWARF, which only a debugger reads, in half the time.
TESTLINK = -ldflags=-w

test: pulumi language-yaml build ## all tests, end to end ones included
	@$(DIRECT_PYTHON) PIPELINETUI_BINARY=$(CURDIR)/bin/pipelinetui go test $(TESTLINK) $(TESTFLAGS) -timeout 30m ./...

# Without vet, which `make test` and `make lint` run: under -race it would look at all
# that is imported once more.
race: race-most race-sdks ## the packages with goroutines under the race detector

race-most: pulumi
	@$(DIRECT_PYTHON) go test -race -short -vet=off $(TESTLINK) -timeout 30m $(RACE)

race-sdks: pulumi
	@$(DIRECT_PYTHON) go test -race -short -vet=off $(TESTLINK) -timeout 30m $(RACE_SDKS)

# A package of tests only is nothing to `go build`, which ends with an error at it.
race-build: ## compile what most of `make race` needs, and run nothing
	go build -race $$(go list -f '{{if .GoFiles}}{{.ImportPath}}{{end}}' $(RACE))

acceptance: pulumi build ## against the real Terraform provider: BRIDGE=folder PROVIDER=file [NATIVE=file] [AWSCC=file] [ALL=1]
	@BRIDGE='$(BRIDGE)' PROVIDER='$(PROVIDER)' NATIVE='$(NATIVE)' AWSCC='$(AWSCC)' ALL='$(ALL)' sh scripts/acceptance.sh

pages: pulumi build ## walk the pages that are a way from a beginning to an end, on the sandbox
	@$(DIRECT_PYTHON) ACCEPTANCE_ALL=1 ACCEPTANCE_TOOL=$(CURDIR)/bin/pipelinetui go test -count=1 -timeout 60m -v \
		-run 'TestAWSPage|TestPermissionsOfAll|TestTutorial|TestTemplatesPage' ./e2e/acceptance

# The lock file names no registry, so that any mirror will do.
site: ## build the site of docs/ into dist/site, by npm
	rm -rf site/pages dist/site && cp -R docs site/pages
	cd site && npm ci --no-audit --no-fund --omit-lockfile-registry-resolved && npm run --silent build
	@echo 'dist/site: look at it with `npm --prefix site run preview`'

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

dist: ## archives, packages, installer, bill of materials and checksums in dist/ [TARGETS="linux/amd64 ..."]
	@sh scripts/dist.sh '$(VERSION)' '$(LDFLAGS)'

cross: ## vet program and tests as Windows and macOS compile them; minutes with cold caches
	GOOS=windows go vet ./...
	GOOS=darwin go vet ./...

bare: ## as root: install the .deb of dist/ on a Debian that has nothing but its base, and use it there
	sh packaging/bare.sh "$$(ls dist/*_$$(go env GOARCH).deb)" bin/pulumi

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
