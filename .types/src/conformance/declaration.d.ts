import type { ConformanceCase } from "../conformance.ts";
import type { OptionDeclarations } from "../plugin.ts";
/** The declaration's promises. */
export declare function declarationCases(plugin: {
  readonly options: OptionDeclarations;
}): readonly ConformanceCase[];
