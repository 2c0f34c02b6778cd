#pragma once
// Some of the network's nodes with an event list and packets of their own.
//
// Partitions run side by side through windows of time no longer than anything takes from one to another
// (the lookahead). What one sends to another is handed over between windows. Results do not depend on how
// the network is cut: within a partition events have their fixed order, and two partitions share nothing.
// SOURCE: R. Fujimoto, "Parallel discrete event simulation", CACM 33(10), 1990 (conservative windows).

#include <vector>

#include "raddle/tables.hpp"

namespace raddle {

// What one thread's partitions send to others within a window.
struct Outbox {
  struct Letters {
    std::vector<PortId> wires;   // ports that sent frames
    std::vector<Event> events;   // pauses
  };
  std::vector<std::vector<Packet>> frames;  // by sending port
  std::vector<Letters> to;                  // by partition
  std::vector<std::uint32_t> touched;       // partitions with letters
  Time earliest = never;
};

struct DropRecord {
  Time time;
  QpId qp;
  PortId port;
  DropReason reason;
  std::uint32_t rule;  // of an access list, or none
};

class Partition {
 public:
  Partition(Tables& tables, std::uint32_t number, Time horizon);

  // Runs its events before `end`. Returns their number.
  std::uint64_t run(Time end);

  // Takes what came for it; empties the letters.
  void collect(Outbox& box, Outbox::Letters& letters);

  Time next_time() const { return events_.next_time(); }

 private:
  friend class Simulation;

  // partition.cpp
  void schedule(PortId by, Time time, EventKind kind, std::uint32_t id, std::uint32_t data);
  void schedule_timer(PortId port, Time time, PortTimer what, unsigned queue);
  void port_timer(PortId port, std::uint32_t id);
  void notify_peer(PortId by, Time time, std::uint32_t masks);
  void dispatch(const Event& event);
  void host_event(const Event& event);
  void arrive(PortId sender);
  void put_on_wire(PortId sender, const Packet& packet, Time arrival);
  void put_in_letter(PortId sender, const Packet& packet, Time arrival);
  Outbox::Letters& letters_to(PortId port, Time time);
  PacketId allocate_packet();
  void free_packet(PacketId id);
  void drop(PortId port, const Packet& packet, DropReason reason, std::uint32_t rule = none);
  void drop_at_queue(PortId port, unsigned queue, const Packet& packet, DropReason reason);
  void drop_at_pg(PortId port, unsigned pg, const Packet& packet, DropReason reason);

  // port.cpp: transmission, pausing and scheduling of any port
  void kick(PortId id);
  void send_now(PortId id);
  void transmit(PortId id);
  void send_frame(Port& port, PortId id, const Packet& packet);
  Time wire_ticks(const Port& port, std::int64_t wire_bytes) const;
  bool send_pause(Port& port, PortId id);
  void receive_pause(PortId id, std::uint32_t masks);
  void enqueue(PortId id, unsigned queue, const Packet& packet);
  PacketId dequeue(Port& port, PortId id, unsigned ready);
  PacketId take(Port& port, PortId id, unsigned queue);
  void drop_all(PortId id, unsigned queue, DropReason reason);
  void set_paused(PortId id, std::uint8_t queues);
  unsigned pick_queue(Port& port, PortId id, unsigned ready);

  // link.cpp
  void raise_port(PortId id);
  void lower_port(PortId id);

  // switch.cpp
  void set_switch(NodeId index, const SwitchConfig& state);
  void switch_receive(PortId in, Packet& packet);
  bool passes_through(SwitchNode& node, const Port& port, unsigned queue_index, Queue& queue, PriorityGroup& pg,
                      std::int64_t bytes) const;
  bool admit(SwitchNode& node, PortId in, unsigned pg, std::int64_t bytes);
  void release(PortId in, unsigned pg, std::int64_t bytes);
  bool may_resume(const SwitchNode& node, const PriorityGroup& pg) const;
  void refresh_pause(const SwitchNode& node, PortId in, unsigned pg);
  void change_pause(PortId port, unsigned priority, bool is_xoff);
  bool is_hit(const WredConfig& wred, PortId out, const Queue& queue);
  bool is_marked(const SwitchNode& node, PortId out, const Queue& queue);
  void mark(Packet& packet, PortId out, unsigned queue);

