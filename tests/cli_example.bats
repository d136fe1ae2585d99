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
