import { describe, expect, it } from 'vitest';
import { CannotCollapse, collapse, expand } from '../../src/document/inner';
import type { Workflow } from '../../src/document/types';

const DOC: Workflow = {
  graphflow: 1,
  parameters: { seed: { to: 'denoise.seed' }, size: { to: ['denoise.size', 'save.size'] } },
  nodes: {
    model: { type: 'load', ui: { x: 0, y: 0 } },
    encode: {
      type: 'encode',
      params: { prompt: 'a' },
      inputs: { model: 'model.text' },
      ui: { x: 100, y: 0 },
    },
    denoise: { type: 'denoise', inputs: { model: 'model.net', prompt: 'encode' }, ui: { x: 200, y: 100 } },
    save: { type: 'save', inputs: { video: 'denoise' }, ui: { x: 300, y: 0 } },
  },
  outputs: { file: 'save', latents: 'denoise' },
};

describe('collapse', () => {
  const { inner, outer, id } = collapse(DOC, new Set(['encode', 'denoise']), 'middle');

  it('makes parameters of what comes in and outputs of what leads out', () => {
    expect(inner.parameters).toEqual({
      model: { to: 'encode.model' },
      model_2: { to: 'denoise.model' },
      seed: { to: 'denoise.seed' },
      size: { to: 'denoise.size' },
    });
    expect(inner.outputs).toEqual({ denoise: 'denoise' });
    expect(inner.nodes.denoise?.inputs).toEqual({ prompt: 'encode' });
  });

  it('leaves one node, wired as they were', () => {
    expect(id).toBe('middle');
    expect(outer.nodes.middle).toMatchObject({
      type: 'workflow:middle',
      inputs: { model: 'model.text', model_2: 'model.net' },
    });
    expect(outer.nodes.save?.inputs).toEqual({ video: 'middle.denoise' });
    expect(outer.outputs).toEqual({ file: 'save', latents: 'middle.denoise' });
    expect(outer.parameters).toEqual({
      seed: { to: 'middle.seed' },
      size: { to: ['middle.size', 'save.size'] },
    });
  });

  it('is undone by expand', () => {
    const back = expand(outer, id, inner);
    expect(Object.keys(back.nodes).sort()).toEqual(Object.keys(DOC.nodes).sort());
    for (const [name, entry] of Object.entries(DOC.nodes)) {
      expect(back.nodes[name]?.inputs ?? {}).toEqual(entry.inputs ?? {});
      expect(back.nodes[name]?.params ?? {}).toEqual(entry.params ?? {});
    }
    expect(back.outputs).toEqual(DOC.outputs);
    expect(back.parameters).toEqual(DOC.parameters);
  });

  it('refuses a list that is half inside', () => {
    const doc: Workflow = {
      ...DOC,
      nodes: { ...DOC.nodes, list: { type: 'list', inputs: { items: ['model', 'encode'] } } },
    };
    expect(() => collapse(doc, new Set(['encode', 'list']), 'x')).toThrow(CannotCollapse);
  });
});

it('expand hands settings and wires on, under free ids', () => {
  const inner: Workflow = {
    graphflow: 1,
    parameters: { amount: { to: ['a.x', 'a.y'], default: 1 } },
    nodes: { a: { type: 't' } },
    outputs: { out: 'a' },
  };
  const doc: Workflow = {
    graphflow: 1,
    nodes: {
      a: { type: 's' },
      w: { type: 'workflow:i', params: { amount: 5 } },
      z: { type: 'u', inputs: { v: 'w' } },
    },
  };
  const next = expand(doc, 'w', inner);
  expect(next.nodes.a_2?.params).toEqual({ x: 5, y: 5 });
  expect(next.nodes.z?.inputs).toEqual({ v: 'a_2' });
  expect(next.nodes.w).toBeUndefined();
});
