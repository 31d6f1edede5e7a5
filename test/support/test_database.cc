#include "test/support/test_database.h"

#include <algorithm>

#include "gtest/gtest.h"

namespace paceline {

Contents ContentsOf(const Model& model) {
  Contents contents;
  for (const auto& [name, entries] : model.families()) {
    contents[name].assign(entries.begin(), entries.end());
  }
  return contents;
}

std::string CanonicalDump(const Contents& contents) {
  std::string dump;
  for (const auto& [family, entries] : contents) {
    for (const auto& [key, value] : entries) {
      dump += family + "\t" + Slice(key).ToString(true) + "\t" +
              Slice(value).ToString(true) + "\n";
    }
  }
  return dump;
}

namespace {

std::string Shortened(const std::string& bytes) {
  constexpr size_t kShownBytes = 48;
  std::string text;
  for (const char c : bytes.substr(0, kShownBytes)) {
    const bool is_printable = c >= ' ' && c <= '~';
    text +=
        is_printable ? std::string(1, c) : "\\x" + Slice(&c, 1).ToString(true);
  }
  return "'" + text + "' (" + std::to_string(bytes.size()) + " bytes)";
}

}  // namespace

std::string Difference(const Contents& expected, const Contents& actual) {
  for (const auto& [family, ignored] : actual) {
    if (!expected.contains(family)) return "family not expected: " + family;
  }
  for (const auto& [family, entries] : expected) {
    const auto found = actual.find(family);
    if (found == actual.end()) return "family missing: " + family;
    const auto [want, have] =
        std::mismatch(entries.begin(), entries.end(), found->second.begin(),
                      found->second.end());
    const bool wants_more = want != entries.end();
    const bool has_more = have != found->second.end();
    if (!wants_more && !has_more) continue;
    return "family " + family + " with " +
           std::to_string(found->second.size()) + " entries instead of " +
           std::to_string(entries.size()) + "; expected " +
           (wants_more
                ? Shortened(want->first) + " = " + Shortened(want->second)
                : std::string("the end")) +
           ", found " +
           (has_more ? Shortened(have->first) + " = " + Shortened(have->second)
                     : std::string("the end"));
  }
  return "";
}

TestDatabase::~TestDatabase() {
  const Status status = Close();
  EXPECT_THAT(status, IsOk());
}

Status TestDatabase::Open(const Options& options, const std::string& directory,
                          const std::vector<std::string>& more_families) {
  return OpenEither(false, options, directory, more_families);
}

Status TestDatabase::OpenForReadOnly(const Options& options,
                                     const std::string& directory) {
  return OpenEither(true, options, directory, {});
}

ColumnFamilyOptions TestDatabase::OptionsOf(const std::string& family) const {
  ColumnFamilyOptions options = family_options_;
  const auto own = comparators_.find(family);
  if (own != comparators_.end()) options.comparator = own->second;
  return options;
}

Status TestDatabase::OpenEither(bool read_only, const Options& options,
                                const std::string& directory,
                                const std::vector<std::string>& more_families) {
  EXPECT_FALSE(is_open());
  std::vector<std::string> names = {kDefaultColumnFamilyName};
  const StatusOr<bool> exists =
      options.file_system->FileExists(directory + "/CURRENT");
  if (!exists.ok()) return exists.status();
  if (*exists) {
    Status status = DB::ListColumnFamilies(options, directory, &names);
    if (!status.ok()) return status;
  }
  for (const std::string& name : more_families) {
    if (std::count(names.begin(), names.end(), name) == 0) {
      names.push_back(name);
    }
  }
  family_options_ = options;
  std::vector<ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : names) {
    descriptors.emplace_back(name, OptionsOf(name));
  }
  std::vector<ColumnFamilyHandle*> handles;
  const Status status =
      read_only
          ? DB::OpenForReadOnly(options, directory, descriptors, &handles, &db_)
          : DB::Open(options, directory, descriptors, &handles, &db_);
  EXPECT_EQ(status.ok(), db_ != nullptr);
  if (!status.ok()) return status;
  EXPECT_EQ(handles.size(), names.size());
  for (ColumnFamilyHandle* handle : handles) {
    families_[handle->GetName()].reset(handle);
  }
  return status;
}

Status TestDatabase::Close() {
  if (!is_open()) return Status::OK();
  families_.clear();
  Status status = db_->Close();
  db_.reset();
  return status;
}

ColumnFamilyHandle* TestDatabase::Family(const std::string& name) const {
  const auto family = families_.find(name);
  return family == families_.end() ? nullptr : family->second.get();
}

std::vector<std::string> TestDatabase::FamilyNames() const {
  std::vector<std::string> names;
  for (const auto& [name, handle] : families_) names.push_back(name);
  return names;
}

Status TestDatabase::CreateFamily(const std::string& name) {
  ColumnFamilyHandle* handle = nullptr;
  Status status = db_->CreateColumnFamily(OptionsOf(name), name, &handle);
  if (status.ok()) families_[name].reset(handle);
  return status;
}

Status TestDatabase::DropFamily(const std::string& name) {
  Status status = db_->DropColumnFamily(Family(name));
  if (status.ok()) families_.erase(name);
  return status;
}

Contents TestDatabase::ReadAll(const Snapshot* snapshot) const {
  Contents contents;
  for (const auto& [name, handle] : families_) {
    const std::unique_ptr<Iterator> iterator(
        db_->NewIterator({.snapshot = snapshot}, handle.get()));
    auto& entries = contents[name];
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      entries.emplace_back(iterator->key().ToString(),
                           iterator->value().ToString());
    }
    EXPECT_THAT(iterator->status(), IsOk()) << "scan of " << name;
  }
  return contents;
}

}  // namespace paceline
