/** Earlier versions of a kept workflow, and what differs from the newest. */

import { useEffect, useState } from 'react';
import { openSaved } from '../commands/files';
import type { Difference, VersionInfo } from '../connection/messages';
import { socket } from '../connection/socket';
import { Button } from '../parts/Button';
import { ago, plural } from '../parts/text';
import { Window } from '../parts/Window';
import { closeDialog, complain } from '../store/ui';
import { DifferenceView } from '../panels/DifferenceView';

export function VersionsDialog({ name }: { name: string }) {
  const [versions, setVersions] = useState<readonly VersionInfo[]>([]);
  const [difference, setDifference] = useState<{ of: string; found: Difference }>();
  useEffect(() => {
    socket.ask({ type: 'versions', name }, 'versions').then((told) => setVersions(told.versions), complain);
  }, [name]);
  const compare = (version: string): void => {
    socket
      .ask({ type: 'compare', old: { name, version }, new: { name } }, 'compared')
      .then((told) => setDifference({ of: version, found: told.difference }), complain);
  };
  return (
    <Window title={`Versions of ${name}`} wide>
      <div className="versions">
        <ul>
          {versions.map((one, place) => (
            <li key={one.version}>
              <span>
                {ago(one.time)}
                <small>
                  {plural(one.nodes, 'node')}
                  {place === 0 ? ' · newest' : ''}
                </small>
              </span>
              <Button
                label="what differs from the newest"
                disabled={place === 0}
                pressed={difference?.of === one.version}
                onClick={() => compare(one.version)}
              >
                What differs
              </Button>
              <Button
                label="open this version"
                onClick={() => {
                  closeDialog();
                  void openSaved(name, one.version);
                }}
              >
                Open
              </Button>
            </li>
          ))}
        </ul>
        {difference && <DifferenceView difference={difference.found} />}
      </div>
    </Window>
  );
}
