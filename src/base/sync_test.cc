#include "src/base/sync.h"

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace paceline {
namespace {

// The ordinals of `count` threads that live at the same time.
std::vector<uint32_t> OrdinalsTogether(size_t count) {
  std::vector<uint32_t> ordinals(count);
  std::vector<std::thread> threads;
  Atomic<size_t> asked = 0;
  for (uint32_t& ordinal : ordinals) {
    threads.emplace_back([&] {
      ordinal = ThreadOrdinal();
      asked.fetch_add(1);
      while (asked.load() < count) std::this_thread::yield();
    });
  }
  for (std::thread& thread : threads) thread.join();
  return ordinals;
}

TEST(ThreadOrdinalTest, AThreadKeepsItsOwn) {
  const uint32_t own = ThreadOrdinal();
  EXPECT_EQ(ThreadOrdinal(), own);
  OrdinalsTogether(4);
  EXPECT_EQ(ThreadOrdinal(), own);
}

TEST(ThreadOrdinalTest, ThreadsThatLiveTogetherHaveDifferentOnes) {
  std::vector<uint32_t> ordinals = OrdinalsTogether(40);
  ordinals.push_back(ThreadOrdinal());
  const std::set<uint32_t> different(ordinals.begin(), ordinals.end());
  EXPECT_EQ(different.size(), ordinals.size());
}

TEST(ThreadOrdinalTest, ThoseOfThreadsThatEndedAreUsedAgain) {
  ThreadOrdinal();
  OrdinalsTogether(8);
  for (int i = 0; i < 100; ++i) {
    const std::vector<uint32_t> ordinals = OrdinalsTogether(2);
    EXPECT_LT(*std::max_element(ordinals.begin(), ordinals.end()), 9u);
  }
}

struct AsksWhenDestroyed {
  explicit AsksWhenDestroyed(Atomic<uint32_t>* asked) : answer(asked) {}
  ~AsksWhenDestroyed() { answer->store(ThreadOrdinal()); }
  Atomic<uint32_t>* const answer;
};

TEST(ThreadOrdinalTest, AnEndingThreadStillHasOne) {
  Atomic<uint32_t> answer = UINT32_MAX;
  uint32_t own = 0;
  std::thread([&] {
    // Made first, so destroyed last: behind what gives the number back.
    thread_local const AsksWhenDestroyed asks(&answer);
    static_cast<void>(asks.answer);
    own = ThreadOrdinal();
  }).join();
  EXPECT_EQ(answer.load(), own);
}

}  // namespace
}  // namespace paceline
