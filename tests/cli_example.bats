# The complete program in ward/ward.h is the one in examples/, and it works.

bats_require_minimum_version 1.5.0
load cli_helper

EXAMPLE=$(dirname "$WARD")/../examples/example_train_and_evaluate

@test "the program in the header is the program in examples/" {
    "$SOURCE/tools/check_example" "$SOURCE"
}

@test "the example trains a network that its transform unlocks" {
    # Pictures of 4x4 under the name of the data set that the program asks for; one thread, as
    # two would only wait for each other over so little work.
    export WARD_DATA=$BATS_TEST_TMPDIR/data
    images idx "$WARD_DATA/fashion-mnist" 5 100 20 4
    cd "$BATS_TEST_TMPDIR"
    run -0 --separate-stderr taskset -c 0 "$EXAMPLE"
    /usr/bin/python3 -c 'import re, sys
words = re.fullmatch(r"authorised (\S+), unauthorised (\S+)", sys.argv[1])
authorised, unauthorised = map(float, words.groups())
assert authorised >= 0.8 and unauthorised <= 0.2, sys.argv[1]' "$output"
    [ -z "$stderr" ]
    "$WARD" eval my-run --json >/dev/null
}

@test "the example says what went wrong" {
    export WARD_DATA=$BATS_TEST_TMPDIR/data
    images idx "$WARD_DATA/fashion-mnist" 5 2 1 4
    truncate -s -9 "$WARD_DATA/fashion-mnist/train-images-idx3-ubyte"
    cd "$BATS_TEST_TMPDIR"
    run --separate-stderr "$EXAMPLE"
    fails_with 1 "train-images-idx3-ubyte"
}

@test "what make install puts into place builds the example, shared and static" {
    if grep -q __asan_init "$WARD"; then
        skip "a plain compiler does not link what the sanitizers are in"
    fi
    root=$BATS_TEST_TMPDIR/root
    DESTDIR=$root meson install -C "$(dirname "$WARD")/.." --no-rebuild --quiet
    PKG_CONFIG_PATH=$(dirname "$(find "$root" -name ward.pc)")
    libraries=$(dirname "$PKG_CONFIG_PATH")
    export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR=$root
    cd "$BATS_TEST_TMPDIR"
    # shellcheck disable=SC2046
    cc "$SOURCE/examples/train_and_evaluate.c" $(pkg-config --cflags --libs ward) -o shared
    # ward alone from its archive, the libraries that it needs shared
    # shellcheck disable=SC2046
    cc "$SOURCE/examples/train_and_evaluate.c" $(pkg-config --cflags ward) "$libraries/libward.a" \
        $(sed -n 's/^Libs.private: //p' "$PKG_CONFIG_PATH/ward.pc") \
        $(pkg-config --libs $(pkg-config --print-requires-private ward | cut -d ' ' -f 1)) -o static
    # It is the library's message that both end with.
    export WARD_DATA=$BATS_TEST_TMPDIR/data
    mkdir -p "$WARD_DATA/fashion-mnist"
    touch "$WARD_DATA/fashion-mnist/train-images-idx3-ubyte"
    LD_LIBRARY_PATH=$libraries run --separate-stderr ./shared
    fails_with 1 "train-images-idx3-ubyte"
    run ! grep libward <(ldd static)
    run --separate-stderr ./static
    fails_with 1 "train-images-idx3-ubyte"
    LD_LIBRARY_PATH=$libraries "$(find "$root" -path "*/bin/ward")" version >/dev/null
}
