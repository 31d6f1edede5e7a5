// Slice: bytes that somebody else owns.

#pragma once

#include <compare>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace paceline {

// A pointer and a length. The bytes must outlive the Slice. Any bytes are
// allowed, NUL included. Converts from and to std::string_view.
// Thread-compatible.
class Slice {
 public:
  constexpr Slice() = default;
  // A null `data` is taken for "", so that data() is never null.
  constexpr Slice(const char* data, size_t size)
      : data_(data != nullptr ? data : ""), size_(size) {}
  Slice(const std::string& bytes)  // NOLINT: implicit, as in the field.
      : data_(bytes.data()), size_(bytes.size()) {}
  constexpr Slice(std::string_view bytes)  // NOLINT: implicit.
      : Slice(bytes.data(), bytes.size()) {}
  constexpr Slice(const char* c_string)  // NOLINT: implicit.
      : data_(c_string), size_(std::string_view(c_string).size()) {}

  constexpr operator std::string_view() const {  // NOLINT: implicit.
    return {data_, size_};
  }

  [[nodiscard]] constexpr const char* data() const { return data_; }
  [[nodiscard]] constexpr size_t size() const { return size_; }
  [[nodiscard]] constexpr bool empty() const { return size_ == 0; }
  [[nodiscard]] constexpr const char* begin() const { return data_; }
  [[nodiscard]] constexpr const char* end() const { return data_ + size_; }

  // The byte at `n`, which must be less than size().
  constexpr char operator[](size_t n) const { return data_[n]; }

  constexpr void clear() {
    data_ = "";
    size_ = 0;
  }

  // Drops the first (last) `n` bytes; `n` must not exceed size().
  constexpr void remove_prefix(size_t n) {
    data_ += n;
    size_ -= n;
  }
  constexpr void remove_suffix(size_t n) { size_ -= n; }

  // A copy of the bytes; as lower-case hexadecimal digits if `hex`.
  [[nodiscard]] std::string ToString(bool hex = false) const;
  [[nodiscard]] constexpr std::string_view ToStringView() const {
    return {data_, size_};
  }

  // Negative, zero or positive: unsigned lexicographic order of the bytes.
  [[nodiscard]] constexpr int compare(const Slice& other) const {
    return ToStringView().compare(other.ToStringView());
  }
  [[nodiscard]] constexpr bool starts_with(const Slice& prefix) const {
    return ToStringView().starts_with(prefix.ToStringView());
  }
  [[nodiscard]] constexpr bool ends_with(const Slice& suffix) const {
    return ToStringView().ends_with(suffix.ToStringView());
  }

  friend constexpr bool operator==(const Slice& a, const Slice& b) {
    return a.ToStringView() == b.ToStringView();
  }

 private:
  const char* data_ = "";
  size_t size_ = 0;
};

// A Slice that keeps its bytes alive: either its own copy or a pin on the
// memory of the database. Reset() (or destruction) releases the pin; an
// unreleased pin holds a memtable in memory, also after the DB is closed.
// Thread-compatible.
class PinnableSlice : public Slice {
 public:
  PinnableSlice() = default;
  PinnableSlice(const PinnableSlice&) = delete;
  PinnableSlice& operator=(const PinnableSlice&) = delete;

  // Refers to `bytes`, which `pin` keeps alive.
  void PinSlice(const Slice& bytes, std::shared_ptr<const void> pin) {
    pin_ = std::move(pin);
    static_cast<Slice&>(*this) = bytes;
  }
  // Copies `bytes`.
  void PinSelf(const Slice& bytes) {
    self_.assign(bytes.data(), bytes.size());
    PinSelf();
  }
  // Refers to what GetSelf() holds now.
  void PinSelf() {
    pin_.reset();
    static_cast<Slice&>(*this) = Slice(self_);
  }
  void Reset() {
    pin_.reset();
    self_.clear();
    clear();
  }
  [[nodiscard]] std::string* GetSelf() { return &self_; }
  [[nodiscard]] bool IsPinned() const { return pin_ != nullptr; }

 private:
  std::string self_;
  std::shared_ptr<const void> pin_;
};

}  // namespace paceline
