// The planner's solvers, without Python: random graphs, and the property that each solver promises.

#include <cstdint>
#include <cstdio>
#include <map>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "raddle/colouring.hpp"
#include "raddle/max_flow.hpp"
#include "raddle/slot_search.hpp"

namespace {

using namespace raddle;

int failures = 0;

#define CHECK(claim)                                                   \
  do {                                                                 \
    if (!(claim)) {                                                    \
      std::printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #claim); \
      ++failures;                                                      \
    }                                                                  \
  } while (false)

bool is_balanced(const ColouringSide& side, const std::vector<std::uint32_t>& colour, std::uint32_t colours) {
  std::map<std::uint32_t, std::vector<std::uint32_t>> by_node;
  for (std::size_t e = 0; e < colour.size(); ++e) {
    for (std::uint32_t node = side.node[e]; node != no_parent; node = side.parent[node]) {
      by_node[node].resize(colours);
      ++by_node[node][colour[e]];
    }
  }
  for (const auto& [node, counts] : by_node) {
    std::uint32_t degree = 0;
    for (const std::uint32_t count : counts) degree += count;
    for (const std::uint32_t count : counts) {
      if (count < degree / colours || count > (degree + colours - 1) / colours) return false;
    }
  }
  return true;
}

void every_colour_is_balanced_at_every_vertex_and_every_set() {
  std::mt19937 words(1);
  const auto random = [&words] { return static_cast<std::uint32_t>(words()); };
  for (int trial = 0; trial < 300; ++trial) {
    const std::uint32_t vertices = 1 + random() % 9, sets = 1 + random() % 3, edges = random() % 120;
    const std::uint32_t colours = 1 + random() % 13;
    ColouringSide sides[2];
    for (ColouringSide& side : sides) {
      for (std::uint32_t v = 0; v < vertices; ++v) side.parent.push_back(vertices + random() % sets);
      side.parent.insert(side.parent.end(), sets, no_parent);
      for (std::uint32_t e = 0; e < edges; ++e) side.node.push_back(random() % vertices);
    }
    const std::vector<std::uint32_t> colour = balanced_colours(sides[0], sides[1], colours);
    CHECK(colour.size() == edges);
    CHECK(is_balanced(sides[0], colour, colours));
    CHECK(is_balanced(sides[1], colour, colours));
  }
}

void impossible_bounds_are_refused() {
  BoundedFlow flow(2);
  flow.add(0, 1, 2, 2);
  flow.add(1, 0, 0, 1);
  bool is_refused = false;
  try {
    flow.solve();
  } catch (const std::logic_error&) {
    is_refused = true;
  }
  CHECK(is_refused);
}

void keys_in_one_slot_spread_over_all() {
  SlotProblem problem;
  problem.slots = 4;
  problem.use_offsets = {0};
  for (std::uint32_t key = 0; key < 4; ++key) {
    problem.use_row.push_back(0);
    problem.use_load.push_back(1);
    problem.use_offsets.push_back(key + 1);
  }
  problem.row_group = {0};
  problem.row_capacity = {0};
  problem.unit.assign(4, 1);
  problem.is_open.assign(16, 1);
  std::vector<bool> is_taken(4);
  for (const std::uint32_t slot : search_slots(problem, {0, 0, 0, 0}, {1}, 100)) is_taken[slot] = true;
  CHECK(is_taken == std::vector<bool>(4, true));
  problem.is_open.assign(16, 0);
  CHECK(search_slots(problem, {0, 0, 0, 0}, {1}, 100) == std::vector<std::uint32_t>(4, 0));
}

}  // namespace

int main() {
  every_colour_is_balanced_at_every_vertex_and_every_set();
  impossible_bounds_are_refused();
  keys_in_one_slot_spread_over_all();
  std::printf("%s\n", failures == 0 ? "all true" : "FAILED");
  return failures == 0 ? 0 : 1;
}
