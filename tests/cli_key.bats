# Keys from the command line: made, protected, granted, revoked, exchanged.

bats_require_minimum_version 1.5.0
load cli_helper

setup_file() {
    export IMAGES=$BATS_FILE_TMPDIR/images DONE=$BATS_FILE_TMPDIR/done
    export WORD=$BATS_FILE_TMPDIR/word WRONG=$BATS_FILE_TMPDIR/wrong
    images folder "$IMAGES" 3 24 8
    echo 'correct horse' >"$WORD"
    echo 'wrong horse' >"$WRONG"
    small_training "$DONE"
    "$WARD" seal "$DONE"
}

setup() {
    RUN=$BATS_TEST_TMPDIR/run
    KEY=$BATS_TEST_TMPDIR/key
    OWNER=$XDG_DATA_HOME/ward/keys/owner.key
    # An Argon2id that costs nothing.
    CHEAP=(--memory 1 --passes 1)
}

copy() {
    cp -r "$DONE" "$RUN"
}

new_user() {
    "$WARD" key new --protect file --out "$1" -q
}

evaluates() {
    "$WARD" eval "$RUN" --data "$IMAGES" --threads 1 -q "$@" | grep -q authorised
}

refused() {
    run --separate-stderr "$WARD" eval "$RUN" --threads 1 -q "$@" </dev/null
    fails_with 3
    [ -z "$output" ]
}

@test "a new key has mode 0600, a public half beside it, and prints that" {
    run -0 --separate-stderr new_user "$KEY"
    [ "$(mode "$KEY")" = 600 ]
    [ "$output" = "$(cat "$KEY.pub")" ]
    [[ $output == ward-user:* ]]
    run --separate-stderr new_user "$KEY"
    fails_with 1 "--force"
    mv "$KEY" "$KEY.1" # what is left of somebody else's pair is not written over either
    run --separate-stderr new_user "$KEY"
    fails_with 1 "public half"
    [ ! -e "$KEY" ]
    "$WARD" key new --type owner --protect file --out "$KEY.2" --json -q >"$BATS_TEST_TMPDIR/json"
    [ "$(json "$BATS_TEST_TMPDIR/json" "d['path'], d['public_key'][:11]")" = \
        "('$KEY.2', 'ward-owner:')" ]
}

@test "a key without its public half is not left behind" {
    ln -s nowhere "$KEY.pub"
    run --separate-stderr new_user "$KEY"
    fails_with 1 "public half"
    [ ! -e "$KEY" ]
    rm "$KEY.pub"
    new_user "$KEY"
}

@test "a passphrase opens, another one or none does not" {
    copy
    "$WARD" key new --out "$KEY" --passphrase-file "$WORD" "${CHEAP[@]}" -q
    "$WARD" key grant "$RUN" "$KEY.pub"
    evaluates --identity "$KEY" --passphrase-file "$WORD"
    evaluates --identity "$KEY" --passphrase-fd 7 7<"$WORD"
    refused --identity "$KEY" --passphrase-file "$WRONG"
    [[ $stderr == *"wrong passphrase"* && $stderr != *horse* ]]
    run --separate-stderr setsid -w "$WARD" eval "$RUN" -q --identity "$KEY" </dev/null
    fails_with 3 "a passphrase is needed"
    run --separate-stderr "$WARD" eval "$RUN" -q --identity "$KEY" --passphrase-file "$KEY.none"
    fails_with 1 "$KEY.none" "passphrase"
    run --separate-stderr "$WARD" eval "$RUN" -q --identity "$KEY" --passphrase-fd 99
    fails_with 1 "descriptor '99'"
    run --separate-stderr "$WARD" key new --out "$KEY.2" --passphrase-file "$KEY.none" -q
    fails_with 1 "$KEY.none" "passphrase"
    run --separate-stderr "$WARD" key new --out "$KEY.2" --passphrase-file /dev/null -q
    fails_with 1 "empty"
    [ ! -e "$KEY.2" ]
}

