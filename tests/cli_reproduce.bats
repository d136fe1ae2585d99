# ward reproduce, with pictures of 8 x 8 in place of the paper's and trainings of three steps.

bats_require_minimum_version 1.5.0
load cli_helper

setup_file() {
    export DATA=$BATS_FILE_TMPDIR/data WHOLE=$BATS_FILE_TMPDIR/whole
    umask 022
    mkdir "$DATA"
    images idx "$DATA/mnist" 10 6 2 8
    images idx "$DATA/fashion-mnist" 10 6 2 8
    export WARD_DATA=$DATA
    set_short
    "${SHORT[@]}" all --state "$WHOLE" -q >"$BATS_FILE_TMPDIR/whole.md"
}

setup() {
    export WARD_DATA=$DATA
    set_short
}

# All that can be done without CIFAR-10, once.
set_short() {
    SHORT=("$WARD" reproduce --iterations 3 --trials 2 --seeds 1 --skip-missing --threads 1)
}

@test "the tables are printed and kept, with the paper's numbers and a mark" {
    diff "$BATS_FILE_TMPDIR/whole.md" "$WHOLE/tables.md"
    grep -q '^\*\*Shortened:\*\* 3 iterations a training; 2 trials' "$WHOLE/tables.md"
    grep -q '^| fashion-mnist | resnet20 | generator | 1 of 1 |.*| 92.55 |' "$WHOLE/tables.md"
    grep -q '^| input-only.*| learned | 2 of 2 |.*| 55.37 |' "$WHOLE/tables.md"
    "${SHORT[@]}" all --state "$WHOLE" --json -q >"$BATS_TEST_TMPDIR/json"
    t=$BATS_TEST_TMPDIR/json
    [ "$(json "$t" "d == json.load(open('$WHOLE/tables.json'))")" = True ]
    [ "$(json "$t" "d['is_shortened'], d['iterations'], d['trials'], d['recipe']")" = \
        "(True, 3, 2, 'fast')" ]
    [ "$(json "$t" "len(d['table2']), len(d['table3']), len(d['figure2']), len(d['bars'])")" = \
        "(16, 11, 6, 8)" ]
    [ "$(json "$t" "[c['seeds'] for c in d['table2']]")" = \
        "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]" ]
    [ "$(json "$t" "all(abs(c['authorised']['mean'] - c['authorised']['paper'] -
        c['authorised']['difference']) < 1e-12 for c in d['table2'] if c['seeds'])")" = True ]
}

@test "a table's numbers are those of its run's evaluation" {
    run=fast-fashion-mnist-resnet20-learned-1
    "$WARD" eval "$WHOLE/$run" --json -q --threads 1 >"$BATS_TEST_TMPDIR/eval"
    expected=$(json "$BATS_TEST_TMPDIR/eval" "d['authorised'], d['unauthorised'], True")
    [ "$(json "$WHOLE/tables.json" "[(c['authorised']['mean'], c['unauthorised']['mean'],
        c['runs'] == ['$run']) for c in d['table2'] if '$run' in c['runs']][0]")" = "$expected" ]
}

@test "the report and the results are there, and say how each run was made" {
    grep -q "Fashion-MNIST" "$WHOLE/report.html"
    grep -q "Fashion-MNIST" "$WHOLE/report.md"
    [ "$(find "$WHOLE/results" -type f | wc -l)" -eq 12 ]
    r=$WHOLE/results/fast-fashion-mnist-resnet20-generator-1.json
    [ "$(json "$r" "d['seed'], d['threads'], d['is_shortened'], len(d['attacks'])")" = \
        "(1, 1, True, 5)" ]
    [ "$(json "$r" "d['commit']")" = "$("$WARD" version --json >"$BATS_TEST_TMPDIR/v" &&
        json "$BATS_TEST_TMPDIR/v" "d['commit']")" ]
}

@test "the command in a result makes the run again" {
    run=fast-mnist-simple-cnn-learned-1
    command=$(json "$WHOLE/results/$run.json" "d['command']")
    cd "$BATS_TEST_TMPDIR"
    PATH=$(dirname "$WARD"):$PATH bash -c "$command --threads 1 -q"
    cmp "$run/model.safetensors" "$WHOLE/$run/model.safetensors"
    cmp "$run/transform.ward" "$WHOLE/$run/transform.ward"
}

@test "runs are marked as reproducible" {
    "$WARD" eval "$WHOLE/fast-mnist-simple-cnn-fixed-1" --json -q >"$BATS_TEST_TMPDIR/eval"
    [ "$(json "$BATS_TEST_TMPDIR/eval" "d['is_reproducible']")" = True ]
}

