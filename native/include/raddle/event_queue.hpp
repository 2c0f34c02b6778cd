#pragma once
// The event list: a timing wheel of short buckets, with a heap for what lies beyond its horizon.
//
// Events leave in the order (time, entity, the entity's own sequence). No event is ever pushed into the
// past, so a bucket is sorted once, when the wheel reaches it.
// SOURCE: G. Varghese, T. Lauck, "Hashed and hierarchical timing wheels", SOSP 1987.

#include <cstddef>
#include <vector>

#include "raddle/types.hpp"

namespace raddle {

enum class EventKind : std::uint32_t { arrive, wake, pause, retransmit, start };

struct Event {
  Time time;
  std::uint64_t order;   // entity in the upper 24 bits, its sequence below
  std::uint32_t target;  // kind in the upper 3 bits; port, QP or flow below
  std::uint32_t data;

  EventKind kind() const { return static_cast<EventKind>(target >> 29); }
  std::uint32_t id() const { return target & 0x1FFF'FFFFU; }
  bool before(const Event& other) const {
    return time != other.time ? time < other.time : order < other.order;
  }
};

inline std::uint32_t event_target(EventKind kind, std::uint32_t id) {
  return static_cast<std::uint32_t>(kind) << 29 | id;
}

class EventQueue {
 public:
  EventQueue();

  // Precondition: event.time is not before the last popped event.
  void push(const Event& event) {
    const std::int64_t bucket = event.time >> bucket_shift;
    if (bucket == base_) {
      insert_current(event);
    } else if (bucket < base_ + slot_count) {
      link(bucket, event);
    } else {
      push_far(event);
    }
    ++size_;
  }

  // Takes the earliest event that is not after `until`; false if there is none.
  bool pop(Time until, Event& out) {
    while (cursor_ == current_.size()) {
      if (!advance(until)) return false;
    }
    if (current_[cursor_].time > until) return false;
    out = current_[cursor_++];
    --size_;
    return true;
  }

  // The event after the last popped one, if it is known already; for prefetching.
  const Event* peek() const { return cursor_ < current_.size() ? &current_[cursor_] : nullptr; }

  std::size_t size() const { return size_; }

 private:
  static constexpr int bucket_shift = 10;                 // 1.024 ns, less than a 64-byte frame at 400G
  static constexpr std::int64_t slot_count = 1 << 16;     // horizon 67 us, beyond any hop
  static constexpr std::size_t words = slot_count / 64;

  struct Slot {
    Event event;
    std::uint32_t next;
  };

  void link(std::int64_t bucket, const Event& event);
  void insert_current(const Event& event);
  void push_far(const Event& event);
  bool advance(Time until);
  std::int64_t next_bucket() const;
  void load_bucket(std::int64_t bucket);

  std::int64_t base_ = -1;  // bucket whose events are in current_; before the first, none
  std::size_t cursor_ = 0;
  std::size_t size_ = 0;
  std::vector<Event> current_;
  std::vector<std::uint32_t> heads_;
  std::vector<std::uint64_t> used_;          // bit per slot
  std::vector<std::uint64_t> used_words_;    // bit per word of used_
  std::vector<Slot> pool_;
  std::uint32_t free_ = none;
  std::vector<Event> far_;                   // min-heap
};

}  // namespace raddle