@test "a passphrase is typed without echo" {
    copy
    "$WARD" key new --out "$KEY" --passphrase-file "$WORD" "${CHEAP[@]}" -q
    "$WARD" key grant "$RUN" "$KEY.pub"
    run -0 /usr/bin/python3 - "$WARD" eval "$RUN" -q --threads 1 --data "$IMAGES" \
        --identity "$KEY" <<'END'
import os, pty, sys, time
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b''
while b'passphrase of' not in seen:
    seen += os.read(terminal, 1000)
time.sleep(0.2)
os.write(terminal, b'correct horse\n')
try:
    while True:
        seen += os.read(terminal, 1000)
except OSError:
    pass
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.exit(status or b'horse' in seen or b'authorised' not in seen)
END
}

@test "passphrases are neither arguments nor in the environment" {
    for option in --passphrase --password; do
        run --separate-stderr "$WARD" key new $option secret --out "$KEY"
        fails_with 2 "$option"
    done
    run ! grep -qia '^WARD_PASS' <(strings -a "$(dirname "$WARD")/../src/libward.so")
}

@test "a file that asks for too much is refused before anything is computed" {
    "$WARD" key new --out "$KEY" --passphrase-file "$WORD" "${CHEAP[@]}" -q
    for cost in m=1048577,t=1,p=1 m=1048576,t=5,p=1 m=8,t=1001,p=1 m=7,t=1,p=1 m=8,t=1,p=2 \
        m=08,t=1,p=1 m=18446744073709551624,t=1,p=1; do
        sed "s/m=1024,t=1,p=1/$cost/" "$KEY" >"$KEY.2"
        run --separate-stderr "$WARD" key backup --identity "$KEY.2" --out "$KEY.3" \
            --protect file --passphrase-file "$WORD"
        fails_with 1 "$KEY.2" "asks for too much"
    done
    run --separate-stderr "$WARD" key new --out "$KEY.4" --passphrase-file "$WORD" \
        --memory 1024 --passes 5
    fails_with 2 "cost"
    run --separate-stderr "$WARD" key new --out "$KEY.4" --memory 1025
    fails_with 2 "--memory"
}

@test "granting, listing and revoking" {
    copy
    new_user "$KEY.1"
    new_user "$KEY.2"
    new_user "$KEY.3"
    run -0 "$WARD" key grant "$RUN" "$KEY.1.pub" --name alice
    run -0 "$WARD" key grant "$RUN" "$(cat "$KEY.2.pub")" "$KEY.3"
    for i in 1 2 3; do
        evaluates --identity "$KEY.$i"
    done
    run -0 "$WARD" key list "$RUN"
    [ "${#lines[@]}" = 3 ]
    [[ ${lines[0]} == *"$(cat "$KEY.1.pub")  alice" ]]
    run -0 "$WARD" key grant "$RUN" "$KEY.1.pub" --name again
    [ "$("$WARD" key list "$RUN" | wc -l)" = 3 ]
    run -0 --separate-stderr "$WARD" key revoke "$RUN" alice
    [[ $stderr == *"not taken back"*"ward relock"* ]]
    refused --identity "$KEY.1"
    evaluates --identity "$KEY.2"
    run -0 "$WARD" key revoke "$RUN" "$(cat "$KEY.2.pub")" -q
    refused --identity "$KEY.2"
    evaluates --identity "$KEY.3"
    "$WARD" key list "$RUN" --json >"$BATS_TEST_TMPDIR/json"
    [ "$(json "$BATS_TEST_TMPDIR/json" "[u['name'] for u in d['users']]")" = "[None]" ]
    run -0 "$WARD" verify "$RUN"
    run --separate-stderr "$WARD" key revoke "$RUN" alice
    fails_with 2 "alice"
}

