# The two commands are `make run` and `make test`; both set themselves up, and take seconds when nothing has changed.
# A python that is not called python3: make run PYTHON=python3.12
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3.14 python3,$(shell command -v $(name) 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
UV := build/uv/bin/uv
# Processes that run tests; tests/lanes.py has who runs what.
WORKERS := 2
CODE := proxy syncagent telemetry management portal passerelle

.PHONY: audit backup-kills bench bench-compile bench-outage bench-policies bench-pressure bench-quick bench-scale bench-telemetry browser clean dashboard-tools dashboards docs docs-check faults format fuzz-management growth image kills limits lint lock model oracle outage pages peers pictures proto python race run sbom scan security setup soak test test-az test-clients test-postgresql test-sdk4 vendor wire

run: setup
	$(BIN)/passerelle up $(ARGUMENTS)

# Compiled ahead, so that every process starts as quickly as it can, also where Python may not write byte code.
setup: $(VENV)/.setup
	@$(BIN)/python -m compileall -q -j 0 proto $(CODE)

# Everything a check needs, then the checks. Programs that some tests start are installed where we may (root, Debian).
test: setup $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE)
	$(BIN)/python -m tests.debian
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGUMENTS)

# The management plane's tests again, on a PostgreSQL that they start.
test-postgresql: setup $(VENV)/.dev
	PASSERELLE_TEST_STORE=postgresql $(BIN)/python -m pytest tests/management

# Telemetry through an outage of ten minutes, with kill -9 of everything in it: make outage ARGUMENTS="--seconds 60".
outage: setup $(VENV)/.dev
	$(BIN)/python -m tests.telemetry.outage $(ARGUMENTS)

# Edits, faults and kills in sequences that are made up, against real processes, every answer judged: a minute; more with
# make model ARGUMENTS="--examples 100 --steps 50 --seed 7".
model: setup $(VENV)/.dev
	$(BIN)/python -m tests.model $(ARGUMENTS)

# The list of attacks on real processes, and planted secrets looked for everywhere: some minutes; it prints a table. A
# part: make security ARGUMENTS="--only canary".
security: setup $(VENV)/.dev
	$(BIN)/python -m tests.security.run $(ARGUMENTS)

# What is publicly known to be wrong with what the locks hold; it says so when that could not be asked.
audit: $(VENV)/.setup build/audit/.installed
	$(BIN)/python -m tests.security.audit

# What the product is made of, as CycloneDX JSON, from the lock: build/sbom.json.
sbom: build/audit/.installed
	PYTHONWARNINGS=ignore build/audit/bin/cyclonedx-py requirements requirements/runtime.lock --pyproject pyproject.toml --mc-type application \
		--output-reproducible --output-format JSON --validate --output-file build/sbom.json
	@echo "build/sbom.json"

build/audit/.installed: requirements/audit.txt | python
	"$(PYTHON)" -m venv build/audit
	build/audit/bin/python -m pip install --disable-pip-version-check --quiet -r requirements/audit.txt
	@touch $@

# Each fault of the matrix against real processes under load, within twenty minutes; make faults ARGUMENTS="F1 F7" or
# ARGUMENTS="--full --out docs/reliability.md".
faults: setup $(VENV)/.dev
	$(BIN)/python -m tests.faults $(ARGUMENTS)

# A plane killed 500 times while it is written to, and 50 times on PostgreSQL: minutes.
kills: setup $(VENV)/.dev
	$(BIN)/python -m tests.management.kills $(ARGUMENTS)

# An agent's saves killed 500 times, at every step and at random: half a minute.
backup-kills: setup $(VENV)/.dev
	$(BIN)/python -m tests.syncagent.backup_kills $(ARGUMENTS)

# Half an hour of load with a change every ten seconds: memory and descriptors of every process. ARGUMENTS="--minutes 10"
soak: setup $(VENV)/.dev
	$(BIN)/python -m tests.faults.soak $(ARGUMENTS)

# Thousands of changes, pages, connections and sidecars, and what each process keeps of one: some minutes.
growth: setup $(VENV)/.dev
	$(BIN)/python -m tests.faults.growth $(ARGUMENTS)

