#pragma once
// The PFC watchdogs of switches; see watchdog.cpp.

#include <vector>

#include "raddle/part.hpp"
#include "raddle/tables.hpp"

namespace raddle {

class Watchdogs : public Part<Watchdogs> {
 public:
  explicit Watchdogs(Tables& tables);

  bool is_on() const { return !configs_.empty(); }
  void set_watchdog(PortId id, const WatchdogConfig& config);
  // Priorities that storms have switched PFC off for; pause frames for them are still looked at.
  std::uint8_t storm_priorities(PortId id) const;
  // The queue is paused, if not seen so before.
  void watch(PortId id, unsigned queue);
  // What a pause frame asks for `queues` (the others are as before) as far as storms let it through.
  std::uint8_t watched_pause(PortId id, std::uint8_t queues, std::uint8_t asked);
  void detect_storm(PortId id, unsigned queue);
  void restore_storm(PortId id, unsigned queue);
  // Why admission refused a packet of this queue (or, at ingress, of this priority group).
  DropReason refusal(const SwitchNode& node, PortId id, unsigned queue, bool is_ingress) const;

  // Counts of storms: a packet came in, was not let into its priority group, was dropped at its queue.
  void count_received(PortId id, const Packet& packet);
  void count_refused(PortId id, unsigned pg);
  void count_dropped(PortId id, unsigned queue, std::uint32_t frames) {
    if (WatchdogQueue& state = queues_of_[id * priorities + queue]; state.pfc_masked != 0) state.latest.tx_dropped += frames;
  }

  std::vector<WatchdogEvent>& happened() { return happened_; }
  auto fields() { return std::tie(happened_); }

 private:
  Time next_look(PortId id, Time time) const;
  Time storm_due(PortId id, Time since) const;
  Time calm_due(PortId id, Time since) const;
  void block_queue(PortId id, unsigned queue);
  void unblock_queue(PortId id, unsigned queue);
  void remove_storm_profiles(SwitchNode& node);
  void end_storm(PortId id, unsigned queue);
  WatchdogQueue* storm_of(PortId id, unsigned pg);

  const NetworkConfig& network_;
  std::vector<WatchdogConfig>& configs_;       // by port
  std::vector<WatchdogQueue>& queues_of_;      // by port and queue
  Port* ports_;
  Queue* queues_;
  PriorityGroup* pgs_;
  SwitchNode* switches_;
  const Time* pause_since_;
  std::vector<WatchdogEvent> happened_;
};

}  // namespace raddle
