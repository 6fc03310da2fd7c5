/** Node types, templates and models as the server tells them; types of inner workflows are fetched when one is met. */

import { create } from 'zustand';
import * as http from '../connection/http';
import type { TemplateInfo } from '../connection/messages';
import type { Workflow } from '../document/types';
import { partsOf } from '../schema/parts';
import { readCatalogue, type Catalogue, type Def } from '../schema/defs';
import { innerDef, isInner, nameOfInner } from '../schema/inner';

interface State {
  catalogue: Catalogue;
  ready: boolean;
  problem: string;
  templates: readonly TemplateInfo[];
  models: readonly http.ModelInfo[];
  /** Types made of workflows, by `workflow:NAME`; null while on the way or if there is none. */
  inner: ReadonlyMap<string, Def | null>;
}

const EMPTY: Catalogue = { defs: new Map(), types: new Map(), converters: [], about: new Map(), failures: [] };

export const useCatalogue = create<State>(() => ({
  catalogue: EMPTY,
  ready: false,
  problem: '',
  templates: [],
  models: [],
  inner: new Map(),
}));

export async function loadCatalogue(): Promise<void> {
  try {
    const raw = await http.catalogue();
    useCatalogue.setState({ catalogue: readCatalogue(raw), ready: true, problem: '' });
  } catch (error) {
    useCatalogue.setState({ problem: error instanceof Error ? error.message : 'the server is not there' });
    return;
  }
  await Promise.allSettled([
    http.templates().then((templates) => useCatalogue.setState({ templates })),
    http.models().then((models) => useCatalogue.setState({ models })),
  ]);
}

/** What is known of a node's type; undefined for one that is not installed, or not fetched yet. */
export function defOf(type: string): Def | undefined {
  const { catalogue, inner } = useCatalogue.getState();
  const found = catalogue.defs.get(type);
  if (found !== undefined) return found;
  if (!isInner(type)) return undefined;
  const known = inner.get(type);
  if (known === undefined) void fetchInner(type);
  return known ?? undefined;
}

/** Whether a node of this type puts something together from parts, so that all can be filled in as one form. */
export function hasForm(type: string): boolean {
  return partsOf(defOf(type), useCatalogue.getState().catalogue).length > 0;
}

/** A component's way to a type: it is drawn anew when the type becomes known. */
export function useDef(type: string): Def | undefined {
  useCatalogue((state) => state.inner.get(type));
  useCatalogue((state) => state.catalogue);
  return defOf(type);
}

async function fetchInner(type: string): Promise<void> {
  const put = (def: Def | null): void =>
    useCatalogue.setState((state) => ({ inner: new Map(state.inner).set(type, def) }));
  queueMicrotask(() => put(null));
  try {
    const doc = await http.workflow(nameOfInner(type));
    const { inner } = useCatalogue.getState();
    const deeper = new Set(Object.values(doc.nodes).map((entry) => entry.type));
    await Promise.all([...deeper].filter((one) => isInner(one) && !inner.has(one)).map(fetchInner));
    put(innerDef(type, doc, defOf));
  } catch {
    put(null);
  }
}

/** A workflow changed: nodes made of it are read anew. */
export function forgetInner(name: string, doc?: Workflow): void {
  const type = `workflow:${name}`;
  useCatalogue.setState((state) => {
    const inner = new Map(state.inner);
    if (doc) inner.set(type, innerDef(type, doc, defOf));
    else inner.delete(type);
    return { inner };
  });
}
