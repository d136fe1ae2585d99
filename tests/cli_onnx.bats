# ONNX: what other software makes of exported files, and what is made of its files.

bats_require_minimum_version 1.5.0
load cli_helper

setup_file() {
    export BUILD=${WARD%/*}/.. IMAGES=$BATS_FILE_TMPDIR/images RUNS=$BATS_FILE_TMPDIR/runs
    export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1
    umask 022
    images folder "$IMAGES" 3 40 10
    mkdir "$RUNS"
    for method in baseline fixed learned generator; do
        small_training "$RUNS/simple-cnn-$method" --method "$method" --iterations 20
        small_training "$RUNS/resnet8-$method" --method "$method" --iterations 20 --arch resnet8
    done
    small_training "$RUNS/clamped" --clamp yes --iterations 20
    small_training "$RUNS/keyed" --method keyed --arch mlp-16x2-leaky --codebook 8 --shuffle 4 --negative 0.3 --sigma 0.2 \
        --residual yes --iterations 20
    small_training "$RUNS/keyed-dense" --method keyed --arch mlp-16x3-residual --coordinates dense \
        --front none --iterations 20
    small_training "$RUNS/mixer" --method keyed --arch mixer-4x8x2-leaky --iterations 20
}

setup() {
    RUN=$RUNS/resnet8-generator
    cd "$BATS_TEST_TMPDIR" || return 1
}

check_onnx() {
    "$SOURCE/tools/check_onnx" --build "$BUILD" --data "$IMAGES" --runtimes "$@" "$RUNS"/*
}

# import_skeleton NAME: a file of PyTorch's, imported; the run is "run" and its logits are compared.
import_skeleton() {
    images folder images 10 1 2 28
    /usr/bin/python3 "$SOURCE/tests/onnx_skeleton.py" fill "$SOURCE/tests/onnx/torch-$1.onnx" f.onnx
    "$WARD" import f.onnx --out run --data images --json >said
    "$BUILD/tests/dump_logits" run images 20 . >shape
    /usr/bin/python3 "$SOURCE/tests/onnx_reference.py" f.onnx images.f32 20,1,28,28 raw.f32
}

@test "the ONNX checker accepts every part of both networks with all methods, folded and not" {
    check_onnx checker >results
    [ "$(grep -c '"is_equal": true' results)" = 64 ] || { wc -l results; false; }
}

@test "an independent evaluation of the files gives ward's logits, images and accuracies" {
    check_onnx reference >results || { grep '"is_equal": false' results; false; }
    [ "$(grep -c '"is_equal": true' results)" = 84 ] || { wc -l results; false; }
}

# tools/setup_onnx gets the first, with --web the second; `make check` tries the first and OpenCV.
other_runtime() {
    run check_onnx "$1"
    [ "$status" -ne 77 ] || skip "${lines[-1]}"
    [ "$status" -eq 0 ] || { echo "$output" | grep -v '"is_equal": true'; false; }
}

@test "ONNX Runtime gives ward's logits, images and accuracies" {
    other_runtime onnxruntime-node
}

@test "ONNX Runtime for browsers gives ward's logits, images and accuracies" {
    other_runtime onnxruntime-web
}

@test "OpenCV gives ward's logits, images and accuracies" {
    mkdir runs
    ln -s "$RUNS"/*-* runs # not the others: OpenCV 4.6 knows no Clip with limits, no Gather of many
    RUNS=runs other_runtime opencv
}

@test "export writes what it was asked for, and says so" {
    "$WARD" export "$RUN" --onnx f.onnx --with-transform g.onnx --joined fg.onnx --json >said
    [ "$(json said "sorted(d), d['joined']")" = \
        "(['joined', 'model_id', 'onnx', 'with-transform'], 'fg.onnx')" ]
    [ "$(mode f.onnx) $(mode g.onnx) $(mode fg.onnx)" = "644 600 600" ]
    run -0 "$WARD" export "$RUN" --onnx f2.onnx --fold
    [ "$output" = f2.onnx ]
    [ ! -e g2.onnx ]
    # Batch norm is four arrays a layer.
    [ "$(stat -c %s f2.onnx)" -lt "$(stat -c %s f.onnx)" ]
}

@test "export refuses what it cannot do" {
    run --separate-stderr "$WARD" export "$RUN"
    fails_with 2 "--onnx is missing"
    run --separate-stderr "$WARD" export "$RUN" --onnx ""
    fails_with 2 "--onnx is empty"
    for same in same.onnx ./same.onnx "$PWD/same.onnx"; do
        run --separate-stderr "$WARD" export "$RUN" --onnx same.onnx --joined "$same" --force
        fails_with 2 "--onnx and --joined name the same file"
    done
    [ ! -e same.onnx ]
    run --separate-stderr "$WARD" export "$RUNS/resnet8-baseline" --onnx f.onnx --joined fg.onnx
    fails_with 1 "--joined" "has no transform"
    [ ! -e f.onnx ]
    run --separate-stderr "$WARD" export "$RUN/model.safetensors" --with-transform g.onnx
    fails_with 1 "has no transform"
    touch f.onnx
    run --separate-stderr "$WARD" export "$RUN" --onnx f.onnx
    fails_with 1 "f.onnx" "--force"
    "$WARD" export "$RUN" --onnx f.onnx --force -q
}

@test "a network of PyTorch's with batch norm folded is imported and gives the same logits" {
    import_skeleton resnet8-folded
    [ "$(json said "d['arch'], d['is_folded'], d['classes']")" = "('resnet8', True, 10)" ]
}

@test "a network of PyTorch's with batch norm kept is imported and gives the same logits" {
    import_skeleton resnet8-kept
    [ "$(json said "d['arch'], d['is_folded'], d['protected_by']")" = "('resnet8', False, None)" ]
}

@test "a mean over height and width is a global pool, with its axes as an input, too" {
    import_skeleton resnet8-folded
    mv run other
    /usr/bin/python3 "$SOURCE/tests/onnx_skeleton.py" means f.onnx means.onnx
    "$WARD" import means.onnx --out run --data images --json >said
    cmp run/model.safetensors other/model.safetensors
    /usr/bin/python3 "$SOURCE/tests/onnx_reference.py" means.onnx images.f32 20,1,28,28 raw.f32
}

# refuses_instead OLD NEW MESSAGE: f.onnx with those bytes, in sed's writing, in the place of others.
refuses_instead() {
    LC_ALL=C sed "s/$1/$2/" f.onnx >changed.onnx
    run ! cmp -s f.onnx changed.onnx
    run --separate-stderr "$WARD" import changed.onnx --out none --data images
    fails_with 1 "$3"
}

@test "the amounts of a Pad are not taken for others" {
    import_skeleton resnet8-kept
    refuses_instead 'perm@\x01@\x00' 'perm@\x00@\x01' "not of rows and columns"
    refuses_instead 'axis\x18\x00' 'axis\x18\x01' "not along the only dimension"
    mv run other
    /usr/bin/python3 "$SOURCE/tests/onnx_skeleton.py" pads f.onnx named.onnx
    "$WARD" import named.onnx --out run --data images -q
    cmp run/model.safetensors other/model.safetensors
    /usr/bin/python3 "$SOURCE/tests/onnx_skeleton.py" turned-pads f.onnx turned.onnx
    run --separate-stderr "$WARD" import turned.onnx --out none --data images
    fails_with 1 "padding of four dimensions in order expected"
}

@test "the small network of PyTorch's is imported and gives the same logits" {
    import_skeleton simple-cnn
    [ "$(json said "d['arch']")" = simple-cnn ]
}

@test "import refuses files of other makes in one line, and leaves nothing behind" {
    "$WARD" export "$RUN" --onnx f.onnx --joined fg.onnx -q
    run --separate-stderr "$WARD" import f.onnx
    fails_with 2 "--out is missing"
    run --separate-stderr "$WARD" import fg.onnx --out run
    fails_with 1 "fg.onnx" "it has a transform"
    run --separate-stderr "$WARD" import "$RUN/model.safetensors" --out run
    fails_with 1 "model.safetensors" "not an ONNX file"
    run --separate-stderr "$WARD" import nowhere.onnx --out run
    fails_with 1 "nowhere.onnx"
    sed 's/Relu/Sine/g' f.onnx >sine.onnx
    run --separate-stderr "$WARD" import sine.onnx --out run
    fails_with 1 "operator 'Sine'" "sine.onnx"
    images folder other 2 2 2
    run --separate-stderr "$WARD" import f.onnx --out run --data other
    fails_with 2 "in 3 classes" "in 2"
    [ ! -e run ]
    run --separate-stderr "$WARD" import f.onnx --out "$RUN"
    fails_with 1 "already holds a run" "--force"
    # What was protected is not left beside a network that it does not belong to.
    cp -r "$RUN" replaced
    [ -e replaced/transform.ward ]
    "$WARD" import f.onnx --out replaced --force -q
    [ ! -e replaced/transform.ward ]
    "$WARD" eval replaced --data "$IMAGES" --json >after
    [ "$(json after "d['method']")" = baseline ]
}

@test "an imported network is evaluated as the one it came from" {
    "$WARD" export "$RUNS/resnet8-baseline" --onnx f.onnx --fold -q
    "$WARD" import f.onnx --out run
    "$WARD" eval "$RUNS/resnet8-baseline" --data "$IMAGES" --json >before
    "$WARD" eval run --data "$IMAGES" --json >after
    [ "$(json before "d['authorised']")" = "$(json after "d['authorised']")" ]
}

@test "training goes on from a file, under any method, the same way from every form of it" {
    "$WARD" export "$RUNS/resnet8-baseline" --onnx f.onnx -q
    "$WARD" import f.onnx --out imported
    for from in f.onnx imported imported/model.safetensors "$RUNS/resnet8-baseline"; do
        "$WARD" train --from "$from" --data "$IMAGES" --method fixed --recipe demo --batch 8 \
            --iterations 3 --seed 2 --secret-seed <(head -c 32 /dev/zero) --threads 1 -q \
            --out "from-$((++n))"
        cmp "from-$n/model.safetensors" from-1/model.safetensors
    done
    [ "$(json from-1/config.json "d['arch'], d['from'], d['from_digest']")" = \
        "('resnet8', 'f.onnx', '$(sha256sum f.onnx | cut -d ' ' -f 1)')" ]
    for method in baseline learned generator; do
        "$WARD" train --from f.onnx --data "$IMAGES" --method "$method" --recipe demo --batch 8 \
            --iterations 2 --threads 1 -q --out "any-$method"
    done
}

@test "at a rate of zero the weights of a training are those of the file" {
    "$WARD" export "$RUNS/simple-cnn-baseline" --onnx f.onnx -q
    "$WARD" train --from f.onnx --data "$IMAGES" --method baseline --recipe demo --batch 8 --rate 0 \
        --iterations 2 --threads 1 -q --out run
    "$WARD" export run --onnx again.onnx -q
    [ "$(stat -c %s f.onnx)" = "$(stat -c %s again.onnx)" ]
    cmp f.onnx again.onnx
}

@test "a network with batch norm folded away is calibrated: few steps do not harm it" {
    "$WARD" export "$RUNS/resnet8-baseline" --onnx f.onnx --fold -q
    "$WARD" train --from f.onnx --data "$IMAGES" --method baseline --recipe demo --batch 32 \
        --rate 0.0001 --iterations 2 --threads 1 -q --out run
    "$WARD" eval "$RUNS/resnet8-baseline" --data "$IMAGES" --split train --json >before
    "$WARD" eval run --data "$IMAGES" --split train --json >after
    [ "$(/usr/bin/python3 -c 'import json
print(abs(json.load(open("before"))["authorised"] - json.load(open("after"))["authorised"]) < 0.1)')" \
        = True ] || { json before "d['authorised']"; json after "d['authorised']"; false; }
}

@test "a training that has not begun goes on from the same file only" {
    "$WARD" export "$RUNS/resnet8-baseline" --onnx f.onnx -q
    "$WARD" train --from f.onnx --data "$IMAGES" --method baseline --recipe demo --batch 8 \
        --iterations 3 --threads 1 -q --out whole
    mkdir killed
    cp whole/config.json killed
    "$WARD" train --resume --out killed --threads 1 -q
    cmp whole/model.safetensors killed/model.safetensors
    mkdir changed
    cp whole/config.json changed
    "$WARD" export "$RUNS/resnet8-fixed" --onnx f.onnx -q --force
    run --separate-stderr "$WARD" train --resume --out changed --threads 1 -q
    fails_with 1 "f.onnx" "has changed"
}

@test "train refuses a network that does not fit" {
    "$WARD" export "$RUN" --onnx f.onnx -q
    run --separate-stderr "$WARD" train --from f.onnx --arch simple-cnn --data "$IMAGES" \
        --method baseline --out run
    fails_with 2 "resnet8" "needed is simple-cnn"
    run --separate-stderr "$WARD" train --from nowhere --data "$IMAGES" --method baseline --out run
    fails_with 1 "nowhere"
    run --separate-stderr "$WARD" train --data "$IMAGES" --method baseline --out run
    fails_with 2 "--arch is missing"
    [ ! -e run ]
}
