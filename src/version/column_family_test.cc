#include "src/version/column_family.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "test/support/effort.h"

namespace paceline {
namespace {

std::shared_ptr<MemTable> NewMemTable() {
  return std::make_shared<MemTable>(BytewiseComparator());
}

class ColumnFamilyTest : public testing::Test {
 protected:
  ColumnFamily family_{0, "default", ColumnFamilyOptions()};
};

TEST_F(ColumnFamilyTest, AShortPinIsOfTheSuperVersionOfNow) {
  MemTable* first = family_.mutable_memtable();
  {
    ColumnFamily::ShortPin pin(&family_);
    EXPECT_EQ(pin->mutable_memtable.get(), first);
    family_.SealMemTable(2);
    EXPECT_EQ(pin->mutable_memtable.get(), first);
  }
  ColumnFamily::ShortPin pin(&family_);
  EXPECT_EQ(pin->mutable_memtable.get(), family_.mutable_memtable());
  ASSERT_EQ(pin->sealed_memtables.size(), 1u);
  EXPECT_EQ(pin->sealed_memtables[0].get(), first);
}

TEST_F(ColumnFamilyTest, WhatWasPutBackIsLetGoOfByTheNextInstall) {
  std::shared_ptr<MemTable> memtable = NewMemTable();
  family_.ReplaceMutableMemTable(memtable);
  { ColumnFamily::ShortPin pin(&family_); }
  const std::weak_ptr<MemTable> old = memtable;
  memtable.reset();
  EXPECT_FALSE(old.expired());
  family_.ReplaceMutableMemTable(NewMemTable());
  EXPECT_TRUE(old.expired());
}

// Under the lock, the pin that the destructor takes would wait for ever.
TEST_F(ColumnFamilyTest, WhatIsReplacedIsLetGoOfBehindTheLock) {
  bool is_gone = false;
  family_.ReplaceMutableMemTable(std::shared_ptr<MemTable>(
      new MemTable(BytewiseComparator()), [&](MemTable* memtable) {
        EXPECT_NE(family_.PinSuperVersion(), nullptr);
        delete memtable;
        is_gone = true;
      }));
  // The slot is the last to hold it.
  { ColumnFamily::ShortPin pin(&family_); }
  family_.ReplaceMutableMemTable(NewMemTable());
  EXPECT_TRUE(is_gone);
}

// A reader puts back its pin just while it becomes obsolete, and reads no more.
TEST_F(ColumnFamilyTest, NoSlotKeepsWhatIsObsolete) {
  constexpr int kReaders = 2;
  const uint64_t rounds = Effort("PACELINE_PIN_ROUNDS", 30'000, 3'000);
  std::atomic<uint64_t> begun = 0;
  std::atomic<uint64_t> ended = 0;
  std::vector<std::thread> readers;
  for (int reader = 0; reader < kReaders; ++reader) {
    readers.emplace_back([&] {
      for (uint64_t round = 1; round <= rounds; ++round) {
        while (begun.load() < round) std::this_thread::yield();
        for (uint64_t pins = 0; pins < 1 + round % 8; ++pins) {
          ColumnFamily::ShortPin pin(&family_);
        }
        ended.fetch_add(1);
      }
    });
  }
  uint64_t kept = 0;
  for (uint64_t round = 1; round <= rounds; ++round) {
    const std::weak_ptr<const MemTable> old =
        family_.PinSuperVersion()->mutable_memtable;
    begun.store(round);
    for (uint64_t spins = 0; spins < round % 64; ++spins) SpinPause();
    family_.ReplaceMutableMemTable(NewMemTable());
    while (ended.load() < round * kReaders) std::this_thread::yield();
    if (!old.expired()) ++kept;
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(kept, 0u);
}

}  // namespace
}  // namespace paceline
