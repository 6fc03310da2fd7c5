/** Asks for one line of text. */

import { Window } from '../parts/Window';
import { closeDialog } from '../store/ui';

interface Props {
  readonly title: string;
  readonly value: string;
  readonly onAnswer: (text: string) => void;
}

export function AskDialog({ title, value, onAnswer }: Props) {
  return (
    <Window title={title}>
      <form
        className="ask"
        onSubmit={(event) => {
          event.preventDefault();
          const text = String(new FormData(event.currentTarget).get('text') ?? '');
          closeDialog();
          if (text.trim() !== '') onAnswer(text);
        }}
      >
        <input
          name="text"
          data-first
          aria-label={title}
          defaultValue={value}
          onFocus={(event) => event.target.select()}
          maxLength={100}
          required
        />
        <button type="submit" className="button primary">
          OK
        </button>
      </form>
    </Window>
  );
}
