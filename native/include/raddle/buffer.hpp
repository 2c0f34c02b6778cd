#pragma once
// How much of a shared buffer a priority group or a queue may take.
// SOURCE: A. Choudhury, E. Hahne, "Dynamic queue length thresholds for shared-memory packet switches",
// IEEE/ACM ToN 1998; SAI buffer attributes (saibuffer.h).

#include <algorithm>

#include "raddle/switch_state.hpp"

namespace raddle {

// alpha * free, alpha = 2**exponent.
inline std::int64_t scaled(std::int64_t free, int exponent) {
  free = std::max<std::int64_t>(free, 0);
  return exponent >= 0 ? free << exponent : free >> -exponent;
}

// Of the shared part of a group or queue, where so much of its pool is used.
inline std::int64_t threshold(const ProfileConfig& profile, const Pool& pool, std::int64_t used) {
  return profile.is_dynamic ? scaled(pool.size - used, profile.dynamic_th) : profile.static_th;
}

inline std::int64_t threshold(const ProfileConfig& profile, const Pool& pool) {
  return threshold(profile, pool, pool.used);
}

inline std::int64_t shared_part(std::int64_t used, const ProfileConfig& profile) {
  return std::max<std::int64_t>(used - profile.reserved, 0);
}

}  // namespace raddle
