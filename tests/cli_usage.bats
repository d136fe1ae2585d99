# Help, manual pages and wrong usage: what can be said without a data set.

bats_require_minimum_version 1.5.0
load cli_helper

COMMANDS="train eval attack transform predict figure report export import reproduce key seal verify
    relock token serve data bench version"

help_options() {
    "$WARD" "$1" -h | sed -n 's/^  *\(-., \)\{0,1\}\(--[a-z0-9-]*\).*/\2/p' | sort -u
}

page_options() {
    grep '^\*-' "$SOURCE/man/ward-$1.1.scd" | grep -o -e '--[a-z0-9-]*' | sort -u
}

@test "help of every command is printed on stdout with status 0" {
    for command in $COMMANDS; do
        run -0 --separate-stderr "$WARD" "$command" -h
        [[ $output == "usage: ward $command"* ]] || { echo "$command: $output"; false; }
        [ -z "$stderr" ]
        [ "$output" = "$("$WARD" help "$command")" ]
        [ "$output" = "$("$WARD" "$command" --help)" ]
    done
}

@test "help lists exactly the options of the manual page" {
    for command in $COMMANDS; do
        diff <(help_options "$command") <(page_options "$command") ||
            { echo "ward $command -h (<) and man/ward-$command.1.scd (>) differ"; false; }
    done
}

@test "help fits 100 columns" {
    for command in $COMMANDS; do
        long=$("$WARD" "$command" -h | awk 'length > 100')
        [ -z "$long" ] || { echo "$command: $long"; false; }
    done
}

@test "the overview lists every command and every manual page exists" {
    run -0 "$WARD" help
    for command in $COMMANDS; do
        [[ $output == *"  $command "* ]] || { echo "no $command in: $output"; false; }
        [ -f "$SOURCE/man/ward-$command.1.scd" ]
    done
}

