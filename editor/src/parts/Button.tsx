/** A button with an icon, a text, or both; what it does is said to everybody. */

import type { MouseEvent, ReactNode } from 'react';
import { Icon, type IconName } from './icons';

interface Props {
  readonly label: string;
  readonly icon?: IconName;
  readonly children?: ReactNode;
  readonly onClick: (event: MouseEvent<HTMLButtonElement>) => void;
  readonly pressed?: boolean;
  readonly disabled?: boolean;
  readonly tone?: 'primary' | 'danger' | 'quiet';
  readonly className?: string;
  readonly keys?: string;
  readonly size?: number;
}

export function Button({
  label,
  icon,
  children,
  onClick,
  pressed,
  disabled,
  tone,
  className,
  keys,
  size,
}: Props) {
  const names = ['button', tone, children === undefined ? 'bare' : '', className].filter(Boolean).join(' ');
  return (
    <button
      type="button"
      className={names}
      aria-label={label}
      title={keys ? `${label} (${keys})` : label}
      aria-pressed={pressed}
      disabled={disabled}
      onClick={onClick}
    >
      {icon && <Icon name={icon} size={size} />}
      {children}
    </button>
  );
}
