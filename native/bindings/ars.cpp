// Adaptive routing as columns; see raddle/ars.hpp.

#include <nanobind/stl/vector.h>

#include "bindings.hpp"

namespace {

raddle::ArsConfig* make_config(std::int64_t sampling_interval_ps, const raddle::ArsLoad& past,
                               const raddle::ArsLoad& future, const raddle::ArsLoad& current,
                               const std::vector<raddle::ArsObject>& objects,
                               const Column<std::uint32_t>& group_object, const Column<std::uint8_t>& is_alternative,
                               const Column<std::int64_t>& nominal_bps) {
  raddle::ArsConfig config{.sampling_interval = sampling_interval_ps,
                           .past = past,
                           .future = future,
                           .current = current,
                           .objects = objects,
                           .group_object = values(group_object),
                           .is_alternative = values(is_alternative),
                           .nominal_speed = values(nominal_bps)};
  for (const std::uint32_t object : config.group_object) {
    require(object == raddle::none || object < config.objects.size(), "group_object out of range");
  }
  for (const std::int64_t bps : config.nominal_speed) require(bps > 0, "nominal_bps must be positive");
  return new raddle::ArsConfig(config);
}

}  // namespace

void bind_ars(nb::module_& m) {
  const auto column = [](const char* name) { return nb::arg(name).noconvert(); };
  using raddle::ArsLoad;
  using raddle::ArsObject;
  nb::class_<ArsLoad>(m, "ArsLoad")
      .def("__init__", [](ArsLoad* at, std::int64_t min, std::int64_t max, std::int64_t weight) {
             new (at) ArsLoad{min, max, weight};
           }, nb::kw_only(), "min"_a, "max"_a, "weight"_a);
  nb::class_<ArsObject>(m, "ArsObject")
      .def("__init__", [](ArsObject* at, bool is_per_packet, raddle::Time idle, std::uint32_t max_flows,
                          std::int64_t primary_path_threshold, std::int64_t alternative_path_cost) {
             new (at) ArsObject{is_per_packet, idle, max_flows, primary_path_threshold, alternative_path_cost};
           }, nb::kw_only(), "is_per_packet"_a, "idle_ps"_a, "max_flows"_a, "primary_path_threshold"_a,
           "alternative_path_cost"_a);
  nb::class_<raddle::ArsConfig>(m, "ArsConfig")
      .def(nb::new_(&make_config), nb::kw_only(), "sampling_interval_ps"_a, "past"_a, "future"_a, "current"_a,
           "objects"_a, column("group_object"), column("is_alternative"), column("nominal_bps"));
}
