import { describe, expect, it } from 'vitest';
import { effective, restored, silenced, type Judge } from '../../src/document/off';
import { setUi } from '../../src/document/nodes';
import type { Workflow } from '../../src/document/types';

/** load -> grade -> save, and load -> save.audio; grade hands its video on. */
const DOC: Workflow = {
  graphflow: 1,
  parameters: { amount: { to: 'grade.amount' } },
  nodes: {
    load: { type: 'load' },
    grade: { type: 'grade', params: { amount: 2 }, inputs: { video: 'load.video' } },
    save: { type: 'save', inputs: { video: 'grade', audio: 'load.audio' } },
  },
  outputs: { file: 'save' },
};

const judge: Judge = {
  stands: (type) => (type === 'grade' ? 'video' : undefined),
  needs: (type, input) => type === 'save' && input === 'video',
};

describe('bypass', () => {
  const off = setUi(DOC, 'grade', { mode: 'bypass' });
  const runs = effective(off, judge);

  it('leads wires around the node', () => {
    expect(Object.keys(runs.nodes)).toEqual(['load', 'save']);
    expect(runs.nodes.save?.inputs).toEqual({ video: 'load.video', audio: 'load.audio' });
    expect(runs.parameters).toEqual({});
  });

  it('is undone when the saved document is opened', () => {
    expect(restored(runs)).toEqual(off);
    expect(restored(JSON.parse(JSON.stringify(runs)) as Workflow)).toEqual(off);
  });

  it('keeps what was changed in the file meanwhile', () => {
    const edited = {
      ...runs,
      nodes: { ...runs.nodes, save: { type: 'save', inputs: { video: 'load.other' } } },
    };
    expect(restored(edited).nodes.save?.inputs).toEqual({ video: 'load.other' });
  });
});

describe('mute', () => {
  it('takes along what cannot run without the node', () => {
    const off = setUi(DOC, 'grade', { mode: 'mute' });
    expect([...silenced(off, judge)].sort()).toEqual(['grade', 'save']);
    const runs = effective(off, judge);
    expect(Object.keys(runs.nodes)).toEqual(['load']);
    expect(runs.outputs).toEqual({});
    expect(restored(runs)).toEqual(off);
  });

  it('leaves out an input that is optional', () => {
    const doc: Workflow = { ...DOC, nodes: { ...DOC.nodes, sound: { type: 'sound', ui: { mode: 'mute' } } } };
    const wired = {
      ...doc,
      nodes: { ...doc.nodes, save: { type: 'save', inputs: { video: 'load', audio: 'sound' } } },
    };
    expect(effective(wired, judge).nodes.save?.inputs).toEqual({ video: 'load' });
  });
});

it('a document with nothing switched off is the same object', () => {
  expect(effective(DOC, judge)).toBe(DOC);
  expect(restored(DOC)).toBe(DOC);
});