@test "a revoked user's copy of the old header does not open the new file" {
    copy
    new_user "$KEY"
    "$WARD" key grant "$RUN" "$KEY.pub" --name bob
    cp "$RUN/transform.ward" "$KEY.before"
    "$WARD" key revoke "$RUN" bob -q
    # The old header before the new payload: another file key.
    /usr/bin/python3 - "$KEY.before" "$RUN/transform.ward" <<'END'
import sys
def split(path):
    data = open(path, 'rb').read()
    at = data.index(b'\n', data.index(b'\n--- ') + 1) + 1
    return data[:at], data[at:]
head, payload = split(sys.argv[1])[0], split(sys.argv[2])[1]
open(sys.argv[2], 'wb').write(head + payload)
END
    refused --identity "$KEY"
}

@test "a backup by a hard link is not overwritten" {
    copy
    new_user "$KEY"
    cp "$OWNER" "$KEY.owner" && cp "$OWNER.pub" "$KEY.owner.pub"
    ln "$RUN/transform.ward" "$KEY.backup"
    run -0 "$WARD" key grant "$RUN" "$KEY.pub" --name bob
    cmp "$KEY.backup" "$DONE/transform.ward"
    evaluates --identity "$KEY"
    ln -f "$RUN/transform.ward" "$KEY.backup"
    cp "$KEY.backup" "$KEY.before"
    for command in "seal $RUN" "key revoke $RUN bob" \
        "key rotate $RUN --identity $KEY.owner --protect file"; do
        # shellcheck disable=SC2086
        run --separate-stderr "$WARD" $command -q
        fails_with 1 "$RUN/transform.ward" "hard link"
        cmp "$KEY.backup" "$KEY.before"
    done
    rm "$KEY.backup"
    run -0 "$WARD" key revoke "$RUN" bob -q
    refused --identity "$KEY"
}

@test "granting and revoking are for the owner, and for sealed runs" {
    copy
    new_user "$KEY"
    "$WARD" key new --type owner --protect file --out "$KEY.2" -q
    run --separate-stderr "$WARD" key grant "$RUN" "$KEY.pub" --identity "$KEY"
    fails_with 3 "owner"
    run --separate-stderr "$WARD" key grant "$RUN" "$KEY.pub" --identity "$KEY.2"
    fails_with 3 "transform.ward"
    run --separate-stderr "$WARD" key list "$RUN" --identity "$KEY.2"
    fails_with 3 "transform.ward"
    printf 'ab%.0s' {1..32} | small_training "$RUN.2" --secret-seed -
    run --separate-stderr "$WARD" key grant "$RUN.2" "$KEY.pub"
    fails_with 2 "not sealed"
}

@test "granting and revoking sign nothing that others have changed since" {
    copy
    new_user "$KEY"
    "$WARD" export "$RUN" --onnx "$RUN/f.onnx" -q
    "$WARD" seal "$RUN" -q
    cp "$RUN/manifest.ward" "$KEY.manifest"
    echo >>"$RUN/f.onnx"
    run --separate-stderr "$WARD" key grant "$RUN" "$KEY.pub"
    fails_with 3 "f.onnx"
    cmp "$RUN/manifest.ward" "$KEY.manifest"
    "$WARD" seal "$RUN" -q
    "$WARD" key grant "$RUN" "$KEY.pub" -q
}

@test "what is no public key is refused" {
    copy
    new_user "$KEY"
    for key in "ward-user:AAAA" "ward-user:" "$(tr A-Y B-Z <"$KEY.pub")"; do
        run --separate-stderr "$WARD" key grant "$RUN" "ward-user:${key#*:}"
        fails_with 2 "public key"
    done
    run --separate-stderr "$WARD" key grant "$RUN" "$BATS_TEST_TMPDIR/none"
    fails_with 1 "none"
    run --separate-stderr "$WARD" key grant "$RUN" "$WORD"
    fails_with 1 "$WORD"
    run --separate-stderr "$WARD" key grant "$RUN" "$KEY" --name 'two words'
    fails_with 2 "name"
}

