#include "raddle/pause_forecast.hpp"

#include <algorithm>

#include "raddle/buffer.hpp"

namespace raddle {

PauseForecast::PauseForecast(const Tables& tables, std::uint32_t partitions, Time span)
    : tables_(tables), cut_ports_(partitions), most_of_all_(tables.switches.size(), 0) {
  for (PortId id = 0; id < tables.ports.size(); ++id) {
    const Port& port = tables.ports[id];
    if (port.is_endpoint || port.peer == none) continue;
    const NodeId node = port.node - tables.network.endpoints;
    const std::int64_t most = most_bytes(port, span);
    most_of_all_[node] += 2 * most;
    if (port.is_cut) cut_ports_[tables.partition_of_node[port.node]].push_back({id, node, most});
  }
}

// What the line carries, faster where ticks cut wire times off; and what has begun to arrive before the span, or ends
// behind it.
std::int64_t PauseForecast::most_bytes(const Port& port, Time span) const {
  constexpr std::int64_t any = std::int64_t{1} << 40;
  const NicConfig& nic = tables_.network.nic;
  const std::int64_t shortest = std::min({nic.ack_bytes, nic.cnp_bytes, nic.header_bytes});
  const std::int64_t longest = std::max({nic.train * (nic.mtu + nic.header_bytes), nic.train * nic.ack_bytes, nic.cnp_bytes});
  const Time exact = wire_time(shortest + nic.gap_bytes, port.speed);
  const Time ticks = exact - exact % nic.clock;
  if (ticks == 0) return any;
  const double rate = static_cast<double>(port.speed) / 8e12 * static_cast<double>(exact) / static_cast<double>(ticks);
  return std::min(static_cast<std::int64_t>(rate * static_cast<double>(span)) + 2 * longest, any);
}

bool PauseForecast::may_pause(std::uint32_t partition) const {
  const std::vector<CutPort>& cut_ports = cut_ports_[partition];
  return std::any_of(cut_ports.begin(), cut_ports.end(), [this](const CutPort& cut) {
    if (is_pausing(cut)) return true;
    unsigned has_pfc = tables_.ports[cut.id].pfc_enable;
    if (!tables_.watchdog_queues.empty()) {  // a storm that ends gives the priority its PFC back
      for (unsigned queue = 0; queue < priorities; ++queue) {
        has_pfc |= tables_.watchdog_queues[cut.id * priorities + queue].pfc_masked;
      }
    }
    for (unsigned priority = 0; has_pfc >> priority != 0; ++priority) {
      if ((has_pfc >> priority & 1U) == 0) continue;
      if (may_pause(cut, tables_.pgs[cut.id * priorities + priority])) return true;
    }
    return false;
  });
}

// It will lift a pause, or tell of one.
bool PauseForecast::is_pausing(const CutPort& cut) const {
  const Port& port = tables_.ports[cut.id];
  return (port.pfc_changed | port.pfc_xoff) != 0;
}

bool PauseForecast::may_pause(const CutPort& cut, const PriorityGroup& group) const {
  if (group.headroom > 0) return true;
  if (group.profile == none) return false;
  const SwitchNode& node = tables_.switches[cut.node];
  const ProfileConfig& profile = node.profiles[group.profile];
  const Pool& pool = node.pools[profile.pool];
  const std::int64_t most_used = pool.used + most_of_all_[cut.node];
  return most_used > pool.size || shared_part(group.used + cut.most, profile) >= threshold(profile, pool, most_used);
}

}  // namespace raddle
