#include "raddle/dcqcn.hpp"

#include "raddle/checks.hpp"

namespace raddle {

void DcqcnParameters::check() const {
  require(g > 0 && g <= 1, "DCQCN's g is above 0 and at most 1");
  require(alpha_timer > 0 && rate_timer > 0 && decrease_timer >= 0, "DCQCN's timers must be positive");
  require(byte_counter >= 0 && fast_recovery_steps >= 0, "DCQCN's byte counter and steps must not be negative");
  require(rate_ai >= 0 && rate_hai >= 0 && min_rate >= 1, "DCQCN's rates must be positive");
}

// Precondition: advanced to `now`.
void DcqcnRate::on_cnp(const DcqcnParameters& p, Time now) {
  if (p.decrease_timer == 0) {
    lower(p, now);
    alpha = (1 - p.g) * alpha + p.g;
    next_alpha = now + p.alpha_timer;
    return;
  }
  if (next_decrease == never) {
    next_decrease = now + p.decrease_timer;
    next_alpha = now + p.alpha_timer;
  } else {
    raises_alpha = true;
  }
  lowers_rate = true;
}

// By squaring, so that the result is the same on every machine (the C library's pow need not be).
double DcqcnRate::power(double base, Time exponent) {
  double result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result *= base;
    base *= base;
  }
  return result;
}

void DcqcnRate::advance_alpha(const DcqcnParameters& p, Time now) {
  if (next_alpha > now) return;
  Time periods = (now - next_alpha) / p.alpha_timer + 1;
  next_alpha += periods * p.alpha_timer;
  if (raises_alpha) {
    alpha = (1 - p.g) * alpha + p.g;
    raises_alpha = false;
    --periods;
  }
  alpha *= power(1 - p.g, periods);
}

void DcqcnRate::lower(const DcqcnParameters& p, Time now) {
  if (p.clamps_target || timer_steps + byte_steps > 0 || next_rate == never) target = rate;
  rate = std::max(p.min_rate, rate * (1 - alpha / 2));
  next_rate = now + p.rate_timer;
  bytes = 0;
  timer_steps = byte_steps = 0;
}

// Without a byte counter the stages are the timer's alone, counted before it ticks: one additive increase after fast
// recovery, then hyper increases that do not grow (as ns-3's HPCC code has it).
void DcqcnRate::increase(const DcqcnParameters& p, double line_rate) {
  const int most = std::max(timer_steps, byte_steps);
  const int least = p.byte_counter == 0 ? timer_steps - 1 : std::min(timer_steps, byte_steps);
  if (least > p.fast_recovery_steps) {
    target += (p.byte_counter == 0 ? 1 : least - p.fast_recovery_steps) * p.rate_hai;
  } else if (p.byte_counter == 0 ? least == p.fast_recovery_steps : most >= p.fast_recovery_steps) {
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

}  // namespace raddle
