import type { ConformanceCase, ForeignValue } from "../conformance.ts";
import type { ChallengeType, OptionDeclarations } from "../plugin.ts";
import { type Subject } from "./subject.ts";
/** A foreign value, and what belongs to it, outlives everything that the solver does. */
export declare function foreignCases<T extends ChallengeType, D extends OptionDeclarations>(
  subject: Subject<T, D>,
  foreign: ForeignValue<T>,
): readonly ConformanceCase[];
