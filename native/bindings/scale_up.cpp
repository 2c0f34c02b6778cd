// Scale-up links and paths as columns; see raddle/scale_up.hpp.

#include "bindings.hpp"

namespace {

using raddle::ScaleUpConfig;

ScaleUpConfig* make_config(const Column<std::int64_t>& link_bps, const Column<std::int64_t>& link_latency_ps,
                           std::int64_t quantum_bytes, const Column<std::uint32_t>& path_offsets,
                           const Column<std::uint32_t>& path_links, const Column<std::int64_t>& tx_bytes,
                           const Column<std::int64_t>& rx_bytes) {
  return new ScaleUpConfig{values(link_bps),   values(link_latency_ps), quantum_bytes, values(path_offsets),
                           values(path_links), values(tx_bytes),        values(rx_bytes)};
}

}  // namespace

void bind_scale_up(nb::module_& m) {
  const auto column = [](const char* name) { return nb::arg(name).noconvert(); };
  nb::class_<ScaleUpConfig>(m, "ScaleUpConfig")
      .def(nb::new_(&make_config), nb::kw_only(), column("link_bps"), column("link_latency_ps"), "quantum_bytes"_a,
           column("path_offsets"), column("path_links"), column("tx_bytes"), column("rx_bytes"));
}
