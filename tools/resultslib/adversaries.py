"""The tables of what adversaries made of networks, from docs/results."""
import statistics

from resultslib.rows import DONE, LOCK_CHOICES, LOCKS, METHODS, RUNS, SETS, SPLIT, TWO


def percents(pair):
    if not pair:
        return "-"
    text = f"{100 * pair['authorised']:.2f}"
    return text if pair["unauthorised"] is None else f"{text} ({100 * pair['unauthorised']:.2f})"


def gain_cells(result, key, best):
    """Of each amount: what the best attack with it reaches, what it gains over none."""
    return [f"{amount}: {100 * best[amount]['accuracy']:.1f} % ({best[amount]['attack']}), "
            f"{100 * result[key][amount]:+.1f}" for amount in best]


def attacked(results, run):
    """What adversaries made of a run: most of them, by the largest budget that there is."""
    for kind in ("standard", "three", "amounts", "redteam"):
        if f"{kind}-{run}" in results:
            return results[f"{kind}-{run}"]["result"]
    return None


def budget_of(result):
    """And the revision of the suite, if attacks are stronger today, or that some are missing."""
    if result.get("revision", 1) == 1:
        return result["budget"] + ", revision 1"
    return result["budget"] + ("" if result.get("complete") else ", not all attacks")


def redteam_table(results):
    lines = ["| run | budget | authorised (raw) | labelled images: best attack, points over training without F "
             "| pairs: the same | no labels | flags |", "|---" * 7 + "|"]
    for name, (kind, run) in DONE.items():
        if kind not in ("redteam", "again", "standard", "standard-again") or name not in results:
            continue
        r = results[name]["result"]
        none = r["without_labels"]
        budget = budget_of(r) + (f", seed {r['seed']}" if r["seed"] != 1 else "")
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


def cells_of(result, attack, knows, amount):
    return [c for c in result["attacks"]
            if (c["attack"], c["knows"], c["amount"]) == (attack, knows, amount)]


def mean_accuracy(result, attack, knows, amount):
    return statistics.mean(c["accuracy"] for c in cells_of(result, attack, knows, amount))


def retrained_row(result):
    """Another G (A5), by labels alone or first without: which, by the images for choices."""
    ways = {"by labels": cells_of(result, "learned-transform", "labelled", 100),
            "first without": cells_of(result, "semi-supervised", "labelled", 100)}
    found = {way: statistics.mean(c["accuracy"] for c in cells) for way, cells in ways.items() if cells}
    kept = max(found, key=lambda way: statistics.mean(c["choice"] for c in ways[way]))
    return ("A5 with 100 labels: " + ", ".join(f"{way} {100 * found[way]:.1f} %" for way in found)
            + f"; authorised {100 * result['authorised']:.1f} %", found[kept] >= result["authorised"] - 0.03)


def unlabelled_row(result):
    found = mean_accuracy(result, "infomax", "unlabelled", 1000)
    return (f"A4 without labels {100 * found:.1f} %, as it is {100 * result['unauthorised']:.1f} %",
            found >= result["unauthorised"] + 0.4)


def masked_row(result):
    flags = [flag["flag"] for flag in result["flags"]]
    return f"flags: {', '.join(flags) or 'none'}", "masked-gradient" in flags


def unprotected_row(result):
    wanted = result["authorised"] - result["scratch"]["100"]
    return (f"Adv(100) {100 * result['adv']['100']:+.1f}; accuracy less scratch {100 * wanted:+.1f}",
            result["adv"]["100"] >= wanted - 0.01)


def random_row(result):
    """An interval that begins above 0 would be an advantage."""
    gains = ", ".join(f"{k} labels: {100 * gain:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
                      for k, gain in result["adv"].items() for low, high in [result["adv_ci95"][k]])
    return f"Adv {gains}", all(low <= 0 for low, _ in result["adv_ci95"].values())


# What the suite has to find, of networks of which it is known: the run, what is expected, what looks.
CONTROLS = (
    *((run, "with 100 labels another G comes within 3 points of authorised", retrained_row)
      for run in (*(f"fashion-simple-cnn-generator-{seed}" for seed in (1, 2, 3)),
                  "fashion-resnet20-generator", "cifar10-resnet20-generator")),
    ("fashion-simple-cnn-fixed", "without labels a pattern gains 40 points or more", unlabelled_row),
    ("fashion-simple-cnn-masked", "`masked-gradient` is raised", masked_row),
    ("fashion-simple-cnn-baseline", "Adv(100) is the accuracy less `scratch`, less a point at most", unprotected_row),
    ("fashion-simple-cnn-random", "weights as drawn are no better than none: no interval above 0", random_row),
)


