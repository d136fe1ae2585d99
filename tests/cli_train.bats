# Training from the command line: what it writes and refuses, and that stopping changes nothing.

bats_require_minimum_version 1.5.0
load cli_helper

setup_file() {
    export IMAGES=$BATS_FILE_TMPDIR/images SEED=$BATS_FILE_TMPDIR/seed DONE=$BATS_FILE_TMPDIR/done
    umask 022
    images folder "$IMAGES" 3 24 8
    printf 'ab%.0s' {1..32} >"$SEED"
    small_training "$DONE" --secret-seed "$SEED"
    export WHOLE=$BATS_FILE_TMPDIR/whole ITERATIONS=200
    small_training "$WHOLE" --iterations "$ITERATIONS" --secret-seed "$SEED"
}

setup() {
    RUN=$BATS_TEST_TMPDIR/run
    set_small
}

# The last line with means.
metrics() {
    grep loss_processed "$1/metrics.jsonl" | tail -n 1
}

same_result() {
    local file
    for file in model.safetensors transform.ward; do
        cmp "$1/$file" "$2/$file"
    done
}

@test "a finished run has its files, secret ones with mode 0600, and no checkpoint" {
    for file in transform.ward config.json; do
        [ "$(mode "$DONE/$file")" = 600 ] || { echo "$file has mode $(mode "$DONE/$file")"; false; }
    done
    [ "$(mode "$DONE/model.safetensors")" = 644 ]
    [ -s "$DONE/metrics.jsonl" ]
    [ ! -e "$DONE/checkpoint.ward" ]
    others=$(find "$DONE" -type f ! -name model.safetensors ! -name transform.ward \
        ! -name config.json ! -name metrics.jsonl ! -name .lock)
    [ -z "$others" ] || { echo "left behind: $others"; false; }
}

@test "every line of metrics.jsonl is an object" {
    /usr/bin/python3 -c 'import json, sys
assert all(isinstance(json.loads(line), dict) for line in open(sys.argv[1]))' "$DONE/metrics.jsonl"
}

@test "the result goes to stdout, progress to stderr, and -q leaves only the result" {
    run -0 --separate-stderr small_training "$RUN"
    [[ $output == *"$RUN: 40 iterations"*"next: ward eval $RUN"* ]] || { echo "$output"; false; }
    [ -z "$stderr" ] || { echo "with -q: $stderr"; false; }
}

@test "--json prints one object" {
    small_training "$RUN" --json >"$BATS_TEST_TMPDIR/json"
    [ "$(json "$BATS_TEST_TMPDIR/json" "d['iterations']")" = 40 ]
    [ "$(json "$BATS_TEST_TMPDIR/json" "d['run']")" = "$RUN" ]
    [ "$(json "$BATS_TEST_TMPDIR/json" "sorted(d)")" = \
        "['accuracy', 'iterations', 'loss', 'run', 'seconds', 'validation']" ]
}

@test "the same seeds give the same bytes" {
    small_training "$RUN" --secret-seed "$SEED"
    same_result "$RUN" "$DONE"
}

@test "a secret seed may be bytes or digits" {
    printf '\xab%.0s' {1..32} | small_training "$RUN" --secret-seed -
    same_result "$RUN" "$DONE"
}

@test "another secret seed gives another transform and another network" {
    printf 'ac%.0s' {1..32} | small_training "$RUN" --secret-seed -
    run ! cmp -s "$RUN/transform.ward" "$DONE/transform.ward"
    run ! cmp -s "$RUN/model.safetensors" "$DONE/model.safetensors"
}

@test "without a secret seed two trainings share no transform" {
    small_training "$RUN"
    small_training "$RUN.2"
    run ! cmp -s "$RUN/transform.ward" "$RUN.2/transform.ward"
}

@test "the public file says nothing of a seed" {
    small_training "$RUN" --seed 987654321 --secret-seed "$SEED"
    run ! grep -qa 987654321 "$RUN/model.safetensors"
    run ! grep -qai abababababab "$RUN/model.safetensors"
    run ! grep -qai seed "$RUN/model.safetensors"
}

@test "a run is not overwritten without --force" {
    cp -a "$DONE" "$RUN"
    run --separate-stderr small_training "$RUN"
    fails_with 1 "$RUN" "already holds a run; --resume goes on with it, --force starts afresh"
    same_result "$RUN" "$DONE"
    small_training "$RUN" --force --iterations 20
    run ! cmp -s "$RUN/model.safetensors" "$DONE/model.safetensors"
}

@test "resuming with other settings, or nothing, is refused" {
    cp -a "$DONE" "$RUN"
    run --separate-stderr small_training "$RUN" --resume --seed 99
    fails_with 2
    same_result "$RUN" "$DONE"
    run --separate-stderr "$WARD" train --resume --out "$BATS_TEST_TMPDIR/none"
    [ "$status" -ne 0 ]
    [[ $stderr == *none* ]]
    [ ! -e "$BATS_TEST_TMPDIR/none" ]
}