@test "a backup opens what the key opens, under another passphrase" {
    copy
    run -0 "$WARD" key backup --out "$KEY" --new-passphrase-file "$WORD" "${CHEAP[@]}" -q
    [ "$(mode "$KEY")" = 600 ]
    cmp "$KEY.pub" "$OWNER.pub"
    export XDG_DATA_HOME=$BATS_TEST_TMPDIR/elsewhere
    refused
    evaluates --identity "$KEY" --passphrase-file "$WORD"
    run -0 "$WARD" key backup --identity "$KEY" --passphrase-file "$WORD" --protect file \
        --out "$KEY.2" -q
    evaluates --identity "$KEY.2"
    run --separate-stderr "$WARD" key backup --identity "$KEY" --passphrase-file "$WRONG" \
        --protect file --out "$KEY.3" -q
    fails_with 3 "$KEY" "wrong passphrase"
    [ ! -e "$KEY.3" ]
}

@test "rotating puts a new owner key in place and hands runs over" {
    copy
    new_user "$KEY.user"
    "$WARD" key grant "$RUN" "$KEY.user.pub" --name alice
    cp "$OWNER" "$KEY" && cp "$OWNER.pub" "$KEY.pub"
    run -0 "$WARD" key rotate "$RUN" --identity "$KEY" --new-passphrase-file "$WORD" "${CHEAP[@]}"
    run ! cmp -s "$KEY.pub" "$KEY.old.pub"
    cmp "$KEY.old" "$OWNER"
    refused --identity "$KEY.old"
    evaluates --identity "$KEY" --passphrase-file "$WORD"
    evaluates --identity "$KEY.user"
    run -0 "$WARD" verify "$RUN" --owner "$KEY.pub"
    run -0 "$WARD" key list "$RUN" --identity "$KEY" --passphrase-file "$WORD"
    [[ $output == *alice ]]
    # Again: the old one's old one stays.
    run -0 "$WARD" key rotate "$RUN" --identity "$KEY" --passphrase-file "$WORD" --protect file
    cmp "$KEY.old" "$OWNER"
    [ -e "$KEY.old2" ]
    evaluates --identity "$KEY"
}

@test "rotating exchanges nothing but owners' key files" {
    new_user "$KEY"
    "$WARD" key new --type lock --protect file --out "$KEY.lock" -q
    cp "$OWNER.pub" "$KEY.public"
    cp "$WORD" "$KEY.word"
    for file in "$KEY" "$KEY.lock" "$KEY.public"; do
        run --separate-stderr "$WARD" key rotate --identity "$file" --protect file -q
        fails_with 3 "$file" "no owner's key file"
    done
    run --separate-stderr "$WARD" key rotate --identity "$KEY.word" --protect file -q
    fails_with 1 "$KEY.word" "neither"
    cmp "$KEY.word" "$WORD"
    cp "$OWNER" "$KEY.owner"
    cp "$WORD" "$KEY.owner.new"
    run --separate-stderr "$WARD" key rotate --identity "$KEY.owner" --protect file -q
    fails_with 1 "$KEY.owner.new" "neither"
    cmp "$KEY.owner" "$OWNER"
    [ -z "$(find "$BATS_TEST_TMPDIR" -name '*.old' -o -name 'key.*.new' ! -name key.owner.new)" ]
}

@test "what --force overwrites: a pair, by what was asked for, and nothing after a wrong passphrase" {
    copy
    cp "$OWNER" "$KEY" && cp "$OWNER.pub" "$KEY.pub"
    run -0 "$WARD" key backup --identity "$KEY" --out "$KEY" --new-passphrase-file "$WORD" "${CHEAP[@]}" \
        --force -q
    cp "$KEY" "$KEY.before"
    run --separate-stderr "$WARD" key backup --identity "$KEY" --passphrase-file "$WRONG" --protect file \
        --out "$KEY" --force -q
    fails_with 3 "wrong passphrase"
    cmp "$KEY" "$KEY.before"
    evaluates --identity "$KEY" --passphrase-file "$WORD"
    # A copy by a hard link would be overwritten, too.
    ln "$KEY" "$KEY.link"
    run --separate-stderr "$WARD" key new --type owner --protect file --out "$KEY" --force -q
    fails_with 1 "hard link"
    cmp "$KEY.link" "$KEY.before"
    rm "$KEY.link"
    ln -s "$KEY" "$KEY.symbolic"
    run --separate-stderr "$WARD" key new --type owner --protect file --out "$KEY.symbolic" --force -q
    fails_with 1 "symbolic link"
    run -0 "$WARD" key new --type owner --protect file --out "$KEY" --force -q
    refused --identity "$KEY"
    run ! cmp -s "$KEY.pub" "$OWNER.pub"
}

