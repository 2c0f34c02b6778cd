#pragma once
// Units and ids of the engine. Time is integer picoseconds; sizes are bytes; rates are bits per second.

#include <cstdint>

namespace raddle {

using Time = std::int64_t;
using NodeId = std::uint32_t;    // endpoints first, then switches
using PortId = std::uint32_t;    // global, grouped by node
using QpId = std::uint32_t;
using FlowId = std::uint32_t;
using QueueId = std::uint32_t;   // port * priorities + queue
using PacketId = std::uint32_t;  // slot in the packet pool

inline constexpr std::uint32_t none = 0xFFFF'FFFFU;
inline constexpr Time never = INT64_MAX;
inline constexpr unsigned priorities = 8;  // IEEE 802.1Q-2022: PFC priorities, PGs per port, queues per port
inline constexpr unsigned dscps = 64;      // RFC 2474

enum class DropReason : std::uint8_t { no_route, ingress_buffer, egress_buffer, ttl, link_down, watchdog,
                                        wred, mtu, corrupt, receiver, ingress_acl, egress_acl };
inline constexpr unsigned drop_reasons = 12;

inline constexpr std::uint8_t initial_ttl = 64;

// Time on the wire of `bytes` at `bps`: ceil(bytes * 8e12 / bps), exact for any size and speed.
inline Time wire_time(std::int64_t bytes, std::int64_t bps) {
  __extension__ using Wide = unsigned __int128;
  const Wide bits = static_cast<Wide>(bytes) * 8'000'000'000'000U;
  const auto rate = static_cast<Wide>(bps);
  return static_cast<Time>((bits + rate - 1) / rate);
}

// What a byte takes on the wire, where that is a whole number that 32 bits hold and no clock cuts it off; else 0.
inline std::uint32_t whole_ps_per_byte(std::int64_t bps, Time clock) {
  constexpr std::int64_t byte_ps = 8'000'000'000'000;
  const bool is_whole = clock == 1 && bps > 0 && byte_ps % bps == 0 && byte_ps / bps <= UINT32_MAX;
  return is_whole ? static_cast<std::uint32_t>(byte_ps / bps) : 0;
}

// Counter-based random numbers: a value for (seed, entity, counter), the same whatever else happens.
// SOURCE: splitmix64 finaliser, Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
// OOPSLA 2014.
inline std::uint64_t random_bits(std::uint64_t seed, std::uint64_t entity, std::uint64_t counter) {
  std::uint64_t z = seed + entity * 0xD1B5'4A32'D192'ED03U + counter * 0x9E37'79B9'7F4A'7C15U;
  z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9U;
  z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EBU;
  return z ^ (z >> 31);
}

}  // namespace raddle
