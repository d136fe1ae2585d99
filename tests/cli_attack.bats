# Attacking a run from the command line.

bats_require_minimum_version 1.5.0
load cli_helper

setup_file() {
    export IMAGES=$BATS_FILE_TMPDIR/images RUN=$BATS_FILE_TMPDIR/run FIXED=$BATS_FILE_TMPDIR/fixed
    export BASE=$BATS_FILE_TMPDIR/base
    umask 022
    images folder "$IMAGES" 3 40 10
    # A strong transform, so that it takes few steps to tell processed from raw images.
    small_training "$RUN" --iterations 150 --start 4 --transform-rate 1 --gamma 0
    small_training "$FIXED" --method fixed --iterations 150 --sigma 0.5
    small_training "$BASE" --method baseline
}

setup() {
    mkdir "$BATS_TEST_TMPDIR/work"
    cd "$BATS_TEST_TMPDIR/work" || return 1
}

attack() {
    "$WARD" attack "$@" --data "$IMAGES" -q
}

# The lines of FILE, each one object, as a list d of objects.
lines() {
    /usr/bin/python3 -c 'import json, sys
d = [json.loads(line) for line in open(sys.argv[1])]
print(eval("(" + sys.argv[2] + ")"))' "$1" "$2"
}

@test "the paper's suite is one object a line, an attack each" {
    attack "$RUN" --suite paper --trials 2 --json -o kept >a
    [ "$(lines a "[x['attack'] for x in d]")" = "['direct', 'input-only', 'pair', 'pair', 'pair']" ]
    [ "$(lines a "[x['settings'].get('pairs') for x in d]")" = "[None, None, 0.1, 0.5, 1.0]" ]
    [ "$(lines a "[len(x['trials']) for x in d]")" = "[1, 2, 2, 2, 2]" ]
    [ "$(lines a "all(0 <= x['mean'] <= x['best'] <= 1 for x in d)")" = True ]
    [ "$(lines a "{k for x in d[:2] for t in x['trials'] for k in t} ==
                  {'trial', 'seed', 'accuracy', 'seconds'}")" = True ]
    [ "$(lines a "[x['pair_count'] for x in d]")" = "[0, 0, 12, 60, 120]" ]
    "$WARD" eval "$RUN" --data "$IMAGES" --json -q >e
    for key in authorised unauthorised model_id method arch data count chance; do
        [ "$(lines a "d[4]['$key']")" = "$(json e "d['$key']")" ] || { echo "$key"; false; }
    done
    [ "$(lines a "d[0]['mean']")" = "$(json e "d['unauthorised']")" ]
    cd kept
    [ "$(echo *)" = "direct.json input-only.json pair-0.1.json pair-0.5.json pair-1.json" ]
}

@test "a table for people has the same attacks, and nothing else on stderr" {
    run -0 --separate-stderr attack "$FIXED" --suite paper --trials 2 -o kept
    [[ $output == *authorised*chance*direct*input-only*pair* ]] || { echo "$output"; false; }
    [ -z "$stderr" ] || { echo "$stderr"; false; }
}

@test "one pair undoes a fixed pattern" {
    attack "$FIXED" --attack pair --json -o kept >p
    "$WARD" eval "$FIXED" --data "$IMAGES" --json -q >e
    [ "$(json p "len(d['trials']), d['pair_count'], d['sd']")" = "(1, 1, None)" ]
    [ "$(json p "d['mean'] == d['authorised']")" = True ] || { json p "d['mean']"; false; }
}

@test "trials are kept beside the run, and are not made twice" {
    cp -r "$FIXED" run
    attack run --attack input-only --trials 3 --json >first
    [ -f run/attacks/input-only.json ]
    attack run --attack input-only --trials 5 --json >more
    [ "$(lines more "d[0]['trials'][:3]")" = "$(lines first "d[0]['trials']")" ]
    "$WARD" eval run --data "$IMAGES" -q
}

@test "what was stopped goes on, and ends as if undisturbed" {
    pair=(attack "$RUN" --attack pair --pairs 1 --trials 6 --steps 400)
    "${pair[@]}" --json -o whole >whole.json
    # A shell starts background jobs with SIGINT ignored; Python does not.
    run --separate-stderr /usr/bin/python3 - "$WARD" "${pair[@]}" --data "$IMAGES" -q -o kept <<'END'
import os, signal, subprocess, sys, time
p = subprocess.Popen(sys.argv[1:])
while p.poll() is None and not os.path.exists('kept/pair-1.json'):
    time.sleep(0.002)
p.send_signal(signal.SIGINT)
sys.exit(p.wait())
END
    fails_with 1 "stopped after" "the same command goes on"
    "${pair[@]}" --json -o kept >resumed.json
    same="[(t['seed'], t['accuracy'], t['error'], t['curve']) for t in d['trials']]"
    [ "$(json resumed.json "$same")" = "$(json whole.json "$same")" ]
}

