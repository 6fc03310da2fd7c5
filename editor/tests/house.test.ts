import { expect, it } from 'vitest';

const sources = import.meta.glob<string>('../src/**/*.{ts,tsx}', {
  query: '?raw',
  import: 'default',
  eager: true,
});
const own = Object.entries(sources).filter(([path]) => !path.includes('/generated/'));

it('files are short', () => {
  expect(own.length).toBeGreaterThan(80);
  expect(own.filter(([, text]) => text.split('\n').length > 400).map(([path]) => path)).toEqual([]);
});

it('files say what they are for', () => {
  expect(own.filter(([, text]) => !text.startsWith('/*')).map(([path]) => path)).toEqual([]);
});

it('text is never read as HTML or code', () => {
  const acts =
    /dangerouslySetInnerHTML|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function\(/;
  expect(own.filter(([, text]) => acts.test(text)).map(([path]) => path)).toEqual([]);
});
