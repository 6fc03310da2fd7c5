/** Small immutable operations on plain records. Names come from files: only own properties count. */

export type Rec<T> = Readonly<Record<string, T>>;

export function own<T>(record: Rec<T> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}

export function put<T>(record: Rec<T> | undefined, name: string, value: T): Rec<T> {
  return { ...record, [name]: value };
}

export function omit<T>(record: Rec<T> | undefined, ...names: readonly string[]): Rec<T> {
  if (record === undefined) return {};
  if (!names.some((name) => Object.hasOwn(record, name))) return record;
  const gone = new Set(names);
  return Object.fromEntries(Object.entries(record).filter(([name]) => !gone.has(name)));
}

export function mapped<T, U>(
  record: Rec<T> | undefined,
  change: (value: T, name: string) => U,
): Record<string, U> {
  return Object.fromEntries(Object.entries(record ?? {}).map(([name, value]) => [name, change(value, name)]));
}

/** The record with each value changed; the very same object if no value is another one after. */
export function changed<T>(record: Rec<T>, change: (value: T, name: string) => T): Rec<T> {
  let same = true;
  const next = mapped(record, (value, name) => {
    const after = change(value, name);
    same &&= after === value;
    return after;
  });
  return same ? record : next;
}

export function isEmpty(record: object | undefined): boolean {
  return record === undefined || Object.keys(record).length === 0;
}

/** `base`, or base with the lowest number behind it that is not taken. */
export function fresh(base: string, taken: (name: string) => boolean): string {
  if (!taken(base)) return base;
  const stem = base.replace(/_\d+$/, '');
  for (let number = 2; ; number++) {
    const name = `${stem.slice(0, 58)}_${number}`;
    if (!taken(name)) return name;
  }
}
