"""The table of what is asked of a lock and what was measured, from docs/results."""
import statistics

from resultslib.adversaries import attacked, best_baseline, budget_of, readings
from resultslib.rows import DEFAULT_LOCKS, LOCKS

# The recommended lock on each data set: the default; on CIFAR-10, where that costs too much, the nearest to it.
LOCK = [*DEFAULT_LOCKS, "mnist-deep", "cifar10-taught-wide-long"]
COST_OF_G, COST_OF_F = 0.05, 2.0  # of resnet20's forward pass, by operations


class Measured:
    """What is known of one lock; None where nothing is."""

    def __init__(self, results, name):
        data = LOCKS[name][0]
        self.results, self.name, self.is_colour = results, name, data == "cifar10"
        self.evaluation = results[f"lock-{name}"]["evaluation"]
        self.baseline = best_baseline(results, data)
        self.verdict = attacked(results, f"lock-{name}")
        far = results.get(f"far-lock-{name}")
        self.farthest = far["result"] if far else self.verdict
        self.readings = readings(results, name)
        self.keys = results.get(f"keys-lock-{name}", {}).get("result", {}).get("random")

    def gain(self, amount):
        return self.verdict and self.verdict["adv"].get(amount)


def percent(share):
    return f"{100 * share:.1f} %"


# Each line: what it says, and whether it is kept; None: not measured.

def authorised(m):
    if m.baseline is None:
        return None
    short = m.baseline - m.evaluation["authorised"]
    return f"{100 * m.evaluation['authorised']:.2f} % ({-100 * short:+.2f})", short <= (0.05 if m.is_colour else 0.01)


def unauthorised(m):
    raw = m.evaluation["unauthorised"]
    return f"{100 * raw:.2f} %", 0.08 <= raw <= 0.12


def logits(m):
    return m.readings and (percent(m.readings["logits"]), m.readings["logits"] < 0.2)


def features(m):
    return m.readings and (f"{percent(m.readings['features'])} ({percent(m.readings['random'])})",
                           m.readings["features"] <= m.readings["random"] + 0.02)


def random_keys(m):
    return m.keys and (f"{m.keys['unlocks']} of {m.keys['keys']}, best {percent(m.keys['best'])}",
                       m.keys["unlocks"] == 0 and m.keys["best"] < 0.2)


def gain_line(amount):
    def line(m):
        gain = m.gain(amount)
        if gain is None:
            return None
        low, high = m.verdict["adv_ci95"][amount]
        interval = "" if low is None else f" ({100 * low:+.1f} to {100 * high:+.1f})"
        return f"{100 * gain:+.1f}{interval}", gain <= 0.02
    return line


def unlabelled(m):
    """Who groups images without knowing what the classes are called is right by luck, or wrong by it: so all of them."""
    none = m.verdict and m.verdict["without_labels"]
    if not none:
        return None
    found = [c["accuracy"] for c in m.verdict["attacks"] if c["knows"] == "unlabelled"]
    return (f"{percent(none['accuracy'])}; all attacks and adversaries {percent(statistics.mean(found))}, "
            f"{percent(min(found))} to {percent(max(found))}", True)


def pair_line(amount):
    def line(m):
        gain = m.verdict and m.verdict["adv_pairs"].get(amount)
        return None if gain is None else (f"{100 * gain:+.1f}", True)
    return line


def ratio(m):
    """Of labels needed. If only training without F gets there, F helps nobody; if neither does, nothing is known: no ratio."""
    if not m.farthest:
        return None
    value, most = m.farthest["kstar_ratio"], max(map(int, m.farthest["adv"]))
    if value is not None:
        is_bound = m.farthest["kstar_ratio_is_bound"]
        return f"{'at most ' if is_bound else ''}{value:.2f}", value >= 0.7 and not is_bound
    if m.farthest["kstar_scratch"] is not None:
        return f"over 1: with F not by {most:,}, without by {m.farthest['kstar_scratch']:,.0f}", True
    return f"- (neither by {most:,})", True


def flags(m):
    if not m.verdict:
        return None
    names = [flag["flag"] for flag in m.verdict["flags"]]
    return ", ".join(names) or "none", not names


def cost_line(part, most):
    def line(m):
        if part == "F" and "--arch" in LOCKS[m.name][1]:
            return None  # bench/lock measures the default's
        shape = "3x28x28" if m.is_colour else "1x28x28"
        row = next(r for r in m.results["lock-cost"]["rows"] if (r["shape"], r["part"]) == (shape, part))
        return f"{percent(row['count_share'])} ({100 * row['ratio']:.0f} % of the time)", row["count_share"] <= most
    return line


LINES = (
    ("authorised within 1 point of the best convolutional network (CIFAR-10: 5)", authorised),
    ("raw images: 8 to 12 %", unauthorised),
    ("logits, 1,000 labels: under 20 %", logits),
    ("features, 1,000 labels: at most 2 points above those of random weights", features),
    ("random keys: none unlocks, the best under 20 %", random_keys),
    *((f"{int(amount):,} labels: at most 2 points over training without F", gain_line(amount))
      for amount in ("100", "600", "6000")),
    ("labels needed to come within a point of authorised: 0.7 of those without F, or more", ratio),
    ("no flag", flags),
    ("no aim was set: without any label, the best attack; all", unlabelled),
    *((f"no aim was set: {amount} pair{'s' if amount != '1' else ''}, points over as many labels without F", pair_line(amount))
      for amount in ("1", "785")),
    ("G: 5 % of the operations of `resnet20` at most", cost_line("G", COST_OF_G)),
    ("F: twice the operations of `resnet20` at most", cost_line("F", COST_OF_F)),
)


def cell(found):
    if not found:
        return "-"
    text, is_kept = found
    return text if is_kept else f"**{text}**"


def adversaries(verdict):
    if not verdict:
        return "-"
    count = 1 + max(cell["trial"] for cell in verdict["attacks"])
    return f"{budget_of(verdict)}, {count}"


def bar_table(results):
    """A lock a column; what is not kept is bold."""
    locks = [Measured(results, name) for name in LOCK if f"lock-{name}" in results]
    return ["| asked | " + " | ".join(f"{m.name}" for m in locks) + " |", "|---" * (len(locks) + 1) + "|",
            "| budget, adversaries | " + " | ".join(adversaries(m.verdict) for m in locks) + " |",
            *("| " + " | ".join([asked, *(cell(line(m)) for m in locks)]) + " |" for asked, line in LINES)]
