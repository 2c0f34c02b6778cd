#pragma once
// The engine: a resumable packet-level simulation of switches and RDMA NICs.
//
// `advance` runs events up to a time; between two calls switch state goes in and counters come out.
// See event_queue.hpp for the order of events.

#include <string>
#include <vector>

#include "raddle/config.hpp"
#include "raddle/event_queue.hpp"
#include "raddle/state.hpp"

namespace raddle {

class Simulation {
 public:
  Simulation(const NetworkConfig& network, const Workload& work);

  // Replaces what a switch forwards and buffers with; packets in its queues stay.
  void set_switch(NodeId index, const SwitchConfig& state);

  // Carrier of a cable, both directions; frames on a cut cable are lost.
  void set_link(PortId port, bool is_up);

  // The endpoint at `port` asks its switch to halt these priorities (bits), whatever it receives, until told else.
  void set_storm(PortId port, std::uint8_t priorities);

  // ECMP hashes of every queue pair's data and acknowledgements for switches that do not hash as the workload's
  // columns do. Returns their class (see SwitchConfig::hash_class).
  std::uint32_t add_hashes(std::vector<std::uint32_t> data, std::vector<std::uint32_t> acks);

  // Runs events up to and with `until`, at most `max_events`. Returns the number of events.
  std::uint64_t advance(Time until, std::uint64_t max_events);

  Time now() const { return now_; }
  bool is_done() const { return open_flows_ == 0; }
  bool has_events() const { return events_.size() > 0; }
  std::size_t flows_done() const { return flows_done_; }

  // Transmitting ports from sender to receiver that the present state gives a queue pair's data (or its
  // acknowledgements); ends early where a packet would be dropped.
  std::vector<PortId> trace(QpId qp, bool is_ack) const;

  const FlowResults& flows() const { return flow_results_; }
  const QpResults& qps() const { return qp_results_; }
  const std::vector<Port>& ports() const { return ports_; }
  const std::vector<Queue>& queues() const { return queues_; }
  const std::vector<std::uint64_t>& marks() const { return marks_; }  // by port and queue
  const std::vector<PriorityGroup>& pgs() const { return pgs_; }
  const std::vector<std::uint64_t>& drops() const { return drops_; }  // by port and reason
  std::vector<Time> pause_time() const;                               // by port and queue, up to now
  const std::vector<std::uint64_t>& pauses() const { return pauses_; }
  const std::vector<WatchdogQueue>& watchdog_queues() const { return watchdog_queues_; }  // by port and queue; or none
  const std::vector<WatchdogEvent>& watchdog_events() const { return watchdog_events_; }
  std::uint64_t injected() const { return injected_; }
  std::uint64_t delivered() const { return delivered_; }
  std::uint64_t dropped() const { return dropped_; }
  std::uint64_t in_network() const { return packets_.size() - free_packets_; }

 private:
  // simulation.cpp
  void schedule(PortId by, Time time, EventKind kind, std::uint32_t id, std::uint32_t data);
  void schedule_timer(PortId port, Time time, PortTimer what, unsigned queue);
  void dispatch(const Event& event);
  void port_timer(PortId port, std::uint32_t id);
  void prefetch() const;
  PacketId allocate_packet();
  void free_packet(PacketId id);
  void drop(PortId port, PacketId id, DropReason reason);

  // port.cpp: transmission, pausing and scheduling of any port
  void kick(PortId id);
  void transmit(PortId id);
  void arrive(PortId sender);
  void send_frame(Port& port, PortId id, PacketId packet);
  Time wire_ticks(const Port& port, std::int64_t wire_bytes) const;
  bool send_pause(Port& port, PortId id);
  void receive_pause(PortId id, std::uint32_t masks);
  void enqueue(PortId id, unsigned queue, PacketId packet);
  PacketId dequeue(Port& port, PortId id, unsigned ready);
  PacketId take(Port& port, PortId id, unsigned queue);
  void set_paused(PortId id, std::uint8_t queues);
  unsigned pick_queue(Port& port, PortId id, unsigned ready);

