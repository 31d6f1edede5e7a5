#include "test/support/sim/commit_run.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "src/base/error_latch.h"
#include "src/commit/commit_target.h"
#include "src/commit/committer.h"
#include "src/commit/write_controller.h"
#include "test/support/sim/commit_call.h"

namespace paceline::sim {

namespace {

class CommitRun final : public CommitTarget, public Clock {
 public:
  explicit CommitRun(const Scenario& scenario);

  void Body();
  // Between steps: everything that has become visible may be so.
  void Observe();
  std::string Describe(const void* address);

  // --- Clock ---
  uint64_t NowMicros() override { return MonotonicNanos() / 1000; }
  uint64_t MonotonicNanos() override {
    if (!scenario_.has_own_time) return Nanos();
    Unseen unseen;
    return ++times_[static_cast<size_t>(FiberNumber())] * 10'000;
  }

  // --- CommitTarget ---
  bool NeedsRoom() const override REQUIRES(WriteThread::write_leader);
  Status MakeRoom() override REQUIRES(WriteThread::write_leader);
  Status Validate(const Writer& writer) override
      REQUIRES(WriteThread::write_leader);
  Status AppendToWal(const WriteGroup& group) override
      REQUIRES(WriteThread::write_leader);
  void ApplyToMemTables(const Writer& writer) override;
  Status SyncWal() override;

 private:
  void Write(Call* call);
  void Read();
  void BeAlone();
  void Close();
  void StallWrites(std::vector<Thread>* patient, std::vector<Thread>* others);

  // Whoever holds the role knows all that earlier holders did.
  void HoldRole() const;
  void CheckGroup(const WriteGroup& group) const;
  void CheckBytes(const WriteGroup& group, size_t bytes) const;
  void CheckReturn(Call* call, Writer* writer);
  void CheckSuccess(const Call& call, const Writer& writer);
  void CheckFailure(const Call& call);
  void CheckEnd();
  void CheckNumbers();
  void CheckPublished(Call* call, SequenceNumber before, SequenceNumber now);
  // A sync that covers the record has happened before.
  [[nodiscard]] bool IsDurable(size_t record) const;
  [[nodiscard]] SequenceNumber LastGiven() NO_THREAD_SAFETY_ANALYSIS {
    return committer_->last_sequence();
  }
  Call& CallOf(const Writer& writer) {
    return *calls_[writer.family_ids.front()];
  }

  const Scenario scenario_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<std::unique_ptr<WriterSlot>> exclusive_slots_;
  uint64_t times_[kFibersMax] = {};

  ErrorLatch latch_;
  WriteController controller_{this};
  std::unique_ptr<Committer> committer_;
  SequenceNumber visible_ = 0;

  mutable Moment role_;
  mutable int room_requests_ = 0;
  bool is_alone_ = false;
  bool is_closing_ = false;
  bool has_stalled_ = false;

