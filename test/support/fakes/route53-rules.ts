/** What Route 53 allows in a change batch, in its own words. */

export interface RecordSet {
  /** With its trailing dot. */
  readonly name: string;
  readonly type: string;
  readonly ttl: number;
  /** TXT quoted. */
  readonly values: readonly string[];
  readonly identifier?: string;
  readonly weight?: number;
  readonly multivalue?: boolean;
}

export interface HeldZone {
  readonly id: string;
  readonly name: string;
  readonly private: boolean;
  readonly nameservers: readonly string[];
  sets: RecordSet[];
}

/** The order of listings: by reversed labels. */
export function compareNames(one: string, other: string): number {
  const [a, b] = [reversed(one), reversed(other)];
  return a === b ? 0 : a < b ? -1 : 1;
}

/** By name, type and set identifier. */
export function compareSets(one: RecordSet, other: RecordSet): number {
  const [a, b] = [
    `${one.type}\0${one.identifier ?? ""}`,
    `${other.type}\0${other.identifier ?? ""}`,
  ];
  return compareNames(one.name, other.name) || (a === b ? 0 : a < b ? -1 : 1);
}

function reversed(name: string): string {
  return name.toLowerCase().replace(/\.$/, "").split(".").toReversed().join(".").concat(".");
}

/** Does all changes or none; the reasons against them when there are any. */
export function applyBatch(
  zone: HeldZone,
  changes: readonly { action: string; set: RecordSet }[],
): readonly string[] {
  if (changes.length === 0) return ["The request must contain changes"];
  if (changes.length > 100) return [`Number of changes limit of 100 exceeded: ${changes.length}`];
  const values = changes.flatMap(({ set }) => set.values);
  if (values.length > 1000) return ["Number of records limit of 1000 exceeded."];
  if (values.join("").length > 32_000) return ["Number of characters limit of 32000 exceeded."];
  const messages: string[] = [];
  let sets = [...zone.sets];
  for (const { action, set } of changes) {
    const fault = faultOf(zone, sets, action, set);
    if (fault !== undefined) messages.push(fault);
    else {
      sets = sets.filter((held) => compareSets(held, set) !== 0);
      if (action !== "DELETE") sets.push(set);
    }
  }
  if (messages.length === 0) zone.sets = sets;
  return messages;
}

function faultOf(
  zone: HeldZone,
  sets: readonly RecordSet[],
  action: string,
  set: RecordSet,
): string | undefined {
  if (set.name !== zone.name && !set.name.endsWith(`.${zone.name}`))
    return `RRSet with DNS name ${set.name} is not permitted in zone ${zone.name}`;
  const held = sets.find((one) => compareSets(one, set) === 0);
  if (action === "DELETE") return deletionFault(held, set);
  if (action === "CREATE" && held !== undefined)
    return `Tried to create resource record set ${describe(set)} but it already exists`;
  return valueFault(set) ?? neighbourFault(zone, sets, set);
}

function deletionFault(held: RecordSet | undefined, set: RecordSet): string | undefined {
  if (held === undefined)
    return `Tried to delete resource record set ${describe(set)} but it was not found`;
  const same =
    held.ttl === set.ttl &&
    held.weight === set.weight &&
    held.multivalue === set.multivalue &&
    held.values.toSorted().join("\n") === set.values.toSorted().join("\n");
  return same
    ? undefined
    : `Tried to delete resource record set ${describe(set)} but the values provided do not match the current values`;
}

function valueFault(set: RecordSet): string | undefined {
  if (set.values.length === 0) return `RRSet ${describe(set)} has no resource records`;
  if (new Set(set.values).size < set.values.length)
    return `Duplicate Resource Record: '${set.values[0]}'`;
  const bare =
    set.type === "TXT" &&
    set.values.find((value) => !/^"(?:[^"\\]|\\.)*"( "(?:[^"\\]|\\.)*")*$/.test(value));
  return typeof bare === "string"
    ? `Invalid Resource Record: 'FATAL problem: InvalidCharacterString (Value should be enclosed in quotation marks) encountered with '${bare}''`
    : undefined;
}

/** A simple set has no other of its name and type beside it, routed sets are of one kind, a CNAME is alone. */
function neighbourFault(
  zone: HeldZone,
  sets: readonly RecordSet[],
  set: RecordSet,
): string | undefined {
  const there = sets.filter((one) => one.name === set.name && compareSets(one, set) !== 0);
  if (there.some((one) => one.type === "CNAME"))
    return `RRSet of type ${set.type} with DNS name ${set.name} is not permitted as it conflicts with other records with the same DNS name in zone ${zone.name}`;
  const beside = there.filter((one) => one.type === set.type);
  if (beside.length === 0) return undefined;
  const label = `RRSet with DNS name ${set.name}, type ${set.type}`;
  if (set.identifier === undefined)
    return `${label} cannot be created as other RRSets exist with the same name and type.`;
  return set.multivalue === true && beside.some((one) => one.multivalue !== true)
    ? `${label}, SetIdentifier ${set.identifier} cannot be created because a non multivalue answer rrset exists with the same name and type.`
    : undefined;
}

function describe(set: RecordSet): string {
  const identifier = set.identifier === undefined ? "" : `, set-identifier='${set.identifier}'`;
  return `[name='${set.name}', type='${set.type}'${identifier}]`;
}
