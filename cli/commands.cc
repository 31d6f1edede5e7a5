#include "cli/commands.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/destroy.h"
#include "cli/dump.h"
#include "cli/entries.h"
#include "cli/families.h"
#include "cli/load.h"
#include "cli/maintenance.h"
#include "cli/manifest_dump.h"
#include "cli/scan.h"
#include "cli/stats.h"
#include "cli/table_dump.h"
#include "cli/text.h"
#include "cli/verify.h"
#include "cli/wal_dump.h"

namespace paceline::cli {
namespace {

// More would only wait for each other.
constexpr int kThreadsMax = 1024;
constexpr uint64_t kBatchMax = 1'000'000;

constexpr const char* kDashNote =
    "\nPut -- in front of a KEY or VALUE that begins with -.";

// CLI11's help without what the descriptions say better.
class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string& type = option->get_type_name();
    return option->get_positional() || type.empty() ? "" : " " + type;
  }
};

CLI::App* AddCommand(CLI::App* parent, const std::string& name,
                     const std::string& description,
                     const std::string& footer) {
  CLI::App* command = parent->add_subcommand(name, description);
  command->footer(footer);
  return command;
}

void AddDirectory(CLI::App* command, std::string* directory) {
  command->add_option("DIR", *directory, "The database's directory")
      ->required();
}

void AddColumnFamily(CLI::App* command, std::string* name) {
  command
      ->add_option("--column-family", *name,
                   "The column family (default: default)")
      ->type_name("NAME");
}

void AddColumnFamilyOrAll(CLI::App* command, std::optional<std::string>* name) {
  command
      ->add_option("--column-family", *name,
                   "One column family (default: all of them)")
      ->type_name("NAME");
}

void AddSync(CLI::App* command, bool* sync) {
  command->add_flag("--sync", *sync,
                    "Return only when a power cut cannot undo it");
}

void AddJson(CLI::App* command, bool* json, const std::string& description) {
  command->add_flag("--json", *json, description);
}

// Replaces the digits by the bytes they stand for.
void DecodeHex(const std::string& name, std::string* argument) {
  auto bytes = ParseHex(*argument);
  if (!bytes) {
    throw CLI::ValidationError(
        name, "with --hex it must be hexadecimal digits, two a byte");
  }
  *argument = std::move(*bytes);
}

std::shared_ptr<MergeOperator> DecodeMergeOperator(const std::string& name) {
  if (name.empty()) return nullptr;
  auto merge_operator = MergeOperatorByName(name);
  if (!merge_operator.ok()) {
    throw CLI::ValidationError("--merge-operator",
                               std::string(merge_operator.status().message()));
  }
  return std::move(*merge_operator);
}

template <typename T>
using Choices = std::vector<std::pair<std::string, T>>;

// An option that takes one of some words, each standing for a value.
template <typename T>
void AddChoice(CLI::App* command, const std::string& name,
               const Choices<T>& choices, T* value,
               const std::string& description) {
  std::vector<std::string> words;
  std::string type;
  for (const auto& [word, unused] : choices) {
    words.push_back(word);
    type += (type.empty() ? "" : "|") + word;
  }
  auto choose = [choices, value](const std::string& chosen) {
    for (const auto& [word, meaning] : choices) {
      if (word == chosen) *value = meaning;
    }
  };
  command->add_option_function<std::string>(name, choose, description)
      ->check(CLI::IsMember(words).description(""))
      ->type_name(type);
}

// An option that takes a number from 1 to `max`.
template <typename T>
void AddNumber(CLI::App* command, const std::string& name, T max, T* value,
               const std::string& description) {
  command->add_option(name, *value, description)
      ->check(CLI::Range(T{1}, max).description(""))
      ->type_name("N");
}

