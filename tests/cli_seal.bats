# Sealed runs from the command line: who can open them, what is signed, on what terms.

bats_require_minimum_version 1.5.0
load cli_helper

setup_file() {
    export IMAGES=$BATS_FILE_TMPDIR/images SEED=$BATS_FILE_TMPDIR/seed DONE=$BATS_FILE_TMPDIR/done
    export KEYS=$XDG_DATA_HOME/ward/keys USER_KEY=$BATS_FILE_TMPDIR/user.key
    export OTHER_KEY=$BATS_FILE_TMPDIR/other.key OTHER_OWNER=$BATS_FILE_TMPDIR/owner2.key
    images folder "$IMAGES" 3 24 8
    printf 'ab%.0s' {1..32} >"$SEED"
    "$WARD" key new --protect file --out "$USER_KEY" -q >/dev/null
    "$WARD" key new --protect file --out "$OTHER_KEY" -q >/dev/null
    "$WARD" key new --type owner --protect file --out "$OTHER_OWNER" -q >/dev/null
    small_training "$DONE" --recipient "$USER_KEY.pub"
    "$WARD" seal "$DONE"
}

setup() {
    RUN=$BATS_TEST_TMPDIR/run
    set_small
}

# A copy to change.
copy() {
    cp -r "$DONE" "$RUN"
}

evaluates() {
    "$WARD" eval "$RUN" --data "$IMAGES" --threads 1 -q "$@" | grep -q authorised
}

refused() {
    run --separate-stderr "$WARD" eval "$RUN" --threads 1 -q "$@"
    fails_with 3 "transform.ward"
    [ -z "$output" ]
}

@test "training seals what holds G to a new owner key, and says so in one line" {
    export XDG_DATA_HOME=$BATS_TEST_TMPDIR/home
    set_small
    run -0 --separate-stderr "${SMALL[@]/-q/--json}" --iterations 5 --out "$RUN"
    [[ $stderr == *"made an owner key"*"Back it up"* ]] || { echo "$stderr"; false; }
    [ "$(mode "$XDG_DATA_HOME/ward/keys/owner.key")" = 600 ]
    [ "$(head -n 1 "$RUN/transform.ward")" = ward-seal/v1 ]
    [ "$(mode "$RUN/transform.ward")" = 600 ]
    evaluates
    export XDG_DATA_HOME=$BATS_TEST_TMPDIR/nobody
    refused
}

@test "owner and recipient open it, others do not, whoever has the model alone is told so" {
    copy
    evaluates
    evaluates --identity "$USER_KEY"
    refused --identity "$OTHER_KEY"
    refused --identity "$OTHER_OWNER"
    run -0 "$WARD" eval "$RUN/model.safetensors" --data "$IMAGES" --threads 1 -q
}

@test "every command that needs G takes an identity and refuses without" {
    copy
    export XDG_DATA_HOME=$BATS_TEST_TMPDIR/nobody
    picture=$(find "$IMAGES/test" -name '*.png' | head -n 1)
    OUT=$BATS_TEST_TMPDIR/out
    for command in "eval $RUN --data $IMAGES" "predict $RUN $picture" \
        "figure $RUN --data $IMAGES -o $OUT/f.png" \
        "transform $RUN $picture -o $OUT/t.npy" \
        "export $RUN --with-transform $OUT/g.onnx"; do
        rm -rf "$OUT"
        mkdir "$OUT"
        # shellcheck disable=SC2086
        run --separate-stderr "$WARD" $command -q
        fails_with 3 "transform.ward"
        [ -z "$output" ]
        [ -z "$(ls "$OUT")" ]
        # shellcheck disable=SC2086
        run -0 --separate-stderr "$WARD" $command -q --identity "$USER_KEY"
    done
    run --separate-stderr "$WARD" report "$RUN" --data "$IMAGES" -q -o "$BATS_TEST_TMPDIR/page.html"
    [ "$status" -ne 0 ]
    run -0 "$WARD" report "$RUN" --data "$IMAGES" -q -o "$BATS_TEST_TMPDIR/page.html" \
        --identity "$USER_KEY"
}

# stop_after_a_checkpoint OPTION...: a training that is stopped long before its end.
stop_after_a_checkpoint() {
    local i
    "${SMALL[@]}" --iterations 6000 --checkpoint-seconds 0.05 --out "$RUN" "$@" 3>&- &
    for ((i = 0; i < 600; i++)); do
        [ ! -s "$RUN/checkpoint.ward" ] || break
        kill -0 $!
        sleep 0.05
    done
    kill -INT $!
    wait $! || [ $? -eq 1 ]
    [ -s "$RUN/checkpoint.ward" ]
    [ ! -e "$RUN/model.safetensors" ]
}