@test "a kill at any moment leaves a file that goes on" {
    pair=("$WARD" attack "$RUN" --attack pair --pairs 1 --trials 6 --steps 300
          --data "$IMAGES" -q -o kept)
    for delay in 0.1 0.2 0.3 0.2; do
        timeout -s KILL "$delay" "${pair[@]}" >/dev/null || true
    done
    "${pair[@]}" --json >resumed.json
    "${pair[@]}" --json -o whole >whole.json
    same="[(t['seed'], t['accuracy'], t['error']) for t in d['trials']]"
    [ "$(json resumed.json "$same")" = "$(json whole.json "$same")" ]
    [ "$(ls kept)" = pair-1.json ]
}

@test "threads do not change the trials" {
    same="[(t['seed'], t['accuracy'], t['error']) for t in d['trials']]"
    attack "$RUN" --attack pair --pairs 0.5 --trials 3 --steps 100 --threads 1 --json -o a >one
    attack "$RUN" --attack pair --pairs 0.5 --trials 3 --steps 100 --threads 3 --json -o b >three
    [ "$(json one "$same")" = "$(json three "$same")" ]
}

@test "other settings are refused without --force" {
    attack "$FIXED" --attack input-only --trials 2 -o kept
    run --separate-stderr attack "$FIXED" --attack input-only --trials 2 --seed 2 -o kept
    fails_with 1 "kept/input-only.json" "'seed' is 1" "--force"
    run --separate-stderr attack "$RUN" --attack input-only --trials 2 -o kept
    fails_with 1 "'model_id'" "--force"
    attack "$FIXED" --attack input-only --trials 2 --seed 2 -o kept --force --json >a
    [ "$(json a "d['settings']['seed']")" = 2 ]
}

@test "a damaged file is named" {
    mkdir kept
    echo '{}' >kept/direct.json
    run --separate-stderr attack "$FIXED" --attack direct -o kept
    fails_with 1 "kept/direct.json"
}

@test "a baseline has direct piracy only" {
    attack "$BASE" --suite paper --json -o kept >a
    [ "$(lines a "[(x['attack'], x['mean'] == x['authorised'], x['unauthorised'])
                   for x in d]")" = \
        "[('direct', True, None)]" ]
    for name in input-only pair; do
        run --separate-stderr attack "$BASE" --attack "$name" -o kept
        fails_with 2 "'$name'" "'baseline'"
    done
}

@test "a bare network file can be attacked, but not with pairs" {
    cp "$RUN/model.safetensors" bare.safetensors
    attack bare.safetensors --suite paper --trials 2 --json >a
    [ "$(lines a "[(x['attack'], x['authorised']) for x in d]")" = \
        "[('direct', None), ('input-only', None)]" ]
    [ "$(ls)" = "a
bare.safetensors" ]
    run --separate-stderr attack bare.safetensors --attack pair
    fails_with 2 "'pair'" "transform"
}

@test "contradictions are usage errors" {
    run --separate-stderr attack "$RUN" --suite paper --attack direct
    fails_with 2 "--suite" "--attack"
    run --separate-stderr attack "$RUN" --suite none
    fails_with 2 "'none'"
    run --separate-stderr attack "$RUN" --attack none
    fails_with 2 "'none'"
    run --separate-stderr attack "$RUN" --suite paper --pairs 0.5
    fails_with 2 "--pairs"
    run --separate-stderr attack "$RUN" --attack direct --trials 2
    fails_with 2 "--trials" "'direct'"
    run --separate-stderr attack "$FIXED" --attack pair --pairs 0.5
    fails_with 2 "--pairs" "'pair'"
    run --separate-stderr attack "$RUN" --attack input-only --steps 5
    fails_with 2 "--steps"
    run --separate-stderr attack "$RUN" --attack pair --pairs 0
    fails_with 2 "pairs"
    run --separate-stderr attack "$RUN" --attack pair --pairs 1.5
    fails_with 2 "pairs"
    run --separate-stderr attack "$RUN" --attack pair --trials 0
    fails_with 2 "--trials"
    run --separate-stderr attack "$RUN" --attack direct -o ''
    fails_with 2 "--out"
    [ ! -e "$RUN/attacks" ] || [ -z "$(ls "$RUN/attacks")" ]
}

# A few attacks that end at once.
redteam() {
    attack "$@" --only direct,input-only,readout
}

@test "the red team says in one object what the lock is worth" {
    redteam "$RUN" --json -o kept >v
    [ "$(json v "d['suite'], d['budget'], d['is_disjoint']")" = "('v1', 'quick', False)" ]
    "$WARD" eval "$RUN" --data "$IMAGES" --json -q >e
    for key in authorised unauthorised chance model_id method arch data; do
        [ "$(json v "d['$key']")" = "$(json e "d['$key']")" ] || { echo "$key"; false; }
    done
    [ "$(json v "sorted({x['attack'] for x in d['attacks']})")" = \
        "['direct', 'input-only', 'readout', 'scratch']" ]
    for key in suite authorised unauthorised adv adv_pairs scratch best kstar_ratio readout \
        complete flags attacks sentence; do
        [ "$(json v "'$key' in d")" = True ] || { echo "$key"; false; }
        [ "$key" = suite ] || grep -q "[_*(]$key[_*,)]" "$SOURCE/man/ward-attack.1.scd" ||
            { echo "$key is not in the man page"; false; }
    done
    [ "$(json v "d['adv'].keys() == d['scratch'].keys() == d['best'].keys()")" = True ]
    adv="abs(d['best'][k]['accuracy'] - d['scratch'][k] - d['adv'][k])"
    [ "$(json v "all($adv < 1e-9 for k in d['adv'])")" = True ]
    [ "$(ls kept)" = quick.json ]
    [ "$(json v "d['complete']")" = False ] # there are others than these few
    [[ $(json v "d['sentence']") == *"Not all attacks were done: a thief may do better." ]]
}

@test "the red team's table ends with a sentence for the owner" {
    run -0 --separate-stderr redteam "$BASE" -o kept
    [[ $output == *authorised*A0*direct*C0*scratch*"A thief with"*"without your model"* ]] ||
        { echo "$output"; false; }
    [ -z "$stderr" ] || { echo "$stderr"; false; }
}

@test "what the red team has found is kept, and is not done twice" {
    cp -r "$RUN" run
    redteam run --json >first
    [ -f run/redteam/quick.json ]
    redteam run --json >again
    cmp first again
    run --separate-stderr redteam run --seed 2
    fails_with 1 "run/redteam/quick.json" "'seed' is 1" "--force"
}

@test "threads do not change what the red team finds" {
    same="[(x['attack'], x['amount'], x['accuracy'], x['choice'], x['chosen'])
           for x in d['attacks']]"
    redteam "$RUN" --threads 1 --json -o a >one
    redteam "$RUN" --threads 3 --json -o b >three
    [ "$(json one "$same")" = "$(json three "$same")" ]
}

