#!/usr/bin/env python3
"""Trains the model of this example: flowers.jsonl in, model.tar.gz out.

Multinomial logistic regression by gradient descent on standardised features,
with the standard library only. The same input gives the same bytes on every
run and machine: no randomness, rounded weights, and an archive without times,
owners or a compressor that could differ between versions of zlib.

    python3 train.py            writes model/model.json, model.tar.gz and
                                preprocess/scaler.json beside this file
    python3 train.py --out DIR  writes them into DIR
"""

import argparse
import binascii
import io
import json
import math
import pathlib
import struct
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]

STEPS = 400
RATE = 1.0
PENALTY = 0.002  # L2, on the weights and not on the bias
FOLDS = 5
DIGITS = 5  # far coarser than what a math library's last bit can change


def read_flowers(path):
    with open(path, encoding="utf-8") as lines:
        flowers = [json.loads(line) for line in lines if line.strip()]
    rows = [[float(flower[name]) for name in FEATURES] for flower in flowers]
    species = [flower["species"] for flower in flowers]
    return rows, species


def fit_scaler(rows):
    """Mean and standard deviation of each feature, rounded: serving uses them as written."""
    columns = list(zip(*rows))
    means = [round(math.fsum(c) / len(c), DIGITS) for c in columns]
    stds = [
        round(math.sqrt(math.fsum((x - m) ** 2 for x in c) / len(c)), DIGITS)
        for c, m in zip(columns, means)
    ]
    return {"features": FEATURES, "mean": means, "std": stds}


def scale(rows, scaler):
    return [
        [(x - m) / s for x, m, s in zip(row, scaler["mean"], scaler["std"])]
        for row in rows
    ]


def softmax(scores):
    top = max(scores)
    powers = [math.exp(s - top) for s in scores]
    total = math.fsum(powers)
    return [p / total for p in powers]


def scores_of(row, weights, bias):
    return [b + math.fsum(w * x for w, x in zip(ws, row)) for ws, b in zip(weights, bias)]


def train(rows, targets, classes):
    """Minimises the mean cross-entropy with an L2 penalty by full-batch gradient descent."""
    k, d, n = classes, len(rows[0]), len(rows)
    weights = [[0.0] * d for _ in range(k)]
    bias = [0.0] * k
    for _ in range(STEPS):
        slope_w = [[0.0] * d for _ in range(k)]
        slope_b = [0.0] * k
        for row, target in zip(rows, targets):
            chances = softmax(scores_of(row, weights, bias))
            for c in range(k):
                error = chances[c] - (1.0 if c == target else 0.0)
                slope_b[c] += error
                slope = slope_w[c]
                for j in range(d):
                    slope[j] += error * row[j]
        for c in range(k):
            bias[c] -= RATE * slope_b[c] / n
            for j in range(d):
                weights[c][j] -= RATE * (slope_w[c][j] / n + PENALTY * weights[c][j])
    return (
        [[round(w, DIGITS) + 0.0 for w in ws] for ws in weights],
        [round(b, DIGITS) + 0.0 for b in bias],
    )


def accuracy(rows, targets, weights, bias):
    right = 0
    for row, target in zip(rows, targets):
        scores = scores_of(row, weights, bias)
        right += scores.index(max(scores)) == target
    return right / len(rows)


def cross_validate(rows, targets, classes):
    """Accuracy on flowers that the model has not seen: every fifth is held out in turn."""
    right = 0.0
    for fold in range(FOLDS):
        seen = [i for i in range(len(rows)) if i % FOLDS != fold]
        unseen = [i for i in range(len(rows)) if i % FOLDS == fold]
        scaler = fit_scaler([rows[i] for i in seen])
        weights, bias = train(scale([rows[i] for i in seen], scaler), [targets[i] for i in seen], classes)
        right += len(unseen) * accuracy(
            scale([rows[i] for i in unseen], scaler), [targets[i] for i in unseen], weights, bias
        )
    return right / len(rows)


def to_json(value):
    return (json.dumps(value, indent=2) + "\n").encode()


def tar(name, data):
    """A tar of one file, owned by nobody, from the beginning of time."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = len(data), 0, 0o644
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def gzip(data):
    """gzip with stored blocks (RFC 1951, 3.2.4): what a compressor finds may differ, this can't."""
    out = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"]
    blocks = [data[i : i + 0xFFFF] for i in range(0, len(data), 0xFFFF)] or [b""]
    for i, block in enumerate(blocks):
        last = 1 if i == len(blocks) - 1 else 0
        out.append(struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block)
    out.append(struct.pack("<II", binascii.crc32(data), len(data) & 0xFFFFFFFF))
    return b"".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=HERE / "flowers.jsonl", type=pathlib.Path)
    parser.add_argument("--out", default=HERE, type=pathlib.Path)
    args = parser.parse_args()

    rows, species = read_flowers(args.data)
    classes = sorted(set(species))
    targets = [classes.index(s) for s in species]
    scaler = fit_scaler(rows)
    scaled = scale(rows, scaler)
    weights, bias = train(scaled, targets, len(classes))
    model = to_json(
        {
            "format": "linear/v1",
            "classes": classes,
            "features": FEATURES,
            "weights": weights,
            "bias": bias,
            "activation": "softmax",
        }
    )
    for name, data in {
        "model/model.json": model,
        "model.tar.gz": gzip(tar("model.json", model)),
        "preprocess/scaler.json": to_json(scaler),
    }.items():
        path = args.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        print(f"wrote {path}")

    print(f"flowers: {len(rows)}, species: {', '.join(classes)}")
    print(f"accuracy over the data set: {accuracy(scaled, targets, weights, bias):.4f}")
    print(f"accuracy on unseen flowers ({FOLDS}-fold): {cross_validate(rows, targets, len(classes)):.4f}")


if __name__ == "__main__":
    main()