  // The log.
  bool is_appending_ = false;
  bool is_syncing_ = false;
  int appends_ = 0;
  int syncs_ = 0;
  size_t records_ = 0;
  size_t acknowledged_ = 0;
  SequenceNumber last_in_log_ = 0;
  struct Sync {
    size_t covered = 0;
    Moment ended_at;
  };
  std::vector<Sync> good_syncs_;
  // A failure that nobody has mended yet, and whether there ever was one.
  bool is_append_broken_ = false;
  bool is_sync_broken_ = false;
  Moment sync_failed_at_;
  bool has_failed_ = false;
};

CommitRun::CommitRun(const Scenario& scenario) : scenario_(scenario) {
  for (const auto& writes : scenario.writers) {
    for (const auto& write : writes) {
      auto call = std::make_unique<Call>();
      call->number = static_cast<uint32_t>(calls_.size());
      call->write = write;
      calls_.push_back(std::move(call));
    }
  }
  for (int i = 0; i <= scenario.exclusives; ++i) {
    exclusive_slots_.push_back(std::make_unique<WriterSlot>());
  }
}

std::string CommitRun::Describe(const void* address) {
  for (const auto& call : calls_) {
    if (!call->slot.Holds(address)) continue;
    std::string text = "the state of " + call->Name();
    if (!call->is_begun || call->has_returned) return text + " (not running)";
    Still still;
    return text + " (" + std::to_string(call->slot.writer()->state.load()) +
           ')';
  }
  for (const auto& slot : exclusive_slots_) {
    if (slot->Holds(address)) return "the state of an exclusive Writer";
  }
  auto offset = static_cast<const char*>(address) -
                reinterpret_cast<const char*>(committer_.get());
  if (offset >= 0 && offset < static_cast<ptrdiff_t>(sizeof(Committer))) {
    return "the Committer at byte " + std::to_string(offset);
  }
  offset = static_cast<const char*>(address) -
           reinterpret_cast<const char*>(&controller_);
  if (offset >= 0 && offset < static_cast<ptrdiff_t>(sizeof(controller_))) {
    return "the WriteController at byte " + std::to_string(offset);
  }
  return "";
}

// --- The threads -------------------------------------------------------------

void CommitRun::Body() {
  Committer::Config config{
      .queue = {.group_bytes_max = scenario_.group_bytes_max,
                .separates_sync_writers = scenario_.visible_before_durable},
      .pipeline = {.visible_before_durable = scenario_.visible_before_durable},
      .clock = this};
  committer_ = std::make_unique<Committer>(config, this, &latch_, &controller_);
  role_ = Now();
  std::vector<Thread> impatient;  // All with no_slowdown.
  std::vector<Thread> others;
  size_t first = 0;
  for (const auto& writes : scenario_.writers) {
    bool is_impatient = std::all_of(
        writes.begin(), writes.end(),
        [](const Scenario::Write& write) { return write.no_slowdown; });
    size_t count = writes.size();
    (is_impatient ? impatient : others).emplace_back([this, first, count] {
      for (size_t i = 0; i < count; ++i) Write(calls_[first + i].get());
    });
    first += count;
  }
  for (int i = 0; i < scenario_.readers; ++i) {
    others.emplace_back([this] { Read(); });
  }
  if (scenario_.exclusives > 0) {
    others.emplace_back([this] {
      for (int i = 0; i < scenario_.exclusives; ++i) BeAlone();
    });
  }
  if (scenario_.closes) others.emplace_back([this] { Close(); });
  StallWrites(&impatient, &others);
  CheckEnd();
  committer_.reset();
}

void CommitRun::StallWrites(std::vector<Thread>* impatient,
                            std::vector<Thread>* others) {
  if (scenario_.delays) {
    has_stalled_ = true;
    controller_.SetStall(
        {.failure = {}, .bytes_per_second = 1 << 20, .family = "default"});
  }
  if (scenario_.stops) {
    has_stalled_ = true;
    controller_.AddStop();
  }
  for (Thread& thread : *impatient) thread.join();
  if (scenario_.stops) controller_.RemoveStop();
  if (scenario_.delays) {
    Touch(this);
    controller_.SetStall({.failure = {}, .family = {}});
  }
  for (Thread& thread : *others) thread.join();
}

void CommitRun::Write(Call* call) {
  Writer* writer = call->slot.Make();
  if (call->write.entries > 0) {
    writer->batch = BatchOf(call->write.entries, call->write.value_bytes);
  }
  writer->family_ids = {&call->number, 1};
  writer->sync = call->write.sync;
  writer->disable_wal = call->write.disable_wal;
  writer->no_slowdown = call->write.no_slowdown;
  {
    Unseen unseen;
    call->is_begun = true;
    call->begun_at_step = StepNumber();
    call->begun_at = Now();
    call->acknowledged_before = acknowledged_;
  }
  Status status = committer_->Commit(writer);
  {
    Unseen unseen;
    call->status = status;
    CheckReturn(call, writer);
  }
  call->slot.End();
  if (!status.ok() || call->write.entries == 0) return;
  // Its own thread sees it, also where loads may return old values.
  if (committer_->visible_sequence() < call->sequence_at_end) {
    Fail(call->Name() + " is told OK and cannot read itself");
  }
}

void CommitRun::Read() {
  SequenceNumber last = 0;
  for (int i = 0; i < scenario_.reads; ++i) {
    SequenceNumber visible = committer_->visible_sequence();
    Unseen unseen;
    if (visible < last) Fail("the visible sequence went back");
    last = visible;
    for (const auto& call : calls_) {
      SequenceNumber sequence = call->sequence();
      if (sequence == 0 || sequence > visible || call->is_given_up) continue;
      if (!HappenedBefore(call->applied_at)) {
        Fail("a reader that sees " + call->Name() +
             " need not see its entries");
      }
    }
  }
}

void CommitRun::BeAlone() NO_THREAD_SAFETY_ANALYSIS {
  WriterSlot* slot;
  {
    Unseen unseen;
    slot = exclusive_slots_.back().release();
    exclusive_slots_.pop_back();
    exclusive_slots_.emplace(exclusive_slots_.begin(), slot);
  }
  Writer* writer = slot->Make();
  committer_->BeginExclusive(writer);
  {
    Unseen unseen;
    HoldRole();
    if (is_alone_ || is_appending_ || is_syncing_) {
      Fail("the exclusive Writer is not alone");
    }
    if (!has_failed_ && visible_ != LastGiven()) {
      Fail("the exclusive Writer leads while a group is in flight");
    }
    is_alone_ = true;
  }
  Touch(&records_);
  if (scenario_.resumes && latch_.is_set()) {
    {
      Unseen unseen;
      for (const auto& call : calls_) {
        if (call->sequence() > visible_) call->is_given_up = true;
      }
      is_append_broken_ = false;
      is_sync_broken_ = false;
    }
    committer_->ClearFailure();
  }
  Touch(&records_);
  {
    Unseen unseen;
    is_alone_ = false;
  }
  committer_->EndExclusive(writer);
  slot->End();
}

// As a DB ends its writes.
void CommitRun::Close() {
  Touch(&is_closing_);
  {
    Unseen unseen;
    is_closing_ = true;
  }
  committer_->Shutdown();
  BeAlone();
}

// --- The target --------------------------------------------------------------

void CommitRun::HoldRole() const {
  if (!HappenedBefore(role_)) {
    Fail("two leaders, or one that does not see what the last one did");
  }
  role_ = Now();
}

bool CommitRun::NeedsRoom() const {
  Unseen unseen;
  HoldRole();
  return scenario_.needs_room_every > 0 &&
         ++room_requests_ % scenario_.needs_room_every == 0;
}

Status CommitRun::MakeRoom() {
  Unseen unseen;
  HoldRole();
  Touch(&records_);
  if (is_alone_ || is_appending_ || is_syncing_) {
    Fail("room is made beside something else");
  }
  if (!has_failed_ && visible_ != LastGiven()) {
    Fail("room is made while a group is in flight");
  }
  if (room_requests_ / scenario_.needs_room_every != scenario_.failing_room) {
    return Status::OK();
  }
  has_failed_ = true;
  for (const auto& call : calls_) {
    if (!call->is_begun || call->has_returned) continue;
    if (call->begun_at.fiber == FiberNumber()) call->met_failing_room = true;
  }
  return Status::IOError("no room");
}

Status CommitRun::Validate(const Writer& writer) {
  Unseen unseen;
  HoldRole();
  Call& call = CallOf(writer);
  if (!HappenedBefore(call.begun_at)) {
    Fail("the leader need not see the fields of " + call.Name());
  }
  if (call.is_validated) Fail(call.Name() + " is in two groups");
  if (writer.group->leader == &writer) CheckGroup(*writer.group);
  call.is_validated = true;
  call.validated_at = Now();
  return call.write.is_refused ? Status::InvalidArgument("refused")
                               : Status::OK();
}

void CommitRun::CheckGroup(const WriteGroup& group) const {
  size_t bytes = 0;
  for (const Writer* writer : group) {
    bytes += writer->batch_bytes();
    if (writer->disable_wal != group.leader->disable_wal) {
      Fail("a group of writes with and without log");
    }
    if (writer->sync && !group.needs_sync) {
      Fail("a write that wants a sync, in a group that is not synced");
    }
    if (group.leader->sync != group.needs_sync) {
      Fail("a leader that waits for a sync that it did not ask for, or none");
    }
    if (scenario_.visible_before_durable &&
        writer->sync != group.leader->sync) {
      Fail("writes with and without sync in a group must not share");
    }
    if (writer->is_exclusive) Fail("an exclusive Writer in a group");
  }
  CheckBytes(group, bytes);
}

void CommitRun::CheckBytes(const WriteGroup& group, size_t bytes) const {
  if (bytes != group.batch_bytes) Fail("the group miscounts its bytes");
  if (group.size == 1) return;
  size_t bytes_max = scenario_.group_bytes_max;
  if (group.leader->batch_bytes() <= bytes_max / 8) {
    bytes_max =
        std::min(bytes_max, group.leader->batch_bytes() + (size_t{128} << 10));
  }
  if (bytes > bytes_max) Fail("the group is too large");
}

Status CommitRun::AppendToWal(const WriteGroup& group) {
  Unseen unseen;
  HoldRole();
  Touch(&records_);
  if (is_appending_ || is_alone_) Fail("two appends at once");
  if (is_append_broken_) Fail("an append after one that failed");
  is_appending_ = true;
  bool fails = ++appends_ == scenario_.failing_append;
  SequenceNumber next = group.first_sequence;
  if (next <= last_in_log_) Fail("the log is not in order of sequence");
  for (const Writer* writer : group) {
    if (!writer->has_entries()) continue;
    Call& call = CallOf(*writer);
    if (call.write.is_refused) Fail("a refused batch is in the log");
    if (call.write.disable_wal) Fail(call.Name() + " must not be logged");
    if (call.record != 0) Fail(call.Name() + " is logged twice");
    if (writer->sequence != next) Fail("the numbers of a group have a hole");
    next += writer->batch->Count();
    call.record = records_ + 1;
  }
  last_in_log_ = next - 1;
  if (last_in_log_ != group.last_sequence) Fail("the group misnumbers itself");
  Touch(&records_);
  is_appending_ = false;
  if (!fails) {
    ++records_;
    return Status::OK();
  }
  is_append_broken_ = true;
  has_failed_ = true;
  for (const Writer* writer : group) {
    CallOf(*writer).append_failed_at = Now();
  }
  return Status::IOError("append failed");
}

void CommitRun::ApplyToMemTables(const Writer& writer) {
  Unseen unseen;
  Call& call = CallOf(writer);
  if (!HappenedBefore(call.validated_at)) {
    Fail("who inserts " + call.Name() + " need not see its number");
  }
  if (is_alone_) Fail("inserts beside an exclusive Writer");
  if (call.write.is_refused) Fail("a refused batch is inserted");
  if (call.has_returned) Fail(call.Name() + " is inserted after its end");
  if (call.append_failed_at.fiber >= 0) {
    Fail(call.Name() + " is inserted although its append failed");
  }
  if (!call.write.disable_wal && call.record == 0) {
    Fail(call.Name() + " is inserted before it is logged");
  }
  if (std::exchange(call.is_being_applied, true)) {
    Fail(call.Name() + " is inserted twice");
  }
  Touch(&call);
  call.applied_at = Now();
}

Status CommitRun::SyncWal() {
  Unseen unseen;
  Touch(&records_);
  if (is_syncing_) Fail("two syncs at once");
  if (is_alone_) Fail("a sync beside an exclusive Writer");
  if (is_sync_broken_) Fail("a sync after one that failed");
  is_syncing_ = true;
  bool fails = ++syncs_ == scenario_.failing_sync;
  size_t covered = records_;
  Touch(&records_);
  is_syncing_ = false;
  if (!fails) {
    good_syncs_.push_back({covered, Now()});
    return Status::OK();
  }
  is_sync_broken_ = true;
  has_failed_ = true;
  sync_failed_at_ = Now();
  return Status::IOError("sync failed");
}

// --- The rules ---------------------------------------------------------------

bool CommitRun::IsDurable(size_t record) const {
  return std::any_of(
      good_syncs_.begin(), good_syncs_.end(), [record](const Sync& sync) {
        return sync.covered >= record && HappenedBefore(sync.ended_at);
      });
}

void CommitRun::Observe() {
  if (committer_ == nullptr) return;
  Still still;
  SequenceNumber visible = committer_->visible_sequence();
  if (visible == visible_) return;
  if (visible < visible_) Fail("the visible sequence went back");
  SequenceNumber before = std::exchange(visible_, visible);
  uint64_t shown = 0;
  for (const auto& call : calls_) {
    SequenceNumber sequence = call->sequence();
    if (sequence <= before || sequence > visible) continue;
    CheckPublished(call.get(), before, visible);
    shown += call->write.entries;
  }
  if (shown != visible - before) Fail("numbers that nobody has are visible");
}

void CommitRun::CheckPublished(Call* call, SequenceNumber before,
                               SequenceNumber now) {
  if (call->is_given_up) return;
  std::string name = call->Name() + " is visible ";
  SequenceNumber last = call->sequence() + call->write.entries - 1;
  if (call->sequence() <= before || last > now) Fail(name + "in part");
  if (call->append_failed_at.fiber >= 0) Fail(name + "but was not logged");
  if (!HappenedBefore(call->applied_at)) Fail(name + "before it is inserted");
  if (call->write.sync && !scenario_.visible_before_durable &&
      !IsDurable(call->record)) {
    Fail(name + "before it is synced");
  }
  if (call->has_returned && !call->status.ok()) Fail(name + "but has failed");
}

void CommitRun::CheckReturn(Call* call, Writer* writer) {
  Observe();
  call->returned_at_step = StepNumber();
  call->sequence_at_end = writer->sequence;
  call->has_returned = true;
  if (call->is_validated && !HappenedBefore(call->validated_at)) {
    Fail(call->Name() + " need not see its status");
  }
  if (call->status.ok()) {
    CheckSuccess(*call, *writer);
    acknowledged_ = std::max(acknowledged_, call->record);
  } else {
    CheckFailure(*call);
  }
}

void CommitRun::CheckSuccess(const Call& call, const Writer& writer) {
  std::string name = call.Name() + " is told OK ";
  if (!call.is_validated) Fail(name + "but was in no group");
  if (call.write.is_refused) Fail(name + "but was refused");
  if (call.append_failed_at.fiber >= 0) Fail(name + "but its append failed");
  size_t record = call.record;
  if (call.write.entries == 0) {
    record = call.acknowledged_before;
  } else {
    if (!HappenedBefore(call.applied_at)) Fail(name + "before it is inserted");
    SequenceNumber last = writer.sequence + call.write.entries - 1;
    if (visible_ < last) Fail(name + "before it is visible");
  }
  if (call.write.sync && record > 0 && !IsDurable(record)) {
    Fail(name + "before it is synced");
  }
}

// Every failure has a cause that this write has met.
void CommitRun::CheckFailure(const Call& call) {
  const Status& status = call.status;
  bool is_true = false;
  if (call.is_validated && call.write.is_refused) {
    is_true = status.IsInvalidArgument();
  } else if (call.append_failed_at.fiber >= 0) {
    is_true = status.IsIOError() && HappenedBefore(call.append_failed_at);
  } else if (call.is_validated) {
    // In the log or to be, when a sync failed.
    is_true = status.IsIOError() && sync_failed_at_.fiber >= 0 &&
              HappenedBefore(sync_failed_at_);
  } else if (status.IsIncomplete()) {
    is_true = call.write.no_slowdown && has_stalled_;
  } else if (status.IsShutdownInProgress()) {
    is_true = is_closing_;
  } else if (status.IsIOError()) {
    is_true = call.met_failing_room || appends_ >= scenario_.failing_append ||
              sync_failed_at_.fiber >= 0;
    is_true = is_true && has_failed_;
  }
  if (!is_true) Fail(call.Name() + " is told " + status.ToString());
  if (call.sequence_at_end > 0 && !call.write.is_refused &&
      !scenario_.visible_before_durable && !call.is_given_up &&
      visible_ >= call.sequence_at_end) {
    Fail(call.Name() + " is visible but is told " + status.ToString());
  }
}

void CommitRun::CheckNumbers() {
  std::vector<Call*> numbered;
  for (const auto& call : calls_) {
    if (call->sequence() > 0 && call->write.entries > 0) {
      numbered.push_back(call.get());
    }
  }
  std::sort(numbered.begin(), numbered.end(),
            [](Call* a, Call* b) { return a->sequence() < b->sequence(); });
  SequenceNumber next = 1;
  uint32_t latest_begin = 0;
  for (Call* call : numbered) {
    if (call->sequence() != next) Fail("the numbers have a hole, or overlap");
    next += call->write.entries;
    // Nobody with a smaller number began after this one had returned.
    if (latest_begin > call->returned_at_step) {
      Fail(call->Name() + " has a larger number than one that came later");
    }
    latest_begin = std::max(latest_begin, call->begun_at_step);
  }
  if (LastGiven() != next - 1) Fail("the last number is wrong");
}

void CommitRun::CheckEnd() {
  Unseen unseen;
  Observe();
  Still still;
  CheckNumbers();
  if (!has_failed_ && visible_ != LastGiven()) {
    Fail("something never became visible");
  }
  if (committer_->write_thread().QueueLengthForTest() != 0) {
    Fail("somebody is left in the queue");
  }
  for (const auto& call : calls_) {
    if (!call->has_returned) Fail(call->Name() + " has not returned");
    if (!call->slot.IsUntouched()) Fail(call->Name() + " was touched later");
  }
  for (const auto& slot : exclusive_slots_) {
    if (!slot->IsUntouched()) Fail("an exclusive Writer was touched later");
  }
}

}  // namespace

Outcome RunCommits(const Scenario& scenario, Config config,
                   Strategy* strategy) {
  CommitRun run(scenario);
  config.observer = [&run] { run.Observe(); };
  config.describe = [&run](const void* address) {
    return run.Describe(address);
  };
  return Simulate(config, strategy, [&run] { run.Body(); });
}

}  // namespace paceline::sim