@test "the passphrase of a new key comes from a descriptor, too" {
    copy
    run -0 "$WARD" key backup --out "$KEY" --new-passphrase-fd 7 "${CHEAP[@]}" -q 7<"$WORD"
    evaluates --identity "$KEY" --passphrase-file "$WORD"
    refused --identity "$KEY" --passphrase-file "$WRONG"
    run --separate-stderr setsid -w "$WARD" key backup --out "$KEY.2" "${CHEAP[@]}" -q </dev/null
    fails_with 1 "--new-passphrase-file"
    run --separate-stderr "$WARD" key new --out "$KEY.2" --new-passphrase-fd seven -q
    fails_with 2 "'seven'"
    run --separate-stderr "$WARD" key new --out "$KEY.2" --passphrase-file "$WORD" \
        --passphrase-fd 7 -q 7<"$WRONG"
    fails_with 2 "--passphrase-file and --passphrase-fd"
    run --separate-stderr "$WARD" key new --out "$KEY.2" --passphrase-file "$WORD" \
        --new-passphrase-file "$WRONG" "${CHEAP[@]}" -q
    fails_with 2 "one passphrase is enough"
    run --separate-stderr "$WARD" key new --out "$KEY.2" --protect file --passphrase-file "$WORD" -q
    fails_with 2 "--passphrase-file goes with --protect passphrase"
    run --separate-stderr "$WARD" key new --out "$KEY.2" --protect tpm --passphrase-fd 7 -q 7<"$WORD"
    fails_with 2 "--passphrase-fd" "--pin"
    run --separate-stderr "$WARD" key backup --out "$KEY.2" --protect file \
        --new-passphrase-file "$WORD" -q
    fails_with 2 "--new-passphrase-file"
    [ ! -e "$KEY.2" ]
}

@test "revoke takes a file of a public key, and granting that was interrupted is mended by seal" {
    copy
    new_user "$KEY"
    "$WARD" key grant "$RUN" "$KEY.pub" --name bob
    cd "$BATS_TEST_TMPDIR"
    cp key.pub ward-bob.pub
    run -0 "$WARD" key revoke "$RUN" ward-bob.pub -q
    refused --identity "$KEY"
    cp "$RUN/manifest.ward" before
    "$WARD" key grant "$RUN" "$KEY.pub"
    cp before "$RUN/manifest.ward"
    run --separate-stderr "$WARD" key grant "$RUN" "$KEY.pub"
    fails_with 3 "transform.ward" "ward seal"
    run -0 "$WARD" seal "$RUN" -q
    run -0 "$WARD" verify "$RUN"
    evaluates --identity "$KEY"
}

@test "a rotation that was interrupted is completed by the same command" {
    copy
    cp -r "$DONE" "$RUN.2"
    cp "$OWNER" "$KEY" && cp "$OWNER.pub" "$KEY.pub"
    run "$WARD" key rotate "$RUN" "$BATS_TEST_TMPDIR/none" --identity "$KEY" --protect file -q
    [ "$status" = 1 ]
    [ -e "$KEY.new" ]
    run -0 "$WARD" key rotate "$RUN" "$RUN.2" --identity "$KEY" --protect file -q
    [ ! -e "$KEY.new" ]
    evaluates --identity "$KEY"
    # Killed before the last file was renamed: the public half is there, the key file is not.
    mv "$KEY" "$KEY.new"
    cp "$KEY.pub" "$KEY.right"
    cp -r "$DONE" "$RUN.3"
    run --separate-stderr "$WARD" key rotate "$RUN" "$RUN.3" --identity "$KEY" --protect file -q
    fails_with 3 "$RUN.3/transform.ward"
    [ -e "$KEY.new" ]
    run -0 "$WARD" key rotate "$RUN" "$RUN.2" --identity "$KEY" --protect file -q
    [ ! -e "$KEY.new" ]
    cmp "$KEY.pub" "$KEY.right"
    evaluates --identity "$KEY"
    RUN=$RUN.2
    evaluates --identity "$KEY"
}

