// Adaptive routing as columns; see raddle/ars.hpp.

#include "bindings.hpp"

namespace {

raddle::ArsConfig* make_config(std::int64_t sampling_interval_ps, const Table<std::int64_t>& loads,
                               const Table<std::int64_t>& objects,
                               const Column<std::uint32_t>& group_object, const Column<std::uint8_t>& is_alternative,
                               const Column<std::int64_t>& nominal_bps) {
  require(loads.shape(0) == 3 && loads.shape(1) == 3, "loads must be 3 x 3");
  require(objects.shape(1) == 5, "objects must have 5 columns");
  const auto load = [&](std::size_t i) { return raddle::ArsLoad{loads(i, 0), loads(i, 1), loads(i, 2)}; };
  raddle::ArsConfig config{.sampling_interval = sampling_interval_ps,
                           .past = load(0),
                           .future = load(1),
                           .current = load(2),
                           .objects = {},
                           .group_object = values(group_object),
                           .is_alternative = values(is_alternative),
                           .nominal_speed = values(nominal_bps)};
  for (std::size_t i = 0; i < objects.shape(0); ++i) {
    config.objects.push_back({objects(i, 0) != 0, objects(i, 1), static_cast<std::uint32_t>(objects(i, 2)),
                              objects(i, 3), objects(i, 4)});
  }
  for (const std::uint32_t object : config.group_object) {
    require(object == raddle::none || object < config.objects.size(), "group_object out of range");
  }
  for (const std::int64_t bps : config.nominal_speed) require(bps > 0, "nominal_bps must be positive");
  return new raddle::ArsConfig(config);
}

}  // namespace

void bind_ars(nb::module_& m) {
  const auto column = [](const char* name) { return nb::arg(name).noconvert(); };
  nb::class_<raddle::ArsConfig>(m, "ArsConfig")
      .def(nb::new_(&make_config), nb::kw_only(), "sampling_interval_ps"_a, column("loads"), column("objects"),
           column("group_object"), column("is_alternative"), column("nominal_bps"));
}
