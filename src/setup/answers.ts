/** What was answered so far. It is kept between runs, so it has no secret: references to secrets only. */
export interface Answers {
  /** Separated by commas. */
  readonly domains?: string | undefined;
  /** A preset, `local`, or `other`. */
  readonly server?: string | undefined;
  /** The URL of another CA. */
  readonly directory?: string | undefined;
  /** Empty for none. */
  readonly email?: string | undefined;
  readonly agreeTos?: boolean | undefined;
  readonly eabKid?: string | undefined;
  readonly eabHmac?: string | undefined;
  /** `sites` (the folders that the web server serves), `webroot`, `standalone`, `tls-alpn`, or a solver for dns-01. */
  readonly proof?: string | undefined;
  readonly webroot?: string | undefined;
  /** A reference to the DNS provider's token. */
  readonly credential?: string | undefined;
  readonly placement?: "state" | "existing" | "folder" | undefined;
  readonly folder?: string | undefined;
  readonly reload?: boolean | undefined;
}
export type Key = keyof Answers;

interface Common {
  readonly message: string;
  /** What was found, shown before the question. */
  readonly note?: string | undefined;
}
/** One question, as data: the terminal shows it, tests read it. */
export type Question =
  | (Common & {
      readonly kind: "text";
      readonly initial?: string | undefined;
      readonly placeholder?: string | undefined;
      /** What is wrong with the text; undefined if it is good. */
      readonly check: (text: string) => string | undefined;
    })
  | (Common & {
      readonly kind: "choice";
      readonly options: readonly Choice[];
      readonly initial?: string | undefined;
    })
  | (Common & { readonly kind: "yes"; readonly initial: boolean });
export interface Choice {
  readonly value: string;
  readonly label: string;
  readonly hint?: string | undefined;
}
