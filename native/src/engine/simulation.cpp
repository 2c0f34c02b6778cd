#include "raddle/simulation.hpp"

#include <algorithm>
#include <barrier>
#include <thread>
#include <tuple>

#include "raddle/checks.hpp"
#include "raddle/cut.hpp"

namespace raddle {

namespace {

constexpr int cell_shift = 20;  // a run ends at the end of such a cell of time, however the network is cut

// How far ahead most arrivals lie: the longest way to a peer, and a full frame on the slowest wire.
Time horizon(const NetworkConfig& network) {
  Time longest = 0;
  for (const PortConfig& port : network.ports) {
    if (port.peer == none) continue;
    const NodeId far = network.ports[port.peer].node;
    const Time pipeline = far < network.endpoints ? 0 : network.pipeline_latency[far - network.endpoints];
    longest = std::max(longest, wire_time(network.nic.mtu, port.speed) + port.propagation + pipeline);
  }
  return longest;
}

std::unique_ptr<Tables> make_tables(const NetworkConfig& network, const Workload& work) {
  check_network(network);
  check_workload(work, network.endpoints);
  return std::make_unique<Tables>(network, work);
}

}  // namespace

// What the threads of one call of `advance` tell each other.
struct Simulation::Progress {
  struct alignas(64) Status {
    Time next = never;            // nothing happens in this thread's partitions before
    std::int64_t open_flows = 0;
    std::uint64_t events = 0;
  };
  Time until;
  std::uint64_t max_events;
  std::vector<Status> status[2];  // by parity of the window
  std::barrier<> barrier;
  Status total;
  bool is_done = false;
};

Simulation::Simulation(const NetworkConfig& network, const Workload& work, unsigned threads, bool is_cut)
    : tables_(make_tables(network, work)), drop_time_(work.qp_src.size(), -1),
      is_admin_up_(network.ports.size(), true), has_carrier_(network.ports.size(), true) {
  const Cut cut = is_cut ? cut_network(*tables_) : no_cut(*tables_);
  lookahead_ = cut.lookahead;
  threads_ = std::clamp(threads, 1U, cut.partitions);
  for (std::uint32_t i = 0; i < cut.partitions; ++i) {
    partitions_.push_back(std::make_unique<Partition>(*tables_, i, horizon(network)));
  }
  next_.assign(cut.partitions, never);
  for (std::vector<Outbox>& boxes : outboxes_) {
    boxes.resize(threads_);
    for (Outbox& box : boxes) {
      box.to.resize(cut.partitions);
      if (cut.partitions > 1) box.frames.resize(network.ports.size());
    }
  }
  align(0);
  for (FlowId flow = 0; flow < work.flow_qp.size(); ++flow) {
    if (!tables_->has_start_event(flow)) continue;
    const QpId qp = work.flow_qp[flow];
    const std::uint32_t from = tables_->first_place(qp);
    Partition& partition =
        tables_->is_scale_up(qp) ? *partitions_[tables_->scale_up.partition_of_link[from]] : partition_of(from);
    ++partition.open;
    partition.schedule(from, work.flow_start[flow], EventKind::start, flow, 0);
  }
}

std::uint64_t Simulation::advance(Time until, std::uint64_t max_events) {
  Progress progress{.until = until, .max_events = max_events, .status = {},
                    .barrier = std::barrier<>(static_cast<std::ptrdiff_t>(threads_)), .total = {}};
  for (auto& status : progress.status) status.resize(threads_);
  for (std::size_t i = 0; i < partitions_.size(); ++i) next_[i] = partitions_[i]->next_time();
  progress.status[window_ & 1U][0] = {.next = next_time(), .open_flows = open_flows(), .events = 0};
  {
    std::vector<std::jthread> others;
    for (unsigned i = 1; i < threads_; ++i) others.emplace_back([&, i] { work(i, progress); });
    work(0, progress);
  }
  count_drops();
  gather_watchdog_events();
  Time clock = 0, last_end = 0;
  for (const auto& partition : partitions_) {
    clock = std::max(clock, partition->Kernel::now);
    last_end = std::max(last_end, partition->last_end);
  }
  const bool is_reached = progress.total.next > until && until != never;
  if (is_reached && progress.total.open_flows > 0) clock = until;
  now_ = progress.is_done ? last_end : clock;
  align(clock);
  return progress.total.events;
}

// Runs windows until the call's work is done. Every thread draws the same conclusions from the same numbers.
void Simulation::work(unsigned thread, Progress& progress) {
  unsigned window = window_;
  Time drained = drained_;
  Progress::Status total;
  for (;; ++window) {
    total = {};
    for (const Progress::Status& status : progress.status[window & 1U]) {
      total.next = std::min(total.next, status.next);
      total.open_flows += status.open_flows;
      total.events += status.events;
    }
    const bool is_done = total.open_flows == 0 && total.next >= drained;
    if (is_done || total.next == never || total.next > progress.until || total.events >= progress.max_events) {
      break;
    }
    drained = ((total.next >> cell_shift) + 1) << cell_shift;
    Time end = drained;
    if (lookahead_ < end - total.next) end = total.next + lookahead_;
    if (progress.until < end) end = progress.until + 1;
    Progress::Status& mine = progress.status[(window + 1) & 1U][thread];
    mine.events = progress.status[window & 1U][thread].events;
    mine.next = run_window(thread, window, end, mine.events);
    mine.open_flows = 0;
    for (std::size_t i = thread; i < partitions_.size(); i += threads_) mine.open_flows += partitions_[i]->open;
    if (threads_ > 1) progress.barrier.arrive_and_wait();
  }
  if (threads_ > 1) progress.barrier.arrive_and_wait();
  if (thread != 0) return;
  window_ = window;
  drained_ = drained;
  progress.total = total;
  progress.is_done = total.open_flows == 0 && total.next >= drained;
}

// Runs the thread's partitions up to `end`; returns a time before which nothing follows from them.
Time Simulation::run_window(unsigned thread, unsigned window, Time end, std::uint64_t& events) {
  Outbox& mine = outboxes_[window & 1U][thread];
  mine.touched.clear();
  mine.earliest = never;
  for (Outbox& box : outboxes_[(window + 1) & 1U]) {
    for (const std::uint32_t i : box.touched) {
      if (i % threads_ != thread) continue;
      partitions_[i]->collect(box, box.to[i]);
      next_[i] = partitions_[i]->next_time();
    }
  }
  Time first = never;
  for (std::size_t i = thread; i < partitions_.size(); i += threads_) {
    if (next_[i] < end) {
      Partition& partition = *partitions_[i];
      partition.outbox = &mine;
      events += partition.run(end);
      next_[i] = partition.next_time();
    }
    first = std::min(first, next_[i]);
  }
  return std::min(first, mine.earliest);
}

// Sets all clocks; what happens between two calls is handed over in the next window.
void Simulation::align(Time now) {
  for (std::size_t i = 0; i < partitions_.size(); ++i) {
    partitions_[i]->Kernel::now = now;
    partitions_[i]->outbox = &outboxes_[(window_ + 1) & 1U][i % threads_];
  }
}

// Adds what the partitions dropped to the queue pairs' counts. The last drop is the latest, at the highest port.
void Simulation::count_drops() {
  QpResults& results = tables_->qp_results;
  for (const auto& partition : partitions_) {
    for (const auto& [time, qp, port, reason, rule] : partition->drop_records) {
      ++results.drops[qp];
      if (time < drop_time_[qp]) continue;
      if (time == drop_time_[qp] && port < results.drop_port[qp]) continue;
      drop_time_[qp] = time;
      results.drop_port[qp] = port;
      results.drop_reason[qp] = static_cast<std::uint8_t>(reason);
      results.drop_rule[qp] = rule;
    }
    partition->drop_records.clear();
  }
}

void Simulation::gather_watchdog_events() {
  const auto known = static_cast<std::ptrdiff_t>(watchdog_events_.size());
  for (const auto& partition : partitions_) {
    auto& events = partition->happened();
    watchdog_events_.insert(watchdog_events_.end(), events.begin(), events.end());
    events.clear();
  }
  const auto place = [](const WatchdogEvent& event) { return std::tuple(event.time, event.port, event.queue); };
  std::sort(watchdog_events_.begin() + known, watchdog_events_.end(),
            [&](const WatchdogEvent& a, const WatchdogEvent& b) { return place(a) < place(b); });
}

std::int64_t Simulation::open_flows() const {
  std::int64_t open = 0;
  for (const auto& partition : partitions_) open += partition->open;
  return open;
}

Time Simulation::next_time() const {
  Time next = never;
  for (const auto& partition : partitions_) next = std::min(next, partition->next_time());
  for (const Outbox& box : outboxes_[(window_ + 1) & 1U]) next = std::min(next, box.earliest);
  return next;
}

bool Simulation::is_done() const { return open_flows() == 0 && next_time() >= drained_; }

std::size_t Simulation::flows_done() const {
  std::size_t done = 0;
  for (const auto& partition : partitions_) done += partition->done;
  return done;
}

std::vector<std::int64_t> Simulation::scale_up_bytes() const {
  std::vector<std::int64_t> bytes;
  for (const ScaleUpLink& link : tables_->scale_up.links) bytes.push_back(link.bytes);
  return bytes;
}

std::int64_t Simulation::scale_up_sent() const {
  std::int64_t total = 0;
  for (const auto& partition : partitions_) total += partition->scale_up().sent();
  return total;
}

std::int64_t Simulation::scale_up_delivered() const {
  std::int64_t total = 0;
  for (const auto& partition : partitions_) total += partition->scale_up().delivered();
  return total;
}

std::uint64_t Simulation::injected() const {
  std::uint64_t total = 0;
  for (const auto& partition : partitions_) total += partition->injected;
  return total;
}

std::uint64_t Simulation::delivered() const {
  std::uint64_t total = 0;
  for (const auto& partition : partitions_) total += partition->delivered;
  return total;
}

std::uint64_t Simulation::dropped() const {
  std::uint64_t total = 0;
  for (const auto& partition : partitions_) total += partition->dropped;
  return total;
}

std::uint64_t Simulation::in_network() const {
  std::uint64_t total = 0;
  for (const auto& partition : partitions_) total += partition->packets.size() - partition->free_packets;
  for (const Wire& wire : tables_->wires) total += wire.count;
  for (const Outbox& box : outboxes_[(window_ + 1) & 1U]) {
    for (const auto& frames : box.frames) total += frames.size();
  }
  return total;
}

Simulation::Arrivals Simulation::arrivals() const {
  const std::size_t ports = tables_->ports.size();
  Arrivals arrived{std::vector<std::uint64_t>(ports, 0), std::vector<std::int64_t>(ports, 0)};
  for (PortId sender = 0; sender < ports; ++sender) {
    const PortId to = tables_->ports[sender].peer;
    if (to == none) continue;
    std::uint64_t frames = 0;
    std::int64_t bytes = 0;
    for (unsigned queue = 0; queue < priorities; ++queue) {
      frames += tables_->queues[sender * priorities + queue].tx_frames;
      bytes += tables_->queues[sender * priorities + queue].tx_bytes;
    }
    const Wire& wire = tables_->wires[sender];
    for (std::uint32_t place = 0; place < wire.count; ++place) {
      --frames;
      bytes -= wire.at(place).bytes;
    }
    for (const Outbox& box : outboxes_[(window_ + 1) & 1U]) {
      if (box.frames.empty()) continue;  // nothing is cut
      for (const Packet& frame : box.frames[sender]) {
        --frames;
        bytes -= frame.bytes;
      }
    }
    arrived.frames[to] = frames - tables_->lost_frames[to];
    arrived.bytes[to] = bytes - tables_->lost_bytes[to];
  }
  return arrived;
}

std::vector<Time> Simulation::pause_time() const {
  std::vector<Time> total = tables_->pause_total;
  const Time now = partitions_.front()->Kernel::now;
  for (std::size_t i = 0; i < total.size(); ++i) {
    if (tables_->ports[i / priorities].paused >> (i % priorities) & 1U) total[i] += now - tables_->pause_since[i];
  }
  return total;
}

}  // namespace raddle
