#pragma once
// A rate control that a test adds: one rate, whatever happens. What stands here and in CMakeLists.txt is all of it.

#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <utility>

#include "raddle/types.hpp"

namespace raddle {

struct FixedRate {
  struct Parameters {
    double rate = 1e9;
    static constexpr auto fields = std::tuple{std::pair{"rate_bps", &Parameters::rate}};
    void check() const {
      if (rate <= 0) throw std::invalid_argument("a fixed rate is above 0");
    }
  };
  static constexpr std::string_view name = "fixed";
  static constexpr bool hears_marks = false;

  void start(const Parameters&, double) {}
  bool is_active() const { return true; }
  void advance(const Parameters&, double, Time) {}
  void on_cnp(const Parameters&, Time) {}
  void on_sent(const Parameters&, double, std::int64_t) {}
  Time due(const Parameters& p, double, Time from, std::int64_t wire_bytes, Time, bool) const {
    return from + static_cast<Time>(static_cast<double>(wire_bytes) * 8e12 / p.rate);
  }
};

}  // namespace raddle

#define RADDLE_MORE_RATE_CONTROL_ROWS , FixedRate
