# The doors of naru. `make run` and `make test` are all that a newcomer needs; README.md says what the others do.
SHELL := /bin/bash
JOBS ?= $(shell nproc)
MINUTES ?= 1
KILLS ?= 100
.PHONY: all run test release interop instructions crash bench fuzz sim tsan arm64 soak deps format charts clean

all: release

# What Debian 12 has in packages. Installs only when something is missing (apt is slow and needs root).
deps:
	@tools/deps build

run: deps
	@$(MAKE) --no-print-directory release
	@exec build/release/naru

build/%/build.ninja: CMakeLists.txt CMakePresets.json LAYERS VERSION
	@cmake --preset $* >build/$*.cmake.log 2>&1 || { cat build/$*.cmake.log; exit 1; }

release: deps
	@mkdir -p build
	@$(MAKE) --no-print-directory build/release/build.ninja
	cmake --build build/release --target naru -j $(JOBS)
	@# The symbols stay beside it, for profiles. A binary that was not linked anew has been stripped before.
	if readelf -SW build/release/naru | grep -q '\.symtab'; then cp build/release/naru build/release/naru.debug; fi
	strip --strip-unneeded build/release/naru
	@ls -l build/release/naru | awk '{printf "build/release/naru %.1f MB\n", $$5 / 1048576}'

# One AddressSanitizer + UndefinedBehaviorSanitizer build, every test, the fuzz corpora replayed.
test: deps
	@mkdir -p build
	@$(MAKE) --no-print-directory build/dev/build.ninja
	cmake --build build/dev -j $(JOBS)
	ctest --test-dir build/dev --output-on-failure -j $(JOBS)

tsan: deps
	@mkdir -p build
	@$(MAKE) --no-print-directory build/tsan/build.ninja
	cmake --build build/tsan -j $(JOBS)
	ctest --test-dir build/tsan --output-on-failure

# Tests that start real peers (the reference collector, the official SDKs), with the release build.
interop: release
	@tools/deps interop
	tests/interop/run

# Instructions a record of each stage beside bench/instructions.txt; fails when one takes 3 % more.
instructions: release
	@tools/deps instructions
	bench/instructions

# A stored queue under kill -9 and on a failing disk, with the release build; KILLS=n kills.
crash: release
	@tools/deps crash
	tests/crash/run --kills $(KILLS)

bench: release
	@tools/deps bench
	bench/run

# MINUTES=n of every fuzz target; RECORD=1 and MERGE=1 as tests/fuzz/run says.
fuzz:
	@tools/deps fuzz
	@mkdir -p build
	@$(MAKE) --no-print-directory build/fuzz/build.ninja
	cmake --build build/fuzz --target fuzzers -j $(JOBS)
	tests/fuzz/run $(MINUTES)

# Whole pipelines in a simulated world with faults: SEEDS=n runs seeds 1 to n, SEEDS=a-b a range.
sim: SEEDS ?= 5000
sim:
	@mkdir -p build
	@$(MAKE) --no-print-directory build/dev/build.ninja
	cmake --build build/dev --target sim_test -j $(JOBS)
	build/dev/sim_test --seeds=$(if $(findstring -,$(SEEDS)),$(SEEDS),1-$(SEEDS))

# Compiles everything for arm64 and runs what an emulator can.
arm64:
	@mkdir -p build
	tools/arm64

soak: release
	tests/soak/run $(MINUTES)

format:
	git ls-files '*.h' '*.cc' | xargs clang-format -i

clean:
	rm -rf build
