// The NICs' parameters, and the rate controls by the names of their rows and parameters.

#include <nanobind/stl/string_view.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>

#include "bindings.hpp"

namespace {

using raddle::NicConfig;
using raddle::LossRecoveries;
using raddle::RateControls;

// Reads every parameter of a row from the dictionary, which has these and no others.
template <typename Parameters>
Parameters read_parameters(const nb::dict& given) {
  Parameters parameters;
  std::size_t known = 0;
  std::apply([&](const auto&... field) {
    [[maybe_unused]] const auto read = [&](const char* name, auto member) {
      using Value = std::decay_t<decltype(parameters.*member)>;
      if (!given.contains(name)) throw std::invalid_argument("no '" + std::string(name) + "' given");
      parameters.*member = nb::cast<Value>(given[name]);
      ++known;
    };
    (read(field.first, field.second), ...);
  }, Parameters::fields);
  require(given.size() == known, "a parameter that the rate control does not have");
  return parameters;
}

template <std::size_t... Places>
bool set_row(NicConfig& nic, std::string_view name, const nb::dict& given, std::index_sequence<Places...>) {
  using All = RateControls::Parameters;
  return ((RateControls::names[Places] == name &&
           (nic.rate_control = read_parameters<std::variant_alternative_t<Places, All>>(given), true)) || ...);
}

void set_rate_control(NicConfig& nic, std::string_view name, const nb::dict& given) {
  const bool is_set = set_row(nic, name, given, std::make_index_sequence<RateControls::names.size()>());
  if (!is_set) throw std::invalid_argument("no rate control of the name '" + std::string(name) + "'");
}

void set_loss_recovery(NicConfig& nic, std::string_view name) {
  const auto& names = LossRecoveries::names;
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw std::invalid_argument("no loss recovery of the name '" + std::string(name) + "'");
  nic.loss_recovery = static_cast<raddle::LossRecovery>(found - names.begin());
}

template <typename Names>
nb::tuple name_tuple(const Names& names) {
  nb::list list;
  for (const std::string_view name : names) list.append(nb::str(name.data(), name.size()));
  return nb::tuple(list);
}

}  // namespace

void bind_nic(nb::module_& m) {
  nb::class_<NicConfig>(m, "NicConfig")
      .def(nb::init<>())
      .def_rw("mtu_bytes", &NicConfig::mtu)
      .def_rw("header_bytes", &NicConfig::header_bytes)
      .def_rw("ack_bytes", &NicConfig::ack_bytes)
      .def_rw("cnp_bytes", &NicConfig::cnp_bytes)
      .def_rw("gap_bytes", &NicConfig::gap_bytes)
      .def_rw("pause_bytes", &NicConfig::pause_bytes)
      .def_rw("pause_quanta", &NicConfig::pause_quanta)
      .def_rw("ack_interval", &NicConfig::ack_interval)
      .def_rw("window_bytes", &NicConfig::window)
      .def_rw("messages", &NicConfig::messages)
      .def_rw("burst_packets", &NicConfig::burst)
      .def_rw("train_frames", &NicConfig::train)
      .def_rw("class_weights", &NicConfig::class_weights)
      .def_rw("reorder_packets", &NicConfig::reorder)
      .def_rw("rto_ps", &NicConfig::retransmit_timeout)
      .def_rw("retry_count", &NicConfig::retry_count)
      .def_rw("cnp_interval_ps", &NicConfig::cnp_interval)
      .def_rw("pfc_reaction_ps", &NicConfig::pfc_reaction)
      .def_rw("cnp_dscp", &NicConfig::cnp_dscp)
      .def_rw("cnp_priority", &NicConfig::cnp_priority)
      .def_rw("ack_dscp", &NicConfig::ack_dscp)
      .def_rw("ack_priority", &NicConfig::ack_priority)
      .def_rw("retimes", &NicConfig::retimes)
      .def_rw("completes_on_ack", &NicConfig::completes_on_ack)
      .def_rw("acks_carry_cnp", &NicConfig::acks_carry_cnp)
      .def_rw("pause_delay_ps", &NicConfig::pause_delay)
      .def_rw("clock_ps", &NicConfig::clock)
      .def("set_rate_control", &set_rate_control, "name"_a, "parameters"_a)
      .def("set_loss_recovery", &set_loss_recovery, "name"_a);
  m.attr("RATE_CONTROLS") = name_tuple(RateControls::names);
  m.attr("LOSS_RECOVERIES") = name_tuple(LossRecoveries::names);
}
