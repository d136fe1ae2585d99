"""The table of what each part of the lock does: the default on Fashion beside locks with one part changed."""
from resultslib.adversaries import readings
from resultslib.rows import DEFAULT_LOCKS, LOCKS

# What is changed, and the row of LOCKS.
CHANGED = (
    ("no secret coordinates", "fashion-no-coordinates"),
    ("dense coordinates for a cascade", "fashion-dense"),
    ("no front", "fashion-no-front"),
    ("no secret coordinates, F with convolutions", "fashion-front-conv"),
    ("convolutions, a shuffle of blocks and patterns in the place of both", "fashion-shuffle"),
    ("a codebook", "fashion-codebook"),
    ("no front, a codebook", "fashion-codebook-no-front"),
    ("a residual", "fashion-residual"),
    ("the paper's objective for chance", "fashion-paper-objective"),
    ("no wrong keys in training", "fashion-no-wrong-keys"),
    ("last layer as trained", "fashion-deep-no-erasure"),
    ("ReLUs that can be shut", "fashion-plain-relu"),
    ("a mixer in the place of dense layers", "fashion-mixer"),
    ("adversaries in the loop", "fashion-harden"),
    ("a teacher", "fashion-taught"),
    ("a hundredth of the weight of raw images", "fashion-beta-0.01"),
)


class Row:
    """What is known of one lock by one adversary with the budget `quick`; None where nothing is."""

    def __init__(self, results, name):
        self.evaluation = results[f"lock-{name}"]["evaluation"]
        self.verdict = results.get(f"redteam-lock-{name}", {}).get("result")
        self.readings = readings(results, name)
        self.keys = results.get(f"keys-lock-{name}", {}).get("result", {}).get("random")


def gain(key, amount):
    return lambda row: row.verdict and row.verdict[key][amount]


COLUMNS = (
    ("authorised", "{:.2f}", lambda row: row.evaluation["authorised"]),
    ("raw", "{:.1f}", lambda row: row.evaluation["unauthorised"]),
    ("logits, 1,000 labels", "{:.1f}", lambda row: row.readings and row.readings["logits"]),
    ("features, 1,000 labels", "{:.1f}", lambda row: row.readings and row.readings["features"]),
    ("best of 1,000 random keys", "{:.1f}", lambda row: row.keys and row.keys["best"]),
    ("10 labels", "{:+.1f}", gain("adv", "10")),
    ("100 labels", "{:+.1f}", gain("adv", "100")),
    ("1 pair", "{:+.1f}", gain("adv_pairs", "1")),
    ("785 pairs", "{:+.1f}", gain("adv_pairs", "785")),
)


def flags(rows):
    named = [{flag["flag"] for flag in row.verdict["flags"]} for row in rows if row.verdict]
    if not named:
        return "-"
    found = sorted(set().union(*named))
    if len(rows) == 1:
        return ", ".join(found) or "none"
    return ", ".join(f"{name} ({sum(name in names for names in named)} of {len(named)})" for name in found) or "none"


def cells(rows):
    """Of several locks the lowest and the highest."""
    found = []
    for _, form, look in COLUMNS:
        values = [100 * look(row) for row in rows if look(row) is not None]
        ends = sorted({form.format(min(values)), form.format(max(values))}, key=float) if values else ["-"]
        found.append(" to ".join(ends))
    return [*found, flags(rows)]


def parts_table(results):
    rows = [("nothing", [Row(results, name) for name in DEFAULT_LOCKS])]
    rows += [(f"{words} (`{LOCKS[name][1]}`)", [Row(results, name)]) for words, name in CHANGED if f"lock-{name}" in results]
    return ["| changed | " + " | ".join(title for title, *_ in COLUMNS) + " | flags |", "|---" * (len(COLUMNS) + 2) + "|",
            *(f"| {words} | " + " | ".join(cells(found)) + " |" for words, found in rows)]
