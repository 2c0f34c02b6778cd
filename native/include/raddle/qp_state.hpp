#pragma once
// The two halves of a queue pair, and what became of flows.

#include <deque>
#include <tuple>
#include <vector>

#include "raddle/config.hpp"

namespace raddle {

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

  auto fields() { return std::tie(flights, sent, lost, count, newest, shortest_trip); }
};

struct SelectiveReceiver {
  std::deque<bool> arrived;            // from expected_psn on

  auto fields() { return std::tie(arrived); }
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

  auto fields() { return std::tie(start, finish, acked, status); }
};

struct QpResults {
  std::vector<std::uint64_t> retransmitted, timeouts, cnps, drops;
  std::vector<PortId> drop_port;          // where its last packet was dropped
  std::vector<std::uint8_t> drop_reason;
  std::vector<std::uint32_t> drop_rule;   // of an access list of that port's switch, or none

  auto fields() { return std::tie(retransmitted, timeouts, cnps, drops, drop_port, drop_reason, drop_rule); }
};

}  // namespace raddle
