/** Asks before something is gone for good. */

import { Button } from '../parts/Button';
import { Window } from '../parts/Window';
import { closeDialog } from '../store/ui';

interface Props {
  readonly title: string;
  readonly text: string;
  readonly action: string;
  readonly onYes: () => void;
}

export function ConfirmDialog({ title, text, action, onYes }: Props) {
  return (
    <Window title={title}>
      <p>{text}</p>
      <div className="answers">
        <Button label="Keep it" onClick={closeDialog}>
          Keep it
        </Button>
        <Button
          label={action}
          tone="danger"
          onClick={() => {
            closeDialog();
            onYes();
          }}
        >
          {action}
        </Button>
      </div>
    </Window>
  );
}
