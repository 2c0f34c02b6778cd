#include "raddle/event_queue.hpp"

#include <algorithm>
#include <bit>

namespace raddle {

namespace {
bool later(const Event& a, const Event& b) { return b.before(a); }
bool earlier(const Event& a, const Event& b) { return a.before(b); }
}  // namespace

EventQueue::EventQueue()
    : heads_(static_cast<std::size_t>(slot_count), none), used_(words, 0), used_words_(words / 64, 0) {}

void EventQueue::link(std::int64_t bucket, const Event& event) {
  std::uint32_t slot = free_;
  if (slot == none) {
    slot = static_cast<std::uint32_t>(pool_.size());
    pool_.emplace_back();
  } else {
    free_ = pool_[slot].next;
  }
  const auto head = static_cast<std::size_t>(bucket & (slot_count - 1));
  pool_[slot] = {event, heads_[head]};
  heads_[head] = slot;
  used_[head / 64] |= std::uint64_t{1} << (head % 64);
  used_words_[head / 4096] |= std::uint64_t{1} << (head / 64 % 64);
}

void EventQueue::insert_current(const Event& event) {
  const auto place = std::upper_bound(current_.begin() + static_cast<std::ptrdiff_t>(cursor_),
                                      current_.end(), event, earlier);
  current_.insert(place, event);
}

void EventQueue::push_far(const Event& event) {
  far_.push_back(event);
  std::push_heap(far_.begin(), far_.end(), later);
}

// The next bucket after base_ that holds an event; never if there is none. Far events are all beyond
// the wheel's horizon, so the wheel comes first.
std::int64_t EventQueue::next_bucket() const {
  const auto start = static_cast<std::size_t>((base_ + 1) & (slot_count - 1));
  const auto distance = [&](std::size_t slot) {
    return base_ + 1 + static_cast<std::int64_t>((slot - start) & (slot_count - 1));
  };
  const std::size_t word = start / 64;
  if (const std::uint64_t rest = used_[word] & (~std::uint64_t{0} << (start % 64))) {
    return distance(word * 64 + static_cast<std::size_t>(std::countr_zero(rest)));
  }
  // Words after this one in the same group, then the other groups in turn, then this group from its start.
  const std::size_t groups = used_words_.size();
  for (std::size_t turn = 0; turn <= groups; ++turn) {
    const std::size_t group = (word / 64 + turn) % groups;
    std::uint64_t mask = used_words_[group];
    if (turn == 0) mask &= word % 64 == 63 ? 0 : ~std::uint64_t{0} << (word % 64 + 1);
    if (mask != 0) {
      const std::size_t found = group * 64 + static_cast<std::size_t>(std::countr_zero(mask));
      return distance(found * 64 + static_cast<std::size_t>(std::countr_zero(used_[found])));
    }
  }
  return far_.empty() ? never : far_.front().time >> bucket_shift;
}

bool EventQueue::advance(Time until) {
  const std::int64_t bucket = next_bucket();
  // CORRECTNESS: stop before a bucket that starts after `until`; the caller may still push before it.
  if (bucket == never || bucket > (until >> bucket_shift)) return false;
  load_bucket(bucket);
  return true;
}

void EventQueue::load_bucket(std::int64_t bucket) {
  base_ = bucket;
  current_.clear();
  cursor_ = 0;
  const auto head = static_cast<std::size_t>(bucket & (slot_count - 1));
  for (std::uint32_t slot = heads_[head]; slot != none;) {
    current_.push_back(pool_[slot].event);
    const std::uint32_t next = pool_[slot].next;
    pool_[slot].next = free_;
    free_ = slot;
    slot = next;
  }
  heads_[head] = none;
  used_[head / 64] &= ~(std::uint64_t{1} << (head % 64));
  if (used_[head / 64] == 0) used_words_[head / 4096] &= ~(std::uint64_t{1} << (head / 64 % 64));
  while (!far_.empty() && far_.front().time >> bucket_shift < base_ + slot_count) {
    std::pop_heap(far_.begin(), far_.end(), later);
    const Event event = far_.back();
    far_.pop_back();
    if (event.time >> bucket_shift == base_) {
      current_.push_back(event);
    } else {
      link(event.time >> bucket_shift, event);
    }
  }
  if (current_.size() > 1) std::sort(current_.begin(), current_.end(), earlier);
}

}  // namespace raddle
