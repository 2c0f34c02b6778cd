// A switch's state, of frozen rows and named columns.

#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>

#include "bindings.hpp"

namespace {

using Row = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <std::size_t size>
void copy(const Row& from, std::uint8_t (&to)[size], const char* what) {
  require(from.size() == size, what);
  std::copy_n(from.data(), size, to);
}

raddle::QosMap* make_qos_map(const Row& dscp_to_tc, const Row& tc_to_queue, const Row& tc_to_pg,
                             const Row& pfc_to_queue) {
  raddle::QosMap map{};
  copy(dscp_to_tc, map.dscp_to_tc, "dscp_to_tc must have 64 entries");
  copy(tc_to_queue, map.tc_to_queue, "tc_to_queue must have 8 entries");
  copy(tc_to_pg, map.tc_to_pg, "tc_to_pg must have 8 entries");
  copy(pfc_to_queue, map.pfc_to_queue, "pfc_to_queue must have 8 entries");
  return new raddle::QosMap(map);
}

void set_switch(raddle::Simulation& simulation, std::uint32_t index, std::uint32_t hash_seed,
                const Column<std::uint32_t>& fib, const Column<std::uint32_t>& group_offsets,
                const Column<std::uint32_t>& group_ports, const Column<std::uint8_t>& port_up,
                const Column<std::uint8_t>& pfc_enable, const Column<std::uint32_t>& port_qos,
                const Table<std::uint32_t>& pg_profile, const Table<std::uint32_t>& queue_profile,
                const Table<std::uint32_t>& queue_wred, const Table<std::uint32_t>& queue_weight,
                const std::vector<raddle::QosMap>& qos, const std::vector<raddle::PoolConfig>& pools,
                const std::vector<raddle::ProfileConfig>& profiles, const std::vector<raddle::WredConfig>& wred,
                const std::vector<raddle::WatchdogConfig>& watchdogs, std::uint32_t hash_offset,
                std::uint32_t hash_class, const std::optional<Column<std::uint32_t>>& port_mtu,
                bool pauses_at_threshold, bool marks_at_dequeue, bool releases_at_end,
                const std::optional<Column<std::uint32_t>>& policies, const raddle::ArsConfig* ars) {
  raddle::SwitchConfig config;
  config.hash_seed = hash_seed;
  config.hash_offset = hash_offset;
  config.hash_class = hash_class;
  config.pauses_at_threshold = pauses_at_threshold;
  config.marks_at_dequeue = marks_at_dequeue;
  config.releases_at_end = releases_at_end;
  config.fib = values(fib);
  config.group_offsets = values(group_offsets);
  config.group_ports = values(group_ports);
  if (policies) config.policies = values(*policies);
  if (ars != nullptr) config.ars = *ars;
  const std::size_t ports = port_up.size();
  require(pfc_enable.size() == ports && port_qos.size() == ports, "port columns must have one length");
  for (const auto* table : {&pg_profile, &queue_profile, &queue_wred, &queue_weight}) {
    require(table->shape(0) == ports && table->shape(1) == raddle::priorities,
            "tables by port and priority must have a row per port and 8 columns");
  }
  require(watchdogs.empty() || watchdogs.size() == ports, "watchdogs must have a row per port, or none");
  require(!port_mtu || port_mtu->size() == ports, "port_mtu must have an entry per port");
  for (std::size_t i = 0; i < ports; ++i) {
    raddle::SwitchPortConfig port{.is_up = port_up(i) != 0, .pfc_enable = pfc_enable(i), .qos = port_qos(i),
                                  .pg_profile = {}, .queue_profile = {}, .queue_wred = {}, .queue_weight = {}};
    for (std::size_t q = 0; q < raddle::priorities; ++q) {
      port.pg_profile[q] = pg_profile(i, q);
      port.queue_profile[q] = queue_profile(i, q);
      port.queue_wred[q] = queue_wred(i, q);
      port.queue_weight[q] = queue_weight(i, q);
    }
    if (!watchdogs.empty()) port.watchdog = watchdogs[i];
    if (port_mtu) port.mtu = (*port_mtu)(i);
    config.ports.push_back(port);
  }
  config.qos = qos;
  config.pools = pools;
  config.profiles = profiles;
  config.wred = wred;
  simulation.set_switch(index, config);
}

}  // namespace

