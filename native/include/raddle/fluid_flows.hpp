#pragma once
// Flows of a number of bits each that drain at max-min fair rates, from event to event.
//
// Times are picoseconds in double precision, exact to 1e-4 ps in a second. At one instant flows end, then capacities
// change, then flows start, so that one which starts when another ends never shares with it.

#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "raddle/kept_share.hpp"
#include "raddle/max_min.hpp"

namespace raddle {

class FluidFlows {
 public:
  static constexpr double forever = std::numeric_limits<double>::infinity();

  // Capacities are in bit/s. What happens within `instant` picoseconds happens at one instant. While MaxMin::many
  // flows are under way, one of which no more than the share `rounded` is left ends with the next that ends.
  FluidFlows(std::vector<double> capacity, std::size_t flows, double instant, double rounded = 0);

  double now() const { return now_; }
  double next_end() { return drop_old(), ends_.empty() ? forever : ends_.front().time; }

  // Goes to a time that is not behind the next end, and returns the flows that end there: they are stopped.
  const std::vector<std::uint32_t>& go_to(double time);

  // Flows that are `held` drain at a part of their rate. What part is asked for once, when one is not alone.
  void hold_back(std::function<KeptShare()> ask) { ask_ = std::move(ask); }
  void start(std::uint32_t flow, const std::vector<Taken>& path, double bits, double weight = 1,
             std::uint8_t strict_class = 0, bool is_held = false);
  // Gives a flow that has just ended more to send, on the path that it had; in the same instant.
  void go_on(std::uint32_t flow, double bits);
  void stop(std::uint32_t flow);          // before its end
  void move(std::uint32_t flow, const std::vector<Taken>& path);
  void set_capacity(std::uint32_t link, double capacity) { rates_.set_capacity(link, capacity); }
  void solve();                           // after all changes of an instant

  double left(std::uint32_t flow, double time) const;  // bits, at a time from now to the next end
  std::size_t flows() const { return flows_.size(); }
  double rate(std::uint32_t flow) const { return rates_.rate(flow); }
  bool is_started(std::uint32_t flow) const { return rates_.is_started(flow); }
  const MaxMin& rates() const { return rates_; }
  std::uint64_t rounded() const { return rounded_flows_; }  // that ended early

 private:
  struct Moving {
    double size = 0, left = 0, since = 0, rate = 0;
    double shared = 0, company = 0;  // bits sent in company of others: before the message under way, and of it
    double weight = 1;
    std::uint32_t version = 0;
    std::uint8_t strict_class = 0;
    bool has_ended = false, is_held = false, is_in_company = false;
  };
  struct End {
    double time;
    std::uint32_t flow, version;
    bool operator<(const End& other) const {
      return time != other.time ? time > other.time : flow > other.flow;
    }
  };

  void drop_old();
  void tidy_ends();
  bool ends_now() const;
  void plan_end(std::uint32_t flow);
  void settle(std::uint32_t flow, double bits);
  double kept(std::uint32_t flow);

  MaxMin rates_;
  std::function<KeptShare()> ask_;
  KeptShare kept_;
  std::vector<Moving> flows_;
  std::vector<End> ends_;  // heap
  std::vector<std::uint32_t> ended_;
  double instant_, rounded_share_;
  std::uint64_t rounded_flows_ = 0;
  double now_ = 0;
};

}  // namespace raddle
