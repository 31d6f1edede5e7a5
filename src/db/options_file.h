// The OPTIONS file: the options of the last open, as text.

#pragma once

#include <string>
#include <vector>

#include "paceline/db.h"
#include "paceline/options.h"
#include "paceline/status.h"

namespace paceline {

// The text of the file for these options. `families` starts with the default
// one.
std::string OptionsToText(const DBOptions& db_options,
                          const std::vector<ColumnFamilyDescriptor>& families);

// The reverse. Sets what the text names in `*db_options`, and makes one
// descriptor for each column family section. Corruption, with the line, if the
// text does not parse. Names that are not known are passed over, and so are
// values that Paceline does not have, such as a way to compress. `path` is for
// messages.
Status ParseOptionsText(const std::string& text, const std::string& path,
                        DBOptions* db_options,
                        std::vector<ColumnFamilyDescriptor>* families);

}  // namespace paceline
