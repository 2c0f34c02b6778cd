#pragma once
// What the engine refuses: columns that do not fit each other and numbers of what there is not. Each throws
// std::invalid_argument, an index std::out_of_range, with what is wrong.

#include <stdexcept>

#include "raddle/config.hpp"

namespace raddle {

inline void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

void check_network(const NetworkConfig& network);
void check_workload(const Workload& work, NodeId endpoints);
void check_delays(const std::vector<Time>& delays, std::size_t flows);
void check_switch(const SwitchConfig& state, std::size_t ports, NodeId endpoints, std::size_t qps,
                  std::size_t hash_classes);
void check_index(std::size_t index, std::size_t count, const char* what);

}  // namespace raddle
