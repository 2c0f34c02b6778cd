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
#include <bit>
#include <cstddef>
#include <tuple>
#include <vector>

#include "raddle/types.hpp"

namespace raddle {

// In the order in which the events of one instant happen: all that arrives is there before a port chooses.
enum class EventKind : std::uint32_t { start, retransmit, arrive, release, pause, timer, wake, host };

// What a `timer` of a port is about; the event's id is this times 256 plus a queue.
enum class PortTimer : std::uint32_t { storm_detect, storm_restore, pause_renew, pause_expire, receiver_drain, storm_beat };

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

// A port's pending arrival or wake. The arrivals of all ports come first, then their wakes: an arrival is of the
// partition that receives, a wake of the one that sends, and what two threads write is better kept apart.
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

  // The same, before the frame that was the first.
  void replace_arrival(PortId port, Time time) {
    if (lanes_[port].time != never) remove(port);
    insert(port, time);
  }

  // Wakes the port at `time`, unless it is woken before that already.
  [[gnu::always_inline]] void set_wake(PortId port, Time time) {
    const std::uint32_t lane = ports_ + port;
    if (time >= lanes_[lane].time) return;
    if (lanes_[lane].time != never) remove(lane);
    insert(lane, time);
  }

  // What is taken from now on is not after `until`.
  void set_limit(Time until) {
    until_ = until;
    set_bounds();
  }

  enum class Popped { nothing, arrival, wake, event };

  // Takes the earliest event: of an arrival or a wake, the port and the time, of others the event whole.
  Popped pop(PortId& port, Time& time, Event& event) {
    for (;;) {
      const Key key = current_.back();
      std::uint32_t lane = none;
      if (key < bound_) {
        current_.pop_back();
        lane = lane_of(key);
      } else if (key == last_key) {
        lane = take_lone();
      }
      if (lane == none) {
        const Slow found = pop_slowly(event);
        if (found == Slow::again) continue;
        return found == Slow::event ? Popped::event : Popped::nothing;
      }
      --size_;
      time = lanes_[lane].time;
      lanes_[lane].time = never;
      port = port_of(lane);
      return is_wake(lane) ? Popped::wake : Popped::arrival;
    }
  }

  // The same with any event whole, up to `until`; false if there is none.
  bool pop(Time until, Event& out) {
    set_limit(until);
    PortId port = 0;
    Time time = 0;
    const Popped popped = pop(port, time, out);
    if (popped == Popped::nothing) return false;
    if (popped == Popped::event) return true;
    const EventKind kind = popped == Popped::arrival ? EventKind::arrive : EventKind::wake;
    out = {time, event_order(port, kind, port), 0};
    return true;
  }

  // A time that no event is before, at most a bucket early; never if there is no event.
  Time next_time() const;

  std::size_t size() const { return size_; }

  auto fields() { return std::tie(base_, stop_, until_, size_, current_, bound_, heads_, used_, far_, pushed_); }

 private:
  // An event of the current bucket in one number: picoseconds from the bucket's start 32 bits, kind 3, port 29.
  using Key = std::uint64_t;
  static constexpr Key last_key = ~Key{0};   // behind all others

  static constexpr int least_shift = 11;     // 2.048 ns: mostly one event to a bucket
  static constexpr int longest_shift = 13;   // beyond 33 us a heap serves as well
  static constexpr std::int64_t least_slots = 1 << 8, most_slots = 1 << 12;

  enum class Slow { again, nothing, event };

  bool is_wake(std::uint32_t lane) const { return lane >= ports_; }
  PortId port_of(std::uint32_t lane) const { return is_wake(lane) ? lane - ports_ : lane; }
  std::uint32_t lane_of(Key key) const {
    const auto low = static_cast<std::uint32_t>(key);
    return (low & 0x1FFF'FFFFU) + (low >> 31) * ports_;  // of the two kinds only a wake's has the highest bit
  }

  Event event_of(std::uint32_t lane) const {
    const PortId port = port_of(lane);
    return {lanes_[lane].time, event_order(port, is_wake(lane) ? EventKind::wake : EventKind::arrive, port), 0};
  }

  [[gnu::always_inline]] void insert(std::uint32_t lane, Time time) {
    ++size_;
    Lane& record = lanes_[lane];
    record.time = time;
    const std::int64_t bucket = time >> shift_;
    if (bucket >= base_ + slots_) return insert_far(lane);
    record.is_far = false;
    if (bucket == base_) return insert_current(key_of(event_of(lane)));
    const auto slot = static_cast<std::size_t>(bucket & (slots_ - 1));
    record.next = heads_[slot];
    heads_[slot] = lane;
    used_[slot / 64] |= std::uint64_t{1} << (slot % 64);
  }

  // Takes the event of the next bucket if it is alone there and nothing else can come before it; none if not.
  // Precondition: the present bucket is empty.
  std::uint32_t take_lone() {
    const std::int64_t bucket = next_bucket();
    if (bucket >= stop_) return none;
    const auto slot = static_cast<std::size_t>(bucket & (slots_ - 1));
    const std::uint32_t lane = heads_[slot];
    if (lanes_[lane].next != none) return none;
    heads_[slot] = none;
    used_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
    base_ = bucket;
    bound_ = last_key;
    return lane;
  }

  // The next bucket after base_ that holds an event of the wheel; never if there is none.
  std::int64_t next_bucket() const {
    const auto start = static_cast<std::size_t>((base_ + 1) & (slots_ - 1));
    std::uint64_t mask = used_[start / 64] & (~std::uint64_t{0} << (start % 64));
    for (std::size_t turn = 0, word = start / 64;; mask = used_[word]) {
      if (mask != 0) {
        const std::size_t slot = word * 64 + static_cast<std::size_t>(std::countr_zero(mask));
        return base_ + 1 + (static_cast<std::int64_t>(slot - start) & (slots_ - 1));
      }
      if (turn++ == used_.size()) return never;
      word = (word + 1) & (used_.size() - 1);
    }
  }

  Key key_of(const Event& event) const;
  bool has_far() const { return !far_.empty() && far_.front().time >> shift_ == base_; }
  void set_bounds();
  Slow pop_slowly(Event& event);
  void remove(std::uint32_t lane);
  void insert_current(Key key);
  void insert_far(std::uint32_t lane);
  bool pop_far(Event& out);
  bool advance();
  void load_bucket(std::int64_t bucket);

  Lane* lanes_;
  std::uint32_t ports_;
  int shift_ = least_shift;
  std::int64_t slots_ = least_slots;
  std::int64_t base_ = -1;  // bucket whose events are in current_; before the first, none
  std::int64_t stop_ = 0;   // before this bucket there is no far event, nor anything after until_
  Time until_ = never - 1;
  std::size_t size_ = 0;
  std::vector<Key> current_{last_key};  // the latest first; last_key before them
  Key bound_ = last_key;    // keys below it are the next events and may be taken
  std::vector<std::uint32_t> heads_;
  std::vector<std::uint64_t> used_;  // bit per slot
  std::vector<Event> far_;           // min-heap
  std::uint32_t pushed_ = 0;
};

}  // namespace raddle
