#include "raddle/max_flow.hpp"

#include <algorithm>
#include <stdexcept>

namespace raddle {

namespace {
constexpr std::uint32_t unreached = 0xFFFF'FFFF;
}

void BoundedFlow::connect(std::uint32_t from, std::uint32_t to, std::int32_t room) {
  from_.insert(from_.end(), {from, to});
  to_.insert(to_.end(), {to, from});
  room_.insert(room_.end(), {room, 0});
}

void BoundedFlow::add(std::uint32_t from, std::uint32_t to, std::int32_t least, std::int32_t most) {
  connect(from, to, most - least);
  least_.push_back(least);
  excess_[to] += least;
  excess_[from] -= least;
}

// What every arc must carry is sent at once; a maximum flow then clears what that leaves at the nodes.
void BoundedFlow::solve() {
  const auto source = static_cast<std::uint32_t>(excess_.size()), sink = source + 1;
  std::int64_t wanted = 0;
  for (std::uint32_t node = 0; node < source; ++node) {
    if (excess_[node] > 0) {
      connect(source, node, excess_[node]);
      wanted += excess_[node];
    } else if (excess_[node] < 0) {
      connect(node, sink, -excess_[node]);
    }
  }
  index();
  while (find_levels(source, sink)) {
    next_.assign(first_.begin(), first_.end() - 1);
    wanted -= push(source, sink, INT32_MAX);
  }
  if (wanted != 0) throw std::logic_error("no circulation keeps these bounds");
}

// Arcs by the node they leave.
void BoundedFlow::index() {
  first_.assign(excess_.size() + 3, 0);
  for (const std::uint32_t node : from_) ++first_[node + 1];
  for (std::size_t node = 1; node < first_.size(); ++node) first_[node] += first_[node - 1];
  out_.resize(from_.size());
  std::vector<std::uint32_t> place(first_);
  for (std::uint32_t arc = 0; arc < from_.size(); ++arc) out_[place[from_[arc]]++] = arc;
}

bool BoundedFlow::find_levels(std::uint32_t source, std::uint32_t sink) {
  level_.assign(first_.size() - 1, unreached);
  level_[source] = 0;
  queue_.assign(1, source);
  for (std::size_t i = 0; i < queue_.size() && level_[sink] == unreached; ++i) {
    const std::uint32_t node = queue_[i];
    for (std::uint32_t at = first_[node]; at < first_[node + 1]; ++at) {
      const std::uint32_t arc = out_[at];
      if (room_[arc] == 0 || level_[to_[arc]] != unreached) continue;
      level_[to_[arc]] = level_[node] + 1;
      queue_.push_back(to_[arc]);
    }
  }
  return level_[sink] != unreached;
}

std::int32_t BoundedFlow::push(std::uint32_t node, std::uint32_t sink, std::int32_t most) {
  if (node == sink) return most;
  std::int32_t sent = 0;
  for (std::uint32_t& at = next_[node]; at < first_[node + 1]; ++at) {
    const std::uint32_t arc = out_[at];
    if (room_[arc] == 0 || level_[to_[arc]] != level_[node] + 1) continue;
    const std::int32_t pushed = push(to_[arc], sink, std::min(most - sent, room_[arc]));
    room_[arc] -= pushed;
    room_[arc ^ 1U] += pushed;
    sent += pushed;
    if (sent == most) return sent;
  }
  return sent;
}

}  // namespace raddle
