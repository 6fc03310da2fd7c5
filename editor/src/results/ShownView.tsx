/** One output: image, video, audio, text, number, plot, table, file. Text is text; nothing is ever read as HTML. */

import { useState } from 'react';
import type { Shown } from '../connection/messages';
import { Icon } from '../parts/icons';
import { size } from '../parts/text';
import { PlotView } from './PlotView';

interface Props {
  readonly shown: Shown;
  readonly title: string;
  readonly large?: boolean;
}

/** What a saved file is shown as. */
function mediaOf(shown: Shown): Shown['kind'] {
  if (shown.kind !== 'file') return shown.kind;
  const kind = shown.media_type.split('/')[0];
  return kind === 'image' || kind === 'video' || kind === 'audio' ? kind : 'file';
}

export function ShownView({ shown, title, large }: Props) {
  switch (mediaOf(shown)) {
    case 'image':
      return (
        <img className="media" src={shown.url} alt={`result of ${title}`} loading="lazy" draggable={false} />
      );
    case 'video':
      return <VideoView shown={shown} title={title} large={large} />;
    case 'audio':
      return (
        <audio
          className="media nodrag"
          src={shown.url}
          controls
          preload="metadata"
          aria-label={`result of ${title}`}
        />
      );
    case 'plot':
      return large ? (
        <>
          <PlotView shown={shown} large />
          <TableView value={shown.value} />
        </>
      ) : (
        <PlotView shown={shown} />
      );
    case 'table':
      return <TableView value={shown.value} />;
    case 'list':
      return <ListView shown={shown} title={title} large={large} />;
    case 'file':
      return (
        <a className="file-link nodrag" href={shown.url} download>
          <Icon name="download" /> {String(shown.facts.name ?? 'file')}{' '}
          <small>{typeof shown.facts.size === 'number' ? size(shown.facts.size) : ''}</small>
        </a>
      );
    case 'none':
      return null;
    default:
      return (
        <pre className="told nowheel nodrag">
          {typeof shown.value === 'string' ? shown.value : JSON.stringify(shown.value, null, 1)}
        </pre>
      );
  }
}

/** Clips of models are short and mean to be seen again: they loop, muted on a node. */
function VideoView({ shown, title, large }: Props) {
  return (
    <video
      className="media nodrag"
      src={shown.url}
      controls
      loop
      autoPlay
      muted={!large}
      playsInline
      preload="metadata"
      aria-label={`result of ${title}`}
      data-testid="result-video"
    />
  );
}

function TableView({ value }: { value: unknown }) {
  const rows = Array.isArray(value) ? value : [];
  const columns = [
    ...new Set(rows.flatMap((row) => (typeof row === 'object' && row !== null ? Object.keys(row) : []))),
  ];
  if (columns.length === 0) return <pre className="told nowheel">{JSON.stringify(value, null, 1)}</pre>;
  return (
    <div className="table nowheel nodrag" tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, 500).map((row: Record<string, unknown>, index) => (
            <tr key={index}>
              {columns.map((column) => (
                <td key={column}>
                  {typeof row[column] === 'object' ? JSON.stringify(row[column]) : String(row[column] ?? '')}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The items of a list output, one at a time; each has its own address. */
function ListView({ shown, title, large }: Props) {
  const [place, setPlace] = useState(0);
  const count = shown.count ?? 0;
  const of = typeof shown.facts.kind === 'string' ? (shown.facts.kind as Shown['kind']) : undefined;
  if (shown.url === '' || count === 0) {
    return (
      <pre className="told nowheel">
        {shown.value === null ? `${count} items` : JSON.stringify(shown.value, null, 1)}
      </pre>
    );
  }
  const item: Shown = { ...shown, kind: of ?? 'image', url: `${shown.url}?item=${place}`, count: null };
  return (
    <>
      <ShownView shown={item} title={title} large={large} />
      <span className="pager list nodrag">
        <button
          type="button"
          aria-label="earlier item"
          disabled={place === 0}
          onClick={() => setPlace(place - 1)}
        >
          ‹
        </button>
        {place + 1}/{count}
        <button
          type="button"
          aria-label="next item"
          disabled={place >= count - 1}
          onClick={() => setPlace(place + 1)}
        >
          ›
        </button>
      </span>
    </>
  );
}
