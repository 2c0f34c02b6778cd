#pragma once
// The records that events touch. Hot fields first; what is only read at the end is in columns elsewhere.

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "raddle/config.hpp"

namespace raddle {

enum class PacketKind : std::uint8_t { data, ack, nak, cnp, ack_and_cnp };

// Two to a cache line.
struct alignas(32) Packet {
  struct Buffer {
    PortId in_port;      // where its buffer is accounted
    std::uint8_t pg;
  };
  union {
    Time arrival;        // on a wire
    Buffer buffer;       // in a switch
  };
  std::uint32_t next;    // in a queue, on a wire or in the free list
  QpId qp;
  NodeId dst;
  std::uint32_t hash;    // of a NAK of selective repeat instead: how far its PSN is ahead of what is there in order
  std::uint32_t psn;     // low 24 bits as in the BTH; acks: next expected
  std::uint16_t bytes;   // frame with FCS
  std::uint8_t dscp_ce;  // DSCP in the lower 6 bits, then AckReq (BTH), then whether congestion was experienced
  std::uint8_t ttl;

  static constexpr std::uint8_t ack_request = 0x40;
  static constexpr std::uint8_t ce = 0x80;

  PacketKind kind() const { return static_cast<PacketKind>(psn >> 24); }
  unsigned dscp() const { return dscp_ce & 63U; }
  bool asks_ack() const { return (dscp_ce & ack_request) != 0; }
  bool is_ce() const { return (dscp_ce & ce) != 0; }
  void set_psn(PacketKind kind, std::uint64_t number) {
    psn = static_cast<std::uint32_t>(kind) << 24 | static_cast<std::uint32_t>(number & 0xFF'FFFFU);
  }
};
static_assert(sizeof(Packet) == 32);

// A message of no bytes is one packet without payload.
inline std::uint64_t packets_of(std::int64_t bytes, std::int64_t mtu) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>((bytes + mtu - 1) / mtu, 1));
}

struct alignas(64) Queue {
  std::uint32_t head = none, tail = none;
  std::int64_t bytes = 0, max_bytes = 0;
  std::uint32_t profile = none, wred = none;
  std::uint64_t tx_frames = 0;
  std::int64_t tx_bytes = 0;
  std::int64_t deficit = 0, quantum = 0;
};
static_assert(sizeof(Queue) == 64);

struct alignas(32) PriorityGroup {
  std::int64_t used = 0, headroom = 0, max_used = 0;
  std::uint32_t profile = none;
  bool is_xoff = false;
};

// The most that a priority group has held, as far as it had to use its headroom.
struct HeadroomMarks {
  std::int64_t max_headroom = 0, max_bytes = 0;
};

// What was not let into a queue or priority group, or was thrown out of a queue; of that, what RED dropped.
struct Losses {
  std::uint64_t frames = 0, wred_frames = 0;
  std::int64_t bytes = 0, wred_bytes = 0;
};

struct alignas(64) Port {
  Time busy_until = 0;
  Time arrive_delay = 0;          // propagation and the peer's pipeline
  std::uint32_t ps_per_byte = 0;  // 0: not a whole number, the clock has longer ticks, or its frames are traced
  PortId peer = none;
  NodeId node = 0;
  std::uint32_t qos = 0;
  std::uint32_t cut_ps = 0;       // after so much of a frame the peer may forward it; 0: it stores the frame
  std::uint8_t active = 0;        // queues that hold packets
  std::uint8_t paused = 0;        // queues that the peer paused
  std::uint8_t strict = 0xFF;
  std::uint8_t round = 0;         // DWRR position
  std::uint8_t pfc_enable = 0;
  std::uint8_t pfc_changed = 0;   // priorities whose pause state is to be told to the peer
  std::uint8_t pfc_xoff = 0;
  bool is_up = true;
  bool is_endpoint = false;
  bool is_cut = false;            // the peer is in another partition
  bool rx_check : 1 = false;      // what arrives is not simply received: see reception.cpp
  bool tx_check : 1 = false;      // nor what is to be sent simply taken
  bool is_traced : 1 = false;
  std::uint8_t has_data = 0;      // of an endpoint: priorities with queue pairs in their circle
  Time propagation = 0;
  std::int64_t speed = 0;
};
static_assert(sizeof(Port) == 64);

// Frames sent that have not arrived, in order: a ring, so that one lies beside the next.
struct alignas(32) Wire {
  std::unique_ptr<Packet[]> slots;
  std::uint32_t mask = 0;         // of places: the number of slots, a power of two, less one
  std::uint32_t head = 0, count = 0;
  PortId to = none;               // receiving port

  Packet& at(std::uint32_t place) { return slots[(head + place) & mask]; }
  const Packet& at(std::uint32_t place) const { return slots[(head + place) & mask]; }

  Packet& push(const Packet& packet) {
    if (count >= mask) [[unlikely]] grow();  // one stays free, so that none needs no slots
    __builtin_prefetch(&at(count + 2), 1);
    return at(count++) = packet;
  }

