#pragma once
// Balanced edge colouring of bipartite multigraphs: what the planner pins flows with.

#include <cstdint>
#include <vector>

namespace raddle {

// One side of the graph: a forest whose leaves are the vertices, so that sets of vertices (all leaves of a
// pod) can be balanced too. `node[e]` is the vertex of edge e; `parent[n]` the set that n is in, or
// `no_parent`. All vertices of a side have the same depth.
struct ColouringSide {
  std::vector<std::uint32_t> node;
  std::vector<std::uint32_t> parent;
};

inline constexpr std::uint32_t no_parent = 0xFFFF'FFFF;

// A colour of 0 .. colours - 1 for every edge such that of the d edges at a node each colour has
// floor(d / colours) or ceil(d / colours), at every node of both forests.
//
// An even number of colours is halved: the edges at a node are paired, what is left over is paired in its
// parent, and the two edges of every pair go to different halves (pairs of both sides form paths and even
// cycles). Of an odd number one colour is split off first, by a flow whose arcs are held to
// floor(d / colours) .. ceil(d / colours); d / colours is a fractional flow, so there is an integral one.
// O(edges * log(colours)) where colours is a power of two.
//
// SOURCE: D. König, Math. Annalen 77, 1916; D. de Werra, "Equitable colorations of graphs", RIRO 5, 1971;
// H. Gabow, "Using Euler partitions to edge color bipartite multigraphs", Int. J. Computer and Information
// Sciences 5, 1976; R. Cole, K. Ost, S. Schirra, "Edge-coloring bipartite multigraphs in O(E log D) time",
// Combinatorica 21, 2001.
std::vector<std::uint32_t> balanced_colours(const ColouringSide& left, const ColouringSide& right,
                                            std::uint32_t colours);

}  // namespace raddle
