// Machine: what the numbers were measured on.

#pragma once

#include <string>

namespace paceline::bench {

struct Machine {
  std::string processor;
  int cores = 0;
  std::string kernel;
  std::string file_system;
  // The file system has no device: a sync is free and proves nothing.
  bool is_in_memory = false;
};

// `directory`, which must exist, is where the databases will be.
Machine DescribeMachine(const std::string& directory);

}  // namespace paceline::bench
