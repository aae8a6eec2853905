"""Write the calibration set: JSON lines of prompt and reply, from the generator of the slices.

    python make_calibration.py CORPUS_DIR OUT_FILE [--seed 777001]

CORPUS_DIR is the folder of corpus.py. The seed differs from the one of the frozen slices, so no
calibration sample is a scored example.
"""
import argparse, json, random, sys

CHARS = dict(
    longbench=(1200, 3600, 6000, 8800),
    needle=(1200, 3200, 5400, 7200),
    reasoning=(300, 1000, 1700, 2400),
)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("corpus"); ap.add_argument("out"); ap.add_argument("--seed", type=int, default=777001)
    a = ap.parse_args()
    sys.path.insert(0, a.corpus)
    import corpus
    with open(a.out, "w") as f:
        for family, sizes in CHARS.items():
            rng = random.Random(f"calibration:{a.seed}:{family}")
            for i, chars in enumerate(sizes):
                s = corpus.sample(rng, family, chars)
                row = dict(_id=f"calibration-{family}-{i}", dataset=s["dataset"], prompt=s["prompt"], target=s["target"])
                f.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
