"""Makes rows: trains, evaluates, attacks, and keeps red teams that are not finished."""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time

from resultslib.places import PRETRAINED, RESULTS, UNFINISHED, read_json
from resultslib.rows import COMMANDS, DONE, OPEN_SEED, OWNER, RUNS


def lines_with(path, key):
    """The lines of a metrics file that have a key."""
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file.read().splitlines()]
    return [line for line in lines if key in line]


def last_with(path, key):
    return lines_with(path, key)[-1]


def trained_by(metrics):
    """Which builds trained, each from its iteration on, and with what: as the trainer wrote it."""
    parts = lines_with(metrics, "commit")
    begun = {"commit": parts[0]["commit"], "device": f"{parts[0]['device']}: {parts[0]['summary']}",
             "threads": parts[0]["threads"]}
    later = [{"iteration": part["iteration"], "commit": part["commit"]} for part in parts[1:]
             if part["commit"] != parts[0]["commit"]]
    return {**begun, "resumed_by": later} if later else begun


def find_secret(name, run, options):
    """The secret seed of a row, in hex, and what prints it in a shell; None: the system draws one."""
    seed, printing = None, ""
    if "baseline" not in options and name.startswith(("tuning-", "choice-")):
        seed = OPEN_SEED
    elif "baseline" not in options and name.startswith(("split-", "lock-")):
        seed = hashlib.sha256(f"ward/results/v1/{name}".encode()).hexdigest()
        printing = f"printf ward/results/v1/{name} | sha256sum | cut -c-64 | "
    config = os.path.join(run, "config.json")
    if os.path.exists(config) and read_json(config)["secret_seed"] != seed:
        if read_json(config)["secret_seed"]:
            sys.exit(f"results: {run} was begun with another secret seed")
        return None, ""  # begun before its row had one
    return seed, printing


def train(args, run, options, secret):
    if os.path.exists(os.path.join(run, "model.safetensors")):
        return
    command = [args.ward, "train", "--out", run]
    if os.path.exists(os.path.join(run, "config.json")):
        command += ["--resume", "--threads", str(args.threads)]
    else:
        command += [os.path.join(args.state, word) if word == OWNER or word in RUNS else word
                    for word in options]
    if "--secret-seed" in command:
        subprocess.run(command, check=True, input=secret.encode())
    else:
        subprocess.run(command, check=True)


def make(name, args):
    """Train what is missing of a run, evaluate it, and return the result."""
    run = os.path.join(args.state, name)
    holds_out = name.startswith(("tuning-", "choice-"))
    seed = [] if "--seed" in RUNS[name] else ["--seed", "1"]
    options = [*RUNS[name], *seed, "--threads", str(args.threads)]
    secret, printing = find_secret(name, run, options)
    if secret:
        options += ["--secret-seed", "-"]
    train(args, run, options, secret)
    metrics = os.path.join(run, "metrics.jsonl")
    trained = trained_by(metrics)
    options[options.index("--threads") + 1] = str(trained["threads"])
    result = {"name": name,
              "command": printing + " ".join(["ward", "train", *options, "--out", "RUN"]),
              "seed": int(options[options.index("--seed") + 1]), **trained,
              "train_seconds": last_with(metrics, "seconds")["seconds"]}
    if holds_out:
        line = last_with(metrics, "accuracy_processed")  # of the last step: before axes are erased
        result["trained"] = line["accuracy_processed"]
        result["validation"] = {"authorised": line["validation_processed"],
                                "unauthorised": line.get("validation_raw"),
                                "distance": line.get("distance")}
        written = last_with(metrics, "validation_processed")
        if "model_id" in written:
            result["written"] = {"authorised": written["validation_processed"],
                                 "unauthorised": written["validation_raw"]}
    else:
        result["evaluation"] = json.loads(subprocess.check_output(
            [args.ward, "eval", run, "--json", "-q", "--threads", str(args.threads)]))
        del result["evaluation"]["confusion"]
    return result