@test "a red team that was stopped goes on" {
    redteam "$RUN" --json -o whole >whole.json
    run --separate-stderr /usr/bin/python3 - "$WARD" attack "$RUN" --only \
        direct,input-only,readout --data "$IMAGES" -q -o kept <<'END'
import os, signal, subprocess, sys, time
p = subprocess.Popen(sys.argv[1:])
while p.poll() is None and not os.path.exists('kept/quick.json'):
    time.sleep(0.002)
p.send_signal(signal.SIGINT)
sys.exit(p.wait())
END
    fails_with 1 "stopped with" "the same command goes on"
    redteam "$RUN" --json -o kept >resumed.json
    same="[(x['attack'], x['amount'], x['accuracy'], x['tries']) for x in d['attacks']]"
    [ "$(json resumed.json "$same")" = "$(json whole.json "$same")" ]
}

@test "adversaries hold images that were set apart for them" {
    small_training apart --method fixed --splits redteam
    redteam apart --json >a
    [ "$(json a "d['is_disjoint'], d['pool_count'], d['choice_count']")" = "(True, 30, 12)" ]
    redteam apart --own-images --json >own
    [ "$(json own "d['is_disjoint'], d['pool_count']")" = "(False, 78)" ]
    [ "$(ls apart/redteam)" = "quick-own.json
quick.json" ]
}

@test "images too small for what a thief trains are refused before anything is done" {
    images folder tiny 2 100 10 2
    "$WARD" train --data tiny --arch resnet8 --method baseline --recipe demo --batch 8 --iterations 2 \
        --splits redteam --threads 1 -q --out small
    run --separate-stderr "$WARD" attack small --only align --labels 10 --threads 1 -q -o kept
    fails_with 2 "simple-cnn does not take images of 1 x 2 x 2"
    [ ! -e kept ]
}

@test "the red team takes other amounts of labelled images, and keeps those that were there" {
    redteam "$RUN" --labels 20 --json -o amounts >a
    # Which attack is the best of them depends on the secret, which is the system's.
    [ "$(json a "sorted(d['adv']), sorted({(x['attack'], x['amount']) for x in d['attacks']})")" = \
        "(['20'], [('direct', 0), ('input-only', 0), ('readout', 20), ('scratch', 20)])" ]
    redteam "$RUN" --labels 5,30 --json -o amounts >b
    [ "$(json b "sorted(d['adv'], key=int)")" = "['5', '20', '30']" ]
    for wrong in 20,10 20,20 0 , 5,x 1,2,3,4,5,6,7,8,9; do
        run --separate-stderr attack "$RUN" --labels "$wrong"
        fails_with 2 labels
    done
}

@test "the red team's contradictions are usage errors" {
    for option in "--budget quick" "--only direct" "--labels 10" --own-images; do
        run --separate-stderr attack "$RUN" --suite paper $option
        fails_with 2 "${option%% *}"
    done
    run --separate-stderr attack "$RUN" --budget none
    fails_with 2 "'none'"
    run --separate-stderr attack "$RUN" --only direct,none
    fails_with 2 "'none'"
    run --separate-stderr attack "$RUN" --sigma 0.1
    fails_with 2 "--sigma"
    [ ! -e "$RUN/redteam" ] || [ -z "$(ls "$RUN/redteam")" ]
}

@test "where trials cannot be kept is said before any is made" {
    : >file
    run --separate-stderr attack "$RUN" --attack direct -o file/kept
    fails_with 1 "'file'"
}
