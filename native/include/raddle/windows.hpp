#pragma once
// Runs partitions side by side through windows of time, on one thread or several.
//
// A partition may run as far as nothing that another one still does can reach it. Partitions are of two sides wherever
// cables that are cut lead from one side to the other only (leaves and spines, tiers of a Clos); then the sides take
// turns, and each runs as far as the other allows, which is twice as far as both at once.
// SOURCE: R. Fujimoto, "Parallel discrete event simulation", CACM 33(10), 1990 (conservative windows, lookahead).

#include <array>
#include <atomic>
#include <memory>
#include <tuple>
#include <vector>

#include "raddle/cut.hpp"
#include "raddle/partition.hpp"
#include "raddle/pause_forecast.hpp"

namespace raddle {

class Windows {
 public:
  Windows(const Tables& tables, std::vector<std::unique_ptr<Partition>>& partitions, const Cut& cut, unsigned threads);

  // Runs events up to and with `until`, or until `max_events` have been run and all partitions are equally far.
  // Returns how many it has run.
  std::uint64_t run(Time until, std::uint64_t max_events);

  // Hands over all that partitions have sent each other.
  void hand_over();

  auto fields() { return std::tie(turn_, drained_); }

  // Sets all clocks. What partitions send from now on is handed over in the next run.
  void align(Time now);

  // Frames that a port has sent and that have not been handed over.
  template <typename Use>
  void each_unopened(PortId sender, Use use) const {
    for (const Outbox& box : unopened()) {
      if (box.frames.empty()) continue;  // nothing is cut
      for (const Packet& frame : box.frames[sender]) use(frame);
    }
  }

  Time next_time() const;
  std::int64_t open_flows() const;
  // All flows have ended, and all that happened in that cell of time.
  bool is_done() const { return open_flows() == 0 && next_time() >= drained_; }

 private:
  // What is known of a partition between its windows.
  struct State {
    Time next = never;      // nothing happens in it before
    std::int64_t open = 0;  // flows
    bool may_pause = false; // over a cable that is cut
    bool has_letters = false;
  };
  // Partitions of a turn that are a thread's unless another one is free before it; taken from the end.
  struct alignas(64) Share {
    std::atomic<std::int64_t> left = 0;
    std::vector<std::uint32_t> due;
    std::uint64_t events = 0;  // of the partitions that the thread has run in this turn
  };

  bool is_two_sided() const { return !sides_[1].empty(); }
  unsigned side() const { return is_two_sided() ? turn_ & 1U : 0; }
  const std::vector<Outbox>& unopened() const { return outboxes_[(turn_ + 1) & 1U]; }
  void take_stock();
  void collect_letters(std::uint32_t partition);
  void work(unsigned thread);
  bool run_share(unsigned thread, Share& share);
  void run_partition(unsigned thread, std::uint32_t partition);
  void wait_for_turn(std::uint32_t seen, int& patience);
  void end_turn();
  bool plan_turn();
  bool share_out(unsigned side);
  void begin_turn();
  Time lookahead_of(unsigned side) const;

  std::vector<std::unique_ptr<Partition>>& partitions_;
  std::array<std::vector<std::uint32_t>, 2> sides_;  // the second is empty where partitions have but one
  Time frame_lookahead_, pause_lookahead_;
  PauseForecast forecast_;
  unsigned threads_;
  std::vector<State> states_;
  // By parity of the turn and thread: one half is written while the other is read.
  std::vector<Outbox> outboxes_[2];
  std::vector<Share> shares_;
  std::uint32_t turn_ = 0;
  std::array<Time, 2> reached_ = {0, 0};  // by side: no event before it is left
  Time drained_ = 0;  // end of the cell of time that the last window lay in
  // Of the run, and of its present turn.
  Time until_ = 0, end_ = 0;
  std::uint64_t max_events_ = 0, events_ = 0;
  std::array<std::uint64_t, 2> events_of_side_ = {0, 0};  // in its last turn
  std::atomic<std::int64_t> running_ = 0;   // due partitions that are not through
  std::atomic<std::uint32_t> epoch_ = 0;
  std::atomic<bool> is_over_ = false;
};

}  // namespace raddle
