/** Chooses a file: earlier uploads with pictures, one from this machine, or a path on the server. */

import { useEffect, useState } from 'react';
import { upload, uploads } from '../connection/http';
import type { AssetInfo } from '../connection/messages';
import { Button } from '../parts/Button';
import { ago, size } from '../parts/text';
import { Window } from '../parts/Window';
import { closeDialog, complain } from '../store/ui';

interface Props {
  readonly accepts: string;
  readonly value: unknown;
  readonly label: string;
  readonly onChange: (value: unknown) => void;
}

export function FilesDialog({ accepts, value, label, onChange }: Props) {
  const [found, setFound] = useState<AssetInfo[]>([]);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    uploads(accepts).then(setFound, complain);
  }, [accepts]);
  const take = (next: string): void => {
    closeDialog();
    onChange(next);
  };
  const send = (file: File | undefined): void => {
    if (file === undefined) return;
    setBusy(true);
    upload(file, accepts)
      .then((asset) => take(`asset:${asset.asset}`), complain)
      .finally(() => setBusy(false));
  };
  return (
    <Window title={`File for ${label}`} wide>
      <label
        className="drop"
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => {
          event.preventDefault();
          send(event.dataTransfer.files[0]);
        }}
      >
        <input
          type="file"
          data-first
          accept={['image', 'video', 'audio'].includes(accepts) ? `${accepts}/*` : undefined}
          onChange={(event) => send(event.target.files?.[0])}
        />
        <span>{busy ? 'sending ...' : 'Choose a file from this machine, or drop one here'}</span>
      </label>
      <div className="uploads">
        {found.map((one) => (
          <button
            key={one.asset}
            type="button"
            aria-pressed={value === `asset:${one.asset}`}
            onClick={() => take(`asset:${one.asset}`)}
          >
            <Thumb asset={one} />
            <span>{one.name}</span>
            <small>
              {size(one.size)} · {ago(one.time)}
            </small>
          </button>
        ))}
        {found.length === 0 && <p className="empty">nothing was uploaded yet</p>}
      </div>
      <form
        className="ask"
        onSubmit={(event) => {
          event.preventDefault();
          take(String(new FormData(event.currentTarget).get('path') ?? ''));
        }}
      >
        <input
          name="path"
          aria-label="path on the server"
          placeholder="or a path on the server's machine"
          defaultValue={typeof value === 'string' && !value.startsWith('asset:') ? value : ''}
        />
        <Button label="none: no file" onClick={() => take('')}>
          None
        </Button>
        <button type="submit" className="button">
          Use the path
        </button>
      </form>
    </Window>
  );
}

function Thumb({ asset }: { asset: AssetInfo }) {
  if (asset.media_type.startsWith('image/')) return <img src={asset.url} alt="" loading="lazy" />;
  if (asset.media_type.startsWith('video/')) return <video src={asset.url} muted preload="metadata" />;
  return <span className="no-picture">{asset.media_type.split('/')[0]}</span>;
}
