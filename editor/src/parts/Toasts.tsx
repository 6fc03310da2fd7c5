/** Short messages in a corner; while a window is open they belong to it, since what is behind one cannot be reached. */

import { Button } from './Button';
import { hush, useUi } from '../store/ui';

export function Toasts() {
  const toasts = useUi((state) => state.toasts);
  return (
    <div className="toasts" role="log" aria-live="polite" aria-label="messages">
      {toasts.map((toast) => (
        <div
          key={toast.id}
          className={`toast ${toast.tone}`}
          role={toast.tone === 'bad' ? 'alert' : undefined}
        >
          <span>
            {toast.text}
            {toast.hint && <small>{toast.hint}</small>}
          </span>
          <Button icon="close" size={13} label="close the message" onClick={() => hush(toast.id)} />
        </div>
      ))}
    </div>
  );
}
