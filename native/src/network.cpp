// What comes from outside between two calls of `advance`: switch state, cables; and the paths that follow.

#include <stdexcept>
#include <utility>

#include "raddle/simulation.hpp"

namespace raddle {

void Simulation::set_switch(NodeId index, const SwitchConfig& state) {
  const PortId first = tables_->switches[index].first_port;
  Partition& partition = *partitions_[tables_->partition_of_node[tables_->network.endpoints + index]];
  partition.set_switch(index, state);
  for (std::size_t i = 0; i < state.ports.size(); ++i) {
    const auto id = static_cast<PortId>(first + i);
    is_admin_up_[id] = state.ports[i].is_up;
    refresh_link(id);
    partition.set_watchdog(id, state.ports[i].watchdog);
    partition.kick(id);
  }
}

void Simulation::set_link(PortId port, bool is_up) {
  for (const PortId end : {port, tables_->ports[port].peer}) {
    if (end != none) has_carrier_[end] = is_up;
  }
  refresh_link(port);
}

void Simulation::set_storm(PortId port, std::uint8_t queues) {
  if (!tables_->ports[port].is_endpoint) throw std::invalid_argument("only a NIC can be told to storm");
  for (unsigned priority = 0; priority < priorities; ++priority) {
    const bool is_xoff = (queues >> priority & 1U) != 0;
    const bool was_xoff = (tables_->ports[port].pfc_xoff >> priority & 1U) != 0;
    if (is_xoff != was_xoff) partition_of(port).change_pause(port, priority, is_xoff);
  }
}

std::uint32_t Simulation::add_hashes(std::vector<std::uint32_t> data, std::vector<std::uint32_t> acks) {
  if (data.size() != tables_->senders.size() || acks.size() != tables_->senders.size()) {
    throw std::invalid_argument("hashes must have an entry per queue pair");
  }
  tables_->hashes.push_back({std::move(data), std::move(acks)});
  return static_cast<std::uint32_t>(tables_->hashes.size());
}

// Raises or lowers both ends of a link to what cable and ports say now: it is up when they all are.
void Simulation::refresh_link(PortId port) {
  const PortId peer = tables_->ports[port].peer;
  const bool is_up = peer != none && has_carrier_[port] && is_admin_up_[port] && is_admin_up_[peer];
  for (const PortId end : {port, peer}) {
    if (end == none || tables_->ports[end].is_up == is_up) continue;
    if (is_up) {
      partition_of(end).raise_port(end);
    } else {
      partition_of(end).lower_port(end);
    }
  }
}

std::vector<PortId> Simulation::trace(QpId qp, bool is_ack) const {
  const Sender& sender = tables_->senders[qp];
  const Receiver& receiver = tables_->receivers[qp];
  const NodeId dst = is_ack ? receiver.dst : sender.dst;
  const std::uint32_t hash = is_ack ? receiver.hash : sender.hash;
  std::vector<PortId> path;
  PortId out = is_ack ? receiver.port : sender.port;
  for (int hops = 0; hops < 64; ++hops) {
    const Port& port = tables_->ports[out];
    if (!port.is_up || port.peer == none) break;
    path.push_back(out);
    const NodeId at = tables_->ports[port.peer].node;
    if (at < tables_->network.endpoints) break;
    const SwitchNode& node = tables_->switches[at - tables_->network.endpoints];
    out = route(node, dst, node.hash_class == 0 ? hash : tables_->hashes[node.hash_class - 1].of(qp, !is_ack));
    if (out == none) break;
  }
  return path;
}

}  // namespace raddle
