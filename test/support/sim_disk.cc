#include "test/support/sim_disk.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "src/base/check.h"

namespace paceline {

namespace {

constexpr uint64_t kWordBytes = 8;
// The words behind a torn store that is known to come last.
constexpr uint64_t kLastStoreBytes = 4;
constexpr size_t kFreedBytesMax = size_t{64} << 10;

uint64_t PagesOf(uint64_t bytes) {
  return (bytes + SimDisk::kPageBytes - 1) / SimDisk::kPageBytes;
}

// The parts of a path between its slashes.
std::vector<std::string> PartsOf(const std::string& path) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin < path.size()) {
    size_t end = std::min(path.find('/', begin), path.size());
    std::string part = path.substr(begin, end - begin);
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
    begin = end + 1;
  }
  return parts;
}

std::string LastPartOf(const std::string& path) {
  std::vector<std::string> parts = PartsOf(path);
  PL_CHECK(!parts.empty());
  return parts.back();
}

// Zeros out each word of [begin, end) of `*bytes` or not.
void DropWords(uint64_t begin, uint64_t end, TestRandom* random,
               std::string* bytes) {
  end = std::min<uint64_t>(end, bytes->size());
  while (begin < end) {
    uint64_t word_end =
        std::min(end, begin / kWordBytes * kWordBytes + kWordBytes);
    if (random->OneIn(2)) {
      std::fill(bytes->begin() + static_cast<int64_t>(begin),
                bytes->begin() + static_cast<int64_t>(word_end), '\0');
    }
    begin = word_end;
  }
}

}  // namespace

// --- Contents --------------------------------------------------------------

void SimDisk::Content::Write(uint64_t offset, const std::string& data) {
  if (bytes.size() < offset + data.size()) bytes.resize(offset + data.size());
  std::copy(data.begin(), data.end(),
            bytes.begin() + static_cast<int64_t>(offset));
}

void SimDisk::Content::Resize(uint64_t new_size) {
  if (bytes.size() > new_size) bytes.resize(new_size);
  size = new_size;
}

std::string SimDisk::Content::Page(uint64_t number) const {
  uint64_t begin = number * kPageBytes;
  std::string page;
  if (begin < bytes.size()) page = bytes.substr(begin, kPageBytes);
  page.resize(kPageBytes);
  return page;
}

// --- Events ----------------------------------------------------------------

SimDisk::SimDisk() { inodes_[kRoot].is_directory = true; }

void SimDisk::Apply(uint64_t id, const SimEvent& event) {
  using Kind = SimEvent::Kind;
  if (event.kind != Kind::kNote) last_append_ = Append();
  switch (event.kind) {
    case Kind::kCreate:
    case Kind::kMakeDirectory: {
      inodes_[event.inode].is_directory = event.kind == Kind::kMakeDirectory;
      next_inode_ = std::max(next_inode_, event.inode + 1);
      ChangeName({.to_directory = FindParent(event.path),
                  .to_name = LastPartOf(event.path),
                  .inode = event.inode});
      break;
    }
    case Kind::kAppend:
      ApplyAppend(id, event);
      break;
    case Kind::kAllocate:
    case Kind::kTruncate:
      Resize(id, event);
      break;
    case Kind::kSyncEnd:
      SyncInode(event.value, &inodes_.at(event.inode));
      break;
    case Kind::kSyncFailed:
      FailSync(event, &inodes_.at(event.inode));
      break;
    case Kind::kRename:
      ChangeName({.from_directory = FindParent(event.path),
                  .from_name = LastPartOf(event.path),
                  .to_directory = FindParent(event.to_path),
                  .to_name = LastPartOf(event.to_path),
                  .inode = event.inode});
      break;
    case Kind::kRemove:
      freed_ = inodes_.at(event.inode).cached.bytes.substr(0, kFreedBytesMax);
      [[fallthrough]];
    case Kind::kRemoveDirectory:
      ChangeName({.from_directory = FindParent(event.path),
                  .from_name = LastPartOf(event.path)});
      break;
    case Kind::kSyncDirectory:
      SyncNames(Find(event.path));
      break;
    case Kind::kDropCaches:
      for (auto& [number, inode] : inodes_) DropCaches(&inode);
      break;
    case Kind::kSyncBegin:
    case Kind::kClose:
    case Kind::kNote:
      break;
  }
}

