/** A request and its answer, without how they are sent. */
export interface Asked {
  readonly method: "GET" | "PUT" | "DELETE";
  /** Without the prefix; absent for the bucket. */
  readonly key?: string | undefined;
  readonly query?: Readonly<Record<string, string>> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
  /** Answers of the server, by status or by its code, that are no failure of this request. */
  readonly expected?: readonly (number | string)[] | undefined;
}
export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}
