# The complete program in ward/ward.h is the one in examples/, and it works.

bats_require_minimum_version 1.5.0
load cli_helper

@test "the program in the header is the program in examples/" {
    "$SOURCE/tools/check_example" "$SOURCE"
}

@test "the example trains a network that its transform unlocks" {
    # Pictures of 8x8 under the name of the data set that the program asks for.
    export WARD_DATA=$BATS_TEST_TMPDIR/data
    images idx "$WARD_DATA/fashion-mnist" 10 100 20
    cd "$BATS_TEST_TMPDIR"
    run -0 --separate-stderr "$(dirname "$WARD")/../examples/example_train_and_evaluate"
    /usr/bin/python3 -c 'import re, sys
words = re.fullmatch(r"authorised (\S+), unauthorised (\S+)", sys.argv[1])
authorised, unauthorised = map(float, words.groups())
assert authorised >= 0.8 and unauthorised <= 0.2, sys.argv[1]' "$output"
    [ -z "$stderr" ]
    "$WARD" eval my-run --json >/dev/null
}

@test "the example says what went wrong" {
    export WARD_DATA=$BATS_TEST_TMPDIR/data
    images idx "$WARD_DATA/fashion-mnist" 10 2 1
    truncate -s -9 "$WARD_DATA/fashion-mnist/train-images-idx3-ubyte"
    cd "$BATS_TEST_TMPDIR"
    run --separate-stderr "$(dirname "$WARD")/../examples/example_train_and_evaluate"
    fails_with 1 "train-images-idx3-ubyte"
}
