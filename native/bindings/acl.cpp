// Access lists: see AclConfig.

#include "bindings.hpp"

namespace {

using raddle::Simulation;

constexpr std::size_t entry_columns = 8;

raddle::AclStage stage(const Column<std::uint32_t>& port_class, const Column<std::uint32_t>& offsets,
                       const Table<std::uint32_t>& entries) {
  require(entries.shape(1) == entry_columns, "entries must have 8 columns");
  raddle::AclStage made{.port_classes = 0, .port_class = values(port_class), .offsets = values(offsets), .entries = {}};
  for (const std::uint32_t each : made.port_class) made.port_classes = std::max(made.port_classes, each + 1);
  for (std::size_t i = 0; i < entries.shape(0); ++i) {
    const auto small = [&](std::size_t column) { return static_cast<std::uint8_t>(entries(i, column)); };
    made.entries.push_back({entries(i, 0), small(1), small(2), small(3), small(4), small(5), small(6) != 0,
                            small(7) != 0});
  }
  return made;
}

void set_acl(Simulation& simulation, std::uint32_t index, std::uint32_t rules,
             const Column<std::uint32_t>& header_class, const Column<std::uint32_t>& ingress_port_class,
             const Column<std::uint32_t>& ingress_offsets, const Table<std::uint32_t>& ingress_entries,
             const Column<std::uint32_t>& egress_port_class, const Column<std::uint32_t>& egress_offsets,
             const Table<std::uint32_t>& egress_entries) {
  simulation.set_acl(index, {rules, values(header_class), stage(ingress_port_class, ingress_offsets, ingress_entries),
                             stage(egress_port_class, egress_offsets, egress_entries)});
}

}  // namespace

void bind_acl(nb::class_<Simulation>& simulation) {
  const auto column = [](const char* name) { return nb::arg(name).noconvert(); };
  simulation
      .def("set_acl", &set_acl, nb::kw_only(), "index"_a, "rules"_a, column("header_class"),
           column("ingress_port_class"), column("ingress_offsets"), column("ingress_entries"),
           column("egress_port_class"), column("egress_offsets"), column("egress_entries"))
      .def("acl_counts", [](const Simulation& s, std::uint32_t index) {
        using raddle::AclCount;
        const auto& counts = s.acl_counts(index);
        return nb::make_tuple(gather<std::uint64_t>(counts, [](const AclCount& c) { return c.packets; }),
                              gather<std::uint64_t>(counts, [](const AclCount& c) { return c.bytes; }));
      }, "index"_a);
}
