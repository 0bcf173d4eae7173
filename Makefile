# Short names for what script/ does.
.PHONY: demo test lint
demo:
	script/demo
test:
	script/test
lint:
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports --no-cache
