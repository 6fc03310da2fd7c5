/** The chosen node with all its settings and what they mean; with nothing chosen, the workflow itself. */

import type { CSSProperties, KeyboardEvent } from 'react';
import {
  describe as describeParameter,
  expose,
  parameterOf,
  renameParameter,
  targetsOf,
  toggleOutput,
  withdraw,
} from '../document/parameters';
import { idProblem, renameNode, titleOf } from '../document/nodes';
import { own } from '../document/records';
import type { NodeEntry, Workflow } from '../document/types';
import { perform } from '../commands';
import { enter } from '../commands/levels';
import { wireText } from '../canvas/flow';
import { useLive, useTabRun } from '../canvas/state';
import { Button } from '../parts/Button';
import { Doc, Words } from '../parts/Doc';
import { basisOf, duration, label, plural, size } from '../parts/text';
import { categoryColor, typeColor } from '../schema/colors';
import type { Def, Output } from '../schema/defs';
import { isInner } from '../schema/inner';
import { coreOf, describe, parseShape, type Shape } from '../schema/shapes';
import { hasForm, useDef } from '../store/catalogue';
import { isLeft } from '../store/runs';
import { edit, select, useActive, useDoc } from '../store/tabs';
import { complain, openDialog, useUi } from '../store/ui';
import { FieldRow } from '../widgets/FieldRow';

const NOTHING: ReadonlySet<string> = new Set();

export function Inspector() {
  const doc = useDoc();
  const selection = useActive((tab) => tab.selection, NOTHING);
  const chosen = [...selection].filter((id) => Object.hasOwn(doc.nodes, id));
  const id = chosen[0];
  const entry = id === undefined ? undefined : doc.nodes[id];
  return (
    <aside className="inspector" aria-label="inspector">
      {chosen.length > 1 ? (
        <div className="scroll padded">
          <h2>{plural(chosen.length, 'node')}</h2>
          <p className="doc">
            Drag one to move all. Ctrl+G frames them, L arranges them, B bypasses, M mutes.
          </p>
        </div>
      ) : id !== undefined && entry !== undefined ? (
        <NodeInspector key={id} id={id} entry={entry} doc={doc} />
      ) : (
        <WorkflowInspector doc={doc} />
      )}
    </aside>
  );
}

function NodeInspector({ id, entry, doc }: { id: string; entry: NodeEntry; doc: Workflow }) {
  const def = useDef(entry.type);
  const story = useTabRun((run) => run.stories[id]);
  const notices = useLive(id)?.notices ?? [];
  const rename = (to: string): void => {
    if (to === id) return;
    const problem = idProblem(doc, to);
    if (problem) complain(new Error(problem));
    else {
      edit('rename', (one) => renameNode(one, id, to));
      select([to]);
    }
  };
  return (
    <div className="scroll padded" style={{ '--tint': categoryColor(def?.category ?? '') } as CSSProperties}>
      <header className="inspected">
        <h2>{titleOf(entry, def?.title ?? entry.type)}</h2>
        <code>{entry.type}</code>
        <Button
          icon="close"
          label="close the inspector"
          className="corner"
          onClick={() => useUi.setState({ inspector: false })}
        />
      </header>
      <label className="line">
        <span>id</span>
        <input
          key={id}
          defaultValue={id}
          aria-label="id of the node"
          onBlur={(event) => rename(event.target.value.trim())}
          onKeyDown={blurOnEnter}
        />
      </label>
      {story && (
        <p className="story">
          <b>{story.state === 'run' ? 'will run' : story.state}</b>
          {typeof story.seconds === 'number' &&
            story.state === 'run' &&
            ` · about ${duration(story.seconds)}`}
          {typeof story.memory === 'number' && story.memory > 0 && ` · ${size(story.memory)}`}
          {typeof story.seconds === 'number' && story.state === 'run' && basisOf(story) !== '' && (
            <span>{basisOf(story)}</span>
          )}
          {story.reasons.map((reason) => (
            <span key={reason}>{reason}</span>
          ))}
        </p>
      )}
      {story && isLeft(story) && (
        <Button icon="play" label="Run to here" keys="Ctrl+Shift+Enter" onClick={() => perform('run.here')}>
          Run to here
        </Button>
      )}
      {notices.map((text) => (
        <p key={text} className="story notice-line">
          {text}
        </p>
      ))}
      {def === undefined && (
        <p className="doc">This node's pack is not installed. The node is kept as it is, but cannot run.</p>
      )}
      {def && isInner(entry.type) && (
        <Button label="Open this workflow" onClick={() => void enter(id)}>
          Open this workflow
        </Button>
      )}
      {def && hasForm(entry.type) && (
        <Button icon="app" label="Fill in as a form" onClick={() => openDialog('form', { node: id })}>
          Fill in as a form
        </Button>
      )}
      {def && <Settings id={id} entry={entry} def={def} doc={doc} />}
      {def && <Ports id={id} entry={entry} def={def} doc={doc} />}
      <div className="inspector-tools">
        <Button
          icon="clock"
          label="earlier results of this node"
          onClick={() => openDialog('history', { node: id })}
        >
          Earlier results
        </Button>
      </div>
      {def && def.doc !== '' && (
        <section>
          <h3>About</h3>
          <Doc text={def.doc} />
        </section>
      )}
    </div>
  );
}

function blurOnEnter(event: KeyboardEvent<HTMLInputElement>): void {
  if (event.key === 'Enter') event.currentTarget.blur();
}

