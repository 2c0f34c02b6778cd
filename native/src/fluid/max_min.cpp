#include "raddle/max_min.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <queue>

#include "raddle/types.hpp"

namespace raddle {

namespace {

// Sums of demands are added to and taken from; a link may be overfilled by so little without being looked at.
constexpr double rounding = 1e-11;

// Loads that do not change by more than this share of a link's capacity are settled. They are a few percent of what is
// sent, so each round comes as much nearer.
constexpr double settled = 1e-7;
constexpr int most_rounds = 12;

constexpr std::size_t most_kept = 1U << 22;  // rates; 64 MiB

std::uint64_t mix(std::uint64_t key, std::uint64_t value) { return random_bits(key, value, 0x5EED); }
std::uint64_t mix(std::uint64_t key, double value) { return mix(key, std::bit_cast<std::uint64_t>(value)); }

}  // namespace

MaxMin::MaxMin(std::vector<double> capacity, std::size_t flows) 
    : links_(capacity.size()), flows_(flows), grows_(flows, 0) {
  for (std::size_t i = 0; i < capacity.size(); ++i) links_[i].capacity = capacity[i];
}

bool MaxMin::can_fill(const Link& link) { return link.demand > link.capacity * (1 + rounding); }

// Adds a flow's most to its links, or takes it away.
void MaxMin::count_demand(const Flow& flow, double sign) {
  for (const Taken& taken : flow.path) links_[taken.link].demand += sign * taken.part * flow.most;
}

void MaxMin::set_most(std::uint32_t id) {
  Flow& flow = flows_[id];
  flow.most = std::numeric_limits<double>::infinity();
  std::uint64_t key = mix(mix(id + 1, flow.weight), std::uint64_t{flow.strict_class});
  for (const Taken& taken : flow.path) {
    key = mix(mix(key, std::uint64_t{taken.link} << 1 | (taken.is_load ? 1U : 0U)), taken.part);
    if (!taken.is_load && taken.part > 0) flow.most = std::min(flow.most, links_[taken.link].capacity / taken.part);
  }
  flow.key = mix(key, flow.most);
}

void MaxMin::seed_flow(std::uint32_t flow) {
  if (flows_[flow].is_seed) return;
  flows_[flow].is_seed = true;
  seed_flows_.push_back(flow);
}

void MaxMin::seed_link(std::uint32_t link) {
  if (links_[link].is_seed) return;
  links_[link].is_seed = true;
  seed_links_.push_back(link);
}

void MaxMin::set_capacity(std::uint32_t id, double capacity) {
  Link& link = links_[id];
  if (link.capacity == capacity) return;
  link.capacity = capacity;
  for (const Place& place : link.flows) {
    Flow& flow = flows_[place.flow];
    for (const Taken& taken : flow.path) {
      if (can_fill(links_[taken.link])) seed_link(taken.link);
    }
    count_demand(flow, -1);
    set_most(place.flow);
    count_demand(flow, 1);
  }
  seed_link(id);
}

void MaxMin::start(std::uint32_t id, const std::vector<Taken>& path, double weight, std::uint8_t strict_class) {
  Flow& flow = flows_[id];
  flow.path = path;
  flow.weight = weight;
  flow.strict_class = strict_class;
  flow.is_started = true;
  ++started_;
  flow.rate = 0;
  flow.neck = none;
  if (strict_class != 0) ++strict_;
  set_most(id);
  for (std::uint32_t index = 0; index < flow.path.size(); ++index) {
    Link& link = links_[flow.path[index].link];
    flow.path[index].place = static_cast<std::uint32_t>(link.flows.size());
    link.flows.push_back({id, index, flow.path[index].part, flow.path[index].is_load});
    link.is_stale = true;
  }
  count_demand(flow, 1);
  seed_flow(id);
}

void MaxMin::stop(std::uint32_t id) {
  Flow& flow = flows_[id];
  for (const Taken& taken : flow.path) {
    if (can_fill(links_[taken.link])) seed_link(taken.link);
  }
  count_demand(flow, -1);
  for (const Taken& taken : flow.path) {
    Link& link = links_[taken.link];
    const Place last = link.flows.back();
    link.flows[taken.place] = last;
    flows_[last.flow].path[last.index].place = taken.place;
    link.flows.pop_back();
    link.is_stale = true;
    if (link.flows.empty()) link.demand = 0;
  }
  flow.is_started = false;
  if (flow.strict_class != 0) --strict_;
  --started_;
  flow.rate = 0;
}

const std::vector<std::uint32_t>& MaxMin::solve() {
  changed_.clear();
  const bool may_spread = strict_ == 0 && started_ > near && 8 * (seed_flows_.size() + seed_links_.size()) < started_;
  if (!gather(may_spread ? near : started_)) {
    solve_near();
    drop_seeds();
    report();
    return changed_;
  }
  drop_seeds();
  if (gathered_.empty()) return changed_;
  const Key key = key_of_gathered();
  const auto found = known_.find(key);
  if (found == known_.end()) {
    sort_flows();
    std::sort(gathered_links_.begin(), gathered_links_.end());
  }
  before_.clear();
  for (const std::uint32_t flow : gathered_) before_.push_back(flows_[flow].rate);
  if (found != known_.end()) {
    for (const auto& [flow, rate] : found->second) set_rate(flow, rate);
    ++recalled_;
  } else {
    compute();
    ++solved_;
    if (kept_ + gathered_.size() <= most_kept) {
      Rates& rates = known_[key];
      for (const std::uint32_t flow : gathered_) rates.emplace_back(flow, flows_[flow].rate);
      kept_ += gathered_.size();
    }
  }
  report();
  return changed_;
}

void MaxMin::visit(std::uint32_t id) {
  Flow& flow = flows_[id];
  if (flow.is_seen || !flow.is_started) return;
  flow.is_seen = true;
  gathered_.push_back(id);
}

void MaxMin::drop_seeds() {
  for (const std::uint32_t link : seed_links_) links_[link].is_seed = false;
  for (const std::uint32_t flow : seed_flows_) flows_[flow].is_seed = false;
  seed_links_.clear();
  seed_flows_.clear();
}

// All flows that what has changed can reach over links that could fill; whether they are no more than `most`.
bool MaxMin::gather(std::size_t most) {
  gathered_.clear();
  gathered_links_.clear();
  for (const std::uint32_t link : seed_links_) {
    for (const Place& place : links_[link].flows) visit(place.flow);
  }
  for (const std::uint32_t flow : seed_flows_) visit(flow);
  for (std::size_t i = 0; i < gathered_.size() && gathered_.size() <= most; ++i) {
    const Flow& flow = flows_[gathered_[i]];
    for (const Taken& taken : flow.path) {
      Link& link = links_[taken.link];
      if (link.is_seen || !can_fill(link)) continue;
      link.is_seen = true;
      gathered_links_.push_back(taken.link);
      for (const Place& place : link.flows) visit(place.flow);
    }
  }
  for (const std::uint32_t flow : gathered_) flows_[flow].is_seen = false;
  for (const std::uint32_t link : gathered_links_) links_[link].is_seen = false;
  return gathered_.size() <= most;
}

MaxMin::Key MaxMin::key_of_gathered() const {
  Key key;
  const auto add = [&](std::uint64_t bits) {
    key.a += random_bits(1, bits, 0);
    key.b += random_bits(2, bits, 1);
  };
  for (const std::uint32_t flow : gathered_) add(flows_[flow].key);
  for (const std::uint32_t link : gathered_links_) add(mix(~std::uint64_t{link}, links_[link].capacity));
  return key;
}

// By class, then by the level at which each reaches its own most.
void MaxMin::sort_flows() {
  const auto order = [&](std::uint32_t a, std::uint32_t b) {
    const Flow &one = flows_[a], &other = flows_[b];
    if (one.strict_class != other.strict_class) return one.strict_class < other.strict_class;
    const double left = one.most / one.weight, right = other.most / other.weight;
    return left != right ? left < right : a < b;
  };
  std::sort(gathered_.begin(), gathered_.end(), order);
}

// CORRECTNESS: what flows take as loads depends on the rates, which depend on what the loads leave; rounds end when
// both fit each other.
void MaxMin::compute() {
  if (gathered_.size() < many) {
    for (const std::uint32_t link : gathered_links_) links_[link].load = 0;
  } else {
    refresh_loads();
  }
  for (int round = 0; round < most_rounds; ++round) {
    fill();
    if (!refresh_loads()) return;
  }
}

void MaxMin::fill() {
  for (const std::uint32_t link : gathered_links_) {
    links_[link].left = std::max(links_[link].capacity - links_[link].load, 0.0);
  }
  for (std::size_t first = 0; first < gathered_.size();) {
    std::size_t end = first;
    const std::uint8_t strict_class = flows_[gathered_[first]].strict_class;
    while (end < gathered_.size() && flows_[gathered_[end]].strict_class == strict_class) ++end;
    fill_class(first, end);
    first = end;
  }
}

// Flows `first` to `end` of those gathered, which are of one class.
void MaxMin::fill_class(std::size_t first, std::size_t end) {
  for (const std::uint32_t link : gathered_links_) {
    links_[link].weight = 0;
    links_[link].growing = 0;
  }
  for (std::size_t i = first; i < end; ++i) {
    const Flow& flow = flows_[gathered_[i]];
    grows_[gathered_[i]] = 1;
    for (const Taken& taken : flow.path) {
      if (taken.is_load) continue;
      links_[taken.link].weight += taken.part * flow.weight;
      ++links_[taken.link].growing;
    }
  }
  using Full = std::pair<double, std::uint32_t>;  // level at which a link is full
  std::priority_queue<Full, std::vector<Full>, std::greater<>> full;
  const auto level_of = [&](std::uint32_t link) { return std::max(links_[link].left, 0.0) / links_[link].weight; };
  for (const std::uint32_t link : gathered_links_) {
    if (links_[link].growing > 0 && links_[link].weight > 0) full.emplace(level_of(link), link);
  }
  std::size_t next = first;
  while (next < end) {
    const std::uint32_t least = gathered_[next];
    if (grows_[least] == 0) {
      ++next;
      continue;
    }
    if (full.empty() || flows_[least].most / flows_[least].weight <= full.top().first) {
      freeze(least, flows_[least].most);
      continue;
    }
    const auto [level, link] = full.top();
    full.pop();
    if (links_[link].growing == 0) continue;
    // Levels only rise: what is out of date goes back with what it is now.
    if (const double now = level_of(link); now > level) {
      full.emplace(now, link);
      continue;
    }
    for (const Place& place : links_[link].flows) {
      if (grows_[place.flow] == 0 || place.is_load) continue;
      freeze(place.flow, level * flows_[place.flow].weight);
      flows_[place.flow].neck = link;
    }
  }
}

void MaxMin::freeze(std::uint32_t id, double rate) {
  Flow& flow = flows_[id];
  grows_[id] = 0;
  flow.rate = rate;
  flow.neck = none;
  for (const Taken& taken : flow.path) {
    Link& link = links_[taken.link];
    link.is_stale = true;
    if (taken.is_load) continue;
    link.left -= taken.part * rate;
    link.weight -= taken.part * flow.weight;
    --link.growing;
  }
}

void MaxMin::set_rate(std::uint32_t id, double rate) {
  flows_[id].rate = rate;
  flows_[id].neck = none;
  for (const Taken& taken : flows_[id].path) links_[taken.link].is_stale = true;
}

// Whether some link's load has changed by more than a little.
bool MaxMin::refresh_loads() {
  for (const std::uint32_t link : gathered_links_) links_[link].next_load = 0;
  for (const std::uint32_t id : gathered_) {
    const Flow& flow = flows_[id];
    for (auto taken = flow.path.rbegin(); taken != flow.path.rend() && taken->is_load; ++taken) {
      links_[taken->link].next_load += taken->part * flow.rate;
    }
  }
  bool has_changed = false;
  for (const std::uint32_t id : gathered_links_) {
    Link& link = links_[id];
    has_changed = has_changed || std::abs(link.next_load - link.load) > settled * link.capacity;
    link.load = link.next_load;
  }
  return has_changed;
}

void MaxMin::report() {
  for (std::size_t i = 0; i < gathered_.size(); ++i) {
    if (flows_[gathered_[i]].rate != before_[i]) changed_.push_back(gathered_[i]);
  }
}

}  // namespace raddle
