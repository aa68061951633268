# Everything runs in .venv, which `make setup` makes; PYTHON=/path/to/python chooses its Python.
.PHONY: setup demo test test-slow chaos lint format bench clean
.DELETE_ON_ERROR:

export PYTHON
export TF_CPP_MIN_LOG_LEVEL ?= 2

BIN := .venv/bin
DEMO := demo
# The run of the demo's study that is exported: all data, first seed.
DEMO_RUN := $(DEMO)/study/runs/pretrain-fraction1-seed0
BENCHMARKS = $(shell grep -l '__main__' benchmarks/*.py)

setup: .venv/.installed

.venv/.installed: requirements.txt pyproject.toml tools/setup.sh
	@tools/setup.sh

# Each line is a command that also runs alone (README.md); a demo that was stopped goes on.
demo: setup
	@echo "1. Data: an embedded picture world, as TFRecords"
	$(BIN)/python -m data_prep.build --source=microworld --num_images=18000 --out=$(DEMO)/data/pretrain
	$(BIN)/python -m data_prep.build --source=microworld --world=transfer --num_images=4000 --out=$(DEMO)/data/transfer
	$(BIN)/python -m data_prep.inspect --data=$(DEMO)/data/pretrain --split=validation --picture=$(DEMO)/picture.jpg
	@echo "2. to 4. Pretraining on 3 sizes, what each backbone is worth, and the curve"
	$(BIN)/python -m revisit.study --config=configs/study/demo.py --workdir=$(DEMO)/study
	@echo "5. Export, and one image through it"
	$(BIN)/python -m revisit.export --workdir=$(DEMO_RUN) --out=$(DEMO)/model
	$(BIN)/python -m revisit.client --model=$(DEMO)/model $(DEMO)/picture.jpg
	@echo
	@echo "Done. Look at:"
	@echo "  $(DEMO)/study/report.html             what more data is worth here (also curve.png)"
	@echo "  $(DEMO)/study/results.csv             every run's figures"
	@echo "  $(DEMO)/data/pretrain/contact_sheet.png  the pictures, with their labels"
	@echo "  $(DEMO)/model/                        a model for TensorFlow Serving"
	@echo "Try next:"
	@echo "  $(BIN)/tensorboard --logdir=$(DEMO)/study/runs"
	@echo "  your own images: configs/my_data.py and README.md, 'Your own data'"

# In the files' order, or those of few but long tests came last, on one core.
test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: setup
	$(BIN)/python -m pytest -m slow

# Builds, trainings and clusters whose processes are killed: nothing is lost, and the bits are the same.
chaos: setup
	$(BIN)/python -m pytest -m "" -k "killed or sigterm"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	@set -e; for file in $(BENCHMARKS); do \
		echo "== $$file"; $(BIN)/python -m "benchmarks.$$(basename $$file .py)"; \
	done

# Leaves .venv and everything that a command has written.
clean:
	rm -rf build .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
