/** The config file as values: DESIGN §7. */
import type { SolverSelector } from "../certificate.ts";

export interface Config {
  /** Absolute path of the file, whether it exists or not. */
  readonly path: string;
  readonly exists: boolean;
  readonly issuers: Readonly<Record<string, ConfiguredIssuer>>;
  readonly solvers: Readonly<Record<string, ConfiguredSolver>>;
  readonly certificates: Readonly<Record<string, ConfiguredCertificate>>;
}
export interface ConfiguredIssuer {
  readonly server: string;
}
export interface ConfiguredSolver {
  readonly use: string;
  readonly select?: SolverSelector;
  /** The solver's own options, not read yet. */
  readonly options: Readonly<Record<string, unknown>>;
}
export interface ConfiguredCertificate {
  readonly domains: readonly string[];
}
