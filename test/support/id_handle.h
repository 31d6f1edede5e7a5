// IdHandle: a handle of a column family that there need not be, for batches
// that no database is asked about.

#pragma once

#include <cstdint>
#include <string>

#include "paceline/db.h"

namespace paceline {

// Only has an id.
class IdHandle final : public ColumnFamilyHandle {
 public:
  explicit IdHandle(uint32_t id) : id_(id) {}
  [[nodiscard]] const std::string& GetName() const override { return name_; }
  [[nodiscard]] uint32_t GetID() const override { return id_; }
  [[nodiscard]] const Comparator* GetComparator() const override {
    return BytewiseComparator();
  }

 private:
  const uint32_t id_;
  const std::string name_ = "family";
};

}  // namespace paceline
