// Rates that spread from a few changes only as far as they must.
//
// The flows in `gathered_` are filled anew beside all others, whose rates stay. Who has no bottleneck then joins them.

#include <algorithm>
#include <cmath>

#include "raddle/max_min.hpp"

namespace raddle {

namespace {

// Shares by which levels and full links may differ and be equal all the same: rounding only.
constexpr double equal = 1e-11;

// Acknowledgements' loads that change by no more than this share of a link's capacity move nobody. It is held against
// what rates were computed with, so that many small changes do not add up to more.
constexpr double noticed = 1e-3;

constexpr int most_load_rounds = 12;

}  // namespace

void MaxMin::solve_near() {
  gathered_.clear();
  gathered_links_.clear();
  before_.clear();
  for (const std::uint32_t flow : seed_flows_) {
    if (flows_[flow].is_started) join(flow);
  }
  for (const std::uint32_t link : seed_links_) {
    if (!can_fill(links_[link])) add_link(link);  // what was limited there is so no more
    touch(link);
  }
  for (int round = 0; round < most_load_rounds; ++round) {
    do {
      fill_near();
    } while (join_unlimited());
    if (!touch_loads()) break;
  }
  for (const std::uint32_t flow : gathered_) flows_[flow].is_seen = false;
  for (const std::uint32_t link : gathered_links_) links_[link].is_seen = false;
  ++spread_;
}

void MaxMin::join(std::uint32_t id) {
  Flow& flow = flows_[id];
  if (flow.is_seen) return;
  flow.is_seen = true;
  gathered_.push_back(id);
  before_.push_back(flow.rate);
  for (const Taken& taken : flow.path) {
    if (!taken.is_load) touch(taken.link);
  }
}

void MaxMin::touch(std::uint32_t id) {
  if (links_[id].is_seen || !can_fill(links_[id])) return;
  takes_load(links_[id]);
  add_link(id);
}

void MaxMin::add_link(std::uint32_t id) {
  links_[id].is_seen = true;
  gathered_links_.push_back(id);
}

// The flows that have joined, in what all others leave.
void MaxMin::fill_near() {
  for (const std::uint32_t id : gathered_links_) {
    Link& link = links_[id];
    link.left = link.capacity - link.load;
    for (const Place& place : link.flows) {
      const Flow& flow = flows_[place.flow];
      if (!place.is_load && !flow.is_seen) link.left -= place.part * flow.rate;
    }
    link.left = std::max(link.left, 0.0);
  }
  // CORRECTNESS: filling goes by an order of its own; `before_` stays in that of joining.
  order_ = gathered_;
  std::swap(order_, gathered_);
  sort_flows();
  fill_class(0, gathered_.size());
  std::swap(order_, gathered_);
}

// Lets those join who have no bottleneck any more, and those above someone who is held below them.
bool MaxMin::join_unlimited() {
  const std::size_t joined = gathered_.size(), touched = gathered_links_.size();
  for (std::size_t i = 0; i < touched; ++i) {
    Link& link = links_[gathered_links_[i]];
    refresh(link);
    const bool is_overfull = link.used + link.load > link.capacity * (1 + equal);
    for (const Place& place : link.flows) {
      Flow& flow = flows_[place.flow];
      if (place.is_load || flow.is_seen) continue;
      if (is_overfull ? flow.rate > 0 : !is_limited(flow)) join(place.flow);
    }
  }
  for (std::size_t i = 0; i < joined; ++i) {
    const Flow& flow = flows_[gathered_[i]];
    if (flow.neck == none || is_limited_at(flow, flow.neck)) continue;
    for (const Place& place : links_[flow.neck].flows) {
      const Flow& other = flows_[place.flow];
      if (!place.is_load && other.rate / other.weight > flow.rate / flow.weight * (1 + equal)) join(place.flow);
    }
  }
  return gathered_.size() > joined;
}

// Takes the acknowledgements of those that have joined for loads; whether some link must be looked at for it.
bool MaxMin::touch_loads() {
  bool has_changed = false;
  for (std::size_t i = 0; i < gathered_.size(); ++i) {
    const Flow& flow = flows_[gathered_[i]];
    for (auto taken = flow.path.rbegin(); taken != flow.path.rend() && taken->is_load; ++taken) {
      Link& link = links_[taken->link];
      if (!can_fill(link) || !takes_load(link)) continue;
      touch(taken->link);
      has_changed = true;
    }
  }
  return has_changed;
}

// Rates go by the acknowledgements that there are now; whether that makes a difference.
bool MaxMin::takes_load(Link& link) {
  refresh(link);
  if (std::abs(link.next_load - link.load) <= noticed * link.capacity) return false;
  link.load = link.next_load;
  return true;
}

void MaxMin::refresh(Link& link) {
  if (!link.is_stale) return;
  link.is_stale = false;
  link.used = link.top = link.next_load = 0;
  for (const Place& place : link.flows) {
    const Flow& flow = flows_[place.flow];
    const double takes = place.part * flow.rate;
    (place.is_load ? link.next_load : link.used) += takes;
    if (!place.is_load) link.top = std::max(link.top, flow.rate / flow.weight);
  }
}

bool MaxMin::is_limited_at(const Flow& flow, std::uint32_t id) {
  Link& link = links_[id];
  refresh(link);
  return link.used >= (link.capacity - link.load) * (1 - equal) && flow.rate / flow.weight >= link.top * (1 - equal);
}

bool MaxMin::is_limited(Flow& flow) {
  if (flow.neck != none && is_limited_at(flow, flow.neck)) return true;
  if (flow.rate >= flow.most * (1 - equal)) return true;
  for (const Taken& taken : flow.path) {
    if (taken.is_load || !can_fill(links_[taken.link]) || !is_limited_at(flow, taken.link)) continue;
    flow.neck = taken.link;
    return true;
  }
  return false;
}

}  // namespace raddle