  // link.cpp
  void refresh_link(PortId port);
  void raise_port(PortId id);
  void lower_port(PortId id);

  // switch.cpp
  void switch_receive(PortId in, PacketId id);
  PortId route(const SwitchNode& node, NodeId dst, std::uint32_t hash) const;
  std::uint32_t other_hash(const SwitchNode& node, QpId qp, bool is_data) const;
  bool admit(SwitchNode& node, PortId in, unsigned pg, std::int64_t bytes);
  void release(PortId in, unsigned pg, std::int64_t bytes);
  void change_pause(PortId port, unsigned priority, bool is_xoff);
  bool is_marked(const SwitchNode& node, PortId out, const Queue& queue);
  void mark(Packet& packet, PortId out, unsigned queue);

  // watchdog.cpp
  void set_watchdog(PortId id, const WatchdogConfig& config);
  std::uint8_t storm_priorities(PortId id) const;
  void watch(PortId id, unsigned queue);
  std::uint8_t watched_pause(PortId id, std::uint8_t queues, std::uint8_t asked);
  void detect_storm(PortId id, unsigned queue);
  void restore_storm(PortId id, unsigned queue);
  void block_queue(PortId id, unsigned queue);
  void unblock_queue(PortId id, unsigned queue);
  DropReason refusal(const SwitchNode& node, PortId id, unsigned queue, bool is_ingress);

  // nic.cpp
  void nic_receive(PacketId id);
  void receive_data(PacketId id);
  void receive_ack(PacketId id);
  void reply(PacketId id, PacketKind kind);
  bool send_data(Port& port, PortId id);
  void rewind(QpId qp, std::uint64_t psn);
  void retransmit_timer(QpId qp);
  void fail(QpId qp);
  void make_ready(FlowId flow);
  void post(QpId qp);
  void complete(FlowId flow, bool at_receiver);
  std::uint64_t packets_of(FlowId flow) const;
  void join_round(QpId qp);

  NetworkConfig network_;
  Workload work_;
  std::vector<std::uint32_t> qp_flow_offsets_;
  std::vector<FlowId> qp_flows_;
  std::vector<std::uint32_t> waits_;                // dependencies not yet complete, start time included
  std::vector<std::int64_t> dependent_offsets_;
  std::vector<FlowId> dependents_;

  EventQueue events_;
  Time now_ = 0;
  std::vector<Port> ports_;
  std::vector<Queue> queues_;        // port * priorities + queue
  std::vector<PriorityGroup> pgs_;   // port * priorities + PG
  std::vector<SwitchNode> switches_;
  std::vector<Packet> packets_;
  std::uint32_t free_packet_ = none;
  std::vector<Sender> senders_;
  std::vector<Receiver> receivers_;
  std::vector<std::uint32_t> round_;  // per endpoint: last served sender of its circle, none if empty

  std::vector<std::uint64_t> drops_, marking_counter_, pauses_, marks_;
  std::vector<Time> pause_since_, pause_total_;
  std::vector<bool> is_admin_up_, has_carrier_;  // by port
  struct Hashes {
    std::vector<std::uint32_t> data, acks;
  };
  std::vector<Hashes> hashes_;                   // of the classes from 1
  std::vector<WatchdogConfig> watchdogs_;        // by port; empty while no port has one
  std::vector<WatchdogQueue> watchdog_queues_;   // by port and queue
  std::vector<WatchdogEvent> watchdog_events_;
  FlowResults flow_results_;
  QpResults qp_results_;
  std::size_t open_flows_ = 0;        // posted or to be posted, neither done nor failed
  std::size_t flows_done_ = 0;
  std::size_t free_packets_ = 0;
  std::uint64_t injected_ = 0, delivered_ = 0, dropped_ = 0;
};

}  // namespace raddle