def overlap_rows(results, run):
    """Two runs of the suite with other seeds, that is with other images and other draws; of several adversaries."""
    pair = [results.get(f"{kind}-split-{run}", {}).get("result") for kind in ("standard", "standard-again")]
    if not all(pair):
        return []
    cells, overlaps = [], []
    if pair[0]["model_id"] != pair[1]["model_id"]:
        cells.append("two networks, made by the same command with two builds")
    for key, title in (("adv_ci95", "labels"), ("adv_pairs_ci95", "pairs")):
        for k in pair[0][key]:
            (low, high), (other_low, other_high) = (r[key][k] for r in pair)
            cells.append(f"{k} {title}: {100 * low:+.1f} to {100 * high:+.1f}, {100 * other_low:+.1f} to {100 * other_high:+.1f}")
            overlaps.append(low <= other_high and other_low <= high)
    return [(run, "with another seed the 95 % intervals overlap", "<br>".join(cells),
             f"{sum(overlaps)} of {len(overlaps)}")]


def time_rows(results, run):
    """The one row that was made with two threads and nothing beside it."""
    row = results.get(f"redteam-split-{run}")
    if not row or row["threads"] != 2 or not row["seconds"]:
        return []
    seconds = round(row["seconds"])
    return [(run, "`quick` ends within 8 minutes on two cores that do nothing else",
             f"{seconds // 60}:{seconds % 60:02}", "yes" if seconds <= 480 else "no")]


def controls_table(results):
    """Whether the suite finds what is there, and nothing where nothing is."""
    rows = []
    for run, expected, look in CONTROLS:
        found = attacked(results, f"split-{run}")
        if found:
            measured, holds = look(found)
            trials = 1 + max(cell["trial"] for cell in found["attacks"])
            rows.append((run, expected, f"`{budget_of(found)}`, {trials} adversar{'y' if trials == 1 else 'ies'}: {measured}",
                         "yes" if holds else "no"))
    rows += overlap_rows(results, "fashion-simple-cnn-generator-1") + time_rows(results, "fashion-simple-cnn-fixed")
    return ["| run | expected | measured | holds |", "|---" * 4 + "|",
            *("| " + " | ".join(row) + " |" for row in rows)]


def best_baseline(results, data):
    """Of the convolutional baselines that were trained on the same images; None: there is none."""
    return max((results[name]["evaluation"]["authorised"] for name in RUNS
                if name in results and name.startswith(f"split-{data}-") and name.endswith("-baseline")), default=None)


def conv_accuracy(results, data):
    found = best_baseline(results, data)
    return f"{100 * found:.2f}" if found else "-"


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


def worth_row(results, run, claim, claimed):
    """What an adversary with labels or pairs gains at most, of one network."""
    found = attacked(results, run)
    if not found:
        return []
    gains = [f"{kind} {100 * max(found[key].values()):+.1f}" for kind, key in (("labels", "adv"), ("pairs", "adv_pairs"))]
    return [(claim, claimed, f"points over training without F: {', '.join(gains)} (`{budget_of(found)}`, {found['arch']})")]


def claims_table(results):
    rows = claim_rows(results)
    rows += worth_row(results, "split-fashion-simple-cnn-generator-1",
                      "`generator`: resistant to various attacks; thieves who train are not considered", "-")
    rows += worth_row(results, "lock-fashion-deep-1", "`keyed`, ours: F is worth little to who has labels "
                      "([locks.md](locks.md)); of pairs the contrary is said", "+2 at most is the aim")
    return ["| claimed | claimed figure | measured here |", "|---|---|---|",
            *("| " + " | ".join(row) + " |" for row in rows)]


def lock_lines(results):
    """What the red team says of the recommended lock, in sentences; of the first network of the rows."""
    r = attacked(results, "lock-fashion-deep-1")
    pairs = max(r["best_pairs"], key=int)
    queries = max(c["amount"] for c in r["attacks"] if c["attack"] == "extract")
    served = mean_accuracy(r, "extract", "queries", queries)
    flags = [line for flag in r["flags"] for line in (f"> Flag `{flag['flag']}`: {flag['detail']}.", ">")]
    return [f"> {r['sentence']}", ">", *flags,
            f"> With {pairs} pairs he reaches {100 * r['best_pairs'][pairs]['accuracy']:.1f} %; who has {pairs} labelled images and "
            f"no model, {100 * (r['best_pairs'][pairs]['accuracy'] - r['adv_pairs'][pairs]):.1f} %. With {queries} answers "
            f"of the authorised service, {100 * served:.1f} % (budget `{r['budget']}`).", "",
            "What the best attack with labels gains over training without F, in points: "
            + ", ".join(f"{100 * gain:+.1f} with {int(k):,}" for k, gain in r["adv"].items()) + ".", "",
            cifar10_line(results)]


