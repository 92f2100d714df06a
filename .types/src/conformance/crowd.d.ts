import type { ConformanceCase } from "../conformance.ts";
import type { ChallengeType, OptionDeclarations } from "../plugin.ts";
import { type Subject } from "./subject.ts";
/** Nobody's value gets lost. */
export declare function crowdCases<T extends ChallengeType, D extends OptionDeclarations>(
  subject: Subject<T, D>,
): readonly ConformanceCase[];
