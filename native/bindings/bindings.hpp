#pragma once
// What the binding files of the engine share: columns in, columns out.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>

#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "raddle/simulation.hpp"

namespace nb = nanobind;
using namespace nb::literals;

template <typename T>
using Column = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using Table = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

template <typename T>
std::vector<T> values(const Column<T>& column) {
  return {column.data(), column.data() + column.size()};
}

// Hands a vector to numpy, which then owns it.
template <typename T>
nb::ndarray<nb::numpy, T, nb::ndim<1>> array(std::vector<T> data) {
  auto* owned = new std::vector<T>(std::move(data));
  nb::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  const std::size_t size = owned->size();
  return nb::ndarray<nb::numpy, T, nb::ndim<1>>(owned->data(), {size}, owner);
}

template <typename T, typename Record, typename Get>
nb::ndarray<nb::numpy, T, nb::ndim<1>> gather(const std::vector<Record>& records, Get get) {
  std::vector<T> column;
  column.reserve(records.size());
  for (const Record& record : records) column.push_back(static_cast<T>(get(record)));
  return array(std::move(column));
}

inline void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

void bind_acl(nb::class_<raddle::Simulation>& simulation);
void bind_ars(nb::module_& m);
void bind_fluid(nb::module_& m);
void bind_nic(nb::module_& m);
void bind_scale_up(nb::module_& m);
void bind_switch(nb::class_<raddle::Simulation>& simulation);
void bind_switch_rows(nb::module_& m);
