# ward report: one page of runs.

bats_require_minimum_version 1.5.0
load cli_helper

# Two seeds of a generator, a baseline, and a fixed pattern drawn from a given secret seed.
setup_file() {
    export IMAGES=$BATS_FILE_TMPDIR/images STATE=$BATS_FILE_TMPDIR/state
    umask 022
    images folder "$IMAGES" 3 40 10
    mkdir "$STATE"
    for seed in 1 2; do
        small_training "$STATE/generator-$seed" --seed $seed --start 4 --transform-rate 1 --gamma 0
    done
    small_training "$STATE/base" --method baseline
    printf 'c4%.0s' {1..32} >"$BATS_FILE_TMPDIR/seed"
    small_training "$STATE/fixed" --method fixed --secret-seed "$BATS_FILE_TMPDIR/seed"
    echo "not a run" >"$STATE/notes.txt"
    mkdir "$STATE/other"
}

setup() {
    WORK=$BATS_TEST_TMPDIR/work
    cp -a "$STATE" "$WORK"
    PAGE=$BATS_TEST_TMPDIR/page
    mkdir "$BATS_TEST_TMPDIR/here"
    cd "$BATS_TEST_TMPDIR/here" || return 1
}

model_id() {
    tail -n 1 "$1/metrics.jsonl" | /usr/bin/python3 -c 'import json, sys
print(json.load(sys.stdin)["model_id"])'
}

# attack RUN NAME SETTINGS ACCURACY...: the result of an attack.
attack() {
    local run=$1 name=$2 settings=$3
    shift 3
    mkdir -p "$run/attacks"
    /usr/bin/python3 -c 'import json, sys
name, settings, model = sys.argv[1:4]
print(json.dumps({"format_version": 1, "attack": name, "chosen": None, "model_id": model,
                  "settings": json.loads(settings),
                  "trials": [{"accuracy": float(a), "seconds": 1.5, "curve": [[0, 1], [9, 0.5]]}
                             for a in sys.argv[4:]]}))' \
        "$name" "$settings" "$(model_id "$run")" "$@" >"$run/attacks/$name.json"
}

# redteam RUN [SENTENCE]: what suite v1 has found, at standard's amounts, with every kind of figure.
redteam() {
    mkdir -p "$1/redteam"
    /usr/bin/python3 - "$(model_id "$1")" "${2-A thief reaches all.}" >"$1/redteam/standard.json" <<'EOF'
import json, math, sys
AMOUNTS = {"nothing": [0], "labelled": [10, 100, 600, 6000], "unlabelled": [10, 100, 1000],
           "pairs": [1, 10, 100, 785, 6000], "queries": [100, 1000, 6000]}
ATTACKS = {"nothing": "direct", "labelled": "readout universal learned-transform block-map "
           "front-map fine-tune black-box another-backward align perturbed scratch",
           "unlabelled": "infomax learned-transform recalibrate",
           "pairs": "pair pair-through distil subtract other-structure", "queries": "extract"}
def cell(attack, knows, amount, accuracy, tries=()):
    return {"attack": attack, "id": "C0" if attack == "scratch" else "A1", "knows": knows,
            "amount": amount, "trial": 0, "accuracy": accuracy, "choice": accuracy, "seconds": 1,
            "images": 1, "chosen": "", "tries": [
                {"what": what, "accuracy": a, "merit": a, "bound": None, "is_leaky": False}
                for what, a in tries]}
def reach(at, amount):
    return 0.1 + 0.02 * at + 0.1 * math.log10(max(amount, 1))
cells = [cell(attack, knows, amount, reach(at, amount)) for knows in AMOUNTS
         for at, attack in enumerate(ATTACKS[knows].split()) for amount in AMOUNTS[knows]]
cells += [
    cell("input-only", "nothing", 0, 0.1, [(f"pattern {i} of 8", i / 50) for i in range(1, 9)]),
    cell("key-search", "labelled", 100, 0.1, [(f"key {i} of 30", i % 7 / 50) for i in range(1, 31)]),
    cell("partial-key", "labelled", 100, 0.5, [
        (f"{share} % of the key" + more, a) for share, wrong in ((0, 0.1), (50, 0.2), (90, 0.7))
        for more, a in (("", wrong), (", improved", wrong + 0.1))])]
def gains(knows, value):
    return {str(k): value(k) for k in AMOUNTS[knows]}
json.dump({
    "suite": "v1", "format_version": 1, "model_id": sys.argv[1], "budget": "standard", "seed": 1,
    "authorised": 0.9, "unauthorised": 0.02, "chance": 0.1, "from_chance": 0.08,
    "best": gains("labelled", lambda k: {"attack": "perturbed", "accuracy": reach(9, k)}),
    "adv": gains("labelled", lambda k: -0.02), "adv_ci95": gains("labelled", lambda k: [-0.03, 0.01]),
    "best_pairs": gains("pairs", lambda k: {"attack": "subtract", "accuracy": reach(3, k)}),
    "adv_pairs": gains("pairs", lambda k: 0.1),
    "adv_pairs_ci95": gains("pairs", lambda k: [0.05, 0.15]),
    "without_labels": {"attack": "learned-transform", "amount": 1000, "accuracy": 0.4},
    "kstar_attack": 412.7, "kstar_scratch": None, "kstar_ratio": 0.0688,
    "kstar_ratio_is_bound": True, "readout": 0.5, "readout_control": 0.4, "cost": 0.23,
    "flags": [{"flag": "below-chance", "detail": "2.00 % on raw images"},
              {"flag": "masked-gradient", "detail": "universal at 100"}],
    "sentence": sys.argv[2], "is_disjoint": True, "test_count": 10000, "choice_count": 2000,
    "attacks": cells}, sys.stdout)
EOF
}

