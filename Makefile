# Thin targets; each installs what it needs.
.PHONY: help install servers demo test check bench proto lock up campaigns images test-images test-compose clean
.DEFAULT_GOAL := help
RUN := .venv/bin

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

install: ## everything into .venv (services) and .venv/training (TensorFlow)
	@tools/install

demo: install ## a git push becomes a live prediction, then an improved one replaces it under load
	@$(RUN)/pushline demo

up: install ## the line on this machine, for your own repository: make up FILE=line.toml
	@$(RUN)/pushline up $(FILE)

servers: install ## a real Apache Kafka and MinIO, made ready in the user's cache
	@$(RUN)/python -m pushline.servers

test: servers ## all tests, ring by ring
	@tools/test

check: install ## format, lint, types, import contracts, generated code, each service alone
	@tools/check

bench: install ## measure; benchmarks/RESULTS.md has the figures of record
	@tools/bench

campaigns: install ## every fault in full size, 2 to 3 hours; benchmarks/CAMPAIGNS.md keeps the lines
	@$(RUN)/python -m benchmarks.campaigns

images: ## container images of all services, and a bill of materials of each in dist/images
	@tools/images

test-images: servers ## the images built, and the whole line run from them, on a real Docker engine
	@tools/test-images

test-compose: servers ## deploy/compose.yaml brought up, and a push through it
	@tools/test-compose

proto: install ## libs/contracts from proto/
	@tools/proto

lock: install ## resolve requirements/ again
	@tools/lock

clean: ## remove what make install made
	@rm -rf .venv
