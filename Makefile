# Every target is a short name for a command that works without make.

.PHONY: build run test check lint bench benchmarks torture clean image measure cross

build: ## one static binary, ./doorward
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o doorward ./cmd/doorward

run: ## serve on 127.0.0.1:8080 with ./doorward-data
	go run ./cmd/doorward serve

test: ## all tests; installs what they need
	scripts/test

check: lint test ## everything: format, vet, lint, all tests, then the benchmarks against those of the last release
	scripts/benchcompare

lint:
	scripts/lint

bench: ## what a release does, as ratios to what this machine can do: half an hour
	scripts/bench

benchmarks: ## Go benchmarks of the hot paths
	go test -run '^$$' -bench . -benchmem ./internal/...

measure: ## the figures of docs/operations.md, for this machine
	scripts/measure

image: ## the container image doorward:latest
	scripts/image

cross: ## that the other platforms compile; a release builds them, too
	for target in linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64; do \
		echo $$target && CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} go build -o /dev/null ./cmd/doorward || exit 1; done

torture: ## kill servers under load for an hour, and compare what was acknowledged with what is there
	scripts/torture

clean:
	rm -rf doorward e2e/js/node_modules
