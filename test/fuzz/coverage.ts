/** Which branches of our code an input takes, as V8 counts them. */
import { Session, type Profiler } from "node:inspector/promises";

/** Ours, and the package that reads DNS messages. */
const isOurs = ({ url }: Profiler.ScriptCoverage) =>
  /\/(src|plugins)\/[^?]*\.ts$|\/dns-packet\//.test(url) && !url.includes("/test/");

export interface Coverage {
  /** What ran since this was asked last: one text for each way through a function. */
  ways(): Promise<readonly string[]>;
  /** The same, roughly: one text for each block that ran or did not. Of many inputs at once this soon has nothing new. */
  blocks(): Promise<readonly string[]>;
}

/** Counts from now on. Asking takes milliseconds. */
export async function openCoverage(): Promise<Coverage> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  const functions = async () => {
    const { result } = await session.post("Profiler.takePreciseCoverage");
    return result.filter(isOurs).flatMap(({ scriptId, functions }) => {
      const ran = functions.filter(({ ranges: [whole] }) => (whole?.count ?? 0) > 0);
      return ran.map(({ ranges }) => ({ scriptId, ranges }));
    });
  };
  return {
    async ways() {
      return (await functions()).map(
        ({ scriptId, ranges }) =>
          `${scriptId} ${ranges.map((one) => textOf(one, magnitude)).join(" ")}`,
      );
    },
    async blocks() {
      return (await functions()).flatMap(({ scriptId, ranges }) =>
        ranges.map((one) => `${scriptId} ${textOf(one, Math.sign)}`),
      );
    },
  };
}

function textOf(
  { startOffset, endOffset, count }: Profiler.CoverageRange,
  scale: (count: number) => number,
) {
  return `${startOffset}-${endOffset}:${scale(count)}`;
}

/** 0, 1, 2, 3, 4 for up to seven, and so on: how often matters less the more often it was. */
const magnitude = (count: number) => (count < 4 ? count : 2 + Math.floor(Math.log2(count)));