@test "resuming a finished run changes nothing" {
    cp -a "$DONE" "$RUN"
    "$WARD" train --resume --out "$RUN" -q --json >"$BATS_TEST_TMPDIR/json"
    same_result "$RUN" "$DONE"
    [ "$(json "$BATS_TEST_TMPDIR/json" "d['iterations'], d['loss']['processed']")" = "(40, None)" ]
}

# What made $WHOLE, with checkpoints on the way.
resumed_training() {
    small_training "$RUN" --iterations "$ITERATIONS" --secret-seed "$SEED" \
        --checkpoint-seconds 0.05 --resume
}

@test "SIGTERM and SIGINT stop with a checkpoint; resumed, the bytes are the same" {
    for signal in TERM INT; do
        # A shell starts background jobs with SIGINT ignored; Python does not.
        run --separate-stderr /usr/bin/python3 - "$signal" "$RUN" "${SMALL[@]}" \
            --iterations "$ITERATIONS" --secret-seed "$SEED" --checkpoint-seconds 0.05 \
            --force --out "$RUN" <<'END'
import os, signal, subprocess, sys, time
p = subprocess.Popen(sys.argv[3:])
while p.poll() is None and not os.path.exists(sys.argv[2] + '/checkpoint.ward'):
    time.sleep(0.002)
p.send_signal(getattr(signal, 'SIG' + sys.argv[1]))
sys.exit(p.wait())
END
        fails_with 1 "stopped" "ward train --resume --out $RUN"
        [ "$(mode "$RUN/checkpoint.ward")" = 600 ]
        [ ! -e "$RUN/model.safetensors" ]
        run --separate-stderr "$WARD" eval "$RUN"
        fails_with 1 "$RUN"
        "$WARD" train --resume --out "$RUN" --threads 1 -q
        same_result "$RUN" "$WHOLE"
    done
}

@test "killed at random moments and resumed, the bytes are the same and no file is unreadable" {
    /usr/bin/python3 - "$RUN" "${SMALL[@]}" --iterations "$ITERATIONS" --secret-seed "$SEED" \
        --checkpoint-seconds 0.05 --resume --out "$RUN" <<'END'
import os, random, subprocess, sys, time

def checkpoint():
    try:
        return os.stat(sys.argv[1] + '/checkpoint.ward').st_ino
    except FileNotFoundError:
        return None

draw, kills = random.Random(20), 0
while kills < 10:
    last = checkpoint()
    p = subprocess.Popen(sys.argv[2:], stderr=subprocess.PIPE, text=True)
    # By turns soon after the start, and soon after the next checkpoint, however fast the machine.
    while kills % 2 and p.poll() is None and checkpoint() == last:
        time.sleep(0.001)
    time.sleep(draw.uniform(0, 0.04))
    p.kill()
    code, said = p.wait(), p.stderr.read()
    if code == 0:
        break
    assert code == -9, f'after {kills} kills: exit {code}: {said}'
    kills += 1
print(f'{kills} kills')
assert kills >= 4, 'the training was over before it could be killed'
END
    resumed_training
    same_result "$RUN" "$WHOLE"
    left=$(find "$RUN" -type f ! -name model.safetensors ! -name transform.ward \
        ! -name config.json ! -name metrics.jsonl ! -name .lock)
    [ -z "$left" ] || { echo "left behind: $left"; false; }
}

@test "two trainings do not share a directory" {
    /usr/bin/python3 - "$RUN" "${SMALL[@]}" --iterations 100000 --checkpoint-seconds 0.05 \
        --resume --out "$RUN" <<'END'
import os, subprocess, sys, time
first = subprocess.Popen(sys.argv[2:], stderr=subprocess.DEVNULL)
while first.poll() is None and not os.path.exists(sys.argv[1] + '/checkpoint.ward'):
    time.sleep(0.01)
second = subprocess.run(sys.argv[2:], stderr=subprocess.PIPE, text=True)
alive = first.poll() is None
first.kill()
first.wait()
assert alive, 'the first one did not survive'
assert second.returncode == 1 and len(second.stderr.splitlines()) == 1, second
assert sys.argv[1] in second.stderr, second.stderr
END
}