void SimDisk::ApplyName(const NameChange& change, Names* names) {
  if (change.from_directory != 0) {
    names->erase({change.from_directory, change.from_name});
  }
  if (change.to_directory != 0) {
    (*names)[{change.to_directory, change.to_name}] = change.inode;
  }
}

void SimDisk::ChangeName(NameChange change) {
  ApplyName(change, &names_);
  name_changes_.push_back(std::move(change));
}

void SimDisk::SyncNames(uint64_t directory) {
  auto is_in_directory = [directory](const NameChange& change) {
    return change.from_directory == directory ||
           change.to_directory == directory;
  };
  for (const NameChange& change : name_changes_) {
    if (is_in_directory(change)) ApplyName(change, &durable_names_);
  }
  std::erase_if(name_changes_, is_in_directory);
}

void SimDisk::ApplyAppend(uint64_t id, const SimEvent& event) {
  Inode& inode = inodes_.at(event.inode);
  uint64_t end = event.offset + event.bytes.size();
  inode.cached.Write(event.offset, event.bytes);
  for (uint64_t page = event.offset / kPageBytes; page < PagesOf(end); ++page) {
    inode.dirty[page].push_back(
        {.event = id, .end = end, .bytes = inode.cached.Page(page)});
  }
  if (inode.cached.size < end) {
    inode.cached.size = end;
    inode.sizes.push_back({.event = id, .size = end});
  }
  last_append_ = {.inode = event.inode,
                  .offset = event.offset,
                  .size = event.bytes.size(),
                  .first_piece = event.value,
                  .is_mapped = event.is_mapped};
}

void SimDisk::Resize(uint64_t id, const SimEvent& event) {
  Inode& inode = inodes_.at(event.inode);
  inode.cached.Resize(event.offset);
  inode.sizes.push_back({.event = id, .size = event.offset});
  if (event.kind == SimEvent::Kind::kAllocate) {
    inode.allocated_end = event.offset;
  } else {
    inode.allocated_end = std::min(inode.allocated_end, event.offset);
  }
}

void SimDisk::SyncInode(uint64_t begin, Inode* inode) {
  for (auto page = inode->dirty.begin(); page != inode->dirty.end();) {
    auto& versions = page->second;
    auto newer = std::find_if(
        versions.begin(), versions.end(),
        [begin](const PageVersion& version) { return version.event > begin; });
    if (newer != versions.begin()) {
      const PageVersion& synced = *std::prev(newer);
      inode->durable.Write(page->first * kPageBytes, synced.bytes);
      inode->synced_end = std::max(inode->synced_end, synced.end);
      versions.erase(versions.begin(), newer);
    }
    page = versions.empty() ? inode->dirty.erase(page) : std::next(page);
  }
  uint64_t size = inode->durable.size;
  for (const SizeVersion& version : inode->sizes) {
    if (version.event <= begin) size = version.size;
  }
  std::erase_if(inode->sizes, [begin](const SizeVersion& version) {
    return version.event <= begin;
  });
  inode->durable.Resize(size);
}

