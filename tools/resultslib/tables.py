"""The tables of the documentation, from docs/results."""
import glob
import os
import statistics
import sys

from resultslib.adversaries import (claims_table, controls_table, frontier_table, lock_choice_table, lock_lines, lock_table,
                                    percents, redteam_table, softened_table)
from resultslib.bar import bar_table
from resultslib.parts import parts_table
from resultslib.places import RESULTS, ROOT, read_json
from resultslib.rows import CHOICES, DONE, METHODS, RUNS, SETS, TUNING, VARIED


def load():
    results = {}
    for path in glob.glob(os.path.join(RESULTS, "*.json")):
        results[os.path.basename(path)[:-5]] = read_json(path)
    return results


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


def lock_cost_table(results):
    """What the recommended lock costs at inference, from bench/lock."""
    lines = ["| images | part | operations of `resnet20` | time of `resnet20` | range |", "|---|---|---|---|---|"]
    for row in results["lock-cost"]["rows"]:
        low, high = row["ratio_range"]
        lines.append(f"| {row['shape']} | {row['part']} | {100 * row['count_share']:.1f} % | {100 * row['ratio']:.0f} % "
                     f"| {100 * low:.0f} to {100 * high:.0f} % |")
    return lines


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
            ("docs/redteam.md", {"controls": controls_table, "claims": claims_table}),
            ("docs/locks.md", {"bar": bar_table, "parts": parts_table, "cost": lock_cost_table, "frontier": frontier_table}),
            ("docs/results/locks.md", {"locks": lock_table, "decay": lock_choice_table}),
            ("README.md", {"accuracies": accuracy_table, "timed": timed_table, "lock": lock_lines})):
        for name, table in tables.items():
            fill(os.path.join(ROOT, path), name, table(results), check)
    for kind, rows in (("tuning", TUNING), ("choice", CHOICES)):
        fill(os.path.join(ROOT, "docs", "decisions.md"), kind, held_out_table(results, kind, rows), check)
