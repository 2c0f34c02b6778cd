#include "raddle/windows.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace raddle {

namespace {

constexpr int cell_shift = 20;  // a run ends at the end of such a cell of time, however the network is cut

// Looks for the next turn before a thread sleeps: about 20 us, fewer the more often that was in vain.
constexpr int most_patience = 512, least_patience = 4;

// Events of a turn below which waking a thread costs more than it could do.
constexpr std::uint64_t worth_waking = 256;

Time later(Time time, Time by) { return by < never - time ? time + by : never; }

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

Windows::Windows(const Tables& tables, std::vector<std::unique_ptr<Partition>>& partitions, const Cut& cut,
                 unsigned threads)
    : partitions_(partitions), frame_lookahead_(cut.frame_lookahead), pause_lookahead_(cut.pause_lookahead),
      forecast_(tables, cut.partitions, cut.frame_lookahead - cut.pause_lookahead),
      threads_(std::clamp(threads, 1U, cut.partitions)), states_(cut.partitions), shares_(threads_) {
  for (std::uint32_t i = 0; i < cut.partitions; ++i) sides_[cut.sides[i]].push_back(i);
  for (std::vector<Outbox>& boxes : outboxes_) {
    boxes.resize(threads_);
    for (Outbox& box : boxes) {
      box.to.resize(cut.partitions);
      if (cut.partitions > 1) box.frames.resize(tables.ports.size());
    }
  }
  align(0);
}

void Windows::align(Time now) {
  for (std::size_t i = 0; i < partitions_.size(); ++i) {
    partitions_[i]->Kernel::now = now;
    partitions_[i]->outbox = &outboxes_[(turn_ + 1) & 1U][i % threads_];
  }
}

Time Windows::next_time() const {
  Time next = never;
  for (const auto& partition : partitions_) next = std::min(next, partition->next_time());
  for (const Outbox& box : unopened()) next = std::min(next, box.earliest);
  return next;
}

std::int64_t Windows::open_flows() const {
  std::int64_t open = 0;
  for (const auto& partition : partitions_) open += partition->open;
  return open;
}

std::uint64_t Windows::run(Time until, std::uint64_t max_events) {
  until_ = until;
  max_events_ = max_events;
  events_ = 0;
  take_stock();
  if (!plan_turn()) return 0;
  is_over_ = false;
  begin_turn();
  {
    std::vector<std::jthread> others;
    for (unsigned i = 1; i < threads_; ++i) others.emplace_back([this, i] { work(i); });
    work(0);
  }
  hand_over();  // before what is sent between two runs, which may be in the boxes of other threads
  return events_;
}

// Between two runs anything may have changed.
void Windows::take_stock() {
  hand_over();
  for (std::uint32_t i = 0; i < partitions_.size(); ++i) {
    states_[i] = {partitions_[i]->next_time(), partitions_[i]->open, forecast_.may_pause(i), false};
  }
  reached_ = {0, 0};
}

// What was sent is for partitions of either side.
void Windows::hand_over() {
  for (std::uint32_t i = 0; i < partitions_.size(); ++i) collect_letters(i);
  for (Outbox& box : outboxes_[(turn_ + 1) & 1U]) {
    box.touched.clear();
    box.earliest = never;
  }
}

void Windows::collect_letters(std::uint32_t partition) {
  for (Outbox& box : outboxes_[(turn_ + 1) & 1U]) partitions_[partition]->collect(box, box.to[partition]);
}

// Until the run is over: a thread takes its own partitions that are due, then those that others have not begun. It
// never waits for a thread that does not run, unless that one is in the middle of a partition.
void Windows::work(unsigned thread) {
  int patience = most_patience;
  for (;;) {
    const std::uint32_t seen = epoch_.load(std::memory_order_acquire);
    if (is_over_.load(std::memory_order_acquire)) return;
    bool has_run = false;
    for (unsigned i = 0; i < threads_; ++i) has_run |= run_share(thread, shares_[(thread + i) % threads_]);
    if (!has_run) wait_for_turn(seen, patience);
  }
}

// CORRECTNESS: who takes a partition has read `left` after all that its turn was planned with was written; no turn
// begins before the last partition of the one before is through.
bool Windows::run_share(unsigned thread, Share& share) {
  bool has_run = false;
  for (;;) {
    const std::int64_t left = share.left.fetch_sub(1, std::memory_order_acq_rel);
    if (left <= 0) return has_run;
    run_partition(thread, share.due[static_cast<std::size_t>(left - 1)]);
    has_run = true;
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) end_turn();
  }
}