void SimDisk::FailSync(const SimEvent& event, Inode* inode) {
  TestRandom random(event.offset);
  for (auto page = inode->dirty.begin(); page != inode->dirty.end();) {
    auto& versions = page->second;
    uint64_t offset = page->first * kPageBytes;
    if (event.mode == FailedSync::kPartial) {
      const std::string& newest = versions.back().bytes;
      for (uint64_t at = 0; at < kPageBytes; at += kSectorBytes) {
        if (random.OneIn(2)) {
          inode->durable.Write(offset + at, newest.substr(at, kSectorBytes));
        }
      }
    }
    std::erase_if(versions, [&event](const PageVersion& version) {
      return version.event <= event.value;
    });
    page = versions.empty() ? inode->dirty.erase(page) : std::next(page);
  }
  if (event.mode == FailedSync::kPartial) {
    inode->durable.size = std::max<uint64_t>(
        inode->durable.size,
        std::min<uint64_t>(inode->durable.bytes.size(), inode->cached.size));
    inode->durable.Resize(inode->durable.size);
  }
  if (event.mode == FailedSync::kRevert) DropCaches(inode);
}

// The size stays: it is in the inode, not in a page.
void SimDisk::DropCaches(Inode* inode) {
  inode->cached.bytes = inode->durable.bytes;
  for (const auto& [page, versions] : inode->dirty) {
    inode->cached.Write(page * kPageBytes, versions.back().bytes);
  }
  inode->cached.Resize(inode->cached.size);
}

// --- Reading ---------------------------------------------------------------

uint64_t SimDisk::FindParent(const std::string& path) const {
  std::vector<std::string> parts = PartsOf(path);
  if (parts.empty()) return 0;
  uint64_t inode = kRoot;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    auto found = names_.find({inode, parts[i]});
    if (found == names_.end()) return 0;
    inode = found->second;
  }
  return inode;
}

uint64_t SimDisk::Find(const std::string& path) const {
  if (PartsOf(path).empty()) return kRoot;
  auto found = names_.find({FindParent(path), LastPartOf(path)});
  return found == names_.end() ? 0 : found->second;
}

bool SimDisk::IsDirectory(uint64_t inode) const {
  auto found = inodes_.find(inode);
  return found != inodes_.end() && found->second.is_directory;
}

std::vector<std::string> SimDisk::List(uint64_t directory) const {
  std::vector<std::string> listed;
  for (auto name = names_.lower_bound({directory, ""});
       name != names_.end() && name->first.first == directory; ++name) {
    listed.push_back(name->first.second);
  }
  return listed;
}

uint64_t SimDisk::Size(uint64_t inode) const {
  return inodes_.at(inode).cached.size;
}

size_t SimDisk::Read(uint64_t inode, uint64_t offset, size_t n,
                     char* to) const {
  const Content& content = inodes_.at(inode).cached;
  if (offset >= content.size) return 0;
  n = std::min<uint64_t>(n, content.size - offset);
  size_t filled = 0;
  if (offset < content.bytes.size()) {
    filled = std::min<uint64_t>(n, content.bytes.size() - offset);
    std::memcpy(to, content.bytes.data() + offset, filled);
  }
  std::memset(to + filled, 0, n - filled);
  return n;
}

uint64_t SimDisk::AllocatedBytes(uint64_t inode) const {
  const Inode& file = inodes_.at(inode);
  return PagesOf(std::max(file.cached.size, file.allocated_end)) * kPageBytes;
}

uint64_t SimDisk::DirtyBytes(uint64_t inode) const {
  return inodes_.at(inode).dirty.size() * kPageBytes;
}

std::map<std::string, std::string> SimDisk::Files() const {
  std::map<std::string, std::string> files;
  std::vector<std::pair<uint64_t, std::string>> directories = {{kRoot, ""}};
  while (!directories.empty()) {
    auto [directory, path] = directories.back();
    directories.pop_back();
    for (const std::string& name : List(directory)) {
      std::string child_path = path + "/" + name;
      uint64_t child = names_.at({directory, name});
      if (IsDirectory(child)) {
        directories.emplace_back(child, child_path);
        continue;
      }
      std::string& bytes = files[child_path];
      bytes.resize(Size(child));
      Read(child, 0, bytes.size(), bytes.data());
    }
  }
  return files;
}

// --- Crashes ---------------------------------------------------------------