@test "a damaged checkpoint is recognised and named" {
    /usr/bin/python3 - "$RUN" "${SMALL[@]}" --iterations 100000 --checkpoint-seconds 0.05 \
        --out "$RUN" <<'END'
import os, subprocess, sys, time
path = sys.argv[1] + '/checkpoint.ward'
p = subprocess.Popen(sys.argv[2:])
while p.poll() is None and not os.path.exists(path):
    time.sleep(0.01)
p.kill()
p.wait()
with open(path, 'r+b') as file:
    file.seek(os.path.getsize(path) // 2)
    byte = file.read(1)
    file.seek(-1, 1)
    file.write(bytes([byte[0] ^ 1]))
END
    run --separate-stderr "$WARD" train --resume --out "$RUN" -q
    fails_with 3 "checkpoint.ward"
}

@test "a full disk fails with one line, leaves no half-written file, and can be resumed" {
    # Files may not grow beyond 256 KiB: the same error path as a full disk, without a mount.
    run --separate-stderr bash -c '
        trap "" XFSZ
        ulimit -f 256
        exec "$@"' - "${SMALL[@]}" --iterations "$ITERATIONS" --secret-seed "$SEED" \
        --checkpoint-seconds 0.05 --out "$RUN"
    fails_with 1 "$RUN"
    left=$(find "$RUN" -type f ! -name config.json ! -name metrics.jsonl ! -name .lock)
    [ -z "$left" ] || { echo "left behind: $left"; false; }
    resumed_training
    same_result "$RUN" "$WHOLE"
}

@test "on a file system without space a run fails with one line, and leaves nothing half-written" {
    unshare -rm true || skip "no file system can be mounted here"
    # In a mount name space of its own, which ends with the command: what is left goes to files.
    run --separate-stderr unshare -rm bash -c '
        folder=$1 list=$2
        shift 2
        mount -t tmpfs -o size=300k tmpfs "$folder" || exit 99
        "$@"
        status=$?
        find "$folder/run" -type f >"$list"
        exit "$status"' - "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR/left" \
        "${SMALL[@]}" --iterations "$ITERATIONS" --secret-seed "$SEED" \
        --checkpoint-seconds 0.05 --out "$BATS_TEST_TMPDIR/run"
    fails_with 1 "No space left on device"
    left=$(grep -v -e config.json -e metrics.jsonl -e .lock "$BATS_FILE_TMPDIR/left" || true)
    [ -z "$left" ] || { echo "left behind: $left"; false; }
}

@test "an output that cannot be made is named" {
    touch "$BATS_TEST_TMPDIR/file"
    run --separate-stderr small_training "$BATS_TEST_TMPDIR/file/run"
    fails_with 1 "$BATS_TEST_TMPDIR/file"
}

@test "a loss that is not finite stops with a message and status 1" {
    run --separate-stderr small_training "$RUN" --rate 1e6 --iterations 400
    fails_with 1 "finite"
    [ ! -e "$RUN/model.safetensors" ]
}

@test "damaged data files are named, and nothing is written" {
    data=$BATS_TEST_TMPDIR/idx
    mkdir "$data"
    for damage in empty magic truncated; do
        case $damage in
        empty) : >"$data/train-images-idx3-ubyte" ;;
        magic) head -c 100 /dev/zero >"$data/train-images-idx3-ubyte" ;;
        truncated)
            printf '\0\0\x08\x03\0\0\0\x05\0\0\0\x1c\0\0\0\x1c123' \
                >"$data/train-images-idx3-ubyte"
            ;;
        esac
        printf '\0\0\x08\x01\0\0\0\x05\0\0\0\0\0' >"$data/train-labels-idx1-ubyte"
        cp "$data/train-images-idx3-ubyte" "$data/t10k-images-idx3-ubyte"
        cp "$data/train-labels-idx1-ubyte" "$data/t10k-labels-idx1-ubyte"
        run --separate-stderr "$WARD" train --data "$data" --arch simple-cnn --method fixed \
            --out "$RUN"
        fails_with 1 "images-idx3-ubyte"
        [ ! -e "$RUN" ]
    done
}

@test "baseline, fixed and learned train, too; resnet8 as well" {
    for method in baseline fixed learned; do
        small_training "$RUN.$method" --method $method
        [ -e "$RUN.$method/model.safetensors" ]
    done
    [ ! -e "$RUN.baseline/transform.ward" ]
    small_training "$RUN.resnet" --arch resnet8 --iterations 5
}

@test "adversaries can be simulated, the same ones each time" {
    hardened() {
        small_training "$1" --iterations 6 --secret-seed "$SEED" --method generator --generator-width 4 \
            --arch mlp-16x1 --harden 0.5 --harden-steps 5 --harden-every 1
    }
    hardened "$RUN"
    metrics "$RUN" | grep -q '"loss_rival"'
    [ "$(json "$RUN/config.json" "d['harden'], d['harden_steps'], d['harden_every']")" = "(0.5, 5, 1)" ]
    hardened "$RUN.again"
    cmp "$RUN/model.safetensors" "$RUN.again/model.safetensors"
    run -2 --separate-stderr small_training "$RUN.b" --method baseline --harden 0.5
    [[ "$stderr" == *"--harden means nothing with method baseline"* ]]
    run -2 --separate-stderr small_training "$RUN.s" --harden-steps 5
    [[ "$stderr" == *"--harden-steps means nothing without --harden"* ]]
}

