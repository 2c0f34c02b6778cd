// Adaptive routing as columns; see raddle/ars.hpp.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>
#include <vector>

#include "raddle/ars.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <typename T>
using Column = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Table = nb::ndarray<const std::int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

raddle::ArsConfig* make_config(std::int64_t sampling_interval_ps, const Table& loads, const Table& objects,
                               const Column<std::uint32_t>& group_object, const Column<std::uint8_t>& is_alternative,
                               const Column<std::int64_t>& nominal_bps) {
  if (loads.shape(0) != 3 || loads.shape(1) != 3) throw std::invalid_argument("loads must be 3 x 3");
  if (objects.shape(1) != 5) throw std::invalid_argument("objects must have 5 columns");
  const auto load = [&](std::size_t i) { return raddle::ArsLoad{loads(i, 0), loads(i, 1), loads(i, 2)}; };
  raddle::ArsConfig config{.sampling_interval = sampling_interval_ps,
                           .past = load(0),
                           .future = load(1),
                           .current = load(2),
                           .objects = {},
                           .group_object = {group_object.data(), group_object.data() + group_object.size()},
                           .is_alternative = {is_alternative.data(), is_alternative.data() + is_alternative.size()},
                           .nominal_speed = {nominal_bps.data(), nominal_bps.data() + nominal_bps.size()}};
  for (std::size_t i = 0; i < objects.shape(0); ++i) {
    config.objects.push_back({objects(i, 0) != 0, objects(i, 1), static_cast<std::uint32_t>(objects(i, 2)),
                              objects(i, 3), objects(i, 4)});
  }
  for (const std::uint32_t object : config.group_object) {
    if (object != raddle::none && object >= config.objects.size()) {
      throw std::invalid_argument("group_object out of range");
    }
  }
  for (const std::int64_t bps : config.nominal_speed) {
    if (bps <= 0) throw std::invalid_argument("nominal_bps must be positive");
  }
  return new raddle::ArsConfig(config);
}

}  // namespace

void bind_ars(nb::module_& m) {
  const auto column = [](const char* name) { return nb::arg(name).noconvert(); };
  nb::class_<raddle::ArsConfig>(m, "ArsConfig")
      .def(nb::new_(&make_config), nb::kw_only(), "sampling_interval_ps"_a, column("loads"), column("objects"),
           column("group_object"), column("is_alternative"), column("nominal_bps"));
}
