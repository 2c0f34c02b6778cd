#pragma once
// The network's state as flat arrays. A partition touches only the rows of its own nodes, ports, queue pairs
// and flows, so partitions run at the same time without a lock.

#include <cstdint>
#include <tuple>
#include <vector>

#include "raddle/audit.hpp"
#include "raddle/event_queue.hpp"
#include "raddle/owners.hpp"
#include "raddle/scale_up.hpp"
#include "raddle/state.hpp"

namespace raddle {

struct Tables {
  Tables(const NetworkConfig& network_config, const Workload& workload);

  NetworkConfig network;
  std::vector<std::uint32_t> partition_of_node;
  Workload work;
  std::vector<std::uint32_t> qp_flow_offsets;
  std::vector<FlowId> qp_flows;
  std::vector<std::uint32_t> waits;             // dependencies not yet complete; 1 where there are none, for the start time
  std::vector<std::int64_t> dependent_offsets;
  std::vector<FlowId> dependents;

  std::vector<Port> ports;
  std::vector<Wire> wires;          // by sending port; of the partition that receives
  std::vector<Lane> lanes;          // see event_queue.hpp
  std::vector<Queue> queues;        // port * priorities + queue
  std::vector<PriorityGroup> pgs;   // port * priorities + PG
  std::vector<SwitchNode> switches;
  std::vector<Sender> senders;
  std::vector<Receiver> receivers;
  std::vector<std::uint32_t> round;  // by endpoint and priority: last served sender of the circle, none if empty

  std::vector<std::uint64_t> drops;             // by port and reason
  std::vector<std::uint64_t> marking_counter;   // by port
  std::vector<std::uint64_t> pauses, marks;     // by port and queue
  std::vector<std::int64_t> marked_bytes;
  std::vector<Losses> queue_losses;             // by port and queue
  std::vector<Losses> pg_losses;                // by port and PG
  std::vector<HeadroomMarks> headroom_marks;    // by port and PG
  std::vector<std::uint64_t> pfc_sent, pfc_received;  // by port and priority: PFC frames that name it
  std::vector<std::uint64_t> lost_frames;       // by port: what came while it was down
  std::vector<std::int64_t> lost_bytes;
  std::vector<Time> pause_since, pause_total;   // by port and queue
  std::vector<Hashes> hashes;                   // of the classes from 1
  std::vector<WatchdogConfig> watchdogs;        // by port; empty while no port has one
  std::vector<WatchdogQueue> watchdog_queues;   // by port and queue
  std::vector<SelectiveSender> selective_senders;      // by queue pair; empty with go-back-N
  std::vector<SelectiveReceiver> selective_receivers;
  std::vector<TrainPort> train_ports;           // by port; empty where frames go one by one
  std::vector<Impairment> impairments;          // by port; empty while no port has one
  std::vector<HostBus> buses;                   // by endpoint; empty where no bus sets a limit
  std::vector<PauseClock> pause_clocks;         // by port; empty where pauses hold until they are lifted
  OwnerTables owners;
  ScaleUpTables scale_up;
  [[no_unique_address]] AuditBooks audit;
  FlowResults flow_results;
  QpResults qp_results;

  auto fields() {
    return std::tie(waits, ports, wires, lanes, queues, pgs, switches, senders, receivers, round, drops, marking_counter,
                    pauses, marks, marked_bytes, queue_losses, pg_losses, headroom_marks, pfc_sent, pfc_received,
                    lost_frames, lost_bytes, pause_since, pause_total, hashes, watchdogs, watchdog_queues,
                    selective_senders, selective_receivers, train_ports, impairments, buses, pause_clocks, owners, scale_up, audit,
                    flow_results, qp_results);
  }

  bool is_scale_up(QpId qp) const { return work.qp_src[qp] == none; }

  // Where a flow's end starts a dependent one: at its receiver once it has arrived, or at its sender once acknowledged.
  bool starts_at_receiver(FlowId flow, FlowId dependent) const {
    return !network.nic.completes_on_ack &&
           work.qp_src_rank[work.flow_qp[dependent]] == work.qp_dst_rank[work.flow_qp[flow]];
  }

  // The speed of a cable, both directions: at most what it had at the start, which windows were made for.
  void set_speed(PortId id, std::int64_t bps);

  void set_traced(PortId id, bool is_traced);

  // Whether a flow waits for its start time alone. One that others come before waits for that when they are done.
  bool has_start_event(FlowId flow) const { return work.dep_offsets[flow + 1] == work.dep_offsets[flow]; }

  // The endpoint or the scale-up link that a queue pair begins at.
  std::uint32_t first_place(QpId qp) const {
    return is_scale_up(qp) ? work.scale_up.path_links[work.scale_up.path_offsets[qp]] : work.qp_src[qp];
  }

 private:
  void add_ports();
  void set_classes(PortId id);
  void set_wire_times(PortId id);
  void set_cut_times();
  void add_queue_pairs();
  void add_dependencies();
};

}  // namespace raddle
