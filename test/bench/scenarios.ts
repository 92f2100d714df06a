/** What is measured, and under which titles docs/benchmarks.md shows it. */

export interface Scenario {
  readonly title: string;
  /** Of the round trip, in milliseconds. */
  readonly roundTrip: number;
  readonly names: number;
  /** Certificates of one name each in one `apply`; 0 for one certificate by `issue`. */
  readonly certificates?: number;
  /** Seconds that the CA takes to validate. */
  readonly validation?: number;
  readonly dns?: boolean;
  /** With a new account each time. */
  readonly anew?: boolean;
}

export const titles = {
  installed: "Package as installed",
  start: "Start, 10 certificates",
  noneDue: "Many certificates, none due",
  information: "Many certificates, none due, the CA asked about a share of them, 50 ms",
};

const next = "Next certificate, one name, http-01";

export const scenarios: readonly Scenario[] = [
  {
    title: "First certificate (new account, one name, http-01), no delay",
    roundTrip: 0,
    names: 1,
    anew: true,
  },
  { title: `${next}, no delay`, roundTrip: 0, names: 1 },
  { title: `${next}, 50 ms`, roundTrip: 50, names: 1 },
  { title: `${next}, no delay, validated after 2 s`, roundTrip: 0, names: 1, validation: 2 },
  { title: `${next}, 50 ms, validated after 2 s`, roundTrip: 50, names: 1, validation: 2 },
  { title: "100 names in one certificate, http-01, 50 ms", roundTrip: 50, names: 100 },
  {
    title: "20 names in one certificate, dns-01 by a script, 50 ms",
    roundTrip: 50,
    names: 20,
    dns: true,
  },
  {
    title: "50 certificates of one name in one `apply`, http-01, 50 ms",
    roundTrip: 50,
    names: 1,
    certificates: 50,
  },
];

/** A certificate for these names from this CA. */
export interface Job {
  readonly directoryUrl: string;
  readonly rootFile: string;
  readonly httpPort: number;
  /** Where clients keep their state; an own folder for each and, with `anew`, each round. */
  readonly folder: string;
  readonly anew: boolean;
  /** The names of a round, each round others. */
  readonly names: (round: number) => readonly string[];
  /** Publishes dns-01 records, in place of http-01. */
  readonly program?: string | undefined;
}
