#pragma once
// The state of one switch as it comes from outside: forwarding, QoS, buffers, access lists.

#include <tuple>
#include <vector>

#include "raddle/ars.hpp"
#include "raddle/types.hpp"

namespace raddle {

struct QosMap {
  std::uint8_t dscp_to_tc[dscps];
  std::uint8_t tc_to_queue[priorities];
  std::uint8_t tc_to_pg[priorities];
  std::uint8_t pfc_to_queue[priorities];
};

struct PoolConfig {
  std::int64_t size;      // shared bytes
  std::int64_t headroom;  // shared headroom; 0: each PG has its own
};

struct ProfileConfig {
  std::uint32_t pool;
  std::int64_t reserved;
  bool is_dynamic;
  int dynamic_th;            // alpha = 2**dynamic_th
  std::int64_t static_th;
  std::int64_t xon, xon_offset;
  std::int64_t headroom;     // xoff; above 0 the PG is lossless
};

struct WredConfig {
  std::int64_t min_bytes, max_bytes;
  double probability;
  bool marks;          // what is ECN-capable is marked
  bool drops = false;  // without marks, packets are dropped
};

enum class WatchdogAction : std::uint8_t { drop, forward, alert };

// PFC watchdog of a port's queues.
struct WatchdogConfig {
  std::uint8_t queues = 0;  // bit per queue that is watched
  Time detect = 0;          // a queue paused for so long is in a storm
  Time restore = 0;         // a storm is over when no pause has been asked for so long
  Time poll = 0;            // the watchdog looks as often as this; 0: always
  WatchdogAction action = WatchdogAction::drop;
};

struct SwitchPortConfig {
  bool is_up;
  std::uint8_t pfc_enable;  // bit per priority
  std::uint32_t qos;        // index into SwitchConfig::qos
  std::uint32_t pg_profile[priorities];     // none: no buffer
  std::uint32_t queue_profile[priorities];  // none: unlimited
  std::uint32_t queue_wred[priorities];     // none: no marking
  std::uint32_t queue_weight[priorities];   // 0: strict
  WatchdogConfig watchdog = {};
  std::uint32_t mtu = 0;                    // most bytes of an IP packet that it sends; 0: any
};

// The state of one switch. `fib[e]` is the next-hop group for endpoint e (none: no route); group g is
// `group_ports[group_offsets[g] .. group_offsets[g + 1])`, port numbers within the switch.
struct SwitchConfig {
  std::uint32_t hash_seed = 0;    // what the seed flips in every hash
  std::uint32_t hash_offset = 0;  // bits that the hash is rotated right by before its use
  std::uint32_t hash_class = 0;   // 0: the hashes of the workload; n: those of the n-th call of add_hashes
  bool pauses_at_threshold = false;  // a PG pauses when it reaches its threshold, not when it exceeds it
  bool marks_at_dequeue = false;     // by what the queue still holds when the packet leaves it
  bool releases_at_end = false;      // a frame takes buffer until its last bit has left, not until its first has
  std::vector<std::uint32_t> fib, group_offsets, group_ports;
  std::vector<std::uint32_t> policies = {};  // see SwitchNode
  std::vector<SwitchPortConfig> ports;
  std::vector<QosMap> qos;
  std::vector<PoolConfig> pools;
  std::vector<ProfileConfig> profiles;
  std::vector<WredConfig> wred;
  ArsConfig ars = {};                        // without objects: all groups hash
};

// A rule of an access list as packets of one class meet it. What it matches of a queue pair, of a kind of packet and of
// a port went into the class; TTL, ECN field and place in the message are looked at packet by packet.
struct AclEntry {
  std::uint32_t rule;                // whose counter counts the packet
  std::uint8_t ttl, ttl_mask;
  std::uint8_t ecn, ecn_mask;        // 2 or, with congestion experienced, 3
  std::uint8_t places;               // of data: bits of MessagePlace
  bool drops;
  bool ends_table;                   // what follows is of another table
};

enum class MessagePlace : std::uint8_t { first = 1, middle = 2, last = 4, only = 8 };

// Access lists where packets come in, or where they leave.
struct AclStage {
  std::uint32_t port_classes = 0;           // 0: no access lists
  std::vector<std::uint32_t> port_class;    // by port of the switch
  std::vector<std::uint32_t> offsets;       // of entries, by header class * port_classes + port class
  std::vector<AclEntry> entries;            // table by table; of each table, the first that fits is met

  auto fields() { return std::tie(port_classes, port_class, offsets, entries); }
};

struct AclConfig {
  std::uint32_t rules = 0;                  // counters; they count on from what they had
  std::vector<std::uint32_t> header_class;  // by queue pair * acl_kinds + kind of packet
  AclStage ingress, egress;

  auto fields() { return std::tie(rules, header_class, ingress, egress); }
};

inline constexpr unsigned acl_kinds = 4;    // data, ack, nak, cnp

}  // namespace raddle
