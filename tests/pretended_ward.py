#!/usr/bin/python3
"""Stands in for ward in tests of tools/results: trains nothing, and attacks nothing."""
import json
import os
import struct
import sys


def option(name):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else None


def train(run):
    if option("--teacher") and not os.path.isdir(option("--teacher")):
        sys.exit(f"no run '{option('--teacher')}'")
    os.makedirs(run, exist_ok=True)
    if "--resume" not in sys.argv:
        secret = sys.stdin.read().strip() if option("--secret-seed") == "-" else None
        with open(os.path.join(run, "config.json"), "w", encoding="utf-8") as file:
            json.dump({"secret_seed": secret}, file)
    header = json.dumps({"__metadata__": {"model_id": os.path.basename(run)}}).encode()
    with open(os.path.join(run, "model.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
    with open(os.path.join(run, "metrics.jsonl"), "w", encoding="utf-8") as file:
        for iteration, commit in ((0, "1" * 12), (7, "2" * 12)):
            file.write(json.dumps({"iteration": iteration, "commit": commit, "device": "cpu", "summary": "none",
                                   "threads": 3}) + "\n")
        file.write('{"seconds": 1, "accuracy_processed": 0.8, "validation_processed": 0.9}\n')


if sys.argv[1] == "version":
    print(json.dumps({"commit": "0" * 12, "devices": [{"name": "cpu", "summary": "none"}]}))
elif sys.argv[1] == "train":
    train(option("--out"))
elif sys.argv[1] == "eval":
    print(json.dumps({"authorised": 0.9, "unauthorised": 0.1, "confusion": []}))
elif sys.argv[1] == "attack":
    run, budget = sys.argv[2], option("--budget")
    path = os.path.join(option("--out") or os.path.join(run, "redteam"), budget + ".json")
    found = {"model_id": os.path.basename(run), "budget": budget, "attacks": [{"seconds": 0.1}]}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    print(json.dumps(found))
