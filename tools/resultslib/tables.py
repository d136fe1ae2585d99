"""The tables of the documentation, from docs/results."""
import glob
import os
import statistics
import sys

from resultslib.places import RESULTS, ROOT, read_json
from resultslib.rows import CHOICES, DONE, LOCKS, METHODS, RUNS, SETS, TUNING, VARIED


def load():
    results = {}
    for path in glob.glob(os.path.join(RESULTS, "*.json")):
        results[os.path.basename(path)[:-5]] = read_json(path)
    return results


def percents(pair):
    if not pair:
        return "-"
    text = f"{100 * pair['authorised']:.2f}"
    return text if pair["unauthorised"] is None else f"{text} ({100 * pair['unauthorised']:.2f})"


def find(results, recipe, data, arch, method):
    """A result of RUNS, or of a reproduction."""
    return (results.get(f"{recipe}-{data}-{arch}-{method}")
            or results.get(f"{recipe}-{SETS[data]}-{arch}-{method}-1", {}))


def accuracy_table(results):
    columns = [("fast", "mnist", "simple-cnn"), ("fast", "fashion", "simple-cnn"),
               ("fast", "fashion", "resnet20"), ("fast", "cifar10", "resnet20"),
               ("demo", "fashion", "simple-cnn"), ("paper", "fashion", "simple-cnn")]
    titles = [f"{SETS[data]} {arch}, `{recipe}`" for recipe, data, arch in columns]
    lines = ["| | " + " | ".join(titles) + " |", "|---" * (len(columns) + 1) + "|"]
    for method in METHODS:
        cells = [percents(find(results, r, d, a, method).get("evaluation")) for r, d, a in columns]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return lines


def timed_table(results):
    """How long trainings take where little else runs, and what protecting a trained network takes."""
    lines = ["| training | authorised (unauthorised) | minutes, threads |", "|---|---|---|"]
    for name, title in (
            ("timed-fast-fashion-simple-cnn-generator", "`simple-cnn`, `generator`, `fast`"),
            ("timed-fast-fashion-resnet20-generator", "`resnet20`, `generator`, `fast`"),
            ("owner-fashion-resnet20-baseline", "`resnet20`, `baseline`, `fast`, 10,000 images held "
             "out: somebody's network, beside other work"),
            ("adopted-fashion-resnet20-generator", "the same, exported by PyTorch, then protected "
             "by `ward train --from`")):
        r = results.get(name)
        if r:
            seconds = round(r["train_seconds"])
            lines.append(f"| {title} | {percents(r['evaluation'])} "
                         f"| {seconds // 60}:{seconds % 60:02}, {r['threads']} |")
    return lines


def held_out_table(results, kind, rows):
    lines = ["| recipe | settings | authorised (unauthorised), held-out images | distance |",
             "|---|---|---|---|"]
    for name, (arch, method, recipe, options) in rows.items():
        result = results.get(f"{kind}-{name}")
        if result:
            v = result["validation"]
            distance = "-" if v["distance"] is None else f"{v['distance']:.2f}"
            settings = f"{arch} {method} {options}".rstrip()
            lines.append(f"| `{recipe}` | {settings} | {percents(v)} | {distance} |")
    return lines


def reproduction_tables(recipe):
    """The tables of a reproduction, one heading lower; what is above the first one is left out."""
    path = os.path.join(RESULTS, recipe + "-tables.md")
    if not os.path.exists(path):
        return ["Not made yet."]
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("## "))
    return ["#" + line if line.startswith("#") else line for line in lines[first:]]


def comparison_tables(results):
    """How ward's time compares with theirs, from bench/compare."""
    rows = [row for name in ("compare-train", "compare-infer")
            for row in results.get(name, {}).get("rows", [])]
    if not rows:
        return ["Not measured yet."]
    lines = ["| work | against | ratio, theirs / ours | range | share of sgemm | peak memory, MiB |",
             "|---|---|---|---|---|---|"]
    for row in rows:
        low, high = row["ratio_range"]
        lines.append(f"| {row['row']} | {row['against']} | {row['ratio']:.2f} | {low:.2f} to "
                     f"{high:.2f} | {100 * row['share']:.0f} % | {row['peak_rss_mib']:.0f} |")
    return lines


