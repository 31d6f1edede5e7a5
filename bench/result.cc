#include "bench/result.h"

#include <nlohmann/json.hpp>

namespace paceline::bench {

namespace {

using Json = nlohmann::ordered_json;

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::optional<uint64_t> CountOrNothing(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return json.get<uint64_t>();
}

std::optional<double> Quotient(const std::optional<uint64_t>& dividend,
                               const std::optional<uint64_t>& divisor) {
  if (!dividend || !divisor || *divisor == 0) return std::nullopt;
  return static_cast<double>(*dividend) / static_cast<double>(*divisor);
}

Json ToJson(const Latencies& latencies) {
  return {{"calls", latencies.calls}, {"mean", latencies.mean},
          {"min", latencies.min},     {"p50", latencies.p50},
          {"p75", latencies.p75},     {"p99", latencies.p99},
          {"p99.9", latencies.p999},  {"p99.99", latencies.p9999},
          {"max", latencies.max}};
}

Latencies LatenciesFrom(const Json& json) {
  Latencies latencies;
  json.at("calls").get_to(latencies.calls);
  json.at("mean").get_to(latencies.mean);
  json.at("min").get_to(latencies.min);
  json.at("p50").get_to(latencies.p50);
  json.at("p75").get_to(latencies.p75);
  json.at("p99").get_to(latencies.p99);
  json.at("p99.9").get_to(latencies.p999);
  json.at("p99.99").get_to(latencies.p9999);
  json.at("max").get_to(latencies.max);
  return latencies;
}

}  // namespace

Latencies Latencies::Of(const Histogram& histogram) {
  return {.calls = histogram.count(),
          .mean = histogram.mean(),
          .min = histogram.min(),
          .p50 = histogram.Quantile(0.5),
          .p75 = histogram.Quantile(0.75),
          .p99 = histogram.Quantile(0.99),
          .p999 = histogram.Quantile(0.999),
          .p9999 = histogram.Quantile(0.9999),
          .max = histogram.max()};
}

std::optional<double> RunResult::CommitsPerGroup() const {
  return Quotient(commits, groups);
}

std::optional<double> RunResult::CommitsPerSync() const {
  return Quotient(commits, syncs);
}

void to_json(Json& json, const RunResult& result) {
  json = Json{{"benchmark", result.benchmark},
              {"engine", result.engine},
              {"threads", result.threads},
              {"sync", result.sync},
              {"run", result.run},
              {"operations", result.operations},
              {"seconds", result.seconds},
              {"operations_per_second", result.OperationsPerSecond()},
              {"thread_seconds", result.thread_seconds},
              {"bytes", result.bytes},
              {"found", OrNull(result.found)},
              {"latency_nanos", ToJson(result.latencies)},
              {"commits", OrNull(result.commits)},
              {"groups", OrNull(result.groups)},
              {"commits_per_group", OrNull(result.CommitsPerGroup())},
              {"syncs", OrNull(result.syncs)},
              {"commits_per_sync", OrNull(result.CommitsPerSync())},
              {"table_bytes", OrNull(result.table_bytes)},
              {"directory_bytes", OrNull(result.directory_bytes)},
              {"memory_bytes", OrNull(result.memory_bytes)},
              {"background_latency_nanos", nullptr}};
  if (result.background_latencies) {
    json["background_latency_nanos"] = ToJson(*result.background_latencies);
  }
}

void from_json(const Json& json, RunResult& result) {
  json.at("benchmark").get_to(result.benchmark);
  json.at("engine").get_to(result.engine);
  json.at("threads").get_to(result.threads);
  json.at("sync").get_to(result.sync);
  json.at("run").get_to(result.run);
  json.at("operations").get_to(result.operations);
  json.at("seconds").get_to(result.seconds);
  json.at("thread_seconds").get_to(result.thread_seconds);
  json.at("bytes").get_to(result.bytes);
  result.found = CountOrNothing(json.at("found"));
  result.latencies = LatenciesFrom(json.at("latency_nanos"));
  result.commits = CountOrNothing(json.at("commits"));
  result.groups = CountOrNothing(json.at("groups"));
  result.syncs = CountOrNothing(json.at("syncs"));
  result.table_bytes = CountOrNothing(json.at("table_bytes"));
  result.directory_bytes = CountOrNothing(json.at("directory_bytes"));
  result.memory_bytes = CountOrNothing(json.at("memory_bytes"));
  const Json& background = json.at("background_latency_nanos");
  if (!background.is_null()) {
    result.background_latencies = LatenciesFrom(background);
  }
}

}  // namespace paceline::bench
