/** A member of what should be an object; `undefined` when there is none. */
export declare function fieldOf(value: unknown, name: string): unknown;
/** A member that should be text; `undefined` when it is absent, empty or anything else. */
export declare function textOf(value: unknown, name: string): string | undefined;
/** A member that should be a list; an empty one when it is absent or anything else. */
export declare function listOf(value: unknown, name: string): readonly unknown[];
/** A member that an answer has to have, as text. Throws a `Refusal` without it. */
export declare function needText(answer: unknown, name: string): string;
