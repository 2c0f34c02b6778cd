#include "raddle/audit.hpp"

#ifdef RADDLE_AUDIT

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "raddle/tables.hpp"

namespace raddle {

namespace {

constexpr std::uint64_t events_per_recount = 1024;

}  // namespace

void Audit::touch(PortId at, unsigned number) {
  rows_.push_back(at * priorities + number);
  nodes_.push_back(tables_.ports[at].node);
}

void Audit::book(PortId at, std::int64_t bytes) {
  nodes_.push_back(tables_.ports[at].node);
  tables_.audit.nodes[tables_.ports[at].node].balance += bytes;
}

void Audit::changed(PortId at) {
  for (unsigned number = 0; number < priorities; ++number) touch(at, number);
}

void Audit::made(PortId at, std::int64_t bytes) { book(at, bytes); }
void Audit::delivered(PortId at, std::int64_t bytes) { book(at, -bytes); }
void Audit::dropped(PortId at, std::int64_t bytes) { book(at, -bytes); }

void Audit::arrived(PortId at, std::int64_t bytes) {
  book(at, bytes);
  on_wires_ -= bytes;
}

void Audit::sent(PortId at, std::int64_t bytes, bool is_letter) {
  book(at, -bytes);
  if (!is_letter) on_wires_ += bytes;
}

void Audit::admitted(PortId in, unsigned pg, std::int64_t bytes) {
  touch(in, pg);
  tables_.audit.admitted[in * priorities + pg] += bytes;
}

void Audit::released(PortId in, unsigned pg, std::int64_t bytes) {
  touch(in, pg);
  tables_.audit.admitted[in * priorities + pg] -= bytes;
}

void Audit::sending(PortId in, std::int64_t bytes) { tables_.audit.nodes[tables_.ports[in].node].sending += bytes; }

void Audit::fail(const char* what, std::uint64_t number, std::int64_t is, std::int64_t due) const {
  std::fprintf(stderr, "audit at %lld ps: %s of %llu: %lld instead of %lld\n", static_cast<long long>(now_), what,
               static_cast<unsigned long long>(number), static_cast<long long>(is), static_cast<long long>(due));
  std::abort();
}

void Audit::check_event(Time now, std::size_t packets_in_use) {
  if (now < now_) fail("time, in partition", partition_, now, now_);
  now_ = now;
  for (const std::size_t row : rows_) refresh(row);
  for (const NodeId node : nodes_) check_node(node);
  rows_.clear();
  nodes_.clear();
  if (++events_ % events_per_recount == 0) recount(packets_in_use);
}

// Checks one queue and the priority group of its number, and moves what the sums have of them to what they hold now.
void Audit::refresh(std::size_t row) {
  const PortId id = static_cast<PortId>(row / priorities);
  const Queue& queue = tables_.queues[row];
  const PriorityGroup& group = tables_.pgs[row];
  const bool is_active = (tables_.ports[id].active >> row % priorities & 1U) != 0;
  if ((queue.head != none) != is_active || (queue.bytes > 0) != is_active) {
    fail("bytes in queue, by whether it is active,", row, queue.bytes, is_active);
  }
  const std::int64_t held = group.used + group.headroom, due = tables_.audit.admitted[row];
  if (group.used < 0 || group.headroom < 0 || held != due) fail("bytes in priority group", row, held, due);

  AuditBooks::Node& node = tables_.audit.nodes[tables_.ports[id].node];
  AuditBooks::Share& share = tables_.audit.shares[row];
  node.add(share, -1);
  share = {.queued = queue.bytes, .grouped = held};
  if (const SwitchNode* at = switch_of(id)) {
    if (group.profile != none) {
      const ProfileConfig& profile = at->profiles[group.profile];
      share.group_pool = profile.pool;
      share.lent = std::max<std::int64_t>(group.used - profile.reserved, 0);
      share.headroom = group.headroom;
    }
    if (queue.profile != none) share.queue_pool = at->profiles[queue.profile].pool;
  }
  node.add(share, 1);
}

void AuditBooks::Node::add(const Share& share, std::int64_t sign) {
  queued += sign * share.queued;
  grouped += sign * share.grouped;
  const auto pool = [&](std::uint32_t number) -> Pool& {
    if (pools.size() <= number) pools.resize(number + 1);
    return pools[number];
  };
  if (share.group_pool != none) {
    pool(share.group_pool).used += sign * share.lent;
    pool(share.group_pool).headroom_used += sign * share.headroom;
  }
  if (share.queue_pool != none) pool(share.queue_pool).used += sign * share.queued;
}

const SwitchNode* Audit::switch_of(PortId id) const {
  const NodeId node = tables_.ports[id].node;
  return node < tables_.network.endpoints ? nullptr : &tables_.switches[node - tables_.network.endpoints];
}

void Audit::check_node(NodeId id) const {
  const AuditBooks::Node& node = tables_.audit.nodes[id];
  if (node.queued != node.balance) fail("bytes in the queues of node", id, node.queued, node.balance);
  if (id < tables_.network.endpoints) return;
  if (node.grouped != node.queued + node.sending) {
    fail("bytes in the priority groups of node", id, node.grouped, node.queued + node.sending);
  }
  const auto& pools = tables_.switches[id - tables_.network.endpoints].pools;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    const Pool due = i < node.pools.size() ? node.pools[i] : Pool{};
    if (pools[i].used != due.used) fail("bytes lent by a pool of node", id, pools[i].used, due.used);
    if (pools[i].headroom_used != due.headroom_used) {
      fail("headroom lent by a pool of node", id, pools[i].headroom_used, due.headroom_used);
    }
  }
}

void Audit::recount(std::size_t packets_in_use) {
  std::size_t count = 0;
  std::int64_t on_wires = 0;
  for (PortId id = 0; id < tables_.ports.size(); ++id) {
    const Port& port = tables_.ports[id];
    if (tables_.partition_of_node[port.node] != partition_) continue;
    changed(id);
    for (QueueId at = id * priorities; at < (id + 1) * priorities; ++at) {
      std::int64_t bytes = 0;
      for (PacketId packet = tables_.queues[at].head; packet != none; packet = packets_[packet].next) {
        bytes += packets_[packet].bytes;
        ++count;
      }
      if (bytes != tables_.queues[at].bytes) fail("bytes of queue", at, tables_.queues[at].bytes, bytes);
    }
    if (port.peer == none) continue;
    const Wire& wire = tables_.wires[port.peer];
    for (std::uint32_t place = 0; place < wire.count; ++place) on_wires += wire.at(place).bytes;
  }
  if (count != packets_in_use) {
    fail("packets in the queues of partition", partition_, static_cast<std::int64_t>(packets_in_use),
         static_cast<std::int64_t>(count));
  }
  if (on_wires != on_wires_) fail("bytes on the wires of partition", partition_, on_wires, on_wires_);
}

}  // namespace raddle

#endif
