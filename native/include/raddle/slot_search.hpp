#pragma once
// A search for the slots of keys that load rows together: pins whose flows share a path.

#include <cstdint>
#include <vector>

namespace raddle {

// Every key takes one slot. A use says that a key puts `load` on its slot in a row (a leaf's uplinks, or
// its downlinks, in one phase). A link is a row's capacity row and a slot; it costs load * unit. The rows of
// a group (a phase) have one target.
struct SlotProblem {
  std::uint32_t slots = 0;
  std::vector<std::uint32_t> use_offsets, use_row, use_load;  // by key
  std::vector<std::uint32_t> row_group, row_capacity;         // by row
  std::vector<std::uint32_t> unit;                            // by capacity row and slot
  std::vector<std::uint8_t> is_open;                          // by key and slot: the key may move there
};

// Moves keys until no link costs more than its group's target or `moves` are made; returns the best slots
// that it met. Every move takes the best of the moves that lower a link above its target; going back is
// forbidden for a while (tabu search: F. Glover, ORSA J. Computing 1, 1989; A. Hertz, D. de Werra, "Using
// tabu search techniques for graph coloring", Computing 39, 1987). In a colouring such moves walk along an
// alternating path as König's do. Deterministic.
std::vector<std::uint32_t> search_slots(const SlotProblem& problem, std::vector<std::uint32_t> start,
                                        const std::vector<std::int64_t>& targets, std::uint64_t moves);

}  // namespace raddle
