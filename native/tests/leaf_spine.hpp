#pragma once
// A small leaf-spine fabric with full switch state, for the engine's own tests and benchmarks.

#include <vector>

#include "raddle/simulation.hpp"

namespace raddle::testing {

struct LeafSpine {
  NodeId leaves, spines, hosts_per_leaf;
  std::int64_t speed = 400'000'000'000;
  Time propagation = 150'000;  // 30 m
  Time pipeline = 600'000;

  NodeId hosts() const { return leaves * hosts_per_leaf; }
  NodeId ports_per_leaf() const { return hosts_per_leaf + spines; }
  PortId leaf_port(NodeId leaf, NodeId port) const { return hosts() + leaf * ports_per_leaf() + port; }
  PortId spine_port(NodeId spine, NodeId leaf) const {
    return hosts() + leaves * ports_per_leaf() + spine * leaves + leaf;
  }

  NetworkConfig network() const {
    NetworkConfig config{.endpoints = hosts(), .switches = leaves + spines, .ports = {},
                         .pipeline_latency = std::vector<Time>(leaves + spines, pipeline), .nic = {}, .seed = 1};
    for (NodeId h = 0; h < hosts(); ++h) {
      config.ports.push_back({h, leaf_port(h / hosts_per_leaf, h % hosts_per_leaf), speed, propagation});
    }
    for (NodeId l = 0; l < leaves; ++l) {
      for (NodeId p = 0; p < ports_per_leaf(); ++p) {
        const PortId peer = p < hosts_per_leaf ? l * hosts_per_leaf + p : spine_port(p - hosts_per_leaf, l);
        config.ports.push_back({hosts() + l, peer, speed, propagation});
      }
    }
    for (NodeId s = 0; s < spines; ++s) {
      for (NodeId l = 0; l < leaves; ++l) {
        config.ports.push_back({hosts() + leaves + s, leaf_port(l, hosts_per_leaf + s), speed, propagation});
      }
    }
    return config;
  }

  // Lossless priority 3 for every DSCP, one pool with headroom, alpha 1, ECN at 800 KB to 3200 KB.
  SwitchConfig switch_state(NodeId index, bool has_pfc, std::int64_t pool = 30'000'000) const {
    const bool is_leaf = index < leaves;
    SwitchConfig state;
    QosMap map{};
    for (auto& tc : map.dscp_to_tc) tc = 3;
    for (unsigned i = 0; i < priorities; ++i) {
      map.tc_to_queue[i] = map.tc_to_pg[i] = map.pfc_to_queue[i] = static_cast<std::uint8_t>(i);
    }
    state.qos = {map};
    state.pools = {{pool, 0}};
    state.profiles = {{0, 0, true, 0, 0, 0, 9000, 250'000}};
    state.wred = {{800'000, 3'200'000, 0.2, true}};
    const NodeId ports = is_leaf ? ports_per_leaf() : leaves;
    for (NodeId p = 0; p < ports; ++p) {
      SwitchPortConfig port{.is_up = true, .pfc_enable = static_cast<std::uint8_t>(has_pfc ? 8 : 0), .qos = 0,
                            .pg_profile = {}, .queue_profile = {}, .queue_wred = {}, .queue_weight = {}};
      for (unsigned q = 0; q < priorities; ++q) {
        port.pg_profile[q] = 0;
        port.queue_profile[q] = none;
        port.queue_wred[q] = q == 3 ? 0 : none;
        port.queue_weight[q] = 1;
      }
      state.ports.push_back(port);
    }
    state.group_offsets = {0};
    for (NodeId p = 0; p < ports; ++p) {
      state.group_ports.push_back(p);
      state.group_offsets.push_back(p + 1);
    }
    for (NodeId s = 0; is_leaf && s < spines; ++s) state.group_ports.push_back(hosts_per_leaf + s);
    if (is_leaf) state.group_offsets.push_back(static_cast<std::uint32_t>(state.group_ports.size()));
    for (NodeId h = 0; h < hosts(); ++h) {
      const NodeId leaf = h / hosts_per_leaf;
      state.fib.push_back(!is_leaf ? leaf : leaf == index ? h % hosts_per_leaf : ports);
    }
    return state;
  }

  // Lets a leaf choose its way up by load, as the planner sets ARS up.
  void adapt(SwitchConfig& state, NodeId index, const ArsObject& object) const {
    if (index >= leaves) return;
    state.ars = {.past = {0, 10'000, 16}, .future = {0, 2'000, 16}, .current = {0, 2'000, 0}, .objects = {object}};
    state.ars.group_object.assign(state.group_offsets.size() - 1, none);
    state.ars.group_object.back() = 0;
    state.ars.nominal_speed.assign(state.ports.size(), speed);
  }

  // Takes host routes at every leaf: destination d goes up to spine d % spines.
  void pin(SwitchConfig& state, NodeId index) const {
    for (NodeId h = 0; h < hosts(); ++h) {
      if (h / hosts_per_leaf != index) state.fib[h] = hosts_per_leaf + h % spines;
    }
  }
};

// One flow after another on its own queue pair, no dependencies.
inline void add_flow(Workload& work, NodeId src, NodeId dst, std::int64_t bytes) {
  const auto qp = static_cast<QpId>(work.qp_src.size());
  work.qp_src.push_back(src);
  work.qp_dst.push_back(dst);
  work.qp_hash.push_back(static_cast<std::uint32_t>(random_bits(7, src, dst)));
  work.qp_ack_hash.push_back(static_cast<std::uint32_t>(random_bits(7, dst, src)));
  work.qp_dscp.push_back(26);
  work.qp_priority.push_back(3);
  work.flow_qp.push_back(qp);
  work.flow_bytes.push_back(bytes);
  work.flow_start.push_back(0);
  if (work.dep_offsets.empty()) work.dep_offsets.push_back(0);
  work.dep_offsets.push_back(static_cast<std::int64_t>(work.dep_ids.size()));
}

// Every one of the hosts 1 to `senders` sends to host 0 at once.
inline Workload incast(NodeId senders, std::int64_t bytes) {
  Workload work;
  for (NodeId sender = 1; sender <= senders; ++sender) add_flow(work, sender, 0, bytes);
  return work;
}

inline Simulation simulate(const LeafSpine& fabric, const NetworkConfig& network, const Workload& work,
                           bool has_pfc = true, std::int64_t pool = 30'000'000, bool is_pinned = false,
                           unsigned threads = 1, bool is_cut = true) {
  Simulation simulation(network, work, threads, is_cut);
  for (NodeId i = 0; i < fabric.leaves + fabric.spines; ++i) {
    SwitchConfig state = fabric.switch_state(i, has_pfc, pool);
    if (is_pinned && i < fabric.leaves) fabric.pin(state, i);
    simulation.set_switch(i, state);
  }
  return simulation;
}

}  // namespace raddle::testing
