# Every target calls the real tool, after installing what that needs of the machine and is missing.
#   PORT=8080             where `make run` serves
#   PYTHON=python3        the interpreter of .venv
#   APM_DIR=$(HOME)/.apm  where `make install-alusus` installs
#   SECONDS=60            how long `make stress` and each target of `make fuzz` run

PORT ?= 8080
PYTHON ?= python3
APM_DIR ?= $(HOME)/.apm
SECONDS ?= 60

bin := .venv/bin
alusus_package := dist/Alusus/Http@$(shell cat VERSION)

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: run test gen gen-check docs lint native sanitized threads stress fuzz bench bench-codegen package \
        install-alusus wheel clean library system-run system-test system-fuzz system-bench

run: library
	$(bin)/python examples/python/chat.py --port $(PORT)

test: system-test .venv/dev gen-check lint native sanitized threads
	$(bin)/python -m pytest

gen: .venv/dev
	$(bin)/alusus-codegen generate
	$(bin)/python tools/python_reference.py

gen-check: .venv/dev
	$(bin)/alusus-codegen check
	$(bin)/python tools/python_reference.py --check

docs: gen

lint: .venv/dev
	$(bin)/ruff check . && $(bin)/ruff format --check .
	$(bin)/mypy

native: library
	cmake --build --preset release
	ctest --preset release

sanitized: build/asan/build.ninja .venv/dev
	cmake --build --preset asan
	ctest --preset asan
	ALUSUS_HTTP_BUILD=$(CURDIR)/build/asan $(bin)/python -m pytest --quiet tests/native tests/safety

threads: build/tsan/build.ninja
	cmake --build --preset tsan
	ctest --preset tsan

stress: library .venv/dev build/asan/build.ninja build/tsan/build.ninja
	cmake --build --preset asan --target test_stress test_polled
	build/asan/tests/stress/test_stress $(SECONDS)
	build/asan/tests/stress/test_polled $(SECONDS)
	cmake --build --preset tsan --target test_stress test_polled
	TSAN_OPTIONS=suppressions=tests/native/tsan.supp build/tsan/tests/stress/test_stress $(SECONDS)
	TSAN_OPTIONS=suppressions=tests/native/tsan.supp build/tsan/tests/stress/test_polled $(SECONDS)
	cmake --build --preset release --target test_churn
	build/release/tests/stress/test_churn $(SECONDS)
	IDLE_CONNECTIONS=20000 $(bin)/python -m pytest --capture=no tests/conformance/test_faults.py -k idle_connections

fuzz: system-fuzz build/fuzz/build.ninja
	cmake --build --preset fuzz
	for target in handshake receiver inflate form http response; do \
		mkdir -p build/fuzz/found/$$target && \
		build/fuzz/tests/fuzz/fuzz_$$target -max_total_time=$(SECONDS) -timeout=10 -print_final_stats=1 \
			$$(ls tests/fuzz/$$target.dict 2> /dev/null | sed s/^/-dict=/) \
			-artifact_prefix=build/fuzz/found/ build/fuzz/found/$$target tests/fuzz/corpus/$$target || exit 1; \
	done

bench: system-bench library build/bench-venv/installed
	cmake --build --preset release --target bench-programs
	$(bin)/python bench/import_time.py
	$(bin)/python bench/run.py
	$(bin)/python bench/http_requests.py
	$(bin)/python bench/hosting.py

bench-codegen: .venv/dev
	$(bin)/python bench/codegen.py

package: library
	cmake -E rm -rf $(alusus_package)
	cmake --install build/release --component alusus --strip --prefix $(alusus_package)

install-alusus: package
	$(PYTHON) tools/install_alusus.py $(alusus_package) $(APM_DIR)

wheel: .venv/run
	$(bin)/pip wheel --no-deps --wheel-dir dist .

clean:
	cmake -E rm -rf build dist .venv bridge/alusus_http/include
	rm -f bridge/alusus_http/*.so bridge/alusus_http/LICENSE.civetweb.md alusus_stubs/*.so

# The library and the extension, put into bridge/alusus_http as a wheel has them; a link to the library beside the
# Alusus module, which imports it from there, so that the programs of examples/alusus run without an installation.
# The programs in C, tests and examples, are built by `make native`.
library: build/release/build.ninja
	cmake --build --preset release --target alusus_http alusus_http_native
	cmake --install build/release --component python --prefix bridge
	ln -sf ../build/release/civetweb/libalusus_http.so alusus_stubs/

build/%/build.ninja: CMakePresets.json .venv/run
	cmake --preset $* -DPython_EXECUTABLE=$(CURDIR)/$(bin)/python

.venv/run: pyproject.toml | system-run
	$(PYTHON) -m venv .venv
	$(bin)/pip install --quiet 'pip>=25.1'
	$(bin)/pip install --quiet --group build
	echo $(CURDIR)/bridge > $$($(bin)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/alusus_http.pth
	touch $@

.venv/dev: .venv/run codegen/pyproject.toml | system-test
	$(bin)/pip install --quiet --group dev --editable codegen
	touch $@

# The servers that are measured beside ours, apart from what we develop with; socketify is not for every machine.
build/bench-venv/installed: pyproject.toml | system-run
	$(PYTHON) -m venv build/bench-venv
	build/bench-venv/bin/pip install --quiet 'pip>=25.1'
	build/bench-venv/bin/pip install --quiet --group bench
	-build/bench-venv/bin/pip install --quiet socketify
	touch $@

system-run:
	@$(PYTHON) tools/bootstrap.py run

system-test:
	@$(PYTHON) tools/bootstrap.py test

system-fuzz:
	@$(PYTHON) tools/bootstrap.py fuzz

system-bench:
	@$(PYTHON) tools/bootstrap.py bench