def step_tables(results):
    """What protection costs a step, from bench/price; what threads give, from bench/scaling."""
    lines = []
    if "price" in results:
        lines += [f"| step of `fast`, raw share {results['price']['raw_share']:g} | `baseline`, ms "
                  "| `generator`, ms | ratio | range |", "|---|---|---|---|---|"]
        for row in results["price"]["rows"]:
            low, high = row["ratio_range"]
            lines.append(f"| {row['arch']} | {row['baseline_ms']:.1f} | {row['generator_ms']:.1f} "
                         f"| {row['ratio']:.2f} | {low:.2f} to {high:.2f} |")
    if "scaling" in results:
        lines += ["", f"| {results['scaling']['threads']} threads over one | gain | sgemm's gain "
                  "| ratio | range |", "|---|---|---|---|---|"]
        for row in results["scaling"]["rows"]:
            low, high = row["ratio_range"]
            lines.append(f"| {row['row']} | {row['gain']:.2f} | {row['sgemm_gain']:.2f} "
                         f"| {row['ratio']:.2f} | {low:.2f} to {high:.2f} |")
    return lines or ["Not measured yet."]


def serving_table(results):
    """What serving does in a second and what it costs, from bench/serve."""
    rows = [(results[name], title) for name, title in (
        ("serve", "`resnet20`, log in memory"),
        ("serve-disk-second", "log on a disk, synced once a second"),
        ("serve-disk", "log on a disk, answers wait for it"),
        ("serve-busy-disk", "that disk busy, another machine, earlier"),
        ("serve-simple-cnn", "`simple-cnn`, log in memory")) if name in results]
    lines = ["| | " + " | ".join(title for _, title in rows) + " |", "|---" * (len(rows) + 1) + "|"]

    def line(title, value):
        lines.append(f"| {title} | " + " | ".join(value(row) for row, _ in rows) + " |")

    def latencies(part):
        def value(row):
            times = row[part]
            return (f"{times['median_ms']:.1f} ms, {times['p99_ms']:.1f} ms "
                    f"({times['p99_ms'] / times['median_ms']:.1f} times)")
        return value

    line("images a second", lambda row: f"{row['images_per_second']:,.0f}")
    for who, title in (("server", "server: HTTP, tokens, batches, copies, audit log"),
                       ("guard", "guard, that is G"), ("worker", "worker, that is F")):
        line("share of processor time: " + title, lambda row: f"{100 * row['cpu_share'][who]:.1f} %")
    line("at full rate: median, 99 % within", latencies("full"))
    line("requests a second, at two thirds of it",
         lambda row: f"{row['two_thirds']['requests_per_second']:.0f}")
    line("then: median, 99 % within", latencies("two_thirds"))
    return lines


def gain_cells(result, key, best):
    """Of each amount: what the best attack with it reaches, what it gains over none."""
    return [f"{amount}: {100 * best[amount]['accuracy']:.1f} % ({best[amount]['attack']}), "
            f"{100 * result[key][amount]:+.1f}" for amount in best]


def redteam_table(results):
    lines = ["| run | budget | authorised (raw) | labelled images: best attack, points over training without F "
             "| pairs: the same | no labels | flags |", "|---" * 7 + "|"]
    for name, (kind, run) in DONE.items():
        if kind not in ("redteam", "again", "standard") or name not in results:
            continue
        r = results[name]["result"]
        none = r["without_labels"]
        budget = r["budget"] + (f", seed {r['seed']}" if r["seed"] != 1 else "")
        lines.append(f"| {run} | {budget} | {percents(r)} | {'<br>'.join(gain_cells(r, 'adv', r['best']))} "
                     f"| {'<br>'.join(gain_cells(r, 'adv_pairs', r['best_pairs']))} | "
                     + (f"{100 * none['accuracy']:.1f} % ({none['attack']})" if none else "-")
                     + f" | {', '.join(flag['flag'] for flag in r['flags']) or 'none'} |")
    return lines


