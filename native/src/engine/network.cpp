// What comes from outside between two calls of `advance`: switch state, cables; and the paths that follow.

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "raddle/acl.hpp"
#include "raddle/checks.hpp"
#include "raddle/simulation.hpp"

namespace raddle {

namespace {

bool denies(const Tables& tables, const SwitchNode& node, const AclStage& stage, PortId port, const Packet& packet) {
  bool is_denied = false;
  const auto place = [&](const Packet& data) { return place_in_message(tables, data); };
  meet_entries(node.acl, stage, port - node.first_port, packet, place,
               [&](const AclEntry& entry) { is_denied = is_denied || entry.drops; });
  return is_denied;
}

// value * numerator / denominator, without an overflow.
std::int64_t wide_share(std::int64_t value, std::int64_t numerator, std::int64_t denominator) {
  __extension__ using Wide = __int128;
  return static_cast<std::int64_t>(Wide{value} * numerator / denominator);
}

}  // namespace

void Simulation::set_switch(NodeId index, const SwitchConfig& state) {
  check_index(index, tables_->switches.size(), "switch");
  require(state.ars.objects.empty() || tables_->train_ports.empty(), "adaptive routing is of frames, not of trains");
  check_switch(state, ports_of(index), tables_->network.endpoints, tables_->senders.size(), tables_->hashes.size());
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

std::size_t Simulation::ports_of(NodeId index) const {
  const auto is_before = [](const PortConfig& port, NodeId node) { return port.node < node; };
  const std::vector<PortConfig>& ports = tables_->network.ports;
  const NodeId node = tables_->network.endpoints + index;
  const auto first = std::lower_bound(ports.begin(), ports.end(), node, is_before);
  return static_cast<std::size_t>(std::lower_bound(first, ports.end(), node + 1, is_before) - first);
}

void Simulation::check_port(PortId port) const { check_index(port, tables_->ports.size(), "port"); }

void Simulation::set_link(PortId port, bool is_up) {
  check_port(port);
  for (const PortId end : {port, tables_->ports[port].peer}) {
    if (end != none) has_carrier_[end] = is_up;
  }
  refresh_link(port);
}

void Simulation::set_light(PortId port, bool is_lit) {
  check_port(port);
  for (const PortId end : {port, tables_->ports[port].peer}) {
    if (end == none) continue;
    partition_of(end).impairment(end).is_lit = is_lit;
    partition_of(end).refresh_checks(end);
  }
}

void Simulation::set_speed(PortId port, std::int64_t bps) {
  check_port(port);
  if (bps <= 0 || bps > tables_->network.ports[port].speed) {
    throw std::invalid_argument("a speed is above 0, and at most that of the start");
  }
  tables_->set_speed(port, bps);
}

void Simulation::set_delays(std::vector<Time> delays) {
  check_delays(delays, tables_->work.flow_qp.size());
  tables_->work.flow_delay = std::move(delays);
}

void Simulation::set_bit_errors(PortId port, double ratio) {
  check_port(port);
  if (!(ratio >= 0 && ratio < 1)) throw std::invalid_argument("a bit error ratio is from 0 to below 1");
  for (const PortId end : {port, tables_->ports[port].peer}) {
    if (end == none) continue;
    partition_of(end).impairment(end).bit_errors = ratio;
    partition_of(end).refresh_checks(end);
  }
}

void Simulation::set_storm(PortId port, std::uint8_t halted, Time period, std::uint32_t quanta) {
  check_port(port);
  if (!tables_->ports[port].is_endpoint) throw std::invalid_argument("only a NIC can be told to storm");
  if (period < 0 || quanta > UINT16_MAX) throw std::invalid_argument("a storm's period or quanta are out of range");
  if (period > 0 && tables_->pause_clocks.empty()) {
    throw std::invalid_argument("where pauses hold until they are lifted, none of a storm's ends by itself");
  }
  Partition& partition = partition_of(port);
  partition.impairment(port).storm = period > 0 ? std::uint8_t{0} : halted;
  partition.refresh_halt(port);
  partition.set_beat(port, halted, static_cast<std::uint16_t>(quanta), halted != 0 ? period : 0);
}

void Simulation::set_receiver(PortId port, std::int64_t bps, std::int64_t buffer, std::int64_t xoff,
                              std::int64_t xon) {
  check_port(port);
  if (!tables_->ports[port].is_endpoint) throw std::invalid_argument("only a host can be slow");
  if (!tables_->buses.empty() && tables_->buses[port].speed > 0) {  // whose speed is of payload
    const NicConfig& nic = tables_->network.nic;
    const std::int64_t bus = wide_share(tables_->buses[port].speed, nic.mtu + nic.header_bytes, nic.mtu);
    bps = bps == 0 ? bus : std::min(bps, bus);
  }
  if (bps < 0 || xon < 0 || xoff < xon || buffer < xoff) throw std::invalid_argument("xon <= xoff <= buffer");
  partition_of(port).set_receiver(port, bps, buffer, xoff, xon);
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
    move_bond(end);
  }
}

// Of a bond, a port that is down leaves its queue pairs to the other one, and takes them back once it is up. A port that
// comes up while the other is down takes all.
void Simulation::move_bond(PortId port) {
  const std::vector<NodeId>& twin = tables_->network.endpoint_twin;
  if (port >= twin.size() || twin[port] == none) return;
  const PortId other = twin[port];
  const bool is_other_up = tables_->ports[other].is_up;
  if (tables_->ports[port].is_up) {
    partition_of(port).move_queue_pairs(other, port, is_other_up ? port : none);
  } else if (is_other_up) {
    partition_of(port).move_queue_pairs(port, other, none);
  }
}

std::vector<PortId> Simulation::trace(QpId qp, bool is_ack) const {
  check_index(qp, tables_->senders.size(), "queue pair");
  const Sender& sender = tables_->senders[qp];
  const Receiver& receiver = tables_->receivers[qp];
  if (sender.port == none) return {};
  const NodeId dst = is_ack ? receiver.dst : sender.dst;
  const std::uint32_t hash = is_ack ? receiver.hash : sender.hash;
  Packet packet{.arrival = 0, .next = none, .qp = qp, .dst = dst, .hash = hash, .psn = 0, .bytes = 0, .dscp_ce = 0,
                .ttl = initial_ttl};
  packet.set_psn(is_ack ? PacketKind::ack : PacketKind::data, 0);
  std::vector<PortId> path;
  PortId out = is_ack ? receiver.port : sender.port;
  for (int hops = 0; hops < 64; ++hops) {
    const Port& port = tables_->ports[out];
    if (!port.is_up || port.peer == none) break;
    path.push_back(out);
    const NodeId at = tables_->ports[port.peer].node;
    if (at < tables_->network.endpoints) break;
    const SwitchNode& node = tables_->switches[at - tables_->network.endpoints];
    packet.ttl = static_cast<std::uint8_t>(initial_ttl - hops);
    if (node.has_acl && denies(*tables_, node, node.acl.ingress, port.peer, packet)) break;
    const std::uint32_t bits = node.hash_class == 0 ? hash : tables_->hashes[node.hash_class - 1].of(qp, !is_ack);
    out = route(node, node.group_of(dst, qp, !is_ack), bits);
    if (out == none || (node.has_acl && denies(*tables_, node, node.acl.egress, out, packet))) break;
  }
  return path;
}

}  // namespace raddle
