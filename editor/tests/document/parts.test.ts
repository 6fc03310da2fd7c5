import { describe, expect, it } from 'vitest';
import { addPart, removePart, setInPart, standing } from '../../src/document/parts';
import type { Workflow } from '../../src/document/types';
import { readCatalogue, type RawNode } from '../../src/schema/defs';
import { partsOf } from '../../src/schema/parts';

const raw = (id: string, ports: RawNode['ports'], out: string, fold = true): RawNode => ({
  id, version: 2, title: id, doc: '', ports, settings: { properties: {} }, outputs: { out }, flags: { fold },
}); // prettier-ignore
const optional = (type: string) => ({ type, required: false });

const NODES = {
  whole: raw('whole', { people: optional('list[Person] | None'), light: optional('Light | None') }, 'Whole'),
  person: raw('person', {}, 'Person'),
  light: raw('light', {}, 'Light'),
};
const types = {
  Person: { bases: ['Value'] },
  Light: { bases: ['Value'] },
  Model: { bases: ['Recipe'] },
  int: { bases: ['float'] },
};
const parts = (nodes: Record<string, RawNode>, of = 'whole') => {
  const catalogue = readCatalogue({ nodes: { ...NODES, ...nodes }, types });
  return partsOf(catalogue.defs.get(of), catalogue).map((one) => [one.port, one.maker.id, one.many]);
};

describe('what can be filled in as one form', () => {
  it('is a pure node with the pure nodes that make what it takes', () => {
    expect(parts({})).toEqual([
      ['people', 'person', true],
      ['light', 'light', false],
    ]);
  });
  it('is no form if it is not clear how a part is made', () => {
    expect(parts({ other: raw('other', {}, 'Light') })).toEqual([]);
  });
  it('is no form if it works on models, numbers, or when it runs', () => {
    const ports = { model: optional('Model'), count: optional('int') };
    const more = {
      tool: raw('tool', ports, 'Light'),
      load: raw('load', {}, 'Model'),
      number: raw('number', {}, 'int'),
    };
    expect(parts(more, 'tool')).toEqual([]);
    expect(parts({ whole: { ...NODES.whole, flags: { fold: false } } })).toEqual([]);
  });
});

const DOC: Workflow = {
  graphflow: 1,
  nodes: { whole: { type: 'whole', ui: { x: 500, y: 0 } }, show: { type: 'show', inputs: { a: 'whole' } } },
};
const PEOPLE = { node: 'whole', port: 'people', many: true };
const LIGHT = { node: 'whole', port: 'light', many: false };
const person = { id: 'person', version: 2 };
const light = { id: 'light', version: 2 };

describe('a part', () => {
  it('is made when its first field is set, and changed after', () => {
    const once = setInPart(DOC, LIGHT, 0, light, 'tone', 'warm');
    expect(once.nodes.whole?.inputs).toEqual({ light: 'light' });
    expect(once.nodes.light).toMatchObject({ type: 'light', version: 2, params: { tone: 'warm' } });
    const twice = setInPart(once, LIGHT, 0, light, 'tone', 'cool');
    expect(Object.keys(twice.nodes)).toEqual(['whole', 'show', 'light']);
    expect(twice.nodes.light?.params).toEqual({ tone: 'cool' });
  });

  it('of several is one item of a list, and goes with its node', () => {
    const two = addPart(addPart(DOC, PEOPLE, person), PEOPLE, person);
    expect(two.nodes.whole?.inputs).toEqual({ people: ['person', 'person_2'] });
    const named = setInPart(two, PEOPLE, 1, person, 'name', 'Ada');
    const one = removePart(named, PEOPLE, 0);
    expect(one.nodes.whole?.inputs).toEqual({ people: ['person_2'] });
    expect(Object.keys(one.nodes)).toEqual(['whole', 'show', 'person_2']);
    expect(standing(one, PEOPLE, 'person')).toEqual([{ wire: 'person_2', id: 'person_2', own: true }]);
  });

  it('that something else uses too keeps its node', () => {
    const made = addPart(DOC, LIGHT, light);
    const shared = { ...made, nodes: { ...made.nodes, show: { type: 'show', inputs: { a: 'light' } } } };
    expect(Object.keys(removePart(shared, LIGHT, 0).nodes)).toContain('light');
  });

  it('that comes from elsewhere is left alone', () => {
    const wired: Workflow = {
      ...DOC,
      nodes: { ...DOC.nodes, whole: { type: 'whole', inputs: { light: 'show' } } },
    };
    expect(standing(wired, LIGHT, 'light')).toEqual([{ wire: 'show', id: 'show', own: false }]);
    expect(setInPart(wired, LIGHT, 0, light, 'tone', 'warm')).toBe(wired);
  });
});