@test "a stopped training goes on from a sealed checkpoint, and only with the owner's key" {
    set_small
    stop_after_a_checkpoint --recipient "$USER_KEY.pub"
    [ "$(head -n 1 "$RUN/checkpoint.ward")" = ward-seal/v1 ]
    run --separate-stderr "$WARD" train --resume --out "$RUN" -q --identity "$OTHER_OWNER"
    fails_with 3 "checkpoint.ward"
    run --separate-stderr "$WARD" train --resume --out "$RUN" -q --identity "$USER_KEY"
    fails_with 3 "checkpoint.ward"
    run -0 --separate-stderr "$WARD" train --resume --out "$RUN" -q --threads 1
    evaluates --identity "$USER_KEY"
}

@test "a training that is not finished is handed over to a new owner key" {
    local key=$BATS_TEST_TMPDIR/key

    set_small
    "$WARD" key new --type owner --protect file --out "$key" -q
    stop_after_a_checkpoint --identity "$key"
    # Handed over, when something after it fails: the same command completes that, too.
    run --separate-stderr "$WARD" key rotate "$RUN" "$RUN.none" --identity "$key" --protect file
    fails_with 1 "$RUN.none"
    run -0 --separate-stderr "$WARD" key rotate "$RUN" --identity "$key" --protect file
    run --separate-stderr "$WARD" train --resume --out "$RUN" -q --identity "$key.old"
    fails_with 3 "checkpoint.ward"
    run -0 --separate-stderr "$WARD" train --resume --out "$RUN" -q --threads 1 --identity "$key"
    evaluates --identity "$key"
}

@test "a training that is not finished is sealed but not signed, and takes no terms" {
    set_small
    stop_after_a_checkpoint
    run --separate-stderr "$WARD" seal "$RUN" --uses 2
    fails_with 2 "$RUN" "not complete"
    run -0 "$WARD" seal "$RUN" --recipient "$USER_KEY.pub"
    [[ $output == *"not signed"* ]]
    [ ! -e "$RUN/manifest.ward" ]
    "$WARD" train --resume --out "$RUN" -q --threads 1
    run -0 "$WARD" seal "$RUN" --uses 2
    [[ $output == *"sealed and signed" ]]
    evaluates --identity "$USER_KEY"
}

@test "a baseline that is not finished has nothing to seal, and goes on" {
    set_small
    stop_after_a_checkpoint --method baseline
    run --separate-stderr "$WARD" seal "$RUN"
    fails_with 2 "no transform"
    run --separate-stderr "$WARD" key rotate "$RUN" --protect file
    fails_with 2 "no transform"
    run -0 --separate-stderr "$WARD" train --resume --out "$RUN" -q --threads 1
}

@test "a run from a given seed is no secret, and stays plain" {
    small_training "$RUN" --secret-seed "$SEED"
    [ "$(head -c 5 "$RUN/transform.ward")" = WARDG ]
    run --separate-stderr "$WARD" seal "$RUN"
    fails_with 2 "no secret"
    set_small
    run --separate-stderr "${SMALL[@]}" --iterations 5 --out "$RUN.2" --secret-seed "$SEED" \
        --recipient "$USER_KEY.pub"
    fails_with 2 "--recipient"
    run --separate-stderr "${SMALL[@]}" --iterations 5 --out "$RUN.2" --method baseline \
        --recipient "$USER_KEY.pub"
    fails_with 2 "--recipient"
}

@test "a broken grammar is a failure, everything else that was altered is denied" {
    copy
    printf 'x' >>"$RUN/transform.ward"
    refused
    copy="$DONE/transform.ward"
    head -c -1 "$copy" >"$RUN/transform.ward"
    refused
    sed 's/^-> content transform ./-> content transform 0/' "$copy" >"$RUN/transform.ward"
    cmp -s "$copy" "$RUN/transform.ward" ||
        refused
    sed 's/^-> owner/-> owner AAAA/' "$copy" >"$RUN/transform.ward"
    run --separate-stderr "$WARD" eval "$RUN" -q
    fails_with 1 "transform.ward" "broken header"
    sed 's/v1$/v2/' "$copy" >"$RUN/transform.ward"
    run --separate-stderr "$WARD" eval "$RUN" -q
    fails_with 1 "transform.ward" "version"
}

@test "a transform of another model is denied" {
    small_training "$RUN"
    cp "$DONE/transform.ward" "$RUN/transform.ward"
    refused
    [[ $stderr == *"another model"* ]]
}