@test "a TPM that is not there is one clear message" {
    run --separate-stderr "$WARD" key new --protect tpm --out "$KEY" --tpm device:/nonexistent -q
    fails_with 1
    [ ! -e "$KEY" ]
    run --separate-stderr "$WARD" key new --protect tpm --pcrs sha1:0 --out "$KEY" -q
    fails_with 2 "sha1"
    run --separate-stderr "$WARD" key new --protect file --pcrs sha256:0 --out "$KEY" -q
    fails_with 2 "--pcrs"
}

@test "a key in a TPM opens with its PIN, and not with another" {
    command -v swtpm >/dev/null || skip "package swtpm is missing"
    ldd "$WARD" | grep -q tss2-esys || skip "built without tpm2-tss"
    copy
    mkdir "$BATS_TEST_TMPDIR/tpm"
    state=$BATS_TEST_TMPDIR/tpm
    swtpm socket --tpm2 --tpmstate dir="$state" --server type=unixio,path="$state/sock" \
        --ctrl type=unixio,path="$state/sock.ctrl" --flags not-need-init,startup-clear \
        --pid file="$state/pid" -d
    tpm=(--tpm "swtpm:path=$state/sock")
    "$WARD" key new --protect tpm --pin --passphrase-file "$WORD" --out "$KEY" "${tpm[@]}" -q
    "$WARD" key grant "$RUN" "$KEY.pub"
    evaluates --identity "$KEY" --passphrase-file "$WORD" "${tpm[@]}"
    refused --identity "$KEY" --passphrase-file "$WRONG" "${tpm[@]}"
    kill "$(cat "$state/pid")"
}

@test "a lock key is made, told apart, copied, and opens nothing" {
    copy
    run -0 --separate-stderr "$WARD" key new --type lock --out "$KEY" --passphrase-file "$WORD" \
        "${CHEAP[@]}" --json
    [ "$(mode "$KEY")" = 600 ]
    [ ! -e "$KEY.pub" ]
    [[ $output == *'"fingerprint"'*'ward-lock:'* ]]
    run -0 "$WARD" key info "$KEY"
    [[ ${lines[0]} == *lock && ${lines[1]} == *ward-lock:* && ${lines[2]} == *passphrase ]]
    run -0 "$WARD" key backup --identity "$KEY" --passphrase-file "$WORD" --protect file \
        --out "$KEY.2" -q
    [ "$output" = "$("$WARD" key info "$KEY" | sed -n 's/fingerprint  //p')" ]
    "$WARD" key info "$KEY.2" --json >"$BATS_TEST_TMPDIR/json"
    [ "$(json "$BATS_TEST_TMPDIR/json" "d['type'], d['protection']")" = "('lock', ['file'])" ]
    refused --identity "$KEY.2"
    [[ $stderr == *"opens nothing"* ]]
    run --separate-stderr "$WARD" key grant "$RUN" "$KEY.2"
    fails_with 1 "lock key"
    run --separate-stderr "$WARD" key grant "$RUN" "$output"
    [ "$status" != 0 ]
}

@test "info says what a key file is, and never opens it" {
    run -0 "$WARD" key info "$OWNER"
    [[ $output == *owner*"$(cat "$OWNER.pub")"*file* ]]
    "$WARD" key info "$OWNER.pub" --json >"$BATS_TEST_TMPDIR/json"
    [ "$(json "$BATS_TEST_TMPDIR/json" "d['type'], d['protection']")" = "('owner', [])" ]
    run --separate-stderr "$WARD" key info "$WORD"
    fails_with 1 "$WORD" "neither"
    run --separate-stderr "$WARD" key info
    fails_with 2 "info takes a key file"
}

