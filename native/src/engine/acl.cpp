// Access lists of a switch: what they let pass, and what their rules count.
//
// Ingress lists see a packet as it comes in, before its route is looked up; egress lists see it when its port is
// known, before it takes buffer (an assumption: some chips look behind the buffer). Where the rules of two tables
// that a packet meets differ, it is dropped.
// SOURCE: SAI saiacl.h (a table's entry of highest priority acts; the tables of a parallel group act together).

#include <algorithm>
#include <utility>

#include "raddle/acl.hpp"
#include "raddle/checks.hpp"
#include "raddle/simulation.hpp"

namespace raddle {

std::uint8_t place_in_message(const Tables& tables, const Packet& packet) {
  constexpr std::uint64_t numbers = 0xFF'FFFF;
  const std::uint32_t psn = packet.psn & numbers;
  bool is_first = false, is_last = false;
  std::uint64_t next = 0;
  for (std::uint32_t i = tables.qp_flow_offsets[packet.qp]; i < tables.qp_flow_offsets[packet.qp + 1]; ++i) {
    is_first = is_first || (next & numbers) == psn;
    next += packets_of(tables.work.flow_bytes[tables.qp_flows[i]], tables.network.nic.mtu);
    is_last = is_last || ((next - 1) & numbers) == psn;
  }
  const MessagePlace alone = is_last ? MessagePlace::only : MessagePlace::first;
  const MessagePlace later = is_last ? MessagePlace::last : MessagePlace::middle;
  return static_cast<std::uint8_t>(is_first ? alone : later);
}

AccessLists::AccessLists(Tables& tables) : tables_(tables) {}

[[gnu::noinline, gnu::cold]] bool AccessLists::is_denied(SwitchNode& node, bool is_egress, PortId port,
                                                    const Packet& packet) {
  const AclStage& stage = is_egress ? node.acl.egress : node.acl.ingress;
  std::uint32_t denying = none;
  meet_entries(node.acl, stage, port - node.first_port, packet,
               [this](const Packet& data) { return place_in_message(tables_, data); },
               [&](const AclEntry& entry) {
                 AclCount& count = node.acl_counts[entry.rule];
                 ++count.packets;
                 count.bytes += packet.bytes;
                 if (entry.drops && denying == none) denying = entry.rule;
               });
  if (denying == none) return false;
  kernel().drop(port, packet, is_egress ? DropReason::egress_acl : DropReason::ingress_acl, denying);
  return true;
}

namespace {

void check(const AclStage& stage, std::uint32_t header_classes, std::size_t ports, std::uint32_t rules) {
  if (stage.port_classes == 0) return;
  require(stage.port_class.size() == ports, "an access list must have a class for every port");
  for (const std::uint32_t each : stage.port_class) require(each < stage.port_classes, "port class out of range");
  require(stage.offsets.size() > std::size_t{header_classes} * stage.port_classes, "offsets must fit the classes");
  require(stage.offsets.back() == stage.entries.size(), "offsets must end at the entries");
  for (std::size_t i = 1; i < stage.offsets.size(); ++i) {
    require(stage.offsets[i - 1] <= stage.offsets[i], "offsets must not fall");
  }
  for (const AclEntry& entry : stage.entries) require(entry.rule < rules, "rule out of range");
}

}  // namespace

void Simulation::set_acl(NodeId index, AclConfig acl) {
  check_index(index, tables_->switches.size(), "switch");
  SwitchNode& node = tables_->switches[index];
  const std::size_t ports = ports_of(index);
  require(acl.header_class.empty() || acl.header_class.size() == tables_->senders.size() * acl_kinds,
          "header_class must have an entry for every queue pair and kind of packet, or none");
  std::uint32_t classes = 0;
  for (const std::uint32_t each : acl.header_class) classes = std::max(classes, each + 1);
  check(acl.ingress, classes, ports, acl.rules);
  check(acl.egress, classes, ports, acl.rules);
  node.acl_counts.resize(std::max<std::size_t>(node.acl_counts.size(), acl.rules));
  node.has_acl = acl.ingress.port_classes > 0 || acl.egress.port_classes > 0;
  node.acl = std::move(acl);
}

}  // namespace raddle