SimDisk SimDisk::AfterCrash(CrashModel model, uint64_t seed) const {
  TestRandom random(seed * kCrashModels + static_cast<uint64_t>(model));
  SimDisk disk;
  disk.next_inode_ = next_inode_;
  disk.freed_ = freed_;
  Names names = NamesAfterCrash(model, &random);
  std::vector<uint64_t> directories = {kRoot};
  while (!directories.empty()) {
    uint64_t directory = directories.back();
    directories.pop_back();
    for (auto name = names.lower_bound({directory, ""});
         name != names.end() && name->first.first == directory; ++name) {
      disk.names_.insert(*name);
      uint64_t number = name->second;
      const Inode& inode = inodes_.at(number);
      Inode& found = disk.inodes_[number];
      found.is_directory = inode.is_directory;
      if (inode.is_directory) {
        directories.push_back(number);
        continue;
      }
      found.durable = ContentAfterCrash(inode, model, &random);
      if (number == last_append_.inode) {
        TearLastAppend(model, &random, &found.durable);
      }
      found.cached = found.durable;
      found.synced_end = found.durable.size;
      found.allocated_end = found.durable.size;
    }
  }
  disk.durable_names_ = disk.names_;
  return disk;
}

SimDisk::Names SimDisk::NamesAfterCrash(CrashModel model,
                                        TestRandom* random) const {
  if (model == CrashModel::kAll || model == CrashModel::kSizes) return names_;
  Names names = durable_names_;
  if (model == CrashModel::kNothing) return names;
  bool is_prefix = model == CrashModel::kPrefix || random->OneIn(4);
  size_t kept = random->Below(name_changes_.size() + 1);
  for (size_t i = 0; i < name_changes_.size(); ++i) {
    if (is_prefix ? i < kept : random->OneIn(2)) {
      ApplyName(name_changes_[i], &names);
    }
  }
  return names;
}

SimDisk::Content SimDisk::ContentAfterCrash(const Inode& inode,
                                            CrashModel model,
                                            TestRandom* random) const {
  if (model == CrashModel::kAll) return inode.cached;
  Content content = inode.durable;
  switch (model) {
    case CrashModel::kNothing:
    case CrashModel::kAll:
      break;
    case CrashModel::kPrefix:
      KeepPrefix(inode, random, &content);
      break;
    case CrashModel::kPages:
      KeepPages(inode, 1, random, &content);
      break;
    case CrashModel::kSectors:
      KeepSectors(inode, /*tears=*/false, random, &content);
      break;
    case CrashModel::kSizes:
      KeepSizes(inode, random, &content);
      break;
    case CrashModel::kTornSectors:
      KeepSectors(inode, /*tears=*/true, random, &content);
      break;
    case CrashModel::kFolios:
      KeepPages(inode, uint64_t{4} << random->Below(4), random, &content);
      break;
  }
  return content;
}

void SimDisk::KeepPrefix(const Inode& inode, TestRandom* random, Content* to) {
  std::set<uint64_t> events;
  for (const auto& [page, versions] : inode.dirty) {
    for (const PageVersion& version : versions) events.insert(version.event);
  }
  for (const SizeVersion& version : inode.sizes) events.insert(version.event);
  if (events.empty()) return;
  uint64_t kept = random->Below(events.size() + 1);
  if (kept == 0) return;
  uint64_t last = *std::next(events.begin(), static_cast<int64_t>(kept) - 1);
  for (const auto& [page, versions] : inode.dirty) {
    for (const PageVersion& version : versions) {
      if (version.event <= last) to->Write(page * kPageBytes, version.bytes);
    }
  }
  uint64_t size = to->size;
  for (const SizeVersion& version : inode.sizes) {
    if (version.event <= last) size = version.size;
  }
  to->Resize(size);
}

