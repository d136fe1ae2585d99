# The data sets: list, fetch, verify. Fashion-MNIST is where Debian's package puts it.

bats_require_minimum_version 1.5.0
load cli_helper

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    # Nothing listens there, so that no test depends on the network.
    export http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9
}

@test "list says where each data set is, or how to get it" {
    run --separate-stderr "$WARD" data list
    [ "$status" -eq 0 ]
    [[ ${lines[0]} == "mnist "*"not here: ward data fetch mnist" ]]
    [[ ${lines[1]} == "fashion-mnist "*"/usr/share/datasets/fashion-mnist" ]]
    "$WARD" data list --json >list.json
    [ "$(json list.json '[s["name"] for s in d["data"]]')" = "['mnist', 'fashion-mnist', 'cifar10']" ]
    [ "$(json list.json 'd["data"][0]["path"]')" = None ]
}

@test "verify tells the published files from others" {
    "$WARD" data verify fashion-mnist
    "$WARD" data verify fashion-mnist --json >verify.json
    [ "$(json verify.json 'd["data"][0]["verified"]')" = True ]
    mkdir mine
    cp /usr/share/datasets/fashion-mnist/* mine
    cp mine/t10k-labels-idx1-ubyte.gz mine/train-labels-idx1-ubyte.gz
    run --separate-stderr "$WARD" data verify fashion-mnist:mine
    fails_with 1 "'mine/train-labels-idx1-ubyte.gz'" "not the published file"
    run --separate-stderr "$WARD" data verify mnist
    fails_with 1 "'mnist' is not on this machine" "ward data fetch mnist"
    run --separate-stderr env -u HOME -u XDG_DATA_HOME "$WARD" data verify mnist
    fails_with 1 "'mnist' is not on this machine" "into '\$WARD_DATA/mnist'"
}

@test "without internet, fetch says where to put which file, and leaves none" {
    for name in mnist fashion-mnist cifar10; do
        run --separate-stderr "$WARD" data fetch "$name" --directory "got/$name"
        fails_with 1 "cannot fetch" "put it at 'got/$name/"
        [ -z "$(ls -A "got/$name")" ]
    done
}

@test "fetch keeps files that are there and right" {
    mkdir right
    cp /usr/share/datasets/fashion-mnist/* right
    run --separate-stderr "$WARD" data fetch fashion-mnist --directory right
    [ "$status" -eq 0 ]
    [ "$output" = "fashion-mnist: in place and verified" ]
    [ -z "$stderr" ]
}

@test "usage errors are one line and exit with 2" {
    run --separate-stderr "$WARD" data
    fails_with 2 "missing operand"
    run --separate-stderr "$WARD" data lost
    fails_with 2 "'lost'"
    run --separate-stderr "$WARD" data fetch
    fails_with 2 "fetch needs a name"
    run --separate-stderr "$WARD" data fetch emnist
    fails_with 2 "'emnist'" "mnist, fashion-mnist, cifar10"
    run --separate-stderr "$WARD" data verify mnist --directory x
    fails_with 2 "--directory"
}
