// Report: the results for people (db_bench's lines and tables in Markdown) and
// for programs (JSON).

#pragma once

#include <span>
#include <string>
#include <vector>

#include "paceline/status.h"

#include "bench/flags.h"
#include "bench/machine.h"
#include "bench/result.h"
#include "bench/summary.h"

namespace paceline::bench {

// What is measured and where, as db_bench prints it before the first result.
std::string HeaderText(const Flags& flags, const Machine& machine,
                       const std::string& directory);

// One line, as db_bench has it, continued with latencies, groups and syncs;
// if `names_run`, with engine, threads, sync mode and run.
std::string ResultLine(const RunResult& result, bool names_run);

// The distribution of the latencies, as db_bench --histogram has it.
std::string HistogramText(const RunResult& result);

// A table in Markdown, aligned to be read as it is; a line for each row.
std::string SummaryTable(std::span<const SummaryRow> rows);

// What one must know to read the table.
std::string SummaryCaption(const Flags& flags, const Machine& machine);

// Everything: parameters, machine, every run, the summary.
std::string JsonText(const Flags& flags, const Machine& machine,
                     std::span<const RunResult> results,
                     std::span<const SummaryRow> rows);

Status WriteFile(const std::string& path, const std::string& text);

}  // namespace paceline::bench
