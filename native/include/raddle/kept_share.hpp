#pragma once
// What congestion control lets through of a fair share of a link: less than all where it slows senders down and lets
// them rise again slowly. It is measured (raddle/lab/run/held_back.py), by how many share the link and by how
// long a message takes alone.

#include <vector>

namespace raddle {

class KeptShare {
 public:
  // Who has no less than this part of what the path gives alone is alone: acknowledgements take a few percent.
  static constexpr double alone = 1.05;

  KeptShare() = default;
  // `share` has a row for each of `crowds`, with a value for each of `spans` (ps); both ascend. Throws
  // std::invalid_argument.
  KeptShare(std::vector<double> crowds, std::vector<double> spans, std::vector<double> share);

  // Of a message that would take `span` on its path alone, where it has 1 / `crowd` of the rate: logarithms are
  // interpolated, and the ends go on, but for longer messages: they lose no more time than the longest that was
  // measured, as rates have settled by then. 1 where `crowd` is up to `alone`.
  double of(double crowd, double span) const;
  // The same behind messages of its queue pair that would take `before` alone: so much that both take what one message
  // of both would. SOURCE: Zhu et al., SIGCOMM 2015, 3.1: the reaction point's rate is the queue pair's, not a message's.
  double of(double crowd, double before, double span) const;

 private:
  std::vector<double> crowds_, spans_, share_;
};

}  // namespace raddle