@test "a plain run is migrated, its bytes overwritten, and opens as before" {
    # A run as written before there was sealing: one from a given seed that is not marked so.
    small_training "$RUN" --secret-seed "$SEED"
    /usr/bin/python3 - "$RUN" <<'END'
import hashlib, json, sys
path = sys.argv[1] + '/transform.ward'
data = open(path, 'rb').read()[:-32]
length = int.from_bytes(data[40:48], 'little')
head = json.loads(data[48:48 + length])
about = json.loads(head['__metadata__']['ward'])
about['is_reproducible'] = False
head['__metadata__']['ward'] = json.dumps(about)
text = json.dumps(head, separators=(',', ':')).encode()
text += b' ' * (-len(text) % 8)
data = data[:40] + len(text).to_bytes(8, 'little') + text + data[48 + length:]
open(path, 'wb').write(data + hashlib.sha256(data).digest())
path = sys.argv[1] + '/config.json'
config = json.load(open(path))
config['secret_seed'] = None
json.dump(config, open(path, 'w'))
END
    exec 8<"$RUN/transform.ward"
    ln "$RUN/transform.ward" "$BATS_TEST_TMPDIR/same"
    run --separate-stderr "$WARD" seal "$RUN"
    fails_with 1 "transform.ward" "hard link"
    [ "$(head -c 5 "$BATS_TEST_TMPDIR/same")" = WARDG ]
    rm "$BATS_TEST_TMPDIR/same"
    before=$("$WARD" eval "$RUN" --data "$IMAGES" --threads 1 --json -q)
    run -0 "$WARD" seal "$RUN"
    [ "$(head -n 1 "$RUN/transform.ward")" = ward-seal/v1 ]
    [ "$(tr -d '\0' <&8 | wc -c)" = 0 ]
    exec 8<&-
    [ "$("$WARD" eval "$RUN" --data "$IMAGES" --threads 1 --json -q)" = "$before" ]
    run -0 "$WARD" verify "$RUN"
}

@test "verify accepts what was signed, and names what was not" {
    copy
    run -0 "$WARD" verify "$RUN"
    run -0 "$WARD" verify "$RUN" --owner "$KEYS/owner.key.pub"
    "$WARD" verify "$RUN" --json >"$BATS_TEST_TMPDIR/json"
    [ "$(json "$BATS_TEST_TMPDIR/json" "d['verified'], d['files'], d['expires']")" = \
        "(True, 2, None)" ]
    run --separate-stderr "$WARD" verify "$RUN" --owner "$OTHER_OWNER.pub"
    fails_with 3 "manifest.ward" "another owner"
    run --separate-stderr "$WARD" verify "$RUN" --owner "$USER_KEY.pub"
    fails_with 2 "user"
    "$WARD" export "$RUN" --onnx "$RUN/f.onnx" -q
    run --separate-stderr "$WARD" verify "$RUN"
    fails_with 3 "f.onnx" "not among"
    "$WARD" seal "$RUN"
    run -0 "$WARD" verify "$RUN"
    printf x >>"$RUN/f.onnx"
    run --separate-stderr "$WARD" verify "$RUN"
    fails_with 3 "f.onnx" "not as it was signed"
    rm "$RUN/f.onnx"
    run --separate-stderr "$WARD" verify "$RUN"
    fails_with 3 "f.onnx" "missing"
    "$WARD" seal "$RUN"
    "$WARD" export "$RUN" --onnx "$RUN/my f.onnx" -q
    run --separate-stderr "$WARD" verify "$RUN"
    fails_with 3 "my f.onnx" "its name"
    run --separate-stderr "$WARD" seal "$RUN"
    fails_with 2 "my f.onnx" "its name"
    run --separate-stderr "$WARD" key grant "$RUN" "$USER_KEY.pub"
    fails_with 2 "my f.onnx" "its name"
    rm "$RUN/my f.onnx"
    run -0 "$WARD" verify "$RUN" # nothing was sealed anew
    sed -i 's/^uses unlimited/uses 5/' "$RUN/manifest.ward"
    run --separate-stderr "$WARD" verify "$RUN"
    fails_with 3 "signature"
    rm "$RUN/manifest.ward"
    run --separate-stderr "$WARD" verify "$RUN"
    fails_with 1 "not signed" "ward seal"
    run --separate-stderr "$WARD" verify "$RUN.none"
    fails_with 1 "$RUN.none" "no run"
    mkdir -p "$BATS_TEST_TMPDIR/home/ward/keys"
    run --separate-stderr env XDG_DATA_HOME="$BATS_TEST_TMPDIR/home" "$WARD" verify "$RUN"
    fails_with 2 "--owner is missing"
    echo damaged >"$BATS_TEST_TMPDIR/home/ward/keys/owner.key"
    run --separate-stderr env XDG_DATA_HOME="$BATS_TEST_TMPDIR/home" "$WARD" verify "$RUN"
    fails_with 1 "home/ward/keys/owner.key"
}

