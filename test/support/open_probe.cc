// open_probe: opens a database read-write and ends with the number of the
// status code, so that tests learn what another process is told.
//
//   open_probe <directory> [hold]
//
// With `hold` it keeps the database open until its standard input ends, and
// writes a line when it is open.

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

#include "paceline/db.h"

int main(int argc, char** argv) {
  if (argc < 2) return 255;
  paceline::Options options;
  options.create_if_missing = true;
  std::unique_ptr<paceline::DB> db;
  const paceline::Status status = paceline::DB::Open(options, argv[1], &db);
  if (status.ok() && argc > 2 && std::string(argv[2]) == "hold") {
    std::puts("open");
    std::fflush(stdout);
    char byte = 0;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
  }
  return status.code();
}
