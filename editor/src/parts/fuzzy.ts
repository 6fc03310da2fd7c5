/** Fuzzy search: letters in order, better where they follow each other or begin words. */

/** How well a text matches, higher is better; null if it does not. Words of the query may stand in any order. */
export function score(query: string, text: string): number | null {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const low = text.toLowerCase();
  let sum = 0;
  for (const word of words) {
    const one = scoreWord(word, low);
    if (one === null) return null;
    sum += one;
  }
  return sum - text.length * 0.01;
}

function scoreWord(word: string, text: string): number | null {
  const whole = text.indexOf(word);
  if (whole >= 0) return 20 + word.length * 3 + (whole === 0 ? 12 : begins(text, whole) ? 8 : 0);
  let at = -1;
  let run = 0;
  let sum = 0;
  for (const letter of word) {
    const next = text.indexOf(letter, at + 1);
    if (next < 0) return null;
    run = next === at + 1 ? run + 1 : 0;
    sum += 1 + run + (begins(text, next) ? 3 : 0) - Math.min(3, (next - at - 1) * 0.2);
    at = next;
  }
  return sum > word.length * 1.2 ? sum : null;
}

function begins(text: string, at: number): boolean {
  return at === 0 || !/[a-z0-9]/.test(text[at - 1] ?? '');
}

/** The things that match, best first; all in their order if there is no query. Earlier texts weigh more. */
export function search<T>(query: string, things: readonly T[], texts: (thing: T) => readonly string[]): T[] {
  if (query.trim() === '') return [...things];
  const scored = things.flatMap((thing) => {
    const own = texts(thing);
    const best = Math.max(
      ...own.map((text, place) => (score(query, text) ?? -Infinity) - place * 6),
      score(query, own.join(' ')) !== null ? -20 : -Infinity,
    );
    return best === -Infinity ? [] : [{ thing, best }];
  });
  return scored.sort((a, b) => b.best - a.best).map(({ thing }) => thing);
}
