#include "cli/scan.h"

#include <memory>

#include <nlohmann/json.hpp>

#include "paceline/db.h"

#include "cli/database.h"
#include "cli/text.h"

namespace paceline::cli {
namespace {

// The smallest key, bytewise, above all that begin with `prefix`; nothing if
// there is none.
std::optional<std::string> PrefixEnd(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (prefix.empty()) return std::nullopt;
  prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

// Walks the keys that the options choose, in either direction.
class KeyRange {
 public:
  KeyRange(const ScanOptions& options, const Comparator* order)
      : options_(options), order_(order) {
    // Where in the order the prefix's keys begin and end. The bytewise end is
    // not one of them itself; Position() copes with that.
    std::optional<std::string> low = options.prefix;
    std::optional<std::string> high = PrefixEnd(options.prefix);
    if (order->Compare("a", "b") > 0) std::swap(low, high);
    first_ = options.from;
    if (low && (!first_ || Compare(*low, *first_) > 0)) first_ = low;
    last_ = options.to;
    if (high && (!last_ || Compare(*high, *last_) < 0)) last_ = high;
  }

  // To the first key of the range, or to where none is left.
  void Begin(Iterator* it) const {
    if (options_.reverse) {
      last_ ? it->SeekForPrev(*last_) : it->SeekToLast();
    } else {
      first_ ? it->Seek(*first_) : it->SeekToFirst();
    }
    while (it->Valid() && Position(it->key()) == kBefore) Next(it);
  }
  void Next(Iterator* it) const { options_.reverse ? it->Prev() : it->Next(); }
  [[nodiscard]] bool Contains(const Slice& key) const {
    return Position(key) == kInside;
  }

 private:
  enum RelativePosition { kBefore, kInside, kAfter };  // As the walk goes.

  [[nodiscard]] int Compare(const Slice& a, const Slice& b) const {
    return order_->Compare(a, b);
  }
  [[nodiscard]] RelativePosition Position(const Slice& key) const {
    RelativePosition low_side = options_.reverse ? kAfter : kBefore;
    RelativePosition high_side = options_.reverse ? kBefore : kAfter;
    if (options_.from && Compare(key, *options_.from) < 0) return low_side;
    if (options_.to && Compare(key, *options_.to) >= 0) return high_side;
    if (key.starts_with(options_.prefix)) return kInside;
    return Compare(key, options_.prefix) < 0 ? low_side : high_side;
  }

  const ScanOptions& options_;
  const Comparator* const order_;
  std::optional<std::string> first_;
  std::optional<std::string> last_;
};

Status PrintEntry(const Slice& key, const Slice& value,
                  const ScanOptions& options, Output* out) {
  std::string line;
  if (options.json) {
    nlohmann::ordered_json object;
    AddBytes("key", key, options.hex, &object);
    AddBytes("value", value, options.hex, &object);
    line = object.dump();
  } else {
    auto append = options.hex ? AppendHex : AppendEscaped;
    append(key, &line);
    line += '\t';
    append(value, &line);
  }
  return out->WriteLine(line);
}

}  // namespace

Status Scan(const ScanOptions& options, Output* out) {
  auto database = Database::OpenForReading(options.directory, {});
  if (!database.ok()) return database.status();
  auto family = (*database)->Family(options.column_family);
  if (!family.ok()) return family.status();

  std::unique_ptr<Iterator> it((*database)->db()->NewIterator({}, *family));
  KeyRange range(options, (*family)->GetComparator());
  uint64_t left = options.limit;
  for (range.Begin(it.get());
       left > 0 && it->Valid() && range.Contains(it->key());
       range.Next(it.get()), --left) {
    Status s = PrintEntry(it->key(), it->value(), options, out);
    if (!s.ok()) return s;
  }
  return it->status();
}

}  // namespace paceline::cli