def softened_table(results):
    """What F is worth with softplus for its ReLUs, by how soft it is; nothing else is changed."""
    lines = ["| run | authorised (raw) | softened, test images | by beta, images for choices |",
             "|---" * 4 + "|"]
    for name, (kind, run) in DONE.items():
        if kind != "softened" or name not in results:
            continue
        r = results[name]["result"]
        cell = next(c for c in r["attacks"] if c["attack"] == "perturbed")
        soft = [(t["what"].removeprefix("softened by "), t["accuracy"]) for t in cell["tries"]
                if t["what"].startswith("softened by ")]
        best = cell["chosen"].startswith("softened by ")
        lines.append(f"| {run} | {percents(r)} | "
                     + (f"{100 * cell['accuracy']:.1f} ({cell['chosen']})" if best else "-")
                     + " | " + ", ".join(f"{beta}: {100 * a:.1f}" for beta, a in soft) + " |")
    return lines


def conv_accuracy(results, data):
    """The convolutional baselines that were trained on the same images."""
    found = [results[name]["evaluation"]["authorised"] for name in RUNS
             if name in results and name.startswith(f"split-{data}-") and name.endswith("-baseline")]
    return f"{100 * max(found):.2f}" if found else "-"


def paper_attack(results, attack, method, pairs=None):
    """A row of the paper's Table 3 beside ours: the two means, the two bests."""
    row = next(r for r in results["fast-tables"]["table3"]
               if (r["attack"], r["method"], r["pairs"]) == (attack, method, pairs))
    return [f"{100 * value:.2f}" if value is not None else "-"
            for value in (row["accuracy"]["paper"], row["accuracy"]["mean"], row["paper_best"], row["best"])]


def claim_rows(results):
    """What is claimed, in which figure, and what was measured."""
    rows = []
    for method in METHODS[1:]:
        paper, ours, _, _ = paper_attack(results, "direct", method)
        rows.append((f"`{method}`: a copy of F alone gives invalid results", f"{paper} %", f"{ours} % as it is"))
    soft = results.get("softened-pretrained-generator", {}).get("result")
    if soft:
        cell = next(c for c in soft["attacks"] if c["attack"] == "perturbed")
        rows[-1] = (*rows[-1][:2], rows[-1][2] + f"; {100 * cell['accuracy']:.1f} % {cell['chosen']}, "
                    f"that is with softplus for its ReLUs (authorised: {100 * soft['authorised']:.1f} %)")
    for method in METHODS[1:]:
        paper, ours, paper_best, best = paper_attack(results, "input-only", method)
        rows.append((f"`{method}`: random patterns stay well below the authorised accuracy",
                     f"{paper} % on average, {paper_best} % at best", f"{ours} %, {best} %"))
    paper, ours, paper_best, best = paper_attack(results, "pair", "generator", 1.0)
    rows.append(("`generator`: a copy of G fitted to all pairs stays 5 to 15 points short",
                 f"{paper} % on average, {paper_best} % at best", f"{ours} %, {best} %"))
    return rows


def worth_row(results, name, claim, claimed):
    """What an adversary with labels or pairs gains at most, of one network."""
    found = results.get(name, {}).get("result")
    if not found:
        return []
    gains = [f"{kind} {100 * max(found[key].values()):+.1f}" for kind, key in (("labels", "adv"), ("pairs", "adv_pairs"))]
    return [(claim, claimed, f"points over training without F: {', '.join(gains)} (`{found['budget']}`, {found['arch']})")]


def claims_table(results):
    rows = claim_rows(results)
    rows += worth_row(results, "redteam-demo-fashion-simple-cnn-generator",
                      "`generator`: resistant to various attacks; thieves who train are not considered", "-")
    rows += worth_row(results, "redteam-lock-fashion-cascade-1", "`keyed`, ours: F is worth little to who has labels "
                      "([locks.md](locks.md)); of pairs the contrary is said", "+2 at most is the aim")
    return ["| claimed | claimed figure | measured here |", "|---|---|---|",
            *("| " + " | ".join(row) + " |" for row in rows)]