interface PartProps {
  readonly id: string;
  readonly entry: NodeEntry;
  readonly def: Def;
  readonly doc: Workflow;
}

function Settings({ id, entry, def, doc }: PartProps) {
  if (def.settings.length === 0) return null;
  return (
    <section>
      <h3>Settings</h3>
      {def.settings.map((setting) => {
        const parameter = parameterOf(doc, id, setting.name);
        return (
          <div key={setting.name} className="exposable">
            <FieldRow node={id} entry={entry} setting={setting} place="inspector" />
            <Button
              icon="app"
              size={13}
              label={
                parameter
                  ? `${setting.name} is the workflow's parameter ${parameter}: withdraw it`
                  : `make ${setting.name} a parameter of the workflow`
              }
              pressed={parameter !== undefined}
              onClick={() =>
                edit(parameter ? 'withdraw a parameter' : 'declare a parameter', (one) =>
                  parameter ? withdraw(one, parameter) : expose(one, id, setting.name, setting.doc),
                )
              }
            />
          </div>
        );
      })}
    </section>
  );
}

function Ports({ id, entry, def, doc }: PartProps) {
  const types = useTabRun((run) => run.types[id]);
  const shapeOf = ({ name, shape }: Output): Shape => {
    const told = types?.[name];
    return told === undefined ? shape : parseShape(told);
  };
  return (
    <>
      {def.ports.length > 0 && (
        <section>
          <h3>Inputs</h3>
          {def.ports.map((port) => (
            <p
              key={port.name}
              className="io"
              style={{ '--c': typeColor(coreOf(port.shape)) } as CSSProperties}
            >
              <span className="dot" aria-hidden="true" />
              <b>{label(port.name)}</b> <span>{describe(port.shape)}</span>
              <small>
                {own(entry.inputs, port.name) !== undefined
                  ? [own(entry.inputs, port.name)].flat().join(', ')
                  : port.required
                    ? 'needed'
                    : 'optional'}
              </small>
              {port.doc && (
                <em>
                  <Words text={port.doc} />
                </em>
              )}
            </p>
          ))}
        </section>
      )}
      {def.outputs.length > 0 && (
        <section>
          <h3>Outputs</h3>
          {def.outputs.map((output) => {
            const wire = wireText(def, id, output.name);
            const declared = Object.entries(doc.outputs ?? {}).find(
              ([, one]) => one === wire || one === `${id}.${output.name}`,
            );
            return (
              <p
                key={output.name}
                className="io"
                style={{ '--c': typeColor(coreOf(shapeOf(output))) } as CSSProperties}
              >
                <span className="dot" aria-hidden="true" />
                <b>{label(output.name)}</b> <span>{describe(shapeOf(output))}</span>
                <Button
                  icon="app"
                  size={13}
                  label={
                    declared
                      ? `this is the workflow's output ${declared[0]}: withdraw it`
                      : 'make this an output of the workflow'
                  }
                  pressed={declared !== undefined}
                  onClick={() =>
                    edit('workflow output', (one) =>
                      toggleOutput(one, declared?.[1] ?? wire, output.name === 'out' ? id : output.name),
                    )
                  }
                />
              </p>
            );
          })}
        </section>
      )}
    </>
  );
}

function WorkflowInspector({ doc }: { doc: Workflow }) {
  const set = (change: Partial<Workflow>): void =>
    edit('describe the workflow', (one) => ({ ...one, ...change }), 'describe');
  return (
    <div className="scroll padded">
      <header className="inspected">
        <h2>Workflow</h2>
        <Button
          icon="close"
          label="close the inspector"
          className="corner"
          onClick={() => useUi.setState({ inspector: false })}
        />
      </header>
      <label className="line">
        <span>name</span>
        <input
          value={doc.name ?? ''}
          aria-label="name of the workflow"
          onChange={(event) => set({ name: event.target.value })}
        />
      </label>
      <label className="line tall">
        <span>about</span>
        <textarea
          rows={3}
          value={doc.description ?? ''}
          aria-label="description of the workflow"
          onChange={(event) => set({ description: event.target.value })}
        />
      </label>
      <section>
        <h3>Parameters</h3>
        <p className="doc">
          What the app view, the command line and callers set. Declare one beside a node's setting.
        </p>
        {Object.entries(doc.parameters ?? {}).map(([name, parameter]) => (
          <div key={name} className="parameter">
            <input
              key={name}
              className="name"
              defaultValue={name}
              aria-label={`name of parameter ${name}`}
              onBlur={(event) =>
                edit('rename a parameter', (one) => renameParameter(one, name, event.target.value.trim()))
              }
              onKeyDown={blurOnEnter}
            />
            <code>
              {targetsOf(parameter)
                .map(({ node, name: setting }) => `${node}.${setting}`)
                .join(', ')}
            </code>
            <Button
              icon="close"
              size={13}
              label={`withdraw ${name}`}
              onClick={() => edit('withdraw a parameter', (one) => withdraw(one, name))}
            />
            <input
              className="about"
              value={parameter.description ?? ''}
              placeholder="what it means"
              aria-label={`description of ${name}`}
              onChange={(event) =>
                edit(
                  'describe a parameter',
                  (one) => describeParameter(one, name, event.target.value),
                  `about ${name}`,
                )
              }
            />
          </div>
        ))}
      </section>
      <section>
        <h3>Outputs</h3>
        {Object.entries(doc.outputs ?? {}).map(([name, wire]) => (
          <p key={name} className="io">
            <b>{name}</b> <code>{wire}</code>
          </p>
        ))}
      </section>
    </div>
  );
}