  // acl.cpp
  bool is_denied(SwitchNode& node, bool is_egress, PortId port, const Packet& packet);
  std::uint8_t place_in_message(const Packet& packet) const;

  // ars.cpp
  void set_ars(SwitchNode& node, const SwitchConfig& state);
  PortId adaptive_route(SwitchNode& node, std::uint32_t group, std::uint32_t hash);
  void sample_loads(SwitchNode& node);
  std::int64_t load_band(const SwitchNode& node, std::uint32_t port) const;
  std::int64_t find_least_loaded(const SwitchNode& node, std::uint32_t group, bool is_alternative,
                                 std::vector<std::uint32_t>& found) const;
  std::uint32_t best_member(SwitchNode& node, std::uint32_t group, const ArsObject& object);
  std::int64_t sent_bytes(PortId id) const;
  std::int64_t queued_bytes(PortId id) const;

  // trace.cpp
  void trace_frame(PortId id, const Packet& packet);
  void trace_pause(PortId id, std::uint32_t masks);

  // reception.cpp
  Impairment& impairment(PortId id);
  void refresh_checks(PortId id);
  bool receives(PortId id, const Packet& packet);
  void lose(PortId id, const Packet& packet, DropReason reason);
  bool hears_pause(PortId id);
  bool is_corrupt(PortId id, std::int64_t bytes);
  void set_receiver(PortId port, std::int64_t bps, std::int64_t buffer, std::int64_t xoff, std::int64_t xon);
  bool takes(PortId id, const Packet& packet);
  void drain_receiver(PortId id);
  bool lands_later(PortId id, FlowId flow);
  bool is_held_by_bus(PortId id);
  void load_bus(PortId id, std::int64_t payload);
  void refresh_halt(PortId id);
  void set_mtu(PortId id, std::uint32_t mtu);
  bool is_too_long(PortId id, std::int64_t bytes) const;

  // pause_clock.cpp
  Time pause_span(const Port& port) const;
  void start_renewing(PortId id);
  void renew_pause(PortId id);
  void extend_pause(PortId id, std::uint8_t queues);
  void expire_pause(PortId id, unsigned queue);

  // watchdog.cpp
  void set_watchdog(PortId id, const WatchdogConfig& config);
  std::uint8_t storm_priorities(PortId id) const;
  void watch(PortId id, unsigned queue);
  Time next_look(PortId id, Time time) const;
  Time storm_due(PortId id, Time since) const;
  Time calm_due(PortId id, Time since) const;
  std::uint8_t watched_pause(PortId id, std::uint8_t queues, std::uint8_t asked);
  void detect_storm(PortId id, unsigned queue);
  void restore_storm(PortId id, unsigned queue);
  void block_queue(PortId id, unsigned queue);
  void unblock_queue(PortId id, unsigned queue);
  void remove_storm_profiles(SwitchNode& node);
  DropReason refusal(const SwitchNode& node, PortId id, unsigned queue, bool is_ingress) const;
  void end_storm(PortId id, unsigned queue);
  WatchdogQueue* storm_of(PortId id, unsigned pg);
  void count_in_storm(PortId id, const Packet& packet);

