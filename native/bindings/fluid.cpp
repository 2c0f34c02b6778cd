// The fluid engine, and flows over links that know nothing of a network; see raddle/fluid.hpp and fluid_flows.hpp.

#include <nanobind/stl/function.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "bindings.hpp"
#include "raddle/fluid.hpp"

namespace {

using raddle::Fluid;
using raddle::FluidFlows;

// Crowds, what messages take alone in ps, and the share that is kept, crowd by crowd.
using Shares = std::tuple<std::vector<double>, std::vector<double>, std::vector<double>>;

std::vector<raddle::Taken> path_of(const FluidFlows& flows, const Column<std::uint32_t>& links) {
  std::vector<raddle::Taken> path;
  for (std::size_t i = 0; i < links.size(); ++i) {
    require(links(i) < flows.rates().links(), "link out of range");
    path.push_back({links(i)});
  }
  return path;
}

void require_flow(const FluidFlows& flows, std::uint32_t flow, bool is_started) {
  require(flow < flows.flows() && flows.is_started(flow) == is_started, "no such flow, or not in this state");
}

void bind_flows(nb::module_& m) {
  nb::class_<FluidFlows>(m, "FluidFlows")
      .def("__init__", [](FluidFlows* self, const Column<double>& link_bps, std::size_t flows, double instant_ps,
                          double rounded) {
        require(rounded >= 0 && rounded < 1, "a share of a size is below 1");
        new (self) FluidFlows(values(link_bps), flows, instant_ps, rounded);
      }, nb::kw_only(), nb::arg("link_bps").noconvert(), "flows"_a, "instant_ps"_a = 1e-6, "rounded"_a = 0.0)
      .def_prop_ro("now_ps", &FluidFlows::now)
      .def_prop_ro("next_end_ps", &FluidFlows::next_end)
      .def("go_to", [](FluidFlows& flows, double time_ps) {
        require(time_ps >= flows.now() && time_ps <= flows.next_end(), "time goes on, and not past the next end");
        return array(std::vector<std::uint32_t>(flows.go_to(time_ps)));
      }, "time_ps"_a)
      .def("start", [](FluidFlows& flows, std::uint32_t flow, const Column<std::uint32_t>& links, double size_bytes,
                       double weight, std::uint8_t strict_class) {
        require_flow(flows, flow, false);
        require(size_bytes >= 0 && weight > 0, "size and weight must be positive");
        flows.start(flow, path_of(flows, links), size_bytes * 8, weight, strict_class);
      }, "flow"_a, nb::arg("links").noconvert(), "size_bytes"_a, "weight"_a = 1.0, "strict_class"_a = 0)
      .def("move", [](FluidFlows& flows, std::uint32_t flow, const Column<std::uint32_t>& links) {
        require_flow(flows, flow, true);
        flows.move(flow, path_of(flows, links));
      }, "flow"_a, nb::arg("links").noconvert())
      .def("set_capacity", [](FluidFlows& flows, std::uint32_t link, double bps) {
        require(link < flows.rates().links() && bps >= 0, "link or rate out of range");
        flows.set_capacity(link, bps);
      }, "link"_a, "bps"_a)
      .def("solve", &FluidFlows::solve)
      .def("rates_bps", [](const FluidFlows& flows) {
        std::vector<double> rates(flows.flows());
        for (std::uint32_t i = 0; i < rates.size(); ++i) rates[i] = flows.rate(i);
        return array(std::move(rates));
      })
      .def_prop_ro("solved", [](const FluidFlows& flows) { return flows.rates().solved(); })
      .def_prop_ro("recalled", [](const FluidFlows& flows) { return flows.rates().recalled(); })
      .def_prop_ro("rounded", &FluidFlows::rounded);
}

}  // namespace

void bind_fluid(nb::module_& m) {
  bind_flows(m);
  nb::class_<Fluid>(m, "Fluid")
      .def(nb::init<const raddle::Simulation&>(), "forwarding"_a, nb::keep_alive<1, 2>())
      .def("refresh", &Fluid::refresh)
      .def("set_light", &Fluid::set_light, "port"_a, "is_lit"_a)
      .def("refresh_speed", &Fluid::refresh_speed, "port"_a)
      .def("set_receiver", &Fluid::set_receiver, "port"_a, "bps"_a)
      .def("hold_back", [](Fluid& fluid, std::function<Shares()> ask) {
        fluid.hold_back([ask = std::move(ask)] {
          const nb::gil_scoped_acquire gil;
          const auto [crowds, spans, share] = ask();
          return raddle::KeptShare(crowds, spans, share);
        });
      }, "ask"_a)
      .def("advance", &Fluid::advance, "until_ps"_a, "max_events"_a, nb::call_guard<nb::gil_scoped_release>())
      .def_prop_ro("now_ps", &Fluid::now)
      .def_prop_ro("is_done", &Fluid::is_done)
      .def_prop_ro("has_events", &Fluid::has_events)
      .def("flow_columns", [](const Fluid& f) {
        return nb::make_tuple(array(f.flows().start), array(f.flows().finish), array(f.flows().acked),
                              array(f.flows().status));
      })
      .def("sent_columns", [](Fluid& f) {
        return nb::make_tuple(array(std::vector<std::int64_t>(f.tx_bytes())),
                              array(std::vector<std::uint64_t>(f.tx_frames())));
      })
      .def_prop_ro("delivered_bytes", &Fluid::delivered)
      .def_prop_ro("scale_up_delivered_bytes", &Fluid::scale_up_delivered)
      .def("scale_up_bytes", [](const Fluid& f) { return array(f.scale_up_bytes()); })
      .def_prop_ro("solved", &Fluid::solved)
      .def_prop_ro("recalled", &Fluid::recalled);
}
