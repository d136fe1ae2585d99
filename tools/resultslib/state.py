"""Copies results from a state directory of `ward reproduce`, and back."""
import glob
import os
import re
import sys

from resultslib.places import RESULTS, read_json
from resultslib.rows import METHODS, SETS


# As `ward reproduce` names runs, attacks on them, and figures of several.
SUBJECT = rf"(?:{'|'.join(SETS.values())})-(?:simple-cnn|resnet20)"
RUN = re.compile(rf"(?:paper|fast|demo)-{SUBJECT}-(?:{'|'.join(METHODS)})-\d+")
ATTACK = re.compile(rf"({RUN.pattern})-((?:direct|input-only|pair)(?:-[0-9.]+)?)")
FIGURE = re.compile(rf"(?:paper|fast|demo)-figure2[ab]-{SUBJECT}")


def copy_file(source, target, mode="w"):
    with open(source, encoding="utf-8") as file:
        text = file.read()
    with open(target, mode, encoding="utf-8") as file:
        file.write(text)
    print(target)


def copy_state(state):
    tables = read_json(os.path.join(state, "tables.json"))
    recipe = tables["recipe"]
    if tables["is_shortened"]:
        sys.exit(f"results: what is in {state} is shortened: no results")
    for end in ("json", "md"):
        copy_file(os.path.join(state, "tables." + end), os.path.join(RESULTS, f"{recipe}-tables.{end}"))
    networks = {}
    for result in sorted(glob.glob(os.path.join(state, "results", recipe + "-*.json"))):
        run = os.path.basename(result)[:-5]
        networks[run] = read_json(result)["evaluation"]["model_id"]
        copy_file(result, os.path.join(RESULTS, run + ".json"))
        for attack in sorted(glob.glob(os.path.join(state, run, "attacks", "*.json"))):
            if read_json(attack)["model_id"] == networks[run]:
                copy_file(attack, os.path.join(RESULTS, f"{run}-{os.path.basename(attack)}"))
    for facts in sorted(glob.glob(os.path.join(state, recipe + "-figure2*.json"))):
        if all(networks.get(p["run"]) == p["model_id"] for p in read_json(facts)["perturbations"]):
            copy_file(facts, os.path.join(RESULTS, os.path.basename(facts)))


def place_in_state(name):
    """Where `ward reproduce` has what docs/results has under a name; None if it is none of its own."""
    attack = ATTACK.fullmatch(name)
    if attack:
        return os.path.join(attack[1], "attacks", attack[2] + ".json")
    if RUN.fullmatch(name):
        return os.path.join("results", name + ".json")
    return name + ".json" if FIGURE.fullmatch(name) else None


def lay_into_state(state):
    for source in sorted(glob.glob(os.path.join(RESULTS, "*.json"))):
        place = place_in_state(os.path.basename(source)[:-5])
        if not place:
            continue
        target = os.path.join(state, place)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        try:
            copy_file(source, target, "x")
        except FileExistsError:
            print(f"{target} is there already")
