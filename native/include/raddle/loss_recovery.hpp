#pragma once
// Loss recoveries, one row each: what a queue pair sends again, and what its receiver says of a gap.
//
// A row is a part of the partition with the members that `GoBackN` has. A new one is such a type, its value in
// `LossRecovery` (config.hpp) and its place in `LossRecoveries`. A row is chosen once for a call: none is virtual.

#include <array>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <vector>

#include "raddle/part.hpp"
#include "raddle/tables.hpp"

namespace raddle {

// Everything from the first lost packet on is sent again; the receiver keeps nothing behind a gap.
class GoBackN : public Part<GoBackN> {
 public:
  static constexpr std::string_view name = "go-back-n";
  static constexpr LossRecovery kind = LossRecovery::go_back_n;
  static constexpr bool naks_carry_places = false;  // in their hash field, so that switches look theirs up

  explicit GoBackN(Tables& tables);

  // The sender: what it sends before anything new, and what it is told of.
  bool has_lost(QpId) { return false; }
  std::uint64_t take_lost(QpId, std::int64_t&) { return 0; }
  void on_sent(QpId, std::uint64_t) {}
  void on_acknowledged(QpId, std::uint32_t) {}  // so many packets more; una_psn has not moved yet
  void on_progress(QpId) {}                     // it has
  std::uint32_t acknowledged_by(const Packet& nak) const { return nak.psn; }
  void on_nak(const Packet& nak, std::int32_t progress);
  void on_timeout(QpId qp);
  void on_failure(QpId) {}                      // it sends nothing any more

  // The receiver.
  void receive(Packet& packet, bool is_marked);

 private:
  void rewind(QpId qp);

  const std::uint32_t* qp_flow_offsets_;
  const FlowId* qp_flows_;
  Sender* senders_;
  Receiver* receivers_;
};

// What was lost is sent again and nothing else; see selective.cpp.
class SelectiveRepeat : public Part<SelectiveRepeat> {
 public:
  static constexpr std::string_view name = "selective-repeat";
  static constexpr LossRecovery kind = LossRecovery::selective_repeat;
  static constexpr bool naks_carry_places = true;

  explicit SelectiveRepeat(Tables& tables);

  bool has_lost(QpId qp);
  std::uint64_t take_lost(QpId qp, std::int64_t& payload);
  void on_sent(QpId qp, std::uint64_t psn);
  void on_acknowledged(QpId qp, std::uint32_t count);
  void on_progress(QpId qp) { find_lost(qp); }
  std::uint32_t acknowledged_by(const Packet& nak) const { return nak.psn - nak.hash; }
  void on_nak(const Packet& nak, std::int32_t progress);
  void on_timeout(QpId qp);
  void on_failure(QpId qp) { selective_senders_[qp].lost.clear(); }

  void receive(Packet& packet, bool is_marked);

 private:
  void advance_newest(SelectiveSender& selective, const SelectiveSender::Flight& flight) const;
  void find_lost(QpId qp);

  const NetworkConfig& network_;
  const Workload& work_;
  const std::uint32_t* qp_flow_offsets_;
  const FlowId* qp_flows_;
  Sender* senders_;
  Receiver* receivers_;
  std::vector<SelectiveSender>& selective_senders_;
  std::vector<SelectiveReceiver>& selective_receivers_;
  QpResults& qp_results_;
};

template <typename... Rows>
class LossRecoveryList : public Rows... {
 public:
  static constexpr std::array<std::string_view, sizeof...(Rows)> names{Rows::name...};
  static constexpr std::array<bool, sizeof...(Rows)> naks_carry_places{Rows::naks_carry_places...};
  static constexpr bool is_in_order() {
    std::size_t place = 0;
    return ((static_cast<std::size_t>(Rows::kind) == place++) && ...);
  }

  explicit LossRecoveryList(Tables& tables) : Rows(tables)... {}

  // Calls `act` with the row of a kind.
  template <std::size_t place = 0, typename Act>
  [[gnu::always_inline]] auto with(LossRecovery kind, Act&& act) {
    using Row = std::tuple_element_t<place, std::tuple<Rows...>>;
    if constexpr (place + 1 == sizeof...(Rows)) {
      return act(static_cast<Row&>(*this));
    } else {
      if (kind == Row::kind) return act(static_cast<Row&>(*this));
      return with<place + 1>(kind, act);
    }
  }
};

class LossRecoveries : public LossRecoveryList<GoBackN, SelectiveRepeat> {
 public:
  using LossRecoveryList::LossRecoveryList;
};
static_assert(LossRecoveries::is_in_order());

}  // namespace raddle
