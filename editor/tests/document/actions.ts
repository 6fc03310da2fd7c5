/** Random edits of a document for property tests: every kind of thing that the editor can do. */

import fc from 'fast-check';
import { addGroup, addNote, removeMarks } from '../../src/document/annotate';
import { copy, paste } from '../../src/document/clipboard';
import {
  addNode,
  freeId,
  moveTo,
  removeNodes,
  renameNode,
  setParam,
  setUi,
  unsetParam,
} from '../../src/document/nodes';
import { expose, setParameter, toggleOutput, withdraw } from '../../src/document/parameters';
import type { Workflow } from '../../src/document/types';
import { closesCircle, connect, disconnect } from '../../src/document/wires';
import { splitWire } from '../../src/document/reroute';

export type Action = (doc: Workflow) => Workflow;

/** The n-th node of a document, whatever is there. */
const nth = (doc: Workflow, n: number): string | undefined => {
  const ids = Object.keys(doc.nodes);
  return ids[n % Math.max(1, ids.length)];
};

const on =
  (n: number, change: (doc: Workflow, id: string) => Workflow): Action =>
  (doc) => {
    const id = nth(doc, n);
    return id === undefined ? doc : change(doc, id);
  };

const number = fc.nat(30);
/** What JSON holds: no negative zero. */
const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown);
const name = fc.constantFrom('a', 'b', 'seed', 'prompt', '__proto__', 'constructor');

export const action: fc.Arbitrary<Action> = fc.oneof(
  fc.constantFrom('std/number', 'media/save_video', 'x/__proto__').map(
    (type): Action =>
      (doc) =>
        addNode(doc, freeId(doc, type), { type, ui: { x: 0, y: 0 } }),
  ),
  number.map((n) => on(n, (doc, id) => removeNodes(doc, new Set([id])))),
  fc.tuple(number, name, json).map(([n, one, value]) => on(n, (doc, id) => setParam(doc, id, one, value))),
  fc.tuple(number, name).map(([n, one]) => on(n, (doc, id) => unsetParam(doc, id, one))),
  fc.tuple(number, number, name, fc.boolean()).map(([n, m, one, append]) =>
    on(n, (doc, id) => {
      const from = nth(doc, m);
      return from === undefined || closesCircle(doc, from, id)
        ? doc
        : connect(doc, `${from}.out`, id, one, { append });
    }),
  ),
  fc.tuple(number, name).map(([n, one]) => on(n, (doc, id) => disconnect(doc, id, one))),
  fc
    .tuple(number, fc.integer(), fc.integer())
    .map(([n, x, y]) => on(n, (doc, id) => moveTo(doc, new Map([[id, { x, y }]])))),
  fc
    .tuple(number, fc.constantFrom('other', 'constructor', 'new_name'))
    .map(([n, to]) => on(n, (doc, id) => renameNode(doc, id, to))),
  fc
    .tuple(number, fc.boolean())
    .map(([n, collapsed]) => on(n, (doc, id) => setUi(doc, id, { collapsed: collapsed || undefined }))),
  fc.tuple(number, name).map(([n, one]) => on(n, (doc, id) => expose(doc, id, one, ''))),
  fc.tuple(name, json).map(
    ([one, value]): Action =>
      (doc) =>
        setParameter(doc, one, value),
  ),
  name.map(
    (one): Action =>
      (doc) =>
        withdraw(doc, one),
  ),
  number.map((n) => on(n, (doc, id) => toggleOutput(doc, id, 'out'))),
  number.map((n) =>
    on(n, (doc, id) => {
      const [next] = paste(doc, copy(doc, new Set([id, nth(doc, n + 1) ?? id])), 10, 10);
      return next;
    }),
  ),
  fc.constant<Action>(
    (doc) => addGroup(doc, { x: 0, y: 0, width: 9, height: 9, title: '', color: '#000000' })[0],
  ),
  fc.constant<Action>((doc) => addNote(doc, { x: 0, y: 0, width: 9, height: 9, text: '<b>' })[0]),
  fc.tuple(number, name).map(([n, one]) => on(n, (doc, id) => splitWire(doc, id, one, 0, { x: 1, y: 1 }))),
  fc.constant<Action>((doc) =>
    removeMarks(
      doc,
      Object.keys(doc.ui?.reroutes ?? {}).map((id) => `reroute:${id}`),
    ),
  ),
);
