// The Python face of the planner's hot loops: columns in, columns out. Used by controller.plan.colouring and
// nothing else.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>
#include <utility>
#include <vector>

#include "raddle/colouring.hpp"
#include "raddle/slot_search.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <typename T>
using Column = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Numbers = Column<std::uint32_t>;
using Result = nb::ndarray<nb::numpy, std::uint32_t, nb::ndim<1>>;

template <typename T>
std::vector<T> values(const Column<T>& column) {
  return {column.data(), column.data() + column.size()};
}

Result array(std::vector<std::uint32_t> data) {
  auto* owned = new std::vector<std::uint32_t>(std::move(data));
  nb::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<std::uint32_t>*>(p); });
  return Result(owned->data(), {owned->size()}, owner);
}

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

void check(const raddle::ColouringSide& side) {
  const std::size_t nodes = side.parent.size();
  for (const std::uint32_t node : side.node) require(node < nodes, "an edge ends at no node");
  for (std::size_t node = 0; node < nodes; ++node) {
    const std::uint32_t parent = side.parent[node];
    require(parent == raddle::no_parent || (parent > node && parent < nodes), "a parent comes before its child");
  }
}

Result balanced_colours(const Numbers& left, const Numbers& right, const Numbers& left_parent,
                        const Numbers& right_parent, std::uint32_t colours) {
  const raddle::ColouringSide sides[2] = {{values(left), values(left_parent)}, {values(right), values(right_parent)}};
  require(left.size() == right.size(), "an edge has two ends");
  require(colours > 0 || left.size() == 0, "edges need a colour");
  check(sides[0]);
  check(sides[1]);
  std::vector<std::uint32_t> found;
  {
    const nb::gil_scoped_release released;
    found = raddle::balanced_colours(sides[0], sides[1], colours);
  }
  return array(std::move(found));
}

void check(const raddle::SlotProblem& problem, const std::vector<std::uint32_t>& start, std::size_t groups) {
  const std::size_t keys = start.size(), rows = problem.row_group.size();
  require(problem.slots > 0 && problem.unit.size() % problem.slots == 0, "units come by row and slot");
  require(problem.use_offsets.size() == keys + 1 && problem.is_open.size() == keys * problem.slots,
          "key columns have one length");
  require(problem.use_row.size() == problem.use_load.size(), "use columns have one length");
  require(problem.use_offsets.front() == 0 && problem.use_offsets.back() == problem.use_row.size(),
          "the offsets do not fit the uses");
  for (std::size_t key = 0; key < keys; ++key) {
    require(problem.use_offsets[key] <= problem.use_offsets[key + 1], "the offsets go back");
    require(start[key] < problem.slots, "a key starts in no slot");
  }
  require(problem.row_capacity.size() == rows, "row columns have one length");
  for (const std::uint32_t row : problem.use_row) require(row < rows, "a use is of no row");
  for (std::size_t row = 0; row < rows; ++row) {
    require(problem.row_group[row] < groups, "a row is of no group");
    require(problem.row_capacity[row] < problem.unit.size() / problem.slots, "a row has no capacities");
  }
}

Result search_slots(std::uint32_t slots, const Numbers& use_offsets, const Numbers& use_row, const Numbers& use_load,
                    const Numbers& row_group, const Numbers& row_capacity, const Numbers& unit,
                    const Column<std::uint8_t>& is_open, const Numbers& start, const Column<std::int64_t>& targets,
                    std::uint64_t moves) {
  const raddle::SlotProblem problem{
      .slots = slots,
      .use_offsets = values(use_offsets),
      .use_row = values(use_row),
      .use_load = values(use_load),
      .row_group = values(row_group),
      .row_capacity = values(row_capacity),
      .unit = values(unit),
      .is_open = values(is_open),
  };
  std::vector<std::uint32_t> found = values(start);
  const std::vector<std::int64_t> limits = values(targets);
  check(problem, found, limits.size());
  {
    const nb::gil_scoped_release released;
    found = raddle::search_slots(problem, std::move(found), limits, moves);
  }
  return array(std::move(found));
}

// Without conversion: nanobind would turn float64 into integers silently.
auto column(const char* name) { return nb::arg(name).noconvert(); }

}  // namespace

NB_MODULE(_solver, module) {
  module.doc() = "The planner's hot loops; see native/include/raddle. Private: used by controller.plan.";
  module.def("balanced_colours", &balanced_colours, nb::kw_only(), column("left"), column("right"),
             column("left_parent"), column("right_parent"), "colours"_a);
  module.def("search_slots", &search_slots, nb::kw_only(), "slots"_a, column("use_offsets"), column("use_row"),
             column("use_load"), column("row_group"), column("row_capacity"), column("unit"), column("is_open"),
             column("start"), column("targets"), "moves"_a);
}