# Every element is closed, ids are unique, links inside the page lead somewhere, pictures have texts;
# nothing is loaded and nothing runs.
check_html() {
    /usr/bin/python3 - "$1" <<'EOF'
import html.parser, re, sys
VOID = {"meta", "img", "br", "line", "path", "circle", "rect"}
class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.stack, self.ids, self.links, self.tags = [], [], [], []
    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        self.tags.append((tag, a))
        self.ids += [a["id"]] if "id" in a else []
        self.links += [a["href"]] if "href" in a else []
        for key, value in attrs:
            assert not key.startswith("on"), key
            if key in ("src", "href", "xlink:href", "action", "data"):
                assert value.startswith(("#", "data:image/png;base64,")), value[:80]
        if tag not in VOID:
            self.stack.append(tag)
    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
    def handle_endtag(self, tag):
        assert tag not in VOID and self.stack.pop() == tag, (tag, self.getpos())
text = open(sys.argv[1], encoding="utf-8").read()
page = Page()
page.feed(text)
assert not page.stack, page.stack
assert len(set(page.ids)) == len(page.ids), page.ids
assert {l[1:] for l in page.links} <= set(page.ids), page.links
names = [tag for tag, _ in page.tags]
assert not {"script", "iframe", "link", "object", "embed", "form", "base"} & set(names)
assert all(a.get("alt") for tag, a in page.tags if tag == "img")
assert all(a.get("role") == "img" and a.get("aria-labelledby") for tag, a in page.tags
           if tag == "svg")
assert names.count("h1") == 1 and names.count("main") == 1
assert "default-src 'none'" in text and 'lang="en"' in text
assert not re.search(r"url\(|@import", text)
EOF
}

@test "a page of a directory of runs is sound, and a setting is one line" {
    run -0 "$WARD" report "$WORK" -o "$PAGE" -q --threads 1
    [ "$output" = "$PAGE" ]
    [ "$(mode "$PAGE")" = 644 ]
    check_html "$PAGE"
    grep -q "4 training runs in 3 settings" "$PAGE"
    "$WARD" report "$WORK" --format md -q >md
    [ "$(grep -c '^| images, simple-cnn |' md)" = 3 ]
    grep -q '^| images, simple-cnn | generator | demo --iterations 40 .* | 2 | .* ± ' md
}