  void pop() {
    ++head;
    --count;
    __builtin_prefetch(&at(2));
  }

  void grow() {
    const std::uint32_t larger = std::max(4U, 2 * (mask + 1));
    auto moved = std::make_unique<Packet[]>(larger);
    for (std::uint32_t i = 0; i < count; ++i) moved[i] = at(i);
    slots = std::move(moved);
    mask = larger - 1;
    head = 0;
  }
};

// What keeps a port from receiving every frame, or from sending it.
struct Impairment {
  bool is_lit = true;          // light on the cable; a cut one carries nothing before its ends notice
  double bit_errors = 0;       // chance of a wrong bit, after FEC
  std::uint64_t frames = 0;    // received under bit errors
  std::uint32_t mtu = 0;       // most bytes of an IP packet that it sends; 0: any
  // A host that takes data no faster than this (0: at line rate), and its NIC's buffer.
  std::int64_t drain = 0, buffer = 0, xoff = 0, xon = 0;
  Time empty_at = 0;           // when the buffer is empty if nothing more arrives
  std::uint8_t halted = 0;     // priorities that the full buffer has paused
  std::uint8_t storm = 0;      // priorities that it pauses for no reason
  bool is_armed = false;       // a look at the buffer is under way
};

// What a host's bus gives an endpoint.
struct HostBus {
  std::int64_t speed = 0;      // bit/s of payload, 0: any
  Time free_at = 0;            // when it has carried what the endpoint has sent
};

// A pause that ends by itself: until when each queue is halted, and whether a renewal is under way.
struct PauseClock {
  Time expires[priorities] = {};
  std::uint8_t is_armed = 0;   // by queue: an expiry is under way
  bool is_renewing = false;
};

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

// A frame that a traced port began to send; `qp` is none for PFC, whose `psn` are the masks of a pause event.
struct TraceRecord {
  Time time;
  PortId port;
  QpId qp;
  std::uint32_t psn;  // with the kind, as in Packet
  std::uint16_t bytes;
  std::uint8_t dscp_ce, ttl;
};

struct WatchdogEvent {
  Time time;
  PortId port;
  std::uint8_t queue;
  bool is_storm;  // false: restored
};

// A queue pair's sending half, at the NIC that sends its data.
struct Sender {
  std::uint64_t next_psn = 0, una_psn = 0, limit_psn = 0;
  Time next_time = 0;                  // its rate holds it back until then
  Time last_start = 0;                 // when its last packet began
  std::uint32_t last_bytes = 0;        // what that took on the wire
  PortId port = 0;
  NodeId dst = 0;
  std::uint32_t hash = 0;
  std::uint32_t round_next = none;     // circle of its NIC's senders of its priority with packets to send
  std::uint32_t cursor = 0;            // place in the queue pair's list of flows
  std::uint64_t cursor_end = 0;        // first PSN behind that flow
  std::uint32_t posted = 0;            // flows handed to the NIC
  std::uint32_t acked = 0;             // flows acknowledged whole
  std::uint64_t acked_end = 0;         // first PSN behind the first flow that is not
  std::uint64_t posted_end = 0;        // first PSN behind the posted flows; `limit_psn` is it, or less for the window
  std::uint64_t sent_end = 0;          // first PSN that was never sent
  std::uint32_t retries = 0;
  std::uint32_t burst = 0;             // packets of this turn
  std::uint8_t dscp = 0, priority = 0;
  bool in_round = false, timer_set = false, has_failed = false;
  Time last_progress = 0;
  RateControls::State rate;
};

// From a 64-bit packet sequence number to a 24-bit one near it.
inline std::int32_t psn_distance(std::uint32_t psn, std::uint64_t from) {
  return static_cast<std::int32_t>((psn - static_cast<std::uint32_t>(from)) << 8) >> 8;
}

// First PSN that the window does not let a queue pair send, nor its posted messages.
std::uint64_t limit_psn(const NicConfig& nic, std::uint64_t posted_end, std::uint64_t una_psn);

// What selective repeat adds to the two halves of a queue pair.
struct SelectiveSender {
  struct Flight {
    std::uint64_t number = 0;          // of its last transmission
    Time sent_at = 0;
    bool has_arrived = false, is_resent = false;
  };
  struct Transmission {
    std::uint64_t psn, number;
  };
  std::deque<Flight> flights;          // from una_psn to next_psn
  std::deque<Transmission> sent;       // in their order; of the first ones it is known what became of them
  std::deque<std::uint64_t> lost;      // to be sent again, in order
  std::uint64_t count = 0;             // of transmissions
  std::uint64_t newest = 0;            // transmission known to have arrived
  Time shortest_trip = never;          // from a packet's only transmission to the news that it has arrived
};

struct SelectiveReceiver {
  std::deque<bool> arrived;            // from expected_psn on
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
  std::vector<std::uint32_t> drop_rule;   // of an access list of that port's switch, or none
};

}  // namespace raddle
