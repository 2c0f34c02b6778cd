#include "raddle/scale_up.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace raddle {

namespace {

// What `part` bytes from `from` on take of a cost that the whole message has; sums to it exactly.
std::int64_t share(std::int64_t cost, std::int64_t size, std::int64_t from, std::int64_t part) {
  if (cost == size || size == 0) return cost == size ? part : cost;
  __extension__ using Wide = __int128;
  const auto up_to = [&](std::int64_t bytes) { return static_cast<std::int64_t>(Wide{cost} * bytes / size); };
  return up_to(from + part) - up_to(from);
}

}  // namespace

ScaleUpTables::ScaleUpTables(const Workload& work) {
  const ScaleUpConfig& config = work.scale_up;
  if (config.path_links.empty()) return;
  links.resize(config.link_speed.size());
  stages.resize(config.path_links.size());
  pairs.resize(work.qp_src.size());
  for (QpId qp = 0; qp < pairs.size(); ++qp) {
    const std::uint32_t first = config.path_offsets[qp], end = config.path_offsets[qp + 1];
    if (first == end) continue;
    ScaleUpPair& pair = pairs[qp];
    for (std::uint32_t stage = first; stage < end; ++stage) {
      stages[stage].qp = qp;
      pair.latency += config.link_latency[config.path_links[stage]];
    }
    const double speed = static_cast<double>(config.link_speed[config.path_links[first]]);
    pair.window = 2 * config.quantum + static_cast<std::int64_t>(static_cast<double>(pair.latency) * speed / 8e12);
  }
}

void ScaleUp::schedule(Time time, std::uint32_t link, HostEvent what, std::uint32_t number, std::uint32_t quantum) {
  const std::uint32_t id = static_cast<std::uint32_t>(what) << host_event_shift | number;
  events_.push({time, event_order(link, EventKind::host, id), quantum});
}

ScaleUp::Outcome ScaleUp::dispatch(const Event& event) {
  const std::uint32_t number = event.id() & ((1U << host_event_shift) - 1);
  switch (static_cast<HostEvent>(event.id() >> host_event_shift)) {
    case HostEvent::delivery:
      return deliver(event.data, event.time);
    case HostEvent::arrival: {
      ScaleUpStage& stage = tables_.stages[number];
      (stage.head == none ? stage.head : quanta_[stage.tail].next) = event.data;
      stage.tail = event.data;
      join(number, event.time);
      break;
    }
    case HostEvent::link_free:
      tables_.links[number].is_armed = false;
      kick(number, event.time);
      break;
    case HostEvent::landing:
      break;  // of a host's bus, see Flows::host_event
    case HostEvent::acknowledgement:
      return {.arrived = none, .acknowledged = number};
  }
  return {};
}

void ScaleUp::post(QpId qp, Time now) {
  if (may_send(qp)) join(config_.path_offsets[qp], now);
}

bool ScaleUp::may_send(QpId qp) const {
  const ScaleUpPair& pair = tables_.pairs[qp];
  return pair.cursor < pair.posted && pair.under_way < pair.window;
}

// Lets a queue pair wait for its turn at a link.
void ScaleUp::join(std::uint32_t stage, Time now) {
  const std::uint32_t link = config_.path_links[stage];
  ScaleUpStage& joined = tables_.stages[stage];
  std::uint32_t& last = tables_.links[link].last;
  if (joined.round_next == none) {
    joined.round_next = last == none ? stage : tables_.stages[last].round_next;
    if (last != none) tables_.stages[last].round_next = stage;
    last = stage;
  }
  kick(link, now);
}

void ScaleUp::kick(std::uint32_t link, Time now) {
  ScaleUpLink& at = tables_.links[link];
  if (at.free_at <= now) serve(link, now);
  if (at.last == none || at.is_armed) return;
  at.is_armed = true;
  schedule(at.free_at, link, HostEvent::link_free, link, 0);
}

// Takes the next in turn; more than one where a quantum takes no time.
void ScaleUp::serve(std::uint32_t link, Time now) {
  ScaleUpLink& at = tables_.links[link];
  while (at.last != none && at.free_at <= now) {
    const std::uint32_t before = at.last, stage = tables_.stages[before].round_next;
    ScaleUpStage& served = tables_.stages[stage];
    const bool is_first = stage == config_.path_offsets[served.qp];
    const std::uint32_t quantum = is_first ? cut(served.qp) : take(stage);
    at.last = stage;
    if (is_first ? !may_send(served.qp) : served.head == none) {  // leaves the circle
      at.last = stage == before ? none : before;
      tables_.stages[before].round_next = served.round_next;
      served.round_next = none;
    }
    carry(stage, quantum, now);
  }
}

