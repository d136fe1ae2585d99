"""What bench/lock, price and scaling share: `ward bench` in rounds, as ratios of what ran in turn."""
import argparse
import json
import statistics
import subprocess


def parse(doc, threads, seconds=1, rows=None):
    """The options; `rows` are the default of the positional ones, if there are any."""
    parser = argparse.ArgumentParser(description=doc.split("\n", maxsplit=1)[0])
    parser.add_argument("--ward", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=seconds)
    parser.add_argument("--threads", type=int, default=threads)
    parser.add_argument("--json")
    if rows:
        parser.add_argument("rows", nargs="*", metavar="ROW", default=rows)
    return parser.parse_args()


def bench(args, *words, threads=None):
    """What `ward bench WORDS` measures."""
    return json.loads(subprocess.check_output(
        [args.ward, "bench", *words, "--seconds", str(args.seconds), "--threads",
         str(threads or args.threads), "--json"]))


def median(results, key="median_ms"):
    return statistics.median(result[key] for result in results)


def spread(ratios):
    """A ratio and its range, for a row."""
    return {"ratio": statistics.median(ratios), "ratio_range": [min(ratios), max(ratios)]}


def keep(args, name, rows, **more):
    """Print the rows, with what says how they were measured, and write them if a file is named."""
    version = json.loads(subprocess.check_output([args.ward, "version", "--json"]))
    device = next(d["summary"] for d in version["devices"] if d["name"] == "cpu")
    result = {"command": f"bench/{name} --rounds {args.rounds} --seconds {args.seconds:g} --threads {args.threads}",
              "commit": version["commit"], "device": "cpu: " + device, "threads": args.threads, **more,
              "rows": rows}
    print(json.dumps(result, indent=1))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
            file.write("\n")