@test "an expired right and a spent one are denied to users, not to the owner" {
    copy
    run -0 "$WARD" seal "$RUN" --expires 2020-12-31
    refused --identity "$USER_KEY"
    [[ $stderr == *expired* ]]
    evaluates
    "$WARD" seal "$RUN" --uses 2
    run -0 "$WARD" verify "$RUN"
    [[ $output == *"2 times"* ]]
    evaluates --identity "$USER_KEY"
    evaluates --identity "$USER_KEY"
    refused --identity "$USER_KEY"
    [[ $stderr == *"2 times"* ]]
    evaluates
    run --separate-stderr "$WARD" seal "$RUN" --expires tomorrow
    fails_with 2 "tomorrow"
    run --separate-stderr "$WARD" seal "$RUN" --uses 0
    fails_with 2 "--uses"
}

@test "sealing is for the owner" {
    copy
    run --separate-stderr "$WARD" seal "$RUN" --identity "$USER_KEY"
    fails_with 3 "owner"
    run --separate-stderr "$WARD" seal "$RUN" --identity "$OTHER_OWNER"
    fails_with 3 "transform.ward"
    run --separate-stderr "$WARD" seal "$BATS_TEST_TMPDIR/none"
    fails_with 1 "none"
    mkdir "$RUN.empty"
    run --separate-stderr "$WARD" seal "$RUN.empty"
    fails_with 1 "no run"
}

@test "another reader, made from docs/formats.md alone, opens the same file" {
    copy
    /usr/bin/python3 -c 'import cryptography' 2>/dev/null || skip "package python3-cryptography is missing"
    run -0 /usr/bin/python3 "$SOURCE/tests/seal_reference.py" "$RUN/transform.ward" "$USER_KEY"
    [ "$output" = "WARDG of $("$WARD" eval "$RUN" --data "$IMAGES" --json -q |
        /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["model_id"])')" ]
    run /usr/bin/python3 "$SOURCE/tests/seal_reference.py" "$RUN/transform.ward" "$OTHER_KEY"
    [ "$output" = "no key" ]
}

@test "seal --recipient lets a user open it, as grant does" {
    copy
    refused --identity "$OTHER_KEY"
    run -0 "$WARD" seal "$RUN" --recipient "$OTHER_KEY.pub" -q
    evaluates --identity "$OTHER_KEY"
    evaluates --identity "$USER_KEY"
    run -0 "$WARD" verify "$RUN"
}

@test "relock makes a new transform and says what the old one is still worth" {
    copy
    "$WARD" key grant "$RUN" "$OTHER_KEY.pub" --name mallory
    "$WARD" relock "$RUN" --out "$RUN.2" --iterations 40 --without mallory --threads 1 --json -q \
        >"$BATS_TEST_TMPDIR/json"
    [ "$(json "$BATS_TEST_TMPDIR/json" "sorted(d)")" = \
        "['authorised', 'chance', 'count', 'old_transform', 'run', 'unauthorised']" ]
    run -0 "$WARD" verify "$RUN.2"
    RUN=$RUN.2
    evaluates --identity "$USER_KEY"
    refused --identity "$OTHER_KEY"
    run -0 "$WARD" relock "$RUN" --out "$RUN.4" --rate 0.001 --threads 1 -q
    [ "$(json "$RUN.4/config.json" "d['rate'], d['iterations']")" = "(0.001, 40)" ]
    [ "$(json "$RUN.4/config.json" "d['raw_share']")" = "$(json "$RUN/config.json" "d['raw_share']")" ]
    run --separate-stderr "$WARD" relock "$RUN" --out "$RUN/../$(basename "$RUN")" -q
    fails_with 2 "another directory"
    run --separate-stderr "$WARD" relock "$RUN" --out "$RUN.3" --rate 0 -q
    fails_with 2 "--rate 0"
    run --separate-stderr "$WARD" relock "$RUN" --out "$RUN.3" --without nobody -q
    fails_with 2 "nobody"
    run --separate-stderr "$WARD" relock "$RUN" --out "$RUN.3" --identity "$USER_KEY" -q
    fails_with 3 "owner"
}
