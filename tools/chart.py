#!/usr/bin/python3
"""Draws the summary of a run of paceline_bench.

  tools/chart.py <run.json> <chart.svg>

A group of bars for each row of its table, one bar an engine: operations a
second, on a logarithmic axis. Runs under the system's Python, which has the
package that draws.
"""

import json
import sys

import matplotlib

matplotlib.use("svg")
# The same figures give the same file.
matplotlib.rcParams["svg.hashsalt"] = "paceline"
matplotlib.rcParams["svg.fonttype"] = "none"
from matplotlib import pyplot  # noqa: E402  (after the choice of what draws)

# What is done once, and so has no rate.
SINGLE = ("compact", "open", "waitforcompaction")


def rows_of(summary):
  """Those of work, with what tells them from the others."""
  timed = [row for row in summary if row["benchmark"] not in SINGLE]
  varied = [key for key in ("threads", "sync", "value_size", "batch_size")
            if len({row.get(key) for row in timed}) > 1]
  for row in timed:
    label = row["benchmark"]
    if "threads" in varied:
      label += f", {row['threads']} threads"
    if "sync" in varied:
      label += ", sync" if row["sync"] else ", no sync"
    yield label, {engine["engine"]: engine["operations_per_second"]
                  for engine in row["engines"]}


def draw(data, path):
  rows = list(rows_of(data["summary"]))
  engines = list(dict.fromkeys(name for _, rates in rows for name in rates))
  height = 0.8 / len(engines)
  figure, axes = pyplot.subplots(
      figsize=(9, 1 + len(rows) * (0.2 + 0.18 * len(engines))))
  for i, engine in enumerate(engines):
    places = [row + i * height for row in range(len(rows))]
    rates = [rates.get(engine, 0) for _, rates in rows]
    bars = axes.barh(places, rates, height=height, label=engine)
    axes.bar_label(bars, fontsize=7, padding=2, labels=[
        f"{rate / 1000:,.1f} k" for rate in rates])
  axes.set_yticks([row + 0.4 - height / 2 for row in range(len(rows))],
                  [label for label, _ in rows])
  axes.invert_yaxis()
  axes.set_xscale("log")
  axes.set_xlabel("operations a second")
  axes.margins(x=0.15)
  axes.legend(fontsize=8, loc="lower right")
  axes.spines[["top", "right"]].set_visible(False)
  figure.tight_layout()
  # Nothing of when and with what it was drawn.
  figure.savefig(path, metadata=dict.fromkeys(
      ("Creator", "Date", "Format", "Type")))


def main():
  if len(sys.argv) != 3:
    sys.exit(__doc__)
  with open(sys.argv[1], encoding="utf-8") as file:
    data = json.load(file)
  draw(data, sys.argv[2])


if __name__ == "__main__":
  main()