@test "runs named one by one make the same page as their directory" {
    "$WARD" report "$WORK" --format md -q >all
    (cd "$WORK" && "$WARD" report generator-2 base fixed generator-1 --format md -q) >each
    diff <(sed "s|$WORK/||" all) each
}

@test "accuracies are those of ward eval, kept in the run and measured once" {
    "$WARD" report "$WORK" --format md -q --threads 1 >md
    [ "$(mode "$WORK/fixed/eval.json")" = 644 ]
    "$WARD" eval "$WORK/fixed" --data "$IMAGES" --json -q --threads 1 >e
    for key in authorised unauthorised model_id count ci95; do
        [ "$(json "$WORK/fixed/eval.json" "d['$key']")" = "$(json e "d['$key']")" ]
    done
    [ "$(json "$WORK/base/eval.json" "d['unauthorised']")" = None ]
    mv "$IMAGES" "$IMAGES.away"
    run --separate-stderr "$WARD" report "$WORK" --format md
    mv "$IMAGES.away" "$IMAGES"
    [ "$status" = 0 ] && [ -z "$stderr" ] || { echo "$stderr"; false; }
    diff md <(echo "$output")
}

@test "a kept accuracy of another network is not shown" {
    "$WARD" report "$WORK/base" --format md -q >before
    cp "$WORK/base/eval.json" "$WORK/fixed/"
    "$WARD" report "$WORK/fixed" --format md -q >/dev/null
    [ "$(json "$WORK/fixed/eval.json" "d['model_id']")" = "$(model_id "$WORK/fixed")" ]
    echo '{"format_version": 1' >"$WORK/base/eval.json"
    "$WARD" report "$WORK/base" --format md -q >after
    diff before after
}

@test "where data has moved is said with --data" {
    mv "$IMAGES" "$IMAGES.away"
    mkdir "$BATS_TEST_TMPDIR/moved"
    cp -a "$IMAGES.away" "$BATS_TEST_TMPDIR/moved/images"
    run --separate-stderr "$WARD" report "$WORK/base" --format md
    [ "$status" = 0 ] && [[ $stderr == *"left out"*"base"* ]] || { echo "$stderr"; false; }
    run --separate-stderr "$WARD" report "$WORK/base" --format md \
        --data "$BATS_TEST_TMPDIR/moved/images"
    mv "$IMAGES.away" "$IMAGES"
    [ "$status" = 0 ]
    [ -z "$stderr" ]
    [ -f "$WORK/base/eval.json" ]
}

@test "images of another size that bear the data set's name are not drawn" {
    "$WARD" report "$WORK/fixed" -q >"$PAGE"
    mkdir "$BATS_TEST_TMPDIR/larger"
    images folder "$BATS_TEST_TMPDIR/larger/images" 3 4 4 40
    run --separate-stderr "$WARD" report "$WORK/fixed" --include-secret -o "$PAGE.secret" \
        --data "$BATS_TEST_TMPDIR/larger/images"
    [ "$status" = 0 ]
    [[ $stderr == *"left out"*"1 x 40 x 40"* ]]
    grep -q "1 x 40 x 40" "$PAGE.secret"
    run ! grep -q image/png "$PAGE.secret"
}

@test "nothing that gives a transform away is on a page" {
    for format in html md; do
        "$WARD" report "$WORK" --format $format -q >"$PAGE"
        for secret in c4c4c4c4 image/png secret_seed; do
            run ! grep -q "$secret" "$PAGE"
        done
        grep -q "Left out: pictures" "$PAGE"
    done
}