@test "figures are secret, and the size of perturbations is kept beside them" {
    figure=$WHOLE/fast-figure2a-fashion-mnist-simple-cnn
    [ "$(mode "$figure.png")" = 600 ]
    [ "$(json "$figure.json" "0 < d['perturbations'][0]['rms'] < d['perturbations'][0]['max']")" = \
        True ]
    # Entries of +-0.1 with probability 0.2 each.
    [ "$(json "$figure.json" "round(d['perturbations'][0]['max'], 4)")" = 0.1 ]
}

@test "what is done is not done again" {
    before=$(find "$WHOLE" -path '*/fast-*' -printf '%p %T@\n' | sort)
    run -0 --separate-stderr "${SHORT[@]}" all --state "$WHOLE"
    [[ $stderr == *"nothing of"*"left"* ]]
    [[ $stderr != *"train fast"* ]]
    [ "$before" = "$(find "$WHOLE" -path '*/fast-*' -printf '%p %T@\n' | sort)" ]
}

@test "killed at random moments and started again it ends with the same tables" {
    state=$BATS_TEST_TMPDIR/state
    RANDOM=7
    kills=0
    for _ in {1..12}; do
        "${SHORT[@]}" all --state "$state" -q >/dev/null &
        process=$!
        sleep "0.$((RANDOM % 9))$((RANDOM % 10))"
        kill -9 $process 2>/dev/null && kills=$((kills + 1))
        wait $process || true
    done
    [ $kills -gt 0 ]
    "${SHORT[@]}" all --state "$state" -q >/dev/null
    cmp "$state/tables.json" "$WHOLE/tables.json"
    cmp "$state/tables.md" "$WHOLE/tables.md"
    for run in "$WHOLE"/fast-*-1; do
        cmp "$run/model.safetensors" "$state/$(basename "$run")/model.safetensors"
    done
    [ -z "$(find "$state" -name '*.tmp-*')" ]
}

@test "a signal stops it, and the same command goes on" {
    state=$BATS_TEST_TMPDIR/state
    "$WARD" reproduce table3 --iterations 100000 --trials 2 --threads 1 --state "$state" \
        >/dev/null 2>"$BATS_TEST_TMPDIR/talk" &
    process=$!
    until [ -e "$state/fast-fashion-mnist-resnet20-fixed-1/metrics.jsonl" ]; do sleep 0.1; done
    kill -INT $process
    status=0
    wait $process || status=$?
    [ $status -eq 1 ]
    grep -q "stopped; the same command goes on" "$BATS_TEST_TMPDIR/talk"
    [ -e "$state/fast-fashion-mnist-resnet20-fixed-1/checkpoint.ward" ]
    [ -e "$state/tables.json" ]
    run -0 --separate-stderr "$WARD" reproduce table3 --iterations 100000 --trials 2 --threads 1 \
        --state "$state" --budget 1s
    [[ $stderr == *"resumed at iteration"* ]]
    [[ $stderr == *"the budget is spent"* ]]
    [[ $stderr == *"the same command goes on"* ]]
    [[ $output == *"## Table 3"* ]]
}

@test "a plan says what is done, to do and missing, and writes nothing" {
    run -0 --separate-stderr "$WARD" reproduce all --plan --threads 1 \
        --state "$BATS_TEST_TMPDIR/none"
    [[ $output == *"to do    train fast-fashion-mnist-resnet20-generator-2"* ]]
    [[ $output == *"missing  train fast-cifar10-resnet20-fixed-1"* ]]
    [[ $output == *"by a short measurement"* ]]
    [[ $stderr == *"ward data fetch cifar10"* ]]
    [ ! -e "$BATS_TEST_TMPDIR/none" ]
    run -0 --separate-stderr "${SHORT[@]}" table3 --plan --state "$WHOLE" --json
    echo "$output" >"$BATS_TEST_TMPDIR/plan"
    [ "$(json "$BATS_TEST_TMPDIR/plan" "d['left'], d['seconds'], d['missing'], len(d['items'])")" = \
        "(0, 0, [], 17)" ]
    [ "$(json "$BATS_TEST_TMPDIR/plan" "all(i['is_done'] and i['share'] == 1
        for i in d['items'])")" = True ]
}