def about(args):
    version = json.loads(subprocess.check_output([args.ward, "version", "--json"]))
    return {"commit": version["commit"],
            "device": "cpu: " + next(d["summary"] for d in version["devices"]
                                     if d["name"] == "cpu"), "threads": args.threads}


# ---- red teams that are not finished ----

def find_run(run, args):
    """The folder of a finished run; the samples come with the sources."""
    if run.startswith("pretrained-"):
        return os.path.join(PRETRAINED, run.removeprefix("pretrained-"))
    return os.path.join(args.state, run)


def model_id(run):
    with open(os.path.join(run, "model.safetensors"), "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return json.loads(file.read(length))["__metadata__"]["model_id"]


def progress_of(name, args):
    """Where a row's red team leaves its cells, and where --keep keeps them; None of another row."""
    kind, run = DONE[name]
    words = COMMANDS[kind].split()
    if "--budget" not in words:
        return None, None
    folder = (os.path.join(args.state, name) if "NEW" in words
              else os.path.join(find_run(run, args), "redteam"))
    budget = words[words.index("--budget") + 1]
    return (os.path.join(folder, budget + ".json"),
            os.path.join(UNFINISHED, name + ".json"))


def keep_unfinished(args):
    os.makedirs(UNFINISHED, exist_ok=True)
    for name in DONE:
        made, kept = progress_of(name, args)
        if not made or not os.path.exists(made):
            continue
        cells = read_json(made)
        result = os.path.join(RESULTS, name + ".json")
        if os.path.exists(result) and read_json(result)["result"]["model_id"] == cells["model_id"]:
            continue
        with open(kept, "w", encoding="utf-8") as file:
            json.dump(cells, file, separators=(",", ":"))
            file.write("\n")
        print(f"{name}: {len(cells['attacks'])} cells")


def take_up(name, args):
    """Cells that were kept, if they are of this network and there are none yet."""
    made, kept = progress_of(name, args)
    if not made or os.path.exists(made) or not os.path.exists(kept):
        return
    if read_json(kept)["model_id"] == model_id(find_run(DONE[name][1], args)):
        os.makedirs(os.path.dirname(made), exist_ok=True)
        shutil.copyfile(kept, made)


def forget_unfinished(name, args):
    kept = progress_of(name, args)[1] if name in DONE else None
    if kept and os.path.exists(kept):
        os.remove(kept)


def do(name, args):
    """Do to a finished run what a row says."""
    kind, run = DONE[name]
    take_up(name, args)
    progress, path = progress_of(name, args)[0], os.path.join(RESULTS, name + ".json")
    goes_on = bool(progress) and os.path.exists(progress)
    command = COMMANDS[kind].split()
    folders = {"RUN": find_run(run, args), "NEW": os.path.join(args.state, name)}
    given = [folders.get(word, word) for word in command]
    start = time.monotonic()
    said = json.loads(subprocess.check_output([args.ward, *given, "--json", "--threads",
                                               str(args.threads)]))
    said.pop("run", None)
    made = {"name": name, "command": " ".join(["ward", *command]), **about(args),
            "seconds": round(time.monotonic() - start, 1), "result": said}
    if goes_on:  # what this call took says nothing of all of it
        made["seconds"] = None
        before = read_json(path) if os.path.exists(path) else {}
        if before.get("result", {}).get("model_id") == said.get("model_id"):
            made |= {key: before[key] for key in ("commit", "seconds") if key in before}
    if "attacks" in said:  # cells may have been there: what they took, one after the other
        made["cell_seconds"] = round(sum(cell["seconds"] for cell in said["attacks"]), 1)
    return made


def write_results(args):
    os.makedirs(args.state, exist_ok=True)
    os.makedirs(RESULTS, exist_ok=True)
    for name in args.name or [*RUNS, *DONE]:
        if name not in RUNS and name not in DONE:
            sys.exit(f"results: no run '{name}' (see --list)")
        result = make(name, args) if name in RUNS else do(name, args)
        with open(os.path.join(RESULTS, name + ".json"), "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
            file.write("\n")
        forget_unfinished(name, args)
        print(json.dumps(result), flush=True)
