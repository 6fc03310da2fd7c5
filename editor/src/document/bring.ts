/** An earlier result comes back with what made it: the settings of its node and of all nodes before it. Pure. */

import { setParam, unsetParam } from './nodes';
import { parameterOf, setParameter } from './parameters';
import { own } from './records';
import type { NodeEntry, Workflow } from './types';
import { listOf, reach, split, type End } from './wires';
import { flatId, fromAround, NOTHING_GIVEN, type Given } from './within';

/** A setting that was another one then. */
export interface Change {
  readonly node: string;
  readonly name: string;
  /** As it was; undefined if the node's own default held. */
  readonly value: unknown;
}

export interface Earlier {
  /** The node's own first, then those of nodes before it. */
  readonly changes: readonly Change[];
  /** What settings do not bring back, for people. */
  readonly rest: readonly string[];
}

/** A setting of a workflow used as a node. */
export interface Lead {
  readonly name: string;
  /** The one inside that it is: `outer/node.name`. */
  readonly place: string;
}

interface Asked {
  readonly doc: Workflow;
  /** It as it would run: what is switched off taken out. */
  readonly now: Workflow;
  /** The one that ran. */
  readonly then: Workflow;
  readonly node: string;
  /** What a setting is that nobody set. */
  initial(type: string, name: string): unknown;
  /** Whether a type is a workflow: its nodes stood in the document that ran, itself not. */
  inner(type: string): boolean;
  /** Of such a type, the settings that are settings of nodes inside. */
  leads(type: string): readonly Lead[];
  /** Of a level: what the workflow around it gives, which settings here do not change. */
  readonly given?: Given;
  /** The node that is looked into, of whose inside nothing is told here. */
  readonly into?: string;
}

/** What was otherwise when a result of `node` was made. */
export function earlier(asked: Asked): Earlier {
  const { doc, now, then, node, initial, inner, given = NOTHING_GIVEN } = asked;
  const changes: Change[] = [];
  const rest = new Map<string, string>();
  const parts = Object.keys(now.nodes).filter((id) => inner(now.nodes[id]?.type ?? ''));
  for (const id of reach(then, [node], 'up')) {
    const [was, is] = [own(then.nodes, id), own(now.nodes, id)];
    if (was === undefined) continue;
    const part = is === undefined ? parts.find((one) => id.startsWith(`${one}-`)) : undefined;
    if (part !== undefined) {
      if (part === asked.into) continue;
      changes.push(...ofPart(asked, part, id, was));
      rest.set(part, `${part} is a workflow: what is set inside is not compared`);
    } else if (is === undefined)
      rest.set(id, `${id} ${own(doc.nodes, id) ? 'is switched off' : 'is not there any more'}`);
    else if (is.type !== was.type) rest.set(id, `${id} was another kind of node`);
    else {
      if (!sameWires(id, is, was, parts, given)) rest.set(id, `${id} was wired otherwise`);
      for (const name of new Set([...Object.keys(was.params ?? {}), ...Object.keys(is.params ?? {})])) {
        if (own(was.inputs, name) !== undefined) continue;
        const place = `${id}.${name}`;
        const value = own(was.params, name);
        const stands = given.has(place) ? given.get(place) : own(is.params, name);
        const [before, after] = [value, stands].map((one) => one ?? initial(is.type, name));
        const wired = given.has(place) ? stands === undefined : own(is.inputs, name) !== undefined;
        if (same(before, after) && !wired) continue;
        if (given.has(place)) rest.set(place, `${name} of ${id} is set in the workflow around this one`);
        else changes.push({ node: id, name, value });
      }
    }
  }
  return { changes, rest: [...rest.values()] };
}

/** What is set on a workflow used as a node otherwise than on the node inside it, `id`, that ran then. */
function ofPart({ now, initial, leads, given }: Asked, part: string, id: string, was: NodeEntry): Change[] {
  const is = own(now.nodes, part);
  return leads(is?.type ?? '').flatMap(({ name, place }) => {
    const { node, output: setting = '' } = split(place);
    const around = given?.has(`${part}.${name}`) || own(was.inputs, setting) !== undefined;
    if (around || flatId(`${part}/${node}`) !== id) return [];
    const before = own(was.params, setting) ?? initial(was.type, setting);
    const bare = initial(is?.type ?? '', name);
    const stands = own(is?.params, name) ?? bare;
    if (same(before, stands) && own(is?.inputs, name) === undefined) return [];
    return [{ node: part, name, value: same(before, bare) ? undefined : before }];
  });
}

/** The document with settings as they were. */
export function broughtBack(doc: Workflow, changes: readonly Change[]): Workflow {
  return changes.reduce((next, { node, name, value }) => {
    const parameter = parameterOf(next, node, name);
    if (parameter !== undefined && value !== undefined) return setParameter(next, parameter, value);
    return value === undefined ? unsetParam(next, node, name) : setParam(next, node, name, value);
  }, doc);
}

/** Whether the inputs come from the same nodes; a setting that is set now and was wired then counts, one wired now does not. */
function sameWires(
  id: string,
  is: NodeEntry,
  was: NodeEntry,
  parts: readonly string[],
  given: Given,
): boolean {
  const names = new Set([...Object.keys(was.inputs ?? {}), ...Object.keys(is.inputs ?? {})]);
  return [...names].every((name) => {
    if (own(was.params, name) !== undefined) return true;
    const place = `${id}.${name}`;
    const around = listOf(own(was.inputs, name)).some(fromAround);
    if (around || given.has(place)) return around && given.has(place) && given.get(place) === undefined;
    const [ends, before] = [is, was].map((one) => listOf(own(one.inputs, name)).map(split));
    if (ends === undefined || before === undefined || ends.length !== before.length) return false;
    return ends.every((end, place) => sameEnd(end, before[place], parts));
  });
}

/** A wire may leave out the name of an only output; one from a workflow came from a node in it. */
function sameEnd(is: End, was: End | undefined, parts: readonly string[]): boolean {
  if (was === undefined) return false;
  if (parts.includes(is.node)) return was.node.startsWith(`${is.node}-`);
  return is.node === was.node && (is.output === was.output || !is.output || !was.output);
}

/** Equal as JSON, whatever the order of names. */
function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const [one, other] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const names = Object.keys(one);
  if (Array.isArray(a) !== Array.isArray(b) || names.length !== Object.keys(other).length) return false;
  return names.every((name) => Object.hasOwn(other, name) && same(one[name], other[name]));
}
