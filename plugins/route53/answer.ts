/** What the SDK's errors hold of AWS's answer. */
import { oneLine } from "acmectl/plugin/http";

/** AWS's name of an error; an empty string for anything that is not one. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error ? error.name : "";
  if (code === "AccessDeniedException" || code === "UnauthorizedOperation") return "AccessDenied";
  if (code === "ThrottlingException" || code === "TooManyRequestsException") return "Throttling";
  if (code === "ExpiredTokenException" || code === "RequestExpired") return "ExpiredToken";
  if (code === "UnrecognizedClientException" || code === "InvalidAccessKeyId")
    return "InvalidClientTokenId";
  return code;
}

/** What AWS says, on one line; SignatureDoesNotMatch goes on with the whole request, session token included. */
export function messageOf(error: Error): string {
  const said = error.message.split(/The Canonical String|The String-to-Sign/)[0] ?? "";
  return oneLine(said);
}

/** The answer's Date header, to show beside our own clock. */
export function serverTime(error: Error): string {
  const headers = responseOf(error)["headers"];
  const date = isRecord(headers) ? headers["date"] : undefined;
  const time = typeof date === "string" ? Date.parse(date) : Number.NaN;
  return Number.isNaN(time) ? "" : `, AWS's ${new Date(time).toISOString()}`;
}

/** ` (HTTP 502)`, or nothing. */
export function statusText(error: Error): string {
  const status = responseOf(error)["statusCode"];
  return typeof status === "number" ? ` (HTTP ${status})` : "";
}

function responseOf(error: Error): Readonly<Record<string, unknown>> {
  return "$response" in error && isRecord(error.$response) ? error.$response : {};
}

/** How often the SDK tried and how long it waited in between, or nothing. */
export function effort(error: Error): string {
  const metadata = "$metadata" in error && isRecord(error.$metadata) ? error.$metadata : {};
  const { attempts, totalRetryDelay } = metadata;
  if (typeof attempts !== "number" || attempts < 2) return "";
  const waited =
    typeof totalRetryDelay === "number"
      ? `, ${Math.round(totalRetryDelay / 100) / 10} s of waiting`
      : "";
  return ` after ${attempts} attempts${waited}`;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
/** No answer came. */
export function isNetwork(error: Error): boolean {
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return (
    error.name === "TimeoutError" || /^E[A-Z_]+$/.test(code) || /socket hang up/.test(error.message)
  );
}

/** An answer came that the SDK cannot read. */
export function isGarbage(error: Error): boolean {
  return (
    error instanceof SyntaxError ||
    error instanceof TypeError ||
    /deserializ|parse|Unclosed|Unexpected|UnknownError/i.test(`${error.name} ${error.message}`)
  );
}

/** The error's words with the system's code. */
export function networkText(error: Error): string {
  const code = "code" in error && typeof error.code === "string" ? ` (${error.code})` : "";
  return `${messageOf(error) || error.name}${code}`;
}