@test "one run can be asked for alone, with what is done to it" {
    run -0 --separate-stderr "${SHORT[@]}" all --plan --only resnet20-generator --state "$WHOLE" --json
    echo "$output" >"$BATS_TEST_TMPDIR/plan"
    [ "$(json "$BATS_TEST_TMPDIR/plan" "sorted({i['run'] for i in d['items']})")" = \
        "['fast-cifar10-resnet20-generator-1', 'fast-fashion-mnist-resnet20-generator-1']" ]
    [ "$(json "$BATS_TEST_TMPDIR/plan" "{i['kind'] for i in d['items']} == {'train', 'evaluate', 'attack'}")" = True ]
    run -0 --separate-stderr "${SHORT[@]}" all --plan --only cifar10-resnet20 --state "$WHOLE" --json
    [[ $output == *figure2b* && $output != *figure2a* ]]
    # Neither what is missing elsewhere nor what other runs come to is its business.
    run -0 "$WARD" reproduce table2 --iterations 3 --trials 2 --seeds 1 --threads 1 -q --state "$WHOLE" \
        --only fast-mnist-simple-cnn-fixed-1
    run --separate-stderr "${SHORT[@]}" table3 --only mnist-simple-cnn --state "$WHOLE"
    fails_with 2 "mnist-simple-cnn"
    run --separate-stderr "${SHORT[@]}" all --only "" --state "$WHOLE"
    fails_with 2 "--only is empty"
}

@test "an estimate comes from the state where it can" {
    run -0 --separate-stderr "$WARD" reproduce table2 --iterations 3 --trials 2 --seeds 2 --plan \
        --threads 1 --state "$WHOLE"
    [[ $output == *"by what was done here"* ]]
}

@test "missing data sets are named up front" {
    run --separate-stderr "$WARD" reproduce table2 --state "$BATS_TEST_TMPDIR/state" --threads 1
    fails_with 1 "cifar10" "ward data fetch cifar10" "--skip-missing"
    [ ! -e "$BATS_TEST_TMPDIR/state" ]
}

@test "a second process is refused" {
    state=$BATS_TEST_TMPDIR/state
    mkdir "$state"
    run --separate-stderr flock "$state/.lock" "${SHORT[@]}" table3 --state "$state" -q
    fails_with 1 "$state" "another process"
}

@test "results of another length are not mixed" {
    run --separate-stderr "$WARD" reproduce table3 --iterations 4 --trials 2 --threads 1 \
        --state "$WHOLE"
    fails_with 2 "not of this plan" "iterations"
}

@test "images that are not the published ones make no unshortened results" {
    run --separate-stderr "$WARD" reproduce table3 --threads 1 --state "$BATS_TEST_TMPDIR/state" -q
    fails_with 1 "$DATA/fashion-mnist"
}

