#include "raddle/event_queue.hpp"

#include <algorithm>
#include <functional>

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

EventQueue::Key EventQueue::key_of(const Event& event) const {
  return static_cast<Key>(event.time - (base_ << shift_)) << 32 | event.order >> 32;
}

// CORRECTNESS: of two equal ones the wheel's goes first, so that a stale far event is known as such.
void EventQueue::set_bounds() {
  const Time rest = until_ - (std::max<std::int64_t>(base_, 0) << shift_);  // before the first bucket, of the first
  bound_ = rest < 0 ? 0 : rest < UINT32_MAX ? static_cast<Key>(rest + 1) << 32 : last_key;
  if (has_far()) bound_ = std::min(bound_, key_of(far_.front()) + 1);
  stop_ = until_ >> shift_;
  if (!far_.empty()) stop_ = std::min(stop_, far_.front().time >> shift_);
}

// What follows no event of the wheel that may be taken at once: a far one, the next bucket, or nothing.
EventQueue::Slow EventQueue::pop_slowly(Event& event) {
  const Key key = current_.back();
  if (has_far() && key_of(far_.front()) < key) {
    if (far_.front().time > until_) return Slow::nothing;
    const bool is_real = pop_far(event);
    set_bounds();
    return is_real ? Slow::event : Slow::again;
  }
  return key == last_key && advance() ? Slow::again : Slow::nothing;
}

void EventQueue::push(const Event& event) {
  ++size_;
  far_.push_back(event);
  far_.back().sequence = ++pushed_;
  std::push_heap(far_.begin(), far_.end(), later);
  set_bounds();
}

void EventQueue::insert_far(std::uint32_t lane) {
  lanes_[lane].is_far = true;
  far_.push_back(event_of(lane));
  std::push_heap(far_.begin(), far_.end(), later);
  set_bounds();
}

void EventQueue::insert_current(Key key) {
  std::size_t place = current_.size();
  current_.push_back(key);
  for (; current_[place - 1] < key; --place) current_[place] = current_[place - 1];
  current_[place] = key;
}

void EventQueue::remove(std::uint32_t lane) {
  const Lane& record = lanes_[lane];
  if (record.is_far) return;  // stays in the heap, stale
  --size_;
  if (record.time >> shift_ == base_) {
    current_.erase(std::find(current_.begin(), current_.end(), key_of(event_of(lane))));
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
  const bool wakes = out.kind() == EventKind::wake;
  if (!wakes && out.kind() != EventKind::arrive) return true;
  Lane& record = lanes_[wakes ? ports_ + out.port() : out.port()];
  if (record.time != out.time || !record.is_far) return false;
  record.time = never;
  return true;
}

Time EventQueue::next_time() const {
  Time first = far_.empty() ? never : far_.front().time;
  if (current_.size() > 1) return std::min(first, lanes_[lane_of(current_.back())].time);
  if (const std::int64_t bucket = next_bucket(); bucket != never) first = std::min(first, bucket << shift_);
  return first;
}

bool EventQueue::advance() {
  std::int64_t bucket = next_bucket();
  if (!far_.empty()) bucket = std::min(bucket, far_.front().time >> shift_);
  // CORRECTNESS: stop before a bucket that starts after `until`; the caller may still push before it.
  if (bucket == never || bucket > (until_ >> shift_)) return false;
  load_bucket(bucket);
  return true;
}

// CORRECTNESS: the present bucket is empty, so that current_ has no more than last_key.
void EventQueue::load_bucket(std::int64_t bucket) {
  base_ = bucket;
  set_bounds();
  const auto slot = static_cast<std::size_t>(bucket & (slots_ - 1));
  std::uint32_t lane = heads_[slot];
  heads_[slot] = none;
  used_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
  // The list has the last one set first, most often the latest.
  constexpr std::size_t few = 24;
  for (; lane != none && current_.size() < few; lane = lanes_[lane].next) insert_current(key_of(event_of(lane)));
  if (lane == none) return;
  for (; lane != none; lane = lanes_[lane].next) current_.push_back(key_of(event_of(lane)));
  std::sort(current_.begin(), current_.end(), std::greater<>());
}

}  // namespace raddle