void AddLoad(CLI::App* app, Action* action) {
  CLI::App* command = AddCommand(
      app, "load", "Commit records from files, with many threads at once",
      "Formats, one record a line:\n"
      "  tsv    key TAB value; \\t \\n \\r \\\\ stand for these bytes, \\xHH "
      "for "
      "any byte\n"
      "  jsonl  {\"key\": \"...\", \"value\": \"...\"}; \"key_hex\" and "
      "\"value_hex\" instead take\n"
      "         hexadecimal digits, for bytes that are not UTF-8\n"
      "The database and the column family are made if they are missing. Where "
      "a key\n"
      "occurs twice, the later value wins for certain only with --threads 1.\n"
      "--print-acks writes a line FIRST-LAST after every acknowledged commit: "
      "the\n"
      "numbers of its records, counted from 1 over all files without bad "
      "lines. What\n"
      "was printed is in the database, whatever happens to this process.\n\n"
      "Example:\n  paceline load /tmp/db words.tsv --threads 8 --batch 10 "
      "--sync\n"
      "  zcat events.jsonl.gz | paceline load /tmp/db - --format jsonl");
  auto options = std::make_shared<LoadOptions>();
  AddDirectory(command, &options->directory);
  command
      ->add_option("FILE", options->files,
                   "Files with records; - is standard input")
      ->required();
  AddNumber(command, "--threads", kThreadsMax, &options->threads,
            "Threads that commit (default: 8)");
  AddNumber(command, "--batch", kBatchMax, &options->batch,
            "Records a commit (default: 100)");
  AddSync(command, &options->sync);
  AddColumnFamily(command, &options->column_family);
  AddChoice<RecordFormat>(
      command, "--format",
      {{"tsv", RecordFormat::kTsv}, {"jsonl", RecordFormat::kJsonl}},
      &options->format, "What the files are (default: tsv)");
  AddChoice<bool>(command, "--on-error", {{"stop", false}, {"skip", true}},
                  &options->skip_bad, "At a bad line (default: stop)");
  CLI::Option* print_acks =
      command->add_flag("--print-acks", options->print_acks,
                        "Print the records of every acknowledged commit");
  command->add_flag("--json", options->json, "Print the summary as JSON")
      ->excludes(print_acks);
  command->final_callback([options, action] {
    *action = [options](Output* out) { return Load(*options, out); };
  });
}

void AddGet(CLI::App* app, Action* action) {
  CLI::App* command = AddCommand(
      app, "get", "Print the value of a key",
      std::string("On a terminal, what is not printable is escaped.") +
          kDashNote + "\n\nExample:\n  paceline get /tmp/db colour");
  auto options = std::make_shared<GetOptions>();
  AddDirectory(command, &options->directory);
  command->add_option("KEY", options->key, "The key")->required();
  AddColumnFamily(command, &options->column_family);
  CLI::Option* hex = command->add_flag(
      "--hex", options->hex, "KEY and the value are hexadecimal digits");
  CLI::Option* json =
      command->add_flag("--json", options->json, "Print a JSON object");
  command
      ->add_flag("--raw", options->raw,
                 "Print the value's bytes and no newline")
      ->excludes(hex)
      ->excludes(json);
  command->final_callback([options, action] {
    if (options->hex) DecodeHex("KEY", &options->key);
    *action = [options](Output* out) { return Get(*options, out); };
  });
}

void AddPut(CLI::App* app, Action* action) {
  CLI::App* command = AddCommand(
      app, "put", "Set the value of a key",
      std::string("KEY and VALUE are taken as they are, without escapes.") +
          kDashNote + "\n\nExample:\n  paceline put /tmp/db colour red --sync");
  auto options = std::make_shared<PutOptions>();
  auto hex = std::make_shared<bool>(false);
  AddDirectory(command, &options->directory);
  command->add_option("KEY", options->key, "The key")->required();
  command->add_option("VALUE", options->value, "Its value")->required();
  AddColumnFamily(command, &options->column_family);
  command->add_flag("--hex", *hex, "KEY and VALUE are hexadecimal digits");
  AddSync(command, &options->sync);
  command->add_flag("--create", options->create,
                    "Make the database and column family if missing");
  command->final_callback([options, hex, action] {
    if (*hex) DecodeHex("KEY", &options->key);
    if (*hex) DecodeHex("VALUE", &options->value);
    *action = [options](Output*) { return Put(*options); };
  });
}

void AddDelete(CLI::App* app, Action* action) {
  CLI::App* command = AddCommand(
      app, "delete", "Remove a key",
      std::string("It is no error if there is no such key.") + kDashNote +
          "\n\nExample:\n  paceline delete /tmp/db colour");
  auto options = std::make_shared<DeleteOptions>();
  auto hex = std::make_shared<bool>(false);
  AddDirectory(command, &options->directory);
  command->add_option("KEY", options->key, "The key")->required();
  AddColumnFamily(command, &options->column_family);
  command->add_flag("--hex", *hex, "KEY is hexadecimal digits");
  AddSync(command, &options->sync);
  command->final_callback([options, hex, action] {
    if (*hex) DecodeHex("KEY", &options->key);
    *action = [options](Output*) { return Delete(*options); };
  });
}