  // nic.cpp
  void nic_receive(PortId port, Packet& packet);
  void receive_data(Packet& packet);
  void receive_ack(const Packet& packet);
  void receive_nak(const Packet& packet);
  void take_progress(QpId qp, std::uint32_t progress);
  void go_on(QpId qp);
  void reply(Packet& packet, PacketKind kind, std::uint64_t psn, std::uint32_t ahead = 0);
  bool sends_at_once(PortId id, unsigned queue_index, const Packet& packet);
  void acknowledge(Packet& packet, bool is_marked, bool is_urgent);
  void end_message(QpId qp);
  void refresh_limit(Sender& sender);
  bool send_of_host(Port& port, PortId id, unsigned ready);
  bool send_of_priority(Port& port, PortId id, unsigned priority);
  unsigned pick_class(Port& port, PortId id, unsigned ready);
  bool send_data(Port& port, PortId id, unsigned priority);
  void pace(Sender& sender, double line_rate) const;
  void rewind(QpId qp, std::uint64_t psn);
  void retransmit_timer(QpId qp);
  void fail(QpId qp);
  void make_ready(FlowId flow);
  void prepare(FlowId flow);
  void post(QpId qp);
  void post_inside(QpId qp);
  void complete(FlowId flow, bool at_receiver);
  std::uint64_t packets_of(FlowId flow) const;
  void join_round(QpId qp);

  // selective.cpp
  bool has_lost(QpId qp);
  std::uint64_t take_lost(QpId qp, std::int64_t& payload);
  void receive_selective(Packet& packet, bool is_marked);
  void number_sent(QpId qp, std::uint64_t psn);
  void note_arrived(QpId qp, std::uint64_t psn);
  void advance_newest(SelectiveSender& selective, const SelectiveSender::Flight& flight) const;
  void find_lost(QpId qp);
  void forget_acknowledged(QpId qp, std::uint64_t count);
  void resend_all(QpId qp);

  // The network's arrays; see tables.hpp.
  const NetworkConfig& network_;
  const Tables& tables_;
  const Workload& work_;
  const std::uint32_t* qp_flow_offsets_;
  const FlowId* qp_flows_;
  std::uint32_t* waits_;
  const std::int64_t* dependent_offsets_;
  const FlowId* dependents_;
  Port* ports_;
  Wire* wires_;
  Queue* queues_;
  PriorityGroup* pgs_;
  SwitchNode* switches_;
  Sender* senders_;
  Receiver* receivers_;
  std::uint32_t* round_;
  std::uint64_t *drops_, *marking_counter_, *pauses_, *marks_, *pfc_sent_, *pfc_received_, *lost_frames_;
  std::int64_t *lost_bytes_, *marked_bytes_;
  Losses *queue_losses_, *pg_losses_;
  HeadroomMarks* headroom_marks_;
  Time *pause_since_, *pause_total_;
  const std::vector<Hashes>& hashes_;
  std::vector<WatchdogConfig>& watchdogs_;
  std::vector<WatchdogQueue>& watchdog_queues_;
  std::vector<SelectiveSender>& selective_senders_;
  std::vector<SelectiveReceiver>& selective_receivers_;
  std::vector<Impairment>& impairments_;
  std::vector<HostBus>& buses_;
  std::vector<PauseClock>& pause_clocks_;
  FlowResults& flow_results_;
  QpResults& qp_results_;

  const std::uint32_t* partition_of_node_;
  Outbox* outbox_ = nullptr;
  EventQueue events_;
  ScaleUp scale_up_;
  Time now_ = 0;
  std::vector<Packet> packets_;
  std::uint32_t free_packet_ = none;
  std::size_t free_packets_ = 0;
  std::int64_t open_flows_ = 0;  // posted or to be posted here, neither done nor failed
  std::size_t flows_done_ = 0;
  Time last_end_ = 0;            // when the last flow ended
  std::uint64_t injected_ = 0, delivered_ = 0, dropped_ = 0;
  std::vector<DropRecord> drop_records_;
  std::vector<WatchdogEvent> watchdog_events_;
  std::vector<TraceRecord> trace_;
  [[no_unique_address]] Audit audit_;
};

// The bits of a packet's hash by which a switch chooses.
std::uint32_t hash_bits(const SwitchNode& node, std::uint32_t hash);

// The port of the member that the hash chooses, none if the group is empty.
PortId route(const SwitchNode& node, std::uint32_t group, std::uint32_t hash);

}  // namespace raddle
