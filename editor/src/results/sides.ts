/** What may be compared: pictures and clips among results, whichever node, item or earlier run they are of. Pure. */

import type { NodeResult, ResultInfo, Shown } from '../connection/messages';
import { ago, itemName } from '../parts/text';

/** A node of an open workflow. */
export interface Spot {
  readonly tab: string;
  readonly node: string;
}

/** One of the two that are compared. */
export interface Side extends Spot {
  /** Names the result; empty while none is chosen. */
  readonly key: string;
}

export interface Choice {
  readonly key: string;
  readonly label: string;
  /** The run that made it, if that is known. */
  readonly run: string;
}

export interface Picture {
  readonly label: string;
  readonly url: string;
  readonly kind: 'image' | 'video';
  readonly fps: number;
}

const FPS = 25;

/** Everything in a result that is looked at: each output, and each item of a list. */
export function picturesOf(info: ResultInfo): Picture[] {
  return Object.entries(info.outputs).flatMap(([output, shown]): Picture[] => {
    const kind = pictured(shown);
    if (kind === undefined || shown.url === '') return [];
    const fps = typeof shown.facts.fps === 'number' && shown.facts.fps > 0 ? shown.facts.fps : FPS;
    if (shown.kind !== 'list') return [{ label: output, url: shown.url, kind, fps }];
    return Array.from({ length: shown.count ?? 0 }, (_, item) => ({
      label: `${output} ${item + 1}`,
      url: `${shown.url}?item=${item}`,
      kind,
      fps,
    }));
  });
}

function pictured({ kind, facts, media_type }: Shown): Picture['kind'] | undefined {
  const told = kind === 'list' ? facts.kind : kind === 'file' ? media_type.split('/')[0] : kind;
  return told === 'image' || told === 'video' ? told : undefined;
}

/** The results of a node to choose from, newest first; `key` is among them even if nothing else tells of it. */
export function choicesOf(
  keys: Readonly<Record<string, string>>,
  earlier: readonly NodeResult[],
  key: string,
  now = Date.now() / 1_000,
): Choice[] {
  const runs = new Map(earlier.map((one) => [one.key, one.run]));
  const found = new Map<string, Choice>();
  const add = (one: string, label: string): void => {
    if (one !== '' && !found.has(one)) found.set(one, { key: one, label, run: runs.get(one) ?? '' });
  };
  const named = (label: string, item: string): string =>
    item === '' ? label : `${label}, item ${itemName(item)}`;
  for (const [item, one] of Object.entries(keys)) add(one, named('now', item));
  for (const one of earlier) add(one.key, named(ago(one.time, now), one.item));
  add(key, 'this one');
  return distinct([...found.values()]);
}

/** Labels that occur more than once are numbered. */
function distinct(choices: readonly Choice[]): Choice[] {
  const seen = new Map<string, number>();
  return choices.map((one) => {
    const count = (seen.get(one.label) ?? 0) + 1;
    seen.set(one.label, count);
    return count === 1 ? one : { ...one, label: `${one.label} (${count})` };
  });
}

/** What to compare a side with before anybody chose: the node's result before it, or else one of another node. */
export function partnerOf(side: Side, choices: readonly Choice[], others: readonly Side[]): Side | undefined {
  const place = choices.findIndex((one) => one.key === side.key);
  const own = choices[place + 1] ?? choices.find((one) => one.key !== side.key);
  if (own !== undefined) return { ...side, key: own.key };
  const near = others.filter((one) => one.key !== side.key && one.node !== side.node);
  return near.find((one) => one.tab === side.tab) ?? near[0];
}
