#pragma once
// The engine: a resumable packet-level simulation of switches and RDMA NICs.
//
// `advance` runs events up to a time; between two calls switch state goes in and counters come out.
// See partition.hpp for how the network is cut, event_queue.hpp for the order of events.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "raddle/config.hpp"
#include "raddle/windows.hpp"

namespace raddle {

class Simulation {
 public:
  // Results are the same for any number of threads, and whether the network is cut into partitions or not.
  Simulation(const NetworkConfig& network, const Workload& work, unsigned threads = 1, bool is_cut = true);

  // Replaces what a switch forwards and buffers with; packets in its queues stay.
  void set_switch(NodeId index, const SwitchConfig& state);

  // Replaces a switch's access lists. What `acl_counts` has of its rules stays.
  void set_acl(NodeId index, AclConfig acl);
  const std::vector<AclCount>& acl_counts(NodeId index) const { return tables_->switches.at(index).acl_counts; }

  // Carrier of a cable, both directions; frames on a cut cable are lost.
  void set_link(PortId port, bool is_up);

  // Whether every frame that the port sends is recorded; `take_trace` hands over what was, in order of time.
  void set_traced(PortId port, bool is_traced);
  std::vector<TraceRecord> take_trace();

  // Queues that wait for each other in a circle, each held by a priority group that holds packets of the next one's
  // port; empty if there is none. In it nothing moves until something breaks it: a watchdog, a pause that expires.
  std::vector<QueueId> find_deadlock() const;

  // Light on a cable, both directions. Frames on a dark one are lost while its ends still send.
  void set_light(PortId port, bool is_lit);

  // Speed of a cable in bit/s, both directions: at most that of the start. What is on the wire is not changed.
  void set_speed(PortId port, std::int64_t bps);

  // By flow: from when all that it waits for is done until it starts, for those that are not yet ready.
  void set_delays(std::vector<Time> delays);

  // Chance that a bit which arrives at the port, or at its peer, is wrong after FEC; such a frame is dropped.
  void set_bit_errors(PortId port, double ratio);

  // The endpoint at `port` asks its switch to halt these priorities (bits), whatever it receives, until told else.
  // With a period it sends a PFC frame at once and one each period, whose pauses end after so many quanta.
  void set_storm(PortId port, std::uint8_t priorities, Time period = 0, std::uint32_t quanta = 0);

  // The endpoint's host takes data at `bps` at most (0: at line rate) from the NIC's buffer of so many bytes; the
  // NIC pauses its switch above `xoff` bytes until `xon` are left. A host with a bus takes no more than that carries.
  void set_receiver(PortId port, std::int64_t bps, std::int64_t buffer, std::int64_t xoff, std::int64_t xon);

  // ECMP hashes of every queue pair's data and acknowledgements for switches that do not hash as the workload's
  // columns do. Returns their class (see SwitchConfig::hash_class).
  std::uint32_t add_hashes(std::vector<std::uint32_t> data, std::vector<std::uint32_t> acks);

  // Lets marks and pauses be counted by owner, of whom each queue pair has one; before the first event.
  void set_owners(std::vector<std::uint32_t> of_qp, std::uint32_t owners);
  const std::vector<std::uint64_t>& owner_marks() const { return tables_->owners.marks; }  // by port and owner
  std::vector<double> owner_pause_time() const;  // by port that is halted, and owner: ps up to now

  // Runs events up to and with `until`; stops early once it has run `max_events`, at the end of a window.
  // Returns the number of events; below `max_events`, `until` is reached or nothing is left to do.
  // A run ends at the first multiple of 2^20 ps at which every flow is done or has failed.
  std::uint64_t advance(Time until, std::uint64_t max_events);

  // All that the simulation was told and has come to, between two calls of `advance`; and that in one which was made of
  // the same network and work and has run nothing. That one then goes on as this would, with any number of threads.
  std::vector<std::uint8_t> save();
  void restore(std::span<const std::uint8_t> state);

  Time now() const { return now_; }  // when the last flow ended, once the run is done
  bool is_done() const { return windows_->is_done(); }
  bool has_events() const { return windows_->next_time() != never; }
  std::size_t flows_done() const;
  std::size_t partitions() const { return partitions_.size(); }

