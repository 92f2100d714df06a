/** From what is there and what is wanted to the changes of a batch; pure. */
import { bareTlsa, edited, plainName } from "acmectl/plugin/http";
import type { RecordType } from "acmectl/plugin";
import type { Edit } from "acmectl/plugin/http";
import type { Change, ResourceRecordSet } from "@aws-sdk/client-route-53";

/** The changes that make `edit` true at `name` and leave everything else as it is, TTLs included. None when it is true. */
export function changesFor(
  { name, type }: Owner,
  sets: readonly ResourceRecordSet[],
  edit: Edit,
  ttl: number,
): readonly Change[] {
  const multivalue = sets.filter((set) => set.MultiValueAnswer === true);
  if (multivalue.length > 0 || sets.length === 0) {
    const held = new Set(multivalue.flatMap(valuesOf).map(alike[type]));
    const missing = edit.add.map(writer[type]).filter((value) => !held.has(alike[type](value)));
    return [
      ...multivalue.flatMap((set) => swap(set, { add: [], remove: edit.remove }, type)),
      ...creations({ name, type }, missing, ttl, multivalue.length > 0),
    ];
  }
  // Beside a simple set Route 53 allows no other; weighted and other routed sets must all answer with the value.
  return sets.flatMap((set) => swap(set, edit, type));
}

/** Is a set one of records of this type at this name? */
export function isSetOf({ name, type }: Owner): (set: ResourceRecordSet) => boolean {
  return (set) => set.Type === type && plainName(set.Name ?? "") === name;
}

export interface Owner {
  readonly name: string;
  readonly type: RecordType;
}

function creations(
  { name, type }: Owner,
  values: readonly string[],
  ttl: number,
  multivalue: boolean,
): readonly Change[] {
  const set = { Name: `${name}.`, Type: type, TTL: ttl } as const;
  if (values.length === 0) return [];
  if (!multivalue) return [create({ ...set, ResourceRecords: recordsOf(values) })];
  return values.map((value) =>
    create({
      ...set,
      MultiValueAnswer: true,
      SetIdentifier: value,
      ResourceRecords: recordsOf([value]),
    }),
  );
}

/** The exact old set is the comparison: Route 53 refuses the batch when it is no longer that. */
function swap(old: ResourceRecordSet, edit: Edit, type: RecordType): readonly Change[] {
  const wanted = edited(valuesOf(old), edit, writer[type], alike[type]);
  if (wanted === undefined) return [];
  const gone: Change = { Action: "DELETE", ResourceRecordSet: old };
  return wanted.length === 0
    ? [gone]
    : [gone, create({ ...old, ResourceRecords: recordsOf(wanted) })];
}

function create(set: ResourceRecordSet): Change {
  return { Action: "CREATE", ResourceRecordSet: set };
}

export interface Batch {
  readonly names: readonly string[];
  readonly changes: readonly Change[];
}

/** As few batches as Route 53's limits for one request allow; the changes of one name stay together. */
export function batchesOf(planned: ReadonlyMap<string, readonly Change[]>): readonly Batch[] {
  const batches: { names: string[]; changes: Change[] }[] = [];
  for (const [name, changes] of planned) {
    const last = batches.at(-1);
    if (last !== undefined && fits([...last.changes, ...changes])) {
      last.names.push(name);
      last.changes.push(...changes);
    } else batches.push({ names: [name], changes: [...changes] });
  }
  return batches;
}

function fits(changes: readonly Change[]): boolean {
  const values = changes.flatMap((change) => valuesOf(change.ResourceRecordSet));
  const characters = values.reduce((sum, value) => sum + value.length, 0);
  return changes.length <= 100 && values.length <= 1_000 && characters <= 32_000;
}

function valuesOf(set: ResourceRecordSet | undefined): readonly string[] {
  return (set?.ResourceRecords ?? []).map((record) => record.Value ?? "");
}

function recordsOf(values: readonly string[]) {
  return values.map((value) => ({ Value: value }));
}

/** How a value is written. Route 53 returns it unchanged. */
const writer = {
  TXT: (value: string) => `"${value}"`,
  TLSA: (value: string) => value,
} as const;

const alike = { TXT: (value: string) => value, TLSA: bareTlsa } as const;
