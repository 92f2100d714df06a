import type { BrokenOptions, ConformanceCase } from "../conformance.ts";
import { type ChallengeType, type OptionDeclarations } from "../plugin.ts";
import { type Subject } from "./subject.ts";
/** A failure is quick, told as a Problem, and tells no secret. */
export declare function failureCases<T extends ChallengeType, D extends OptionDeclarations>(
  subject: Subject<T, D>,
  broken: readonly BrokenOptions<D>[],
): readonly ConformanceCase[];
