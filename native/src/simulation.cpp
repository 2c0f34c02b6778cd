#include "raddle/simulation.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace raddle {

namespace {

// The offsets of a compressed sparse row table, from how many entries each row has.
template <typename Offset>
std::vector<Offset> offsets_of(const std::vector<Offset>& counts) {
  std::vector<Offset> offsets(counts.size() + 1, 0);
  for (std::size_t i = 0; i < counts.size(); ++i) offsets[i + 1] = offsets[i] + counts[i];
  return offsets;
}

std::uint32_t whole_ps_per_byte(std::int64_t speed) {
  constexpr std::int64_t byte_ps = 8'000'000'000'000;
  const bool is_whole = speed > 0 && byte_ps % speed == 0 && byte_ps / speed <= UINT32_MAX;
  return is_whole ? static_cast<std::uint32_t>(byte_ps / speed) : 0;
}

// How far ahead most arrivals lie: the longest way to a peer, and a full frame on the slowest wire.
Time horizon(const NetworkConfig& network) {
  Time longest = 0;
  for (const PortConfig& port : network.ports) {
    if (port.peer == none) continue;
    const NodeId far = network.ports[port.peer].node;
    const Time pipeline = far < network.endpoints ? 0 : network.pipeline_latency[far - network.endpoints];
    longest = std::max(longest, wire_time(network.nic.mtu, port.speed) + port.propagation + pipeline);
  }
  return longest;
}

}  // namespace

Simulation::Simulation(const NetworkConfig& network, const Workload& work)
    : network_(network), work_(work), events_(network.ports.size(), horizon(network)), ports_(network.ports.size()),
      queues_(network.ports.size() * priorities), pgs_(network.ports.size() * priorities),
      switches_(network.switches), round_(network.endpoints, none),
      drops_(network.ports.size() * drop_reasons, 0), marking_counter_(network.ports.size(), 0),
      pauses_(network.ports.size() * priorities, 0), marks_(network.ports.size() * priorities, 0),
      pause_since_(network.ports.size() * priorities, never),
      pause_total_(network.ports.size() * priorities, 0), is_admin_up_(network.ports.size(), true),
      has_carrier_(network.ports.size(), true) {
  const std::size_t flows = work_.flow_qp.size();
  const std::size_t qps = work_.qp_src.size();
  for (PortId id = 0; id < ports_.size(); ++id) {
    const PortConfig& config = network_.ports[id];
    Port& port = ports_[id];
    port.node = config.node;
    port.peer = config.peer;
    port.is_endpoint = config.node < network_.endpoints;
    port.speed = config.speed;
    port.ps_per_byte = network_.nic.clock == 1 ? whole_ps_per_byte(config.speed) : 0;
    port.propagation = port.arrive_delay = config.propagation;
    if (config.peer != none) {
      const NodeId far = network_.ports[config.peer].node;
      if (far >= network_.endpoints) {
        port.arrive_delay += network_.pipeline_latency[far - network_.endpoints];
      }
    }
    if (config.node >= network_.endpoints) {
      SwitchNode& node = switches_[config.node - network_.endpoints];
      if (id == 0 || network_.ports[id - 1].node != config.node) node.first_port = id;
    } else if (config.node != id) {
      throw std::invalid_argument("endpoint e must have port e and no other");
    }
  }
  for (NodeId i = 0; i < network_.switches; ++i) switches_[i].fib.assign(network_.endpoints, none);

  std::vector<std::uint32_t> per_qp(qps, 0);
  for (const QpId qp : work_.flow_qp) ++per_qp[qp];
  qp_flow_offsets_ = offsets_of(per_qp);
  qp_flows_.resize(flows);
  std::vector<std::uint32_t> fill(qp_flow_offsets_.begin(), qp_flow_offsets_.end() - 1);
  for (FlowId flow = 0; flow < flows; ++flow) qp_flows_[fill[work_.flow_qp[flow]]++] = flow;

  senders_.resize(qps);
  receivers_.resize(qps);
  for (QpId qp = 0; qp < qps; ++qp) {
    Sender& sender = senders_[qp];
    sender.port = work_.qp_src[qp];
    sender.dst = work_.qp_dst[qp];
    sender.hash = work_.qp_hash[qp];
    sender.dscp = work_.qp_dscp[qp];
    sender.priority = work_.qp_priority[qp];
    sender.dcqcn.rate = sender.dcqcn.target = static_cast<double>(ports_[sender.port].speed);
    Receiver& receiver = receivers_[qp];
    receiver.port = work_.qp_dst[qp];
    receiver.dst = work_.qp_src[qp];
    receiver.hash = work_.qp_ack_hash[qp];
    const bool has_ack_class = network_.nic.ack_dscp < dscps;
    receiver.dscp = has_ack_class ? network_.nic.ack_dscp : sender.dscp;
    receiver.priority = has_ack_class ? network_.nic.ack_priority : sender.priority;
    if (per_qp[qp] > 0) {
      receiver.cursor_end = packets_of(qp_flows_[qp_flow_offsets_[qp]]);
      sender.cursor_end = sender.acked_end = receiver.cursor_end;
    }
  }
  flow_results_.start.assign(flows, never);
  flow_results_.finish.assign(flows, never);
  flow_results_.acked.assign(flows, never);
  flow_results_.status.assign(flows, static_cast<std::uint8_t>(FlowStatus::waiting));
  qp_results_.retransmitted.assign(qps, 0);
  qp_results_.timeouts.assign(qps, 0);
  qp_results_.cnps.assign(qps, 0);
  qp_results_.drops.assign(qps, 0);
  qp_results_.drop_port.assign(qps, none);
  qp_results_.drop_reason.assign(qps, 0);

  waits_.resize(flows);
  std::vector<std::int64_t> per_flow(flows, 0);
  for (const FlowId dep : work_.dep_ids) ++per_flow[dep];
  dependent_offsets_ = offsets_of(per_flow);
  dependents_.resize(work_.dep_ids.size());
  std::vector<std::int64_t> next(dependent_offsets_.begin(), dependent_offsets_.end() - 1);
  for (FlowId flow = 0; flow < flows; ++flow) {
    for (auto i = work_.dep_offsets[flow]; i < work_.dep_offsets[flow + 1]; ++i) {
      dependents_[static_cast<std::size_t>(next[work_.dep_ids[static_cast<std::size_t>(i)]]++)] = flow;
    }
    waits_[flow] = static_cast<std::uint32_t>(work_.dep_offsets[flow + 1] - work_.dep_offsets[flow]);
    if (waits_[flow] > 0 && work_.flow_start[flow] == 0) continue;
    ++waits_[flow];  // for its start time
    ++open_flows_;
    const PortId port = work_.qp_src[work_.flow_qp[flow]];
    schedule(port, work_.flow_start[flow], EventKind::start, flow, 0);
  }
}

