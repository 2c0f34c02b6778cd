// The PFC watchdog of a switch: it takes a queue that stays paused for too long out of PFC.
//
// A queue that the peer has held without a break for the detection time is in a storm. With `forward` its
// packets then go on in spite of the pause; with `drop` what it holds and what comes for it, or from the port
// in its priority group, is dropped; with `alert` it stays paused. While a storm lasts, PFC is off both ways
// for the queue's priorities (except with `alert`). It is over when the peer has asked for no pause for the
// restoration time; with `alert`, at the first look after a break.
// With `poll`, times are counted as SONiC's scripts count them: in whole intervals between two looks, of which the
// first begins at the look after the pause (or the calm) began. Each switch looks at instants of its own.
// SOURCE: sonic-swss orchagent/pfcwdorch.cpp, pfcactionhandler.cpp (PfcWdLossyHandler, PfcWdZeroBufferHandler),
// pfc_detect_broadcom.lua, pfc_restore.lua.

#include <algorithm>

#include "raddle/partition.hpp"

namespace raddle {

namespace {

// A profile with this threshold admits nothing.
constexpr std::int64_t blocked = -1;

constexpr std::uint64_t poll_stream = 0x2000'0000'0000;  // apart from other random numbers

// How many intervals of `poll` last for `time`; one at least.
Time intervals(Time time, Time poll) { return std::max<Time>(1, (time + poll - 1) / poll); }

std::uint32_t blocked_profile(SwitchNode& node, const ProfileConfig& like) {
  ProfileConfig profile = like;
  profile.is_dynamic = false;
  profile.static_th = blocked;
  profile.headroom = 0;
  node.profiles.push_back(profile);
  return static_cast<std::uint32_t>(node.profiles.size() - 1);
}

bool has_profile(const Queue* queues, const PriorityGroup* pgs, std::size_t rows, std::size_t profile) {
  return std::any_of(queues, queues + rows, [=](const Queue& queue) { return queue.profile == profile; }) ||
         std::any_of(pgs, pgs + rows, [=](const PriorityGroup& pg) { return pg.profile == profile; });
}

}  // namespace

// The first look of the port's switch at or after `time`.
Time Watchdogs::next_look(PortId id, Time time) const {
  const Time poll = configs_[id].poll;
  if (poll == 0) return time;
  const std::uint64_t bits = random_bits(network_.seed, ports_[id].node + poll_stream, 0);
  const Time phase = static_cast<Time>(bits % static_cast<std::uint64_t>(poll));
  return phase + (time - phase + poll - 1) / poll * poll;
}

// When a queue that is paused since `since` is in a storm.
Time Watchdogs::storm_due(PortId id, Time since) const {
  const WatchdogConfig& config = configs_[id];
  if (config.poll == 0) return since + config.detect;
  return next_look(id, since) + intervals(config.detect, config.poll) * config.poll;
}

// When a storm whose peer asks for nothing since `since` is over.
Time Watchdogs::calm_due(PortId id, Time since) const {
  const WatchdogConfig& config = configs_[id];
  if (config.action == WatchdogAction::alert) return next_look(id, since);
  if (config.poll == 0) return since + config.restore;
  return next_look(id, since) + intervals(config.restore, config.poll) * config.poll;
}

Watchdogs::Watchdogs(Tables& tables)
    : network_(tables.network), configs_(tables.watchdogs), queues_of_(tables.watchdog_queues),
      ports_(tables.ports.data()), queues_(tables.queues.data()), pgs_(tables.pgs.data()),
      switches_(tables.switches.data()), pause_since_(tables.pause_since.data()) {}

// A storm outlives new state; what is not watched any more goes back to normal.
void Watchdogs::set_watchdog(PortId id, const WatchdogConfig& config) {
  if (configs_.empty()) {
    if (config.queues == 0) return;
    configs_.resize(network_.ports.size());
    queues_of_.resize(network_.ports.size() * priorities);
  }
  configs_[id] = config;
  for (unsigned queue = 0; queue < priorities; ++queue) {
    WatchdogQueue& state = queues_of_[id * priorities + queue];
    if (state.is_storm && config.action != WatchdogAction::alert && (config.queues >> queue & 1U) != 0) {
      block_queue(id, queue);
    } else {
      end_storm(id, queue);
      if ((ports_[id].paused >> queue & 1U) != 0) watch(id, queue);
    }
  }
  reception().refresh_checks(id);
}

// Counts of the latest storm stay as they are from now on.
void Watchdogs::end_storm(PortId id, unsigned queue) {
  WatchdogQueue& state = queues_of_[id * priorities + queue];
  if (state.pfc_masked != 0) state.latest.tx = queues_[id * priorities + queue].tx_frames - state.tx_before;
  state.is_storm = false;
  state.pfc_masked = 0;
}

// The queue whose storm has taken this priority group out of PFC; null if none has.
WatchdogQueue* Watchdogs::storm_of(PortId id, unsigned pg) {
  if (configs_.empty()) return nullptr;
  WatchdogQueue* first = &queues_of_[id * priorities];
  WatchdogQueue* found = std::find_if(first, first + priorities, [pg](const WatchdogQueue& state) {
    return (state.pfc_masked >> pg & 1U) != 0;
  });
  return found == first + priorities ? nullptr : found;
}

void Watchdogs::count_received(PortId id, const Packet& packet) {
  const QosMap& map = switches_[ports_[id].node - network_.endpoints].qos[ports_[id].qos];
  if (WatchdogQueue* state = storm_of(id, map.tc_to_pg[map.dscp_to_tc[packet.dscp()]])) ++state->latest.rx;
}

void Watchdogs::count_refused(PortId id, unsigned pg) {
  if (WatchdogQueue* state = storm_of(id, pg)) {
    --state->latest.rx;
    ++state->latest.rx_dropped;
  }
}

std::uint8_t Watchdogs::storm_priorities(PortId id) const {
  std::uint8_t masked = 0;
  for (unsigned queue = 0; !configs_.empty() && queue < priorities; ++queue) {
    masked = static_cast<std::uint8_t>(masked | queues_of_[id * priorities + queue].pfc_masked);
  }
  return masked;
}

void Watchdogs::watch(PortId id, unsigned queue) {
  const WatchdogConfig& config = configs_[id];
  WatchdogQueue& state = queues_of_[id * priorities + queue];
  if ((config.queues >> queue & 1U) == 0 || state.is_armed || state.is_storm) return;
  state.is_armed = true;
  kernel().schedule_timer(id, storm_due(id, now()), PortTimer::storm_detect, queue);
}

std::uint8_t Watchdogs::watched_pause(PortId id, std::uint8_t queues, std::uint8_t asked) {
  const WatchdogConfig& config = configs_[id];
  for (unsigned queue = 0; queue < priorities; ++queue) {
    WatchdogQueue& state = queues_of_[id * priorities + queue];
    if (!state.is_storm || (asked >> queue & 1U) == 0) continue;
    const bool is_asked = (queues >> queue & 1U) != 0;
    if (state.is_asked && !is_asked) {
      state.calm_since = now();
      if (!state.is_armed) {
        state.is_armed = true;
        kernel().schedule_timer(id, calm_due(id, now()), PortTimer::storm_restore, queue);
      }
    }
    state.is_asked = is_asked;
    if (config.action != WatchdogAction::alert) queues = static_cast<std::uint8_t>(queues & ~(1U << queue));
  }
  return queues;
}

void Watchdogs::detect_storm(PortId id, unsigned queue) {
  const WatchdogConfig& config = configs_[id];
  WatchdogQueue& state = queues_of_[id * priorities + queue];
  state.is_armed = false;
  if ((ports_[id].paused >> queue & 1U) == 0 || (config.queues >> queue & 1U) == 0) return;
  const Time due = storm_due(id, pause_since_[id * priorities + queue]);
  if (due > now()) {
    state.is_armed = true;
    return kernel().schedule_timer(id, due, PortTimer::storm_detect, queue);
  }
  state.is_storm = state.is_asked = true;
  ++state.detected;
  state.earlier += state.latest;
  state.latest = {};
  happened_.push_back({now(), id, static_cast<std::uint8_t>(queue), true});
  if (config.action == WatchdogAction::alert) return;
  state.tx_before = queues_[id * priorities + queue].tx_frames;
  block_queue(id, queue);
  reception().refresh_checks(id);
  ports().set_paused(id, static_cast<std::uint8_t>(ports_[id].paused & ~(1U << queue)));
  ports().kick(id);
}

void Watchdogs::restore_storm(PortId id, unsigned queue) {
  const WatchdogConfig& config = configs_[id];
  WatchdogQueue& state = queues_of_[id * priorities + queue];
  state.is_armed = false;
  const bool is_alert = config.action == WatchdogAction::alert;
  if (!state.is_storm || (state.is_asked && !is_alert)) return;
  const Time due = calm_due(id, state.calm_since);
  if (due > now()) {
    state.is_armed = true;
    return kernel().schedule_timer(id, due, PortTimer::storm_restore, queue);
  }
  ++state.restored;
  happened_.push_back({now(), id, static_cast<std::uint8_t>(queue), false});
  if (!is_alert) unblock_queue(id, queue);
  end_storm(id, queue);
  reception().refresh_checks(id);
  if ((ports_[id].paused >> queue & 1U) != 0) watch(id, queue);
}

// Switches PFC off for the queue's priorities; with `drop`, empties the queue and closes it.
void Watchdogs::block_queue(PortId id, unsigned queue) {
  Port& port = ports_[id];
  SwitchNode& node = switches_[port.node - network_.endpoints];
  WatchdogQueue& state = queues_of_[id * priorities + queue];
  state.pfc_masked = 0;
  for (unsigned priority = 0; priority < priorities; ++priority) {
    if ((port.pfc_enable >> priority & 1U) == 0 || node.qos[port.qos].pfc_to_queue[priority] != queue) continue;
    state.pfc_masked = static_cast<std::uint8_t>(state.pfc_masked | 1U << priority);
    PriorityGroup& pg = pgs_[id * priorities + priority];
    if (pg.is_xoff) {
      pg.is_xoff = false;
      owners().end_pause(id, priority);
      ports().change_pause(id, priority, false);
    }
  }
  port.pfc_enable = static_cast<std::uint8_t>(port.pfc_enable & ~state.pfc_masked);
  kernel().audit.changed(id);
  if (configs_[id].action != WatchdogAction::drop || node.pools.empty()) return;

  ports().drop_all(id, queue, DropReason::watchdog);
  Queue& q = queues_[id * priorities + queue];
  state.queue_profile = q.profile;
  q.profile = blocked_profile(node, q.profile == none ? ProfileConfig{} : node.profiles[q.profile]);
  for (unsigned priority = 0; priority < priorities; ++priority) {
    PriorityGroup& pg = pgs_[id * priorities + priority];
    if ((state.pfc_masked >> priority & 1U) == 0 || pg.profile == none) continue;
    queues_of_[id * priorities + priority].pg_profile = pg.profile;
    pg.profile = blocked_profile(node, node.profiles[pg.profile]);
  }
}

void Watchdogs::unblock_queue(PortId id, unsigned queue) {
  WatchdogQueue& state = queues_of_[id * priorities + queue];
  Port& port = ports_[id];
  port.pfc_enable = static_cast<std::uint8_t>(port.pfc_enable | state.pfc_masked);
  kernel().audit.changed(id);
  if (configs_[id].action == WatchdogAction::drop && !switches_[port.node - network_.endpoints].pools.empty()) {
    queues_[id * priorities + queue].profile = state.queue_profile;
    for (unsigned priority = 0; priority < priorities; ++priority) {
      PriorityGroup& pg = pgs_[id * priorities + priority];
      if ((state.pfc_masked >> priority & 1U) == 0 || pg.profile == none) continue;
      pg.profile = queues_of_[id * priorities + priority].pg_profile;
    }
    remove_storm_profiles(switches_[port.node - network_.endpoints]);
  }
}

// Takes away the profiles of storms that are over, from the end.
void Watchdogs::remove_storm_profiles(SwitchNode& node) {
  std::size_t ports = 0;
  while (node.first_port + ports < network_.ports.size() &&
         ports_[node.first_port + ports].node == ports_[node.first_port].node) {
    ++ports;
  }
  const std::size_t first = node.first_port * priorities, rows = ports * priorities;
  while (node.profiles.size() > node.own_profiles &&
         !has_profile(queues_ + first, pgs_ + first, rows, node.profiles.size() - 1)) {
    node.profiles.pop_back();
  }
}

DropReason Watchdogs::refusal(const SwitchNode& node, PortId id, unsigned queue, bool is_ingress) const {
  const std::uint32_t profile = is_ingress ? pgs_[id * priorities + queue].profile
                                           : queues_[id * priorities + queue].profile;
  if (profile != none && !node.profiles[profile].is_dynamic && node.profiles[profile].static_th == blocked) {
    return DropReason::watchdog;
  }
  return is_ingress ? DropReason::ingress_buffer : DropReason::egress_buffer;
}

}  // namespace raddle
