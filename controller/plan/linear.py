"""Linear programs, some of them in whole numbers, as columns of their nonzero coefficients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Minimise `cost` times x, where x >= 0 and lower <= A x <= upper.

    `row`, `column` and `value` are the nonzero coefficients of A. The `whole` columns are whole numbers; the
    search for them ends after `nodes` of its tree.
    """

    cost: Numbers
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    value: Numbers
    lower: Numbers
    upper: Numbers
    whole: NDArray[np.int64] | None = None
    nodes: int = 0


def minimise(program: Program) -> Numbers | None:
    """The x of least cost by HiGHS, None where it finds none, or none of whole numbers in so many nodes."""
    import highspy  # here, as few commands need it

    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(program.cost), len(program.lower)
    lp.col_cost_ = program.cost
    lp.col_lower_ = np.zeros(lp.num_col_)
    lp.col_upper_ = np.full(lp.num_col_, highspy.kHighsInf)
    lp.row_lower_, lp.row_upper_ = program.lower, program.upper
    order = np.lexsort((program.row, program.column))
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.searchsorted(program.column[order], np.arange(lp.num_col_ + 1)).astype(np.int32)
    lp.a_matrix_.index_ = program.row[order].astype(np.int32)
    lp.a_matrix_.value_ = program.value[order]
    if program.whole is not None:
        kinds = [highspy.HighsVarType.kContinuous] * lp.num_col_
        for column in program.whole.tolist():
            kinds[column] = highspy.HighsVarType.kInteger
        lp.integrality_ = kinds  # a copy of it is read, so that it is set as a whole
    solver = highspy._core._Highs()  # highspy.Highs() prints a banner before it can be told not to
    solver.setOptionValue("output_flag", False)
    if program.whole is not None:
        solver.setOptionValue("parallel", "off")  # the order of nodes decides which of equal bests is found
        solver.setOptionValue("mip_max_nodes", program.nodes)
        solver.setOptionValue("mip_rel_gap", 0.0)
    # No number of threads: HiGHS refuses another one than that of an earlier solver of this process.
    solver.passModel(lp)
    solver.run()
    ends = [highspy.HighsModelStatus.kOptimal]
    if program.whole is not None:
        ends.append(highspy.HighsModelStatus.kSolutionLimit)
    if solver.getModelStatus() not in ends or solver.getInfo().primal_solution_status != 2:
        return None
    return np.array(solver.getSolution().col_value)
