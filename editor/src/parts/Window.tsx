/** A modal window: focus stays inside, Escape closes it, focus goes back where it was. */

import { useEffect, useRef, type ReactNode } from 'react';
import { closeDialog } from '../store/ui';
import { Button } from './Button';
import { Toasts } from './Toasts';

interface Props {
  readonly title: string;
  readonly children: ReactNode;
  readonly wide?: boolean;
  readonly bare?: boolean;
  readonly onClose?: () => void;
}

export function Window({ title, children, wide, bare, onClose = closeDialog }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
    dialog?.querySelector<HTMLElement>('[data-first], .answers button')?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      className={['window', wide ? 'wide' : '', bare ? 'bare-window' : ''].filter(Boolean).join(' ')}
      role="dialog"
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onPointerDown={(event) => event.target === ref.current && onClose()}
    >
      <div className="window-inner">
        {!bare && (
          <header>
            <h2>{title}</h2>
            <Button icon="close" label="close" onClick={onClose} />
          </header>
        )}
        {children}
      </div>
      <Toasts />
    </dialog>
  );
}