uint64_t SimDisk::PickSize(const Inode& inode, uint64_t persisted_end,
                           TestRandom* random) {
  if (inode.sizes.empty()) return inode.durable.size;
  switch (random->Below(3)) {
    case 0:
      return std::max(inode.durable.size,
                      std::min(persisted_end, inode.cached.size));
    case 1:
      return inode.cached.size;
    default:
      return inode.sizes[random->Below(inode.sizes.size())].size;
  }
}

// Each unit keeps its durable bytes or gets one of its versions.
void SimDisk::KeepPages(const Inode& inode, uint64_t unit_pages,
                        TestRandom* random, Content* to) {
  uint64_t newest_of = random->Below(4);  // So many in 3 get the newest.
  uint64_t end = 0;
  uint64_t unit = UINT64_MAX;
  bool is_kept = false;
  for (const auto& [page, versions] : inode.dirty) {
    size_t chosen = random->Below(versions.size() + 1);
    if (random->Below(3) < newest_of) chosen = versions.size();
    if (unit_pages > 1) {
      if (page / unit_pages != unit) is_kept = random->OneIn(2);
      unit = page / unit_pages;
      chosen = is_kept ? versions.size() : 0;
    }
    if (chosen == 0) continue;
    to->Write(page * kPageBytes, versions[chosen - 1].bytes);
    end = std::max(end,
                   std::min(versions[chosen - 1].end, (page + 1) * kPageBytes));
  }
  to->Resize(PickSize(inode, end, random));
}

// A sector that is torn has bytes of two versions, or none of any if nothing
// in it was synced before: a device never loses what it is not asked to write.
void SimDisk::KeepSectors(const Inode& inode, bool tears, TestRandom* random,
                          Content* to) {
  uint64_t newest_of = random->Below(4);
  uint64_t end = 0;
  for (const auto& [page, versions] : inode.dirty) {
    for (uint64_t at = 0; at < kPageBytes; at += kSectorBytes) {
      uint64_t offset = page * kPageBytes + at;
      size_t chosen = random->Below(versions.size() + 1);
      if (random->Below(3) < newest_of) chosen = versions.size();
      std::string sector = to->Page(page).substr(at, kSectorBytes);
      std::string old = sector;
      if (chosen > 0) {
        sector = versions[chosen - 1].bytes.substr(at, kSectorBytes);
        end = std::max(
            end, std::min(versions[chosen - 1].end, offset + kSectorBytes));
      }
      if (tears && random->OneIn(4)) {
        uint64_t cut = random->Below(kSectorBytes);
        uint64_t kind = random->Below(3);
        if (kind == 0) {
          sector = sector.substr(0, cut) + old.substr(cut);
        } else if (kind == 1) {
          sector = old.substr(0, cut) + sector.substr(cut);
        } else if (offset >= inode.synced_end) {
          sector = random->Bytes(kSectorBytes);
        }
      }
      to->Write(offset, sector);
    }
  }
  to->Resize(PickSize(inode, end, random));
}

// Blocks that were never synced and not allocated before may hold anything.
void SimDisk::KeepSizes(const Inode& inode, TestRandom* random,
                        Content* to) const {
  uint64_t size = inode.sizes.empty() || random->OneIn(4)
                      ? inode.cached.size
                      : inode.sizes[random->Below(inode.sizes.size())].size;
  if (inode.sizes.empty()) size = inode.durable.size;
  uint64_t filler = random->Below(3);
  bool is_empty = random->OneIn(4);
  for (const auto& [page, versions] : inode.dirty) {
    uint64_t offset = page * kPageBytes;
    bool is_kept = !is_empty && random->OneIn(2);
    if (is_kept) {
      to->Write(offset, versions.back().bytes);
    } else if (offset >= inode.synced_end && offset >= inode.allocated_end) {
      std::string block(kPageBytes, '\0');
      if (filler == 1) block = random->Bytes(kPageBytes);
      if (filler == 2 && offset < freed_.size()) {
        block.replace(0, freed_.size() - offset, freed_, offset, kPageBytes);
        block.resize(kPageBytes);
      }
      to->Write(offset, block);
    }
  }
  bool has_synced = inode.synced_end > 0 || inode.durable.size > 0;
  to->Resize(is_empty && !has_synced ? 0 : size);
}

