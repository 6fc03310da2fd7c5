import { expect, it, vi } from 'vitest';
import { readCatalogue } from '../../src/schema/defs';
import { defOf, useCatalogue } from '../../src/store/catalogue';

vi.mock('../../src/connection/socket', () => ({ Refusal: Error, socket: {} }));

const number = {
  id: 'number', version: 1, title: 'Number', doc: '', ports: {}, settings: { properties: { value: { type: 'integer' } } },
  outputs: { out: 'int' }, flags: {},
}; // prettier-ignore

const KEPT: Record<string, object> = {
  outer: {
    graphflow: 1,
    parameters: { n: { to: 'i.m' } },
    nodes: { i: { type: 'workflow:inner' } },
    outputs: { n: 'i.k' },
  },
  inner: {
    graphflow: 1,
    parameters: { m: { to: 'a.value' } },
    nodes: { a: { type: 'number' }, round: { type: 'workflow:outer' } },
    outputs: { k: 'a' },
  },
};

it('a workflow as a node is known with all that it takes through workflows inside', async () => {
  vi.stubGlobal('fetch', (url: string) =>
    Promise.resolve(new Response(JSON.stringify(KEPT[url.split('/').pop() ?? '']))),
  );
  useCatalogue.setState({ catalogue: readCatalogue({ nodes: { number } }), ready: true });
  expect(defOf('workflow:outer')).toBeUndefined();
  await vi.waitFor(() => expect(defOf('workflow:outer')).toBeDefined());
  const { settings, outputs } = defOf('workflow:outer')!;
  expect(settings.map(({ name, widget }) => [name, widget])).toEqual([['n', 'integer']]);
  expect(outputs).toEqual([{ name: 'n', shape: 'int' }]);
});
