/** Results by key, fetched once when they are looked at and kept for the page's life. */

import { useEffect } from 'react';
import { create } from 'zustand';
import { result } from '../connection/http';
import type { ResultInfo } from '../connection/messages';

interface State {
  found: ReadonlyMap<string, ResultInfo | 'gone' | 'loading'>;
}

const useFound = create<State>(() => ({ found: new Map() }));
const KEPT = 500;

function put(key: string, value: ResultInfo | 'gone' | 'loading'): void {
  useFound.setState((state) => {
    const found = new Map(state.found).set(key, value);
    const oldest = found.keys().next().value;
    if (found.size > KEPT && oldest !== undefined) found.delete(oldest);
    return { found };
  });
}

export function useResult(key: string | undefined): ResultInfo | 'gone' | 'loading' | undefined {
  const found = useFound((state) => (key === undefined ? undefined : state.found.get(key)));
  useEffect(() => {
    if (key === undefined || useFound.getState().found.has(key)) return;
    put(key, 'loading');
    result(key).then(
      (told) => put(key, told),
      () => put(key, 'gone'),
    );
  }, [key]);
  return found;
}

/** Forget that results were gone: a run may have made them again. */
export function lookAgain(): void {
  useFound.setState((state) => ({ found: new Map([...state.found].filter(([, one]) => one !== 'gone')) }));
}
