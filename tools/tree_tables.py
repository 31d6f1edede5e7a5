#!/usr/bin/env python3
"""Bytes, stalls, opens and memory out of the runs of tools/bench_tree.

  tools/tree_tables.py <main.json> <stalls.json> <open.json>

Prints a Markdown table for each: what paceline_bench's own tables, which are
about rates, leave out. Figures are medians over the runs of an engine.
"""

import json
import statistics
import sys

MIB = 1 << 20
# What write amplification is counted over: a benchmark and the waiting for
# compactions behind it.
PHASES = ("fillrandom", "overwrite")


def load(path):
  with open(path, encoding="utf-8") as file:
    return json.load(file)


def runs_of(data):
  """Yields (engine, results in order) for each run of each engine."""
  keys = dict.fromkeys((r["engine"], r["run"]) for r in data["results"])
  for engine, run in keys:
    yield engine, [r for r in data["results"]
                   if r["engine"] == engine and r["run"] == run]


def medians(data, value_of):
  """{engine: median of value_of(results of a run)}."""
  values = {}
  for engine, results in runs_of(data):
    values.setdefault(engine, []).append(value_of(results))
  return {engine: statistics.median(v) for engine, v in values.items()}


def phase(results, benchmark):
  """The results of `benchmark` and of the waiting behind it."""
  at = [r["benchmark"] for r in results].index(benchmark)
  return results[at:at + 2]


def table(title, engines, rows):
  print(f"| {title} | " + " | ".join(engines) + " | ratio |")
  print("| --- |" + " --- |" * (len(engines) + 1))
  for name, values, form in rows:
    cells = [form.format(values[engine]) for engine in engines]
    ratio = values[engines[0]] / values[engines[1]]
    print(f"| {name} | " + " | ".join(cells) + f" | {ratio:.2f} |")
  print()


def main_rows(data):
  entry = data["parameters"]["key_size"] + data["parameters"]["value_size"]
  for name in PHASES:
    def written(results, name=name):
      return sum(r["table_bytes"] for r in phase(results, name))

    def user(results, name=name):
      return phase(results, name)[0]["operations"] * entry

    yield (f"bytes of tables for a byte of {name}, settled",
           medians(data, lambda r, w=written, u=user: w(r) / u(r)), "{:.2f}")
    yield (f"on disk after {name}, settled, MiB",
           medians(data, lambda r, n=name:
                   phase(r, n)[1]["directory_bytes"] / MIB), "{:,.0f}")
  for name in PHASES:
    yield (f"longest stall in {name}, ms",
           medians(data, lambda r, n=name:
                   phase(r, n)[0]["latency_nanos"]["max"] / 1e6), "{:.1f}")
  yield ("most anonymous memory, MiB",
         medians(data, lambda r: max(x["memory_bytes"] for x in r) / MIB),
         "{:,.0f}")


def stall_rows(data):
  for name, key in (("p99", "p99"), ("p99.9", "p99.9"), ("longest", "max")):
    yield (f"{name} of a write, ms",
           medians(data, lambda r, k=key:
                   r[0]["latency_nanos"][k] / 1e6), "{:.3f}")


def open_rows(data):
  def opens(results):
    return [r for r in results if r["benchmark"] == "open"]

  yield ("open, ms", medians(data, lambda r: statistics.median(
      1000 * x["seconds"] for x in opens(r))), "{:.1f}")
  yield ("anonymous memory after it, MiB",
         medians(data, lambda r: max(x["memory_bytes"]
                                     for x in opens(r)) / MIB), "{:.1f}")


def main():
  if len(sys.argv) != 4:
    sys.exit(__doc__)
  for title, path, rows in (("filling and overwriting", sys.argv[1], main_rows),
                            ("three minutes", sys.argv[2], stall_rows),
                            ("opening", sys.argv[3], open_rows)):
    data = load(path)
    engines = [engine["name"] for engine in data["parameters"]["engines"]]
    table(title, engines, list(rows(data)))


if __name__ == "__main__":
  main()
