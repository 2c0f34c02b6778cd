#pragma once
// A switch: forwarding, buffers, access lists; hashes that it may go by; what watchdogs know.

#include <algorithm>
#include <memory>
#include <tuple>
#include <vector>

#include "raddle/config.hpp"

namespace raddle {

struct Pool {
  std::int64_t size = 0, headroom = 0;  // what there is
  std::int64_t used = 0, headroom_used = 0;
  std::int64_t max_used = 0, max_headroom = 0;

  void fill(std::int64_t bytes) {
    used += bytes;
    max_used = std::max(max_used, used);
  }

  void fill_headroom(std::int64_t bytes) {
    headroom_used += bytes;
    max_headroom = std::max(max_headroom, headroom_used);
  }
};

struct AclCount {
  std::uint64_t packets = 0, bytes = 0;
};

struct SwitchNode {
  PortId first_port = 0;
  std::uint32_t hash_seed = 0, hash_offset = 0, hash_class = 0;
  bool pauses_at_threshold = false, marks_at_dequeue = false, releases_at_end = false, has_acl = false;
  bool stores_all = false;              // a packet is counted in the buffer even where the port is idle
  bool looks_up_hash = false;           // a packet may have another hash than the one it carries
  std::unique_ptr<Ars> ars;             // null: all groups hash
  std::vector<std::uint32_t> fib;
  std::vector<std::uint32_t> policies;  // by queue pair: the group of its data, then of its acknowledgements
  std::vector<std::uint32_t> group_offsets, group_ports;
  std::vector<QosMap> qos;
  std::vector<Pool> pools;
  std::vector<ProfileConfig> profiles;
  std::size_t own_profiles = 0;         // of them; behind them are those of storms (watchdog.cpp)
  std::vector<WredConfig> wred;
  AclConfig acl;
  std::vector<AclCount> acl_counts;     // by rule

  auto fields() {
    return std::tie(first_port, hash_seed, hash_offset, hash_class, pauses_at_threshold, marks_at_dequeue,
                    releases_at_end, has_acl, stores_all, looks_up_hash, ars, fib, policies, group_offsets, group_ports,
                    qos, pools, profiles, own_profiles, wred, acl, acl_counts);
  }

  // The next-hop group of a packet: a policy's, which goes by more than the destination, or else the route's.
  std::uint32_t group_of(NodeId dst, QpId qp, bool is_data) const {
    if (!policies.empty()) [[unlikely]] {
      if (const std::uint32_t group = policies[2 * std::size_t{qp} + !is_data]; group != none) return group;
    }
    return fib[dst];
  }
};

// ECMP hashes by queue pair, for switches that do not hash as the workload's columns do.
struct Hashes {
  std::vector<std::uint32_t> data, acks;
  std::uint32_t of(QpId qp, bool is_data) const { return is_data ? data[qp] : acks[qp]; }
  auto fields() { return std::tie(data, acks); }
};

// Packets that left a queue during storms and came for its priorities, and those that were dropped instead.
struct StormCounts {
  std::uint64_t tx = 0, tx_dropped = 0, rx = 0, rx_dropped = 0;

  StormCounts& operator+=(const StormCounts& other) {
    tx += other.tx;
    tx_dropped += other.tx_dropped;
    rx += other.rx;
    rx_dropped += other.rx_dropped;
    return *this;
  }
};

// What the watchdog knows of one queue.
struct WatchdogQueue {
  Time calm_since = 0;                // in a storm: since when the peer asks for no pause
  bool is_armed = false;              // an event is under way
  bool is_storm = false, is_asked = false;  // is_asked: in a storm, the peer asks for a pause
  std::uint8_t pfc_masked = 0;        // priorities that the storm has switched PFC off for
  std::uint32_t queue_profile = none, pg_profile = none;  // what a storm has replaced, by queue and by priority
  std::uint32_t detected = 0, restored = 0;
  std::uint64_t tx_before = 0;         // frames the queue had sent when its storm began
  StormCounts earlier, latest;         // of the storms before the latest; of the latest, `tx` once it is over
};

struct WatchdogEvent {
  Time time;
  PortId port;
  std::uint8_t queue;
  bool is_storm;  // false: restored
};

}  // namespace raddle