std::string SimDisk::Refute(
    const std::map<std::string, std::string>& found) const {
  constexpr size_t kChangesMax = 20;
  PL_CHECK(name_changes_.size() <= kChangesMax);
  std::string reason = "no choice of the unsynced changes leaves these names";
  for (uint64_t kept = 0; kept >> name_changes_.size() == 0; ++kept) {
    SimDisk disk = *this;
    disk.names_ = durable_names_;
    for (size_t i = 0; i < name_changes_.size(); ++i) {
      if ((kept >> i & 1) != 0) ApplyName(name_changes_[i], &disk.names_);
    }
    auto has_same_name = [](const auto& a, const auto& b) {
      return a.first == b.first;
    };
    std::map<std::string, std::string> expected = disk.Files();
    if (!std::equal(expected.begin(), expected.end(), found.begin(),
                    found.end(), has_same_name)) {
      continue;
    }
    reason.clear();
    for (const auto& [path, bytes] : found) {
      std::string why = RefuteBytes(inodes_.at(disk.Find(path)), bytes);
      if (!why.empty()) reason = path + ": " + why;
    }
    if (reason.empty()) return reason;
  }
  return reason;
}

std::string SimDisk::RefuteBytes(const Inode& inode, const std::string& found) {
  bool is_size_known =
      found.size() == inode.durable.size ||
      (found.size() % kPageBytes == 0 && found.size() > inode.durable.size &&
       found.size() < inode.cached.size);
  for (const SizeVersion& version : inode.sizes) {
    is_size_known |= version.size == found.size();
  }
  if (!is_size_known) return "size " + std::to_string(found.size());
  for (uint64_t page = 0; page < PagesOf(found.size()); ++page) {
    std::string bytes = found.substr(page * kPageBytes, kPageBytes);
    std::vector<std::string> versions = {inode.durable.Page(page)};
    auto dirty = inode.dirty.find(page);
    if (dirty != inode.dirty.end()) {
      for (const PageVersion& version : dirty->second) {
        versions.push_back(version.bytes);
      }
    }
    if (std::none_of(versions.begin(), versions.end(),
                     [&bytes](const std::string& version) {
                       return version.starts_with(bytes);
                     })) {
      return "page " + std::to_string(page) + " is none of its " +
             std::to_string(versions.size()) + " versions";
    }
  }
  return "";
}

// What was being appended when the machine stopped. A killed process leaves
// what WritableFile::Append() says; a power cut any words.
void SimDisk::TearLastAppend(CrashModel model, TestRandom* random,
                             Content* to) const {
  if (last_append_.size == 0 || random->OneIn(2)) return;
  uint64_t begin = last_append_.offset;
  uint64_t end = begin + last_append_.size;
  switch (model) {
    case CrashModel::kAll:
      if (last_append_.is_mapped) {
        DropWords(begin, end, random, &to->bytes);
        uint64_t first_end = begin + last_append_.first_piece;
        if (last_append_.first_piece >= kLastStoreBytes) {
          to->bytes.replace(first_end - kLastStoreBytes, kLastStoreBytes,
                            kLastStoreBytes, '\0');
        }
      } else {
        const uint64_t kept = begin + random->Below(last_append_.size + 1);
        if (to->bytes.size() > end) {  // Into space that was there.
          to->bytes.replace(kept, end - kept, end - kept, '\0');
        } else {
          to->Resize(kept);
        }
      }
      break;
    case CrashModel::kSectors:
    case CrashModel::kTornSectors:
      // A page is not written while a system call copies into it.
      if (last_append_.is_mapped) DropWords(begin, end, random, &to->bytes);
      break;
    default:
      break;
  }
}

}  // namespace paceline