void Simulation::schedule(PortId by, Time time, EventKind kind, std::uint32_t id, std::uint32_t data) {
  events_.push({time, event_order(by, kind, id), data});
}

void Simulation::schedule_timer(PortId port, Time time, PortTimer what, unsigned queue) {
  schedule(port, time, EventKind::timer, static_cast<std::uint32_t>(what) << 8 | queue, 0);
}

void Simulation::port_timer(PortId port, std::uint32_t id) {
  const unsigned queue = id & 0xFFU;
  switch (static_cast<PortTimer>(id >> 8)) {
    case PortTimer::storm_detect:
      return detect_storm(port, queue);
    case PortTimer::storm_restore:
      return restore_storm(port, queue);
  }
}

std::uint32_t Simulation::add_hashes(std::vector<std::uint32_t> data, std::vector<std::uint32_t> acks) {
  if (data.size() != senders_.size() || acks.size() != senders_.size()) {
    throw std::invalid_argument("hashes must have an entry per queue pair");
  }
  hashes_.push_back({std::move(data), std::move(acks)});
  return static_cast<std::uint32_t>(hashes_.size());
}

std::uint64_t Simulation::advance(Time until, std::uint64_t max_events) {
  std::uint64_t count = 0;
  Event event;
  while (count < max_events && open_flows_ > 0) {
    if (!events_.pop(until, event)) {
      if (until != never) now_ = until;
      break;
    }
    now_ = event.time;
    prefetch();
    dispatch(event);
    ++count;
  }
  return count;
}

// Asks for the memory that the next events touch: most of an event's cost is waiting for it.
void Simulation::prefetch() const {
  if (const PortId later = events_.ahead(2); later != none) __builtin_prefetch(&ports_[later]);
  if (const PortId next = events_.ahead(0); next != none) {
    const Port& port = ports_[next];
    if (port.wire_head != none) __builtin_prefetch(&packets_[port.wire_head]);
    if (port.peer != none) __builtin_prefetch(&ports_[port.peer]);
  }
}

void Simulation::dispatch(const Event& event) {
  const std::uint32_t id = event.id();
  switch (event.kind()) {
    case EventKind::arrive:
      arrive(id);
      break;
    case EventKind::wake:
      kick(id);
      break;
    case EventKind::pause:
      receive_pause(id, event.data);
      break;
    case EventKind::release:
      release(id, event.data >> 16, event.data & 0xFFFFU);
      break;
    case EventKind::retransmit:
      retransmit_timer(id);
      break;
    case EventKind::timer:
      port_timer(event.port(), id);
      break;
    case EventKind::start:
      --open_flows_;
      make_ready(id);
      break;
  }
}

// The first frame on the wire from `sender` is at its peer, behind the pipeline.
void Simulation::arrive(PortId sender) {
  Port& wire = ports_[sender];
  const PacketId packet = wire.wire_head;
  const PacketId next = packets_[packet].next;
  wire.wire_head = next;
  if (next != none) {
    events_.set_arrival(sender, packets_[next].arrival);
    if (packets_[next].next != none) __builtin_prefetch(&packets_[packets_[next].next]);
  }
  const PortId id = wire.peer;
  const Port& port = ports_[id];
  if (!port.is_up) {
    drop(id, packet, DropReason::link_down);
  } else if (port.is_endpoint) {
    nic_receive(packet);
  } else {
    switch_receive(id, packet);
  }
}

PacketId Simulation::allocate_packet() {
  ++injected_;
  if (free_packet_ == none) {
    packets_.emplace_back();
    return static_cast<PacketId>(packets_.size() - 1);
  }
  const PacketId id = free_packet_;
  free_packet_ = packets_[id].next;
  --free_packets_;
  return id;
}

void Simulation::free_packet(PacketId id) {
  packets_[id].next = free_packet_;
  free_packet_ = id;
  ++free_packets_;
}

void Simulation::drop(PortId port, PacketId id, DropReason reason) {
  const QpId qp = packets_[id].qp;
  ++drops_[port * drop_reasons + static_cast<unsigned>(reason)];
  ++qp_results_.drops[qp];
  qp_results_.drop_port[qp] = port;
  qp_results_.drop_reason[qp] = static_cast<std::uint8_t>(reason);
  ++dropped_;
  free_packet(id);
}

std::vector<Time> Simulation::pause_time() const {
  std::vector<Time> total = pause_total_;
  for (std::size_t i = 0; i < total.size(); ++i) {
    if (ports_[i / priorities].paused >> (i % priorities) & 1U) total[i] += now_ - pause_since_[i];
  }
  return total;
}

}  // namespace raddle