keyed() {
    small_training "$RUN" --method keyed --arch mlp-16x1 --iterations 5 --front none "$@"
}

@test "report tries random keys, each wrong bit, and keys of which a share is right" {
    keyed --shuffle 4 --coordinates none
    run -0 --separate-stderr "$WARD" key report "$RUN" --data "$IMAGES" --keys 20 --threads 1
    [[ $output == *"the right key"*"random keys"*"one bit wrong"*"50 % is right"* ]]
    [[ $output == *"of 20 random keys"*"of 256 keys with a wrong bit"*"Fisher"*"Mann-Whitney"* ]]
    [ -z "$stderr" ]
    for i in 1 2; do
        "$WARD" key report "$RUN" --data "$IMAGES" --keys 20 --count 9 --seed 3 --json >"$BATS_TEST_TMPDIR/json.$i"
    done
    cmp "$BATS_TEST_TMPDIR/json.1" "$BATS_TEST_TMPDIR/json.2"
    [ "$(json "$BATS_TEST_TMPDIR/json.1" "len(d['random']['accuracies']), \
        len(d['one_bit']['accuracies']), d['count'], d['seed'], d['partial'][3]['share']")" = \
        "(20, 256, 9, 3, 0.3)" ]
}

@test "report is for sealed and plain runs of method keyed, and says why not" {
    keyed --coordinates cascade
    run --separate-stderr "$WARD" key report "$RUN" --identity "$RUN/config.json" -q
    fails_with 1 "config.json"
    run --separate-stderr "$WARD" key report "$DONE"
    fails_with 2 "generator" "only keyed"
    run --separate-stderr "$WARD" key report "$RUN" --data "$IMAGES" --count 1000000
    fails_with 2 "test images"
    run --separate-stderr "$WARD" key report "$RUN" --data "$IMAGES" --keys 0
    fails_with 2 "--keys"
    run --separate-stderr "$WARD" key report
    fails_with 2 "report takes a run"
    printf 'ab%.0s' {1..32} | keyed --coordinates none --force --secret-seed - --wrong-keys 0
    run --separate-stderr "$WARD" key report "$RUN" --data "$IMAGES"
    fails_with 2 "no part"
}

@test "report stops at Ctrl-C with one line" {
    keyed --coordinates cascade
    "$WARD" key report "$RUN" --data "$IMAGES" --keys 1000000 --threads 1 2>"$BATS_TEST_TMPDIR/stderr" 3>&- &
    pid=$!
    sleep 0.5
    kill -INT "$pid"
    status=0
    wait "$pid" || status=$?
    [ "$status" = 1 ]
    [[ $(tail -n 1 "$BATS_TEST_TMPDIR/stderr") == *"stopped"* ]]
}

@test "wrong verbs and operands are usage errors" {
    run --separate-stderr "$WARD" key
    fails_with 2 "missing operand"
    run --separate-stderr "$WARD" key make
    fails_with 2 "make"
    run --separate-stderr "$WARD" key new extra
    fails_with 2 "extra"
    run --separate-stderr "$WARD" key grant run
    fails_with 2 "grant takes"
    run --separate-stderr "$WARD" key list
    fails_with 2 "list takes"
    run --separate-stderr "$WARD" key backup
    fails_with 2 "--out"
    run --separate-stderr "$WARD" key backup --out x --passphrase-file a --passphrase-fd 3
    fails_with 2 "contradict"
    run --separate-stderr "$WARD" key new --protect iron --out "$KEY"
    fails_with 2 "iron"
}

@test "an option that means nothing with a verb is refused" {
    copy
    for words in "new --name alice" "report $RUN --out report.json" "list $RUN --count 3" \
        "grant $RUN $OWNER.pub --json" "rotate $RUN --json" "new --protect file --memory 8" \
        "info $OWNER --type user"; do
        # shellcheck disable=SC2086 # words
        run --separate-stderr "$WARD" key $words
        fails_with 2 "--"
        [[ $stderr == *"means nothing with"* || $stderr == *"go with"* ]]
    done
}
