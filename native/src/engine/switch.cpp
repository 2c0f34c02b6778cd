// A shared-buffer switch: forwarding, admission, PFC and ECN.
//
// A frame is counted in the buffer from the moment it has passed the pipeline until its transmission
// starts. The threshold of a lossless priority group follows the dynamic threshold; what arrives above it
// goes to headroom and pauses the sender.
// SOURCE: A. Choudhury, E. Hahne, "Dynamic queue length thresholds for shared-memory packet switches",
// IEEE/ACM ToN 1998; SAI buffer attributes (saibuffer.h) for xon, xon offset and xoff.

#include <algorithm>
#include <bit>
#include <utility>

#include "raddle/buffer.hpp"
#include "raddle/partition.hpp"

namespace raddle {

std::uint32_t hash_bits(const SwitchNode& node, std::uint32_t hash) {
  return std::rotr(hash ^ node.hash_seed, static_cast<int>(node.hash_offset));
}

PortId route(const SwitchNode& node, std::uint32_t group, std::uint32_t hash) {
  if (group == none) return none;
  const std::uint32_t first = node.group_offsets[group];
  const std::uint32_t count = node.group_offsets[group + 1] - first;
  if (count == 0) return none;
  const std::uint32_t bits = hash_bits(node, hash);
  const std::uint32_t member = (count & (count - 1)) == 0 ? bits & (count - 1) : bits % count;
  return node.first_port + node.group_ports[first + member];
}

Switches::Switches(Tables& tables)
    : network_(tables.network), work_(tables.work), hashes_(tables.hashes), switches_(tables.switches.data()),
      ports_(tables.ports.data()), queues_(tables.queues.data()), pgs_(tables.pgs.data()),
      headroom_marks_(tables.headroom_marks.data()), pg_losses_(tables.pg_losses.data()),
      marking_counter_(tables.marking_counter.data()), marks_(tables.marks.data()),
      marked_bytes_(tables.marked_bytes.data()),
      overrun_((network_.nic.train - 1) * (network_.nic.mtu + network_.nic.header_bytes)) {}

void Switches::receive(PortId in, Packet& packet) {
  const Port& in_port = ports_[in];
  SwitchNode& node = switches_[in_port.node - network_.endpoints];
  if (node.has_acl) [[unlikely]] {
    if (packet.is_train()) return kernel().take_apart(in, packet);
    if (access_lists().is_denied(node, false, in, packet)) return;
  }
  if (--packet.ttl == 0) return kernel().drop(in, packet, DropReason::ttl);
  const bool is_data = packet.kind() == PacketKind::data;
  std::uint32_t hash = packet.hash;
  if (node.looks_up_hash) {
    if (node.hash_class != 0) {
      hash = hashes_[node.hash_class - 1].of(packet.qp, is_data);
    } else if (packet.kind() == PacketKind::nak) {
      hash = work_.qp_ack_hash[packet.qp];
    }
  }
  const std::uint32_t group = node.group_of(packet.dst, packet.qp, is_data);
  const PortId out = node.ars ? adaptive_routing().adaptive_route(node, group, hash) : route(node, group, hash);
  if (out == none || node.qos.empty()) return kernel().drop(in, packet, DropReason::no_route);
  const Port& out_port = ports_[out];
  if (out_port.tx_check) {
    if (!out_port.is_up || out_port.peer == none) return kernel().drop(out, packet, DropReason::link_down);
    if (reception().is_too_long(out, packet.frame_bytes())) return kernel().drop(out, packet, DropReason::mtu);
  }
  if (node.has_acl && access_lists().is_denied(node, true, out, packet)) [[unlikely]] return;

  const unsigned tc = node.qos[in_port.qos].dscp_to_tc[packet.dscp()];
  const unsigned pg = node.qos[in_port.qos].tc_to_pg[tc];
  const unsigned queue_index = node.qos[out_port.qos].tc_to_queue[tc];
  Queue& queue = queues_[out * priorities + queue_index];
  if (packet.is_train() && !fits_whole(node, queue, pgs_[in * priorities + pg], packet)) {
    ++packet.ttl;
    return kernel().take_apart(in, packet);
  }
  if (queue.wred != none && node.wred[queue.wred].drops && is_hit(node.wred[queue.wred], out, queue)) {
    return ports().drop_at_queue(out, queue_index, packet, DropReason::wred);
  }
  if (queue.profile != none) {
    const ProfileConfig& profile = node.profiles[queue.profile];
    if (shared_part(queue.bytes + packet.bytes, profile) > threshold(profile, node.pools[profile.pool])) {
      return ports().drop_at_queue(out, queue_index, packet, watchdogs().refusal(node, out, queue_index, false));
    }
  }
  const bool may_begin = now() >= out_port.busy_until ||
                         (network_.nic.train > 1 && !is_data && ports().rest_of_train(out_port, out) > 0);
  if (may_begin && passes_through(node, out_port, queue_index, queue, pgs_[in * priorities + pg], packet)) {
    ports().send_frame(ports_[out], out, packet);
    return;
  }
  if (!admit(node, in, pg, packet)) return drop_at_pg(in, pg, packet, watchdogs().refusal(node, in, pg, true));
  if (queue.profile != none) node.pools[node.profiles[queue.profile].pool].fill(packet.bytes);
  packet.buffer = {in, static_cast<std::uint8_t>(pg)};
  if (!node.marks_at_dequeue && queue.wred != none && is_marked(node, out, queue)) mark(packet, out, queue_index);
  ports().enqueue(out, queue_index, packet);
  ports().kick(out);
}

// Whether a train crosses no threshold, so that each of its frames would do nothing but add its bytes.
[[gnu::noinline]] bool Switches::fits_whole(const SwitchNode& node, const Queue& queue, const PriorityGroup& pg,
                                            const Packet& train) const {
  if (pg.profile == none || pg.is_xoff || pg.headroom > 0) return false;
  const ProfileConfig& profile = node.profiles[pg.profile];
  const Pool& pool = node.pools[profile.pool];
  const std::int64_t used = pool.used + train.bytes, queued = queue.bytes + train.bytes;
  if (used > pool.size || shared_part(pg.used + train.bytes, profile) >= threshold(profile, pool, used)) return false;
  if (queue.wred != none && (node.marks_at_dequeue || queued > node.wred[queue.wred].min_bytes)) return false;
  if (queue.profile == none) return true;
  const ProfileConfig& egress = node.profiles[queue.profile];
  const Pool& lent = node.pools[egress.pool];
  return shared_part(queued, egress) <= threshold(egress, lent, lent.used + train.bytes);
}

// Whether a packet leaves as it comes, through an empty queue whose wire it may have, and changes nothing but counters:
// its buffer is taken and given back at one instant, far from any threshold. The frames of a train do so one by one.
bool Switches::passes_through(SwitchNode& node, const Port& port, unsigned queue_index, Queue& queue,
                               PriorityGroup& pg, const Packet& packet) const {
  if (port.active != 0 || port.pfc_changed != 0) return false;
  if ((port.paused >> queue_index & 1U) != 0 || node.stores_all) return false;
  if (pg.profile == none || pg.is_xoff || pg.headroom > 0) return false;
  const std::int64_t bytes = packet.is_train() ? packet.frame_bytes() : packet.bytes;
  const ProfileConfig& profile = node.profiles[pg.profile];
  Pool& pool = node.pools[profile.pool];
  const std::int64_t shared = shared_part(pg.used + bytes, profile);
  const std::int64_t growth = shared - shared_part(pg.used, profile);
  if (shared >= threshold(profile, pool) || pool.used + shared > pool.size) return false;
  pool.max_used = std::max(pool.max_used, pool.used + growth);
  if (queue.profile != none) {
    Pool& egress = node.pools[node.profiles[queue.profile].pool];
    egress.max_used = std::max(egress.max_used, egress.used + bytes + (&egress == &pool ? growth : 0));
  }
  pg.max_used = std::max(pg.max_used, pg.used + bytes);
  queue.max_bytes = std::max(queue.max_bytes, bytes);
  queue.tx_bytes += packet.bytes;
  queue.tx_frames += packet.frames();
  return true;
}

// Counts a packet in the priority group, or in its headroom when it is above its threshold.
bool Switches::admit(SwitchNode& node, PortId in, unsigned pg_index, const Packet& packet) {
  const std::int64_t bytes = packet.bytes;
  PriorityGroup& pg = pgs_[in * priorities + pg_index];
  if (pg.profile == none) return false;
  const ProfileConfig& profile = node.profiles[pg.profile];
  Pool& pool = node.pools[profile.pool];
  const std::int64_t shared = shared_part(pg.used + bytes, profile);
  const std::int64_t growth = shared - shared_part(pg.used, profile);
  if (shared <= threshold(profile, pool) && pool.used + growth <= pool.size) {
    pg.used += bytes;
    pg.max_used = std::max(pg.max_used, pg.used);
    pool.fill(growth);
  } else {
    if (pg.headroom + bytes > profile.headroom + overrun_) return false;
    if (pool.headroom > 0 && pool.headroom_used + bytes > pool.headroom + overrun_) return false;
    pg.headroom += bytes;
    pool.fill_headroom(bytes);
  }
  const bool is_over = pg.headroom > 0 ||
                       (node.pauses_at_threshold && shared_part(pg.used, profile) >= threshold(profile, pool));
  if (is_over && !pg.is_xoff && (ports_[in].pfc_enable >> pg_index & 1U) != 0) {
    pg.is_xoff = true;
    owners().begin_pause(node, in, pg_index, packet);
    ports().change_pause(in, pg_index, true);
  }
  kernel().audit.admitted(in, pg_index, bytes);
  if (pg.headroom > 0) {
    HeadroomMarks& most = headroom_marks_[in * priorities + pg_index];
    most.max_headroom = std::max(most.max_headroom, std::min(pg.headroom, profile.headroom));
    most.max_bytes = std::max(most.max_bytes, pg.used + pg.headroom);
  }
  return true;
}

void Switches::leave(const Port& port, PortId id, const Queue& queue, const Packet& packet) {
  SwitchNode& node = switches_[port.node - network_.endpoints];
  if (queue.profile != none) node.pools[node.profiles[queue.profile].pool].used -= packet.bytes;
  const auto [in, pg] = packet.buffer;
  if (!node.releases_at_end) return release(in, pg, packet.bytes);
  kernel().audit.sending(in, packet.bytes);
  const Time end = now() + ports().wire_ticks(port, packet.bytes + packet.frames() * network_.nic.gap_bytes);
  kernel().schedule(id, end, EventKind::release, in, static_cast<std::uint32_t>(pg) << 16 | packet.bytes);
}

void Switches::release(PortId in, unsigned pg_index, std::int64_t bytes) {
  SwitchNode& node = switches_[ports_[in].node - network_.endpoints];
  PriorityGroup& pg = pgs_[in * priorities + pg_index];
  const std::int64_t from_headroom = std::min(pg.headroom, bytes);
  const std::int64_t used = pg.used;
  kernel().audit.released(in, pg_index, bytes);
  pg.headroom -= from_headroom;
  pg.used = std::max<std::int64_t>(used - (bytes - from_headroom), 0);
  if (pg.profile == none) return;
  const ProfileConfig& profile = node.profiles[pg.profile];
  Pool& pool = node.pools[profile.pool];
  const std::int64_t shared = shared_part(pg.used, profile);
  pool.headroom_used -= from_headroom;
  pool.used -= shared_part(used, profile) - shared;
  if (pg.is_xoff) [[unlikely]] refresh_pause(node, in, pg_index);
}

// All bytes of the group are held against XON and against the limit, its reserved ones included.
// SOURCE: SAI saibuffer.h, SAI_BUFFER_PROFILE_ATTR_XON_TH, SAI_BUFFER_PROFILE_ATTR_XON_OFFSET_TH.
bool Switches::may_resume(const SwitchNode& node, const PriorityGroup& pg) const {
  if (pg.headroom > 0) return false;
  const ProfileConfig& profile = node.profiles[pg.profile];
  const std::int64_t limit = profile.reserved + threshold(profile, node.pools[profile.pool]);
  return pg.used <= std::max({limit - profile.xon_offset, profile.xon, std::int64_t{0}});
}

// Lifts a pause for which there is no reason any more, or no PFC.
[[gnu::noinline]] void Switches::refresh_pause(const SwitchNode& node, PortId in, unsigned pg_index) {
  PriorityGroup& pg = pgs_[in * priorities + pg_index];
  if (!pg.is_xoff) return;
  const bool has_pfc = (ports_[in].pfc_enable >> pg_index & 1U) != 0;
  if (has_pfc && pg.profile != none && !may_resume(node, pg)) return;
  pg.is_xoff = false;
  owners().end_pause(in, pg_index);
  ports().change_pause(in, pg_index, false);
}

// RED on the length of the queue that the packet joins or has left.
// SOURCE: DCQCN (SIGCOMM 2015), section 3.1, congestion point.
bool Switches::is_hit(const WredConfig& wred, PortId out, const Queue& queue) {
  if (queue.bytes <= wred.min_bytes) return false;
  if (queue.bytes > wred.max_bytes) return true;
  const double chance = wred.probability * static_cast<double>(queue.bytes - wred.min_bytes) /
                        static_cast<double>(std::max<std::int64_t>(wred.max_bytes - wred.min_bytes, 1));
  const std::uint64_t bits = random_bits(network_.seed, out, marking_counter_[out]++);
  return static_cast<double>(bits >> 11) * 0x1.0p-53 < chance;
}

bool Switches::is_marked(const SwitchNode& node, PortId out, const Queue& queue) {
  return node.wred[queue.wred].marks && is_hit(node.wred[queue.wred], out, queue);
}

void Switches::drop_at_pg(PortId port, unsigned pg, const Packet& packet, DropReason reason) {
  Losses& lost = pg_losses_[port * priorities + pg];
  ++lost.frames;  // a train that crosses a threshold comes in frames
  lost.bytes += packet.bytes;
  watchdogs().count_refused(port, pg);
  kernel().drop(port, packet, reason);
}

void Switches::mark(Packet& packet, PortId out, unsigned queue) {
  packet.dscp_ce |= Packet::ce;
  ++marks_[out * priorities + queue];
  marked_bytes_[out * priorities + queue] += packet.bytes;
  owners().count_mark(out, packet.qp);
}

void Switches::set_switch(NodeId index, const SwitchConfig& state) {
  SwitchNode& node = switches_[index];
  adaptive_routing().set_ars(node, state);
  node.hash_seed = state.hash_seed;
  node.hash_offset = state.hash_offset % 32;
  node.hash_class = state.hash_class;
  node.stores_all = state.releases_at_end || state.pauses_at_threshold;
  node.looks_up_hash = state.hash_class != 0 ||
                       LossRecoveries::naks_carry_places[static_cast<std::size_t>(network_.nic.loss_recovery)];
  node.pauses_at_threshold = state.pauses_at_threshold;
  node.marks_at_dequeue = state.marks_at_dequeue;
  node.releases_at_end = state.releases_at_end;
  node.fib = state.fib;
  node.policies = state.policies;
  node.group_offsets = state.group_offsets;
  node.group_ports = state.group_ports;
  const std::vector<QosMap> old_qos = std::exchange(node.qos, state.qos);
  node.profiles = state.profiles;
  node.own_profiles = node.profiles.size();
  node.wred = state.wred;
  for (std::size_t i = 0; i < state.ports.size(); ++i) {
    const SwitchPortConfig& config = state.ports[i];
    const auto id = static_cast<PortId>(node.first_port + i);
    Port& port = ports_[id];
    // A pause outlives the change where its priority still has PFC, on the queue that it now maps to.
    std::uint8_t paused = 0;
    for (unsigned priority = 0; priority < priorities; ++priority) {
      if (old_qos.empty() || (port.pfc_enable & config.pfc_enable & 1U << priority) == 0) continue;
      if ((port.paused >> old_qos[port.qos].pfc_to_queue[priority] & 1U) == 0) continue;
      paused = static_cast<std::uint8_t>(paused | 1U << state.qos[config.qos].pfc_to_queue[priority]);
    }
    ports().set_paused(id, paused);
    reception().set_mtu(id, config.mtu);
    reception().refresh_checks(id);
    port.qos = config.qos;
    port.pfc_enable = config.pfc_enable;
    kernel().audit.changed(id);
    port.strict = 0;
    for (unsigned q = 0; q < priorities; ++q) {
      pgs_[id * priorities + q].profile = config.pg_profile[q];
      Queue& queue = queues_[id * priorities + q];
      queue.profile = config.queue_profile[q];
      queue.wred = config.queue_wred[q];
      queue.quantum = static_cast<std::int64_t>(config.queue_weight[q]) * 512;
      if (config.queue_weight[q] == 0) port.strict = static_cast<std::uint8_t>(port.strict | 1U << q);
    }
  }
  // Pools are counted anew from what the buffers hold, since a profile may have moved to another pool.
  const std::vector<Pool> old_pools = std::exchange(node.pools, {});
  for (const PoolConfig& config : state.pools) {
    Pool pool{.size = config.size, .headroom = config.headroom};
    if (node.pools.size() < old_pools.size()) {
      pool.max_used = old_pools[node.pools.size()].max_used;
      pool.max_headroom = old_pools[node.pools.size()].max_headroom;
    }
    node.pools.push_back(pool);
  }
  for (std::size_t i = node.first_port * priorities; i < (node.first_port + state.ports.size()) * priorities; ++i) {
    if (const PriorityGroup& pg = pgs_[i]; pg.profile != none) {
      const ProfileConfig& profile = node.profiles[pg.profile];
      node.pools[profile.pool].fill(shared_part(pg.used, profile));
      node.pools[profile.pool].fill_headroom(pg.headroom);
    }
    if (queues_[i].profile != none) {
      node.pools[node.profiles[queues_[i].profile].pool].fill(queues_[i].bytes);
    }
  }
  for (std::size_t i = 0; i < state.ports.size(); ++i) {
    for (unsigned pg = 0; pg < priorities; ++pg) refresh_pause(node, static_cast<PortId>(node.first_port + i), pg);
  }
}

}  // namespace raddle