void AddScan(CLI::App* app, Action* action) {
  CLI::App* command = AddCommand(
      app, "scan", "Print the entries of a column family in order",
      "Prints key TAB value with \\t \\n \\r \\\\ \\xHH for what is not "
      "printable, as load\nreads it. --json is load's jsonl.\n\n"
      "Example:\n  paceline scan /tmp/db --prefix user/ --limit 10\n"
      "  paceline scan /tmp/db | paceline load /tmp/copy -");
  auto options = std::make_shared<ScanOptions>();
  AddDirectory(command, &options->directory);
  AddColumnFamily(command, &options->column_family);
  command->add_option("--from", options->from, "First key")->type_name("KEY");
  command->add_option("--to", options->to, "End: the first key left out")
      ->type_name("KEY");
  command
      ->add_option("--prefix", options->prefix, "Only keys that begin with it")
      ->type_name("BYTES");
  command->add_option("--limit", options->limit, "At most so many entries")
      ->check(CLI::NonNegativeNumber.description(""))
      ->type_name("N");
  command->add_flag("--reverse", options->reverse, "Last key first");
  command->add_flag("--hex", options->hex,
                    "Keys and values, also in options, are hexadecimal");
  AddJson(command, &options->json, "Print a JSON object a line");
  command->final_callback([options, action] {
    if (options->hex) {
      if (options->from) DecodeHex("--from", &*options->from);
      if (options->to) DecodeHex("--to", &*options->to);
      DecodeHex("--prefix", &options->prefix);
    }
    *action = [options](Output* out) { return Scan(*options, out); };
  });
}

void AddColumnFamilies(CLI::App* app, Action* action) {
  CLI::App* group =
      AddCommand(app, "column-families", "List, create or drop column families",
                 "Example:\n  paceline column-families create /tmp/db users\n"
                 "  paceline column-families list /tmp/db");
  group->require_subcommand(1);

  CLI::App* list =
      AddCommand(group, "list", "Print the names of all column families",
                 "Example:\n  paceline column-families list /tmp/db");
  auto list_options = std::make_shared<ListFamiliesOptions>();
  AddDirectory(list, &list_options->directory);
  AddJson(list, &list_options->json, "Print a JSON object a line");
  list->final_callback([list_options, action] {
    *action = [list_options](Output* out) {
      return ListFamilies(*list_options, out);
    };
  });

  CLI::App* create =
      AddCommand(group, "create", "Make a column family",
                 "Example:\n  paceline column-families create /tmp/db users");
  auto create_options = std::make_shared<CreateFamilyOptions>();
  auto merge_operator = std::make_shared<std::string>();
  AddDirectory(create, &create_options->directory);
  create->add_option("NAME", create_options->name, "Its name")->required();
  AddChoice<const Comparator*>(create, "--comparator",
                               {{"bytewise", BytewiseComparator()},
                                {"reverse", ReverseBytewiseComparator()}},
                               &create_options->comparator,
                               "The order of its keys (default: bytewise)");
  create
      ->add_option("--merge-operator", *merge_operator,
                   "StringAppendOperator or UInt64AddOperator")
      ->type_name("NAME");
  create->final_callback([create_options, merge_operator, action] {
    create_options->merge_operator = DecodeMergeOperator(*merge_operator);
    *action = [create_options](Output*) {
      return CreateFamily(*create_options);
    };
  });

  CLI::App* drop =
      AddCommand(group, "drop", "Remove a column family and all its data",
                 "Example:\n  paceline column-families drop /tmp/db users");
  auto drop_options = std::make_shared<DropFamilyOptions>();
  AddDirectory(drop, &drop_options->directory);
  drop->add_option("NAME", drop_options->name, "Its name")->required();
  drop->final_callback([drop_options, action] {
    *action = [drop_options](Output*) { return DropFamily(*drop_options); };
  });
}

