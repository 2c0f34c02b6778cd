#include "raddle/kept_share.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>

namespace raddle {

namespace {

struct Between {
  std::size_t low, high;
  double part;  // of the way from one to the other
};

Between place(const std::vector<double>& values, double value) {
  const auto above = static_cast<std::size_t>(std::lower_bound(values.begin(), values.end(), value) - values.begin());
  if (above == 0) return {0, 0, 0};
  if (above == values.size()) return {above - 1, above - 1, 0};
  return {above - 1, above, std::log(value / values[above - 1]) / std::log(values[above] / values[above - 1])};
}

}  // namespace

KeptShare::KeptShare(std::vector<double> crowds, std::vector<double> spans, std::vector<double> share)
    : crowds_(std::move(crowds)), spans_(std::move(spans)), share_(std::move(share)) {
  const auto ascends = [](const std::vector<double>& values) {
    const auto unordered = std::adjacent_find(values.begin(), values.end(), std::greater_equal<>());
    return (values.empty() || values.front() > 0) && unordered == values.end();
  };
  if (share_.size() != crowds_.size() * spans_.size() || !ascends(crowds_) || !ascends(spans_)) {
    throw std::invalid_argument("crowds and spans must be positive and ascend, with a share for each of both");
  }
  if (std::any_of(share_.begin(), share_.end(), [](double each) { return !(each > 0 && each <= 1); })) {
    throw std::invalid_argument("a share is above 0 and at most 1");
  }
}

double KeptShare::of(double crowd, double span) const {
  if (share_.empty() || crowd <= alone) return 1;
  const Between row = place(crowds_, crowd), column = place(spans_, span);
  const auto at = [&](std::size_t i) {
    const double* shares = &share_[i * spans_.size()];
    return shares[column.low] + column.part * (shares[column.high] - shares[column.low]);
  };
  const double share = at(row.low) + row.part * (at(row.high) - at(row.low));
  return span > spans_.back() ? 1 - (1 - share) * spans_.back() / span : share;
}

double KeptShare::of(double crowd, double before, double span) const {
  if (before <= 0 || span <= 0) return of(crowd, span);
  const double whole = before + span;
  return std::min(span / (whole / of(crowd, whole) - before / of(crowd, before)), 1.0);
}

}  // namespace raddle
