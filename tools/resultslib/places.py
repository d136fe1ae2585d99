"""Where results are, and reading them."""
import json
import os


ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RESULTS = os.path.join(ROOT, "docs", "results")
PRETRAINED = os.path.join(ROOT, "examples", "pretrained")
UNFINISHED = os.path.join(RESULTS, "unfinished")


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)
