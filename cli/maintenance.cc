#include "cli/maintenance.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "paceline/db.h"

#include "cli/database.h"
#include "cli/progress.h"
#include "cli/text.h"

namespace paceline::cli {
namespace {

using Json = nlohmann::ordered_json;

// What a job made of the files of one column family.
struct Effect {
  std::string family;
  ColumnFamilyMetaData before;
  ColumnFamilyMetaData after;
};

std::string FilesText(const ColumnFamilyMetaData& files) {
  return fmt::format("{} {} of {}", files.file_count,
                     files.file_count == 1 ? "file" : "files",
                     HumanBytes(files.size));
}

Json FilesJson(const ColumnFamilyMetaData& files) {
  Json levels = Json::array();
  for (const LevelMetaData& level : files.levels) {
    if (level.files.empty()) continue;
    levels.push_back({{"level", level.level},
                      {"files", level.files.size()},
                      {"bytes", level.size}});
  }
  return {{"files", files.file_count},
          {"bytes", files.size},
          {"levels", std::move(levels)}};
}

Status Print(const std::vector<Effect>& effects, bool json, Output* out) {
  for (const Effect& effect : effects) {
    std::string line =
        fmt::format("{}\t{} -> {}", Escaped(effect.family),
                    FilesText(effect.before), FilesText(effect.after));
    if (json) {
      Json object;
      AddBytes("column_family", effect.family, /*hex=*/false, &object);
      object["before"] = FilesJson(effect.before);
      object["after"] = FilesJson(effect.after);
      line = object.dump();
    }
    if (Status s = out->WriteLine(line); !s.ok()) return s;
  }
  return Status::OK();
}

using Families = std::vector<ColumnFamilyHandle*>;

uint64_t TableBytes(DB* db, const Families& families) {
  uint64_t bytes = 0;
  for (ColumnFamilyHandle* family : families) {
    bytes += db->GetColumnFamilyMetaData(family).size;
  }
  return bytes;
}

uint64_t BytesMerged(DB* db, const Families& /*families*/) {
  return db->GetMetrics().compaction_bytes_read;
}

uint64_t MemTableBytes(DB* db, const Families& families) {
  uint64_t bytes = 0;
  for (ColumnFamilyHandle* family : families) {
    uint64_t one = 0;
    if (db->GetIntProperty(family, "rocksdb.cur-size-all-mem-tables", &one)) {
      bytes += one;
    }
  }
  return bytes;
}

// What is done to a column family, and how far it is.
struct Job {
  std::function<Status(DB*, ColumnFamilyHandle*)> run;
  // Bytes that there are to do, at the start.
  uint64_t (*to_do)(DB*, const Families&) = nullptr;
  // What tells how many are done: by how much it has grown or shrunk.
  uint64_t (*measure)(DB*, const Families&) = nullptr;
  const char* verb = "";
};

std::function<std::string(size_t width)> JobLine(DB* db,
                                                 const Families& families,
                                                 const Job& job) {
  const uint64_t total = job.to_do(db, families);
  const uint64_t start = job.measure(db, families);
  return [=, measure = job.measure, verb = job.verb](size_t width) {
    const uint64_t now = measure(db, families);
    return BytesLine(std::max(now, start) - std::min(now, start), total, verb,
                     width);
  };
}

// Does `job` to one column family or to all of them.
Status RunJob(const std::string& directory,
              const std::optional<std::string>& name, bool json, const Job& job,
              Output* out) {
  auto database =
      Database::OpenForWriting(directory, /*create_if_missing=*/false);
  if (!database.ok()) return database.status();
  Families families = (*database)->families();
  if (name) {
    auto family = (*database)->Family(*name);
    if (!family.ok()) return family.status();
    families = {*family};
  }
  DB* db = (*database)->db();
  std::vector<Effect> effects;
  {
    Progress progress(JobLine(db, families, job));
    for (ColumnFamilyHandle* family : families) {
      Effect effect{family->GetName(), db->GetColumnFamilyMetaData(family), {}};
      if (Status s = job.run(db, family); !s.ok()) return s;
      effect.after = db->GetColumnFamilyMetaData(family);
      effects.push_back(std::move(effect));
    }
  }
  Status closed = (*database)->Close();
  return closed.ok() ? Print(effects, json, out) : closed;
}

}  // namespace

Status FlushDatabase(const FlushCommandOptions& options, Output* out) {
  return RunJob(options.directory, options.column_family, options.json,
                {.run =
                     [](DB* db, ColumnFamilyHandle* family) {
                       return db->Flush(FlushOptions(), family);
                     },
                 .to_do = MemTableBytes,
                 .measure = MemTableBytes,
                 .verb = "flushed"},
                out);
}

Status CompactDatabase(const CompactOptions& options, Output* out) {
  CompactRangeOptions range;
  if (options.force) {
    range.bottommost_level_compaction = BottommostLevelCompaction::kForce;
  }
  const Slice from = options.from ? Slice(*options.from) : Slice();
  const Slice to = options.to ? Slice(*options.to) : Slice();
  return RunJob(options.directory, options.column_family, options.json,
                {.run =
                     [&](DB* db, ColumnFamilyHandle* family) {
                       return db->CompactRange(range, family,
                                               options.from ? &from : nullptr,
                                               options.to ? &to : nullptr);
                     },
                 .to_do = TableBytes,
                 .measure = BytesMerged,
                 .verb = "merged"},
                out);
}

}  // namespace paceline::cli