void AddDump(CLI::App* app, Action* action) {
  CLI::App* command = AddCommand(
      app, "dump", "Print every live entry of every column family",
      "Prints family TAB key TAB value, keys and values in hexadecimal; "
      "families in\nbyte order, keys in their family's order. Changes nothing "
      "in the directory.\nWhere the OPTIONS file names no merge operator, "
      "it is StringAppendOperator with\na comma.\n\n"
      "Example:\n  paceline dump /tmp/db | sha256sum");
  auto options = std::make_shared<DumpOptions>();
  auto merge_operator = std::make_shared<std::string>();
  AddDirectory(command, &options->directory);
  AddChoice<WALRecoveryMode>(
      command, "--recovery-mode",
      {{"tolerate", WALRecoveryMode::kTolerateCorruptedTailRecords},
       {"absolute", WALRecoveryMode::kAbsoluteConsistency},
       {"pit", WALRecoveryMode::kPointInTimeRecovery},
       {"skip", WALRecoveryMode::kSkipAnyCorruptedRecords}},
      &options->recovery_mode,
      "What to do about damage in a WAL (default: pit)");
  command
      ->add_option("--merge-operator", *merge_operator,
                   "Instead of the one in the OPTIONS file")
      ->type_name("NAME");
  command->final_callback([options, merge_operator, action] {
    options->merge_operator = DecodeMergeOperator(*merge_operator);
    *action = [options](Output* out) { return Dump(*options, out); };
  });
}

void AddDumpWal(CLI::App* app, Action* action) {
  CLI::App* command = AddCommand(
      app, "dump-wal", "Print the records of the write-ahead logs",
      "Damage is printed where it is found, with file and offset; the end of "
      "a log that\na crash cut off is damage too. While another process "
      "writes, "
      "the newest record\nmay be incomplete.\n\n"
      "Example:\n  paceline dump-wal /tmp/db\n"
      "  paceline dump-wal /tmp/db --json | jq .sequence");
  auto options = std::make_shared<DumpWalOptions>();
  AddDirectory(command, &options->directory);
  command->add_flag("--hex", options->hex,
                    "Print keys and values as hexadecimal digits");
  command->add_flag("--full", options->full,
                    "Do not shorten long keys and values");
  AddJson(command, &options->json, "Print a JSON object a record, in full");
  command->final_callback([options, action] {
    *action = [options](Output* out) { return DumpWal(*options, out); };
  });
}

void AddDumpManifest(CLI::App* app, Action* action) {
  CLI::App* command = AddCommand(
      app, "dump-manifest", "Print the version edits of the MANIFEST",
      "Each edit with its offset and its fields: files that come and go, log "
      "numbers,\ncolumn families. Damage is printed where it is found.\n\n"
      "Example:\n  paceline dump-manifest /tmp/db\n"
      "  paceline dump-manifest /tmp/db --json | jq .added_files");
  auto options = std::make_shared<DumpManifestOptions>();
  AddDirectory(command, &options->directory);
  AddJson(command, &options->json, "Print a JSON object an edit");
  command->final_callback([options, action] {
    *action = [options](Output* out) { return DumpManifest(*options, out); };
  });
}

void AddDumpSst(CLI::App* app, Action* action) {
  CLI::App* command = AddCommand(
      app, "dump-sst", "Print what is in SST files",
      "The footer and the properties of each file; with --entries also a line "
      "for each\nentry: operation, sequence number, key, value, and begin and "
      "end of each range\ndeletion behind them.\n\n"
      "Example:\n  paceline dump-sst /tmp/db/000012.sst --entries");
  auto options = std::make_shared<DumpTableOptions>();
  command->add_option("FILE", options->files, "SST files")->required();
  command->add_flag("--entries", options->entries, "Print the entries, too");
  command->add_flag("--hex", options->hex,
                    "Print keys and values as hexadecimal digits");
  command->add_flag("--full", options->full,
                    "Do not shorten long keys and values");
  AddJson(command, &options->json,
          "Print a JSON object a file and an entry, in full");
  command->final_callback([options, action] {
    *action = [options](Output* out) { return DumpTables(*options, out); };
  });
}

void AddFlush(CLI::App* app, Action* action) {
  CLI::App* command =
      AddCommand(app, "flush", "Write what is in memory and WALs to SST files",
                 "Prints the files of each column family before and after.\n\n"
                 "Example:\n  paceline flush /tmp/db");
  auto options = std::make_shared<FlushCommandOptions>();
  AddDirectory(command, &options->directory);
  AddColumnFamilyOrAll(command, &options->column_family);
  AddJson(command, &options->json, "Print a JSON object a column family");
  command->final_callback([options, action] {
    *action = [options](Output* out) { return FlushDatabase(*options, out); };
  });
}

