# What the tests of the command share. Meson sets WARD (the command) and SOURCE (the source tree).
# shellcheck shell=bash

: "${WARD:?the path of the ward command}" "${SOURCE:?the path of the source tree}"

# No data set and no key of the user's, no proxy, no TPM, no colours, no translation.
unset WARD_DATA http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY
export XDG_DATA_HOME=${BATS_FILE_TMPDIR:-/nonexistent}/data-home LC_ALL=C
export TPM2TOOLS_TCTI=device:/nonexistent/tpm

images() {
    /usr/bin/python3 "$SOURCE/tests/make_images.py" "$@"
}

# SMALL: the command line of a training on the pictures in $IMAGES, a second or so; --iterations and
# --out have to be added.
set_small() {
    SMALL=("$WARD" train --data "$IMAGES" --arch simple-cnn --method generator --recipe demo
           --batch 8 --rate 0.01 --validation 0 --threads 1 -q)
}

# small_training OUT [OPTION...]
small_training() {
    local out=$1
    shift
    set_small
    "${SMALL[@]}" --iterations 40 --out "$out" "$@"
}

# Exit status, and exactly one line on stderr that contains every further argument.
fails_with() {
    local expected=$1 word
    shift
    if [ "$status" -ne "$expected" ]; then
        echo "exit status $status instead of $expected; output: $output $stderr"
        return 1
    fi
    if [ "${#stderr_lines[@]}" -ne 1 ]; then
        echo "${#stderr_lines[@]} lines on stderr instead of 1: $stderr"
        return 1
    fi
    for word in "$@"; do
        if [[ $stderr != *"$word"* ]]; then
            echo "'$word' is not in: $stderr"
            return 1
        fi
    done
}

# json FILE EXPRESSION: evaluates a Python expression on the object d in FILE.
json() {
    /usr/bin/python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$1" "$2"
}

mode() {
    stat -c %a "$1"
}
