# The commands of a working day. Meson does the work; `make` alone says what there is.

BUILD = build

.PHONY: help setup build demo check sanitize fuzz bench format clean install deb

help:
	@echo 'make demo      train, evaluate and picture a protected network on Fashion-MNIST'
	@echo 'make check     build and run all tests'
	@echo 'make build     build the library and the command into $(BUILD)/'
	@echo 'make setup     install the Debian packages that are missing'
	@echo 'make sanitize  run the tests under the address and undefined-behaviour sanitizers'
	@echo 'make fuzz      fuzz every reader for a short while (FUZZ_SECONDS=30 each)'
	@echo 'make bench     measure speed'
	@echo 'make format    lay out the sources with clang-format'
	@echo 'make install   install into /usr/local, or PREFIX=...; DESTDIR is respected'
	@echo 'make deb       build Debian packages in build-deb/; tools/check_deb tries them'
	@echo 'make clean     remove what was built'

setup:
	@tools/setup

build: setup
	@tools/build $(BUILD)

demo: build
	@tools/demo $(BUILD)

check: build
	@tools/setup chromium python3-opencv || \
		echo 'check: without them nobody looks at the pages of reports, nor reads ONNX files with OpenCV'
	@tools/setup_onnx || echo 'check: without it nobody runs ONNX files and clients in ONNX Runtime'
	@tools/check $(BUILD)

sanitize: setup
	@tools/sanitize

fuzz: setup
	@tools/fuzz --seconds $(or $(FUZZ_SECONDS),30)

bench: build
	@tools/bench $(BUILD)

format: setup
	@clang-format -i $$(git ls-files '*.c' '*.h')

install: build
	@meson configure $(BUILD) --prefix=$(or $(PREFIX),/usr/local)
	@meson install -C $(BUILD)
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" != 0 ] || ldconfig

deb: setup
	@tools/deb

clean:
	rm -rf build build-*
