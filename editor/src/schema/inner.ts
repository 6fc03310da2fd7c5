/** A workflow as a node of another: its parameters are settings and ports, its outputs outputs. */

import { targetsOf } from '../document/parameters';
import { own } from '../document/records';
import type { Workflow } from '../document/types';
import { split } from '../document/wires';
import { outputOf, type Def, type Output, type Port, type Setting } from './defs';

const PREFIX = 'workflow:';

export function isInner(type: string): boolean {
  return type.startsWith(PREFIX);
}

/** Whether a type names a workflow file by its place beside another. */
export function isPath(type: string): boolean {
  return !isInner(type) && (type.startsWith('./') || type.startsWith('../') || type.endsWith('.json'));
}

export function typeOfInner(name: string): string {
  return PREFIX + name;
}

export function nameOfInner(type: string): string {
  return type.slice(PREFIX.length);
}

export function innerDef(type: string, doc: Workflow, defOf: (type: string) => Def | undefined): Def {
  const ports: Port[] = [];
  const settings: Setting[] = [];
  for (const [name, parameter] of Object.entries(doc.parameters ?? {})) {
    const target = targetsOf(parameter)[0];
    const entry = target && own(doc.nodes, target.node);
    const def = entry && defOf(entry.type);
    const doc_ = parameter.description ?? '';
    const port = def?.ports.find((one) => one.name === target?.name);
    const setting = def?.settings.find((one) => one.name === target?.name);
    if (port)
      ports.push({
        ...port,
        name,
        doc: doc_,
        required: port.required && own(entry?.inputs, port.name) === undefined,
      });
    if (setting) {
      const initial = parameter.default ?? own(entry?.params, setting.name) ?? setting.initial;
      const leads = `${target?.node}${setting.leads === undefined ? '.' : '/'}${setting.leads ?? setting.name}`;
      settings.push({ ...setting, name, doc: doc_, initial, required: false, leads });
    }
  }
  const outputs: Output[] = Object.entries(doc.outputs ?? {}).map(([name, wire]) => {
    const { node, output } = split(wire);
    const def = defOf(own(doc.nodes, node)?.type ?? '');
    return { name, shape: (def && outputOf(def, output)?.shape) ?? 'any' };
  });
  return {
    id: type,
    version: 1,
    title: doc.name || nameOfInner(type),
    category: 'workflow',
    doc: doc.description ?? '',
    ports,
    settings,
    outputs,
    effect: false,
    fold: false,
    inner: true,
    behind: [...new Set(Object.values(doc.outputs ?? {}).map((wire) => split(wire).node))],
  };
}
