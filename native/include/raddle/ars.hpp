#pragma once
// Adaptive routing (ARS): a switch sends each packet, or each burst of a flow, over the member of its next-hop
// group whose port is loaded least. It looks at its own ports only.
// SOURCE: SAI doc/ARS/Adaptive-Routing-and-Switching.md (J. Kumar), saiars.h and saiarsprofile.h for what is
// measured and when a path is chosen; the draft HLD of local ARS in SONiC for the parameters.

#include <memory>
#include <tuple>
#include <vector>

#include "raddle/types.hpp"

namespace raddle {

// How a measured load becomes one of eight bands: 0 up to `min`, 7 from `max` on. Loads count as on a port of 10G.
struct ArsLoad {
  std::int64_t min = 0, max = 0;
  std::int64_t weight = 0;  // of its band in a port's load

  bool operator==(const ArsLoad&) const = default;
};

// How the groups that share it choose.
struct ArsObject {
  bool is_per_packet = false;
  Time idle = 0;                           // a flow that pauses for longer may take another member
  std::uint32_t max_flows = 512;           // of a group, told apart by their hashes; more share an entry
  std::int64_t primary_path_threshold = 16, alternative_path_cost = 0;

  bool operator==(const ArsObject&) const = default;
};

struct ArsConfig {
  Time sampling_interval = 16'000'000;
  ArsLoad past = {};                       // Mb/s sent, averaged
  ArsLoad future = {};                     // bytes queued, averaged
  ArsLoad current = {};                    // bytes queued now; counts as future load where it is more
  std::vector<ArsObject> objects = {};
  std::vector<std::uint32_t> group_object = {};   // by group, none: it hashes
  std::vector<std::uint8_t> is_alternative = {};  // by entry of group_ports; empty: none is
  std::vector<std::int64_t> nominal_speed = {};   // by port, the speed that counts as 10G

  auto fields() {
    return std::tie(sampling_interval, past, future, current, objects, group_object, is_alternative, nominal_speed);
  }
  bool operator==(const ArsConfig&) const = default;
};

// What a switch knows of its ports and flows.
struct Ars {
  struct Load {
    double past = 0, future = 0;  // averages, as on a port of 10G
    std::int64_t sent = 0;        // bytes, at the last sample
  };
  struct Flowlet {
    Time last = 0;
    std::uint32_t member = none;  // within the group
  };
  ArsConfig config;
  std::int64_t sample = 0;                      // number of the last sample
  std::uint64_t draws = 0;                      // random choices made
  std::vector<Load> loads;                      // by port
  std::vector<std::vector<Flowlet>> flowlets;   // by group; empty until it is used
  std::vector<std::uint32_t> best, others;      // scratch: members of the least load

  auto fields() { return std::tie(config, sample, draws, loads, flowlets, best, others); }
};

}  // namespace raddle
