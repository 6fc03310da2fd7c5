/** A text of a node's author: paragraphs, a line for each input that is told of, and `names` as such. */

import { linesOf } from './text';

export function Doc({ text }: { readonly text: string }) {
  return (
    <div className="doc">
      {linesOf(text).map((line, place) => (
        <p key={place}>
          <Words text={line} />
        </p>
      ))}
    </div>
  );
}

export function Words({ text }: { readonly text: string }) {
  return text.split('`').map((part, place) => (place % 2 === 1 ? <code key={place}>{part}</code> : part));
}
