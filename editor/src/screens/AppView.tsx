/** A workflow without its graph: the declared parameters, the button, the result. */

import { useEffect, useMemo, useRef } from 'react';
import { perform } from '../commands';
import { useTabRun, useUnderWay } from '../canvas/state';
import { own } from '../document/records';
import { setParameter, targetsOf, valueOf } from '../document/parameters';
import type { Workflow } from '../document/types';
import { split } from '../document/wires';
import { Button } from '../parts/Button';
import { Icon } from '../parts/icons';
import { duration, label, plural, size } from '../parts/text';
import { kindOf } from '../results/resultHeight';
import { NodeResult } from '../results/NodeResult';
import { useResult } from '../results/useResult';
import type { Setting } from '../schema/defs';
import { defOf, useCatalogue } from '../store/catalogue';
import { edit, useActive, useDoc } from '../store/tabs';
import { useProblems } from '../panels/Problems';
import { resultsOf } from '../store/runs';
import { Control } from '../widgets/Control';

interface Shown {
  readonly name: string;
  readonly about: string;
  readonly setting: Setting | undefined;
}

function parametersOf(doc: Workflow): Shown[] {
  return Object.entries(doc.parameters ?? {}).map(([name, parameter]) => {
    const target = targetsOf(parameter)[0];
    const def = defOf(own(doc.nodes, target?.node ?? '')?.type ?? '');
    return {
      name,
      about: parameter.description ?? '',
      setting: def?.settings.find((one) => one.name === target?.name),
    };
  });
}

/** Nodes whose results are the workflow's: those behind its outputs, media first, each once. */
function resultNodes(doc: Workflow): string[] {
  const ids = [...new Set(Object.values(doc.outputs ?? {}).map((wire) => split(wire).node))];
  const shown = ids.filter((id) => kindOf(defOf(own(doc.nodes, id)?.type ?? '')) !== 'none');
  const files = shown.filter((id) => defOf(own(doc.nodes, id)?.type ?? '')?.effect);
  return files.length > 0 ? files : shown;
}

const MANY = 6;

/** Problems that are told; who mends these sees the next ones. */
const FEW = 4;

export function AppView() {
  const doc = useDoc();
  const title = useActive((tab) => tab.title, '');
  useCatalogue((state) => state.ready);
  const parameters = parametersOf(doc);
  const [first, more] = [parameters.slice(0, MANY), parameters.slice(MANY)];
  return (
    <main className="app-view" aria-label="app">
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault();
          perform('run.all');
        }}
      >
        <h1>{(doc.name || title).replaceAll('_', ' ')}</h1>
        {doc.description && <p className="doc">{doc.description}</p>}
        {first.map((one) => (
          <ParameterField key={one.name} shown={one} doc={doc} />
        ))}
        {more.length > 0 && (
          <details>
            <summary>{plural(more.length, 'more setting')}</summary>
            {more.map((one) => (
              <ParameterField key={one.name} shown={one} doc={doc} />
            ))}
          </details>
        )}
        {parameters.length === 0 && (
          <p className="doc">
            This workflow declares no parameters. In the graph, choose a node and declare some of its
            settings.
          </p>
        )}
        <RunButton />
      </form>
      <Results doc={doc} />
    </main>
  );
}

function ParameterField({ shown, doc }: { shown: Shown; doc: Workflow }) {
  const { name, about, setting } = shown;
  if (setting === undefined) return null;
  const value = valueOf(doc, name);
  return (
    <div className="app-field">
      <span className="app-label">{label(name)}</span>
      <Control
        setting={setting}
        value={value === undefined ? setting.initial : value}
        label={name}
        roomy
        onChange={(next) => edit(`set ${name}`, (one) => setParameter(one, name, next), `set ${name}`)}
      />
      {about && <small>{about}</small>}
    </div>
  );
}

function RunButton() {
  const running = useUnderWay();
  const total = useTabRun((run) => run.total);
  const text =
    total === undefined || total.steps === 0
      ? ''
      : total.seconds === null
        ? ''
        : `about ${duration(total.seconds)}`;
  return (
    <div className="run-line">
      {running ? (
        <Button icon="stop" label="Cancel the run" tone="danger" onClick={() => perform('run.cancel')}>
          Cancel
        </Button>
      ) : (
        <Button icon="play" label="Run" tone="primary" onClick={() => perform('run.all')}>
          Run
        </Button>
      )}
      <span className="faint">{running ? 'running' : text}</span>
    </div>
  );
}

function Results({ doc }: { doc: Workflow }) {
  const inner = useCatalogue((state) => state.inner);
  const ready = useCatalogue((state) => state.ready);
  const ids = useMemo(() => resultNodes(doc), [doc, inner, ready]);
  const run = useTabRun((one) => one);
  const live = useTabRun((run) => run.live);
  const working = Object.entries(live).find(([, one]) => one.state === 'running')?.[0];
  const previewed = useTabRun((run) => run.previewed);
  const shown = ids.filter((id) => resultsOf(run, id, defOf(own(doc.nodes, id)?.type ?? '')) !== undefined);
  const failed = Object.values(live).find((one) => one.state === 'failed');
  const problems = useProblems().slice(0, FEW);
  const underWay = useUnderWay();
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (underWay) ref.current?.scrollIntoView({ block: 'nearest' }); // on a narrow page it stands below the form
  }, [underWay]);
  const watch = working !== undefined && previewed[working] ? working : undefined;
  return (
    <div className="app-results" aria-live="polite" ref={ref}>
      {(failed ? [failed] : problems).map(({ message, hint }, place) => (
        <p key={place} className="notice bad" role={failed && 'alert'}>
          {message}
          {hint && <small>{hint}</small>}
        </p>
      ))}
      {watch !== undefined ? (
        <Big id={watch} doc={doc} caption="in the making" />
      ) : (
        shown.map((id) => (
          <Big
            key={id}
            id={id}
            doc={doc}
            caption={Object.entries(doc.outputs ?? {}).find(([, wire]) => split(wire).node === id)?.[0] ?? ''}
          />
        ))
      )}
      {watch === undefined && shown.length === 0 && (
        <p className="empty large">{working ? 'working ...' : 'The result will be here.'}</p>
      )}
    </div>
  );
}

function Big({ id, doc, caption }: { id: string; doc: Workflow; caption: string }) {
  const def = defOf(own(doc.nodes, id)?.type ?? '');
  const keys = Object.values(useTabRun((run) => resultsOf(run, id, def)) ?? {});
  if (def === undefined) return null;
  return (
    <figure className="big">
      <NodeResult id={id} def={def} />
      <figcaption>
        {keys.length === 1 ? <Taken id={keys[0] ?? ''} name={caption} /> : label(caption)}
      </figcaption>
    </figure>
  );
}

/** What an output is called; of a saved file its name, to be taken away. */
function Taken({ id, name }: { id: string; name: string }) {
  const found = useResult(id);
  const file =
    typeof found === 'object'
      ? Object.values(found.outputs).find((one) => one.type === 'SavedFile')
      : undefined;
  if (file === undefined) return label(name);
  return (
    <a className="file-link" href={file.url} download>
      <Icon name="download" /> {String(file.facts.name ?? name)}
      {typeof file.facts.size === 'number' && <small>{size(file.facts.size)}</small>}
    </a>
  );
}