@test "secrets come into a file of mode 0600 only, and the page says so" {
    run --separate-stderr "$WARD" report "$WORK" --include-secret
    fails_with 2 "--out"
    for format in html md; do
        "$WARD" report "$WORK" --include-secret --format $format -o "$PAGE.$format" -q
        [ "$(mode "$PAGE.$format")" = 600 ]
        grep -q "Secret\." "$PAGE.$format"
        # One sheet, of both protected methods: that of ward figure.
        [ "$(grep -o 'data:image/png;base64,' "$PAGE.$format" | wc -l)" = 1 ]
    done
    check_html "$PAGE.html"
    "$WARD" figure "$WORK/fixed" "$WORK/generator-1" --data "$IMAGES" -o figure.png
    grep -o 'base64,[A-Za-z0-9+/=]*' "$PAGE.html" | cut -d, -f2 | base64 -d | cmp - figure.png
    "$WARD" report "$WORK/base" --include-secret -o "$PAGE" -q
    [ "$(mode "$PAGE")" = 600 ]
}

@test "the commands on a page make the same training again" {
    small_training "$WORK/more" --method learned --seed 7 --schedule step --rate-drop-every 30 \
        --nesterov no --decay-scope all --start 0.25 --bn separate --clamp yes --validation 30 \
        --validate-every 20 --clip-norm 2.5 --recipe fast
    # Where the default of keyed is not the absence of a setting, the absence is an option.
    for objective in chance paper; do
        small_training "$WORK/keyed-$objective" --method keyed --arch mlp-16x1-leaky --front none \
            --objective $objective
    done
    small_training "$WORK/keyed-whole" --method keyed --arch mlp-16x1-leaky --front none --erase-axes 0
    small_training "$WORK/weights" --method keyed --arch mlp-16x1-leaky --front none --alpha 0.75 --beta 0.5 \
        --weight-decay 0.25 --transform-decay 0.125 --wrong-keys 0.5 --wrong-weight 3 --momentum 0.5
    [ "$(json "$WORK/weights/config.json" "[d[k] for k in ('alpha', 'beta', 'weight_decay', 'transform_decay',
        'wrong_share', 'wrong_weight', 'momentum')]")" = "[0.75, 0.5, 0.25, 0.125, 0.5, 3.0, 0.5]" ]
    for run in more fixed base generator-2 keyed-chance keyed-paper keyed-whole weights; do
        "$WARD" report "$WORK/$run" --format md -q >md
        sed -n '/^```json/,/^```$/p' md | sed '1d;$d' >settings
        [ "$(json settings "'secret_seed' in d or 'seed' in d or d['iterations']")" = 40 ]
        command=$(grep '^ward train' md)
        command=${command/--secret-seed FILE/--secret-seed $BATS_FILE_TMPDIR/seed}
        eval "\"\$WARD\"${command#ward} -q"
        diff RUN/config.json "$WORK/$run/config.json"
        rm -r RUN
    done
}

