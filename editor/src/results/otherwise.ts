/** What is set otherwise now than when an earlier result of a node was made, on whatever level the node stands. */

import type { NodeResult } from '../connection/messages';
import { earlier, type Earlier } from '../document/bring';
import { own } from '../document/records';
import type { Workflow } from '../document/types';
import { flatId, given, levelOf, NOTHING_GIVEN, type Given } from '../document/within';
import { isInner } from '../schema/inner';
import { defOf } from '../store/catalogue';
import { chainOf } from '../store/levels';
import { runnable } from '../store/session';
import { useTabs } from '../store/tabs';

interface Level {
  readonly doc: Workflow;
  /** What the names of its nodes begin with in a run: `outer/`. */
  readonly inside: string;
  readonly given: Given;
  /** The node of it that is looked into; empty for the level that is shown. */
  readonly into: string;
}

/**
 * then: what the run ran, null if it is not kept; then the node's own settings alone are known. What was otherwise in the
 * workflows around stands in the rest: the settings of a level are all that is brought back there.
 */
export function otherwise(tab: string, node: string, one: NodeResult, then: Workflow | null): Earlier {
  const levels = levelsOf(tab);
  const shown = levels.at(-1);
  if (shown === undefined) return { changes: [], rest: [] };
  const entry = own(runnable(shown.doc).nodes, node);
  const behind = defOf(entry?.type ?? '')?.behind?.[0]; // of a workflow they are results of this node inside
  const made = behind === undefined ? node : flatId(`${node}/${behind}`);
  const alone = { ...shown.doc, nodes: entry ? { [node]: { ...entry, params: one.settings } } : {} };
  const there = then && levelOf(then, shown.inside);
  const found = then && own(there?.nodes, made);
  if (!then || !there || !found || JSON.stringify(found.params ?? {}) !== JSON.stringify(one.settings))
    return behind === undefined ? compared(shown, alone, node) : { changes: [], rest: [] };
  const here = compared(shown, there, made);
  const around = levels.slice(0, -1).flatMap((level) => {
    const below = flatId(shown.inside.slice(level.inside.length) + made);
    const { changes, rest } = compared(level, levelOf(then, level.inside), below);
    return [...new Set(changes.map((change) => `${change.node} was set otherwise`)), ...rest];
  });
  return { ...here, rest: [...here.rest, ...around.map((text) => `around this workflow ${text}`)] };
}

function compared({ doc, given: gives, into }: Level, then: Workflow, node: string): Earlier {
  return earlier({
    doc,
    now: runnable(doc),
    then,
    node,
    initial: (type, name) => defOf(type)?.settings.find((setting) => setting.name === name)?.initial,
    inner: isInner,
    leads: (type) =>
      defOf(type)?.settings.flatMap(({ name, leads }) => (leads ? [{ name, place: leads }] : [])) ?? [],
    given: gives,
    into,
  });
}

function levelsOf(tab: string): readonly Level[] {
  const chain = chainOf(useTabs.getState().tabs, tab);
  const levels: Level[] = [];
  chain.forEach((one, depth) => {
    const above = levels.at(-1);
    const doc = one.line.now;
    levels.push({
      doc,
      inside: above ? `${above.inside}${one.node ?? ''}/` : '',
      given: above ? given(runnable(above.doc), one.node ?? '', doc, above.given) : NOTHING_GIVEN,
      into: chain[depth + 1]?.node ?? '',
    });
  });
  return levels;
}