# Four planes on one PostgreSQL, and 2,000 writes to the same few resources: a minute.
race: setup $(VENV)/.dev
	$(BIN)/python -m tests.management.race $(ARGUMENTS)

# Odd and hostile bytes on plain and TLS ports, and slow clients, against real sidecars, five minutes: make wire ARGUMENTS="--only WF".
wire: setup $(VENV)/.dev
	$(BIN)/python -m tests.wire.run $(ARGUMENTS)

# How many calls pass limits and quotas across sidecars: make limits ARGUMENTS="--apart", "--redis", "--kill-agent".
limits: setup $(VENV)/.dev
	$(BIN)/python -m tests.limits.run $(ARGUMENTS)

# Clients that nobody here wrote; what is missing to run one (node and npm) is said, and is no failure.
test-clients: setup $(VENV)/.dev
	$(BIN)/python -m tests.clients.javascript.run

# The Azure CLI, one command after the other. It is large: the first time takes minutes and 1 GB below build/.
test-az: setup $(VENV)/.dev
	$(BIN)/python -m tests.clients.azure_cli.run

# Odd requests to every operation of the official specification, for longer than `make test` does: make fuzz-management
# SEED=5 COUNT=100. A finding says what was sent.
fuzz-management: setup $(VENV)/.dev
	PASSERELLE_FUZZ_SEED=$(or $(SEED),$(shell date +%s)) PASSERELLE_FUZZ_COUNT=$(or $(COUNT),30) \
		$(BIN)/python -m pytest -s tests/management/test_fuzz.py

# The client for api-version 2022-08-01 in place of the present one; PASSERELLE_EXAMPLES=<folder> has other examples.
test-sdk4: setup $(VENV)/.dev build/sdk4/.installed
	PYTHONPATH=build/sdk4 $(BIN)/python -m pytest tests/management/test_replay.py

build/sdk4/.installed: $(VENV)/.dev
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --upgrade --target build/sdk4 \
		azure-mgmt-apimanagement==4.0.1 azure-common==1.1.28
	@touch $@

# Both sites in a real Chromium, every page photographed into build/screenshots and judged by axe-core: some minutes.
browser: setup $(VENV)/.dev
	PASSERELLE_BROWSER=all $(BIN)/python -m pytest tests/browser $(ARGUMENTS)

# How long the portal's pages take with 1,000 APIs: half a minute.
pages: setup $(VENV)/.dev
	$(BIN)/python -m tests.portal.pages $(ARGUMENTS)

# What browsers load and nobody here wrote, anew from npm: by version and digest, see tests/browser/vendor.py.
vendor: $(VENV)/.dev
	$(BIN)/python -m tests.browser.vendor
# The tree of the image, made and tried without Docker; as root on Debian: some minutes.
image: setup $(VENV)/.dev
	$(BIN)/python -m tests.deploy.image

# The rendered chart and the Dockerfile, looked at by checkov.
scan: setup $(VENV)/.dev
	$(BIN)/python -m tests.deploy.scan

# Every command of README.md and docs/ again, page after page, with what each took; the diagrams are drawn anew.
docs-check: setup $(VENV)/.dev
	$(BIN)/python docs/pictures/draw.py
	$(BIN)/python -m pytest --durations=0 tests/docs tests/house/test_papers.py tests/house/test_codes.py $(ARGUMENTS)

# What the README shows: the recorded terminal session and some of the photographs of `make browser`.
pictures: browser
	$(BIN)/python -m tests.pictures.pages
	$(BIN)/python -m tests.pictures.session

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE)

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What a C# compiler says of the expression tables; the first time it is downloaded (mcs and npm are needed).
oracle: $(VENV)/.dev
	@command -v mcs >/dev/null && command -v npm >/dev/null || { echo "no mcs or npm here: install mono-mcs and npm"; exit 0; }; \
	$(BIN)/python tests/oracle/install.py && $(BIN)/python tests/oracle/run.py

python:
	@test -n "$(PYTHON)" || { echo "Passerelle needs Python 3.11 or newer, and no python3 was found. Install it, or name it: make PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Passerelle needs Python 3.11 or newer; $(PYTHON) is $$("$(PYTHON)" -V 2>&1). Install a newer one, or name it: make PYTHON=/path/to/python" >&2; exit 1; }