@test "what trained is on the page: commit, device and threads of each part" {
    commit=$("$WARD" version --json | /usr/bin/python3 -c 'import json, sys
print(json.load(sys.stdin)["commit"])')
    "$WARD" report "$WORK/base" --format md -q >md
    grep -q "| cpu | 1 | $commit | $WORK/base |" md
    # Runs of before that was written down are shown as well.
    sed -i '/"commit"/d' "$WORK/base/metrics.jsonl"
    "$WARD" report "$WORK/base" --format md -q >md
    grep -q "| not recorded | not recorded | not recorded |" md
}

@test "attacks stand in a table, with trials that are still to come" {
    attack "$WORK/generator-1" pair '{"trials": 4, "seed": 1, "pairs": 0.1}' 0.5 0.75 0.625
    attack "$WORK/generator-2" pair '{"trials": 4, "seed": 1, "pairs": 0.1}' 0.5
    attack "$WORK/generator-1" direct '{"trials": 1}' 0.25
    attack "$WORK/fixed" pair '{"trials": 1, "seed": 1, "pairs": 0.004}' 0.5
    "$WARD" report "$WORK" -q >"$PAGE"
    check_html "$PAGE"
    "$WARD" report "$WORK" --format md -q >md
    grep -q '| direct | generator, demo .* | 1 | 25.00 | ' md
    grep -q '| pair, 10 % of the pairs | generator, demo .* | 4 of 8 | 59.38 ± 11.97 | .* | 75.00 |' md
    grep -q '^ward attack RUN --attack pair --trials 4 --seed 1 --pairs 0.1$' md
    grep -q '| pair, 0.4 % of the pairs | fixed, demo ' md
    grep -q '^ward attack RUN --attack direct$' md
    cp -r "$WORK/generator-1/attacks" "$WORK/fixed/"
    echo '{' >"$WORK/fixed/attacks/torn.json"
    run -0 --separate-stderr "$WARD" report "$WORK" --format md
    [ "$(grep -c 'left out' <<<"$stderr")" = 3 ] || { echo "$stderr"; false; }
    [ "$(grep -c '| pair, 10 %' <<<"$output")" = 1 ]
}

@test "what the red team found stands with its sentence, its flags and how to do it again" {
    redteam "$WORK/generator-1" "A thief with <100> images."
    "$WARD" report "$WORK" -q >"$PAGE"
    check_html "$PAGE"
    grep -q "A thief with &lt;100&gt; images\." "$PAGE"
    grep -q 'href="#redteam"' "$PAGE"
    [ "$(grep -c '>below-chance</span> 2.00 % on raw images' "$PAGE")" = 1 ]
    # Each plot, and each table, with the names of both.
    for figure in "labelled images" pairs "images without labels" "answers of the service"; do
        grep -q ">Accuracy by $figure, %</text>" "$PAGE"
    done
    names='Flags: <span class="chip l2">below-chance</span> <span class="chip l2">masked-gradient'
    [ "$(grep -o "$names" "$PAGE" | wc -l)" = $((7 + 2 + 5)) ]
    "$WARD" report "$WORK" --format md -q >md
    grep -q '^| 100 labelled images | perturbed | 48.00 | 50.00 | −2.00 | −3.00 to +1.00 |$' md
    grep -q '^ward attack RUN --budget standard --seed 1$' md
    cp -r "$WORK/generator-1/redteam" "$WORK/fixed/"
    echo '{' >"$WORK/generator-1/redteam/torn.json"
    run -0 --separate-stderr "$WARD" report "$WORK" --format md
    [ "$(grep -c 'left out' <<<"$stderr")" = 2 ] || { echo "$stderr"; false; }
    [ "$(grep -c '^ward attack RUN --budget' <<<"$output")" = 1 ]
}

@test "what ward attack writes is what ward report shows" {
    "$WARD" attack "$WORK/fixed" --only direct,input-only,readout --data "$IMAGES" -q --json >v
    "$WARD" report "$WORK/fixed" --format md -q >md
    sentence=$(json v "d['sentence']")
    grep -qF "**$sentence**" <(sed 's/\\//g; s/&lt;/</g' md) || { echo "$sentence"; cat md; false; }
    grep -q '^ward attack RUN --budget quick --seed 1$' md
    grep -q 'Attacks of this budget are missing\.$' md
    grep -q '^random patterns: .* 8 draws$' md
}

@test "what is damaged or not complete is left out, and the page says so" {
    cp -a "$WORK/base" "$WORK/damaged"
    truncate -s -5 "$WORK/damaged/model.safetensors"
    cp -a "$WORK/generator-1" "$WORK/copy"
    mkdir "$WORK/begun"
    cp "$WORK/base/config.json" "$WORK/begun/"
    run -0 --separate-stderr "$WARD" report "$WORK" -o "$PAGE"
    for name in damaged copy begun; do
        [[ $stderr == *"left out: $WORK/"*"$name"* ]] || { echo "$stderr"; false; }
    done
    [ "$(grep -c '<li><code>' "$PAGE")" = 3 ]
    grep -q "4 training runs" "$PAGE"
    run --separate-stderr "$WARD" report "$WORK/begun" -q
    fails_with 1 "begun" "not complete"
    run --separate-stderr "$WARD" report "$WORK/damaged" -q
    fails_with 1 "model.safetensors"
}

@test "wrong usage is said in one line" {
    run --separate-stderr "$WARD" report
    fails_with 2 "missing operand"
    run --separate-stderr "$WARD" report "$WORK" --format pdf
    fails_with 2 "pdf" "html"
    run --separate-stderr "$WARD" report "$WORK/none"
    fails_with 1 "none"
    run --separate-stderr "$WARD" report "$WORK/other"
    fails_with 1 "other" "no run"
    echo mine >"$PAGE"
    run --separate-stderr "$WARD" report "$WORK/base" -q -o "$PAGE"
    fails_with 1 "--force"
    [ "$(cat "$PAGE")" = mine ]
    "$WARD" report "$WORK/base" -q -o "$PAGE" --force
    check_html "$PAGE"
    run --separate-stderr bash -c "'$WARD' report '$WORK/base' -q >/dev/full"
    fails_with 1 "No space left"
}

@test "names may be anything" {
    name=$'<b>&"\'|`*\\\n\xff'
    mv "$WORK/base" "$WORK/$name"
    "$WARD" report "$WORK/$name" -q >"$PAGE"
    check_html "$PAGE"
    run ! grep -q "<b>" "$PAGE"
    "$WARD" report "$WORK/$name" --format md -q | iconv -f utf-8 -t utf-8 >/dev/null
}

# ---- in a browser ----

need_browser() {
    command -v chromium >/dev/null || skip "chromium is not installed"
}

look() {
    /usr/bin/python3 "$SOURCE/tests/look_at_page.py" "$@" >look
}

@test "the browser test sees what is wrong with a page" {
    need_browser
    cat >bad.html <<'EOF'
<!DOCTYPE html><html><body><div style="width:2000px">wide</div><p style="color:#bbb">faint</p>
<img src="http://127.0.0.1:9/x.png"><svg viewBox="0 0 100 20" style="width:100px"><text x="60"
y="14">too long a text</text></svg>
<div style="overflow:hidden;width:50px;white-space:nowrap">cut off contents</div></body></html>
EOF
    look bad.html 390 light
    [ "$(json look "(d['width'] > 390, len(d['outside']), len(d['cut']), len(d['faint']),
                     d['requests'])")" = "(True, 1, 2, 1, ['http://127.0.0.1:9/x.png'])" ] ||
        { cat look; false; }
}

@test "on desktop and phone, in light and dark, all fits, is readable, and nothing is loaded" {
    need_browser
    attack "$WORK/generator-1" pair '{"trials": 4, "seed": 1, "pairs": 0.1}' 0.5 0.75 0.625
    attack "$WORK/generator-1" direct '{"trials": 1}' 0.25
    redteam "$WORK/generator-1"
    mv "$WORK/base" "$WORK/a-name-that-is-$(printf 'long-%.0s' {1..30})"
    "$WARD" report "$WORK" --include-secret -o "$PAGE.html" -q
    for width in 1280 390; do
        for scheme in light dark; do
            look "$PAGE.html" $width $scheme "$width-$scheme.png"
            [ "$(json look "(d['width'], d['outside'], d['cut'], d['faint'], d['requests'],
                             d['texts'] > 100)")" = "($width, [], [], [], [], True)" ] ||
                { echo "$width $scheme"; cat look; false; }
            [ -s "$width-$scheme.png" ]
        done
        [ "$(json look "d['background'] != 'rgb(255, 255, 255)'")" = True ]
    done
}

@test "it can be printed" {
    need_browser
    "$WARD" report "$WORK" -o "$PAGE.html" -q
    chromium --headless=new --no-sandbox --disable-gpu --no-first-run \
        --user-data-dir="$BATS_TEST_TMPDIR/profile" --no-pdf-header-footer \
        --print-to-pdf=page.pdf "file://$PAGE.html" 2>/dev/null
    [ "$(head -c 5 page.pdf)" = "%PDF-" ]
}
