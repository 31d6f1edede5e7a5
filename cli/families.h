// The commands column-families list, create and drop.

#pragma once

#include <memory>
#include <string>

#include "paceline/comparator.h"
#include "paceline/merge_operator.h"
#include "paceline/status.h"

#include "cli/output.h"

namespace paceline::cli {

struct ListFamiliesOptions {
  std::string directory;
  bool json = false;
};
// Prints the names, one a line, in byte order.
Status ListFamilies(const ListFamiliesOptions& options, Output* out);

struct CreateFamilyOptions {
  std::string directory;
  std::string name;
  const Comparator* comparator = BytewiseComparator();
  std::shared_ptr<MergeOperator> merge_operator;
};
// InvalidArgument if the name exists.
Status CreateFamily(const CreateFamilyOptions& options);

struct DropFamilyOptions {
  std::string directory;
  std::string name;
};
// NotFound if there is none of that name.
Status DropFamily(const DropFamilyOptions& options);

}  // namespace paceline::cli
