import type { SolverPlugin } from "../plugin.ts";
/** Returns `exported` as a solver, or throws a Problem that says what is wrong with it; `file` names it. */
export declare function checkSolverPlugin(exported: unknown, file: string): SolverPlugin;
