// What is looked at besides the counters: frames of chosen ports, and queues that wait for each other.

#include <algorithm>
#include <unordered_map>

#include "raddle/checks.hpp"
#include "raddle/simulation.hpp"

namespace raddle {

namespace {

// The priority group at the far end that holds a queue back; the number of all groups if none does.
std::size_t holder_of(const Tables& tables, QueueId queue) {
  const Port& port = tables.ports[queue / priorities];
  const std::size_t nobody = tables.pgs.size();
  if (port.is_endpoint || port.peer == none || (port.paused >> (queue % priorities) & 1U) == 0) return nobody;
  if (tables.ports[port.peer].is_endpoint) return nobody;
  const SwitchNode& node = tables.switches[port.node - tables.network.endpoints];
  for (unsigned priority = 0; priority < priorities; ++priority) {
    if (node.qos[port.qos].pfc_to_queue[priority] != queue % priorities) continue;
    const std::size_t group = port.peer * priorities + priority;
    if (tables.pgs[group].is_xoff) return group;
  }
  return nobody;
}

}  // namespace

void Simulation::set_traced(PortId port, bool is_traced) {
  check_port(port);
  require(!is_traced || tables_->train_ports.empty(), "frames that go in trains are not recorded one by one");
  tables_->set_traced(port, is_traced);
}

void Ports::trace_frame(PortId id, const Packet& packet) {
  trace_.push_back({now(), id, packet.qp, packet.psn, packet.bytes, packet.dscp_ce, packet.ttl});
}

void Ports::trace_pause(PortId id, std::uint32_t masks) {
  trace_.push_back({now(), id, none, masks, static_cast<std::uint16_t>(network_.nic.pause_bytes), 0, 0});
}

std::vector<TraceRecord> Simulation::take_trace() {
  std::vector<TraceRecord> records;
  for (const auto& partition : partitions_) {
    records.insert(records.end(), partition->trace().begin(), partition->trace().end());
    partition->trace().clear();
  }
  std::stable_sort(records.begin(), records.end(), [](const TraceRecord& a, const TraceRecord& b) {
    return a.time != b.time ? a.time < b.time : a.port < b.port;
  });
  return records;
}

// A held queue is free to move on if its holder has a packet in a queue that is free. What is left when no more
// queue becomes free by that waits for itself.
std::vector<QueueId> Simulation::find_deadlock() const {
  const Tables& tables = *tables_;
  std::unordered_map<QueueId, std::size_t> holder;                // of queues not known to be free
  std::unordered_map<std::size_t, std::vector<QueueId>> held_in;  // group -> queues with its packets
  for (PortId id = 0; id < tables.ports.size(); ++id) {
    if (tables.ports[id].is_endpoint) continue;
    for (unsigned active = tables.ports[id].active, number = 0; active != 0; active >>= 1, ++number) {
      if ((active & 1U) == 0) continue;
      const QueueId queue = id * priorities + number;
      if (const std::size_t group = holder_of(tables, queue); group != tables.pgs.size()) holder[queue] = group;
      const auto& packets = partitions_[tables.partition_of_node[tables.ports[id].node]]->packets;
      for (PacketId packet = tables.queues[queue].head; packet != none; packet = packets[packet].next) {
        std::vector<QueueId>& places = held_in[packets[packet].buffer.in_port * priorities + packets[packet].buffer.pg];
        if (places.empty() || places.back() != queue) places.push_back(queue);
      }
    }
  }
  for (bool has_changed = true; has_changed;) {
    has_changed = false;
    for (auto at = holder.begin(); at != holder.end();) {
      const auto found = held_in.find(at->second);
      const bool is_free = found == held_in.end() || std::any_of(found->second.begin(), found->second.end(), [&](QueueId q) {
        return !holder.contains(q);
      });
      has_changed |= is_free;
      at = is_free ? holder.erase(at) : std::next(at);
    }
  }
  if (holder.empty()) return {};
  QueueId queue = none;
  for (const auto& [candidate, group] : holder) queue = std::min(queue, candidate);
  std::vector<QueueId> way;
  while (std::find(way.begin(), way.end(), queue) == way.end()) {
    way.push_back(queue);
    queue = held_in.at(holder.at(queue)).front();
  }
  way.erase(way.begin(), std::find(way.begin(), way.end(), queue));
  return way;
}

}  // namespace raddle
