/** The workflow's declared parameters: what the app view, the command line and callers set. */

import { setParam } from './nodes';
import { fresh, omit, own, put } from './records';
import type { Parameter, Workflow } from './types';
import { split } from './wires';

export interface Target {
  readonly node: string;
  readonly name: string;
}

export function targetsOf(parameter: Parameter): Target[] {
  const texts = typeof parameter.to === 'string' ? [parameter.to] : parameter.to;
  return texts.map((text) => {
    const { node, output } = split(text);
    return { node, name: output ?? '' };
  });
}

/** The parameter that sets a node's setting, if one is declared. */
export function parameterOf(doc: Workflow, node: string, name: string): string | undefined {
  const text = `${node}.${name}`;
  const found = Object.entries(doc.parameters ?? {}).find(([, parameter]) =>
    typeof parameter.to === 'string' ? parameter.to === text : parameter.to.includes(text),
  );
  return found?.[0];
}

/** What a parameter stands at: its default, else the literal of its first target. */
export function valueOf(doc: Workflow, name: string): unknown {
  const parameter = own(doc.parameters, name);
  if (parameter === undefined) return undefined;
  if (parameter.default !== undefined && parameter.default !== null) return parameter.default;
  const target = targetsOf(parameter)[0];
  return target ? own(own(doc.nodes, target.node)?.params, target.name) : undefined;
}

/** Set a parameter: every target's literal, and the default if there is one. A wire in its place goes. */
export function setParameter(doc: Workflow, name: string, value: unknown): Workflow {
  const parameter = own(doc.parameters, name);
  if (parameter === undefined) return doc;
  let next = doc;
  for (const target of targetsOf(parameter)) {
    next = setParam(next, target.node, target.name, value);
  }
  if (parameter.default === undefined || parameter.default === null) return next;
  return { ...next, parameters: put(next.parameters, name, { ...parameter, default: value }) };
}

/** Declare a setting or port of a node as a parameter of the workflow. */
export function expose(doc: Workflow, node: string, name: string, description: string): Workflow {
  const known = doc.parameters ?? {};
  const free = fresh(name, (one) => Object.hasOwn(known, one));
  const parameter: Parameter = { to: `${node}.${name}`, ...(description === '' ? {} : { description }) };
  return { ...doc, parameters: put(known, free, parameter) };
}

export function withdraw(doc: Workflow, name: string): Workflow {
  return { ...doc, parameters: omit(doc.parameters, name) };
}

export function describe(doc: Workflow, name: string, description: string): Workflow {
  const parameter = own(doc.parameters, name);
  return parameter ? { ...doc, parameters: put(doc.parameters, name, { ...parameter, description }) } : doc;
}

/** Give a parameter another name; its place in the form stays. */
export function renameParameter(doc: Workflow, from: string, to: string): Workflow {
  if (from === to || own(doc.parameters, from) === undefined || own(doc.parameters, to) !== undefined)
    return doc;
  const parameters = Object.entries(doc.parameters ?? {}).map(([name, one]) => [
    name === from ? to : name,
    one,
  ]);
  return { ...doc, parameters: Object.fromEntries(parameters) };
}

/** Declare an output of the workflow, or withdraw it. */
export function toggleOutput(doc: Workflow, wire: string, name: string): Workflow {
  const found = Object.entries(doc.outputs ?? {}).find(([, one]) => one === wire);
  if (found) return { ...doc, outputs: omit(doc.outputs, found[0]) };
  const free = fresh(name, (one) => own(doc.outputs, one) !== undefined);
  return { ...doc, outputs: put(doc.outputs, free, wire) };
}
