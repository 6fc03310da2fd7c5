/** Connections that a person draws: judged while they are dragged, made when they are dropped. */

import { feedReroute, mark, rerouted } from '../document/annotate';
import { addNode, freeId } from '../document/nodes';
import { own } from '../document/records';
import type { Workflow } from '../document/types';
import { connect, disconnect, split } from '../document/wires';
import { judge, judgeShapes, shapeOfWire, type Verdict } from '../schema/judge';
import type { Converter } from '../schema/defs';
import type { Shape } from '../schema/shapes';
import { defOf, useCatalogue } from '../store/catalogue';
import { runOf } from '../store/runs';
import { activeDoc, edit, useTabs } from '../store/tabs';
import { wireText } from './flow';

export interface Ends {
  /** Node or `reroute:ID`, and its output. */
  readonly source: string;
  readonly output: string;
  readonly target: string;
  readonly input: string;
}

/** The wire that an output stands for, and the reroute it comes through. */
export function wireAt(
  doc: Workflow,
  source: string,
  output: string,
): { wire: string; via?: string } | undefined {
  const found = mark(source);
  if (found?.kind === 'reroute') {
    const wire = rerouted(doc, found.id);
    return wire === undefined ? undefined : { wire, via: found.id };
  }
  return { wire: wireText(defOf(own(doc.nodes, source)?.type ?? ''), source, output) };
}

export function shapeAt(source: string, output: string): Shape | undefined {
  const doc = activeDoc();
  const found = wireAt(doc, source, output);
  return found && shapeOfWire(doc, found.wire, defOf, runOf(useTabs.getState().active).types);
}

export function verdictOf(ends: Ends): Verdict {
  const doc = activeDoc();
  const found = wireAt(doc, ends.source, ends.output);
  const nothing = { append: false, mapped: false };
  if (found === undefined) return { ok: false, reason: 'nothing comes through here', ...nothing };
  const { catalogue } = useCatalogue.getState();
  const { types } = runOf(useTabs.getState().active);
  const into = mark(ends.target);
  if (into === undefined) return judge(doc, found.wire, ends.target, ends.input, catalogue, defOf, types);
  if (into.kind !== 'reroute') return { ok: false, reason: '', ...nothing };
  if (ends.source === ends.target) return { ok: false, reason: 'a reroute cannot feed itself', ...nothing };
  const old = rerouted(doc, into.id);
  const [want, have] = [
    old && shapeOfWire(doc, old, defOf, types),
    shapeOfWire(doc, found.wire, defOf, types),
  ];
  if (want === undefined || have === undefined) return { ok: true, reason: '', ...nothing };
  return judgeShapes(want, have, catalogue);
}

/** Make a connection that was judged good; with a converter between, where one is needed and clear. */
export function make(ends: Ends): void {
  const verdict = verdictOf(ends);
  if (verdict.ok) edit('connect', (doc) => connected(doc, ends, verdict));
  else if (verdict.converter)
    edit('connect through a converter', (doc) => converted(doc, ends, verdict.converter as Converter));
}

/** Take an end of a wire elsewhere; a place that refuses it leaves the wire as it was. */
export function remake(old: { node: string; input: string; index: number }, ends: Ends): void {
  const verdict = verdictOf(ends);
  if (!verdict.ok) return;
  const same = old.node === ends.target && old.input === ends.input && !verdict.append;
  edit('rewire', (doc) =>
    connected(same ? doc : disconnect(doc, old.node, old.input, old.index), ends, verdict),
  );
}

function connected(doc: Workflow, ends: Ends, verdict: Verdict): Workflow {
  const found = wireAt(doc, ends.source, ends.output);
  if (found === undefined) return doc;
  const into = mark(ends.target);
  if (into !== undefined)
    return feedReroute(doc, into.id, found.via === undefined ? found.wire : `reroute:${found.via}`);
  return connect(doc, found.wire, ends.target, ends.input, { append: verdict.append, via: found.via });
}

function converted(doc: Workflow, ends: Ends, converter: Converter): Workflow {
  const found = wireAt(doc, ends.source, ends.output);
  if (found === undefined) return doc;
  const id = freeId(doc, converter.node);
  const [a, b] = [own(doc.nodes, split(found.wire).node)?.ui, own(doc.nodes, ends.target)?.ui];
  const middle = (one: unknown, other: unknown): number => (Number(one ?? 0) + Number(other ?? 0)) / 2;
  const ui = { x: middle(a?.x, b?.x), y: middle(a?.y, b?.y) };
  const version = defOf(converter.node)?.version ?? 1;
  const next = addNode(doc, id, {
    type: converter.node,
    version,
    inputs: { [converter.port]: found.wire },
    ui,
  });
  return connect(next, wireText(defOf(converter.node), id, converter.output), ends.target, ends.input);
}
