#pragma once
// Rate controls, one row each: how fast a queue pair may send, and what marked packets do to that.
//
// A row is a type with its state by queue pair, a `Parameters` and a name. A new one is a header with such a type and
// its place in `RateControls`; queue pairs, checks and the Python face go by that list. Which row is in force is chosen
// once for all NICs, by `NicConfig::rate_control`. Nothing is virtual: a row is found by its place in a variant.

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <variant>

#include "raddle/dcqcn.hpp"
#include "raddle/types.hpp"

#ifdef RADDLE_MORE_RATE_CONTROLS  // a header that a test adds, whose rows RADDLE_MORE_RATE_CONTROL_ROWS names
#include RADDLE_MORE_RATE_CONTROLS
#else
#define RADDLE_MORE_RATE_CONTROL_ROWS
#endif

namespace raddle {

// At the line rate, whatever happens.
struct LineRate {
  struct Parameters {
    static constexpr std::tuple<> fields{};
    void check() const {}
  };
  static constexpr std::string_view name = "none";
  static constexpr bool hears_marks = false;

  void start(const Parameters&, double) {}
  bool is_active() const { return false; }
  void advance(const Parameters&, double, Time) {}
  void on_cnp(const Parameters&, Time) {}
  void on_sent(const Parameters&, double, std::int64_t) {}
  Time due(const Parameters&, double, Time from, std::int64_t, Time, bool) const { return from; }
};

// What a row is. Rates are in bit/s, `sent` and `wire_bytes` what a packet takes of the wire.
template <typename Row>
concept RateControl = requires(Row row, const Row& seen, const typename Row::Parameters& p, double line_rate, Time time,
                               std::int64_t bytes) {
  { Row::name } -> std::convertible_to<std::string_view>;
  { Row::hears_marks } -> std::convertible_to<bool>;        // receivers tell of marks: by CNPs, or in acknowledgements
  Row::Parameters::fields;                                  // tuple of pairs: name and member, for the Python face
  p.check();                                                // throws std::invalid_argument
  row.start(p, line_rate);
  { seen.is_active() } -> std::same_as<bool>;               // false while the line rate is all that holds packets back
  row.advance(p, line_rate, time);                          // what its timers have done up to `time`
  row.on_cnp(p, time);                                      // precondition: advanced to `time`
  row.on_sent(p, line_rate, bytes);
  // When a packet may follow one begun at `from`, as the rate will be by then or as it is.
  { seen.due(p, line_rate, time, bytes, time, true) } -> std::same_as<Time>;
};

template <RateControl... Rows>
struct RateControlList {
  using State = std::variant<Rows...>;
  using Parameters = std::variant<typename Rows::Parameters...>;
  static constexpr std::array<std::string_view, sizeof...(Rows)> names{Rows::name...};
  static constexpr std::array<bool, sizeof...(Rows)> hears_marks{Rows::hears_marks...};

  // The state of a queue pair that has sent nothing.
  static State start(const Parameters& parameters, double line_rate) {
    State state;
    (start_if<Rows>(state, parameters, line_rate), ...);
    return state;
  }

  // Calls `act` with a queue pair's state and the parameters of its row.
  template <typename Act>
  static void with(State& state, const Parameters& parameters, Act act) {
    std::visit([&]<typename Row>(Row& row) { act(row, *std::get_if<typename Row::Parameters>(&parameters)); }, state);
  }

 private:
  template <typename Row>
  static void start_if(State& state, const Parameters& parameters, double line_rate) {
    const auto* mine = std::get_if<typename Row::Parameters>(&parameters);
    if (mine != nullptr) state.template emplace<Row>().start(*mine, line_rate);
  }
};

using RateControls = RateControlList<LineRate, DcqcnRate RADDLE_MORE_RATE_CONTROL_ROWS>;

}  // namespace raddle
