/** Asks for one line of text. */

import { useState } from 'react';
import { Window } from '../parts/Window';
import { closeDialog } from '../store/ui';

interface Props {
  readonly title: string;
  readonly value: string;
  readonly onAnswer: (text: string) => void;
  /** What is wrong with an answer; empty if nothing. */
  readonly check?: (text: string) => string;
}

export function AskDialog({ title, value, onAnswer, check }: Props) {
  const [problem, setProblem] = useState('');
  return (
    <Window title={title}>
      <form
        className="ask"
        onSubmit={(event) => {
          event.preventDefault();
          const text = String(new FormData(event.currentTarget).get('text') ?? '');
          const wrong = check?.(text.trim()) ?? '';
          setProblem(wrong);
          if (wrong !== '') return;
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
      {problem !== '' && (
        <p className="failure" role="alert">
          {problem}
        </p>
      )}
    </Window>
  );
}
