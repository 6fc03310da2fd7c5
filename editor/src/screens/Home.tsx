/** The first screen: templates with pictures, and the workflows that are kept. */

import { useEffect, useState } from 'react';
import { newWorkflow, openDropped, openSaved, openTemplate } from '../commands/files';
import { perform } from '../commands';
import { useLibrary } from '../panels/WorkflowsPanel';
import { Button } from '../parts/Button';
import { search } from '../parts/fuzzy';
import { Icon } from '../parts/icons';
import { ago, plural } from '../parts/text';
import type { TemplateInfo } from '../connection/messages';
import { useCatalogue } from '../store/catalogue';
import { giveUp, look, takeUp, useDrafts } from '../store/drafts';
import { useSession } from '../store/session';
import { openDialog } from '../store/ui';

/** What a person who is new begins with; the others follow by name. */
const FIRST = [
  'text_to_video',
  'image_to_video',
  'prompt_grid',
  'video_to_video',
  'best_of_n',
  'control_to_video',
  'long_video',
];

function rank(template: TemplateInfo): number {
  const place = FIRST.indexOf(template.name);
  return place < 0 ? FIRST.length : place;
}

export function Home() {
  const templates = useCatalogue((state) => state.templates);
  const problem = useCatalogue((state) => state.problem);
  const status = useSession((state) => state.status);
  const library = useLibrary();
  const [query, setQuery] = useState('');
  const found = search(
    query,
    [...templates].sort((a, b) => rank(a) - rank(b)),
    (one) => [one.name.replaceAll('_', ' '), one.description],
  );
  const kept = search(query, library?.workflows ?? [], (one) => [one.name, one.description]);
  return (
    <main
      className="home"
      aria-label="first screen"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        void openDropped([...event.dataTransfer.files]);
      }}
    >
      <div className="home-inner">
        <header>
          <div>
            <h1>What do you want to make?</h1>
            <p>
              Pick a template, change its prompt, press Run. Or drop a video that graphflow made: its workflow
              opens.
            </p>
          </div>
          <div className="home-actions">
            <Button icon="plus" label="Empty workflow" onClick={newWorkflow}>
              Empty workflow
            </Button>
            <Button icon="upload" label="Open a file" onClick={() => perform('file.open')}>
              Open a file
            </Button>
          </div>
        </header>
        <label className="find large">
          <Icon name="search" />
          <input
            type="search"
            autoFocus
            placeholder="Search templates and workflows"
            aria-label="search templates and workflows"
            value={query}
            onChange={(event) => setQuery(event.target.value)}
          />
        </label>
        {status === 'refused' && (
          <p className="notice bad" role="alert">
            This browser has no key to the server. Open the address that <code>graphflow serve</code> printed;
            it carries the token.
          </p>
        )}
        {problem && status !== 'refused' && (
          <p className="notice bad" role="alert">
            {problem}
          </p>
        )}
        <Unsaved />
        {kept.length > 0 && (
          <section aria-label="your workflows">
            <h2>Your workflows</h2>
            <div className="kept">
              {kept.map((one) => (
                <button key={one.name} type="button" onClick={() => void openSaved(one.name)}>
                  <b>{one.name}</b>
                  <small>
                    {plural(one.nodes, 'node')} · {ago(one.time)}
                  </small>
                </button>
              ))}
            </div>
          </section>
        )}
        <section aria-label="templates">
          <h2>Templates</h2>
          <div className="gallery">
            {found.map((one) => (
              <Card key={one.name} template={one} />
            ))}
          </div>
          {found.length === 0 && (
            <p className="empty">{templates.length > 0 ? 'no template is like that' : 'reading ...'}</p>
          )}
        </section>
      </div>
    </main>
  );
}

/** Work of a browser that is gone. */
function Unsaved() {
  const offered = useDrafts((state) => state.offered);
  useEffect(() => void look(), []);
  if (offered.length === 0) return null;
  return (
    <section aria-label="not saved">
      <h2>Not saved</h2>
      <p className="doc">What was open in a browser that is gone, as it was last.</p>
      <div className="kept">
        {offered.map((one) => (
          <div key={one.draft} className="draft">
            <button type="button" onClick={() => void takeUp(one)}>
              <b>{one.title.replaceAll('_', ' ')}</b>
              <small>
                {plural(one.nodes, 'node')} · {ago(one.time)}
              </small>
            </button>
            <Button
              icon="close"
              size={13}
              label={`give up ${one.title}, which was not saved`}
              onClick={() =>
                openDialog('confirm', {
                  title: 'Give this work up?',
                  text: `“${one.title}” was not saved; it would be gone for good.`,
                  action: 'Give it up',
                  onYes: () => void giveUp(one),
                })
              }
            />
          </div>
        ))}
      </div>
    </section>
  );
}

function Card({ template }: { template: TemplateInfo }) {
  const name = template.name.replaceAll('_', ' ');
  return (
    <article className="card">
      <button type="button" className="card-open" onClick={() => void openTemplate(template.name)}>
        {template.picture ? (
          <img src={template.picture} alt="" loading="lazy" />
        ) : (
          <span className="no-picture">
            <Icon name="nodes" size={34} />
          </span>
        )}
        <b>{name}</b> <span>{template.description}</span>
      </button>
      <footer>
        <small>{plural(template.nodes, 'node')}</small>
        <Button
          label={`open ${name} as an app`}
          tone="quiet"
          onClick={() => void openTemplate(template.name, 'app')}
        >
          As an app
        </Button>
      </footer>
    </article>
  );
}
