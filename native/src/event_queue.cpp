#include "raddle/event_queue.hpp"

#include <algorithm>
#include <bit>

namespace raddle {

namespace {
bool later(const Event& a, const Event& b) { return b.before(a); }
}  // namespace

EventQueue::EventQueue(Lane* lanes, std::size_t ports, Time horizon)
    : lanes_(lanes), ports_(static_cast<std::uint32_t>(ports)) {
  while (slots_ < most_slots && horizon >> shift_ >= slots_) slots_ *= 2;
  while (shift_ < longest_shift && horizon >> shift_ >= slots_) ++shift_;
  heads_.assign(static_cast<std::size_t>(slots_), none);
  used_.assign(static_cast<std::size_t>(slots_) / 64, 0);
}

void EventQueue::push(const Event& event) {
  ++size_;
  far_.push_back(event);
  far_.back().sequence = ++pushed_;
  std::push_heap(far_.begin(), far_.end(), later);
}

void EventQueue::insert_far(std::uint32_t lane) {
  lanes_[lane].is_far = true;
  far_.push_back(event_of({lanes_[lane].time, lane}));
  std::push_heap(far_.begin(), far_.end(), later);
}

void EventQueue::insert_current(const Due& due) {
  std::size_t place = current_.size();
  current_.push_back(due);
  for (; place > cursor_ && due.before(current_[place - 1]); --place) current_[place] = current_[place - 1];
  current_[place] = due;
}

void EventQueue::remove(std::uint32_t lane) {
  const Lane& record = lanes_[lane];
  if (record.is_far) return;  // stays in the heap, stale
  --size_;
  if (record.time >> shift_ == base_) {
    const auto first = current_.begin() + static_cast<std::ptrdiff_t>(cursor_);
    current_.erase(std::find_if(first, current_.end(), [&](const Due& due) { return due.lane == lane; }));
    return;
  }
  const auto slot = static_cast<std::size_t>((record.time >> shift_) & (slots_ - 1));
  std::uint32_t* link = &heads_[slot];
  while (*link != lane) link = &lanes_[*link].next;
  *link = record.next;
  if (heads_[slot] == none) used_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
}

// Takes the first far event; false if it is stale, a wake or an arrival that is set for another time now.
bool EventQueue::pop_far(Event& out) {
  std::pop_heap(far_.begin(), far_.end(), later);
  out = far_.back();
  far_.pop_back();
  --size_;
  const bool is_wake = out.kind() == EventKind::wake;
  if (!is_wake && out.kind() != EventKind::arrive) return true;
  Lane& record = lanes_[is_wake ? ports_ + out.port() : out.port()];
  if (record.time != out.time || !record.is_far) return false;
  record.time = never;
  return true;
}

// The next bucket after base_ that holds an event of the wheel; never if there is none.
std::int64_t EventQueue::next_bucket() const {
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

Time EventQueue::next_time() const {
  Time first = far_.empty() ? never : far_.front().time;
  if (cursor_ < current_.size()) return std::min(first, current_[cursor_].time);
  if (const std::int64_t bucket = next_bucket(); bucket != never) first = std::min(first, bucket << shift_);
  return first;
}

bool EventQueue::advance(Time until) {
  std::int64_t bucket = next_bucket();
  if (!far_.empty()) bucket = std::min(bucket, far_.front().time >> shift_);
  // CORRECTNESS: stop before a bucket that starts after `until`; the caller may still push before it.
  if (bucket == never || bucket > (until >> shift_)) return false;
  load_bucket(bucket);
  return true;
}

void EventQueue::load_bucket(std::int64_t bucket) {
  base_ = bucket;
  current_.clear();
  cursor_ = 0;
  const auto slot = static_cast<std::size_t>(bucket & (slots_ - 1));
  std::uint32_t lane = heads_[slot];
  if (lane == none) return;
  for (; lane != none; lane = lanes_[lane].next) current_.push_back({lanes_[lane].time, lane});
  heads_[slot] = none;
  used_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
  constexpr std::size_t few = 24;
  if (current_.size() > few) {
    std::sort(current_.begin(), current_.end(), [](const Due& a, const Due& b) { return a.before(b); });
    return;
  }
  for (std::size_t i = 1; i < current_.size(); ++i) {
    const Due due = current_[i];
    std::size_t place = i;
    for (; place > 0 && due.before(current_[place - 1]); --place) current_[place] = current_[place - 1];
    current_[place] = due;
  }
}

}  // namespace raddle
