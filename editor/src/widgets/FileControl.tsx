/** A file: its name and a small picture; chosen from earlier uploads, sent from this machine, or dropped here. */

import { useState, type DragEvent } from 'react';
import { upload } from '../connection/http';
import { Icon } from '../parts/icons';
import { complain, openDialog } from '../store/ui';
import type { ControlProps } from './Control';

const REFERENCE = /^asset:([0-9a-f]{32})$/;

/** The address of an upload that a setting names; undefined for a path on the server. */
export function assetUrl(value: unknown): string | undefined {
  const found = typeof value === 'string' ? REFERENCE.exec(value) : null;
  return found ? `/api/uploads/${found[1]}` : undefined;
}

export function FileControl({ setting, value, onChange, label }: ControlProps) {
  const [busy, setBusy] = useState(false);
  const url = assetUrl(value);
  const name =
    typeof value === 'string' && value !== ''
      ? url
        ? 'uploaded file'
        : value.split('/').pop()
      : 'choose a file';
  const send = async (file: File): Promise<void> => {
    setBusy(true);
    try {
      onChange(`asset:${(await upload(file, setting.accepts)).asset}`);
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  const drop = (event: DragEvent): void => {
    const file = event.dataTransfer.files[0];
    if (file === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    void send(file);
  };
  return (
    <button
      type="button"
      className="control structure file nodrag"
      aria-label={`${label}: ${name}`}
      onDragOver={(event) => event.preventDefault()}
      onDrop={drop}
      onClick={() => openDialog('files', { accepts: setting.accepts, value, onChange, label })}
    >
      {url !== undefined && setting.accepts === 'image' && <img src={url} alt="" />}
      <span>{busy ? 'sending ...' : name}</span>
      <Icon name="upload" size={12} />
    </button>
  );
}
