#include "raddle/tables.hpp"

#include <algorithm>

namespace raddle {

namespace {

// The offsets of a compressed sparse row table, from how many entries each row has.
template <typename Offset>
std::vector<Offset> offsets_of(const std::vector<Offset>& counts) {
  std::vector<Offset> offsets(counts.size() + 1, 0);
  for (std::size_t i = 0; i < counts.size(); ++i) offsets[i + 1] = offsets[i] + counts[i];
  return offsets;
}

}  // namespace

Tables::Tables(const NetworkConfig& network_config, const Workload& workload)
    : network(network_config), work(workload), ports(network.ports.size()), wires(network.ports.size()),
      lanes(network.ports.size() * 2), queues(network.ports.size() * priorities),
      pgs(network.ports.size() * priorities), switches(network.switches),
      round(network.endpoints * priorities, none),
      drops(network.ports.size() * drop_reasons, 0), marking_counter(network.ports.size(), 0),
      pauses(network.ports.size() * priorities, 0), marks(network.ports.size() * priorities, 0),
      marked_bytes(network.ports.size() * priorities, 0), queue_losses(network.ports.size() * priorities),
      pg_losses(network.ports.size() * priorities), headroom_marks(network.ports.size() * priorities),
      pfc_sent(network.ports.size() * priorities, 0), pfc_received(network.ports.size() * priorities, 0),
      lost_frames(network.ports.size(), 0), lost_bytes(network.ports.size(), 0),
      pause_since(network.ports.size() * priorities, never), pause_total(network.ports.size() * priorities, 0),
      scale_up(work),
      audit(network.endpoints + network.switches, network.ports.size() * priorities) {
  if (work.qp_src_rank.empty()) {
    work.qp_src_rank = work.qp_src;
    work.qp_dst_rank = work.qp_dst;
  }
  if (network.nic.train > 1) train_ports.resize(ports.size());
  add_ports();
  set_cut_times();
  if (network.nic.loss_recovery == LossRecovery::selective_repeat) {
    selective_senders.resize(work.qp_src.size());
    selective_receivers.resize(work.qp_src.size());
  }
  for (const std::int64_t speed : network.endpoint_bus) buses.push_back({.speed = speed});
  if (network.nic.pause_quanta > 0) pause_clocks.resize(ports.size());
  add_queue_pairs();
  add_dependencies();
}

void Tables::add_ports() {
  for (PortId id = 0; id < ports.size(); ++id) {
    const PortConfig& config = network.ports[id];
    Port& port = ports[id];
    port.node = config.node;
    port.peer = wires[id].to = config.peer;
    port.is_endpoint = config.node < network.endpoints;
    port.speed = config.speed;
    port.rx_check = port.tx_check = config.peer == none;
    set_wire_times(id);
    port.propagation = port.arrive_delay = config.propagation;
    if (config.peer != none) {
      const NodeId far = network.ports[config.peer].node;
      if (!train_ports.empty()) train_ports[id].has_host = far < network.endpoints;
      if (far >= network.endpoints) port.arrive_delay += network.pipeline_latency[far - network.endpoints];
    }
    if (config.node >= network.endpoints) {
      SwitchNode& node = switches[config.node - network.endpoints];
      if (id == 0 || network.ports[id - 1].node != config.node) node.first_port = id;
    } else {
      set_classes(id);
    }
  }
  for (SwitchNode& node : switches) node.fib.assign(network.endpoints, none);
}

// A turn of the heaviest priority is a full frame.
void Tables::set_classes(PortId id) {
  const auto& weights = network.nic.class_weights;
  const std::int64_t frame = network.nic.mtu + network.nic.header_bytes;
  const std::int64_t heaviest = std::max<std::int64_t>(*std::max_element(weights.begin(), weights.end()), 1);
  ports[id].strict = 0;
  for (unsigned priority = 0; priority < priorities; ++priority) {
    const std::int64_t weight = weights[priority];
    queues[id * priorities + priority].quantum = std::max<std::int64_t>(frame * weight / heaviest, 1);
    if (weight == 0) ports[id].strict = static_cast<std::uint8_t>(ports[id].strict | 1U << priority);
  }
}

// A switch that cuts through may send a frame on when it has its first 64 bytes, behind the preamble. It does so
// for what comes in over a link that none of its ports is faster than; the rest it stores, as it would run dry.
// Assumption: 64 bytes, which hold all headers; a frame with a wrong FCS is dropped where it comes in.
void Tables::set_speed(PortId id, std::int64_t bps) {
  for (const PortId end : {id, ports[id].peer}) {
    if (end == none) continue;
    ports[end].speed = bps;
    set_wire_times(end);
  }
  set_cut_times();
}

// A traced port computes its wire times the slow way, where the trace is, and where trains are.
void Tables::set_wire_times(PortId id) {
  Port& port = ports[id];
  const std::uint32_t ps_per_byte = whole_ps_per_byte(port.speed, network.nic.clock);
  port.ps_per_byte = port.is_traced || !train_ports.empty() ? 0 : ps_per_byte;
  if (!train_ports.empty()) train_ports[id].ps_per_byte = ps_per_byte;
}

void Tables::set_traced(PortId id, bool is_traced) {
  ports[id].is_traced = is_traced;
  set_wire_times(id);
}

void Tables::set_cut_times() {
  constexpr std::int64_t cut_bytes = 8 + 64;
  constexpr std::int64_t slowest_cut = 1'000'000;  // bit/s; below, the time would not fit and nobody cuts through
  std::vector<std::int64_t> fastest(network.switches, 0);
  for (Port& port : ports) {
    port.cut_ps = 0;
    if (port.is_endpoint || port.peer == none) continue;
    std::int64_t& most = fastest[port.node - network.endpoints];
    most = std::max(most, port.speed);
  }
  for (Port& port : ports) {
    if (port.peer == none || ports[port.peer].is_endpoint) continue;
    const NodeId far = ports[port.peer].node - network.endpoints;
    const bool cuts = far < network.cuts_through.size() && network.cuts_through[far] != 0;
    if (!cuts || port.speed < fastest[far] || port.speed < slowest_cut) continue;
    port.cut_ps = static_cast<std::uint32_t>(wire_time(cut_bytes, port.speed));
  }
}

void Tables::add_queue_pairs() {
  const std::size_t flows = work.flow_qp.size();
  const std::size_t qps = work.qp_src.size();
  std::vector<std::uint32_t> per_qp(qps, 0);
  for (const QpId qp : work.flow_qp) ++per_qp[qp];
  qp_flow_offsets = offsets_of(per_qp);
  qp_flows.resize(flows);
  std::vector<std::uint32_t> fill(qp_flow_offsets.begin(), qp_flow_offsets.end() - 1);
  for (FlowId flow = 0; flow < flows; ++flow) qp_flows[fill[work.flow_qp[flow]]++] = flow;

  senders.resize(qps);
  receivers.resize(qps);
  for (QpId qp = 0; qp < qps; ++qp) {
    Sender& sender = senders[qp];
    sender.port = work.qp_src[qp];
    sender.dst = work.qp_dst[qp];
    sender.hash = work.qp_hash[qp];
    sender.dscp = work.qp_dscp[qp];
    sender.priority = work.qp_priority[qp];
    if (is_scale_up(qp)) continue;
    sender.rate = RateControls::start(network.nic.rate_control, static_cast<double>(ports[sender.port].speed));
    Receiver& receiver = receivers[qp];
    receiver.port = work.qp_dst[qp];
    receiver.dst = work.qp_src[qp];
    receiver.hash = work.qp_ack_hash[qp];
    const bool has_ack_class = network.nic.ack_dscp < dscps;
    receiver.dscp = has_ack_class ? network.nic.ack_dscp : sender.dscp;
    receiver.priority = has_ack_class ? network.nic.ack_priority : sender.priority;
    if (per_qp[qp] > 0) {
      receiver.cursor_end = packets_of(work.flow_bytes[qp_flows[qp_flow_offsets[qp]]], network.nic.mtu);
      sender.cursor_end = sender.acked_end = receiver.cursor_end;
    }
  }
  flow_results.start.assign(flows, never);
  flow_results.finish.assign(flows, never);
  flow_results.acked.assign(flows, never);
  flow_results.status.assign(flows, static_cast<std::uint8_t>(FlowStatus::waiting));
  qp_results.retransmitted.assign(qps, 0);
  qp_results.timeouts.assign(qps, 0);
  qp_results.cnps.assign(qps, 0);
  qp_results.drops.assign(qps, 0);
  qp_results.drop_port.assign(qps, none);
  qp_results.drop_reason.assign(qps, 0);
  qp_results.drop_rule.assign(qps, none);
}

void Tables::add_dependencies() {
  const std::size_t flows = work.flow_qp.size();
  waits.resize(flows);
  std::vector<std::int64_t> per_flow(flows, 0);
  for (const FlowId dep : work.dep_ids) ++per_flow[dep];
  dependent_offsets = offsets_of(per_flow);
  dependents.resize(work.dep_ids.size());
  std::vector<std::int64_t> next(dependent_offsets.begin(), dependent_offsets.end() - 1);
  for (FlowId flow = 0; flow < flows; ++flow) {
    for (auto i = work.dep_offsets[flow]; i < work.dep_offsets[flow + 1]; ++i) {
      dependents[static_cast<std::size_t>(next[work.dep_ids[static_cast<std::size_t>(i)]]++)] = flow;
    }
    waits[flow] = static_cast<std::uint32_t>(work.dep_offsets[flow + 1] - work.dep_offsets[flow]);
    if (has_start_event(flow)) ++waits[flow];
  }
}

}  // namespace raddle
