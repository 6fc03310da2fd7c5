/** Automatic layout: in a worker, so that a large graph does not hold up the page. */

import { geometry, RESULT, RESULT_SMALL } from '../schema/geometry';
import { kindOf } from '../results/resultHeight';
import { links, split } from '../document/wires';
import { moveTo, positionOf, type Point } from '../document/nodes';
import type { Workflow } from '../document/types';
import { defOf } from '../store/catalogue';
import { activeDoc, activeTab, edit } from '../store/tabs';
import { say } from '../store/ui';
import { unknownDef } from './flow';
import { boxes, fit } from './stage';
import type { Asked, Told } from './layout.worker';

/** Room for results that are not there yet. */
const ROOM = { media: RESULT, small: RESULT_SMALL, none: 0 } as const;

function arranged(asked: Asked): Promise<Told> {
  const worker = new Worker(new URL('./layout.worker.ts', import.meta.url), { type: 'module' });
  return new Promise<Told>((resolve, reject) => {
    worker.onmessage = (event: MessageEvent<Told>) => resolve(event.data);
    worker.onerror = () => reject(new Error('the layout could not be made'));
    worker.postMessage(asked);
  }).finally(() => worker.terminate());
}

function question(doc: Workflow, ids: ReadonlySet<string>): Asked {
  const known = boxes();
  const nodes = Object.entries(doc.nodes)
    .filter(([id]) => ids.has(id))
    .map(([id, entry]) => {
      const def = defOf(entry.type) ?? unknownDef(entry);
      const size = geometry(def, entry, ROOM[kindOf(def)]);
      const box = known.get(id);
      return { id, width: size.width, height: Math.max(size.height, box?.height ?? 0) };
    });
  const edges = [...links(doc)]
    .map(({ from, node }) => ({ from: split(from).node, to: node }))
    .filter(({ from, to }) => ids.has(from) && ids.has(to));
  return { nodes, edges };
}

/** Arrange the chosen nodes, or all if fewer than two are chosen. */
export async function autoLayout(): Promise<void> {
  const doc = activeDoc();
  const chosen = [...(activeTab()?.selection ?? [])].filter((id) => Object.hasOwn(doc.nodes, id));
  const ids = new Set(chosen.length > 1 ? chosen : Object.keys(doc.nodes));
  if (ids.size === 0) return;
  try {
    const told = await arranged(question(doc, ids));
    const before = boxes(ids);
    const left = Math.min(...[...before.values()].map((box) => box.x));
    const top = Math.min(...[...before.values()].map((box) => box.y));
    const shift = chosen.length > 1 && Number.isFinite(left) ? { x: left, y: top } : { x: 0, y: 0 };
    const places = new Map<string, Point>(
      told.map(({ id, x, y }) => [id, { x: Math.round(x + shift.x), y: Math.round(y + shift.y) }]),
    );
    edit('arrange', (one) => moveTo(one, places));
    requestAnimationFrame(() => fit());
  } catch (error) {
    say(error instanceof Error ? error.message : 'the layout could not be made', 'bad');
  }
}

/** A document whose nodes have no places gets some; not an edit, since nothing was there to keep. */
export async function autoLayoutIfBare(doc: Workflow): Promise<Workflow> {
  const bare = Object.entries(doc.nodes).filter(([, entry]) => positionOf(entry) === undefined);
  if (bare.length === 0) return doc;
  try {
    const told = await arranged(question(doc, new Set(Object.keys(doc.nodes))));
    const places = new Map(told.map(({ id, x, y }) => [id, { x: Math.round(x), y: Math.round(y) }]));
    if (bare.length < Object.keys(doc.nodes).length) {
      for (const [id, entry] of Object.entries(doc.nodes)) if (positionOf(entry)) places.delete(id);
    }
    return moveTo(doc, places);
  } catch {
    return doc;
  }
}
