#include <nanobind/nanobind.h>
namespace raddle { const char* version(); }
NB_MODULE(_core, m) { m.def("version", &raddle::version); }
