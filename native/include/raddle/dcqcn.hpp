#pragma once
// DCQCN's reaction point: the sending rate of one queue pair.
// SOURCE: Y. Zhu et al., "Congestion control for large-scale RDMA deployments", SIGCOMM 2015, section 3.1.
//
// The timers raise no events. They only matter when the queue pair sends, so they are caught up with
// then (`advance`): the rate at that instant is the same.

#include <algorithm>

#include "raddle/types.hpp"

namespace raddle {

struct DcqcnParameters {
  double g = 1.0 / 256;
  Time alpha_timer = 55'000'000;
  Time rate_timer = 55'000'000;
  std::int64_t byte_counter = 10'000'000;
  int fast_recovery_steps = 5;
  double rate_ai = 40e6;
  double rate_hai = 400e6;
  double min_rate = 100e6;
};

struct DcqcnRate {
  double alpha = 1.0;
  double rate = 0;    // current rate, bit/s
  double target = 0;  // target rate, bit/s
  Time next_alpha = never;
  Time next_rate = never;
  std::int64_t bytes = 0;
  int timer_steps = 0;
  int byte_steps = 0;

  bool is_limited(double line_rate) const { return rate < line_rate; }

  void on_cnp(const DcqcnParameters& p, Time now) {
    target = rate;
    rate = std::max(p.min_rate, rate * (1 - alpha / 2));
    alpha = (1 - p.g) * alpha + p.g;
    next_alpha = now + p.alpha_timer;
    next_rate = now + p.rate_timer;
    bytes = 0;
    timer_steps = byte_steps = 0;
  }

  void advance(const DcqcnParameters& p, double line_rate, Time now) {
    while (next_alpha <= now) {
      alpha *= 1 - p.g;
      next_alpha += p.alpha_timer;
    }
    while (next_rate <= now) {
      ++timer_steps;
      next_rate += p.rate_timer;
      increase(p, line_rate);
    }
  }

  void on_sent(const DcqcnParameters& p, double line_rate, std::int64_t sent) {
    bytes += sent;
    while (bytes >= p.byte_counter) {
      bytes -= p.byte_counter;
      ++byte_steps;
      increase(p, line_rate);
    }
  }

 private:
  void increase(const DcqcnParameters& p, double line_rate) {
    const int most = std::max(timer_steps, byte_steps);
    const int least = std::min(timer_steps, byte_steps);
    if (least > p.fast_recovery_steps) {
      target += (least - p.fast_recovery_steps) * p.rate_hai;
    } else if (most >= p.fast_recovery_steps) {
      target += p.rate_ai;
    }
    target = std::min(target, line_rate);
    rate = std::min((target + rate) / 2, line_rate);
    // Half-way steps never reach the line; within one part in a million they have.
    if (line_rate - rate < line_rate * 1e-6) {
      rate = line_rate;
      next_rate = never;
    }
  }
};

}  // namespace raddle
