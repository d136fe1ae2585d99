# tools/results: what it trains, and what it keeps of what is not finished. Its trainings take minutes, so a
# command that only pretends to train and to attack stands in for ward here.

bats_require_minimum_version 1.5.0

: "${SOURCE:?the source tree}"

# A project with nothing in it but the script, whose folder is where it writes.
setup() {
    PROJECT=$BATS_TEST_TMPDIR/project
    STATE=$BATS_TEST_TMPDIR/state
    RESULTS=$PROJECT/docs/results
    mkdir -p "$PROJECT/tools" "$STATE"
    cp -r "$SOURCE/tools/results" "$SOURCE/tools/resultslib" "$PROJECT/tools"
    cp "$SOURCE/tests/pretended_ward.py" "$BATS_TEST_TMPDIR/ward"
    chmod +x "$BATS_TEST_TMPDIR/ward"
}

results() {
    /usr/bin/python3 "$PROJECT/tools/results" --ward "$BATS_TEST_TMPDIR/ward" --state "$STATE" --threads 1 "$@"
}

# What a Python expression makes of a JSON file, d.
json() {
    /usr/bin/python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$@"
}

seed_of() {
    json "$STATE/$1/config.json" "d['secret_seed']"
}

@test "locks and what is attacked beside them follow from their names" {
    local row

    results lock-fashion-cascade-1 lock-fashion-cascade-2 split-fashion-simple-cnn-fixed
    for row in lock-fashion-cascade-1 lock-fashion-cascade-2 split-fashion-simple-cnn-fixed; do
        [ "$(seed_of $row)" = "$(printf "ward/results/v1/$row" | sha256sum | cut -c-64)" ]
    done
    [ "$(json "$RESULTS/lock-fashion-cascade-1.json" "d['command']")" = \
        "printf ward/results/v1/lock-fashion-cascade-1 | sha256sum | cut -c-64 | ward train --data\
 fashion-mnist --method keyed --splits redteam --recipe fast --arch mlp-1024x2-leaky --seed 1 --threads 3 --secret-seed - --out RUN" ]
}

@test "a row says which builds trained it, and with how many threads, as the training wrote it" {
    results lock-fashion-cascade-1
    [ "$(json "$RESULTS/lock-fashion-cascade-1.json" \
        "d['commit'], d['threads'], d['device'], d['resumed_by']")" = \
        "('111111111111', 3, 'cpu: none', [{'iteration': 7, 'commit': '222222222222'}])" ]
}

@test "what is done already keeps the time that it took, and the build" {
    local row=redteam-lock-fashion-dense file=$RESULTS/redteam-lock-fashion-dense.json

    results lock-fashion-dense $row
    [ "$(json "$file" "d['seconds'] is None, d['commit']")" = "(False, '000000000000')" ]
    mkdir -p "$STATE/lock-fashion-dense/redteam"
    echo '{"model_id": "lock-fashion-dense", "attacks": []}' >"$STATE/lock-fashion-dense/redteam/quick.json"
    sed -i 's/"seconds": [0-9.]*,/"seconds": 77,/; s/"commit": "0/"commit": "9/' "$file"
    results $row
    [ "$(json "$file" "d['seconds'], d['commit'][0]")" = "(77, '9')" ]
    rm "$file"
    results $row
    [ "$(json "$file" "d['seconds']")" = None ]
}

@test "baselines have no secret, and other runs draw theirs" {
    results split-mnist-simple-cnn-baseline demo-fashion-simple-cnn-generator
    [ "$(seed_of split-mnist-simple-cnn-baseline)" = None ]
    [ "$(seed_of demo-fashion-simple-cnn-generator)" = None ]
    results tuning-demo-generator
    [ "$(seed_of tuning-demo-generator)" = "$(printf '7%.0s' {1..64})" ]
}

@test "a lock is taught by a row that is there" {
    run ! results lock-fashion-taught
    [[ "$output" == *"no run '$STATE/split-fashion-resnet20-baseline'"* ]]
    results split-fashion-resnet20-baseline lock-fashion-taught
    [ "$(json "$RESULTS/lock-fashion-taught.json" "'--teacher split-fashion-resnet20-baseline ' in d['command']")" = True ]
}

@test "a run goes on with the secret that it was begun with, and its command says so" {
    mkdir "$STATE/lock-fashion-dense"
    echo '{"secret_seed": null}' >"$STATE/lock-fashion-dense/config.json"
    results lock-fashion-dense
    [ "$(seed_of lock-fashion-dense)" = None ]
    [ "$(json "$RESULTS/lock-fashion-dense.json" "'secret' in d['command']")" = False ]
    echo '{"secret_seed": "00"}' >"$STATE/lock-fashion-dense/config.json"
    run ! results lock-fashion-dense
    [[ "$output" == *"another secret seed"* ]]
}

# begin RUN BUDGET: a red team that has done one of its cells.
begin() {
    mkdir -p "$STATE/$1/redteam"
    printf '{"model_id": "%s", "budget": "%s", "attacks": [{"seconds": 7.25}]}' "$1" "$2" \
        >"$STATE/$1/redteam/$2.json"
}

@test "a red team that is not finished is kept, and goes on elsewhere" {
    local row=standard-lock-fashion-cascade-1 run=lock-fashion-cascade-1

    begin $run standard
    [ "$(results --keep)" = "$row: 1 cells" ]
    [ "$(cat "$RESULTS/unfinished/$row.json")" = \
        '{"model_id":"lock-fashion-cascade-1","budget":"standard","attacks":[{"seconds":7.25}]}' ]
    rm -r "$STATE/$run"
    results $run $row
    [ "$(json "$RESULTS/$row.json" "d['cell_seconds']")" = 7.2 ]
    [ ! -e "$RESULTS/unfinished/$row.json" ]
    [ -z "$(results --keep)" ]
}

@test "what was kept of another network is left alone" {
    local row=standard-lock-fashion-cascade-1 run=lock-fashion-cascade-1

    begin $run standard
    sed -i 's/"lock-fashion-cascade-1"/"another"/' "$STATE/$run/redteam/standard.json"
    results --keep
    rm -r "$STATE/$run"
    results $run $row
    [ "$(json "$RESULTS/$row.json" "d['cell_seconds']")" = 0.1 ]
}

@test "cells that are there are not replaced by those that were kept" {
    local row=redteam-lock-fashion-dense run=lock-fashion-dense

    begin $run quick
    results --keep
    sed -i 's/7.25/9/' "$STATE/$run/redteam/quick.json"
    results $run $row
    [ "$(json "$RESULTS/$row.json" "d['cell_seconds']")" = 9 ]
}

@test "a row with a folder of its own is kept from there" {
    local row=again-split-fashion-simple-cnn-generator-1

    mkdir "$STATE/$row"
    echo '{"model_id": "x", "attacks": []}' >"$STATE/$row/quick.json"
    [ "$(results --keep)" = "$row: 0 cells" ]
}