# A stamp is newer than what it was made from, or the step runs again.
$(VENV)/.setup: requirements/runtime.lock pyproject.toml | python
	@echo "Setting up $(VENV) with $$("$(PYTHON)" -V) (the first time takes a minute or two, mostly downloads)"
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements/runtime.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.setup
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

# The locks hold hashes of every file for every platform, and name no index.
COMPILE = $(UV) pip compile pyproject.toml --extra build --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --custom-compile-command "make lock" --quiet
lock: $(UV)
	$(COMPILE) -o requirements/runtime.lock
	$(COMPILE) --extra dev -c requirements/runtime.lock -o requirements/dev.lock

$(UV): | python
	"$(PYTHON)" -m venv build/uv
	build/uv/bin/python -m pip install --disable-pip-version-check --quiet uv

# The stubs are checked in; a test holds them to the .proto files.
proto: $(VENV)/.dev
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. proto/*.proto

# The pages of policies and of telemetry are made from the code, and the names that `doctor` knows from the page of
# settings; tests hold them to each other.
docs: $(VENV)/.setup
	$(BIN)/python -m passerelle.doctor.names docs/settings.md
	$(BIN)/passerelle policy docs --out docs/policies.md
	$(BIN)/passerelle telemetry docs --settings docs/settings.md --out docs/telemetry.md

# Grafana's dashboards and the Azure workbook are made by scripts; a test holds the files to them.
dashboards: $(VENV)/.dev
	$(BIN)/python -m dashboards.build
	$(BIN)/python -m dashboards.workbook

# A metrics store and promtool from Debian, below build/, for the tests of dashboards and alerts; `make test` has them
# fetched where it can, and skips those tests where it cannot.
dashboard-tools: $(VENV)/.dev
	$(BIN)/python -m tests.dashboards.install

# Figures of this machine; nothing is judged. Beside nginx, Envoy (where they are) and the obvious aiohttp proxy, 2 minutes.
bench-quick: setup
	$(BIN)/python -m benchmarks.compare --quick

# What a service with 10, 1,000 and 75,000 operations costs: some minutes.
bench-scale: setup
	$(BIN)/python -m benchmarks.scale $(ARGUMENTS)

# What a collector that is away, silent or slow costs requests, beside telemetry turned off: some minutes.
bench-outage: setup
	$(BIN)/python -m benchmarks.outage $(ARGUMENTS)

# A plane with 200 connections, 10,000 PUTs and one batch of 100,000 resources: two minutes.
bench-pressure: setup
	$(BIN)/python -m benchmarks.pressure $(ARGUMENTS)

# Every figure that there is a goal for, beside nginx, HAProxy, Envoy, Caddy and others where they are installed: about
# fifteen minutes on a quiet machine. Or some of them: make bench FIGURES="bodies idle"
FIGURES ?= compare bodies idle streams workers size stages policies
bench: setup peers
	@for figure in $(FIGURES); do echo "== $$figure"; \
	  $(BIN)/python -m benchmarks.$$figure --out benchmarks/results.md || exit 1; done

# What the peers need, in build/peers; Debian's packages only where we may install them.
peers: build/peers/.done
build/peers/.done: benchmarks/peers/requirements.txt benchmarks/peers/package.json | python
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get install -y --no-install-recommends nginx-core libnginx-mod-http-lua haproxy caddy nodejs npm || true; fi
	"$(PYTHON)" -m venv build/peers/python
	build/peers/python/bin/python -m pip install --disable-pip-version-check --quiet -r benchmarks/peers/requirements.txt
	mkdir -p build/peers/node && cp benchmarks/peers/package.json build/peers/node/
	command -v npm >/dev/null && npm install --prefix build/peers/node --no-audit --no-fund --loglevel=error || true
	@touch $@

# What compiling policies costs; make bench-compile FOLDER=... takes the .xml files of a folder.
bench-compile: setup
	$(BIN)/python -m benchmarks.policies_compile $(FOLDER)

# What a request costs the sidecar and its telemetry child, by destination: under a minute.
bench-telemetry: setup
	$(BIN)/python -m benchmarks.telemetry $(ARGUMENTS)

# What each of the most used policies and typical expressions cost; the last table is through real processes.
bench-policies: setup
	$(BIN)/python -m benchmarks.policies --server

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
