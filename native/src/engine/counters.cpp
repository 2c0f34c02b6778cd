// What switches count besides what events need: watermarks, as SAI defines them, and packets in storms.
// SOURCE: SAI saibuffer.h (SAI_INGRESS_PRIORITY_GROUP_STAT_SHARED_WATERMARK_BYTES, _XOFF_ROOM_WATERMARK_BYTES,
// SAI_BUFFER_POOL_STAT_WATERMARK_BYTES), saiqueue.h; sonic-swss orchagent/pfcactionhandler.cpp (commitCounters).

#include <algorithm>

#include "raddle/simulation.hpp"

namespace raddle {

namespace {

std::int64_t shared_part(const SwitchNode& node, std::uint32_t profile, std::int64_t bytes) {
  return profile == none ? bytes : std::max<std::int64_t>(bytes - node.profiles[profile].reserved, 0);
}

}  // namespace

std::vector<std::int64_t> Simulation::pg_max_bytes() const {
  std::vector<std::int64_t> most(tables_->pgs.size());
  for (std::size_t i = 0; i < most.size(); ++i) {
    most[i] = std::max(tables_->pgs[i].max_used, tables_->headroom_marks[i].max_bytes);
  }
  return most;
}

Simulation::Watermarks Simulation::watermarks() const {
  const Tables& tables = *tables_;
  Watermarks most;
  most.queue.assign(tables.queues.size(), 0);
  most.pg.assign(tables.pgs.size(), 0);
  most.pg_headroom.assign(tables.pgs.size(), 0);
  for (std::size_t i = 0; i < tables.queues.size(); ++i) {
    const Port& port = tables.ports[i / priorities];
    if (port.is_endpoint) continue;
    const SwitchNode& node = tables.switches[port.node - tables.network.endpoints];
    most.queue[i] = shared_part(node, tables.queues[i].profile, tables.queues[i].max_bytes);
    most.pg[i] = shared_part(node, tables.pgs[i].profile, tables.pgs[i].max_used);
    most.pg_headroom[i] = tables.headroom_marks[i].max_headroom;
  }
  for (const SwitchNode& node : tables.switches) {
    most.pool_offsets.push_back(static_cast<std::int64_t>(most.pool.size()));
    for (const Pool& pool : node.pools) {
      most.pool.push_back(pool.max_used);
      most.pool_headroom.push_back(pool.max_headroom);
    }
  }
  most.pool_offsets.push_back(static_cast<std::int64_t>(most.pool.size()));
  return most;
}

// From now on the most is what there is now.
void Simulation::clear_watermarks() {
  for (Queue& queue : tables_->queues) queue.max_bytes = queue.bytes;
  for (std::size_t i = 0; i < tables_->pgs.size(); ++i) {
    PriorityGroup& pg = tables_->pgs[i];
    pg.max_used = pg.used;
    tables_->headroom_marks[i] = {pg.headroom, pg.used + pg.headroom};
  }
  for (SwitchNode& node : tables_->switches) {
    for (Pool& pool : node.pools) {
      pool.max_used = pool.used;
      pool.max_headroom = pool.headroom_used;
    }
  }
}

std::vector<StormCounts> Simulation::storm_counts(bool is_latest) const {
  std::vector<StormCounts> counts;
  counts.reserve(tables_->watchdog_queues.size());
  for (std::size_t i = 0; i < tables_->watchdog_queues.size(); ++i) {
    const WatchdogQueue& state = tables_->watchdog_queues[i];
    StormCounts count = state.latest;
    if (state.pfc_masked != 0) count.tx = tables_->queues[i].tx_frames - state.tx_before;
    if (!is_latest) count += state.earlier;
    counts.push_back(count);
  }
  return counts;
}

}  // namespace raddle
