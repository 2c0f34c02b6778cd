#pragma once
// The records that events touch. Hot fields first; what is only read at the end is in columns elsewhere.

#include <vector>

#include "raddle/config.hpp"

namespace raddle {

enum class PacketKind : std::uint8_t { data, ack, nak, cnp };

struct Packet {
  std::uint32_t next;   // in a queue or in the free list
  QpId qp;
  std::uint32_t psn;    // low 32 bits; acks: next expected
  PortId in_port;       // where its buffer is accounted
  NodeId dst;
  std::uint32_t hash;
  std::uint16_t bytes;  // frame with FCS
  PacketKind kind;
  std::uint8_t dscp;
  std::uint8_t ttl;
  std::uint8_t pg;
  bool is_ce;
};

struct Queue {
  std::uint32_t head = none, tail = none;
  std::int64_t bytes = 0, max_bytes = 0;
  std::int64_t deficit = 0, quantum = 0;
  std::uint32_t profile = none, wred = none;
  std::uint64_t tx_frames = 0;
  std::int64_t tx_bytes = 0;
  std::uint64_t marks = 0;
};

struct PriorityGroup {
  std::int64_t used = 0, headroom = 0, max_bytes = 0;
  std::uint32_t profile = none;
  bool is_xoff = false;
};

struct Port {
  Time busy_until = 0;
  Time wake_at = never;
  std::uint64_t sequence = 0;
  std::uint64_t ps_per_byte = 0;  // 0: not a whole number, use wire_time
  std::int64_t speed = 0;
  Time arrive_delay = 0;          // propagation and the peer's pipeline
  Time propagation = 0;
  PortId peer = none;
  NodeId node = 0;
  std::uint32_t qos = 0;
  std::uint8_t active = 0;        // queues that hold packets
  std::uint8_t paused = 0;        // queues that the peer paused
  std::uint8_t strict = 0xFF;
  std::uint8_t round = 0;         // DWRR position
  std::uint8_t pfc_enable = 0;
  std::uint8_t pfc_changed = 0;   // priorities whose pause state is to be told to the peer
  std::uint8_t pfc_xoff = 0;
  bool is_up = true;
};

struct SwitchNode {
  PortId first_port = 0;
  std::uint32_t hash_seed = 0;
  std::vector<std::uint32_t> fib;
  std::vector<std::uint32_t> group_offsets, group_ports;
  std::vector<QosMap> qos;
  std::vector<PoolConfig> pools;
  std::vector<std::int64_t> pool_used, pool_headroom;
  std::vector<ProfileConfig> profiles;
  std::vector<WredConfig> wred;
};

// A queue pair's sending half, at the NIC that sends its data.
struct Sender {
  std::uint64_t next_psn = 0, una_psn = 0, limit_psn = 0;
  Time next_time = 0;
  PortId port = 0;
  NodeId dst = 0;
  std::uint32_t hash = 0;
  std::uint32_t round_next = none;     // circle of senders with packets to send
  std::uint32_t cursor = 0;            // place in the queue pair's list of flows
  std::uint64_t cursor_end = 0;        // first PSN behind that flow
  std::uint32_t posted = 0;            // flows handed to the NIC
  std::uint32_t acked = 0;             // flows acknowledged whole
  std::uint64_t acked_end = 0;         // first PSN behind the first flow that is not
  std::uint32_t retries = 0;
  std::uint8_t dscp = 0, priority = 0;
  bool in_round = false, timer_set = false, has_failed = false;
  Time last_progress = 0;
  DcqcnRate dcqcn;
};

// A queue pair's receiving half.
struct Receiver {
  std::uint64_t expected_psn = 0;
  std::uint64_t cursor_end = 0;
  PortId port = 0;
  NodeId dst = 0;                      // where its acknowledgements go
  std::uint32_t hash = 0;
  std::uint32_t cursor = 0;
  std::uint32_t unacked = 0;
  std::uint8_t dscp = 0, priority = 0;
  bool nak_sent = false;
  Time next_cnp = 0;
};

enum class FlowStatus : std::uint8_t { waiting, active, done, failed };

struct FlowResults {
  std::vector<Time> start, finish, acked;
  std::vector<std::uint8_t> status;
};

struct QpResults {
  std::vector<std::uint64_t> retransmitted, timeouts, cnps, drops;
  std::vector<PortId> drop_port;          // where its last packet was dropped
  std::vector<std::uint8_t> drop_reason;
};

}  // namespace raddle