def lock_lines(results):
    """What the red team says of the recommended lock, in sentences; of the first network of the rows."""
    r = results["redteam-lock-fashion-cascade-1"]["result"]
    pairs = max(r["best_pairs"], key=int)
    served = max((c for c in r["attacks"] if c["attack"] == "extract"), key=lambda c: c["accuracy"])
    return [f"> {r['sentence']}", ">",
            f"> With {pairs} pairs he reaches {100 * r['best_pairs'][pairs]['accuracy']:.1f} %; who has {pairs} labelled images and "
            f"no model, {100 * (r['best_pairs'][pairs]['accuracy'] - r['adv_pairs'][pairs]):.1f} %. With {served['amount']} answers "
            f"of the authorised service, {100 * served['accuracy']:.1f} %."]


def logit_cells(results, name):
    """What 1,000 labels read from the logits, by any means; from the features; from those of random weights."""
    found = results.get(f"readout-lock-{name}", {}).get("result")
    if not found:
        return "-"
    tries = {who: [t for c in found["attacks"] if c["attack"] == who and c["amount"] == 1000 for t in c["tries"]]
             for who in ("readout", "random-readout")}

    def best(who, is_feature):
        return 100 * max(t["accuracy"] for t in tries[who]
                         if t["what"].startswith("a new last layer") == is_feature)
    return (f"{best('readout', False):.1f} %; features {best('readout', True):.1f} % "
            f"({best('random-readout', True):.1f} %)")


def key_cells(results, name):
    keys = results.get(f"keys-lock-{name}", {}).get("result")
    if not keys:
        return "-"
    return f"{keys['random']['unlocks']} of {keys['random']['keys']}, best {100 * keys['random']['best']:.1f} %"


def lock_table(results):
    """Every lock that was tried, what was expected, and what adversaries made of it."""
    lines = ["| lock | options | expected | authorised (raw) | best baseline on the same images | budget "
             "| labelled images: best attack, points over training without F | pairs: the same "
             "| no labels | readout (of random weights) | logits, 1,000 labels; features (of random weights) "
             "| random keys that unlock | flags |", "|---" * 13 + "|"]
    for name, (data, options, expected) in LOCKS.items():
        if f"lock-{name}" not in results:
            continue
        row = [name, f"`{options}`" if options else "the default", expected,
               percents(results[f"lock-{name}"]["evaluation"]), conv_accuracy(results, data)]
        found = [results[f"{kind}-lock-{name}"]["result"] for kind in ("redteam", "standard")
                 if f"{kind}-lock-{name}" in results]
        for r in found or [None]:
            cells = ["-"] * 5
            flags = "-"
            if r:
                none = r["without_labels"]
                cells = [r["budget"], "<br>".join(gain_cells(r, "adv", r["best"])),
                         "<br>".join(gain_cells(r, "adv_pairs", r["best_pairs"])),
                         f"{100 * none['accuracy']:.1f} % ({none['attack']})" if none else "-",
                         f"{100 * r['readout']:.1f} % ({100 * r['readout_control']:.1f} %)"]
                flags = ", ".join(flag["flag"] for flag in r["flags"]) or "none"
            lines.append("| " + " | ".join([*row, *cells, logit_cells(results, name), key_cells(results, name), flags]) + " |")
    return lines


def clamp_table(results):
    """What the paper's attacks reach where processed images may leave the range of values, or not."""
    lines = ["| network | method | clamped | authorised (raw) | input-only: mean | best "
             "| pair: mean | best |", "|---" * 8 + "|"]
    for name in RUNS:
        if not name.startswith("clamp-") or name not in results:
            continue
        _, clamp, *arch, method = name.split("-")
        cells = []
        for kind in ("input-only", "pair"):
            found = results.get(f"{kind}-{name}", {}).get("result")
            cells += [f"{100 * found[key]:.2f}" if found else "-" for key in ("mean", "best")]
        lines.append(f"| {'-'.join(arch)} | {method} | {clamp} "
                     f"| {percents(results[name]['evaluation'])} | " + " | ".join(cells) + " |")
    return lines


