#pragma once
// How a network is cut into partitions.

#include <vector>

#include "raddle/tables.hpp"

namespace raddle {

struct Cut {
  std::uint32_t partitions;
  Time frame_lookahead;             // no frame takes less time from one partition to another
  Time pause_lookahead;             // nor a PFC frame; not longer than the other
  std::vector<std::uint8_t> sides;  // by partition, 0 or 1: cables lead from one side to the other; or all are of one
};

// Fills `partition_of_node` and `partition_of_link` and marks the ports whose peer is in another partition.
Cut cut_network(Tables& tables);

// One partition for all.
Cut no_cut(Tables& tables);

}  // namespace raddle
