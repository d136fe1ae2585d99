# The trained networks in examples/pretrained, tried as its README says.

bats_require_minimum_version 1.5.0
load cli_helper

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    mkdir examples
    cp -r "$SOURCE/examples/pretrained" examples/
}

# does N: the N-th command of the README.
does() {
    local command
    command=$(sed -n 's/^ward //p' "$SOURCE/examples/pretrained/README.md" | sed -n "$1p")
    eval "\"\$WARD\" $command"
}

@test "the samples open as they come out of git: readable by all" {
    chmod -R go+rX examples
    does 1
    for method in baseline fixed learned generator; do grep -q ">$method<" samples.html; done
    grep -q 93.28 samples.html
}

@test "what the samples' notes say of the generator is what it does" {
    [ -d /usr/share/datasets/fashion-mnist ] || skip "package dataset-fashion-mnist is missing"
    # Other processors may round a few images across a border.
    does 2 >said
    grep -Eq '^authorised  *93\.(2[3-9]|3[0-3]) %' said
    grep -Eq '^unauthorised  *0\.0[0-9] %' said
    grep -q '93.28 % with the transform, 0.02 % without' "$SOURCE/examples/pretrained/README.md"
}

@test "the samples can be attacked, and git ignores what that leaves" {
    [ -d /usr/share/datasets/fashion-mnist ] || skip "package dataset-fashion-mnist is missing"
    does 3 >said
    grep -q '^input-only .* 2$' said
    [ -s examples/pretrained/generator/attacks/input-only.json ]
    git init -q .
    cp "$SOURCE/.gitignore" .
    [ -z "$(git status --porcelain --untracked-files=all | grep attacks)" ]
}
