#pragma once
// What the engine is given: the cabled network, the hosts' parameters, the work; each switch's state.

#include <array>
#include <vector>

#include "raddle/rate_control.hpp"
#include "raddle/switch_config.hpp"
#include "raddle/types.hpp"

namespace raddle {

struct PortConfig {
  NodeId node;
  PortId peer;          // none where nothing is cabled
  std::int64_t speed;   // bit/s
  Time propagation;
};

enum class LossRecovery : std::uint8_t { go_back_n, selective_repeat };  // see loss_recovery.hpp

struct NicConfig {
  std::int64_t mtu = 4096;          // payload bytes per packet
  std::int64_t header_bytes = 62;   // Ethernet 14, IPv4 20, UDP 8, BTH 12, ICRC 4, FCS 4
  std::int64_t ack_bytes = 66;      // the same and AETH 4
  std::int64_t cnp_bytes = 78;      // the same without AETH, and 16 reserved bytes
  std::int64_t gap_bytes = 20;      // preamble and start 8, inter-packet gap 12 (IEEE 802.3)
  std::int64_t pause_bytes = 64;    // PFC frame with FCS
  std::uint32_t pause_quanta = 0;   // of 512 bit times that a pause holds unless it is renewed; 0: until lifted
  std::uint32_t ack_interval = 1;
  std::int64_t window = 0;          // most bytes of payload that a queue pair has under way; 0: any
  std::uint32_t messages = 0;       // most messages that a queue pair has handed to the NIC and not acknowledged; 0: any
  std::uint32_t burst = 1;          // packets that a queue pair sends before it is another one's turn
  std::uint32_t train = 1;          // most frames of a queue pair that move as one event; see docs/models/trains.md
  // Share of each priority in the wire where several have something to send; 0: before all that have a share, the
  // highest first. Within a priority answers (acknowledgements, CNPs) go before data.
  std::array<std::uint32_t, priorities> class_weights = {1, 1, 1, 1, 1, 1, 0, 1};
  LossRecovery loss_recovery = LossRecovery::go_back_n;
  std::uint32_t reorder = 0;        // packets that one may be overtaken by before it counts as lost; selective repeat
  Time retransmit_timeout = 67'108'864'000;
  std::uint32_t retry_count = 7;
  Time cnp_interval = 4'000'000;
  Time pfc_reaction = 0;
  RateControls::Parameters rate_control = DcqcnParameters{};
  bool retimes = true;              // a change of rate moves the packet that waits; false: it goes by the rate at the last one's start
  std::uint8_t cnp_dscp = 48;
  std::uint8_t cnp_priority = 6;
  std::uint8_t ack_dscp = dscps;    // dscps: acknowledgements take the class of the data
  std::uint8_t ack_priority = 0;
  bool completes_on_ack = false;    // what waits for a flow starts when it is acknowledged, wherever it starts
  bool acks_carry_cnp = false;      // no CNPs: the acknowledgement of a marked packet says that it was
  Time pause_delay = never;         // never: PFC takes frames; else it arrives after this time, beside all frames
  Time clock = 1;                   // wire times are whole ticks, the rest of one is cut off
};

struct NetworkConfig {
  NodeId endpoints = 0;
  NodeId switches = 0;
  std::vector<PortConfig> ports;       // sorted by node; an endpoint has exactly one
  std::vector<Time> pipeline_latency;  // per switch
  std::vector<std::uint8_t> cuts_through = {};  // per switch, whether it does; none: store and forward
  NicConfig nic;
  std::uint64_t seed = 0;
  std::vector<std::int64_t> endpoint_bus = {};  // by endpoint, bit/s of payload that its host's bus carries each way;
                                                // 0: any; none: all of them
  std::vector<NodeId> endpoint_twin = {};       // by endpoint, the other port of its bond, which takes what is sent to
                                                // it as well; none: it has no other; no entries: none has
};

// Links inside scale-up domains, and the queue pairs that take them; see scale_up.hpp. Without queue pairs: nothing.
struct ScaleUpConfig {
  std::vector<std::int64_t> link_speed;      // bit/s, one way
  std::vector<Time> link_latency;
  std::int64_t quantum = 512 * 1024;         // most bytes of a message that a link carries in one turn
  std::vector<std::uint32_t> path_offsets, path_links;  // by queue pair; a queue pair without links is of the network
  // By flow, what it takes of its first link and of its last, where a switch copies or sums; none: its own bytes.
  std::vector<std::int64_t> tx_bytes = {}, rx_bytes = {};
};

// Flows are messages on queue pairs; see raddle/workload.py for what the arrays mean.
struct Workload {
  std::vector<NodeId> qp_src, qp_dst;                // none inside a scale-up domain
  std::vector<std::uint32_t> qp_hash, qp_ack_hash;  // ECMP hash of the 5-tuple, each direction
  std::vector<std::uint8_t> qp_dscp, qp_priority;
  std::vector<QpId> flow_qp;
  std::vector<std::int64_t> flow_bytes;
  std::vector<Time> flow_start;
  std::vector<std::int64_t> dep_offsets;
  std::vector<FlowId> dep_ids;
  // A flow starts with what its source rank has received and sent, over whichever endpoint or scale-up link. None: the
  // endpoints are the ranks.
  std::vector<std::uint32_t> qp_src_rank = {}, qp_dst_rank = {};
  ScaleUpConfig scale_up = {};
  std::vector<Time> flow_delay = {};  // from when all that a flow waits for is done until it starts; none: 0
};

}  // namespace raddle