@test "manual pages are clean" {
    for page in "$SOURCE"/man/*.scd; do
        scdoc <"$page" >"$BATS_TEST_TMPDIR/page.1"
        # scdoc itself writes a paragraph macro before every heading and list.
        faults=$(mandoc -T lint -W warning "$BATS_TEST_TMPDIR/page.1" |
                     grep -v 'skipping paragraph macro' || true)
        [ -z "$faults" ] || { echo "$page: $faults"; false; }
    done
}

@test "help for train shows the defaults of the recipes" {
    run -0 "$WARD" train -h
    [[ $output == *"--momentum X"*"[0.9]"* ]]
    [[ $output == *"paper 40000"* ]]
}

@test "no command and an unknown command are usage errors" {
    run --separate-stderr "$WARD"
    fails_with 2 "no command"
    run --separate-stderr "$WARD" trian
    fails_with 2 "trian" "ward help"
    run --separate-stderr "$WARD" help trian
    fails_with 2 "trian"
}

@test "unknown options, missing and superfluous values are usage errors" {
    run --separate-stderr "$WARD" train --iteratoins 5
    fails_with 2 "--iteratoins" "see ward train -h"
    run --separate-stderr "$WARD" train -x
    fails_with 2 "-x"
    run --separate-stderr "$WARD" train --iterations
    fails_with 2 "--iterations" "needs a value"
    run --separate-stderr "$WARD" train -o
    fails_with 2 "-o" "needs a value"
    run --separate-stderr "$WARD" train --resume=yes
    fails_with 2 "--resume" "takes no value"
}

@test "missing and superfluous operands are usage errors" {
    run --separate-stderr "$WARD" eval
    fails_with 2 "missing operand"
    run --separate-stderr "$WARD" attack
    fails_with 2 "missing operand" "ward attack RUN"
    run --separate-stderr "$WARD" eval a b
    fails_with 2 "'b'"
    run --separate-stderr "$WARD" predict a
    fails_with 2 "missing operand"
    run --separate-stderr "$WARD" figure a
    fails_with 2 "--out is missing"
    for command in attack figure import relock report train transform; do
        run --separate-stderr "$WARD" $command a --out ''
        fails_with 2 "--out is empty"
    done
    run --separate-stderr "$WARD" version a
    fails_with 2 "'a'"
}

train() {
    run --separate-stderr "$WARD" train --data fashion-mnist --arch simple-cnn \
        --out "$BATS_TEST_TMPDIR/run" "$@"
    [ ! -e "$BATS_TEST_TMPDIR/run" ]
}

@test "numbers must be numbers" {
    for value in '' x 1x -1 ' 1' 1.5 0x10 99999999999999999999; do
        train --method generator --iterations "$value"
        fails_with 2 "--iterations"
    done
    for value in '' x 1e 1..2 nan inf ' 1' 1e999; do
        train --method generator --rate "$value"
        fails_with 2 "--rate"
    done
    train --method generator --threads 0
    fails_with 2 "--threads"
    train --method generator --bn both
    fails_with 2 "--bn" "shared" "separate"
}

@test "unknown names are usage errors that name them" {
    train --method magic
    fails_with 2 "magic"
    train --method generator --recipe none
    fails_with 2 "none"
    train --method generator --device gpu
    fails_with 2 "gpu"
    train --method generator --arch vgg
    fails_with 2 "vgg"
    train --method generator --data nothing
    fails_with 2 "nothing"
}

@test "settings that mean nothing with the method are usage errors" {
    train --method generator --sigma 0.1
    fails_with 2 "--sigma" "generator"
    train --method learned --p 0.1
    fails_with 2 "--p" "learned"
    train --method fixed --generator-width 8
    fails_with 2 "--generator-width" "fixed"
    train --method fixed --start 1
    fails_with 2 "--start" "fixed"
    for option in alpha=1 beta=1 gamma=1 raw-share=1 bn=shared clamp=no sigma=1; do
        [ "$option" != alpha=1 ] || continue
        train --method baseline "--$option"
        fails_with 2 "--${option%=*}" "baseline"
    done
    train --method generator --coordinates dense
    fails_with 2 "--coordinates" "generator"
    train --method baseline --objective chance
    fails_with 2 "--objective" "baseline"
    train --method baseline --secret-seed /dev/null
    fails_with 2 "--secret-seed" "baseline"
}

@test "settings that contradict each other are usage errors" {
    train --method fixed --schedule step --warmup 0.1
    fails_with 2 "--warmup" "step"
    train --method fixed --schedule onecycle --rate-drop-every 10
    fails_with 2 "--rate-drop-every" "onecycle"
    train --method fixed --validation 0 --validate-every 10
    fails_with 2 "--validate-every"
    train --method fixed --resume --force
    fails_with 2 "--resume" "--force"
    run --separate-stderr "$WARD" train --resume --out x --iterations 10
    fails_with 2 "--resume" "--iterations"
    run --separate-stderr "$WARD" train --resume
    fails_with 2 "--out"
    run --separate-stderr "$WARD" train --method fixed --arch simple-cnn --out x
    fails_with 2 "--data is missing"
}

@test "parts of a keyed transform that are left out have no settings" {
    train --method keyed --front none --front-width 8
    fails_with 2 "--front-width" "front conv"
    train --method keyed --coordinates none --rounds 5
    fails_with 2 "--rounds" "cascade"
    train --method keyed --generator-width 8
    fails_with 2 "--generator-width" "--residual"
    train --method keyed --p 0.1
    fails_with 2 "--p" "--sigma"
    train --method keyed --objective paper --wrong-keys 0.5
    fails_with 2 "--wrong-keys" "chance"
    train --method keyed --raw-warmup 0.1
    fails_with 2 "--raw-warmup" "paper"
    train --method keyed --temperature 3
    fails_with 2 "--temperature" "--teacher"
    train --method keyed --coordinates none --wrong-keys 0.5
    fails_with 2 "no wrong keys"
}

@test "settings out of range are refused before anything is written" {
    train --method fixed --p 0.6
    fails_with 2 "p"
    train --method generator --batch 0
    fails_with 2 "batch"
    train --method generator --iterations 0
    fails_with 2 "iterations"
    train --method generator --rate -1
    fails_with 2 "rate"
    train --method generator --arch resnet21
    fails_with 2 "resnet21"
}

@test "a secret seed is 32 bytes or 64 hex digits, and never repeated in a message" {
    seed=$BATS_TEST_TMPDIR/seed
    for content in "" "0123" "$(printf 'g%.0s' {1..64})" "$(printf 'a%.0s' {1..66})"; do
        printf %s "$content" >"$seed"
        train --method generator --secret-seed "$seed"
        fails_with 1 "$seed" "32 bytes"
        [ -z "$content" ] || [[ $stderr != *"$content"* ]]
    done
    train --method generator --secret-seed "$BATS_TEST_TMPDIR/none"
    fails_with 1 "none" "No such file"
}

@test "a missing data set is named, with where it was looked for, in one line" {
    for name in mnist cifar10; do
        run --separate-stderr "$WARD" train --data $name:/nonexistent/place --arch simple-cnn \
            --method fixed --out "$BATS_TEST_TMPDIR/run"
        fails_with 1 "/nonexistent/place"
        if [ -d "/usr/share/datasets/$name" ]; then continue; fi
        run --separate-stderr "$WARD" train --data $name --arch simple-cnn --method fixed \
            --out "$BATS_TEST_TMPDIR/run"
        fails_with 1 "$name"
    done
    [ ! -e "$BATS_TEST_TMPDIR/run" ]
}

@test "names of classes that no file can have are refused before anything is written" {
    cd "$BATS_TEST_TMPDIR"
    for name in $'a\tb' $'\xe9'; do
        rm -rf data
        images folder data 2 4 4
        for split in train test; do
            mv data/$split/class1 "data/$split/$name"
        done
        run --separate-stderr "$WARD" train --data data --arch simple-cnn --method fixed \
            --iterations 1 --out run
        fails_with 2 "'data'" "name of class"
        [ ! -e run ]
    done
}

@test "a run that is not there is named" {
    for command in "eval no-run" "figure no-run -o x" "predict no-run x" \
        "transform no-run x -o y"; do
        # shellcheck disable=SC2086
        run --separate-stderr "$WARD" $command
        fails_with 1 "no-run"
    done
}

@test "version says commit, devices, libraries and processor features" {
    "$WARD" version --json >"$BATS_TEST_TMPDIR/v"
    v=$BATS_TEST_TMPDIR/v
    json "$v" "d['version'], d['commit'], d['compiler']"
    [ "$(json "$v" "sorted(v['name'] for v in d['devices'])")" = "['cpu', 'ref']" ] ||
        { json "$v" d; false; }
    [ "$(json "$v" "all(v['usable'] and v['summary'] for v in d['devices'])")" = True ]
    [ "$(json "$v" "{'dnnl', 'libsodium'} <= set(d['libraries'])")" = True ]
    [ "$(json "$v" "len(d['cpu_features']) > 0")" = True ]
    run -0 "$WARD" version
    [[ $output == "ward "* ]]
    [ "$output" = "$("$WARD" --version)" ]
}

# libgomp says what it has read when it is loaded.
spins() {
    OMP_DISPLAY_ENV=verbose "$WARD" "$1" -h 2>&1 | grep GOMP_SPINCOUNT | tail -1
}

@test "threads of long commands give way soon, unless the environment says otherwise" {
    unset OMP_WAIT_POLICY GOMP_SPINCOUNT
    for command in train attack reproduce; do
        run -0 spins "$command"
        [[ $output == *"'1000'"* ]]
    done
    run -0 spins serve
    [[ $output == *GOMP_SPINCOUNT* && $output != *"'1000'"* ]]
    export GOMP_SPINCOUNT=7
    run -0 spins train
    [[ $output == *"'7'"* ]]
    unset GOMP_SPINCOUNT
    export OMP_WAIT_POLICY=passive
    run -0 spins train
    [[ $output == *"'0'"* ]]
}

@test "a result that cannot be written is a failure" {
    for command in version "version --json" "train -h" help; do
        # shellcheck disable=SC2086
        run --separate-stderr bash -c "'$WARD' $command >/dev/full"
        fails_with 1 "No space left"
    done
}

@test "commands in the documents have the options that they name" {
    cat >"$BATS_TEST_TMPDIR/check.py" <<'END'
import pathlib, re, subprocess, sys
ward, source = sys.argv[1], pathlib.Path(sys.argv[2])
helps, faults, seen = {}, [], 0
def options_of(command):
    if command not in helps:
        text = subprocess.run([ward, command, "-h"], capture_output=True, text=True).stdout
        helps[command] = set(re.findall(r"--[a-z0-9-]+", text))
    return helps[command]
commands = {p.name[5:-6] for p in source.glob("man/ward-*.1.scd")}
for page in sorted([source / "README.md", source / "SECURITY.md", *source.glob("docs/*.md"),
                    *source.glob("man/*.scd"), *source.glob("examples/**/*.md")]):
    text = page.read_text().replace("*", "").replace("\\\n", " ")
    for found in re.finditer(r"\bward ([a-z]+)((?:(?!\bward )[^\n`|;&#()])*)", text):
        if found[1] not in commands:
            continue
        for option in re.findall(r"(?<!\S)--[a-z0-9-]+", found[2]):
            seen += 1
            if option not in options_of(found[1]):
                faults.append(f"{page.name}: ward {found[1]} has no {option}")
print("\n".join(faults))
assert seen > 60, seen
sys.exit(bool(faults))
END
    /usr/bin/python3 "$BATS_TEST_TMPDIR/check.py" "$WARD" "$SOURCE"
}
