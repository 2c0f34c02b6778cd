// Adaptive routing: what a switch measures of its ports, and how it chooses a member of a group by it.

#include "raddle/ars.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>

#include "raddle/partition.hpp"

namespace raddle {

namespace {

constexpr std::uint64_t choice_stream = std::uint64_t{1} << 40;  // apart from the ports' random numbers
constexpr double base_speed = 10e9;       // SAI: a scaling factor of 1 is a port of 10G
constexpr double keep = 0.75;             // SAI_ARS_PROFILE_ATTR_PORT_LOAD_EXPONENT 2: 1 - 2**-2
constexpr std::int64_t most_samples = 64; // after which an average is its new value
constexpr std::int64_t bands = 8;         // SAI_ARS_PROFILE_ATTR_QUANT_BAND_0 to 7
constexpr std::int64_t no_load = std::int64_t{1} << 60;  // of no member at all

std::int64_t band(double load, const ArsLoad& range) {
  const auto whole = static_cast<std::int64_t>(std::min(load, 1e15));
  if (whole <= range.min || range.max <= range.min) return 0;
  return std::min((whole - range.min) * bands / (range.max - range.min), bands - 1);
}

// A moving average after `samples` more samples of the same value.
double averaged(double average, double value, std::int64_t samples) {
  double left = 1;
  for (; samples > 0; --samples) left *= keep;
  return value + (average - value) * left;
}

}  // namespace

AdaptiveRouting::AdaptiveRouting(Tables& tables)
    : network_(tables.network), ports_(tables.ports.data()), queues_(tables.queues.data()) {}

void AdaptiveRouting::set_ars(SwitchNode& node, const SwitchConfig& state) {
  if (state.ars.objects.empty()) {
    node.ars.reset();
    return;
  }
  const ArsConfig& config = state.ars;
  if (config.group_object.size() + 1 != state.group_offsets.size() ||
      config.nominal_speed.size() != state.ports.size() || config.sampling_interval <= 0 ||
      (!config.is_alternative.empty() && config.is_alternative.size() != state.group_ports.size())) {
    throw std::invalid_argument("adaptive routing must say something of every group, member and port");
  }
  const bool is_same = node.ars && node.ars->config == config && node.group_offsets == state.group_offsets &&
                       node.group_ports == state.group_ports;
  if (is_same) return;
  node.ars = std::make_unique<Ars>();
  node.ars->config = config;
  node.ars->sample = now() / config.sampling_interval;
  node.ars->loads.resize(state.ports.size());
  node.ars->flowlets.resize(config.group_object.size());
  for (std::size_t i = 0; i < state.ports.size(); ++i) {
    node.ars->loads[i].sent = sent_bytes(static_cast<PortId>(node.first_port + i));
  }
}

std::int64_t AdaptiveRouting::sent_bytes(PortId id) const {
  std::int64_t sent = 0;
  for (unsigned q = 0; q < priorities; ++q) sent += queues_[id * priorities + q].tx_bytes;
  return sent;
}

std::int64_t AdaptiveRouting::queued_bytes(PortId id) const {
  std::int64_t queued = 0;
  for (unsigned active = ports_[id].active; active != 0; active &= active - 1) {
    queued += queues_[id * priorities + static_cast<unsigned>(std::countr_zero(active))].bytes;
  }
  return queued;
}

// Measures all ports, if a sample has become due since the last packet. Assumption: what was sent since the last
// sample was sent evenly, and the queues were as they are now.
void AdaptiveRouting::sample_loads(SwitchNode& node) {
  Ars& ars = *node.ars;
  const Time interval = ars.config.sampling_interval;
  const std::int64_t samples = now() / interval - ars.sample;
  if (samples <= 0) return;
  ars.sample += samples;
  const double mbps_per_byte = 8e12 / 1e6 / (static_cast<double>(interval) * static_cast<double>(samples));
  for (std::size_t i = 0; i < ars.loads.size(); ++i) {
    const auto id = static_cast<PortId>(node.first_port + i);
    Ars::Load& load = ars.loads[i];
    const double scale = base_speed / static_cast<double>(ars.config.nominal_speed[i]);
    const std::int64_t sent = sent_bytes(id);
    const std::int64_t times = std::min(samples, most_samples);
    load.past = averaged(load.past, static_cast<double>(sent - load.sent) * mbps_per_byte * scale, times);
    load.future = averaged(load.future, static_cast<double>(queued_bytes(id)) * scale, times);
    load.sent = sent;
  }
}

// How loaded a port is, 0 to 7: the weighted mean of the bands of its past and its future load.
std::int64_t AdaptiveRouting::load_band(const SwitchNode& node, std::uint32_t port) const {
  const Ars& ars = *node.ars;
  const ArsConfig& config = ars.config;
  const double scale = base_speed / static_cast<double>(config.nominal_speed[port]);
  const double queued = static_cast<double>(queued_bytes(node.first_port + port)) * scale;
  const std::int64_t future = std::max(band(ars.loads[port].future, config.future), band(queued, config.current));
  const std::int64_t weight = std::max<std::int64_t>(config.past.weight + config.future.weight, 1);
  return (config.past.weight * band(ars.loads[port].past, config.past) + config.future.weight * future) / weight;
}

// Finds the least loaded of a group's primary or alternative members whose ports are up. Returns their load.
std::int64_t AdaptiveRouting::find_least_loaded(const SwitchNode& node, std::uint32_t group, bool is_alternative,
                                          std::vector<std::uint32_t>& found) const {
  const std::vector<std::uint8_t>& alternative = node.ars->config.is_alternative;
  const std::uint32_t first = node.group_offsets[group], end = node.group_offsets[group + 1];
  std::int64_t least = no_load;
  found.clear();
  for (std::uint32_t at = first; at < end; ++at) {
    if (is_alternative != (!alternative.empty() && alternative[at] != 0)) continue;
    const std::uint32_t port = node.group_ports[at];
    if (!ports_[node.first_port + port].is_up) continue;
    const std::int64_t load = load_band(node, port);
    if (load > least) continue;
    if (load < least) found.clear();
    least = load;
    found.push_back(at - first);
  }
  return least;
}

// The member with the least load, one of them at random; none if all ports are down. An alternative path is taken
// where the best primary one has reached the threshold and is worse by more than the cost.
// SOURCE: SAI ARS, 6.4.5. Assumption: its bands grow with the load.
std::uint32_t AdaptiveRouting::best_member(SwitchNode& node, std::uint32_t group, const ArsObject& object) {
  Ars& ars = *node.ars;
  const std::int64_t load = find_least_loaded(node, group, false, ars.best);
  if (!ars.config.is_alternative.empty() && load >= object.primary_path_threshold) {
    const std::int64_t other = find_least_loaded(node, group, true, ars.others);
    if (other + object.alternative_path_cost < load) std::swap(ars.best, ars.others);
  }
  if (ars.best.size() <= 1) return ars.best.empty() ? none : ars.best[0];
  const std::uint64_t bits = random_bits(network_.seed, node.first_port + choice_stream, ars.draws++);
  return ars.best[static_cast<std::size_t>(bits % ars.best.size())];
}

PortId AdaptiveRouting::adaptive_route(SwitchNode& node, std::uint32_t group, std::uint32_t hash) {
  if (group == none || node.ars->config.group_object[group] == none) return route(node, group, hash);
  Ars& ars = *node.ars;
  const ArsObject& object = ars.config.objects[ars.config.group_object[group]];
  sample_loads(node);
  const auto port_of = [&](std::uint32_t member) {
    return node.first_port + node.group_ports[node.group_offsets[group] + member];
  };
  std::uint32_t member;
  if (object.is_per_packet) {
    member = best_member(node, group, object);
  } else {
    std::vector<Ars::Flowlet>& flowlets = ars.flowlets[group];
    if (flowlets.empty()) flowlets.resize(std::max(object.max_flows, 1U));
    Ars::Flowlet& flowlet = flowlets[hash_bits(node, hash) % flowlets.size()];
    const bool is_over = flowlet.member == none || now() - flowlet.last > object.idle;
    if (is_over || !ports_[port_of(flowlet.member)].is_up) {
      flowlet.member = best_member(node, group, object);
    }
    flowlet.last = now();
    member = flowlet.member;
  }
  return member == none ? route(node, group, hash) : port_of(member);
}

}  // namespace raddle
