#!/usr/bin/env python3
"""Makes a data set of any size: flowers like those of the iris example, as JSON lines.

Each record is one of the 150 flowers with every measurement moved by up to 0.3 cm.
The same arguments give the same bytes on every machine. Standard library only.

    python3 generate.py > flowers.jsonl                  10,000 records
    python3 generate.py --count 2000 --broken 4          4 of them with a text for a number
    python3 generate.py --broken 40 --kind missing       40 without a petal length
"""

import argparse
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
JITTER_MM = 3.0
DIGITS = 3


class Numbers:
    """A linear congruential generator (Knuth's MMIX): the same everywhere, for ever."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % limit


def flowers_of(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def jittered(value, numbers):
    steps = 2000
    moved = value + (numbers.below(2 * steps + 1) - steps) / steps * JITTER_MM / 10
    return round(max(moved, 0.05), DIGITS)


def broken_positions(count, broken):
    """Evenly spread, so that each is in a batch of its own if there are enough."""
    return {(2 * i + 1) * count // (2 * broken) for i in range(broken)}


def spoil(record, kind):
    if kind == "missing":
        del record["petal_length"]
    elif kind == "negative":
        record["petal_length"] = -record["petal_length"]
    else:
        record["petal_length"] = f"{record['petal_length']} cm"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="how many records (10000)")
    parser.add_argument("--broken", type=int, default=0, help="how many of them to break, evenly spread (0)")
    parser.add_argument("--kind", choices=["unit", "missing", "negative"], default="unit",
                        help="how to break them: a text with its unit (can be repaired), a missing or a negative value")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=pathlib.Path, default=HERE.parent / "iris" / "flowers.jsonl")
    parser.add_argument("--out", type=argparse.FileType("w", encoding="utf-8"), default=sys.stdout)
    args = parser.parse_args()
    if args.count < 1 or not 0 <= args.broken <= args.count:
        parser.error("--count must be at least 1, and --broken between 0 and --count")

    numbers = Numbers(args.seed)
    sources = flowers_of(args.data)
    broken = broken_positions(args.count, args.broken)
    for i in range(args.count):
        source = sources[numbers.below(len(sources))]
        record = {"id": i + 1, **{name: jittered(source[name], numbers) for name in FEATURES}, "species": source["species"]}
        if i in broken:
            spoil(record, args.kind)
        args.out.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
