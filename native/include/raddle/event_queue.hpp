#pragma once
// The event list of one partition: a timing wheel over its ports' own events, and a heap for all others.
//
// A port has at most one arrival to look forward to at its far end (frames on a wire stay in order, so
// only the first is due) and at most one wake. The wheel links these two per port into short buckets: it
// allocates nothing, and its records stay in the cache. Rare events (pauses, timers, starts) and what lies
// beyond the wheel's horizon go to a heap.
//
// Events leave in the order (time, kind, port that raised it, id). No event is ever put into the past,
// so a bucket is sorted once, when the wheel reaches it.
// SOURCE: G. Varghese, T. Lauck, "Hashed and hierarchical timing wheels", SOSP 1987.

#include <algorithm>
#include <cstddef>
#include <vector>

#include "raddle/types.hpp"

namespace raddle {

// In the order in which the events of one instant happen: all that arrives is there before a port chooses.
enum class EventKind : std::uint32_t { start, retransmit, arrive, release, pause, timer, wake };

// What a `timer` of a port is about; the event's id is this times 256 plus a queue.
enum class PortTimer : std::uint32_t { storm_detect, storm_restore, pause_renew, pause_expire, receiver_drain };

struct Event {
  Time time;
  std::uint64_t order;  // kind, 3 bits; port that raised it, 29 bits; port, QP or flow that it is about, 32 bits
  std::uint32_t data;
  std::uint32_t sequence = 0;  // of its push: two pauses of one port at one instant keep their order

  EventKind kind() const { return static_cast<EventKind>(order >> 61); }
  PortId port() const { return static_cast<PortId>(order >> 32 & 0x1FFF'FFFFU); }
  std::uint32_t id() const { return static_cast<std::uint32_t>(order); }
  bool before(const Event& other) const {
    if (time != other.time) return time < other.time;
    return order != other.order ? order < other.order : sequence < other.sequence;
  }
};

inline std::uint64_t event_order(PortId port, EventKind kind, std::uint32_t id) {
  return static_cast<std::uint64_t>(kind) << 61 | static_cast<std::uint64_t>(port) << 32 | id;
}

// A port's pending arrival or wake. The arrivals of all ports come first, then their wakes.
struct Lane {
  Time time = never;
  std::uint32_t next = none;  // in its bucket
  bool is_far = false;        // in the heap
};

class EventQueue {
 public:
  // `lanes`: two for each of the network's ports; a partition uses those of its own.
  // `horizon`: how far ahead most arrivals lie; those beyond are slower, not wrong.
  EventQueue(Lane* lanes, std::size_t ports, Time horizon);

  // Precondition: `time` is not before the last popped event.
  void push(const Event& event);

  // The port's first frame on the wire arrives at `time`. Precondition: no arrival is set.
  void set_arrival(PortId port, Time time) { insert(port, time); }

  // Wakes the port at `time`, unless it is woken before that already.
  void set_wake(PortId port, Time time) {
    const std::uint32_t lane = ports_ + port;
    if (time >= lanes_[lane].time) return;
    if (lanes_[lane].time != never) remove(lane);
    insert(lane, time);
  }

  // Takes the earliest event that is not after `until`; false if there is none.
  bool pop(Time until, Event& out) {
    Due due;
    switch (pop(until, due, out)) {
      case Popped::nothing:
        return false;
      case Popped::lane:
        out = event_of(due);
        return true;
      case Popped::event:
        return true;
    }
    return false;
  }

  struct Due {
    Time time;
    std::uint32_t lane;
    bool before(const Due& other) const { return time < other.time || (time == other.time && lane < other.lane); }
  };

  enum class Popped { nothing, lane, event };

  // The same without the detour over an Event for an arrival (a lane below the number of ports) or a wake.
  Popped pop(Time until, Due& lane, Event& event) {
    for (;;) {
      const bool has_far = !far_.empty() && far_.front().time >> shift_ == base_;
      if (cursor_ < current_.size()) {
        const Due due = current_[cursor_];
        // CORRECTNESS: of two equal ones the wheel's goes first, so that a stale far event is known as such.
        if (!has_far || !far_.front().before(event_of(due))) {
          if (due.time > until) return Popped::nothing;
          ++cursor_;
          --size_;
          lanes_[due.lane].time = never;
          lane = due;
          return Popped::lane;
        }
      }
      if (has_far) {
        if (far_.front().time > until) return Popped::nothing;
        if (pop_far(event)) return Popped::event;
      } else if (!advance(until)) {
        return Popped::nothing;
      }
    }
  }

  // A time that no event is before, at most a bucket early; never if there is no event.
  Time next_time() const;

  struct Ahead {
    PortId port;
    bool is_arrival;
  };

  // The event `steps` after the next one, as far as known (port none if not); for prefetching.
  Ahead ahead(std::size_t steps) const {
    if (cursor_ + steps >= current_.size()) return {none, false};
    const std::uint32_t lane = current_[cursor_ + steps].lane;
    return {port_of(lane), lane < ports_};
  }

  std::size_t size() const { return size_; }

 private:
  static constexpr int least_shift = 12;     // 4.096 ns: some events to a bucket, to look ahead
  static constexpr int longest_shift = 13;   // beyond 33 us a heap serves as well
  static constexpr std::int64_t least_slots = 1 << 8, most_slots = 1 << 12;
  PortId port_of(std::uint32_t lane) const { return lane < ports_ ? lane : lane - ports_; }

  Event event_of(const Due& due) const {
    const PortId port = port_of(due.lane);
    return {due.time, event_order(port, due.lane < ports_ ? EventKind::arrive : EventKind::wake, port), 0};
  }

  void insert(std::uint32_t lane, Time time) {
    ++size_;
    Lane& record = lanes_[lane];
    record.time = time;
    const std::int64_t bucket = time >> shift_;
    if (bucket >= base_ + slots_) return insert_far(lane);
    record.is_far = false;
    if (bucket == base_) return insert_current({time, lane});
    const auto slot = static_cast<std::size_t>(bucket & (slots_ - 1));
    record.next = heads_[slot];
    heads_[slot] = lane;
    used_[slot / 64] |= std::uint64_t{1} << (slot % 64);
  }

  void remove(std::uint32_t lane);
  void insert_current(const Due& due);
  void insert_far(std::uint32_t lane);
  bool pop_far(Event& out);
  bool advance(Time until);
  std::int64_t next_bucket() const;
  void load_bucket(std::int64_t bucket);

  Lane* lanes_;
  std::uint32_t ports_;
  int shift_ = least_shift;
  std::int64_t slots_ = least_slots;
  std::int64_t base_ = -1;  // bucket whose events are in current_; before the first, none
  std::size_t cursor_ = 0;
  std::size_t size_ = 0;
  std::vector<Due> current_;
  std::vector<std::uint32_t> heads_;
  std::vector<std::uint64_t> used_;  // bit per slot
  std::vector<Event> far_;           // min-heap
  std::uint32_t pushed_ = 0;
};

}  // namespace raddle
