#include "raddle/colouring.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "raddle/max_flow.hpp"

namespace raddle {

namespace {

using Edge = std::uint32_t;
constexpr Edge no_edge = 0xFFFF'FFFF;

class Colouring {
 public:
  Colouring(const ColouringSide& left, const ColouringSide& right)
      : sides_{&left, &right}, colour_(left.node.size()), half_(left.node.size()) {
    for (int side = 0; side < 2; ++side) {
      mate_[side].resize(left.node.size());
      pending_[side].assign(sides_[side]->parent.size(), no_edge);
      degree_[side].assign(sides_[side]->parent.size(), 0);
    }
  }

  std::vector<std::uint32_t> run(std::uint32_t colours) {
    std::vector<Edge> edges(colour_.size());
    for (Edge e = 0; e < edges.size(); ++e) edges[e] = e;
    colour(edges, colours, 0);
    return std::move(colour_);
  }

 private:
  void colour(std::span<Edge> edges, std::uint32_t colours, std::uint32_t first) {
    if (edges.empty()) return;
    if (colours == 1) {
      for (const Edge e : edges) colour_[e] = first;
      return;
    }
    if (colours % 2 == 1) {
      take_one(edges, colours);
      const std::size_t taken = partition(edges);
      for (const Edge e : edges.first(taken)) colour_[e] = first;
      return colour(edges.subspan(taken), colours - 1, first + 1);
    }
    pair_up(edges, 0);
    pair_up(edges, 1);
    halve(edges);
    const std::size_t lower = partition(edges);
    colour(edges.first(lower), colours / 2, first);
    colour(edges.subspan(lower), colours / 2, first + colours / 2);
  }

  // Moves the edges of half 0 to the front and returns their number.
  std::size_t partition(std::span<Edge> edges) {
    const auto middle = std::stable_partition(edges.begin(), edges.end(), [this](Edge e) { return half_[e] == 0; });
    return static_cast<std::size_t>(middle - edges.begin());
  }

  void pair_up(std::span<const Edge> edges, int side) {
    const ColouringSide& forest = *sides_[side];
    std::vector<Edge>&mate = mate_[side], &pending = pending_[side];
    std::vector<std::uint32_t>& level = level_;
    const auto meet = [&](std::uint32_t node, Edge e) {
      mate[e] = std::exchange(pending[node], no_edge);
      if (mate[e] != no_edge) {
        mate[mate[e]] = e;
        return;
      }
      pending[node] = e;
      level.push_back(node);
    };
    level.clear();
    for (const Edge e : edges) meet(forest.node[e], e);
    // CORRECTNESS: all vertices have one depth, so a level is complete before the one above it.
    while (!level.empty()) {
      below_.swap(level);
      level.clear();
      for (const std::uint32_t node : below_) {
        const Edge e = std::exchange(pending[node], no_edge);
        if (e != no_edge && forest.parent[node] != no_parent) meet(forest.parent[node], e);
      }
    }
  }

  // Puts the edges of every pair into different halves.
  void halve(std::span<const Edge> edges) {
    constexpr std::uint8_t unknown = 2;
    for (const Edge e : edges) half_[e] = unknown;
    for (const Edge start : edges) {
      if (half_[start] != unknown) continue;
      half_[start] = 0;
      for (int first = 0; first < 2; ++first) {
        int side = first;
        Edge from = start;
        for (Edge e = mate_[side][from]; e != no_edge && half_[e] == unknown; e = mate_[side][from]) {
          half_[e] = static_cast<std::uint8_t>(1 - half_[from]);
          from = e;
          side = 1 - side;
        }
      }
    }
  }

  // Puts one part in `colours` of the edges at every node into half 0.
  void take_one(std::span<const Edge> edges, std::uint32_t colours) {
    const auto left = static_cast<std::uint32_t>(degree_[0].size());
    const auto right = static_cast<std::uint32_t>(degree_[1].size());
    const std::uint32_t source = left + right, sink = source + 1;
    BoundedFlow flow(sink + 1);
    for (int side = 0; side < 2; ++side) {
      const ColouringSide& forest = *sides_[side];
      std::vector<std::uint32_t>& degree = degree_[side];
      std::ranges::fill(degree, 0U);
      for (const Edge e : edges) {
        for (std::uint32_t node = forest.node[e]; node != no_parent; node = forest.parent[node]) ++degree[node];
      }
      const std::uint32_t base = side == 0 ? 0 : left, top = side == 0 ? source : sink;
      for (std::uint32_t node = 0; node < degree.size(); ++node) {
        if (degree[node] == 0) continue;
        const std::uint32_t above = forest.parent[node] == no_parent ? top : base + forest.parent[node];
        const auto least = static_cast<std::int32_t>(degree[node] / colours);
        const auto most = static_cast<std::int32_t>((degree[node] + colours - 1) / colours);
        if (side == 0) {
          flow.add(above, base + node, least, most);
        } else {
          flow.add(base + node, above, least, most);
        }
      }
    }
    flow.add(sink, source, 0, static_cast<std::int32_t>(edges.size()));
    const std::size_t first = flow.arcs();
    for (const Edge e : edges) flow.add(sides_[0]->node[e], left + sides_[1]->node[e], 0, 1);
    flow.solve();
    for (std::size_t i = 0; i < edges.size(); ++i) {
      half_[edges[i]] = static_cast<std::uint8_t>(1 - flow.on(first + i));
    }
  }

  const ColouringSide* sides_[2];
  std::vector<std::uint32_t> colour_;
  std::vector<std::uint8_t> half_;
  std::vector<Edge> mate_[2];
  std::vector<Edge> pending_[2];  // the edge that waits at a node for another
  std::vector<std::uint32_t> degree_[2];
  std::vector<std::uint32_t> level_, below_;
};

}  // namespace

std::vector<std::uint32_t> balanced_colours(const ColouringSide& left, const ColouringSide& right,
                                            std::uint32_t colours) {
  return Colouring(left, right).run(colours);
}

}  // namespace raddle