@test "keyed trains by itself, and each of its parts can be left out" {
    for again in "" --resume; do # with the settings repeated, of which --arch is none
        "$WARD" train --data "$IMAGES" --method keyed --recipe demo --batch 8 --iterations 5 --threads 1 -q \
            --secret-seed "$SEED" --out "$RUN" $again
    done
    [ "$(json "$RUN/config.json" "d['arch'], d['objective'], d['coordinates'], d['has_front']")" = \
        "('mlp-1024x4-leaky', 'chance', 'cascade', True)" ]
    metrics "$RUN" | grep -q '"loss_wrong"'
    run -0 --separate-stderr "$WARD" eval "$RUN" --data "$IMAGES" --threads 1
    run -0 --separate-stderr "$WARD" export "$RUN" --onnx "$BATS_TEST_TMPDIR/f.onnx"
    keyed() {
        small_training "$RUN.$1" --iterations 5 --secret-seed "$SEED" --method keyed \
            --arch mlp-16x1-residual "${@:2}"
    }
    keyed bare --front none --coordinates none
    keyed loss --front none --json >"$BATS_TEST_TMPDIR/json"
    [ "$(json "$BATS_TEST_TMPDIR/json" "d['loss']['wrong'] >= 0")" = True ]
    [ "$(json "$RUN.loss/config.json" "d['erased_axes']")" = 0.25 ]
    keyed whole --front none --erase-axes 0
    [ "$(json "$RUN.whole/config.json" "'erased_axes' in d")" = False ]
    run ! cmp -s "$RUN.loss/model.safetensors" "$RUN.whole/model.safetensors"
    run -2 --separate-stderr small_training "$RUN.refused" --method fixed --erase-axes 0.1
    [[ "$stderr" == *"--erase-axes means nothing without objective chance"* ]]
    keyed parts --front none --coordinates none --codebook 8 --shuffle 4 --negative 0.5 --sigma 0.1 --p 0.3
    keyed residual --residual yes --generator-width 4 --start 1 --front-width 8 --rounds 5
    keyed paper --objective paper --beta 0.5 --front none --json >"$BATS_TEST_TMPDIR/json"
    [ "$(json "$BATS_TEST_TMPDIR/json" "d['loss']['wrong']")" = None ]
    [ "$(json "$RUN.paper/config.json" "d['raw_warmup']")" = 0.3 ] # the recipe's: demo
    [ "$(json "$RUN.loss/config.json" "d['raw_warmup']")" = 0.0 ]
    metrics "$RUN.paper" >"$BATS_TEST_TMPDIR/metrics"
    run ! grep '"loss_wrong"' "$BATS_TEST_TMPDIR/metrics"
    keyed dense --front none --coordinates dense --wrong-keys 0
    small_training "$RUN.teacher" --method baseline --iterations 5
    keyed taught --teacher "$RUN.teacher" --teacher-weight 2 --temperature 4
    small_training "$RUN.chance" --method fixed --arch resnet8-leaky --objective chance --iterations 5
}

@test "a lock key gives the same run again, is needed no more, and goes with keyed alone" {
    lock=$BATS_TEST_TMPDIR/lock
    "$WARD" key new --type lock --protect file --out "$lock" -q
    keyed=(--method keyed --arch mlp-16x1 --front none --iterations 5)
    small_training "$RUN" "${keyed[@]}" --lock-key "$lock"
    small_training "$RUN.2" "${keyed[@]}" --lock-key "$lock"
    cmp "$RUN/model.safetensors" "$RUN.2/model.safetensors"
    small_training "$RUN.3" "${keyed[@]}"
    run ! cmp -s "$RUN/model.safetensors" "$RUN.3/model.safetensors"
    head -n 1 "$RUN/transform.ward" | grep -q ward-seal
    [ "$(json "$RUN/config.json" "d['lock']")" = \
        "$("$WARD" key info "$lock" | sed -n 's/fingerprint  //p')" ]
    rm "$lock"
    run -0 "$WARD" eval "$RUN" --data "$IMAGES" --threads 1 -q
    run --separate-stderr small_training "$RUN.4" --lock-key "$lock"
    fails_with 2 "--lock-key" "generator"
    run --separate-stderr small_training "$RUN.4" "${keyed[@]}" --lock-key "$lock" --secret-seed "$SEED"
    fails_with 2 "--lock-key" "contradict"
    run --separate-stderr small_training "$RUN.4" "${keyed[@]}" --lock-key "$lock"
    fails_with 1 "$lock"
    [ ! -e "$RUN.4" ]
}
