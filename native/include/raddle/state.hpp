#pragma once
// The records that events touch. Hot fields first; what is only read at the end is in columns elsewhere.

#include "raddle/port_state.hpp"
#include "raddle/qp_state.hpp"
#include "raddle/switch_state.hpp"
