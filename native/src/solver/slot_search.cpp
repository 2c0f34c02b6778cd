#include "raddle/slot_search.hpp"

#include <algorithm>
#include <limits>

namespace raddle {

namespace {

using Key = std::uint32_t;
constexpr std::uint32_t nowhere = 0xFFFF'FFFF;

// SOURCE: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
class Random {
 public:
  std::uint64_t below(std::uint64_t count) {
    state_ += 0x9E37'79B9'7F4A'7C15;
    std::uint64_t word = (state_ ^ (state_ >> 30)) * 0xBF58'476D'1CE4'E5B9;
    word = (word ^ (word >> 27)) * 0x94D0'49BB'1331'11EB;
    return (word ^ (word >> 31)) % count;
  }

 private:
  std::uint64_t state_ = 1;
};

class Search {
 public:
  Search(const SlotProblem& problem, std::vector<std::uint32_t> start, const std::vector<std::int64_t>& targets)
      : problem_(problem), slot_(std::move(start)), targets_(targets) {
    const std::size_t rows = problem.row_group.size();
    load_.assign(rows * problem.slots, 0);
    place_.assign(load_.size(), nowhere);
    forbidden_.assign(slot_.size() * problem.slots, 0);
    for (Key key = 0; key < slot_.size(); ++key) {
      for (std::size_t use = problem.use_offsets[key]; use < problem.use_offsets[key + 1]; ++use) {
        load_[cell(problem.use_row[use], slot_[key])] += problem.use_load[use];
      }
    }
    index_rows();
    for (std::uint32_t row = 0; row < rows; ++row) {
      for (std::uint32_t slot = 0; slot < problem.slots; ++slot) {
        total_ += excess(row, slot, load_[cell(row, slot)]);
        note(row, slot);
      }
    }
  }

  std::vector<std::uint32_t> run(std::uint64_t moves) {
    std::vector<std::uint32_t> best = slot_;
    std::int64_t least = total_;
    for (now_ = 1; now_ <= moves && !above_.empty(); ++now_) {
      step(least);
      if (total_ < least) {
        least = total_;
        best = slot_;
      }
    }
    return best;
  }

 private:
  std::size_t cell(std::uint32_t row, std::uint32_t slot) const { return std::size_t{row} * problem_.slots + slot; }

  // How far a load is above the target.
  std::int64_t excess(std::uint32_t row, std::uint32_t slot, std::int64_t load) const {
    const std::size_t link = std::size_t{problem_.row_capacity[row]} * problem_.slots + slot;
    return std::max<std::int64_t>(load * problem_.unit[link] - targets_[problem_.row_group[row]], 0);
  }

  void index_rows() {
    row_offsets_.assign(problem_.row_group.size() + 1, 0);
    for (const std::uint32_t row : problem_.use_row) ++row_offsets_[row + 1];
    for (std::size_t row = 1; row < row_offsets_.size(); ++row) row_offsets_[row] += row_offsets_[row - 1];
    row_keys_.resize(problem_.use_row.size());
    std::vector<std::uint32_t> at(row_offsets_);
    for (Key key = 0; key < slot_.size(); ++key) {
      for (std::size_t use = problem_.use_offsets[key]; use < problem_.use_offsets[key + 1]; ++use) {
        row_keys_[at[problem_.use_row[use]]++] = key;
      }
    }
  }

  // Keeps the list of links above their target.
  void note(std::uint32_t row, std::uint32_t slot) {
    const std::size_t here = cell(row, slot);
    const bool is_above = excess(row, slot, load_[here]) > 0;
    if (is_above == (place_[here] != nowhere)) return;
    if (is_above) {
      place_[here] = static_cast<std::uint32_t>(above_.size());
      above_.push_back(here);
    } else {
      above_[place_[here]] = above_.back();
      place_[above_.back()] = place_[here];
      place_[here] = nowhere;
      above_.pop_back();
    }
  }

  // Change of all excess if `key` adds `sign` times its loads in `slot`.
  std::int64_t change(Key key, std::uint32_t slot, int sign) const {
    std::int64_t sum = 0;
    for (std::size_t use = problem_.use_offsets[key]; use < problem_.use_offsets[key + 1]; ++use) {
      const std::uint32_t row = problem_.use_row[use];
      const std::int64_t load = load_[cell(row, slot)], added = problem_.use_load[use];
      sum += excess(row, slot, load + sign * added) - excess(row, slot, load);
    }
    return sum;
  }

  void add(Key key, std::uint32_t slot, int sign) {
    for (std::size_t use = problem_.use_offsets[key]; use < problem_.use_offsets[key + 1]; ++use) {
      const std::uint32_t row = problem_.use_row[use];
      load_[cell(row, slot)] += sign * static_cast<std::int64_t>(problem_.use_load[use]);
      note(row, slot);
    }
  }

  // Moves one key off a random link above its target, to where that costs least.
  void step(std::int64_t least) {
    const std::size_t from = above_[random_.below(above_.size())];
    const auto row = static_cast<std::uint32_t>(from / problem_.slots);
    const auto slot = static_cast<std::uint32_t>(from % problem_.slots);
    Key chosen = nowhere;
    std::uint32_t target = 0;
    std::int64_t lowest = std::numeric_limits<std::int64_t>::max();
    std::uint64_t ties = 0;
    for (std::size_t i = row_offsets_[row]; i < row_offsets_[row + 1]; ++i) {
      const Key key = row_keys_[i];
      if (slot_[key] != slot) continue;
      const std::int64_t gain = change(key, slot, -1);
      for (std::uint32_t other = 0; other < problem_.slots; ++other) {
        const std::size_t choice = std::size_t{key} * problem_.slots + other;
        if (other == slot || problem_.is_open[choice] == 0) continue;
        const std::int64_t delta = gain + change(key, other, 1);
        if (delta > lowest) continue;
        const bool is_tabu = forbidden_[choice] >= now_;
        if (is_tabu && total_ + delta >= least) continue;
        ties = delta < lowest ? 1 : ties + 1;
        if (ties > 1 && random_.below(ties) != 0) continue;
        lowest = delta;
        chosen = key;
        target = other;
      }
    }
    if (chosen == nowhere) return;
    add(chosen, slot, -1);
    add(chosen, target, 1);
    total_ += lowest;
    slot_[chosen] = target;
    forbidden_[std::size_t{chosen} * problem_.slots + slot] =
        static_cast<std::uint32_t>(now_ + above_.size() + 3 + random_.below(8));
  }

  const SlotProblem& problem_;
  std::vector<std::uint32_t> slot_;
  const std::vector<std::int64_t>& targets_;
  std::vector<std::int64_t> load_;              // by row and slot
  std::vector<std::size_t> above_;              // links above their target
  std::vector<std::uint32_t> place_;            // of each link in `above_`
  std::vector<std::uint32_t> row_offsets_;
  std::vector<Key> row_keys_;                   // keys that use each row
  std::vector<std::uint32_t> forbidden_;        // by key and slot: the last move at which it may not go there
  std::int64_t total_ = 0;
  std::uint64_t now_ = 0;
  Random random_;
};

}  // namespace

std::vector<std::uint32_t> search_slots(const SlotProblem& problem, std::vector<std::uint32_t> start,
                                        const std::vector<std::int64_t>& targets, std::uint64_t moves) {
  return Search(problem, std::move(start), targets).run(moves);
}

}  // namespace raddle