void Windows::run_partition(unsigned thread, std::uint32_t number) {
  Partition& partition = *partitions_[number];
  partition.outbox = &outboxes_[turn_ & 1U][thread];
  collect_letters(number);
  shares_[thread].events += partition.run(end_);
  states_[number] = {partition.next_time(), partition.open, forecast_.may_pause(number), false};
}

void Windows::wait_for_turn(std::uint32_t seen, int& patience) {
  for (int i = 0; i < patience; ++i) {
    if (epoch_.load(std::memory_order_relaxed) != seen) {
      patience = std::min(2 * patience, most_patience);
      return;
    }
    pause();
  }
  patience = std::max(patience / 2, least_patience);
  epoch_.wait(seen, std::memory_order_acquire);
}

// By the thread that ran the turn's last partition.
void Windows::end_turn() {
  std::uint64_t events = 0;
  for (Share& share : shares_) events += std::exchange(share.events, 0);
  events_ += events;
  events_of_side_[side()] = events;
  ++turn_;
  const bool is_over = !plan_turn(), wakes = is_over || events_of_side_[side()] >= worth_waking;
  if (is_over) {
    is_over_.store(true, std::memory_order_release);
  } else {
    begin_turn();
  }
  epoch_.fetch_add(1, std::memory_order_release);
  if (wakes) epoch_.notify_all();
}

// CORRECTNESS: once the last share that is not empty is there, others may run the turn to its end and plan the next one,
// so that nothing of this one may be looked at behind it.
void Windows::begin_turn() {
  std::size_t due = 0, last = 0;
  for (std::size_t i = 0; i < shares_.size(); ++i) {
    due += shares_[i].due.size();
    if (!shares_[i].due.empty()) last = i;
  }
  running_.store(static_cast<std::int64_t>(due), std::memory_order_relaxed);
  for (std::size_t i = 0; i <= last; ++i) {
    const auto left = static_cast<std::int64_t>(shares_[i].due.size());
    if (left > 0) shares_[i].left.store(left, std::memory_order_release);
  }
}

Time Windows::lookahead_of(unsigned side) const {
  const auto may_pause = [this](std::uint32_t i) { return states_[i].may_pause; };
  return std::any_of(sides_[side].begin(), sides_[side].end(), may_pause) ? pause_lookahead_ : frame_lookahead_;
}

// Plans the next turn with something to do; false where the run is over. A side may run up to what the other one's next
// event sends, be that event there already or first caused by this side.
bool Windows::plan_turn() {
  for (;; ++turn_) {
    const unsigned side = this->side(), other = is_two_sided() ? 1 - side : 0;
    std::array<Time, 2> next = {never, never};
    std::int64_t open = 0;
    for (unsigned i = 0; i < 2; ++i) {
      for (const std::uint32_t partition : sides_[i]) {
        next[i] = std::min(next[i], states_[partition].next);
        open += states_[partition].open;
      }
    }
    for (const Outbox& box : unopened()) next[side] = std::min(next[side], box.earliest);
    const Time first = std::min(next[0], next[1]);
    const bool has_enough = events_ >= max_events_;
    const bool is_over = (open == 0 && first >= drained_) || first == never || first > until_;
    if (is_over || (has_enough && reached_[side] == reached_[other])) return false;
    drained_ = ((first >> cell_shift) + 1) << cell_shift;
    const Time others = std::min(next[other], later(next[side], lookahead_of(side)));
    end_ = std::min({later(others, lookahead_of(other)), drained_, later(until_, 1)});
    if (has_enough) end_ = std::min(end_, reached_[other]);
    reached_[side] = std::max(reached_[side], end_);
    if (share_out(side)) return true;
  }
}

// Gives the threads what the side has to do before the turn's end; false if that is nothing.
bool Windows::share_out(unsigned side) {
  for (Outbox& box : outboxes_[(turn_ + 1) & 1U]) {
    for (const std::uint32_t partition : box.touched) states_[partition].has_letters = true;
    box.touched.clear();
  }
  for (Outbox& box : outboxes_[turn_ & 1U]) box.earliest = never;
  for (Share& share : shares_) share.due.clear();
  bool has_some = false;
  for (const std::uint32_t partition : sides_[side]) {
    if (!states_[partition].has_letters && states_[partition].next >= end_) continue;
    shares_[partition % threads_].due.push_back(partition);
    has_some = true;
  }
  return has_some;
}

}  // namespace raddle
