import type { ConformanceCase } from "../conformance.ts";
import type { ChallengeType, OptionDeclarations } from "../plugin.ts";
import { type Subject } from "./subject.ts";
/** The life of a single challenge. */
export declare function lifeCases<T extends ChallengeType, D extends OptionDeclarations>(
  subject: Subject<T, D>,
): readonly ConformanceCase[];
