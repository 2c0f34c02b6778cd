#pragma once
// Integral circulations with bounds on every arc.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace raddle {

// Arcs u -> v whose flow must be between `least` and `most`; `solve` finds a circulation.
//
// SOURCE: L. Ford, D. Fulkerson, "Flows in Networks", 1962, I.10, for the reduction of lower bounds to a
// maximum flow; E. Dinic, Soviet Math. Doklady 11, 1970.
class BoundedFlow {
 public:
  explicit BoundedFlow(std::uint32_t nodes) : excess_(nodes, 0) {}

  void add(std::uint32_t from, std::uint32_t to, std::int32_t least, std::int32_t most);
  std::size_t arcs() const { return to_.size() / 2; }

  // Throws std::logic_error where there is no circulation.
  void solve();

  // Flow on the n-th arc that was added.
  std::int32_t on(std::size_t arc) const { return room_[2 * arc + 1] + least_[arc]; }

 private:
  void connect(std::uint32_t from, std::uint32_t to, std::int32_t room);
  void index();
  bool find_levels(std::uint32_t source, std::uint32_t sink);
  std::int32_t push(std::uint32_t node, std::uint32_t sink, std::int32_t most);

  std::vector<std::int32_t> excess_;
  std::vector<std::int32_t> least_;
  // Arc a and its reverse a ^ 1.
  std::vector<std::uint32_t> from_, to_;
  std::vector<std::int32_t> room_;
  std::vector<std::uint32_t> first_, out_, next_, level_, queue_;
};

}  // namespace raddle
