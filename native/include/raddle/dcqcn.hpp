#pragma once
// DCQCN's reaction point: the sending rate of one queue pair.
// SOURCE: Y. Zhu et al., "Congestion control for large-scale RDMA deployments", SIGCOMM 2015, section 3.1;
// NVIDIA, "DCQCN CC Parameters", for what ConnectX adds (`decrease_timer`).
//
// The timers raise no events. They only matter when the queue pair sends, so they are caught up with
// then (`advance`), and looked ahead to where a packet waits for its turn (`due`).

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>

#include "raddle/types.hpp"

namespace raddle {

struct DcqcnParameters {
  double g = 5.0 / 1024;
  Time alpha_timer = 1'000'000;
  Time rate_timer = 300'000'000;
  std::int64_t byte_counter = 32'767 * 64;  // 0: the timer alone raises the rate, and counts the stages
  int fast_recovery_steps = 1;
  double rate_ai = 5e6;
  double rate_hai = 50e6;
  double min_rate = 1e6;
  bool clamps_target = false;  // false: the target falls once for a run of CNPs (802.1Qau, 32.3; ConnectX)
  // 0: each CNP lowers the rate at once and restarts the alpha timer (the paper). Above 0: a CNP only leaves a mark;
  // from a queue pair's first CNP on, a timer of this period lowers the rate if there is one, and the alpha timer
  // moves alpha towards 1 if there is one (rate_reduce_monitor_period and dce_tcp_rtt of ConnectX).
  Time decrease_timer = 4'000'000;

  static constexpr auto fields = std::tuple{
      std::pair{"g", &DcqcnParameters::g},
      std::pair{"alpha_timer_ps", &DcqcnParameters::alpha_timer},
      std::pair{"rate_timer_ps", &DcqcnParameters::rate_timer},
      std::pair{"byte_counter_bytes", &DcqcnParameters::byte_counter},
      std::pair{"fast_recovery_steps", &DcqcnParameters::fast_recovery_steps},
      std::pair{"rate_ai_bps", &DcqcnParameters::rate_ai},
      std::pair{"rate_hai_bps", &DcqcnParameters::rate_hai},
      std::pair{"min_rate_bps", &DcqcnParameters::min_rate},
      std::pair{"clamp_target_rate", &DcqcnParameters::clamps_target},
      std::pair{"decrease_timer_ps", &DcqcnParameters::decrease_timer}};
  void check() const;
};

struct DcqcnRate {
  using Parameters = DcqcnParameters;
  static constexpr std::string_view name = "dcqcn";
  static constexpr bool hears_marks = true;

  double alpha = 1.0;
  double rate = 0;    // current rate, bit/s
  double target = 0;  // target rate, bit/s
  Time next_alpha = never;
  Time next_rate = never;
  std::int64_t bytes = 0;
  int timer_steps = 0;
  int byte_steps = 0;
  Time next_decrease = never;  // with a decrease timer: running since the first CNP
  bool lowers_rate = false, raises_alpha = false;  // a CNP came since that timer's last tick

  void start(const DcqcnParameters&, double line_rate) { rate = target = line_rate; }

  // False while the queue pair sends at the line rate and nothing is about to change that.
  bool is_active() const { return next_rate != never || lowers_rate; }

  void on_cnp(const DcqcnParameters& p, Time now);
  // What the timers have done up to `now`. At one instant alpha goes first, then the increase, then the decrease.
  void advance(const DcqcnParameters& p, double line_rate, Time now) {
    for (Time change = next_change(); change <= now; change = next_change()) {
      if (next_rate == change) {
        ++timer_steps;
        next_rate += p.rate_timer;
        increase(p, line_rate);
      } else {
        advance_alpha(p, change);
        lowers_rate = false;
        next_decrease += p.decrease_timer;
        lower(p, change);
      }
    }
    advance_alpha(p, now);
    if (next_decrease <= now) next_decrease += ((now - next_decrease) / p.decrease_timer + 1) * p.decrease_timer;
  }

  void on_sent(const DcqcnParameters& p, double line_rate, std::int64_t sent) {
    if (p.byte_counter == 0) return;
    bytes += sent;
    while (bytes >= p.byte_counter) {
      bytes -= p.byte_counter;
      ++byte_steps;
      increase(p, line_rate);
    }
  }

  // When a packet may follow one of `wire_bytes` that began at `from`: once the time has passed that those take at the
  // rate of then. A rate that rises while the packet waits lets it go earlier, one that falls later; unless it `retimes`
  // nothing: then the rate of now counts.
  // Precondition: advanced to now, and no CNP comes until then.
  Time due(const DcqcnParameters& p, double line_rate, Time from, std::int64_t wire_bytes, Time clock,
           bool retimes) const {
    Time at = from + spacing(wire_bytes, clock);
    if (!retimes || at <= next_change()) return at;
    DcqcnRate ahead = *this;
    for (Time change = next_change(); at > change; change = ahead.next_change()) {
      ahead.advance(p, line_rate, change);
      at = std::max(change, from + ahead.spacing(wire_bytes, clock));
    }
    return at;
  }

 private:
  // When the rate changes next if no CNP comes.
  Time next_change() const { return std::min(next_rate, lowers_rate ? next_decrease : never); }

  Time spacing(std::int64_t wire_bytes, Time clock) const {
    const auto exact = static_cast<Time>(static_cast<double>(wire_bytes) * 8e12 / rate);
    return exact - exact % clock;
  }

  static double power(double base, Time exponent);
  void advance_alpha(const DcqcnParameters& p, Time now);
  void lower(const DcqcnParameters& p, Time now);
  void increase(const DcqcnParameters& p, double line_rate);
};

}  // namespace raddle