void AddCompact(CLI::App* app, Action* action) {
  CLI::App* command = AddCommand(
      app, "compact", "Merge the levels of the tree",
      "Merges all of a range into the deepest level that has some of it. "
      "Prints the\nfiles of each column family before and after.\n\n"
      "Example:\n  paceline compact /tmp/db\n"
      "  paceline compact /tmp/db --column-family users --from a --to f "
      "--force");
  auto options = std::make_shared<CompactOptions>();
  auto hex = std::make_shared<bool>(false);
  AddDirectory(command, &options->directory);
  AddColumnFamilyOrAll(command, &options->column_family);
  command->add_option("--from", options->from, "First key")->type_name("KEY");
  command->add_option("--to", options->to, "Last key, included")
      ->type_name("KEY");
  command->add_flag("--hex", *hex, "The keys are hexadecimal digits");
  command->add_flag("--force", options->force,
                    "Rewrite files of the deepest level, too");
  AddJson(command, &options->json, "Print a JSON object a column family");
  command->final_callback([options, hex, action] {
    if (*hex && options->from) DecodeHex("--from", &*options->from);
    if (*hex && options->to) DecodeHex("--to", &*options->to);
    *action = [options](Output* out) { return CompactDatabase(*options, out); };
  });
}

void AddVerify(CLI::App* app, Action* action) {
  CLI::App* command = AddCommand(
      app, "verify", "Check every checksum of every file",
      "Reads the MANIFEST, all SST files and all WALs, checks them, and prints "
      "each\ndamaged place, and what it cannot check. Fails if there is one. "
      "Changes nothing.\nThe end of a WAL that a crash cut off is damage, too; "
      "while another process\nwrites, so may be the newest record.\n\n"
      "Example:\n  paceline verify /tmp/db && echo all is well");
  auto options = std::make_shared<VerifyOptions>();
  AddDirectory(command, &options->directory);
  AddJson(command, &options->json,
          "Print a JSON object a damage, and a summary");
  command->final_callback([options, action] {
    *action = [options](Output* out) { return Verify(*options, out); };
  });
}

void AddStats(CLI::App* app, Action* action) {
  CLI::App* command = AddCommand(
      app, "stats", "Show what a database holds, its levels and its files",
      "Example:\n  paceline stats /tmp/db");
  auto options = std::make_shared<StatsOptions>();
  AddDirectory(command, &options->directory);
  AddJson(command, &options->json, "Print a JSON object");
  command->final_callback([options, action] {
    *action = [options](Output* out) { return Stats(*options, out); };
  });
}

void AddDestroy(CLI::App* app, Action* action) {
  CLI::App* command =
      AddCommand(app, "destroy", "Remove a database with all its data",
                 "Files that are not the database's stay.\n\n"
                 "Example:\n  paceline destroy /tmp/db --yes");
  auto options = std::make_shared<DestroyOptions>();
  AddDirectory(command, &options->directory);
  command->add_flag("--yes", options->yes, "Do not ask");
  command->final_callback([options, action] {
    if (!options->yes && !CanAsk()) {
      throw CLI::ValidationError("--yes",
                                 "is needed where nobody is there to be asked");
    }
    *action = [options](Output*) { return Destroy(*options); };
  });
}

}  // namespace

void AddCommands(CLI::App* app, Action* action) {
  app->require_subcommand(1);
  auto formatter = std::make_shared<HelpFormatter>();
  formatter->column_width(28);
  app->formatter(formatter);  // Commands that are added later inherit it.
  AddLoad(app, action);
  AddGet(app, action);
  AddPut(app, action);
  AddDelete(app, action);
  AddScan(app, action);
  AddColumnFamilies(app, action);
  AddDump(app, action);
  AddDumpWal(app, action);
  AddDumpManifest(app, action);
  AddDumpSst(app, action);
  AddStats(app, action);
  AddVerify(app, action);
  AddFlush(app, action);
  AddCompact(app, action);
  AddDestroy(app, action);
}

}  // namespace paceline::cli