def cifar10_line(results):
    name = "lock-cifar10-taught-wide-long"
    gain = 100 * attacked(results, name)["adv"]["100"]
    authorised = 100 * results[name]["evaluation"]["authorised"]
    return (f"On CIFAR-10, with two wider layers, a teacher and twice the iterations, users have {authorised:.2f} %; an open"
            f" convolutional network trained on the same images has {conv_accuracy(results, 'cifar10')} %. With 100 labelled "
            f"images the best attack comes {abs(gain):.1f} points {'further' if gain > 0 else 'less far'} than training without F "
            "(`quick`).")


def readings(results, name):
    """What 1,000 labels read from the logits, by any means; from the features; from those of random weights."""
    found = results.get(f"readout-lock-{name}", {}).get("result")
    if not found:
        return None
    tries = {who: [t for c in found["attacks"] if c["attack"] == who and c["amount"] == 1000 for t in c["tries"]]
             for who in ("readout", "random-readout")}

    def best(who, is_feature):
        return max(t["accuracy"] for t in tries[who] if t["what"].startswith("a new last layer") == is_feature)
    return {"logits": best("readout", False), "features": best("readout", True), "random": best("random-readout", True)}


def reading_cells(results, name):
    found = readings(results, name)
    if not found:
        return "-"
    return f"{100 * found['logits']:.1f} %; features {100 * found['features']:.1f} % ({100 * found['random']:.1f} %)"


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
        quick = "amounts" if f"amounts-lock-{name}" in results else "redteam" # which joins it
        found = [results[f"{kind}-lock-{name}"]["result"] for kind in (quick, "standard")
                 if f"{kind}-lock-{name}" in results]
        for r in found or [None]:
            cells = ["-"] * 5
            flags = "-"
            if r:
                none = r["without_labels"]
                cells = [budget_of(r), "<br>".join(gain_cells(r, "adv", r["best"])),
                         "<br>".join(gain_cells(r, "adv_pairs", r["best_pairs"])),
                         f"{100 * none['accuracy']:.1f} % ({none['attack']})" if none else "-",
                         f"{100 * r['readout']:.1f} % ({100 * r['readout_control']:.1f} %)"]
                flags = ", ".join(flag["flag"] for flag in r["flags"]) or "none"
            lines.append("| " + " | ".join([*row, *cells, reading_cells(results, name), key_cells(results, name), flags]) + " |")
    return lines


def lock_choice_table(results):
    """Settings of method keyed, by images that were held out."""
    lines = ["| images | settings | iterations | of the training images, the last ones | of those held out (raw) "
             "| of the same, a quarter of axes erased |", "|---" * 6 + "|"]
    for name, (data, options) in LOCK_CHOICES.items():
        found = results.get(f"choice-lock-{name}")
        if found:
            settings, iterations = options.removeprefix(f"{TWO} --erase-axes 0.25 ").split(" --iterations ")
            written = percents(found["written"]) if "written" in found else "-"
            lines.append(f"| {SETS[data]} | `{settings}` | {int(iterations):,} | {100 * found['trained']:.1f} "
                         f"| {percents(found['validation'])} | {written} |")
    return lines


def designs():
    """The runs whose worth can be compared: name, data, words."""
    for name, (data, arch, method, options) in SPLIT.items():
        if not name.endswith(("-random", "-masked")):
            yield f"split-{name}", data, ("no protection" if method == "baseline" else f"`{method}`") + f", {arch}"
    for name, (data, options, _) in LOCKS.items():
        is_default = not options or options.startswith("--seed ")
        yield f"lock-{name}", data, "`keyed`, the default" if is_default else f"`keyed`, `{options}`"


def frontier_table(results):
    """Authorised accuracy against what F is worth to a thief with labels, the most accurate first."""
    rows = []
    for run, data, words in designs():
        found = attacked(results, run)
        if not found:
            continue
        gains = ", ".join(f"{k}: {100 * gain:+.1f}" for k, gain in found["adv"].items())
        rows.append((list(SETS).index(data), -found["authorised"],
                     f"| {SETS[data]} | {words} | {100 * found['authorised']:.2f} | {conv_accuracy(results, data)} | {gains} "
                     f"| {budget_of(found)} | {', '.join(flag['flag'] for flag in found['flags']) or 'none'} |"))
    return ["| images | design | authorised | best baseline on the same | Adv by labels, points | budget | flags |", "|---" * 7 + "|",
            *(line for _, _, line in sorted(rows))]