  // Transmitting ports from sender to receiver that the present state gives a queue pair's data (or its
  // acknowledgements); ends early where a packet would be dropped.
  std::vector<PortId> trace(QpId qp, bool is_ack) const;

  const Tables& tables() const { return *tables_; }
  const FlowResults& flows() const { return tables_->flow_results; }
  const QpResults& qps() const { return tables_->qp_results; }
  const std::vector<Receiver>& receivers() const { return tables_->receivers; }  // by queue pair
  const std::vector<SwitchNode>& switches() const { return tables_->switches; }
  const std::vector<Wire>& wires() const { return tables_->wires; }  // by sending port
  const std::vector<Port>& ports() const { return tables_->ports; }
  const std::vector<Queue>& queues() const { return tables_->queues; }
  const std::vector<std::uint64_t>& marks() const { return tables_->marks; }  // by port and queue
  const std::vector<PriorityGroup>& pgs() const { return tables_->pgs; }
  const std::vector<HeadroomMarks>& headroom_marks() const { return tables_->headroom_marks; }  // by port and PG
  const std::vector<std::uint64_t>& drops() const { return tables_->drops; }  // by port and reason
  // Frames and their bytes that have arrived at each port; those on the wire or lost at a port that was down are not.
  struct Arrivals {
    std::vector<std::uint64_t> frames;
    std::vector<std::int64_t> bytes;
  };
  Arrivals arrivals() const;
  const std::vector<std::int64_t>& marked_bytes() const { return tables_->marked_bytes; }  // by port and queue
  const std::vector<Losses>& queue_losses() const { return tables_->queue_losses; }         // by port and queue
  const std::vector<Losses>& pg_losses() const { return tables_->pg_losses; }               // by port and PG
  const std::vector<std::uint64_t>& lost_frames() const { return tables_->lost_frames; }    // by port
  std::vector<std::int64_t> pg_max_bytes() const;  // by port and PG: the most it held, headroom included
  // The most since the last clear_watermarks. Shared bytes are those above the profile's reserved ones.
  struct Watermarks {
    std::vector<std::int64_t> queue, pg, pg_headroom;    // by port and queue or PG
    std::vector<std::int64_t> pool, pool_headroom;       // by switch and pool
    std::vector<std::int64_t> pool_offsets;              // by switch: its first pool, and the end
  };
  Watermarks watermarks() const;
  void clear_watermarks();
  // By port and queue, or none: packets in storms so far; those of the latest storm alone.
  std::vector<StormCounts> storm_counts(bool is_latest) const;
  const std::vector<std::uint64_t>& pfc_sent() const { return tables_->pfc_sent; }          // by port and priority
  const std::vector<std::uint64_t>& pfc_received() const { return tables_->pfc_received; }
  std::vector<Time> pause_time() const;                               // by port and queue, up to now
  const std::vector<std::uint64_t>& pauses() const { return tables_->pauses; }
  const std::vector<WatchdogQueue>& watchdog_queues() const { return tables_->watchdog_queues; }  // by port and queue; or none
  const std::vector<WatchdogEvent>& watchdog_events() const { return watchdog_events_; }
  // By scale-up link, what it has carried: messages once, where its switch copies or sums them.
  std::vector<std::int64_t> scale_up_bytes() const;
  std::int64_t scale_up_sent() const;       // of messages inside scale-up domains
  std::int64_t scale_up_delivered() const;
  std::uint64_t injected() const;
  std::uint64_t delivered() const;
  std::uint64_t dropped() const;
  std::uint64_t in_network() const;

 private:
  Partition& partition_of(PortId port) {
    return *partitions_[tables_->partition_of_node[tables_->ports[port].node]];
  }
  template <typename Walk> void walk(Walk& act);
  void check_port(PortId port) const;
  std::size_t ports_of(NodeId index) const;
  void count_drops();
  void gather_watchdog_events();
  void refresh_link(PortId port);
  void move_bond(PortId port);

  std::unique_ptr<Tables> tables_;
  std::vector<std::unique_ptr<Partition>> partitions_;
  std::unique_ptr<Windows> windows_;
  Time now_ = 0;
  std::vector<WatchdogEvent> watchdog_events_;
  std::vector<Time> drop_time_;  // by queue pair, of its last dropped packet
  std::vector<bool> is_admin_up_, has_carrier_;  // by port
};

}  // namespace raddle
