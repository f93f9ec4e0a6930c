# make demo    a real cluster over three sites, on this machine
# make demo-terraform  the same from Terraform
# make demo-pulumi     the same from a Pulumi program
# make test    everything that needs no lab
# make e2e     the same product from outside, on lab hosts
# make bench   how long it takes, beside its rivals
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build
.PHONY: build helpers requirements test fmt docs sdk e2e e2e-full bench artifacts release-check demo demo-terraform demo-pulumi demo-clean clean

TOPOLOGY := examples/topologies/two-places-three-centres
GOFLAGS_HELPER := -trimpath -ldflags '-s -w'

# Debian packages: the lab's, a C compiler and libseccomp for building runc, HAProxy and iptables for tests that use the real ones.
PACKAGES := systemd-container mmdebstrap openssh-server openssh-client iproute2 nftables procps ca-certificates \
            gcc libc6-dev libseccomp-dev pkg-config haproxy iptables

build: helpers
	go build -trimpath -o bin/trivet ./cmd/trivet
	CGO_ENABLED=0 go build -trimpath -o bin/terraform-provider-trivet ./cmd/terraform-provider-trivet
	CGO_ENABLED=0 go build -trimpath -o bin/pulumi-resource-trivet ./cmd/pulumi-resource-trivet

# The programs that run on hosts. Whatever drives them looks for them beside itself.
helpers:
	@mkdir -p bin
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build $(GOFLAGS_HELPER) -o bin/trivet-host-linux-amd64 ./cmd/trivet-host
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build $(GOFLAGS_HELPER) -o bin/trivet-host-linux-arm64 ./cmd/trivet-host
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build $(GOFLAGS_HELPER) -buildvcs=false -o bin/trivet-snapshot-linux-amd64 ./cmd/trivet-snapshot
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build $(GOFLAGS_HELPER) -buildvcs=false -o bin/trivet-snapshot-linux-arm64 ./cmd/trivet-snapshot

# Installs what is missing, and only that. A service that a package starts is none of ours: policy-rc.d keeps it from starting.
requirements:
	@missing=; for p in $(PACKAGES); do dpkg-query -W -f='$${db:Status-Status}' $$p 2>/dev/null | grep -qx installed || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" != 0 ]; then echo "missing Debian packages:$$missing; run as root: apt-get install$$missing" >&2; exit 1; fi; \
	  echo "installing:$$missing"; \
	  guard=; if [ ! -e /usr/sbin/policy-rc.d ]; then guard=1; printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; fi; \
	  status=0; { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; } > /tmp/trivet-apt.log 2>&1 || status=$$?; \
	  if [ -n "$$guard" ]; then rm -f /usr/sbin/policy-rc.d; fi; \
	  if [ $$status != 0 ]; then tail -n 30 /tmp/trivet-apt.log >&2; exit $$status; fi; \
	fi

# Without go test's cache: to remember a result it reads every file that the test has opened, which for the fleets in memory takes longer than the test.
test: requirements
	@test -z "$$(gofmt -l bootstrap cmd examples internal provider templates test)" || { gofmt -l bootstrap cmd examples internal provider templates test; echo "run make fmt" >&2; exit 1; }
	go vet ./...
	go test -count=1 -timeout 30m ./...

fmt:
	gofmt -w bootstrap cmd examples internal provider templates test

# The registry's pages of the Terraform provider, in docs/: from its schema, its examples and provider/terraform/docs. `make test` fails where they are others.
docs:
	go test -count=1 ./provider/terraform -run TestRegistryDocs -update

# The Pulumi provider's schema and its Go SDK, from the descriptions that all doors share. `make test` fails where they are others.
sdk:
	go test -count=1 ./provider/pulumi -run 'TestSchema|TestSDK' -update

# The files of the release, in the user's cache: downloaded, or built from source where upstream does not answer. Skips what is there.
artifacts: requirements build
	bin/trivet mirror --with kubectl > /dev/null

# Within 20 minutes with warm caches: what takes longer is left to e2e-full, as a whole or in part. E2E=TestLifecycle, say, chooses.
E2E ?= .
e2e: requirements build artifacts
	go test -tags e2e -short -count=1 -timeout 40m -v -run '$(E2E)' ./test/e2e/...

# All of it, about two hours: upgrades, which need the files of a second release, rotations, faults, hosts of every kind, each killed at every point; and the lab's own tests.
e2e-full: requirements build artifacts
	bin/trivet mirror --kubernetes 1.36.3 --with kubectl > /dev/null
	go test -tags e2e -count=1 -timeout 4h -v -run '$(E2E)' ./test/e2e/...
	TRIVET_LAB_TESTS=1 go test -count=1 -timeout 15m -v -run 'TestLab|TestKilledUp|TestBaseBuildKilled' ./internal/lab

# Trivet and its rivals doing the same on this machine. BENCH=one,five,ansible,scale,terraform,add,upgrade,bytes chooses; the results are in bin/bench.json, too.
BENCH ?=
bench: PACKAGES += ansible-core
bench: requirements build
	bin/trivet mirror --with kubectl,kubeadm > /dev/null
	bin/trivet mirror --kubernetes 1.36.3 --with kubectl,kubeadm > /dev/null
	CGO_ENABLED=0 go build -trimpath -o bin/bench ./test/bench
	bin/bench -only '$(BENCH)' -json bin/bench.json

# The releases of the Terraform provider, of the Pulumi plugin and of the command, made as .goreleaser.yml and .goreleaser.tools.yml say but neither signed nor published, and tried: what
# is in them, how terraform installs the provider from a mirror of files and Pulumi's installer the plugin from a server, and how far each comes with hosts.
GORELEASER ?= go run github.com/goreleaser/goreleaser/v2@v2.15.1
release-check:
	$(GORELEASER) check .goreleaser.yml .goreleaser.tools.yml
	$(GORELEASER) release --snapshot --clean --skip=sign,publish --timeout 2h
	$(GORELEASER) release --config .goreleaser.tools.yml --snapshot --clean --skip=sign,publish --timeout 2h
	go test -tags release -count=1 -v ./test/release

demo: requirements build
	@examples/demo.sh

# The same topology from Terraform, which has to be on the PATH: brought up, grown, mended, upgraded, bereft of a host and given back.
demo-terraform: requirements build
	@examples/demo-terraform.sh

# The example program: with the real pulumi and a local backend where that is on the PATH, and with the stand-in of the tests where it is not.
demo-pulumi: requirements build
	@examples/demo-pulumi.sh

demo-clean: build
	bin/trivet lab down -f $(TOPOLOGY)

clean:
	rm -rf bin
