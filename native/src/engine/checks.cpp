// Holds what comes from outside against what the engine can work on; throws std::invalid_argument.

#include "raddle/checks.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "raddle/packet.hpp"

namespace raddle {

namespace {

// Sums of a few of these stay within 63 bits: times of 26 days, messages of a petabyte.
constexpr Time longest_time = Time{1} << 61;
constexpr std::int64_t longest_message = std::int64_t{1} << 50;

bool is_time(Time time) { return time >= 0 && time <= longest_time; }

// Rows of a compressed table: offsets start at 0, do not fall and end at `entries`.
template <typename Offsets>
void check_offsets(const Offsets& offsets, std::size_t rows, std::size_t entries, const char* what) {
  require(offsets.size() == rows + 1 && offsets.front() == 0 && std::is_sorted(offsets.begin(), offsets.end()) &&
              static_cast<std::size_t>(offsets.back()) == entries, what);
}

void check_nic(const NicConfig& nic) {
  constexpr std::int64_t longest = UINT16_MAX;  // Packet::bytes
  require(nic.mtu > 0 && nic.header_bytes >= 0 && nic.header_bytes < longest && nic.mtu <= longest - nic.header_bytes,
          "MTU out of range");
  for (const std::int64_t bytes : {nic.ack_bytes, nic.cnp_bytes, nic.pause_bytes, nic.gap_bytes}) {
    require(bytes >= 0 && bytes <= longest, "frame size out of range");
  }
  require(nic.ack_interval > 0 && nic.burst > 0 && nic.window >= 0, "ack_interval and burst are 1 or more, window 0 or more");
  require(nic.train > 0 && nic.train <= Packet::most_frames &&
              (nic.train == 1 || nic.train * (nic.mtu + nic.header_bytes) <= longest),
          "a train has 1 to 32 frames, of 65535 bytes together");
  require(nic.train == 1 || nic.loss_recovery == LossRecovery::go_back_n, "selective repeat is of frames, not of trains");
  require(nic.retransmit_timeout > 0 && is_time(nic.retransmit_timeout) && is_time(nic.cnp_interval) &&
              is_time(nic.pfc_reaction) && (nic.pause_delay == never || is_time(nic.pause_delay)) && nic.clock > 0 && is_time(nic.clock),
          "NIC time out of range");
  require(nic.cnp_dscp < dscps && nic.ack_dscp <= dscps && nic.cnp_priority < priorities &&
              nic.ack_priority < priorities, "class of answers out of range");
  std::visit([](const auto& parameters) { parameters.check(); }, nic.rate_control);
}

}  // namespace

void check_network(const NetworkConfig& network) {
  check_nic(network.nic);
  const std::size_t nodes = std::size_t{network.endpoints} + network.switches;
  require(network.pipeline_latency.size() == network.switches, "there is a pipeline latency per switch");
  require(network.cuts_through.empty() || network.cuts_through.size() == network.switches,
          "cuts_through has an entry per switch, or none");
  require(network.endpoint_bus.empty() || network.endpoint_bus.size() == network.endpoints,
          "endpoint_bus has an entry per endpoint, or none");
  for (const std::int64_t speed : network.endpoint_bus) require(speed >= 0, "a bus's speed is not negative");
  const std::vector<NodeId>& twin = network.endpoint_twin;
  require(twin.empty() || twin.size() == network.endpoints, "endpoint_twin has an entry per endpoint, or none");
  for (NodeId e = 0; e < twin.size(); ++e) {
    require(twin[e] == none || (twin[e] < network.endpoints && twin[e] != e && twin[twin[e]] == e),
            "an endpoint's twin must have it as its own");
  }
  for (const Time latency : network.pipeline_latency) require(is_time(latency), "a pipeline latency is not negative, nor above 26 days");
  for (PortId id = 0; id < network.ports.size(); ++id) {
    const PortConfig& port = network.ports[id];
    require(port.node < nodes, "port_node out of range");
    require((id < network.endpoints) == (port.node < network.endpoints) && (id >= network.endpoints || port.node == id),
            "endpoint e must have port e and no other");
    require(id == 0 || network.ports[id - 1].node <= port.node, "ports must be sorted by node");
    require(port.peer == none || port.peer < network.ports.size(), "port_peer out of range");
    require(port.peer == none || (port.peer != id && network.ports[port.peer].peer == id),
            "a port's peer must have it as its own");
    require(port.speed > 0 && is_time(port.propagation), "speed must be positive, propagation up to 26 days");
  }
  require(network.ports.size() >= network.endpoints, "endpoint e must have port e and no other");
}

namespace {

bool is_inside(const ScaleUpConfig& config, std::size_t qp) {
  return !config.path_links.empty() && config.path_offsets[qp] < config.path_offsets[qp + 1];
}

// Events tell links, stages and flows apart by 29 bits of their numbers.
void check_scale_up(const ScaleUpConfig& config, std::size_t qps, const std::vector<std::int64_t>& flow_bytes) {
  const std::size_t links = config.link_speed.size();
  require(config.link_latency.size() == links, "scale-up link columns must have one length");
  if (config.path_links.empty()) return;
  require(links < 1U << 29 && config.path_links.size() < 1U << 29 && flow_bytes.size() < 1U << 29, "too many scale-up flows");
  require(config.quantum > 0, "the scale-up quantum must be positive");
  check_offsets(config.path_offsets, qps, config.path_links.size(), "path_offsets must not fall, and end at path_links");
  for (const std::uint32_t link : config.path_links) require(link < links, "path_links out of range");
  for (std::size_t i = 0; i < links; ++i) {
    require(config.link_speed[i] > 0 && config.link_latency[i] >= 0, "a scale-up link's speed must be positive, its latency not negative");
  }
  for (const auto* costs : {&config.tx_bytes, &config.rx_bytes}) {
    require(costs->empty() || costs->size() == flow_bytes.size(), "scale-up costs are of every flow, or of none");
    for (const std::int64_t bytes : *costs) require(bytes >= 0, "a scale-up cost is not negative");
  }
}

}  // namespace

void check_delays(const std::vector<Time>& delays, std::size_t flows) {
  require(delays.empty() || delays.size() == flows, "delays are of every flow, or of none");
  for (const Time delay : delays) require(is_time(delay), "a delay is not negative, nor above 26 days");
}

void check_workload(const Workload& work, NodeId endpoints) {
  const std::size_t qps = work.qp_src.size(), flows = work.flow_qp.size();
  require(work.qp_dst.size() == qps && work.qp_hash.size() == qps && work.qp_ack_hash.size() == qps &&
              work.qp_dscp.size() == qps && work.qp_priority.size() == qps, "queue pair columns must have one length");
  require(work.flow_bytes.size() == flows && work.flow_start.size() == flows, "flow columns must have one length");
  check_scale_up(work.scale_up, qps, work.flow_bytes);
  require(work.qp_src_rank.size() == work.qp_dst_rank.size() && (work.qp_src_rank.empty() || work.qp_src_rank.size() == qps),
          "ranks are of every queue pair, or of none");
  require(!work.qp_src_rank.empty() || work.scale_up.path_links.empty(), "scale-up queue pairs are between ranks");
  for (std::size_t i = 0; i < qps; ++i) {
    if (work.qp_src[i] == none && work.qp_dst[i] == none && is_inside(work.scale_up, i)) continue;
    require(!is_inside(work.scale_up, i), "a queue pair of the network takes no scale-up link");
    require(work.qp_src[i] < endpoints && work.qp_dst[i] < endpoints && work.qp_src[i] != work.qp_dst[i],
            "queue pair ends out of range");
    require(work.qp_dscp[i] < dscps && work.qp_priority[i] < priorities, "queue pair class out of range");
  }
  check_delays(work.flow_delay, flows);
  for (std::size_t i = 0; i < flows; ++i) {
    require(work.flow_qp[i] < qps && work.flow_bytes[i] >= 0 && work.flow_bytes[i] <= longest_message &&
                is_time(work.flow_start[i]), "flow out of range");
  }
  check_offsets(work.dep_offsets, flows, work.dep_ids.size(), "dep_offsets must not fall, and end at dep_ids");
  for (const FlowId id : work.dep_ids) require(id < flows, "dep_ids out of range");
}

void check_switch(const SwitchConfig& state, std::size_t ports, NodeId endpoints, std::size_t qps,
                  std::size_t hash_classes) {
  require(state.ports.size() == ports, "a switch's state has all of its ports");
  require(state.hash_class <= hash_classes, "hash_class is of no add_hashes");
  require(!state.group_offsets.empty(), "group_offsets must have an end");
  const std::size_t groups = state.group_offsets.size() - 1;
  check_offsets(state.group_offsets, groups, state.group_ports.size(), "group_offsets must not fall, and end at group_ports");
  for (const std::uint32_t port : state.group_ports) require(port < ports, "group_ports out of range");
  require(state.fib.size() == endpoints, "fib has an entry per endpoint");
  require(state.policies.empty() || state.policies.size() == 2 * qps, "policies must have two entries per queue pair, or none");
  for (const auto* routes : {&state.fib, &state.policies}) {
    for (const std::uint32_t group : *routes) require(group == none || group < groups, "next-hop group out of range");
  }
  for (const ProfileConfig& profile : state.profiles) {
    require(profile.pool < state.pools.size(), "buffer profile of no pool");
    require(profile.dynamic_th > -32 && profile.dynamic_th < 16, "dynamic_th out of range");
    require(profile.reserved >= 0 && profile.headroom >= 0, "reserved bytes and headroom must not be negative");
  }
  for (const QosMap& map : state.qos) {
    const auto is_small = [](std::uint8_t value) { return value < priorities; };
    require(std::all_of(map.dscp_to_tc, map.dscp_to_tc + dscps, is_small) &&
                std::all_of(map.tc_to_queue, map.tc_to_queue + priorities, is_small) &&
                std::all_of(map.tc_to_pg, map.tc_to_pg + priorities, is_small) &&
                std::all_of(map.pfc_to_queue, map.pfc_to_queue + priorities, is_small), "qos map out of range");
  }
  const auto is_of = [](std::uint32_t number, std::size_t count) { return number == none || number < count; };
  for (const SwitchPortConfig& port : state.ports) {
    require(port.qos < state.qos.size(), "port_qos out of range");
    for (unsigned q = 0; q < priorities; ++q) {
      require(is_of(port.pg_profile[q], state.profiles.size()), "pg_profile out of range");
      require(is_of(port.queue_profile[q], state.profiles.size()), "queue_profile out of range");
      require(is_of(port.queue_wred[q], state.wred.size()), "queue_wred out of range");
    }
    const WatchdogConfig& dog = port.watchdog;
    require(dog.detect >= 0 && dog.restore >= 0 && dog.poll >= 0, "watchdog time out of range");
  }
}

void check_index(std::size_t index, std::size_t count, const char* what) {
  if (index >= count) throw std::out_of_range(std::string(what) + " " + std::to_string(index) + " of " + std::to_string(count));
}

}  // namespace raddle
