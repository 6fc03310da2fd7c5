import { describe, expect, it } from 'vitest';
import type { Workflow } from '../../src/document/types';
import { docsByName, readCatalogue, readNode, type RawNode } from '../../src/schema/defs';
import { geometry, shownSettings } from '../../src/schema/geometry';
import { innerDef } from '../../src/schema/inner';
import { entrance, exit, judge, missingPorts } from '../../src/schema/judge';
import { problemOf, rangeOf, readSetting } from '../../src/schema/settings';

const node = (
  id: string,
  ports: RawNode['ports'],
  outputs: Record<string, string>,
  properties = {},
): RawNode => ({
  id,
  version: 1,
  title: id,
  doc: 'One line.\n\nvideo: the clip. amount: how much,\n    from 0 to 1.\na, b: two of them.',
  ports,
  settings: { properties },
  outputs,
  flags: {},
});

const catalogue = readCatalogue({
  nodes: {
    load: node('load', {}, { video: 'Video', sound: 'Audio' }),
    grade: node(
      'grade',
      { video: { type: 'Video', required: true } },
      { out: 'Video' },
      { amount: { type: 'number', minimum: 0, maximum: 1 } },
    ),
    join: node('join', { items: { type: 'list[Video]', required: true } }, { out: 'Video' }),
    split: node('split', { video: { type: 'Video', required: true } }, { out: 'list[Image]' }),
    show: node('show', { image: { type: 'Image', required: true } }, { out: 'Image' }),
  },
  types: { Video: { bases: [] }, Image: { bases: [] }, Audio: { bases: [] } },
  converters: [{ source_shape: 'Image', target_shape: 'Video', node: 'still', port: 'image', output: 'out' }],
});
const defOf = (type: string) => catalogue.defs.get(type);

const DOC: Workflow = {
  graphflow: 1,
  nodes: {
    load: { type: 'load' },
    grade: { type: 'grade', inputs: { video: 'load.video' } },
    join: { type: 'join' },
    split: { type: 'split', inputs: { video: 'grade' } },
    show: { type: 'show' },
  },
};
const ask = (wire: string, to: string, input: string) => judge(DOC, wire, to, input, catalogue, defOf);

describe('a connection', () => {
  it('is good if the types fit', () => expect(ask('grade', 'split', 'video').ok).toBe(true));
  it('says why not', () => {
    expect(ask('load.sound', 'grade', 'video').reason).toBe('Audio does not fit; Video is wanted');
    expect(ask('split', 'grade', 'video').ok).toBe(false);
    expect(ask('split.out', 'load', 'x').reason).toBe('there is no such port');
    expect(ask('grade', 'grade', 'video').reason).toBe('a node cannot feed itself');
  });
  it('never closes a circle', () =>
    expect(
      ask('grade', 'grade', 'video').ok ||
        judge(
          { ...DOC, nodes: { ...DOC.nodes, join: { type: 'join', inputs: { items: 'grade' } } } },
          'join',
          'grade',
          'video',
          catalogue,
          defOf,
        ).ok,
    ).toBe(false));
  it('collects into a list, or runs once for each', () => {
    expect(ask('grade', 'join', 'items')).toMatchObject({ ok: true, append: true });
    expect(ask('split', 'show', 'image')).toMatchObject({ ok: true, mapped: true });
  });
  it('names the one converter', () => expect(ask('show', 'grade', 'video').converter?.node).toBe('still'));
  it('may go into a setting', () => expect(ask('load.sound', 'grade', 'amount').ok).toBe(false));
});

describe('the palette after a drop', () => {
  const def = (id: string) => catalogue.defs.get(id) as NonNullable<ReturnType<typeof defOf>>;
  it('knows the port that takes the wire', () => {
    expect(entrance(def('grade'), 'Video', catalogue)).toBe('video');
    expect(entrance(def('grade'), 'Audio', catalogue)).toBeUndefined();
    expect(exit(def('load'), 'Audio', catalogue)).toBe('sound');
  });
});

describe('a node', () => {
  it('takes its docs apart', () => {
    const docs = docsByName(readNode(node('x', {}, {})).doc, new Set(['video', 'amount', 'a', 'b']));
    expect(docs.get('video')).toBe('the clip.');
    expect(docs.get('amount')).toBe('how much, from 0 to 1.');
    expect(docs.get('b')).toBe('two of them.');
  });

  it('says which ports are empty', () =>
    expect(missingPorts(catalogue.defs.get('grade')!, { type: 'grade' })).toEqual(['video']));

  it('has a place for every port that can be seen, inside it', () => {
    for (const def of catalogue.defs.values()) {
      for (const collapsed of [false, true]) {
        const found = geometry(def, { type: def.id, ui: { collapsed } }, 100);
        expect(found.places.length).toBe(
          def.ports.length + def.outputs.length + shownSettings(def, { type: def.id }).settings.length,
        );
        expect(found.places.every((place) => place.y > 0 && place.y < found.height)).toBe(true);
      }
    }
  });
});

describe('a workflow as a node', () => {
  it('has the parameters as settings and ports, the outputs as outputs', () => {
    const doc: Workflow = {
      ...DOC,
      parameters: { clip: { to: 'grade.video' }, amount: { to: 'grade.amount', default: 0.5 } },
      outputs: { all: 'split' },
    };
    const def = innerDef('workflow:x', doc, defOf);
    expect(def.ports.map((port) => port.name)).toEqual(['clip']);
    expect(def.settings.map((one) => [one.name, one.initial])).toEqual([['amount', 0.5]]);
    expect(def.outputs).toEqual([{ name: 'all', shape: { list: 'Image' } }]);
  });
});

describe('settings', () => {
  it('get the control that their schema asks for', () => {
    const widget = (name: string, schema: object) => readSetting(name, schema).widget;
    expect(widget('seed', { type: 'integer', seed: true })).toBe('seed');
    expect(widget('fps', { anyOf: [{ type: 'number' }, { type: 'null' }] })).toBe('number');
    expect(widget('mode', { enum: ['a', 'b'] })).toBe('choice');
    expect(widget('tint', { type: 'string', pattern: '^#[0-9a-fA-F]{6}$' })).toBe('colour');
    expect(widget('odd', { widget: 'file', type: 'string' })).toBe('file');
    expect(widget('deep', {})).toBe('json');
  });
  it('are optional where null is one side', () => {
    expect(readSetting('fps', { anyOf: [{ type: 'number' }, { type: 'null' }] }).optional).toBe(true);
    expect(readSetting('fps', { type: 'number' }).optional).toBe(false);
  });
  it('know their range', () => {
    expect(rangeOf({ minimum: 0, maximum: 1 }, false)).toMatchObject({ slider: true, step: 0.01 });
    expect(rangeOf({ minimum: 0, maximum: 1e6 }, true).slider).toBe(false);
    expect(problemOf({ exclusiveMinimum: 0 }, 0)).toBe('more than 0');
    expect(problemOf({ type: 'integer' }, 1.5)).toBe('a whole number');
    expect(problemOf({ pattern: '(' }, 'x')).toBe('');
  });
});
