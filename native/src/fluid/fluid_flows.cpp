#include "raddle/fluid_flows.hpp"

#include <algorithm>
#include <utility>

namespace raddle {

namespace {

constexpr double ps_per_s = 1e12;

}  // namespace

FluidFlows::FluidFlows(std::vector<double> capacity, std::size_t flows, double instant, double rounded)
    : rates_(std::move(capacity), flows), flows_(flows), instant_(instant), rounded_share_(rounded) {}

void FluidFlows::drop_old() {
  while (!ends_.empty() && ends_.front().version != flows_[ends_.front().flow].version) {
    std::pop_heap(ends_.begin(), ends_.end());
    ends_.pop_back();
  }
}

// Most ends are planned anew before they come: where these are the most, they go.
void FluidFlows::tidy_ends() {
  if (ends_.size() < 4 * rates_.flows() + MaxMin::many) return;
  std::erase_if(ends_, [&](const End& end) { return end.version != flows_[end.flow].version; });
  std::make_heap(ends_.begin(), ends_.end());
}

// Whether the flow that ends next does so now.
bool FluidFlows::ends_now() const {
  const End& end = ends_.front();
  if (end.time <= now_ + instant_) return true;
  if (rounded_share_ == 0 || ended_.empty() || rates_.flows() < MaxMin::many) return false;
  return left(end.flow, now_) <= rounded_share_ * flows_[end.flow].size;
}

const std::vector<std::uint32_t>& FluidFlows::go_to(double time) {
  now_ = time;
  ended_.clear();
  for (drop_old(); !ends_.empty() && ends_now(); drop_old()) {
    const std::uint32_t flow = ends_.front().flow;
    if (ends_.front().time > now_ + instant_) ++rounded_flows_;
    ++flows_[flow].version;
    settle(flow, 0);
    flows_[flow].shared += std::exchange(flows_[flow].company, 0);
    flows_[flow].has_ended = true;
    ended_.push_back(flow);
  }
  std::sort(ended_.begin(), ended_.end());
  return ended_;
}

void FluidFlows::start(std::uint32_t id, const std::vector<Taken>& path, double bits, double weight,
                       std::uint8_t strict_class, bool is_held) {
  if (rates_.is_started(id)) rates_.stop(id);  // it has ended at this instant
  Moving& flow = flows_[id];
  ++flow.version;
  flow.size = bits;
  flow.left = bits;
  flow.since = now_;
  flow.rate = 0;
  flow.weight = weight;
  flow.strict_class = strict_class;
  flow.has_ended = false;
  flow.is_held = is_held;
  flow.is_in_company = false;
  rates_.start(id, path, weight, strict_class);
}

void FluidFlows::go_on(std::uint32_t id, double bits) {
  Moving& flow = flows_[id];
  flow.size = bits;
  flow.left = bits;
  flow.since = now_;
  flow.has_ended = false;
  flow.rate = rates_.rate(id) * kept(id);
  plan_end(id);
}

void FluidFlows::stop(std::uint32_t id) {
  ++flows_[id].version;
  flows_[id].has_ended = false;
  flows_[id].rate = 0;
  rates_.stop(id);
}

void FluidFlows::move(std::uint32_t id, const std::vector<Taken>& path) {
  const double bits = left(id, now_);
  settle(id, bits);
  const Moving before = flows_[id];
  stop(id);
  start(id, path, bits, before.weight, before.strict_class, before.is_held);
  flows_[id].size = before.size;
}

void FluidFlows::solve() {
  for (const std::uint32_t flow : ended_) {
    if (flows_[flow].has_ended) stop(flow);
  }
  ended_.clear();
  for (const std::uint32_t id : rates_.solve()) {
    Moving& flow = flows_[id];
    settle(id, left(id, now_));
    flow.rate = rates_.rate(id) * kept(id);
    plan_end(id);
  }
  tidy_ends();
}

// Counts what a flow has sent up to now, with so many bits left.
void FluidFlows::settle(std::uint32_t id, double bits) {
  Moving& flow = flows_[id];
  if (flow.is_in_company) flow.company += flow.left - bits;
  flow.left = bits;
  flow.since = now_;
}

// The part of its rate at which a flow drains.
double FluidFlows::kept(std::uint32_t id) {
  Moving& flow = flows_[id];
  const double rate = rates_.rate(id), most = rates_.most(id);
  flow.is_in_company = flow.is_held && rate > 0 && most > KeptShare::alone * rate;
  if (!flow.is_in_company) return 1;
  if (ask_) kept_ = std::exchange(ask_, nullptr)();
  return kept_.of(most / rate, flow.shared / most * ps_per_s, flow.size / most * ps_per_s);
}

double FluidFlows::left(std::uint32_t id, double time) const {
  const Moving& flow = flows_[id];
  return std::max(flow.left - flow.rate * (time - flow.since) / ps_per_s, 0.0);
}

void FluidFlows::plan_end(std::uint32_t id) {
  Moving& flow = flows_[id];
  ++flow.version;
  if (flow.rate <= 0 && flow.left > 0) return;
  const double takes = flow.left > 0 ? flow.left / flow.rate * ps_per_s : 0;
  ends_.push_back({now_ + takes, id, flow.version});
  std::push_heap(ends_.begin(), ends_.end());
}

}  // namespace raddle