// Rows are made whole and can be read; what they hold is in raddle/config.hpp.
void bind_switch_rows(nb::module_& m) {
  using namespace raddle;
  const auto column = [](const char* name) { return nb::arg(name).noconvert(); };
  nb::class_<QosMap>(m, "QosMap")
      .def(nb::new_(&make_qos_map), nb::kw_only(), column("dscp_to_tc"), column("tc_to_queue"), column("tc_to_pg"),
           column("pfc_to_queue"))
      .def_prop_ro("dscp_to_tc", [](const QosMap& map) { return std::to_array(map.dscp_to_tc); })
      .def_prop_ro("tc_to_queue", [](const QosMap& map) { return std::to_array(map.tc_to_queue); })
      .def_prop_ro("tc_to_pg", [](const QosMap& map) { return std::to_array(map.tc_to_pg); })
      .def_prop_ro("pfc_to_queue", [](const QosMap& map) { return std::to_array(map.pfc_to_queue); });
  nb::class_<PoolConfig>(m, "BufferPool")
      .def("__init__", [](PoolConfig* at, std::int64_t size, std::int64_t headroom) { new (at) PoolConfig{size, headroom}; },
           nb::kw_only(), "size_bytes"_a, "headroom_bytes"_a)
      .def_ro("size_bytes", &PoolConfig::size)
      .def_ro("headroom_bytes", &PoolConfig::headroom);
  nb::class_<ProfileConfig>(m, "BufferProfile")
      .def("__init__", [](ProfileConfig* at, std::uint32_t pool, std::int64_t reserved, bool is_dynamic, int dynamic_th,
                          std::int64_t static_th, std::int64_t xon, std::int64_t xon_offset, std::int64_t headroom) {
             new (at) ProfileConfig{pool, reserved, is_dynamic, dynamic_th, static_th, xon, xon_offset, headroom};
           }, nb::kw_only(), "pool"_a, "reserved_bytes"_a, "is_dynamic"_a, "dynamic_th"_a, "static_th_bytes"_a,
           "xon_bytes"_a, "xon_offset_bytes"_a, "headroom_bytes"_a)
      .def_ro("pool", &ProfileConfig::pool)
      .def_ro("reserved_bytes", &ProfileConfig::reserved)
      .def_ro("is_dynamic", &ProfileConfig::is_dynamic)
      .def_ro("dynamic_th", &ProfileConfig::dynamic_th)
      .def_ro("static_th_bytes", &ProfileConfig::static_th)
      .def_ro("xon_bytes", &ProfileConfig::xon)
      .def_ro("xon_offset_bytes", &ProfileConfig::xon_offset)
      .def_ro("headroom_bytes", &ProfileConfig::headroom);
  nb::class_<WredConfig>(m, "WredProfile")
      .def("__init__", [](WredConfig* at, std::int64_t min_bytes, std::int64_t max_bytes, double probability, bool marks,
                          bool drops) { new (at) WredConfig{min_bytes, max_bytes, probability, marks, drops}; },
           nb::kw_only(), "min_bytes"_a, "max_bytes"_a, "probability"_a, "marks"_a, "drops"_a)
      .def_ro("min_bytes", &WredConfig::min_bytes)
      .def_ro("max_bytes", &WredConfig::max_bytes)
      .def_ro("probability", &WredConfig::probability)
      .def_ro("marks", &WredConfig::marks)
      .def_ro("drops", &WredConfig::drops);
  nb::enum_<WatchdogAction>(m, "WatchdogAction")
      .value("drop", WatchdogAction::drop)
      .value("forward", WatchdogAction::forward)
      .value("alert", WatchdogAction::alert);
  nb::class_<WatchdogConfig>(m, "Watchdog")
      .def("__init__", [](WatchdogConfig* at, std::uint8_t queues, Time detect, Time restore, Time poll,
                          WatchdogAction action) { new (at) WatchdogConfig{queues, detect, restore, poll, action}; },
           nb::kw_only(), "queues"_a, "detect_ps"_a, "restore_ps"_a, "poll_ps"_a, "action"_a)
      .def_ro("queues", &WatchdogConfig::queues)
      .def_ro("detect_ps", &WatchdogConfig::detect)
      .def_ro("restore_ps", &WatchdogConfig::restore)
      .def_ro("poll_ps", &WatchdogConfig::poll)
      .def_ro("action", &WatchdogConfig::action);
}

void bind_switch(nb::class_<raddle::Simulation>& simulation) {
  const auto column = [](const char* name) { return nb::arg(name).noconvert(); };
  simulation.def(
      "set_switch", &set_switch, nb::kw_only(), "index"_a, "hash_seed"_a, column("fib"), column("group_offsets"),
      column("group_ports"), column("port_up"), column("pfc_enable"), column("port_qos"), column("pg_profile"),
      column("queue_profile"), column("queue_wred"), column("queue_weight"), "qos"_a, "pools"_a, "profiles"_a, "wred"_a,
      "watchdogs"_a = std::vector<raddle::WatchdogConfig>{}, "hash_offset"_a = 0, "hash_class"_a = 0,
      nb::arg("port_mtu").noconvert() = nb::none(), "pauses_at_threshold"_a = false, "marks_at_dequeue"_a = false,
      "releases_at_end"_a = false, nb::arg("policies").noconvert() = nb::none(), nb::arg("ars").none() = nb::none());
}
