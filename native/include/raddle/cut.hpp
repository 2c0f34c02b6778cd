#pragma once
// How a network is cut into partitions.

#include "raddle/tables.hpp"

namespace raddle {

struct Cut {
  std::uint32_t partitions;
  Time lookahead;  // nothing takes less time from one partition to another
};

// Fills `partition_of_node` and `partition_of_link` and marks the ports whose peer is in another partition.
Cut cut_network(Tables& tables);

// One partition for all.
Cut no_cut(Tables& tables);

}  // namespace raddle
