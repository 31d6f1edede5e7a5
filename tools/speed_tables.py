#!/usr/bin/env python3
"""What the tables of paceline_bench leave out of the runs of tools/bench_speed.

  tools/speed_tables.py mixed <run.json>      the writer that syncs
  tools/speed_tables.py stalls <run.json>     the longest stalls, and the bytes
  tools/speed_tables.py memtable <run.json>   of memtable_bench

Prints a Markdown table. Figures are medians over the runs of an engine.
"""

import json
import statistics
import sys

MIB = 1 << 20


def load(path):
  with open(path, encoding="utf-8") as file:
    return json.load(file)


def median(values):
  return statistics.median(list(values))


def table(head, rows):
  print("| " + " | ".join(head) + " |")
  print("| " + " | ".join("---" for _ in head) + " |")
  for row in rows:
    print("| " + " | ".join(row) + " |")
  print()


def engines_of(data):
  return [engine["name"] for engine in data["parameters"]["engines"]]


def mixed(data):
  rows = []
  for engine in engines_of(data):
    runs = [r for r in data["results"] if r["engine"] == engine]
    syncs = [r["background_latency_nanos"] for r in runs]
    rate = median(s["calls"] / r["seconds"] for s, r in zip(syncs, runs))
    rows.append([engine, f"{rate:,.0f}"] + [
        f"{median(s[name] / 1000 for s in syncs):,.0f}"
        for name in ("p50", "p99")])
  table(["the writer that syncs", "writes/s", "p50 µs", "p99 µs"], rows)


def stalls(data):
  rows = []
  for engine in engines_of(data):
    for name in ("fillrandom", "overwrite"):
      runs = [r for r in data["results"]
              if r["engine"] == engine and r["benchmark"] == name]
      latencies = [r["latency_nanos"] for r in runs]
      rows.append([name, engine] + [
          f"{median(l[key] / 1e6 for l in latencies):.3f}"
          for key in ("p99", "p99.9", "p99.99", "max")] + [
              f"{max(r['memory_bytes'] for r in runs) / MIB:,.0f}"])
  table(["benchmark", "engine", "p99 ms", "p99.9 ms", "p99.99 ms",
         "longest stall ms", "most MiB"], sorted(rows))


def memtable(data):
  """Nanoseconds an operation; a row for each size, order and threads."""
  found = {}
  for run in data["benchmarks"]:
    operation, order, _, entries, threads = run["run_name"].split("/")[:5]
    found.setdefault((order, int(threads.split(":")[1]),
                      int(entries.split(":")[1])), {})[operation] = run["time"]
  rows = [[order, str(threads), f"{entries:,}"] +
          [f"{1e9 * times[name]:,.0f}"
           for name in ("insert", "get", "seek", "scan")]
          for (order, threads, entries), times in sorted(found.items())]
  table(["keys", "threads", "entries", "insert ns", "get ns", "seek ns",
         "scan ns"], rows)


TABLES = {"mixed": mixed, "stalls": stalls, "memtable": memtable}


def main():
  if len(sys.argv) != 3 or sys.argv[1] not in TABLES:
    sys.exit(__doc__)
  TABLES[sys.argv[1]](load(sys.argv[2]))


if __name__ == "__main__":
  main()
