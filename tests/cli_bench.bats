# ward bench: what it prints, not how fast anything is.

bats_require_minimum_version 1.5.0
load cli_helper

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    SMALL=(--data-shape 1x8x8 --batch 2 --seconds 0 --threads 1)
}

@test "bench prints the documented JSON" {
    "$WARD" bench train --arch simple-cnn --method generator "${SMALL[@]}" --json >b
    [ "$(json b "[d[k] for k in ('work', 'arch', 'method', 'shape', 'batch', 'threads')]")" = \
        "['train', 'simple-cnn', 'generator', [1, 8, 8], 2, 1]" ]
    [ "$(json b "d['raw_share'], d['device'], 'profile' in d")" = "(1, 'cpu', False)" ]
    [ "$(json b "d['repeats'] >= 3 and 0 < d['low_ms'] <= d['median_ms'] <= d['high_ms']")" = True ]
    [ "$(json b "abs(d['share'] * d['sgemm_gflops'] / d['gflops'] - 1) < 1e-6")" = True ]
    [ "$(json b "abs(d['images_per_s'] * d['median_ms'] / 2000 - 1) < 1e-6")" = True ]
    [ "$(json b "d['peak_rss_mib'] > 1 and len(d['commit']) > 0")" = True ]
    [ "$(json b "len(d['summary']) > 0")" = True ]
}

@test "a profile names each operator, its layer and its implementation" {
    "$WARD" bench infer --arch resnet8 --method generator "${SMALL[@]}" --json --profile >b
    [ "$(json b "abs(sum(s['forward_gflop'] for s in d['profile'])
                     / d['gflop'] - 1) < 1e-6")" = True ]
    [ "$(json b "sum(s['backward_ms'] for s in d['profile'])")" = 0 ]
    [ "$(json b "({'transform.conv1', 'conv1', 'layer3.0.conv2', 'fc'} <=
                  {s['layer'] for s in d['profile'] if s['implementation']})")" = True ]
    run -0 --separate-stderr "$WARD" bench infer --arch resnet8 --method generator "${SMALL[@]}" \
        --profile
    [[ ${lines[0]} == work*share* ]]
    [[ ${lines[1]} == infer*resnet8*generator* ]]
    [[ $output == *"layer3.0.conv2"* ]]
}

@test "the transform is measured without a network" {
    run -0 --separate-stderr "$WARD" bench transform --method fixed "${SMALL[@]}" --device ref
    [ "${#lines[@]}" -eq 2 ]
    [[ ${lines[1]} == "transform "*" fixed "* ]]
    [ -z "$stderr" ]
}

@test "without an operand every row is measured in a process of its own" {
    "$WARD" bench --data-shape 1x8x8 --seconds 0 --threads 1 --json >b
    [ "$(json b "len(d['rows']), d['device']")" = "(15, 'cpu')" ]
    [ "$(json b "{r['work'] for r in d['rows']} == {'train', 'infer', 'transform'}")" = True ]
    # What a small row holds does not depend on the large ones before it.
    [ "$(json b "(d['rows'][-1]['peak_rss_mib'] <
                  min(r['peak_rss_mib'] for r in d['rows'][:4]))")" = True ]
}

@test "a process that did not come to the end of its row is told of" {
    run --separate-stderr bash -c 'ulimit -t 1; exec "$@"' - "$WARD" bench --seconds 60 --threads 1
    fails_with 1 "was ended"
}

@test "wrong usage is refused before anything is measured" {
    run --separate-stderr "$WARD" bench fly
    fails_with 2 "'fly'" "train, infer or transform"
    run --separate-stderr "$WARD" bench train --method fixed
    fails_with 2 "--arch is missing"
    run --separate-stderr "$WARD" bench train --arch simple-cnn
    fails_with 2 "--method is missing"
    run --separate-stderr "$WARD" bench --method fixed
    fails_with 2 "--method needs"
    run --separate-stderr "$WARD" bench --profile
    fails_with 2 "--profile needs"
    run --separate-stderr "$WARD" bench infer --arch simple-cnn --method fixed --raw-share 0.5
    fails_with 2 "--raw-share"
    run --separate-stderr "$WARD" bench transform --method baseline
    fails_with 2 "baseline"
    run --separate-stderr "$WARD" bench infer --arch vgg --method baseline
    fails_with 2 "vgg"
    for shape in '' 1x28 1x28x28x28 x28x28 1x-28x28 1,28,28 1x28x0 99999999999999999999x1x1; do
        run --separate-stderr "$WARD" bench train --arch simple-cnn --method fixed \
            --data-shape "$shape"
        fails_with 2
        run --separate-stderr "$WARD" bench --data-shape "$shape"
        fails_with 2
        [ -z "$output" ]
    done
    run --separate-stderr "$WARD" bench train --arch simple-cnn --method fixed --batch 0
    fails_with 2 "--batch"
    run --separate-stderr "$WARD" bench --seconds -1
    fails_with 2 "seconds"
}