// The next piece of the queue pair's present message.
std::uint32_t ScaleUp::cut(QpId qp) {
  ScaleUpPair& pair = tables_.pairs[qp];
  const std::uint32_t index = allocate();
  Quantum& quantum = quanta_[index];
  quantum = {};
  quantum.flow = flows_[flow_offsets_[qp] + pair.cursor];
  const std::int64_t size = work_.flow_bytes[quantum.flow];
  quantum.bytes = std::min(config_.quantum, size - pair.sent);
  const auto part_of = [&](const std::vector<std::int64_t>& costs) {
    return costs.empty() ? quantum.bytes : share(costs[quantum.flow], size, pair.sent, quantum.bytes);
  };
  quantum.tx = part_of(config_.tx_bytes);
  quantum.rx = part_of(config_.rx_bytes);
  pair.sent += quantum.bytes;
  pair.under_way += quantum.bytes;
  sent_ += quantum.bytes;
  quantum.ends_message = pair.sent == size;
  if (quantum.ends_message) {
    pair.sent = 0;
    ++pair.cursor;
  }
  return index;
}

std::uint32_t ScaleUp::take(std::uint32_t stage) {
  ScaleUpStage& from = tables_.stages[stage];
  const std::uint32_t index = from.head;
  from.head = quanta_[index].next;
  quanta_[index].next = none;
  return index;
}

// Puts a quantum on the stage's link, which is free.
void ScaleUp::carry(std::uint32_t stage, std::uint32_t quantum, Time now) {
  const std::uint32_t link = config_.path_links[stage];
  const QpId qp = tables_.stages[stage].qp;
  Quantum& carried = quanta_[quantum];
  const bool is_first = stage == config_.path_offsets[qp], is_last = stage + 1 == config_.path_offsets[qp + 1];
  std::int64_t cost = is_last ? carried.rx : carried.tx;
  if (is_first && is_last) cost = std::max(carried.tx, carried.rx);
  ScaleUpLink& at = tables_.links[link];
  at.bytes += cost;
  at.free_at = now + wire_time(cost, config_.link_speed[link]);
  const Time latency = config_.link_latency[link];
  // CORRECTNESS: a link faster than the one before it cannot be through with what has not yet come.
  carried.whole_at = std::max(at.free_at, carried.whole_at) + latency;
  if (is_last) {
    schedule(carried.whole_at, link, HostEvent::delivery, stage, quantum);
  } else {
    schedule(now + latency, config_.path_links[stage + 1], HostEvent::arrival, stage + 1, quantum);
  }
}

ScaleUp::Outcome ScaleUp::deliver(std::uint32_t quantum, Time now) {
  const Quantum delivered = quanta_[quantum];
  quanta_[quantum].next = free_;
  free_ = quantum;
  const QpId qp = work_.flow_qp[delivered.flow];
  ScaleUpPair& pair = tables_.pairs[qp];
  pair.under_way -= delivered.bytes;
  delivered_ += delivered.bytes;
  audit(qp);
  post(qp, now);
  if (!delivered.ends_message) return {};
  const std::uint32_t first = config_.path_links[config_.path_offsets[qp]];
  schedule(now + pair.latency, first, HostEvent::acknowledgement, delivered.flow, 0);
  return {.arrived = delivered.flow, .acknowledged = none};
}

std::uint32_t ScaleUp::allocate() {
  if (free_ == none) {
    quanta_.emplace_back();
    return static_cast<std::uint32_t>(quanta_.size() - 1);
  }
  const std::uint32_t index = free_;
  free_ = quanta_[index].next;
  return index;
}

// What has been sent is under way or has arrived, and no more is under way than the window and a quantum let.
void ScaleUp::audit([[maybe_unused]] QpId qp) const {
#ifdef RADDLE_AUDIT
  const ScaleUpPair& pair = tables_.pairs[qp];
  const bool is_bounded = pair.under_way >= 0 && pair.under_way < pair.window + config_.quantum;
  if (is_bounded && sent_ >= delivered_) return;
  std::fprintf(stderr, "audit: scale-up queue pair %u has %lld bytes under way, %lld sent, %lld delivered\n", qp,
               static_cast<long long>(pair.under_way), static_cast<long long>(sent_),
               static_cast<long long>(delivered_));
  std::abort();
#endif
}

}  // namespace raddle
