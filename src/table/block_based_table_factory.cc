// The TableFactory that an application makes with the options of its tables.

#include "paceline/table.h"

namespace paceline {
namespace {

// Constant after construction.
class BlockBasedTableFactory final : public TableFactory {
 public:
  explicit BlockBasedTableFactory(const BlockBasedTableOptions& options)
      : options_(options) {}

  const char* Name() const override { return "BlockBasedTable"; }
  const BlockBasedTableOptions& options() const override { return options_; }

 private:
  const BlockBasedTableOptions options_;
};

}  // namespace

TableFactory* NewBlockBasedTableFactory(const BlockBasedTableOptions& options) {
  return new BlockBasedTableFactory(options);
}

}  // namespace paceline