# What is left of $WHOLE, in $state, where the networks of some runs (a pattern) are gone.
forget_networks() {
    state=$BATS_TEST_TMPDIR/state
    cp -a "$WHOLE" "$state"
    find "$state" -maxdepth 2 -path "$state/$1/*" -type f -delete
    rm -f "$state"/{tables.*,report.*} "$state"/*.png
}

@test "a network that is gone makes no difference to the tables" {
    forget_networks "fast-fashion-mnist-resnet20-learned-1"
    "${SHORT[@]}" all --state "$state" -q >/dev/null
    cmp "$state/tables.json" "$WHOLE/tables.json"
    cmp "$state/tables.md" "$WHOLE/tables.md"
    [ ! -e "$state/fast-fashion-mnist-resnet20-learned-1/model.safetensors" ]
    grep -q resnet20-generator-1 "$state/report.md"
    run -1 grep resnet20-learned-1 "$state/report.md"
}

@test "without any network the tables are the same, and there is no report" {
    forget_networks "fast-*"
    run -0 --separate-stderr "${SHORT[@]}" all --state "$state"
    [[ $stderr == *"nothing of"*"left"* ]]
    [ "$output" = "$(cat "$BATS_FILE_TMPDIR/whole.md")" ]
    cmp "$state/tables.json" "$WHOLE/tables.json"
    diff -r "$state/results" "$WHOLE/results"
    [ ! -e "$state/report.html" ]
}

@test "a network that is gone is trained again for an attack that is not finished" {
    forget_networks "fast-*"
    more=("$WARD" reproduce --iterations 3 --trials 3 --threads 1 --state "$state")
    run -0 --separate-stderr "${more[@]}" table3 --plan
    [[ $output == *"to do    train fast-fashion-mnist-resnet20-learned-1"* ]]
    [[ $output == *"done     evaluate fast-fashion-mnist-resnet20-learned-1"* ]]
    [[ $output == *"67 %     attack fast-fashion-mnist-resnet20-learned-1: input-only"* ]]
    # Nobody asked for attacks here, nor for other runs there.
    run -0 "${more[@]}" table2 --seeds 1 --skip-missing --plan
    [[ $output != *"to do"* ]]
    "${more[@]}" table3 --only resnet20-learned -q >/dev/null
    cmp {"$state","$WHOLE"}/fast-fashion-mnist-resnet20-learned-1/model.safetensors
    [ ! -e "$state/fast-fashion-mnist-resnet20-fixed-1/model.safetensors" ]
    [ "$(json "$state/tables.json" "[r['trials'] for r in d['table3'] if r['method'] == 'learned']")" = \
        "[1, 3, 1]" ]
}

@test "a result that cannot stand for a network is refused by name" {
    forget_networks "fast-mnist-*"
    result=$state/results/fast-mnist-simple-cnn-fixed-1.json
    sed -i 's/"iterations": 3/"iterations": 4/' "$result"
    run --separate-stderr "${SHORT[@]}" all --state "$state"
    fails_with 2 "$result" "not of this plan" "'iterations' is 4 there, not 3" "without it the run is trained"
    head -c 300 "$WHOLE/results/fast-mnist-simple-cnn-fixed-1.json" >"$result"
    run --separate-stderr "${SHORT[@]}" all --state "$state"
    fails_with 1 "$result" "cannot be used" "without it the run is trained"
    rm "$result"
    run -0 "${SHORT[@]}" all --state "$state" --plan
    [[ $output == *"to do    train fast-mnist-simple-cnn-fixed-1"* ]]
}

@test "results that are kept elsewhere are laid into a state directory, and go on there" {
    kept=$BATS_TEST_TMPDIR/kept state=$BATS_TEST_TMPDIR/state
    mkdir -p "$kept"/{tools,docs/results}
    cp -r "$SOURCE/tools/results" "$SOURCE/tools/resultslib" "$kept/tools"
    cp -a "$WHOLE" "$state"
    run --separate-stderr "$kept/tools/results" --from "$state"
    [ $status -ne 0 ]
    [[ $stderr == *shortened* ]]
    sed -i 's/"is_shortened": true/"is_shortened": false/' "$state"/{tables.json,results/*}
    # Trials on another network do not go with this one's result.
    sed -i 's/"model_id": "....../"model_id": "000000/' "$state"/*-learned-1/attacks/direct.json
    "$kept/tools/results" --from "$state"
    [ "$(find "$kept/docs/results" -type f | wc -l)" -eq $((2 + 12 + 11 - 1 + 1)) ]

    mkdir -p "$BATS_TEST_TMPDIR/new/results"
    echo mine >"$BATS_TEST_TMPDIR/new/results/fast-mnist-simple-cnn-fixed-1.json"
    "$kept/tools/results" --to "$BATS_TEST_TMPDIR/new"
    [ "$(cat "$BATS_TEST_TMPDIR/new/results/fast-mnist-simple-cnn-fixed-1.json")" = mine ]
    cp {"$WHOLE","$BATS_TEST_TMPDIR/new"}/results/fast-mnist-simple-cnn-fixed-1.json
    cp {"$WHOLE","$BATS_TEST_TMPDIR/new"}/fast-fashion-mnist-resnet20-learned-1/attacks/direct.json
    sed -i 's/"is_shortened": false/"is_shortened": true/' "$BATS_TEST_TMPDIR"/new/results/*
    "${SHORT[@]}" all --state "$BATS_TEST_TMPDIR/new" -q >/dev/null
    cmp "$BATS_TEST_TMPDIR/new/tables.json" "$WHOLE/tables.json"
}

@test "wrong usage is refused" {
    run --separate-stderr "$WARD" reproduce
    fails_with 2 "missing operand"
    run --separate-stderr "$WARD" reproduce table1
    fails_with 2 "table1" "table2"
    for budget in 90 m 1d -1h 0m 1hm nan infs 0x1h ''; do
        run --separate-stderr "$WARD" reproduce all --budget "$budget"
        fails_with 2 "--budget"
    done
    run --separate-stderr "$WARD" reproduce all --plan --budget 1h
    fails_with 2 "--plan"
    run --separate-stderr "$WARD" reproduce all --seeds 0
    fails_with 2 "--seeds"
    run --separate-stderr "$WARD" reproduce all --recipe slow
    fails_with 2 "slow"
    run --separate-stderr "$WARD" reproduce all --state ''
    fails_with 2 "--state"
}