def varied_table(results):
    """What random patterns reach where one setting of the training is another."""
    lines = ["| method | setting | authorised (raw) | input-only: mean | standard deviation | best |",
             "|---" * 6 + "|"]
    rows = [(f"clamp-no-resnet20-{method}", method, "the default") for method in METHODS[1:3]]
    rows += [(f"varied-{name}", method, f"`{options}`") for name, (method, options) in VARIED.items()]
    for name, method, title in sorted(rows, key=lambda row: METHODS.index(row[1])):
        found = results.get(f"input-only-{name}", {}).get("result")
        if found:
            lines.append(f"| {method} | {title} | {percents(results[name]['evaluation'])} | "
                         + " | ".join(f"{100 * found[key]:.2f}" for key in ("mean", "sd", "best"))
                         + " |")
    return lines


def pattern_table(results):
    """Which random patterns unlock a network whose G adds something, from tools/patterns."""
    keys = ("both", "raised", "lowered", "both_clipped", "raised_clipped", "lowered_clipped")
    lines = ["| run | G(x) | G(x) clipped | random pattern | raising only | lowering only "
             "| clipped | raising, clipped | lowering, clipped |", "|---" * 9 + "|"]
    for row in results.get("patterns", {}).get("rows", []):
        cells = [f"{100 * row[key]:.1f}" for key in ("authorised", "authorised_clipped", *keys)]
        lines.append(f"| {row['run']} | " + " | ".join(cells) + " |")
    return lines


def fitting_table(results):
    """What a copy of G reaches that was fitted so long, and no longer."""
    lines = ["| steps of fitting, at most | rate | error on pairs held out, median | mean "
             "| standard deviation | worst | best |", "|---" * 7 + "|"]
    for name, (kind, _) in DONE.items():
        if not kind.startswith("fitted-") or name not in results:
            continue
        r = results[name]["result"]
        error = statistics.median(trial["error"] for trial in r["trials"])
        worst = min(trial["accuracy"] for trial in r["trials"])
        shares = (r["mean"], r["sd"], worst, r["best"])
        lines.append(f"| {r['settings']['steps']} | {r['settings']['rate']:g} | {error:.1e} | "
                     + " | ".join(f"{100 * v:.2f}" for v in shares) + " |")
    return lines


def relock_table(results):
    lines = ["| run | authorised before | after | with the old transform | without any |",
             "|---|---|---|---|---|"]
    for name, (kind, run) in DONE.items():
        if kind == "relock" and name in results:
            r, before = results[name]["result"], results[run]["evaluation"]["authorised"]
            shares = (before, r["authorised"], r["old_transform"], r["unauthorised"])
            lines.append(f"| {run} | " + " | ".join(f"{100 * v:.2f}" for v in shares) + " |")
    return lines


def fill(path, name, lines, check):
    begin, end = f"<!-- {name}: made by tools/results --tables -->", f"<!-- end of {name} -->"
    with open(path, encoding="utf-8") as file:
        text = file.read()
    head, rest = text.split(begin)
    tail = rest.split(end)[1]
    made = head + begin + "\n" + "\n".join(lines) + "\n" + end + tail
    if check and made != text:
        sys.exit(f"results: {path} does not agree with docs/results (tools/results --tables)")
    if not check:
        with open(path, "w", encoding="utf-8") as file:
            file.write(made)


def write_tables(check):
    results = load()
    for recipe in ("fast", "paper"):
        fill(os.path.join(ROOT, "docs", "reproduction.md"), recipe, reproduction_tables(recipe), check)
    for path, tables in (
            ("docs/reproduction.md", {"clamp": clamp_table, "patterns": pattern_table,
                                      "varied": varied_table, "fitting": fitting_table}),
            ("docs/performance.md", {"comparison": comparison_tables, "steps": step_tables,
                                     "serving": serving_table}),
            ("docs/threat-model.md", {"redteam": redteam_table, "softened": softened_table,
                                      "relock": relock_table}),
            ("docs/redteam.md", {"claims": claims_table}),
            ("docs/results/locks.md", {"locks": lock_table}),
            ("README.md", {"accuracies": accuracy_table, "timed": timed_table, "lock": lock_lines})):
        for name, table in tables.items():
            fill(os.path.join(ROOT, path), name, table(results), check)
    for kind, rows in (("tuning", TUNING), ("choice", CHOICES)):
        fill(os.path.join(ROOT, "docs", "decisions.md"), kind, held_out_table(results, kind, rows), check)
